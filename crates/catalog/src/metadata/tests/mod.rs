//! Tests of the metadata document, and what they share.

mod corpus;
mod create;
mod differential;
mod evolution;
mod limits;
mod model;
mod requirements;
mod snapshots;
mod traces;
mod updates;
mod views;

use polder_types::{Error, Micros, Result};
use serde_json::{Value, json, value::RawValue};

use super::{TableDoc, Update, apply};

const NOW: Micros = Micros(1_800_000_000_000_000);
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

fn corpus(name: &str) -> Vec<u8> {
    std::fs::read(format!("{CORPUS}/{name}")).unwrap()
}

fn valid(name: &str) -> TableDoc {
    TableDoc::parse(&corpus(&format!("java-TableMetadata{name}.json"))).unwrap()
}

fn parse(json: &Value) -> Result<TableDoc> {
    TableDoc::parse(json.to_string().as_bytes())
}

fn value(doc: &TableDoc) -> Value {
    serde_json::from_slice(&doc.to_bytes()).unwrap()
}

fn raws(json: Value) -> Vec<Box<RawValue>> {
    serde_json::from_value(json).unwrap()
}

fn parsed(updates: Value) -> Result<Vec<Update>> {
    Update::parse_all(&raws(updates))
}

fn commit(base: &TableDoc, updates: Value) -> Result<TableDoc> {
    apply(Some(base), &parsed(updates)?, NOW)
}

/// Asserts that a commit fails, and that the message says why.
fn refused(base: &TableDoc, updates: Value, says: &str) -> Error {
    let error = commit(base, updates).expect_err("the commit should be refused");
    assert!(error.message().contains(says), "expected `{says}` in `{}`", error.message());
    error
}

fn snapshot(id: i64, parent: Option<i64>, sequence_number: i64, timestamp_ms: i64) -> Value {
    let mut snapshot = json!({
        "snapshot-id": id, "sequence-number": sequence_number, "timestamp-ms": timestamp_ms, "schema-id": 0,
        "manifest-list": format!("s3://bucket/test/location/metadata/snap-{id}.avro"),
        "summary": {"operation": "append"},
    });
    if let Some(parent) = parent {
        snapshot["parent-snapshot-id"] = parent.into();
    }
    snapshot
}

fn add(snapshot: Value) -> Value {
    json!({"action": "add-snapshot", "snapshot": snapshot})
}

fn point(name: &str, kind: &str, snapshot_id: i64) -> Value {
    json!({"action": "set-snapshot-ref", "ref-name": name, "type": kind, "snapshot-id": snapshot_id})
}
