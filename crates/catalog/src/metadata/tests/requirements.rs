//! the eight requirements, each holding and failing, with Java's texts.

use polder_types::ErrorKind;
use serde_json::{Value, json};

use super::{TableDoc, parse, raws, valid, value};
use crate::metadata::{Requirement, check};

const UUID: &str = "9c12d441-03fe-4693-9a96-a0705ddf69c1";
const CURRENT: i64 = 3_055_729_675_574_597_004;

fn outcome(doc: Option<&TableDoc>, requirement: Value) -> Result<(), String> {
    let requirements = Requirement::parse_all(&raws(json!([requirement]))).unwrap();
    check(doc, &requirements).map_err(|error| {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "requirement_failed"));
        error.message().strip_prefix("Requirement failed: ").unwrap().to_owned()
    })
}

/// each requirement holds of the table it describes.
#[test]
fn every_requirement_holds_where_it_should() {
    let doc = valid("V2Valid");
    for requirement in [
        json!({"type": "assert-table-uuid", "uuid": UUID}),
        json!({"type": "assert-table-uuid", "uuid": UUID.to_uppercase()}),
        json!({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": CURRENT}),
        json!({"type": "assert-ref-snapshot-id", "ref": "new", "snapshot-id": null}),
        json!({"type": "assert-ref-snapshot-id", "ref": "new"}),
        json!({"type": "assert-last-assigned-field-id", "last-assigned-field-id": 3}),
        json!({"type": "assert-current-schema-id", "current-schema-id": 1}),
        json!({"type": "assert-last-assigned-partition-id", "last-assigned-partition-id": 1000}),
        json!({"type": "assert-default-spec-id", "default-spec-id": 0}),
        json!({"type": "assert-default-sort-order-id", "default-sort-order-id": 3, "unknown": true}),
    ] {
        assert_eq!(outcome(Some(&doc), requirement.clone()), Ok(()), "{requirement}");
    }
    assert_eq!(outcome(None, json!({"type": "assert-create"})), Ok(()));
    assert!(check(Some(&doc), &[]).is_ok(), "iceberg-rust sends no requirements");
}

/// each requirement fails with the text that Java's clients know.
#[test]
fn every_requirement_fails_with_the_text_of_java() {
    let doc = valid("V2Valid");
    for (requirement, text) in [
        (json!({"type": "assert-create"}), "table already exists".to_owned()),
        (
            json!({"type": "assert-table-uuid", "uuid": "00000000-0000-0000-0000-000000000000"}),
            format!("UUID does not match: expected {UUID} != 00000000-0000-0000-0000-000000000000"),
        ),
        (json!({"type": "assert-table-uuid", "uuid": "x"}), format!("UUID does not match: expected {UUID} != x")),
        (
            json!({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 1}),
            format!("branch main has changed: expected id 1 != {CURRENT}"),
        ),
        (json!({"type": "assert-ref-snapshot-id", "ref": "main"}), "branch main was created concurrently".to_owned()),
        (
            json!({"type": "assert-ref-snapshot-id", "ref": "new", "snapshot-id": 1}),
            "branch or tag new is missing, expected 1".to_owned(),
        ),
        (
            json!({"type": "assert-last-assigned-field-id", "last-assigned-field-id": 2}),
            "last assigned field id changed: expected id 2 != 3".to_owned(),
        ),
        (
            json!({"type": "assert-current-schema-id", "current-schema-id": 0}),
            "current schema changed: expected id 0 != 1".to_owned(),
        ),
        (
            json!({"type": "assert-last-assigned-partition-id", "last-assigned-partition-id": 999}),
            "last assigned partition id changed: expected id 999 != 1000".to_owned(),
        ),
        (
            json!({"type": "assert-default-spec-id", "default-spec-id": 1}),
            "default partition spec changed: expected id 1 != 0".to_owned(),
        ),
        (
            json!({"type": "assert-default-sort-order-id", "default-sort-order-id": 0}),
            "default sort order changed: expected id 0 != 3".to_owned(),
        ),
    ] {
        assert_eq!(outcome(Some(&doc), requirement.clone()), Err(text), "{requirement}");
        if requirement["type"] != "assert-create" && requirement["snapshot-id"].is_number() {
            assert!(outcome(None, requirement).is_err());
        }
    }
}

/// of a table that does not exist, only what says so holds.
#[test]
fn requirements_of_a_missing_table_fail() {
    for requirement in [
        json!({"type": "assert-table-uuid", "uuid": UUID}),
        json!({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 1}),
        json!({"type": "assert-last-assigned-field-id", "last-assigned-field-id": 0}),
        json!({"type": "assert-current-schema-id", "current-schema-id": 0}),
        json!({"type": "assert-last-assigned-partition-id", "last-assigned-partition-id": 999}),
        json!({"type": "assert-default-spec-id", "default-spec-id": 0}),
        json!({"type": "assert-default-sort-order-id", "default-sort-order-id": 0}),
    ] {
        assert!(outcome(None, requirement.clone()).is_err(), "{requirement}");
    }
}

/// a table of format version 1 without a uuid is nobody's.
#[test]
fn a_table_without_a_uuid_matches_no_uuid() {
    let mut document = value(&valid("V1Valid"));
    document.as_object_mut().unwrap().remove("table-uuid");
    let doc = parse(&document).unwrap();
    for uuid in ["", "null", UUID] {
        assert!(outcome(Some(&doc), json!({"type": "assert-table-uuid", "uuid": uuid})).is_err());
    }
}

/// what cannot be checked is refused.
#[test]
fn unknown_and_broken_requirements_are_refused() {
    for (requirement, code) in [
        (json!({"type": "assert-view-uuid", "uuid": UUID}), "unknown_requirement"),
        (json!({"type": "assert-weather", "sun": true}), "unknown_requirement"),
        (json!({"type": "assert-table-uuid"}), "invalid_metadata"),
        (json!({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": "1"}), "invalid_metadata"),
        (json!({"uuid": UUID}), "invalid_metadata"),
        (json!("assert-create"), "invalid_metadata"),
    ] {
        let error = Requirement::parse_all(&raws(json!([requirement]))).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, code), "{requirement}");
    }
}
