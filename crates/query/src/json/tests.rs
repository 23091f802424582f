//! Values as JSON: exact, and never more than the bound.

use std::sync::Arc;

use datafusion::arrow::{
    array::{
        BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int64Array, MapBuilder,
        StringArray, StringBuilder, Time64MicrosecondArray, TimestampMicrosecondArray,
    },
    datatypes::Schema,
};

use super::*;

fn one(array: ArrayRef) -> String {
    let schema = Arc::new(Schema::new(vec![Field::new("a", array.data_type().clone(), true)]));
    rows(&[RecordBatch::try_new(schema, vec![array]).unwrap()], 10_000).unwrap().text
}

/// S-092: each type has one exact form.
#[test]
fn values_are_exact() {
    assert_eq!(one(Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))), "[[-9223372036854775808],[null]]");
    assert_eq!(one(Arc::new(BooleanArray::from(vec![true]))), "[[true]]");
    let decimal = Decimal128Array::from(vec![-1_234_567, 5]).with_precision_and_scale(20, 4).unwrap();
    assert_eq!(one(Arc::new(decimal)), "[[\"-123.4567\"],[\"0.0005\"]]");
    let floats = Float64Array::from(vec![0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    assert_eq!(one(Arc::new(floats)), "[[0.1],[\"NaN\"],[\"Infinity\"],[\"-Infinity\"]]");
    assert_eq!(one(Arc::new(Float32Array::from(vec![0.1]))), "[[0.1]]");
    assert_eq!(one(Arc::new(Date32Array::from(vec![19_000]))), "[[\"2022-01-08\"]]");
    assert_eq!(one(Arc::new(TimestampMicrosecondArray::from(vec![1_500_000]))), "[[\"1970-01-01T00:00:01.500\"]]");
    let zoned = TimestampMicrosecondArray::from(vec![0]).with_timezone("+00:00");
    assert_eq!(one(Arc::new(zoned)), "[[\"1970-01-01T00:00:00Z\"]]");
    assert_eq!(one(Arc::new(Time64MicrosecondArray::from(vec![3_600_000_000]))), "[[\"01:00:00\"]]");
    assert_eq!(one(Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..]]))), "[[\"00ff\"]]");
    assert_eq!(one(Arc::new(StringArray::from(vec!["a\"\n\u{1}é"]))), "[[\"a\\\"\\n\\u0001é\"]]");
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k");
    map.values().append_null();
    map.append(true).unwrap();
    assert_eq!(one(Arc::new(map.finish())), "[[[{\"key\":\"k\",\"value\":null}]]]");
}

/// S-070: the text stops at a whole row below its bound and says so.
#[test]
fn text_is_bounded_by_whole_rows() {
    let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from_iter_values(0..100))]).unwrap();
    let cut = rows(&[batch], 20).unwrap();
    assert!(cut.truncated && cut.text.len() <= 21, "{}", cut.text);
    let parsed: Vec<Vec<i64>> = serde_json::from_str(&cut.text).unwrap();
    assert_eq!(parsed.len(), cut.count);
}
