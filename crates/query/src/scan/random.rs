//! Random rows in two forms, scalars and Arrow, and random predicates over them: for comparison with the policy
//! kernel's slow reference. Shares no conversion with the code under test.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float32Array,
        Float64Array, Int32Array, Int64Array, LargeBinaryArray, StringArray, StructArray, Time64MicrosecondArray,
        TimestampMicrosecondArray, TimestampNanosecondArray,
    },
    buffer::NullBuffer,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType,
        TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
    },
    record_batch::RecordBatch,
};
use iceberg::spec::{NestedField, PrimitiveType, Schema, StructType, Type};
use polder_policy::{
    BoundPredicate, Comparison, FieldPredicate, Literal, Primitive,
    reference::{Row, Scalar},
};
use proptest::{collection::vec, prelude::*, sample::select};

use super::fixture::{column, rows, schema};

/// The columns: id, type for the kernel, type for Iceberg. 21 and 22 lie inside the struct 20.
pub(crate) const COLUMNS: [(i32, Primitive, PrimitiveType); 17] = [
    (1, Primitive::Boolean, PrimitiveType::Boolean),
    (2, Primitive::Int, PrimitiveType::Int),
    (3, Primitive::Long, PrimitiveType::Long),
    (4, Primitive::Float, PrimitiveType::Float),
    (5, Primitive::Double, PrimitiveType::Double),
    (6, Primitive::Decimal { precision: 9, scale: 2 }, PrimitiveType::Decimal { precision: 9, scale: 2 }),
    (7, Primitive::Date, PrimitiveType::Date),
    (8, Primitive::Time, PrimitiveType::Time),
    (9, Primitive::Timestamp { zoned: false }, PrimitiveType::Timestamp),
    (10, Primitive::Timestamp { zoned: true }, PrimitiveType::Timestamptz),
    (11, Primitive::TimestampNs { zoned: false }, PrimitiveType::TimestampNs),
    (12, Primitive::String, PrimitiveType::String),
    (13, Primitive::Uuid, PrimitiveType::Uuid),
    (14, Primitive::Fixed(3), PrimitiveType::Fixed(3)),
    (15, Primitive::Binary, PrimitiveType::Binary),
    (21, Primitive::Long, PrimitiveType::Long),
    (22, Primitive::String, PrimitiveType::String),
];

/// The struct around the last two.
pub(crate) const STRUCT: i32 = 20;

/// The schema of the columns.
pub(crate) fn table() -> Schema {
    let (top, inner) = COLUMNS.split_at(15);
    let field = |(id, _, ty): &(i32, Primitive, PrimitiveType)| column(*id, &format!("c{id}"), ty.clone(), false);
    let inner = StructType::new(inner.iter().map(field).collect());
    let mut fields: Vec<_> = top.iter().map(field).collect();
    fields.push(Arc::new(NestedField::optional(STRUCT, "s", Type::Struct(inner))));
    schema(0, fields)
}

/// A value of a type, often a small one so that values meet, sometimes at the edge.
fn value(ty: Primitive) -> BoxedStrategy<Scalar> {
    let some = |literal: BoxedStrategy<Literal>| literal.prop_map(Scalar::Value).boxed();
    let whole = || prop_oneof![4 => -2..3_i64, 1 => any::<i64>(), 1 => select(vec![i64::MIN, i64::MAX])];
    let short = || prop_oneof![4 => -2..3_i32, 1 => any::<i32>(), 1 => select(vec![i32::MIN, i32::MAX])];
    let real = || select(vec![0.0, -0.0, 1.5, -1.5, f64::NAN, -f64::NAN, f64::INFINITY, f64::MIN_POSITIVE]);
    match ty {
        Primitive::Boolean => some(any::<bool>().prop_map(Literal::Bool).boxed()),
        Primitive::Int => some(short().prop_map(|v| Literal::Long(i64::from(v))).boxed()),
        Primitive::Long => some(whole().prop_map(Literal::Long).boxed()),
        Primitive::Float => some(real().prop_map(|v| Literal::Double(f64::from(v as f32))).boxed()),
        Primitive::Double => some(real().prop_map(Literal::Double).boxed()),
        Primitive::Decimal { scale, .. } => some(
            prop_oneof![-2..3_i128, select(vec![999_999_999_i128, -999_999_999])]
                .prop_map(move |unscaled| Literal::Decimal { unscaled, scale })
                .boxed(),
        ),
        Primitive::Date => some(short().prop_map(Literal::Date).boxed()),
        Primitive::Time => some((0..86_400_000_000_i64).prop_map(Literal::Time).boxed()),
        Primitive::Timestamp { .. } => some(whole().prop_map(Literal::Timestamp).boxed()),
        Primitive::TimestampNs { .. } => some(whole().prop_map(Literal::TimestampNs).boxed()),
        Primitive::String => some("[a0é𝄞.@ -]{0,6}".prop_map(Literal::Text).boxed()),
        Primitive::Uuid => some((0..3_u128).prop_map(|v| Literal::Uuid(uuid::Uuid::from_u128(v))).boxed()),
        Primitive::Fixed(length) => vec(any::<u8>(), length as usize).prop_map(Scalar::Bytes).boxed(),
        Primitive::Binary | Primitive::Other => vec(any::<u8>(), 0..4).prop_map(Scalar::Bytes).boxed(),
    }
}

/// One row; where the struct is null, so is what lies in it.
fn row() -> impl Strategy<Value = (Row, bool)> {
    let cells: Vec<_> = COLUMNS
        .iter()
        .map(|(id, ty, _)| prop_oneof![1 => Just(Scalar::Null), 4 => value(*ty)].prop_map(move |v| (*id, v)))
        .collect();
    (cells, prop::bool::weighted(0.8)).prop_map(|(cells, present)| {
        let seen = |(id, value)| (id, if id > STRUCT && !present { Scalar::Null } else { value });
        (cells.into_iter().map(seen).collect(), present)
    })
}

/// Rows as scalars and as a batch.
pub(crate) fn table_rows() -> impl Strategy<Value = (Vec<Row>, RecordBatch)> {
    vec(row(), 0..12).prop_map(|rows_with| {
        let scalars: Vec<Row> = rows_with.iter().map(|(row, _)| row.clone()).collect();
        let column =
            |id: i32, ty: Primitive| array(&scalars.iter().map(|row| row[&id].clone()).collect::<Vec<_>>(), ty);
        let mut columns: Vec<ArrayRef> = COLUMNS.iter().map(|(id, ty, _)| column(*id, *ty)).collect();
        let inner = columns.split_off(15);
        let table = table();
        let arrow = super::fixture::arrow_of(&table);
        let DataType::Struct(fields) = arrow.field(15).data_type().clone() else { unreachable!() };
        let present: NullBuffer = rows_with.iter().map(|(_, present)| *present).collect::<Vec<bool>>().into();
        columns.push(Arc::new(StructArray::new(fields, inner, Some(present))));
        (scalars, rows(&table, columns))
    })
}

/// Scalars as an array.
pub(crate) fn array(values: &[Scalar], ty: Primitive) -> ArrayRef {
    macro_rules! collect {
        ($array:ty, $pattern:pat => $value:expr) => {
            values
                .iter()
                .map(|value| match value {
                    Scalar::Value($pattern) => Some($value),
                    _ => None,
                })
                .collect::<$array>()
        };
    }
    let bytes = || values.iter().map(|v| if let Scalar::Bytes(bytes) = v { Some(bytes.as_slice()) } else { None });
    let uuids = || {
        values
            .iter()
            .map(|v| if let Scalar::Value(Literal::Uuid(id)) = v { Some(id.as_bytes().as_slice()) } else { None })
    };
    match ty {
        Primitive::Boolean => Arc::new(collect!(BooleanArray, Literal::Bool(v) => *v)),
        Primitive::Int => Arc::new(collect!(Int32Array, Literal::Long(v) => *v as i32)),
        Primitive::Long => Arc::new(collect!(Int64Array, Literal::Long(v) => *v)),
        Primitive::Float => Arc::new(collect!(Float32Array, Literal::Double(v) => *v as f32)),
        Primitive::Double => Arc::new(collect!(Float64Array, Literal::Double(v) => *v)),
        Primitive::Decimal { precision, scale } => {
            let decimals = collect!(Decimal128Array, Literal::Decimal { unscaled, .. } => *unscaled);
            Arc::new(decimals.with_precision_and_scale(precision, scale).unwrap())
        }
        Primitive::Date => Arc::new(collect!(Date32Array, Literal::Date(v) => *v)),
        Primitive::Time => Arc::new(collect!(Time64MicrosecondArray, Literal::Time(v) => *v)),
        Primitive::Timestamp { zoned } => {
            let instants = collect!(TimestampMicrosecondArray, Literal::Timestamp(v) => *v);
            Arc::new(if zoned { instants.with_timezone("+00:00") } else { instants })
        }
        Primitive::TimestampNs { .. } => Arc::new(collect!(TimestampNanosecondArray, Literal::TimestampNs(v) => *v)),
        Primitive::String => Arc::new(collect!(StringArray, Literal::Text(v) => v.as_str())),
        Primitive::Uuid => Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuids(), 16).unwrap()),
        Primitive::Fixed(n) => {
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes(), n as i32).unwrap())
        }
        Primitive::Binary | Primitive::Other => Arc::new(bytes().collect::<LargeBinaryArray>()),
    }
}

/// An array as scalars.
pub(crate) fn scalars(array: &ArrayRef, ty: Primitive) -> Vec<Scalar> {
    let one = |row: usize| -> Scalar {
        if array.is_null(row) {
            return Scalar::Null;
        }
        Scalar::Value(match ty {
            Primitive::Boolean => Literal::Bool(array.as_boolean().value(row)),
            Primitive::Int => Literal::Long(i64::from(array.as_primitive::<Int32Type>().value(row))),
            Primitive::Long => Literal::Long(array.as_primitive::<Int64Type>().value(row)),
            Primitive::Float => Literal::Double(f64::from(array.as_primitive::<Float32Type>().value(row))),
            Primitive::Double => Literal::Double(array.as_primitive::<Float64Type>().value(row)),
            Primitive::Decimal { scale, .. } => {
                Literal::Decimal { unscaled: array.as_primitive::<Decimal128Type>().value(row), scale }
            }
            Primitive::Date => Literal::Date(array.as_primitive::<Date32Type>().value(row)),
            Primitive::Time => Literal::Time(array.as_primitive::<Time64MicrosecondType>().value(row)),
            Primitive::Timestamp { .. } => {
                Literal::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row))
            }
            Primitive::TimestampNs { .. } => {
                assert!(matches!(array.data_type(), DataType::Timestamp(TimeUnit::Nanosecond, _)));
                Literal::TimestampNs(array.as_primitive::<TimestampNanosecondType>().value(row))
            }
            Primitive::String => Literal::Text(array.as_string::<i32>().value(row).to_owned()),
            Primitive::Uuid => Literal::Uuid(uuid::Uuid::from_slice(array.as_fixed_size_binary().value(row)).unwrap()),
            Primitive::Fixed(_) => return Scalar::Bytes(array.as_fixed_size_binary().value(row).to_vec()),
            Primitive::Binary | Primitive::Other => return Scalar::Bytes(array.as_binary::<i64>().value(row).to_vec()),
        })
    };
    (0..array.len()).map(one).collect()
}

/// A column that has literals, and a literal of its type. Never NaN: policies refuse it.
fn compared() -> impl Strategy<Value = (i32, Literal)> {
    let columns = COLUMNS.into_iter().filter(|(_, ty, _)| !matches!(ty, Primitive::Fixed(_) | Primitive::Binary));
    select(columns.collect::<Vec<_>>()).prop_flat_map(|(id, ty, _)| {
        value(ty).prop_filter_map("a literal", move |value| match value {
            Scalar::Value(literal) if literal.fits(ty) => Some((id, literal)),
            _ => None,
        })
    })
}

/// Any literal of a type.
pub(crate) fn literal_of(ty: Primitive) -> impl Strategy<Value = Literal> {
    value(ty).prop_filter_map("a literal", move |value| match value {
        Scalar::Value(literal) if literal.fits(ty) => Some(literal),
        _ => None,
    })
}

/// A predicate over the columns.
pub(crate) fn predicate() -> impl Strategy<Value = FieldPredicate> {
    use Comparison::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    let ids = COLUMNS.iter().map(|(id, ..)| *id).collect::<Vec<_>>();
    let leaf = prop_oneof![
        1 => Just(BoundPredicate::True),
        1 => Just(BoundPredicate::False),
        2 => select(ids).prop_map(BoundPredicate::IsNull),
        6 => (compared(), select(vec![Eq, NotEq, Lt, LtEq, Gt, GtEq]))
            .prop_map(|((column, literal), op)| BoundPredicate::Compare { column, op, literal }),
        3 => compared().prop_flat_map(|(column, first)| {
            let ty = COLUMNS.iter().find(|(id, ..)| *id == column).map(|(_, ty, _)| *ty).unwrap();
            vec(literal_of(ty), 0..3).prop_map(move |mut literals| {
                literals.push(first.clone());
                BoundPredicate::In { column, literals }
            })
        }),
        2 => (select(vec![12, 22]), "[a0é.]{0,2}").prop_map(|(column, prefix)| BoundPredicate::StartsWith { column, prefix }),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(BoundPredicate::And),
            vec(inner.clone(), 0..3).prop_map(BoundPredicate::Or),
            inner.prop_map(|inner| BoundPredicate::Not(Box::new(inner))),
        ]
    })
}
