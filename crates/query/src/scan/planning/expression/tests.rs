use std::sync::Arc;

use iceberg::spec::{ListType, NestedField, StructType};
use serde_json::json;

use super::*;
use crate::scan::fixture::{column, long, schema, string};

fn table() -> Schema {
    let city = Arc::new(NestedField::optional(11, "city", Type::Primitive(PrimitiveType::String)));
    let item = Arc::new(NestedField::list_element(13, Type::Primitive(PrimitiveType::Long), false));
    schema(
        0,
        vec![
            long(1, "id"),
            string(2, "name"),
            column(3, "score", PrimitiveType::Double, false),
            column(4, "at", PrimitiveType::Timestamp, false),
            Arc::new(NestedField::optional(10, "address", Type::Struct(StructType::new(vec![city])))),
            Arc::new(NestedField::optional(12, "items", Type::List(ListType::new(item)))),
            string(5, "Name"),
        ],
    )
}

fn bound(json: &Json) -> Result<Filter> {
    bind(&json.to_string(), &table(), true)
}

/// every predicate of the specification, in the words of today's clients and in those that it prefers.
#[test]
fn every_predicate_is_read() {
    let test = |test| Node::Test(0, test);
    let number = Value::Number(1);
    for (json, node) in [
        (json!(true), Node::True),
        (json!({"type": "false"}), Node::False),
        (json!({"type": "not", "child": false}), Node::Not(Box::new(Node::False))),
        (json!({"type": "and", "left": true, "right": false}), Node::And(Box::new(Node::True), Box::new(Node::False))),
        (json!({"type": "or", "left": true, "right": false}), Node::Or(Box::new(Node::True), Box::new(Node::False))),
        (json!({"type": "is-null", "term": "id"}), test(Test::Null)),
        (json!({"type": "not-null", "child": {"type": "reference", "name": "id"}}), test(Test::NotNull)),
        (json!({"type": "is-nan", "term": "score"}), test(Test::Nan)),
        (json!({"type": "not-nan", "child": {"type": "reference", "id": 3}}), test(Test::NotNan)),
        (json!({"type": "eq", "term": "id", "value": 1}), test(Test::Compare(Comparison::Eq, number.clone()))),
        (
            json!({"type": "lt", "left": 1, "right": {"type": "reference", "name": "id"}}),
            test(Test::Compare(Comparison::Gt, number.clone())),
        ),
        (
            json!({"type": "gt-eq", "left": {"type": "reference", "id": 1}, "right": {"type": "literal", "value": 1, "data-type": "int"}}),
            test(Test::Compare(Comparison::GtEq, number.clone())),
        ),
        (json!({"type": "in", "term": "id", "values": [1]}), test(Test::In(vec![number.clone()]))),
        (
            json!({"type": "not-in", "child": {"type": "reference", "id": 1}, "values": {"type": "literals", "values": [1], "data-type": "long"}}),
            test(Test::NotIn(vec![number])),
        ),
        (json!({"type": "starts-with", "term": "name", "value": "a"}), test(Test::StartsWith(b"a".to_vec()))),
        (
            json!({"type": "not-starts-with", "term": "address.city", "value": "a"}),
            test(Test::NotStartsWith(b"a".to_vec())),
        ),
        (
            json!({"type": "eq", "term": {"type": "transform", "transform": "day", "term": "at"}, "value": "2020-01-01"}),
            test(Test::Compare(Comparison::Eq, Value::Number(18262))),
        ),
        (
            json!({"type": "eq", "term": {"type": "transform", "transform": "bucket[4]", "term": "id"}, "value": 3}),
            test(Test::Compare(Comparison::Eq, Value::Number(3))),
        ),
        (
            json!({"type": "lt", "left": {"type": "reference", "id": 1}, "right": {"type": "reference", "id": 1}}),
            Node::Opaque,
        ),
        (json!({"type": "not-null", "term": "address"}), Node::Opaque),
    ] {
        assert_eq!(bound(&json).unwrap().root, node, "{json}");
    }
}

/// what is not understood whole is refused, and says why.
#[test]
fn everything_else_is_refused() {
    for json in [
        json!("id"),
        json!(null),
        json!([]),
        json!({}),
        json!({"type": "between", "term": "id"}),
        json!({"type": "eq", "term": "id"}),
        json!({"type": "eq", "term": "id", "value": 1, "extra": 2}),
        json!({"type": "eq", "term": "id", "value": "1"}),
        json!({"type": "eq", "term": "id", "value": null}),
        json!({"type": "eq", "term": "nothing", "value": 1}),
        json!({"type": "eq", "term": "ID", "value": 1}),
        json!({"type": "eq", "term": "items.element", "value": 1}),
        json!({"type": "eq", "term": "address", "value": 1}),
        json!({"type": "eq", "left": 1, "right": 1}),
        json!({"type": "eq", "left": {"type": "reference", "id": 99}, "right": 1}),
        json!({"type": "eq", "left": {"type": "reference", "id": 1}, "term": "id", "value": 1}),
        json!({"type": "eq", "left": {"type": "apply", "function": "lower", "arguments": []}, "right": 1}),
        json!({"type": "eq", "term": {"type": "transform", "transform": "day", "term": "id"}, "value": 1}),
        json!({"type": "eq", "term": {"type": "transform", "transform": "zorder", "term": "id"}, "value": 1}),
        json!({"type": "eq", "left": {"type": "reference", "id": 1}, "right": {"type": "literal", "value": 1, "data-type": "string"}}),
        json!({"type": "starts-with", "term": "id", "value": 1}),
        json!({"type": "is-nan", "term": "id"}),
        json!({"type": "is-null"}),
        json!({"type": "in", "term": "id", "values": 1}),
        json!({"type": "in", "term": "id", "values": [1, "2"]}),
        json!({"type": "and", "left": true}),
        json!({"type": "not", "child": 1}),
    ] {
        let error = bound(&json).unwrap_err();
        assert!(["invalid_filter", "unknown_column"].contains(&error.code()), "{json}: {error:?}");
    }
}

#[test]
fn names_are_looked_up_as_wanted() {
    let of = |name: &str, sensitive| bind(&json!({"type": "is-null", "term": name}).to_string(), &table(), sensitive);
    assert_eq!(of("ID", false).unwrap().columns[0].id, 1);
    assert_eq!(of("Address.City", false).unwrap().columns[0].id, 11);
    assert_eq!(of("Name", true).unwrap().columns[0].id, 5);
    assert!(of("name", false).unwrap_err().message().contains("ambiguous"));
}

/// R32: depth, parts, values and bytes are bounded.
#[test]
fn filters_are_bounded() {
    let nested = (0..200).fold(json!(true), |inner, _| json!({"type": "not", "child": inner}));
    let wide = |parts: usize| {
        let mut level: Vec<Json> = vec![json!({"type": "is-null", "term": "id"}); parts];
        while level.len() > 1 {
            let pair = |pair: &[Json]| match pair {
                [left, right] => json!({"type": "or", "left": left, "right": right}),
                one => one[0].clone(),
            };
            level = level.chunks(2).map(pair).collect();
        }
        level.remove(0)
    };
    assert!(bound(&wide(1_000)).is_ok());
    for json in [
        nested,
        wide(6_000),
        json!({"type": "in", "term": "id", "values": vec![1; 20_001]}),
        json!({"type": "eq", "term": "name", "value": "x".repeat(FILTER_BYTES_MAX)}),
    ] {
        assert_eq!(bound(&json).unwrap_err().code(), "invalid_filter");
    }
}
