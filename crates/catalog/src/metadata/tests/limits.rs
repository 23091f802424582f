//! R32: deep, huge, repeated and broken JSON is refused, and refused cheaply.

use serde_json::{Value, json};

use super::{TableDoc, Update, corpus, parse, raws, valid, value};
use crate::metadata::{DOCUMENT_BYTES_MAX, JSON_DEPTH_MAX, NewTable, Requirement, apply, create};
use polder_types::ErrorKind;

fn with_first(member: &str) -> Vec<u8> {
    let text = String::from_utf8(corpus("java-TableMetadataV2ValidMinimal.json")).unwrap();
    text.replacen('{', &format!("{{{member}, "), 1).into_bytes()
}

/// R32: a bomb of brackets is `Invalid`, not a stack overflow.
#[test]
fn deep_json_is_refused() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [JSON_DEPTH_MAX, 129, 200_000] {
            let bomb = format!("\"x\": {}1{}", open.repeat(depth), close.repeat(depth));
            let error = TableDoc::parse(&with_first(&bomb)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains("nested too deeply"), "{error}");
            let unclosed = format!("\"x\": {}", open.repeat(depth));
            assert!(TableDoc::parse(&with_first(&unclosed)).is_err());
        }
        let deep = JSON_DEPTH_MAX - 1;
        let allowed = format!("\"x\": {}1{}", open.repeat(deep), close.repeat(deep));
        assert!(TableDoc::parse(&with_first(&allowed)).is_ok());
    }
}

/// R32: a type nested as deeply as the limit allows is read without trouble.
#[test]
fn a_deeply_nested_type_is_read() {
    let mut document = value(&valid("V2ValidMinimal"));
    let mut ty = json!("long");
    for id in 10..45 {
        ty = json!({"type": "list", "element-id": id, "element-required": false, "element": ty});
    }
    document["schemas"][0]["fields"][0]["type"] = ty;
    document["last-column-id"] = 100.into();
    let doc = parse(&document).unwrap();
    assert_eq!(doc.current_schema().unwrap().nested_fields().len(), 3 + 35);
    assert_eq!(value(&doc), document);
}

/// R32: more than 64 MiB is refused before it is read.
#[test]
fn a_huge_document_is_refused() {
    let huge = vec![b' '; DOCUMENT_BYTES_MAX + 1];
    assert_eq!(TableDoc::parse(&huge).unwrap_err().code(), "metadata_too_large");
}

/// R32: a list of more entries than any table has is refused.
#[test]
fn a_list_of_too_many_entries_is_refused() {
    let bomb = format!("\"snapshot-log\": [{}0]", "0,".repeat(600_000));
    let error = TableDoc::parse(&with_first(&bomb)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

/// R32, F17: a key twice in one object could mean two things to two readers, at any level, however it is spelled.
#[test]
fn repeated_keys_are_refused() {
    for twice in
        ["\"location\": \"s3://other/place\"", "\"x\": {\"a\": 1, \"\\u0061\": 2}", "\"x\": [{\"\": 1, \"\": 1}]"]
    {
        let error = TableDoc::parse(&with_first(twice)).unwrap_err();
        assert!(error.message().contains("appears twice"), "{error}");
    }
    let update = r#"[{"action": "set-location", "location": "s3://a/b", "location": "s3://c/d"}]"#;
    assert!(Update::parse_all(&serde_json::from_str::<Vec<_>>(update).unwrap()).is_err());
    let requirement = r#"[{"type": "assert-create", "type": "assert-create"}]"#;
    assert!(Requirement::parse_all(&serde_json::from_str::<Vec<_>>(requirement).unwrap()).is_err());
}

/// R32: deep JSON inside a commit is refused too.
#[test]
fn deep_json_in_a_commit_is_refused() {
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let update = format!(r#"{{"action": "add-schema", "schema": {deep}}}"#);
    let raw = serde_json::value::RawValue::from_string(update).unwrap();
    assert_eq!(Update::parse(&raw).unwrap_err().kind(), ErrorKind::Invalid);
    let raw = serde_json::value::RawValue::from_string(format!(r#"{{"type": "assert-create", "x": {deep}}}"#)).unwrap();
    assert_eq!(Requirement::parse(&raw).unwrap_err().kind(), ErrorKind::Invalid);
}

/// R32: what is not JSON, not UTF-8 or not an object is `Invalid`.
#[test]
fn broken_documents_are_refused() {
    let mut invalid_utf8 = with_first("\"x\": \"?\"");
    let at = invalid_utf8.iter().position(|byte| *byte == b'?').unwrap();
    invalid_utf8[at] = 0xff;
    for bytes in [&b""[..], b"{", b"null", b"[]", b"1", b"{} {}", b"{\"format-version\": 1e999}", &invalid_utf8] {
        assert_eq!(TableDoc::parse(bytes).unwrap_err().kind(), ErrorKind::Invalid, "{bytes:?}");
    }
}

/// R32: a member of the wrong shape is refused, and the message says which, without Rust's words.
#[test]
fn members_of_the_wrong_shape_are_refused() {
    let base = value(&valid("V2Valid"));
    let wrong = [
        ("format-version", json!("2")),
        ("table-uuid", json!("not a uuid")),
        ("location", json!(7)),
        ("location", json!("")),
        ("last-updated-ms", json!("now")),
        ("last-column-id", json!(2)),
        ("last-column-id", json!(3_000_000_000_u64)),
        ("last-sequence-number", json!(0)),
        ("current-schema-id", json!(null)),
        ("default-spec-id", json!(9)),
        ("default-sort-order-id", json!(9)),
        ("last-partition-id", json!(1.5)),
        ("current-snapshot-id", json!(9)),
        ("current-snapshot-id", json!("x")),
        ("schemas", json!({})),
        ("schemas", json!(null)),
        ("snapshots", json!([{"snapshot-id": 1}])),
        ("refs", json!({"main": {"type": "branch", "snapshot-id": 3_051_729_675_574_597_004_i64}})),
        ("refs", json!({"gone": {"type": "tag", "snapshot-id": 1}})),
        ("refs", json!({"odd": {"type": "twig", "snapshot-id": 3_051_729_675_574_597_004_i64}})),
        ("properties", json!([])),
    ];
    for (member, bad) in wrong {
        let mut document = base.clone();
        document[member] = bad.clone();
        let error = parse(&document).expect_err(&format!("{member}: {bad}"));
        assert_eq!(error.kind(), ErrorKind::Invalid, "{member}: {bad}");
        for word in ["i64", "i32", "struct ", "Vec", "expected"] {
            assert!(!error.message().contains(word), "{error}");
        }
    }
    for twice in ["schemas", "partition-specs", "sort-orders", "snapshots"] {
        let mut document = base.clone();
        let first = document[twice][0].clone();
        document[twice].as_array_mut().unwrap().push(first);
        assert!(parse(&document).unwrap_err().message().contains("twice"), "{twice}");
    }
}

/// R32: whatever a commit or a create may bring, the document it makes can be read again.
#[test]
fn the_deepest_part_makes_a_document_that_is_read_again() {
    let nest = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let mut accepted = 0;
    for depth in 90..=JSON_DEPTH_MAX {
        let schema = format!(
            r#"{{"type": "struct", "fields": [{{"id": 1, "name": "x", "required": true, "type": "long"}},
            {{"id": 2, "name": "y", "required": true, "type": "long"}},
            {{"id": 3, "name": "z", "required": true, "type": "long", "x": {}}}]}}"#,
            nest(depth)
        );
        let update = format!(r#"[{{"action": "add-schema", "schema": {schema}}}]"#);
        let updates = Update::parse_all(&serde_json::from_str::<Vec<_>>(&update).unwrap());
        if let Ok(after) = updates.and_then(|updates| apply(Some(&valid("V2ValidMinimal")), &updates, super::NOW)) {
            TableDoc::parse(&after.to_bytes()).unwrap();
            accepted += 1;
        }
        let raw = serde_json::value::RawValue::from_string(schema).unwrap();
        let table = NewTable { schema: &raw, partition_spec: None, write_order: None, properties: None };
        let location = polder_types::Location::parse("s3://bucket/t").unwrap();
        if let Ok(doc) = create(table, uuid::Uuid::from_u128(1), &location, super::NOW) {
            TableDoc::parse(&doc.to_bytes()).unwrap();
            accepted += 1;
        }
    }
    assert!((1..60).contains(&accepted), "{accepted}");
}

/// R32: a commit that makes the document larger than can be read again is refused.
#[test]
fn a_commit_that_makes_the_document_too_large_is_refused() {
    let text = "x".repeat(1024 * 1024);
    let mut doc = valid("V2ValidMinimal");
    for n in 0.. {
        match super::commit(&doc, json!([{"action": "set-properties", "updates": {format!("k{n}"): text}}])) {
            Ok(after) => doc = after,
            Err(error) => {
                assert_eq!((error.code(), n), ("metadata_too_large", 63));
                break;
            }
        }
    }
    TableDoc::parse(&doc.to_bytes()).unwrap();
}

/// R32: specs and orders have few fields.
#[test]
fn a_spec_of_too_many_fields_is_refused() {
    let fields: Vec<_> = (0..201)
        .map(|n| json!({"source-id": 1, "transform": "void", "name": format!("p{n}"), "field-id": 2000 + n}))
        .collect();
    super::refused(&valid("V2Valid"), json!([{"action": "add-spec", "spec": {"fields": fields}}]), "more than 200");
    let fields =
        vec![json!({"source-id": 1, "transform": "identity", "direction": "asc", "null-order": "nulls-last"}); 201];
    super::refused(
        &valid("V2Valid"),
        json!([{"action": "add-sort-order", "sort-order": {"fields": fields}}]),
        "more than 200",
    );
}

fn columns(count: i32) -> Value {
    let field = |id| json!({"id": id, "name": format!("c{id}"), "required": false, "type": "long"});
    (1..=count).map(field).collect()
}

fn add_schema(fields: Value) -> Value {
    json!({"action": "add-schema", "schema": {"type": "struct", "fields": fields}})
}

/// R32: an added schema has a bounded number of columns, at every depth; one that is there already is read.
#[test]
fn a_schema_of_too_many_columns_is_refused() {
    let doc = valid("V2ValidMinimal");
    super::commit(&doc, json!([add_schema(columns(10_000))])).unwrap();
    let inside = json!([{"id": 20_000, "name": "s", "required": false,
        "type": {"type": "struct", "fields": columns(10_000)}}]);
    for fields in [columns(10_001), inside] {
        super::refused(&doc, json!([add_schema(fields.clone())]), "more than 10000 columns");
        let mut document = value(&doc);
        document["schemas"].as_array_mut().unwrap().push(json!({"type": "struct", "schema-id": 9, "fields": fields}));
        document["last-column-id"] = 20_000.into();
        let doc = parse(&document).unwrap();
        super::commit(&doc, json!([{"action": "set-current-schema", "schema-id": 9}])).unwrap();
    }
    let request = json!({"type": "struct", "fields": columns(10_001)}).to_string();
    let raw = serde_json::value::RawValue::from_string(request).unwrap();
    let table = NewTable { schema: &raw, partition_spec: None, write_order: None, properties: None };
    let location = polder_types::Location::parse("s3://bucket/t").unwrap();
    let error = create(table, uuid::Uuid::from_u128(1), &location, super::NOW).unwrap_err();
    assert!(error.message().contains("more than 10000 columns"), "{error}");
}

/// R32: many columns below a long name take memory for the name once. Their full names would be 10 GB.
#[test]
fn a_long_name_is_not_repeated_for_every_column_below_it() {
    let fields = json!([{"id": 20_000, "name": "x".repeat(1_000_000), "required": false,
        "type": {"type": "struct", "fields": columns(9_999)}}]);
    super::commit(&valid("V2ValidMinimal"), json!([add_schema(fields)])).unwrap();
}

/// R32: each field of each spec and order finds its column at once: to list all columns for each would be
/// eight hundred million names here.
#[test]
fn many_specs_on_many_columns_are_checked_at_once() {
    let doc = valid("V2ValidMinimal");
    let doc =
        super::commit(&doc, json!([add_schema(columns(10_000)), {"action": "set-current-schema", "schema-id": -1}]));
    let doc = doc.unwrap();
    let part = |n: i32| json!({"source-id": 10_000 - n, "transform": "identity", "name": format!("c{}", 10_000 - n), "field-id": 2_000 + n});
    let spec = json!({"action": "add-spec", "spec": {"fields": (0..200).map(part).collect::<Value>()}});
    let sort = json!({"source-ids": vec![9_999; 200], "transform": "identity", "direction": "asc", "null-order": "nulls-last"});
    let order = json!({"action": "add-sort-order", "sort-order": {"fields": [sort]}});
    let default = json!({"action": "set-default-spec", "spec-id": -1});
    let updates: Vec<Value> = [spec, order, default].into_iter().cycle().take(3 * 400).collect();
    let three = super::commit(&doc, json!([{"action": "upgrade-format-version", "format-version": 3}])).unwrap();
    super::commit(&three, updates.into()).unwrap();
}

/// R32: all specs together, and all orders, have a bounded number of fields; equal ones are not added again.
#[test]
fn specs_and_orders_are_bounded_together() {
    let doc = valid("V2Valid");
    let spec = |n: i32| {
        let part = |m: i32| {
            json!({"source-id": 1, "transform": format!("bucket[{}]", n * 200 + m + 1), "name": format!("p{m}"),
                "field-id": 5_000 + n * 200 + m})
        };
        json!({"action": "add-spec", "spec": {"fields": (0..200).map(part).collect::<Value>()}})
    };
    let order = |n: i32| {
        let sort = |m: i32| {
            json!({"source-id": 1, "transform": format!("bucket[{}]", n * 200 + m + 1), "direction": "asc",
                "null-order": "nulls-last"})
        };
        json!({"action": "add-sort-order", "sort-order": {"fields": (0..200).map(sort).collect::<Value>()}})
    };
    let last = super::commit(&doc, (0..9).flat_map(|n| [spec(n), order(n)]).collect()).unwrap();
    super::commit(&last, json!([spec(0), order(0)])).unwrap();
    super::refused(&last, json!([spec(9), spec(10)]), "partition specs have more than 2000 fields");
    super::refused(&last, json!([order(9), order(10)]), "sort orders have more than 2000 fields");
}

/// A table with so many tags on one snapshot, beside `main` on another.
fn tagged(tags: usize) -> TableDoc {
    let mut document = value(&valid("V2Valid"));
    let old = document["snapshots"][0]["snapshot-id"].clone();
    let refs = (0..tags).map(|n| (format!("tag-{n}"), json!({"type": "tag", "snapshot-id": old})));
    document["refs"] = Value::Object(refs.collect());
    parse(&document).unwrap()
}

/// R32: a snapshot goes in one pass, however many tags point at it; one pass a tag would be ten thousand million steps.
#[test]
fn a_snapshot_of_many_tags_is_removed_in_one_pass() {
    let doc = tagged(100_000);
    let old = doc.snapshots()[0].snapshot_id;
    let after = super::commit(&doc, json!([{"action": "remove-snapshots", "snapshot-ids": [old]}])).unwrap();
    assert_eq!(after.refs().into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["main"]);
    assert_eq!((after.snapshots().len(), after.current_snapshot_id()), (1, doc.current_snapshot_id()));
}

/// R32: a table takes no more references than it can be read with; those that are there can be moved and removed, and
/// `main` always.
#[test]
fn references_are_bounded() {
    let point = |name: &str, doc: &TableDoc| super::point(name, "tag", doc.snapshots()[0].snapshot_id);
    for there in [9_999, 12_000] {
        let doc = tagged(there); // `main`, which is implied, is one more
        super::refused(&doc, json!([point("one-more", &doc)]), "branches and tags");
        let current = doc.current_snapshot_id().unwrap();
        let allowed = json!([super::point("tag-7", "branch", current), super::point("main", "branch", current)]);
        super::commit(&doc, allowed).unwrap();
    }
    let doc = tagged(9_998);
    super::commit(&doc, json!([point("one-more", &doc)])).unwrap();
    let room = json!([{"action": "remove-snapshot-ref", "ref-name": "tag-7"}, point("a", &doc), point("b", &doc)]);
    super::commit(&doc, room).unwrap();
}

/// R32: many updates of a table with many entries are refused before they are carried out, except that snapshots which
/// old clients remove one by one go together.
#[test]
fn a_product_of_updates_and_entries_is_bounded() {
    let mut document = value(&valid("V2Valid"));
    let last = document["snapshots"][1].clone();
    let ids = 1_000_000..1_040_000_i64;
    document["snapshots"] = ids.clone().map(|id| super::snapshot(id, None, 1, 1)).collect();
    document["snapshots"].as_array_mut().unwrap().push(last);
    document["snapshot-log"] = json!([]);
    let doc = parse(&document).unwrap();
    let ids = || ids.clone().take(10_000);
    let one_by_one = ids().map(|id| json!({"action": "remove-snapshots", "snapshot-ids": [id]})).collect();
    assert_eq!(super::commit(&doc, one_by_one).unwrap().snapshots().len(), 30_001);
    let statistics = ids().map(|id| json!({"action": "remove-statistics", "snapshot-id": id})).collect();
    super::refused(&doc, statistics, "too many updates for a table of this size");
}

/// R32: a commit of more updates than any client sends is refused.
#[test]
fn a_commit_of_too_many_updates_is_refused() {
    let updates = vec![json!({"action": "remove-properties", "removals": []}); 10_001];
    assert!(Update::parse_all(&raws(updates.into())).is_err());
}
