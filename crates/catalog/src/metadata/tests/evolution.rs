//! A-064, F17: schemas, partition specs and sort orders as they evolve.

use serde_json::{Value, json};

use super::{TableDoc, commit, refused, valid, value};

fn schema(fields: Value) -> Value {
    json!({"action": "add-schema", "schema": {"type": "struct", "schema-id": 77, "fields": fields}})
}

fn field(id: i32, name: &str, ty: &str) -> Value {
    json!({"id": id, "name": name, "required": false, "type": ty})
}

/// A table whose columns no sort order holds.
fn unsorted() -> TableDoc {
    let updates = json!([order(json!([])), {"action": "set-default-sort-order", "sort-order-id": -1}]);
    commit(&valid("V2Valid"), updates).unwrap()
}

fn current() -> Value {
    json!({"action": "set-current-schema", "schema-id": -1})
}

fn spec(fields: Value) -> Value {
    json!({"action": "add-spec", "spec": {"spec-id": 42, "fields": fields}})
}

fn order(fields: Value) -> Value {
    json!({"action": "add-sort-order", "sort-order": {"order-id": 42, "fields": fields}})
}

fn sorted_by(id: i32) -> Value {
    json!({"source-id": id, "transform": "identity", "direction": "asc", "null-order": "nulls-first"})
}

/// a new schema takes the next id, whatever id the client gave it, and raises `last-column-id`.
#[test]
fn a_schema_takes_the_next_id() {
    let doc = unsorted();
    let after =
        commit(&doc, json!([schema(json!([field(1, "x", "long"), field(9, "new", "string")])), current()])).unwrap();
    assert_eq!((after.current_schema_id(), after.last_column_id()), (2, 9));
    assert_eq!(value(&after)["schemas"][2]["schema-id"], 2);
    let shrunk = commit(&after, json!([schema(json!([field(1, "x", "long")])), current()])).unwrap();
    assert_eq!((shrunk.current_schema_id(), shrunk.last_column_id()), (3, 9), "ids are never given twice");
}

/// an equal schema is the one that exists, however it is written; -1 means that one.
#[test]
fn an_equal_schema_is_not_added_again() {
    let doc = unsorted();
    let equal = json!({"action": "add-schema", "schema": {"fields": [
        {"type": " lo ng", "name": "x", "required": true, "id": 1, "doc": null}], "type": "struct",
        "identifier-field-ids": []}});
    let after = commit(&doc, json!([equal, current()])).unwrap();
    assert_eq!(after.current_schema_id(), 0);
    assert_eq!(value(&after)["schemas"], value(&doc)["schemas"]);
    let doc_differs = json!([{"id": 1, "name": "x", "required": true, "type": "long", "doc": "d"}]);
    assert_eq!(commit(&doc, json!([schema(doc_differs), current()])).unwrap().current_schema_id(), 2);
    let mut identified = schema(json!([{"id": 1, "name": "x", "required": true, "type": "long"}]));
    identified["schema"]["identifier-field-ids"] = json!([1]);
    assert_eq!(commit(&doc, json!([identified, current()])).unwrap().current_schema_id(), 2);
}

/// schemas that no reader could use are refused.
#[test]
fn bad_schemas_are_refused() {
    let doc = valid("V2Valid");
    let nested = |id: i32| {
        json!({"id": 5, "name": "l", "required": false, "type":
        {"type": "list", "element-id": id, "element-required": true, "element": "int"}})
    };
    for (fields, says) in [
        (json!([field(1, "x", "long"), field(1, "y", "long")]), "used twice"),
        (json!([nested(5)]), "used twice"),
        (json!([field(1, "x", "long"), field(2, "x", "long")]), "named twice"),
        (json!([nested(6), field(7, "l.element", "int")]), "named twice"),
        (json!([field(-1, "x", "long")]), "`id`"),
        (json!([{"id": 1, "name": "x", "required": false}]), "`type`"),
        (json!([{"id": 1, "name": "x", "type": "long"}]), "`required`"),
        (json!([{"id": 1, "required": false, "type": "long"}]), "`name`"),
        (json!([{"id": 1.5, "name": "x", "required": false, "type": "long"}]), "`id`"),
        (
            json!([field(i32::MAX, "x", "long"), {"id": 3_000_000_000_u64, "name": "y", "required": false, "type": "int"}]),
            "`id`",
        ),
        (json!([1]), "not an object"),
        (json!({}), "`fields`"),
    ] {
        refused(&doc, json!([schema(fields)]), says);
    }
    refused(&doc, json!([{"action": "add-schema", "schema": {"fields": []}}]), "`struct`");
    let mut identified = schema(json!([field(1, "x", "long")]));
    identified["schema"]["identifier-field-ids"] = json!([2]);
    refused(&doc, json!([identified]), "identifier field 2");
    refused(&doc, json!([current()]), "no schema has been added");
    refused(&doc, json!([{"action": "set-current-schema", "schema-id": 9}]), "unknown schema: 9");
}

/// types and defaults of format version 3 are refused below it; types of the future are not ours to judge.
#[test]
fn types_and_defaults_are_gated_by_format_version() {
    let v2 = unsorted();
    let v3 = commit(&v2, json!([{"action": "upgrade-format-version", "format-version": 3}])).unwrap();
    for ty in
        ["variant", "geometry", "geometry(srid:4326)", "geography (x, y)", "unknown", "timestamp_ns", "timestamptz_ns"]
    {
        let updates = json!([schema(json!([field(1, "x", "long"), field(4, "n", ty)])), current()]);
        refused(&v2, updates.clone(), "format version 3");
        commit(&v3, updates).unwrap_or_else(|error| panic!("{ty}: {error}"));
    }
    for default in ["initial-default", "write-default"] {
        let mut with_default = field(4, "n", "int");
        with_default[default] = 7.into();
        let updates = json!([schema(json!([with_default]))]);
        refused(&v2, updates.clone(), "default values");
        commit(&v3, updates).unwrap();
    }
    commit(&v2, json!([schema(json!([field(4, "n", "hologram(3)")]))])).unwrap();
    let upgraded =
        json!([{"action": "upgrade-format-version", "format-version": 3}, schema(json!([field(4, "n", "variant")]))]);
    commit(&v2, upgraded).unwrap();
}

/// a schema goes unless it is current or a snapshot that stays was written with it.
#[test]
fn schemas_in_use_stay() {
    let doc = unsorted();
    let remove = |ids: Value| json!({"action": "remove-schemas", "schema-ids": ids});
    refused(&doc, json!([remove(json!([1]))]), "cannot remove the current schema");
    let after = commit(&doc, json!([remove(json!([0, 99]))])).unwrap();
    assert!(after.schema_by_id(0).is_none());
    let moved = commit(&doc, json!([{"action": "set-current-schema", "schema-id": 0}])).unwrap();
    refused(&moved, json!([remove(json!([1]))]), "was written with it");
    let expired =
        json!([remove(json!([1])), {"action": "remove-snapshots", "snapshot-ids": [3_055_729_675_574_597_004_i64]}]);
    assert!(commit(&moved, expired).unwrap().schema_by_id(1).is_none());
}

/// a partition spec takes the next id; fields without ids take those of the same field, or new ones.
#[test]
fn a_spec_takes_the_next_id_and_its_fields_theirs() {
    let doc = valid("V2Valid");
    let updates = json!([
        spec(json!([
            {"source-id": 2, "transform": "bucket[4]", "name": "y_bucket"},
            {"source-id": 1, "transform": "identity", "name": "x"},
        ])),
        {"action": "set-default-spec", "spec-id": -1},
    ]);
    let after = commit(&doc, updates).unwrap();
    let ids: Vec<_> = after.default_spec().unwrap().fields.iter().map(|field| field.field_id.unwrap()).collect();
    assert_eq!((after.default_spec_id(), ids, after.last_partition_id()), (1, vec![1001, 1000], 1001));
    let same = commit(
        &after,
        json!([
        {"action": "add-spec", "spec": {"fields": [{"source-id": 1, "transform": "identity", "name": "x"}]}},
        {"action": "set-default-spec", "spec-id": -1}]),
    );
    assert_eq!(same.unwrap().default_spec_id(), 0, "a compatible spec is the one that exists");
}

/// specs that would misread the table's files are refused.
#[test]
fn bad_specs_are_refused() {
    let doc = valid("V2Valid");
    let part = |source: i32, id: i32, name: &str| json!({"source-id": source, "field-id": id, "transform": "bucket[2]", "name": name});
    for (fields, says) in [
        (json!([part(9, 1001, "p")]), "cannot find source column 9"),
        (json!([part(2, 1001, "p"), part(3, 1001, "q")]), "used twice"),
        (json!([part(2, 1001, "p"), part(3, 1002, "p")]), "used twice"),
        (json!([part(2, 1000, "p")]), "belongs to another"),
        (json!([part(2, 1001, "z")]), "a column of the schema has that name"),
        (json!([part(2, 1001, "")]), "empty"),
        (json!([{"source-ids": [1, 2], "transform": "bucket[2]", "name": "p"}]), "format version 3"),
        (json!([{"transform": "bucket[2]", "name": "p"}]), "`source-id`"),
        (json!([{"source-id": 1, "name": "p"}]), "`transform`"),
    ] {
        refused(&doc, json!([spec(fields)]), says);
    }
    let v3 = valid("V3ValidMinimal");
    commit(&v3, json!([spec(json!([{"source-ids": [1, 2], "transform": "bucketV2[2]", "name": "p"}]))])).unwrap();
    let v1 = valid("V1Valid");
    refused(&v1, json!([spec(json!([part(2, 1007, "p")]))]), "sequential");
    refused(&doc, json!([{"action": "set-default-spec", "spec-id": -1}]), "no partition spec has been added");
    refused(&doc, json!([{"action": "set-default-spec", "spec-id": 7}]), "unknown spec: 7");
}

/// specs go unless they are the default.
#[test]
fn the_default_spec_stays() {
    let doc = valid("V2Valid");
    refused(&doc, json!([{"action": "remove-partition-specs", "spec-ids": [0]}]), "default partition spec");
    let two = commit(&doc, json!([spec(json!([])), {"action": "set-default-spec", "spec-id": -1}])).unwrap();
    let after = commit(&two, json!([{"action": "remove-partition-specs", "spec-ids": [0, 5]}])).unwrap();
    assert_eq!(value(&after)["partition-specs"], json!([{"spec-id": 1, "fields": []}]));
    assert_eq!(after.last_partition_id(), 1000, "ids are never given twice");
}

/// sort orders count from 1; without fields it is order 0.
#[test]
fn sort_orders_take_the_next_id() {
    let doc = valid("V2Valid");
    let default = json!({"action": "set-default-sort-order", "sort-order-id": -1});
    let after = commit(&doc, json!([order(json!([sorted_by(1)])), default])).unwrap();
    assert_eq!(after.default_sort_order_id(), 4);
    let again = commit(&after, json!([order(json!([])), order(json!([sorted_by(1)])), default])).unwrap();
    assert_eq!(again.default_sort_order_id(), 4);
    let unsorted = commit(&after, json!([order(json!([])), default])).unwrap();
    assert_eq!(unsorted.default_sort_order_id(), 0);
    let mut bad = sorted_by(1);
    bad["direction"] = "up".into();
    refused(&doc, json!([order(json!([bad]))]), "`direction`");
    let mut bad = sorted_by(1);
    bad["null-order"] = "nulls".into();
    refused(&doc, json!([order(json!([bad]))]), "`null-order`");
    refused(&doc, json!([order(json!([sorted_by(8)]))]), "cannot find source column 8");
    refused(&doc, json!([default]), "no sort order has been added");
    refused(&doc, json!([{"action": "set-default-sort-order", "sort-order-id": 8}]), "unknown sort order: 8");
}

/// what the default spec and order are made from cannot be dropped.
#[test]
fn columns_that_the_defaults_use_stay() {
    let doc = valid("V2Valid");
    let without = |kept: Value| json!([schema(kept), current()]);
    refused(&doc, without(json!([field(2, "y", "long"), field(3, "z", "long")])), "partition field `x`");
    refused(&doc, without(json!([field(1, "x", "long"), field(2, "y", "long")])), "sort field");
    let mut both = without(json!([field(1, "x", "long"), field(2, "y", "long")]));
    both.as_array_mut()
        .unwrap()
        .extend([order(json!([])), json!({"action": "set-default-sort-order", "sort-order-id": -1})]);
    assert_eq!(commit(&doc, both).unwrap().default_sort_order_id(), 0);
}

/// F17: DuckDB adds specs and orders over a schema that it makes current only at the end.
#[test]
fn a_spec_may_come_before_its_schema_is_current() {
    let doc = unsorted();
    let updates = json!([
        schema(json!([field(1, "x", "long"), field(4, "day", "date")])),
        spec(json!([{"source-id": 4, "transform": "month", "name": "day_month"}])),
        {"action": "set-default-spec", "spec-id": 1},
        order(json!([sorted_by(4)])),
        {"action": "set-default-sort-order", "sort-order-id": -1},
        {"action": "set-current-schema", "schema-id": 2},
    ]);
    let after = commit(&doc, updates).unwrap();
    assert_eq!((after.current_schema_id(), after.default_spec_id(), after.default_sort_order_id()), (2, 1, 4));
}

/// format version 1 repeats its schema and spec in members of their own; they follow.
#[test]
fn the_members_of_version_1_follow() {
    let doc = valid("V1Valid");
    let updates = json!([
        schema(json!([field(1, "x", "long"), field(4, "n", "int")])), current(),
        spec(json!([{"source-id": 4, "transform": "bucket[2]", "name": "n_bucket"}])),
        {"action": "set-default-spec", "spec-id": -1},
    ]);
    // Format version 1 numbers the fields of each spec from 1000.
    refused(&doc, updates.clone(), "sequential");
    let mut updates = updates;
    updates[2]["spec"]["fields"][0]["field-id"] = 1000.into();
    let after = value(&commit(&doc, updates).unwrap());
    assert_eq!(after["schema"]["fields"], after["schemas"][1]["fields"]);
    assert_eq!(after["partition-spec"], after["partition-specs"][1]["fields"]);
    assert_eq!(after["schemas"][0]["fields"], value(&doc)["schema"]["fields"]);
    assert_eq!((&after["current-schema-id"], &after["default-spec-id"]), (&json!(1), &json!(1)));
}
