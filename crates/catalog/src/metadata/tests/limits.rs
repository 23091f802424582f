//! R32: deep, huge, repeated and broken JSON is refused, and refused cheaply.

use serde_json::json;

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

/// R32: a commit of more updates than any client sends is refused.
#[test]
fn a_commit_of_too_many_updates_is_refused() {
    let updates = vec![json!({"action": "remove-properties", "removals": []}); 10_001];
    assert!(Update::parse_all(&raws(updates.into())).is_err());
}
