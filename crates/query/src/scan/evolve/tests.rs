use std::collections::HashMap;

use arrow::array::{
    BinaryArray, Date32Array, Int16Array, Int32Array, Int64Array, StringArray, TimestampMillisecondArray,
    TimestampNanosecondArray, UInt32Array,
};
use polder_types::ErrorKind;

use super::*;

fn with_id(name: &str, ty: DataType, nullable: bool, id: i32) -> Field {
    let id = (PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string());
    Field::new(name, ty, nullable).with_metadata(HashMap::from([id]))
}

fn alone(array: ArrayRef, want: DataType) -> Result<ArrayRef, Error> {
    let from = with_id("a", array.data_type().clone(), true, 1);
    conformed(&array, &from, &with_id("a", want, true, 1), &Constants::new())
}

fn micros(zone: Option<&str>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into))
}

#[test]
fn promotions_of_the_specification_keep_values() {
    let cases: [(ArrayRef, DataType, &str); 6] = [
        (Arc::new(Int32Array::from(vec![i32::MIN])), DataType::Int64, "-2147483648"),
        (Arc::new(Int16Array::from(vec![-7])), DataType::Int32, "-7"),
        (Arc::new(Date32Array::from(vec![-1])), micros(None), "1969-12-31T00:00:00"),
        (
            Arc::new(TimestampMillisecondArray::from(vec![1_500]).with_timezone("UTC")),
            micros(Some("+00:00")),
            "1970-01-01T00:00:01.500Z",
        ),
        (Arc::new(BinaryArray::from_vec(vec![b"text"])), DataType::Utf8, "text"),
        (
            Arc::new(Decimal128Array::from(vec![150]).with_precision_and_scale(5, 2).unwrap()),
            DataType::Decimal128(9, 2),
            "1.50",
        ),
    ];
    for (array, want, text) in cases {
        let made = alone(array, want.clone()).unwrap();
        assert_eq!(made.data_type(), &want);
        assert_eq!(arrow::util::display::array_value_to_string(&made, 0).unwrap(), text);
    }
}

#[test]
fn what_iceberg_does_not_promote_is_unsupported() {
    let cases: [(ArrayRef, DataType); 6] = [
        (Arc::new(Int64Array::from(vec![1])), DataType::Int32),
        (Arc::new(UInt32Array::from(vec![1])), DataType::Int64),
        (Arc::new(StringArray::from(vec!["1"])), DataType::Int64),
        (Arc::new(TimestampNanosecondArray::from(vec![1])), micros(None)),
        (Arc::new(Decimal128Array::from(vec![1]).with_precision_and_scale(9, 2).unwrap()), DataType::Decimal128(5, 2)),
        (Arc::new(Int64Array::from(vec![1])), DataType::Struct(Fields::empty())),
    ];
    for (array, want) in cases {
        assert_eq!(alone(array, want).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}

/// A value that does not fit is an error without a value in its text (R34).
#[test]
fn a_value_that_does_not_fit_is_an_opaque_error() {
    let error = alone(Arc::new(TimestampMillisecondArray::from(vec![i64::MAX])), micros(None)).unwrap_err();
    assert_eq!(error.message(), "the table's files cannot be read");
    let error = alone(Arc::new(BinaryArray::from_vec(vec![b"\xff"])), DataType::Utf8).unwrap_err();
    assert_eq!(error.message(), "the table's files cannot be read");
}

/// SECURITY: a file cannot make one column pass for another by repeating an id.
#[test]
fn repeated_ids_are_refused() {
    let twice = Fields::from(vec![with_id("a", DataType::Utf8, true, 1), with_id("b", DataType::Utf8, true, 1)]);
    assert!(identified(&twice, None).is_err());
    let nested = Fields::from(vec![with_id("s", DataType::Struct(twice), true, 2)]);
    assert!(identified(&nested, None).is_err());
}

#[test]
fn a_name_mapping_reaches_into_nested_fields() {
    let inner = Fields::from(vec![Field::new("x", DataType::Int64, true), Field::new("other", DataType::Int64, true)]);
    let element = Arc::new(Field::new("array", DataType::Struct(inner), true));
    let fields = Fields::from(vec![Field::new("l", DataType::List(element), true)]);
    let text = r#"[{"field-id": 1, "names": ["l"], "fields": [
        {"field-id": 2, "names": ["element"], "fields": [{"field-id": 3, "names": ["x", "y"]}]}]}]"#;
    let mapping: NameMapping = serde_json::from_str(text).unwrap();
    let named = identified(&fields, Some(&mapping)).unwrap();
    assert_eq!(field_id(&named[0]), Some(1));
    let element = &inner_of(&named[0])[0];
    assert_eq!(field_id(element), Some(2));
    assert_eq!(inner_of(element).iter().map(|field| field_id(field)).collect::<Vec<_>>(), [Some(3), None]);
}

fn inner_of(field: &Field) -> Fields {
    inner(field.data_type())
}

/// A file that has ids of its own gets none from the mapping.
#[test]
fn a_name_mapping_does_not_override_ids() {
    let fields = Fields::from(vec![with_id("a", DataType::Int64, true, 5), Field::new("b", DataType::Int64, true)]);
    let mapping: NameMapping = serde_json::from_str(r#"[{"field-id": 7, "names": ["a", "b"]}]"#).unwrap();
    let named = identified(&fields, Some(&mapping)).unwrap();
    assert_eq!(named.iter().map(|field| field_id(field)).collect::<Vec<_>>(), [Some(5), None]);
}

#[test]
fn list_elements_with_another_id_are_refused() {
    let list = |id| DataType::List(Arc::new(with_id("element", DataType::Int64, true, id)));
    let DataType::List(element) = list(2) else { panic!() };
    let values = Arc::new(Int64Array::from(vec![1]));
    let array: ArrayRef =
        Arc::new(ListArray::new(element, arrow::buffer::OffsetBuffer::from_lengths([1]), values, None));
    assert!(alone(array.clone(), list(3)).is_err());
    assert!(alone(array, list(2)).is_ok());
}
