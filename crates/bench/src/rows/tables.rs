//! Tables as the rows need them, made through the REST door.

use serde_json::{Value, json};

use crate::{Result, subject, wire::Caller};

/// The namespace of them all.
pub(crate) const NAMESPACE: &str = "bench";
/// The path of a namespace's tables.
pub(crate) fn tables_path(namespace: &str) -> String {
    format!("/iceberg/v1/{}/namespaces/{namespace}/tables", subject::WAREHOUSE)
}

/// The path of a table.
pub(crate) fn table_path(namespace: &str, table: &str) -> String {
    format!("{}/{table}", tables_path(namespace))
}

/// Makes a namespace.
pub(crate) fn create_namespace(caller: &mut Caller, namespace: &str) -> Result<()> {
    let path = format!("/iceberg/v1/{}/namespaces", subject::WAREHOUSE);
    caller.json("POST", &path, Some(&json!({"namespace": [namespace]}))).map(drop)
}

/// The body that creates a table of so many columns.
pub(crate) fn creation(name: &str, columns: usize) -> Value {
    let fields: Vec<Value> = (1..=columns)
        .map(|id| json!({"id": id, "name": format!("column_{id:03}"), "required": false, "type": "long"}))
        .collect();
    // A short log, so that the document keeps its size however often the table is committed to.
    json!({
        "name": name,
        "schema": {"type": "struct", "schema-id": 0, "fields": fields},
        "properties": {"write.metadata.previous-versions-max": "10"},
    })
}

/// The commit that appends the `n`-th snapshot (from 1) and, if more than `keep` are there, expires one.
pub(crate) fn append(location: &str, n: u64, keep: u64, begun_ms: u64) -> Value {
    let mut updates = added(location, n, begun_ms);
    if n > keep {
        updates.push(json!({"action": "remove-snapshots", "snapshot-ids": [n - keep]}));
    }
    let parent = if n > 1 { json!(n - 1) } else { Value::Null };
    json!({
        "requirements": [{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": parent}],
        "updates": updates,
    })
}

/// The updates that add a snapshot and move `main` to it.
pub(crate) fn added(location: &str, n: u64, begun_ms: u64) -> Vec<Value> {
    let mut snapshot = json!({
        "snapshot-id": n,
        "sequence-number": n,
        "timestamp-ms": begun_ms + n,
        "manifest-list": format!("{location}/metadata/snap-{n:019}-1-7f1c9c1e-0a52-4e35-9c5d-4b1f0a6d2c11.avro"),
        "schema-id": 0,
        "summary": {
            "operation": "append", "added-data-files": "1", "added-records": "1000", "added-files-size": "65536",
            "total-data-files": n.to_string(), "total-records": (n * 1000).to_string(), "total-delete-files": "0",
        },
    });
    if n > 1
        && let Some(members) = snapshot.as_object_mut()
    {
        members.insert("parent-snapshot-id".to_owned(), json!(n - 1));
    }
    vec![
        json!({"action": "add-snapshot", "snapshot": snapshot}),
        json!({"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": n}),
    ]
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}

/// Makes a table whose metadata is about 20 KB: 90 columns, 30 snapshots. Returns its location.
pub(crate) fn table_of_20_kb(caller: &mut Caller, name: &str) -> Result<String> {
    let created = caller.json("POST", &tables_path(NAMESPACE), Some(&creation(name, 90)))?;
    let location = subject::text(&created, "/metadata/location")?;
    let updates: Vec<Value> = (1..=30).flat_map(|n| added(&location, n, now_ms())).collect();
    let commit = json!({"requirements": [], "updates": updates});
    caller.json("POST", &table_path(NAMESPACE, name), Some(&commit))?;
    Ok(location)
}
