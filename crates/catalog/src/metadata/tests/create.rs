//! new tables, and staged ones that come as a commit on nothing.

use std::collections::BTreeMap;

use polder_types::{ErrorKind, Location, Result, rest::CreateTableRequest};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{NOW, TableDoc, parse, parsed, value};
use crate::metadata::{NewTable, apply, create};

const TABLE: Uuid = Uuid::from_u128(7);

fn new(request: Value) -> Result<TableDoc> {
    let request: CreateTableRequest = serde_json::from_str(&request.to_string()).unwrap();
    create(NewTable::from(&request), TABLE, &Location::parse("s3://lake/t/").unwrap(), NOW)
}

fn nested_schema() -> Value {
    json!({"type": "struct", "schema-id": 12, "identifier-field-ids": [0, 31], "x-note": "kept", "fields": [
        {"id": 0, "name": "id", "required": true, "type": "long", "doc": "key"},
        {"id": 30, "name": "point", "required": true, "type": {"type": "struct", "fields": [
            {"id": 31, "name": "x", "required": true, "type": "int"},
            {"id": 32, "name": "deep", "required": false, "type": {"type": "struct", "fields": [
                {"id": 5, "name": "z", "required": false, "type": "int"}]}}]}},
        {"id": 2, "name": "tags", "required": false, "type": {"type": "list", "element-id": 9, "element-required": false,
            "element": "string"}},
        {"id": 1, "name": "attrs", "required": false, "type": {"type": "map", "key-id": 50, "key": "string",
            "value-id": 51, "value-required": false, "value": {"type": "struct", "fields": [
                {"id": 52, "name": "v", "required": false, "type": "double"}]}}},
        {"id": 3, "name": "last", "required": false, "type": "date"}]})
}

/// ids are given afresh as Java gives them (a level, then what is nested), and everything follows them.
#[test]
fn ids_are_given_afresh_in_the_order_of_java() {
    let doc = new(json!({
        "name": "t", "location": null, "schema": nested_schema(),
        "partition-spec": {"spec-id": 9, "fields": [
            {"source-id": 3, "field-id": 4711, "transform": "month", "name": "m"},
            {"source-id": 0, "transform": "bucket[4]", "name": "b"}]},
        "write-order": {"order-id": 8, "fields": [
            {"source-id": 31, "transform": "identity", "direction": "asc", "null-order": "nulls-first"}]},
        "properties": {"owner": "rig", "format-version": "2", "uuid": "forged"},
    }))
    .unwrap();
    let schema = doc.current_schema().unwrap();
    let ids: BTreeMap<String, i32> =
        schema.nested_fields().iter().map(|field| (field.path.join("."), field.id)).collect();
    let expected = [
        ("id", 1),
        ("point", 2),
        ("tags", 3),
        ("attrs", 4),
        ("last", 5),
        ("point.x", 6),
        ("point.deep", 7),
        ("point.deep.z", 8),
        ("tags.element", 9),
        ("attrs.key", 10),
        ("attrs.value", 11),
        ("attrs.value.v", 12),
    ];
    assert_eq!(ids, expected.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect());
    assert_eq!((schema.schema_id, schema.identifier_field_ids.as_slice()), (0, &[1, 6][..]));
    let written = value(&doc);
    assert_eq!(written["schemas"][0]["x-note"], "kept");
    assert_eq!(
        written["partition-specs"],
        json!([{"spec-id": 0, "fields": [
        {"source-id": 5, "field-id": 1000, "transform": "month", "name": "m"},
        {"source-id": 1, "field-id": 1001, "transform": "bucket[4]", "name": "b"}]}])
    );
    assert_eq!(
        written["sort-orders"],
        json!([{"order-id": 1, "fields": [
        {"source-id": 6, "transform": "identity", "direction": "asc", "null-order": "nulls-first"}]}])
    );
    assert_eq!((doc.last_column_id(), doc.last_partition_id(), doc.default_sort_order_id()), (12, 1001, 1));
    assert_eq!(written["properties"], json!({"owner": "rig"}));
    assert_eq!(doc.location().unwrap().to_string(), "s3://lake/t");
    assert_eq!((doc.table_uuid(), doc.last_updated_ms()), (Some(TABLE), NOW.millis()));
    assert_eq!(value(&TableDoc::parse(&doc.to_bytes()).unwrap()), written);
}

fn minimal(version: Option<&str>) -> Value {
    let mut request = json!({"name": "t", "schema": {"type": "struct", "fields": []}});
    if let Some(version) = version {
        request["properties"] = json!({"format-version": version});
    }
    request
}

/// what is left out is unpartitioned, unsorted, version 2; each version has the members it needs.
#[test]
fn what_is_left_out_has_a_default() {
    let doc = new(minimal(None)).unwrap();
    assert_eq!((doc.format_version(), doc.last_partition_id(), doc.next_row_id()), (2, 999, None));
    let written = value(&doc);
    assert_eq!(written["partition-specs"], json!([{"spec-id": 0, "fields": []}]));
    assert_eq!(written["sort-orders"], json!([{"order-id": 0, "fields": []}]));
    assert_eq!(written["current-snapshot-id"], -1);
    let v1 = value(&new(minimal(Some("1"))).unwrap());
    assert_eq!((&v1["schema"], &v1["partition-spec"]), (&v1["schemas"][0], &json!([])));
    assert!(v1.get("last-sequence-number").is_none());
    let v3 = new(minimal(Some("3"))).unwrap();
    assert_eq!((v3.next_row_id(), v3.current_snapshot_id()), (Some(0), None));
    for bad in ["0", "4", "x", "", "2.0"] {
        assert_eq!(new(minimal(Some(bad))).unwrap_err().kind(), ErrorKind::Invalid, "{bad}");
    }
}

/// requests that make no table are `Invalid`.
#[test]
fn bad_requests_are_refused() {
    let base = json!({"name": "t", "schema": nested_schema()});
    let field = |id: i32, name: &str, ty: &str| json!({"id": id, "name": name, "required": false, "type": ty});
    for (pointer, bad, says) in [
        ("/schema/fields", json!([field(1, "a", "int"), field(1, "b", "int")]), "used twice"),
        ("/schema/fields", json!([field(0, "a", "int"), field(31, "a", "int")]), "named twice"),
        ("/schema/fields", json!([field(0, "a", "variant"), field(31, "b", "int")]), "format version 3"),
        ("/schema/identifier-field-ids", json!([77]), "cannot find column 77"),
        ("/schema/type", json!("list"), "`struct`"),
        ("/schema", json!([]), "schema"),
    ] {
        let mut request = base.clone();
        *request.pointer_mut(pointer).unwrap() = bad;
        let error = new(request).unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && error.message().contains(says), "{error}");
    }
    for (member, bad) in [
        ("partition-spec", json!({"fields": [{"source-id": 99, "transform": "day", "name": "d"}]})),
        ("partition-spec", json!({"fields": [{"source-id": 3, "transform": "day", "name": "tags"}]})),
        ("partition-spec", json!({"fields": [7]})),
        ("partition-spec", json!({"fields": {}})),
        ("write-order", json!({"fields": [{"source-id": 99, "transform": "identity"}]})),
        ("write-order", json!("sorted")),
    ] {
        let mut request = base.clone();
        request[member] = bad;
        assert_eq!(new(request).unwrap_err().kind(), ErrorKind::Invalid, "{member}");
    }
}

fn staged() -> Vec<Value> {
    vec![
        json!({"action": "assign-uuid", "uuid": TABLE}),
        json!({"action": "upgrade-format-version", "format-version": 1}),
        json!({"action": "add-schema", "schema": {"type": "struct", "fields": [
            {"id": 1, "name": "a", "required": false, "type": "int"}]}}),
        json!({"action": "set-current-schema", "schema-id": -1}),
        json!({"action": "set-location", "location": "s3://lake/t"}),
    ]
}

/// a staged table comes as a commit on nothing; the version it asks for is where it starts.
#[test]
fn a_staged_table_is_a_commit_on_nothing() {
    let doc = apply(None, &parsed(staged().into()).unwrap(), NOW).unwrap();
    assert_eq!((doc.format_version(), doc.last_column_id(), doc.last_partition_id()), (1, 1, 999));
    parse(&value(&doc)).unwrap();
    let mut unversioned = staged();
    unversioned.remove(1);
    assert_eq!(apply(None, &parsed(unversioned.into()).unwrap(), NOW).unwrap().format_version(), 2);
}

/// a commit on nothing that lacks what makes a table is refused.
#[test]
fn an_incomplete_staged_table_is_refused() {
    for (missing, says) in [(0, "table-uuid"), (2, "no schema has been added"), (3, "schema"), (4, "location")] {
        let mut updates = staged();
        updates[1] = json!({"action": "upgrade-format-version", "format-version": 2});
        updates.remove(missing);
        let error = apply(None, &parsed(updates.into()).unwrap(), NOW).unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && error.message().contains(says), "{error}");
    }
    assert!(apply(None, &[], NOW).is_err());
}
