use std::sync::Arc;

use arrow::{
    array::{Date32Array, Int64Array, StringArray, TimestampMicrosecondArray, TimestampNanosecondArray},
    buffer::NullBuffer,
    datatypes::Schema,
};
use polder_policy::{
    BoundPredicate, Comparison, Primitive,
    reference::{self, Scalar},
};
use proptest::{prelude::*, sample::select};
use sha2::{Digest, Sha256};

use super::*;
use crate::scan::{
    compact::rebuilt,
    fixture::{arrow_of, text as as_text},
    random::{COLUMNS, array as array_of, literal_of, predicate, scalars, table, table_rows},
};

const SALT: [u8; 32] = [7; 32];

fn with_id(name: &str, ty: DataType, nullable: bool, id: i32) -> Field {
    let id = (parquet::arrow::PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string());
    Field::new(name, ty, nullable).with_metadata([id].into())
}

/// Masks one column on its own.
fn masked(array: ArrayRef, mask: BoundMask) -> ArrayRef {
    let field = with_id("c", array.data_type().clone(), true, 1);
    applied(array, field, [(1, FieldRule::Mask(mask))].into())
}

fn applied(array: ArrayRef, field: Field, rules: BTreeMap<i32, FieldRule>) -> ArrayRef {
    let fields = Fields::from(vec![field.clone()]);
    let rule = bind(&field, &rules, &fields).unwrap();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![array.clone()]).unwrap();
    let result = Rows { batch: &batch, salt: &SALT }.apply(&rule, &field, &array).unwrap().unwrap();
    assert_eq!(result.len(), array.len());
    assert_eq!(Some(result.data_type()), shown(&Arc::new(field), &rule).as_ref().map(|field| field.data_type()));
    result
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn act(action: MaskAction) -> BoundMask {
    BoundMask::Action(action)
}

/// The examples of the Iceberg specification (read restrictions), and edges: empty, four and five code points, wide
/// characters, digits that are not ASCII.
#[test]
fn text_masks_are_as_specified() {
    use MaskAction::{MaskAlphanum, ShowFirst4, ShowLast4};
    let cases = [
        (MaskAlphanum, "(555) 123-4567", "(nnn)xnnn-nnnn"),
        (MaskAlphanum, "ann.b@x.org, 7", "xxx.x@x.xxx,xn"),
        (MaskAlphanum, "é٣_𝄞", "xxxx"),
        (MaskAlphanum, "", ""),
        (ShowFirst4, "123-45-6789", "123-nn-nnnn"),
        (ShowFirst4, "éé𝄞é5", "éé𝄞én"),
        (ShowFirst4, "abcd", "abcd"),
        (ShowLast4, "4111 1111 1111 1234", "nnnnxnnnnxnnnnx1234"),
        (ShowLast4, "5é𝄞éé", "né𝄞éé"),
        (ShowLast4, "abcd", "abcd"),
        (ShowLast4, "", ""),
    ];
    for (action, from, to) in cases {
        let result = masked(texts(&[Some(from), None]), act(action));
        assert_eq!(result.as_string::<i32>().iter().collect::<Vec<_>>(), [Some(to), None], "{action:?} of {from}");
    }
}

#[test]
fn hashes_are_as_specified() {
    let hash = masked(texts(&[Some("abc"), Some(""), None]), act(MaskAction::Sha256Global));
    let expected = [
        Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), // FIPS 180-4, appendix
        Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        None,
    ];
    assert_eq!(hash.as_string::<i32>().iter().collect::<Vec<_>>(), expected);
    let one = |array: ArrayRef| masked(array, act(MaskAction::Sha256Global));
    let digest: [u8; 32] = Sha256::digest([1, 0, 0, 0]).into();
    let ints = one(Arc::new(arrow::array::Int32Array::from(vec![1])));
    assert_eq!(ints.as_primitive::<arrow::datatypes::Int32Type>().value(0).to_le_bytes(), digest[..4]);
    let digest: [u8; 32] = Sha256::digest([1, 0, 0, 0, 0, 0, 0, 0]).into();
    let longs = one(Arc::new(Int64Array::from(vec![1])));
    assert_eq!(longs.as_primitive::<arrow::datatypes::Int64Type>().value(0).to_le_bytes(), digest[..8]);
    let bytes = one(Arc::new(arrow::array::LargeBinaryArray::from_vec(vec![b"abc"])));
    assert_eq!(bytes.as_binary::<i64>().value(0), Sha256::digest(b"abc").as_slice());
}

/// The salt changes the hash and equal values stay equal.
#[test]
fn query_local_hashes_join_within_a_query_only() {
    let values = texts(&[Some("a"), Some("a"), Some("b")]);
    let local = masked(values.clone(), act(MaskAction::Sha256QueryLocal));
    let local: Vec<_> = local.as_string::<i32>().iter().flatten().collect();
    assert_eq!(local[0], local[1]);
    assert_ne!(local[0], local[2]);
    let global = masked(values, act(MaskAction::Sha256Global));
    assert!(!local.contains(&global.as_string::<i32>().value(0)));
}

#[test]
fn instants_are_truncated_in_utc_before_1970_too() {
    // 1969-12-31, 1970-01-01, 2024-02-29, 2000-03-01, 1900-03-01, 0001-01-01, -0001-06-15
    let days = [-1, 0, 19_782, 11_017, -25_508, -719_162, -719_728];
    let months = [-31, 0, 19_754, 11_017, -25_508, -719_162, -719_742];
    let years = [-365, 0, 19_723, 10_957, -25_567, -719_162, -719_893];
    for (action, expected) in [(MaskAction::TruncateToMonth, months), (MaskAction::TruncateToYear, years)] {
        let dates = masked(Arc::new(Date32Array::from(days.to_vec())), act(action));
        assert_eq!(dates.as_primitive::<arrow::datatypes::Date32Type>().values(), &expected);
        let micros = days.map(|day| i64::from(day) * 86_400_000_000 + 86_399_999_999);
        let instants = TimestampMicrosecondArray::from(micros.to_vec()).with_timezone("+00:00");
        let instants = masked(Arc::new(instants), act(action));
        let starts = expected.map(|day| i64::from(day) * 86_400_000_000);
        assert_eq!(instants.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().values(), &starts);
    }
    let edges =
        masked(Arc::new(TimestampNanosecondArray::from(vec![i64::MIN, i64::MAX])), act(MaskAction::TruncateToYear));
    let edges = edges.as_primitive::<arrow::datatypes::TimestampNanosecondType>();
    assert_eq!(edges.values(), &[i64::MIN, 9_214_646_400_000_000_000]); // 2262-01-01
}

/// Every action on every type either is as the reference says or is refused when it is bound.
#[test]
fn every_action_times_every_type() {
    let arrow = arrow_of(&table());
    for (id, ty, _) in COLUMNS.into_iter().filter(|(id, ..)| *id < 20) {
        for action in MaskAction::ALL {
            let field = arrow.fields().iter().find(|field| field_id(field) == Some(id)).unwrap();
            let bound = bind(field, &[(id, FieldRule::Mask(act(action)))].into(), arrow.fields());
            assert_eq!(bound.is_ok(), action.applies_to(ty), "{action:?} on {ty:?}");
        }
    }
}

fn sha256(action: MaskAction, value: &Scalar, ty: Primitive) -> Scalar {
    let bytes = match (value, ty) {
        (Scalar::Bytes(bytes), _) => bytes.clone(),
        (Scalar::Value(Literal::Text(text)), _) => text.as_bytes().to_vec(),
        (Scalar::Value(Literal::Long(v)), Primitive::Int) => i32::try_from(*v).unwrap().to_le_bytes().to_vec(),
        (Scalar::Value(Literal::Long(v)), _) => v.to_le_bytes().to_vec(),
        _ => panic!("no hash of {value:?}"),
    };
    let salted = if action == MaskAction::Sha256QueryLocal { [SALT.to_vec(), bytes].concat() } else { bytes };
    let digest = Sha256::digest(salted);
    match ty {
        Primitive::Binary => Scalar::Bytes(digest.to_vec()),
        Primitive::String => Scalar::Value(Literal::Text(digest.iter().map(|byte| format!("{byte:02x}")).collect())),
        Primitive::Int => Scalar::Value(Literal::Long(i32::from_le_bytes(digest[..4].try_into().unwrap()).into())),
        _ => Scalar::Value(Literal::Long(i64::from_le_bytes(digest[..8].try_into().unwrap()))),
    }
}

/// A mask that the field's type has.
fn mask_for(ty: Primitive) -> BoxedStrategy<BoundMask> {
    let actions: Vec<_> = MaskAction::ALL.into_iter().filter(|action| action.applies_to(ty)).collect();
    let mut leaves = vec![Just(BoundMask::Show).boxed(), select(actions).prop_map(BoundMask::Action).boxed()];
    if !matches!(ty, Primitive::Fixed(_) | Primitive::Binary) {
        leaves.push(literal_of(ty).prop_map(BoundMask::Static).boxed());
    }
    let leaf = proptest::strategy::Union::new(leaves);
    let choice = |inner: BoxedStrategy<BoundMask>| {
        (predicate(), inner.clone(), inner.clone(), inner).prop_map(|(when, then, otherwise, unknown)| {
            let [then, otherwise, unknown] = [then, otherwise, unknown].map(Box::new);
            BoundMask::Choice { when, then, otherwise, unknown }
        })
    };
    leaf.prop_recursive(2, 8, 3, choice).boxed()
}

fn any_masks() -> impl Strategy<Value = BTreeMap<i32, BoundMask>> {
    let one = select(COLUMNS.to_vec()).prop_flat_map(|(id, ty, _)| mask_for(ty).prop_map(move |mask| (id, mask)));
    prop::collection::vec(one, 1..4).prop_map(|masks| masks.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Any masks over any rows: each cell as the slow evaluator says, fields inside a struct included.
    #[test]
    fn every_cell_agrees_with_the_reference((rows, batch) in table_rows(), masks in any_masks()) {
        let schema = batch.schema();
        let rules = masks.iter().map(|(id, mask)| (*id, FieldRule::Mask(mask.clone()))).collect();
        let original = Rows { batch: &batch, salt: &SALT };
        for (field, array) in schema.fields().iter().zip(batch.columns()) {
            let rule = bind(field, &rules, schema.fields()).unwrap();
            let masked = original.apply(&rule, field, array).unwrap().unwrap();
            let shown = rebuilt(&masked, &shown(field, &rule).unwrap()).unwrap();
            for (id, ty, _) in COLUMNS {
                let cells = match shown.as_struct_opt() {
                    Some(parent) if id > 20 => parent.columns().get(id as usize - 21).unwrap().clone(),
                    None if field_id(field) == Some(id) => shown.clone(),
                    _ => continue,
                };
                let mask = masks.get(&id).unwrap_or(&BoundMask::Show);
                let hash = |action, value: &Scalar| sha256(action, value, ty);
                let mut expected: Vec<_> =
                    rows.iter().map(|row| reference::mask_value(mask, id, ty, row, &hash)).collect();
                // A mask inside a struct that is null stays inside it.
                (0..shown.len()).filter(|row| shown.is_null(*row) && id > 20).for_each(|row| expected[row] = Scalar::Null);
                let (got, want) = (array_of(&scalars(&cells, ty), ty), array_of(&expected, ty));
                prop_assert_eq!(&got, &want, "column {} masked {:?}", id, mask);
            }
        }
    }
}

/// A list of structs and a map: masks hold for each element and value, choices ask the row around them.
#[test]
fn masks_reach_into_lists_and_maps() {
    let inner = Fields::from(vec![with_id("n", DataType::Utf8, true, 4), with_id("k", DataType::Int64, false, 5)]);
    let people = StructArray::new(
        inner.clone(),
        vec![
            texts(&[Some("gone"), Some("ann"), None, Some("cy"), Some("left")]),
            Arc::new(Int64Array::from(vec![9, 1, 2, 3, 9])),
        ],
        None,
    );
    let element = Arc::new(with_id("element", DataType::Struct(inner), true, 3));
    let offsets = OffsetBuffer::new(vec![1, 3, 3, 4, 5].into());
    let valid = Some(NullBuffer::from(vec![true, true, true, false]));
    let list: ArrayRef = Arc::new(ListArray::new(element, offsets, Arc::new(people), valid));
    let id = with_id("id", DataType::Int64, false, 1);
    let field = with_id("l", list.data_type().clone(), true, 2);
    let fields = Fields::from(vec![id, field.clone()]);
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields.clone())), vec![ids, list.clone()]).unwrap();
    let only_first = BoundPredicate::Compare { column: 1, op: Comparison::Eq, literal: Literal::Long(1) };
    let choice = BoundMask::Choice {
        when: only_first,
        then: Box::new(BoundMask::Show),
        otherwise: Box::new(act(MaskAction::MaskAlphanum)),
        unknown: Box::new(act(MaskAction::ReplaceWithNull)),
    };
    let rules = [(4, FieldRule::Mask(choice)), (5, FieldRule::Mask(act(MaskAction::MaskToFixedValue)))];
    let rule = bind(&field, &rules.into(), &fields).unwrap();
    let masked = Rows { batch: &batch, salt: &SALT }.apply(&rule, &field, &list).unwrap().unwrap();
    let schema = Arc::new(Schema::new(vec![Field::new("l", masked.data_type().clone(), true)]));
    let lines: Vec<String> = (0..4)
        .flat_map(|row| as_text(&[RecordBatch::try_new(schema.clone(), vec![masked.slice(row, 1)]).unwrap()]))
        .collect();
    assert_eq!(lines, ["[{n: ann, k: 0}, {n: null, k: 0}]", "[]", "[{n: xx, k: 0}]", "null"]);
}

fn map_of(keys: &[&str], values: &[i64], lengths: &[usize]) -> (ArrayRef, Field) {
    let fields =
        Fields::from(vec![with_id("key", DataType::Utf8, false, 3), with_id("value", DataType::Int64, true, 4)]);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(keys.to_vec())), Arc::new(Int64Array::from(values.to_vec()))];
    let entries = StructArray::new(fields.clone(), columns, None);
    let entry = Arc::new(Field::new("key_value", DataType::Struct(fields), false));
    let offsets = OffsetBuffer::from_lengths(lengths.iter().copied());
    let map: ArrayRef = Arc::new(MapArray::new(entry, offsets, entries, None, false));
    let field = with_id("m", map.data_type().clone(), true, 2);
    (map, field)
}

#[test]
fn map_values_are_masked_and_map_keys_cannot_be() {
    let (map, field) = map_of(&["a", "b", "c"], &[1, 2, 3], &[2, 0, 1]);
    let hash = FieldRule::Mask(act(MaskAction::ReplaceWithNull));
    let masked = applied(map, field.clone(), [(4, hash)].into());
    let values = masked.as_map().entries().clone();
    assert_eq!(values.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(values.column(1).null_count(), 3);
    let fields = Fields::from(vec![field.clone()]);
    let key = [(3, FieldRule::Mask(act(MaskAction::MaskAlphanum)))].into();
    assert!(bind(&field, &key, &fields).is_err());
    assert!(bind(&field, &[(4, FieldRule::Hide)].into(), &fields).is_err(), "nothing is hidden inside a map");
}

#[test]
fn fixed_values_of_nested_fields_are_empty_or_filled() {
    let fixed = || FieldRule::Mask(act(MaskAction::MaskToFixedValue));
    let (map, field) = map_of(&["a", "b", "c"], &[1, 2, 3], &[2, 0, 1]);
    let masked = applied(map, field, [(2, fixed())].into());
    assert_eq!((masked.null_count(), masked.as_map().entries().len()), (0, 0));

    let inner = Fields::from(vec![with_id("a", DataType::Utf8, true, 2), with_id("b", DataType::Date32, false, 3)]);
    let columns: Vec<ArrayRef> = vec![texts(&[Some("x"), None]), Arc::new(Date32Array::from(vec![5, 6]))];
    let parent: ArrayRef = Arc::new(StructArray::new(inner, columns, Some(NullBuffer::from(vec![true, false]))));
    let field = with_id("s", parent.data_type().clone(), true, 1);
    let masked = applied(parent, field, [(1, fixed())].into());
    assert_eq!(masked.null_count(), 0, "not even which structs are null");
    assert_eq!(masked.as_struct().column(0).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("XXXXXXXX"); 2]);
}

#[test]
fn hidden_fields_of_a_struct_vanish_and_an_empty_struct_with_them() {
    let inner = Fields::from(vec![with_id("a", DataType::Utf8, true, 2), with_id("b", DataType::Utf8, true, 3)]);
    let field = with_id("s", DataType::Struct(inner), true, 1);
    let fields = Fields::from(vec![field.clone()]);
    let one = bind(&field, &[(2, FieldRule::Hide)].into(), &fields).unwrap();
    let DataType::Struct(left) = shown(&Arc::new(field.clone()), &one).unwrap().data_type().clone() else { panic!() };
    assert_eq!(left.iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["b"]);
    let all = bind(&field, &[(2, FieldRule::Hide), (3, FieldRule::Hide)].into(), &fields).unwrap();
    assert_eq!(shown(&Arc::new(field), &all), None);
}

/// A field without an id may be one that a rule means.
#[test]
fn fields_without_ids_are_refused() {
    let inner = Fields::from(vec![Field::new("a", DataType::Utf8, true)]);
    let field = with_id("s", DataType::Struct(inner), true, 1);
    assert!(bind(&field, &BTreeMap::new(), &Fields::from(vec![field.clone()])).is_err());
}
