//! A-064: identity, properties, statistics and keys; and updates nobody knows.

use polder_types::ErrorKind;
use serde_json::{Value, json};

use super::{commit, parsed, refused, valid, value};
use crate::metadata::{Update, apply};

const UUID: &str = "9c12d441-03fe-4693-9a96-a0705ddf69c1";

/// A-064: an update that this build does not know is refused by name.
#[test]
fn unknown_updates_are_refused_by_name() {
    for action in ["add-view-version", "set-current-view-version", "grow-wings", ""] {
        let error = parsed(json!([{"action": action, "x": 1}])).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unsupported, "unsupported_update"));
        assert!(error.message().contains(&format!("`{action}`")));
    }
    for broken in [json!({}), json!([]), json!("add-schema"), json!({"action": 1}), json!({"action": "set-location"})] {
        assert_eq!(parsed(json!([broken])).unwrap_err().kind(), ErrorKind::Invalid, "{broken}");
    }
}

/// A-064: all 23 updates are read.
#[test]
fn all_updates_are_read() {
    let updates = [
        json!({"action": "assign-uuid", "uuid": UUID}),
        json!({"action": "upgrade-format-version", "format-version": 2}),
        json!({"action": "add-schema", "schema": {}, "last-column-id": 3}),
        json!({"action": "set-current-schema", "schema-id": -1}),
        json!({"action": "add-spec", "spec": {}}),
        json!({"action": "set-default-spec", "spec-id": -1}),
        json!({"action": "add-sort-order", "sort-order": {}}),
        json!({"action": "set-default-sort-order", "sort-order-id": -1}),
        json!({"action": "add-snapshot", "snapshot": {}}),
        json!({"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": 1}),
        json!({"action": "remove-snapshots", "snapshot-ids": []}),
        json!({"action": "remove-snapshot-ref", "ref-name": "main"}),
        json!({"action": "set-location", "location": "s3://a/b"}),
        json!({"action": "set-properties", "updates": {}}),
        json!({"action": "remove-properties", "removals": []}),
        json!({"action": "set-statistics", "snapshot-id": 1, "statistics": {}}),
        json!({"action": "remove-statistics", "snapshot-id": 1}),
        json!({"action": "set-partition-statistics", "partition-statistics": {}}),
        json!({"action": "remove-partition-statistics", "snapshot-id": 1}),
        json!({"action": "remove-partition-specs", "spec-ids": []}),
        json!({"action": "remove-schemas", "schema-ids": []}),
        json!({"action": "add-encryption-key", "encryption-key": {}}),
        json!({"action": "remove-encryption-key", "key-id": "k"}),
    ];
    assert_eq!(parsed(updates.to_vec().into()).unwrap().len(), 23);
}

/// A-064: a table keeps its uuid; the same one again is no change.
#[test]
fn a_uuid_cannot_be_reassigned() {
    let doc = valid("V2Valid");
    let other = "00000000-0000-0000-0000-000000000001";
    let error = refused(&doc, json!([{"action": "assign-uuid", "uuid": other}]), "cannot be reassigned");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    refused(&doc, json!([{"action": "assign-uuid", "uuid": "x"}]), "uuid");
    let same = commit(&doc, json!([{"action": "assign-uuid", "uuid": UUID.to_uppercase()}])).unwrap();
    assert_eq!(value(&same)["table-uuid"], UUID);
}

/// A-064: format versions go up only, and each step brings the members that it needs.
#[test]
fn format_versions_go_up_only() {
    let v1 = valid("V1Valid");
    let v2 = commit(&v1, json!([{"action": "upgrade-format-version", "format-version": 2}])).unwrap();
    let written = value(&v2);
    assert_eq!((v2.format_version(), v2.last_sequence_number()), (2, 0));
    assert!(written.get("schema").is_none() && written.get("partition-spec").is_none());
    assert_eq!(written["schemas"][0]["fields"], value(&v1)["schema"]["fields"]);
    let v3 = commit(&v2, json!([{"action": "upgrade-format-version", "format-version": 3}])).unwrap();
    assert_eq!((v3.format_version(), v3.next_row_id()), (3, Some(0)));
    assert_eq!(
        commit(&v1, json!([{"action": "upgrade-format-version", "format-version": 3}])).unwrap().next_row_id(),
        Some(0)
    );
    refused(&v3, json!([{"action": "upgrade-format-version", "format-version": 2}]), "cannot downgrade v3 table to v2");
    for unknown in [0, 4, -1, 300] {
        refused(&v3, json!([{"action": "upgrade-format-version", "format-version": unknown}]), "not supported");
    }
    assert_eq!(
        commit(&v3, json!([{"action": "upgrade-format-version", "format-version": 3}])).unwrap().format_version(),
        3
    );
}

/// A-064: a table of format version 1 needs a uuid before it goes on.
#[test]
fn a_table_without_a_uuid_gets_one_before_it_is_upgraded() {
    let mut document = value(&valid("V1Valid"));
    document.as_object_mut().unwrap().remove("table-uuid");
    let doc = super::parse(&document).unwrap();
    assert_eq!(doc.table_uuid(), None);
    let upgrade = json!({"action": "upgrade-format-version", "format-version": 2});
    refused(&doc, json!([upgrade]), "table-uuid");
    let both = commit(&doc, json!([upgrade, {"action": "assign-uuid", "uuid": UUID}])).unwrap();
    assert_eq!(both.table_uuid().unwrap().to_string(), UUID);
}

/// A-064: the location moves only to what parses as one.
#[test]
fn a_location_is_parsed() {
    let doc = valid("V2Valid");
    let moved = commit(&doc, json!([{"action": "set-location", "location": "s3://bucket/new/"}])).unwrap();
    assert_eq!(value(&moved)["location"], "s3://bucket/new");
    for bad in ["s3://bucket/a/../b", "s3://bucket/a/%2e%2e/b", "relative", "", "http://x/y", "s3://bucket/a?b"] {
        refused(&doc, json!([{"action": "set-location", "location": bad}]), "location");
    }
}

/// A-064: properties are set and removed, order and all; those that mirror members are refused.
#[test]
fn properties_are_set_and_removed() {
    let doc = valid("V2Valid");
    let in_order = r#"[{"action": "set-properties", "updates": {"b": "1", "a": "ä\"", "c": ""}}]"#;
    let in_order = Update::parse_all(&serde_json::from_str::<Vec<_>>(in_order).unwrap()).unwrap();
    let set = apply(Some(&doc), &in_order, super::NOW).unwrap();
    assert_eq!(set.properties().collect::<Vec<_>>(), [("b", "1"), ("a", "ä\""), ("c", "")]);
    assert_eq!(value(&set)["properties"], json!({"a": "ä\"", "b": "1", "c": ""}));
    let removed = commit(
        &set,
        json!([
        {"action": "remove-properties", "removals": ["b", "unknown"]},
        {"action": "set-properties", "updates": {"a": "2"}}]),
    );
    assert_eq!(removed.unwrap().properties().collect::<Vec<_>>(), [("a", "2"), ("c", "")]);
    for reserved in [
        "format-version",
        "uuid",
        "snapshot-count",
        "current-snapshot-summary",
        "current-snapshot-id",
        "current-snapshot-timestamp-ms",
        "current-schema",
        "default-partition-spec",
        "default-sort-order",
    ] {
        let error = refused(&doc, json!([{"action": "set-properties", "updates": {reserved: "1"}}]), reserved);
        assert_eq!(error.code(), "reserved_property");
    }
    for bad in [json!({"a": 1}), json!({"a": null}), json!([["a", "b"]])] {
        assert!(parsed(json!([{"action": "set-properties", "updates": bad}])).is_err());
    }
    let minimal = valid("V2ValidMinimal");
    assert!(value(&minimal).get("properties").is_none());
    let added = commit(&minimal, json!([{"action": "set-properties", "updates": {"a": "b"}}])).unwrap();
    assert_eq!(added.property("a"), Some("b"));
}

fn statistics(snapshot_id: i64, path: &str) -> Value {
    json!({"snapshot-id": snapshot_id, "statistics-path": path, "file-size-in-bytes": 1,
        "file-footer-size-in-bytes": 1, "blob-metadata": []})
}

/// F13: statistics that are replaced or removed are so in the document, one file a snapshot.
#[test]
fn statistics_are_replaced_and_removed() {
    let doc = valid("StatisticsFiles");
    let id = 3_055_729_675_574_597_004_i64;
    for (set, member, remove) in [
        ("set-statistics", "statistics", "remove-statistics"),
        ("set-partition-statistics", "partition-statistics", "remove-partition-statistics"),
    ] {
        let after = commit(
            &doc,
            json!([
                {"action": set, member: statistics(id, "s3://a/b/1")},
                {"action": set, member: statistics(7, "s3://a/b/7")},
                {"action": set, member: statistics(id, "s3://a/b/2")},
            ]),
        )
        .unwrap();
        assert_eq!(value(&after)[member], json!([statistics(7, "s3://a/b/7"), statistics(id, "s3://a/b/2")]));
        let gone = commit(&after, json!([{"action": remove, "snapshot-id": id}, {"action": remove, "snapshot-id": 1}]));
        assert_eq!(value(&gone.unwrap())[member], json!([statistics(7, "s3://a/b/7")]));
        refused(&doc, json!([{"action": set, member: {"snapshot-id": 1}}]), "statistics-path");
    }
}

/// A-064: encrypted keys are stored as they come, from format version 3 on.
#[test]
fn encryption_keys_are_added_and_removed() {
    let doc = valid("V3ValidMinimal");
    let key =
        json!({"key-id": "a", "encrypted-key-metadata": "AAAA", "encrypted-by-id": "m", "properties": {"t": "1"}});
    let add = json!({"action": "add-encryption-key", "encryption-key": key});
    let twice = commit(&doc, json!([add, add])).unwrap();
    assert_eq!(value(&twice)["encryption-keys"], json!([key]));
    let gone = commit(&twice, json!([{"action": "remove-encryption-key", "key-id": "a"}])).unwrap();
    assert_eq!(value(&gone)["encryption-keys"], json!([]));
    commit(&doc, json!([{"action": "remove-encryption-key", "key-id": "a"}])).unwrap();
    refused(&valid("V2Valid"), json!([add]), "format version 3");
}

/// A-064: time moves forward only, whatever the clock says.
#[test]
fn last_updated_never_goes_back() {
    let doc = valid("V2Valid");
    let updates = parsed(json!([{"action": "set-properties", "updates": {"a": "b"}}])).unwrap();
    let late = apply(Some(&doc), &updates, super::NOW).unwrap();
    assert_eq!(late.last_updated_ms(), super::NOW.millis());
    let early = apply(Some(&late), &updates, polder_types::Micros(5)).unwrap();
    assert_eq!(early.last_updated_ms(), super::NOW.millis());
}
