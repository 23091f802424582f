//! Brute force: rows are put into files, by partition, with bounds as a writer would record them; whatever any client could
//! find in a row must keep its file.

use std::collections::{BTreeMap, HashMap};

use iceberg::{
    spec::{
        DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, FieldSummary, Literal, PrimitiveLiteral,
        PrimitiveType, Struct, Transform, Type,
    },
    transform::create_transform_function,
};
use polder_policy::Comparison::{self, Eq, Gt, GtEq, Lt, LtEq, NotEq};
use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

type Row = BTreeMap<i32, Option<Datum>>;

fn columns() -> Vec<Column> {
    use PrimitiveType as T;
    let types = [
        T::Boolean,
        T::Int,
        T::Long,
        T::Float,
        T::Double,
        T::Decimal { precision: 9, scale: 2 },
        T::Date,
        T::Time,
        T::Timestamp,
        T::Timestamptz,
        T::TimestampNs,
        T::String,
        T::Uuid,
        T::Fixed(2),
        T::Binary,
    ];
    let identity = Transform::Identity;
    let plain = (1..).zip(types).map(|(id, ty)| Column { id, transform: identity, ty, top: id != 3 });
    let derived = [
        (2, Transform::Bucket(3), T::Int),
        (9, Transform::Year, T::Int),
        (9, Transform::Day, T::Date),
        (12, Transform::Truncate(2), T::String),
    ];
    let derived = derived.map(|(id, transform, ty)| Column { id, transform, ty, top: true });
    plain.chain(derived).collect()
}

/// The columns that rows have.
fn stored() -> Vec<Column> {
    columns().into_iter().filter(|column| column.transform == Transform::Identity).collect()
}

/// A value of a type: mostly small ones, so that they meet; instants around 1970, and at the edges of units.
fn datum(ty: &PrimitiveType) -> BoxedStrategy<Datum> {
    use PrimitiveType as T;
    let small = || prop_oneof![4 => -25..25_i64, 1 => -1_000_000_000..1_000_000_000_i64];
    let days = || prop_oneof![-800..800_i32, select(vec![0, 31, 365, -1, -365, -366, 20_000])];
    let micros = || {
        (days(), select(vec![0, 1, -1, 3_600_000_000, 3_599_999_999, 40_000_000_000_i64]))
            .prop_map(|(days, of_day)| i64::from(days) * 86_400_000_000 + of_day)
    };
    let real = || select(vec![0.0, -0.0, 0.1, 1.5, -1.5, 1e30, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    match ty {
        T::Boolean => any::<bool>().prop_map(Datum::bool).boxed(),
        T::Int => small().prop_map(|v| Datum::int(v as i32)).boxed(),
        T::Long => small().prop_map(Datum::long).boxed(),
        T::Float => real().prop_map(|v| Datum::float(v as f32)).boxed(),
        T::Double => real().prop_map(Datum::double).boxed(),
        T::Decimal { .. } => small()
            .prop_map(|v| {
                let bytes = i128::from(v % 1_000_000).to_be_bytes();
                Datum::try_from_bytes(&bytes, T::Decimal { precision: 9, scale: 2 }).unwrap()
            })
            .boxed(),
        T::Date => days().prop_map(Datum::date).boxed(),
        T::Time => (0..86_400_000_000_i64).prop_map(|v| Datum::time_micros(v).unwrap()).boxed(),
        T::Timestamp => micros().prop_map(Datum::timestamp_micros).boxed(),
        T::Timestamptz => micros().prop_map(Datum::timestamptz_micros).boxed(),
        T::TimestampNs => micros().prop_map(|v| Datum::timestamp_nanos(v * 1_000)).boxed(),
        T::String => "[ab\u{e9}\u{10400}]{0,4}".prop_map(Datum::string).boxed(),
        T::Uuid => (0..4_u128, any::<bool>())
            .prop_map(|(v, high)| Datum::uuid(uuid::Uuid::from_u128(v | u128::from(high) << 127)))
            .boxed(),
        T::Fixed(_) => vec(0..3_u8, 2).prop_map(Datum::fixed).boxed(),
        _ => vec(0..3_u8, 0..4).prop_map(Datum::binary).boxed(),
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let cells: Vec<_> = stored()
        .iter()
        .map(|column| {
            let id = column.id;
            prop_oneof![1 => Just(None), 5 => datum(&column.ty).prop_map(Some)].prop_map(move |cell| (id, cell))
        })
        .collect();
    vec(cells.prop_map(|cells| cells.into_iter().collect()), 1..7)
}

fn leaf() -> impl Strategy<Value = Node> {
    let columns = columns();
    (0..columns.len()).prop_flat_map(move |place| {
        let ty = columns[place].ty.clone();
        let value = || {
            let ty = ty.clone();
            datum(&ty).prop_filter_map("a literal", move |datum| {
                Value::of_bound(&datum, &ty).filter(|value| !matches!(value, Value::Real(real) if !real.is_finite()))
            })
        };
        let ops = select(vec![Eq, NotEq, Lt, LtEq, Gt, GtEq]);
        let real = matches!(ty, PrimitiveType::Float | PrimitiveType::Double);
        let text = ty == PrimitiveType::String;
        let prefix = || "[ab\u{e9}]{0,2}".prop_map(String::into_bytes);
        let test = prop_oneof![
            1 => Just(Test::Null),
            1 => Just(Test::NotNull),
            1 => Just(if real { Test::Nan } else { Test::Null }),
            1 => Just(if real { Test::NotNan } else { Test::NotNull }),
            8 => (ops, value()).prop_map(|(op, value)| Test::Compare(op, value)),
            2 => vec(value(), 0..3).prop_map(Test::In),
            2 => vec(value(), 0..3).prop_map(Test::NotIn),
            2 => prefix().prop_map(move |p| if text { Test::StartsWith(p) } else { Test::Null }),
            2 => prefix().prop_map(move |p| if text { Test::NotStartsWith(p) } else { Test::NotNull }),
        ];
        test.prop_map(move |test| Node::Test(place, test))
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![1 => Just(Node::True), 1 => Just(Node::False), 1 => Just(Node::Opaque), 20 => leaf()];
    let node = leaf.prop_recursive(3, 10, 2, |inner| {
        let two = || (inner.clone(), inner.clone());
        prop_oneof![
            two().prop_map(|(a, b)| Node::And(Box::new(a), Box::new(b))),
            two().prop_map(|(a, b)| Node::Or(Box::new(a), Box::new(b))),
            inner.clone().prop_map(|inner| Node::Not(Box::new(inner))),
        ]
    });
    node.prop_map(|root| Filter { columns: columns(), root })
}

/// Two fields of a spec: the place of the source column, and a transform that it may have.
fn spec() -> impl Strategy<Value = Vec<(usize, Transform)>> {
    use Transform as X;
    let all =
        vec![X::Identity, X::Bucket(3), X::Truncate(2), X::Truncate(10), X::Year, X::Month, X::Day, X::Hour, X::Void];
    let columns = stored();
    let field = (0..columns.len(), select(all)).prop_filter("applicable", move |(place, transform)| {
        transform.result_type(&Type::Primitive(columns[*place].ty.clone())).is_ok()
    });
    vec(field, 0..3)
}

/// How a client compares. SQL leaves a null unknown, Iceberg's own evaluators do not; NaN is the largest, or nothing at
/// all; a `float` meets a literal as it is, or as a `float`.
#[derive(Clone, Copy, Debug)]
struct Client {
    sql: bool,
    nan_is_largest: bool,
    narrow: bool,
    /// What a function or a comparison of two columns gives here.
    opaque: bool,
}

impl Client {
    fn all() -> impl Iterator<Item = Self> {
        (0..16_u8).map(|bits| Self {
            sql: bits & 1 > 0,
            nan_is_largest: bits & 2 > 0,
            narrow: bits & 4 > 0,
            opaque: bits & 8 > 0,
        })
    }

    fn eval(self, node: &Node, row: &Row, columns: &[Column]) -> Option<bool> {
        match node {
            Node::True => Some(true),
            Node::False => Some(false),
            Node::Opaque => Some(self.opaque),
            Node::And(a, b) => match (self.eval(a, row, columns), self.eval(b, row, columns)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Node::Or(a, b) => match (self.eval(a, row, columns), self.eval(b, row, columns)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Node::Not(inner) => self.eval(inner, row, columns).map(|value| !value),
            Node::Test(place, test) => {
                let column = &columns[*place];
                let cell = transformed(column.transform, row[&column.id].as_ref(), false);
                self.test(test, cell.as_ref(), column)
            }
        }
    }

    fn test(self, test: &Test, cell: Option<&Datum>, column: &Column) -> Option<bool> {
        let negative = matches!(test, Test::Compare(NotEq, _) | Test::NotIn(_) | Test::NotStartsWith(_));
        let value = cell.map(|cell| Value::of(cell.literal(), &column.ty).unwrap());
        let Some(value) = value else {
            return match test {
                Test::Null => Some(true),
                Test::NotNull => Some(false),
                Test::Nan => {
                    if self.sql {
                        None
                    } else {
                        Some(false)
                    }
                }
                Test::NotNan => {
                    if self.sql {
                        None
                    } else {
                        Some(true)
                    }
                }
                _ if self.sql => None,
                _ => Some(negative),
            };
        };
        let is = |op, other: &Value| self.compare(op, &value, other, column);
        let starts = |prefix: &Vec<u8>| matches!(&value, Value::Text(text) if text.as_bytes().starts_with(prefix));
        Some(match test {
            Test::Null => false,
            Test::NotNull => true,
            Test::Nan => matches!(value, Value::Real(real) if real.is_nan()),
            Test::NotNan => !matches!(value, Value::Real(real) if real.is_nan()),
            Test::Compare(op, other) => is(*op, other),
            Test::In(others) => others.iter().any(|other| is(Eq, other)),
            Test::NotIn(others) => !others.iter().any(|other| is(Eq, other)),
            Test::StartsWith(prefix) => starts(prefix),
            Test::NotStartsWith(prefix) => !starts(prefix),
        })
    }

    fn compare(self, op: Comparison, left: &Value, right: &Value, column: &Column) -> bool {
        let order = match (left, right) {
            (Value::Real(left), Value::Real(right)) => {
                let narrow = self.narrow && column.ty == PrimitiveType::Float;
                let right = if narrow { f64::from(*right as f32) } else { *right };
                match (left.is_nan(), self.nan_is_largest) {
                    (true, false) => return op == NotEq,
                    (true, true) => Ordering::Greater,
                    (false, _) => left.partial_cmp(&right).unwrap(),
                }
            }
            _ => left.order(right).unwrap(),
        };
        match op {
            Eq => order == Ordering::Equal,
            NotEq => order != Ordering::Equal,
            Lt => order == Ordering::Less,
            LtEq => order != Ordering::Greater,
            Gt => order == Ordering::Greater,
            GtEq => order != Ordering::Less,
        }
    }
}

/// A partition value as a writer makes it; `old` ones rounded instants before 1970 towards it.
fn transformed(transform: Transform, cell: Option<&Datum>, old: bool) -> Option<Datum> {
    let cell = cell?;
    if transform == Transform::Identity {
        return Some(cell.clone());
    }
    if let (Transform::Truncate(width), PrimitiveLiteral::Binary(bytes)) = (transform, cell.literal()) {
        return Some(Datum::binary(bytes.iter().copied().take(width as usize)));
    }
    let apply = |datum: &Datum| create_transform_function(&transform).unwrap().transform_literal(datum).unwrap();
    let value = apply(cell)?;
    let before = match (cell.data_type(), cell.literal()) {
        (PrimitiveType::Timestamp, PrimitiveLiteral::Long(v)) => Datum::timestamp_micros(v - 1),
        (PrimitiveType::Timestamptz, PrimitiveLiteral::Long(v)) => Datum::timestamptz_micros(v - 1),
        _ => return Some(value),
    };
    let temporal = matches!(transform, Transform::Year | Transform::Month | Transform::Day | Transform::Hour);
    match value.literal() {
        PrimitiveLiteral::Int(v) if old && temporal && *v < 0 && apply(&before).as_ref() == Some(&value) => {
            Some(if transform == Transform::Day { Datum::date(v + 1) } else { Datum::int(v + 1) })
        }
        _ => Some(value),
    }
}

fn is_nan(datum: &Datum) -> bool {
    match datum.literal() {
        PrimitiveLiteral::Float(v) => v.is_nan(),
        PrimitiveLiteral::Double(v) => v.is_nan(),
        _ => false,
    }
}

/// The least and the greatest of values, NaN apart.
fn ends<'a>(values: impl Iterator<Item = &'a Datum>) -> Option<(Datum, Datum)> {
    let key = |datum: &Datum| Value::of(datum.literal(), datum.data_type()).unwrap();
    let less = |a: &Datum, b: &Datum| match (key(a), key(b)) {
        (Value::Real(a), Value::Real(b)) => a < b || (a == b && a.is_sign_negative() && b.is_sign_positive()),
        (a, b) => a.order(&b) == Some(Ordering::Less),
    };
    values.filter(|value| !is_nan(value)).fold(None, |ends, value| match ends {
        None => Some((value.clone(), value.clone())),
        Some((low, high)) => Some((
            if less(value, &low) { value.clone() } else { low },
            if less(&high, value) { value.clone() } else { high },
        )),
    })
}

/// A file of some rows of one partition. Some of its metrics are unknown, some text bounds cut.
fn file(rows: &[&Row], partition: &[Option<Datum>], unknown: u64) -> DataFile {
    let (mut lower, mut upper) = (HashMap::new(), HashMap::new());
    let (mut nulls, mut values, mut nans) = (HashMap::new(), HashMap::new(), HashMap::new());
    for column in stored() {
        let cells = || rows.iter().map(|row| row[&column.id].as_ref());
        let skip = unknown.rotate_right(column.id as u32 * 4) % 8;
        if let Some((low, high)) = ends(cells().flatten()).filter(|_| skip > 1) {
            let cut = match low.literal() {
                PrimitiveLiteral::String(text) if skip == 2 => Datum::string(text.chars().take(1).collect::<String>()),
                _ => low,
            };
            lower.insert(column.id, cut);
            let high = match high.literal() {
                PrimitiveLiteral::String(text) if skip == 2 => Datum::string(format!("{text}\u{10ffff}")),
                _ => high,
            };
            upper.insert(column.id, high);
        }
        if skip != 0 {
            nulls.insert(column.id, cells().filter(Option::is_none).count() as u64);
            values.insert(column.id, cells().count() as u64);
        }
        if skip != 3 && matches!(column.ty, PrimitiveType::Float | PrimitiveType::Double) {
            nans.insert(column.id, cells().flatten().filter(|cell| is_nan(cell)).count() as u64);
        }
    }
    let partition: Struct =
        partition.iter().map(|value| value.as_ref().map(|value| Literal::Primitive(value.literal().clone()))).collect();
    DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path("f".to_owned())
        .file_format(DataFileFormat::Parquet)
        .file_size_in_bytes(1)
        .record_count(rows.len() as u64)
        .partition(partition)
        .lower_bounds(lower)
        .upper_bounds(upper)
        .null_value_counts(nulls)
        .value_counts(values)
        .nan_value_counts(nans)
        .build()
        .unwrap()
}

/// All that is known of a file.
fn known_of(file: &DataFile, spec: &[(usize, Transform)], columns: &[Column]) -> Vec<Vec<Known>> {
    let mut known: Vec<Vec<Known>> = columns.iter().map(|column| vec![Known::of_metrics(file, column)]).collect();
    for ((source, transform), value) in spec.iter().zip(file.partition().fields()) {
        for (known, column) in known.iter_mut().zip(columns).filter(|(_, column)| column.id == columns[*source].id) {
            known.push(Known::of_partition(*transform, value.as_ref(), column));
        }
    }
    known
}

fn summary(values: &[Option<Datum>]) -> FieldSummary {
    let ends = ends(values.iter().flatten());
    FieldSummary {
        contains_null: values.iter().any(Option::is_none),
        contains_nan: Some(values.iter().flatten().any(is_nan)),
        lower_bound: ends.as_ref().map(|(low, _)| low.to_bytes().unwrap()),
        upper_bound: ends.as_ref().map(|(_, high)| high.to_bytes().unwrap()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// no file and no manifest with a row that any client may keep is left out, and a filter that is told to hold
    /// of a whole file does, for every client.
    #[test]
    fn nothing_that_matches_is_pruned(
        rows in rows(), filter in filter(), spec in spec(), unknown in any::<u64>(), old in any::<bool>(),
    ) {
        let columns = columns();
        let mut files: Vec<(Vec<Option<Datum>>, Vec<&Row>)> = Vec::new();
        for row in &rows {
            let of = |(place, transform): &(usize, Transform)| {
                transformed(*transform, row[&columns[*place].id].as_ref(), old)
            };
            let partition: Vec<Option<Datum>> = spec.iter().map(of).collect();
            match files.iter_mut().find(|(other, _)| format!("{other:?}") == format!("{partition:?}")) {
                Some((_, rows)) => rows.push(row),
                None => files.push((partition, vec![row])),
            }
        }
        let matches = |row: &Row| Client::all().any(|c| c.eval(&filter.root, row, &columns) == Some(true));
        let surely = |row: &Row| Client::all().all(|c| c.eval(&filter.root, row, &columns) == Some(true));
        for (partition, rows) in &files {
            let file = file(rows, partition, unknown);
            let possible = filter.possible(&known_of(&file, &spec, &columns));
            prop_assert!(possible.yes || !rows.iter().any(|row| matches(row)), "{:?} pruned {:?}", filter.root, rows);
            let all = rows.iter().all(|row| surely(row));
            prop_assert!(!possible.is_certain() || all, "{:?} is not certain of {:?}", filter.root, rows);
        }
        let mut known: Vec<Vec<Known>> = vec![Vec::new(); columns.len()];
        for (field, (place, transform)) in spec.iter().enumerate() {
            let values: Vec<Option<Datum>> = files.iter().map(|(partition, _)| partition[field].clone()).collect();
            for (known, column) in known.iter_mut().zip(&columns).filter(|(_, column)| column.id == columns[*place].id) {
                known.push(Known::of_summary(*transform, &summary(&values), column));
            }
        }
        let kept = filter.possible(&known).yes;
        prop_assert!(kept || !rows.iter().any(matches), "{:?} pruned a manifest of {:?}", filter.root, rows);
    }
}

/// One column that is told about by a partition field.
fn by_partition(ty: PrimitiveType, transform: Transform, value: Datum, test: Test) -> Possible {
    let column = Column { id: 1, transform: Transform::Identity, ty, top: true };
    let value = Literal::Primitive(value.literal().clone());
    let known = vec![vec![Known::of_partition(transform, Some(&value), &column)]];
    Filter { columns: vec![column], root: Node::Test(0, test) }.possible(&known)
}

/// It does prune, through every transform.
#[test]
fn partitions_prune() {
    use PrimitiveType as T;
    let number = |value: i128| Value::Number(value);
    let compare = |op, value| Test::Compare(op, value);
    let micros = |days: i128| number(days * 86_400_000_000);
    let text = |text: &str| Value::Text(text.to_owned());
    let id = Value::Number(7).bucket(16, &T::Long).unwrap();
    let pruned = [
        (T::Long, Transform::Identity, Datum::long(5), compare(Gt, number(5))),
        (T::Int, Transform::Truncate(10), Datum::int(20), compare(Eq, number(30))),
        (T::Int, Transform::Truncate(10), Datum::int(20), compare(Lt, number(20))),
        (T::String, Transform::Truncate(2), Datum::string("ab"), compare(GtEq, text("ac"))),
        (T::String, Transform::Truncate(2), Datum::string("ab"), Test::StartsWith(b"b".to_vec())),
        (T::String, Transform::Truncate(2), Datum::string("ab"), Test::NotStartsWith(b"a".to_vec())),
        (T::Timestamp, Transform::Year, Datum::int(50), compare(Lt, micros(18_262))),
        (T::Timestamptz, Transform::Month, Datum::int(1), compare(GtEq, micros(59))),
        (T::Date, Transform::Day, Datum::date(-3), compare(NotEq, number(-3))),
        (T::TimestampNs, Transform::Hour, Datum::int(2), compare(Lt, number(7_200_000_000_000))),
        (T::Long, Transform::Bucket(16), Datum::int(id + 1), compare(Eq, number(7))),
        (T::Long, Transform::Bucket(16), Datum::int(id + 1), Test::In(vec![number(7)])),
        (T::Long, Transform::Bucket(16), Datum::int(id), Test::Null),
    ];
    for (ty, transform, value, test) in pruned {
        assert!(
            !by_partition(ty.clone(), transform, value.clone(), test.clone()).yes,
            "{ty} {transform} {value} {test:?}"
        );
    }
    let kept = [
        (T::Long, Transform::Bucket(16), Datum::int(id), compare(Eq, number(7))),
        (T::Timestamp, Transform::Year, Datum::int(50), compare(GtEq, micros(18_262))),
        (T::Long, Transform::Void, Datum::long(1), compare(Eq, number(2))),
        // A writer that rounds towards 1970 puts the last hour of 1969 here too.
        (T::Timestamp, Transform::Hour, Datum::int(0), compare(Lt, number(0))),
    ];
    for (ty, transform, value, test) in kept {
        assert!(
            by_partition(ty.clone(), transform, value.clone(), test.clone()).yes,
            "{ty} {transform} {value} {test:?}"
        );
    }
    let all = by_partition(T::Date, Transform::Month, Datum::int(12), compare(GtEq, number(365)));
    assert!(all.is_certain(), "{all:?}");
}
