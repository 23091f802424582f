//! Tests of what a load answers with.

use super::*;

const DOC: &str = r#"{"format-version":2,"table-uuid":"9c12d441-03fe-4693-9a96-a0705ddf69c1","location":"file:///srv/t",
"last-sequence-number":3,"last-updated-ms":3,"last-column-id":1,"current-schema-id":0,"x-unknown":{"kept":[1, 2]},
"schemas":[{"type":"struct","schema-id":0,"fields":[{"id":1,"name":"id","required":true,"type":"long"}]}],
"default-spec-id":0,"partition-specs":[{"spec-id":0,"fields":[]}],"last-partition-id":999,
"default-sort-order-id":0,"sort-orders":[{"order-id":0,"fields":[]}],"properties":{},"current-snapshot-id":3,
"refs":{"main":{"snapshot-id":3,"type":"branch"},"old":{"snapshot-id":1,"type":"tag"}},
"snapshots":[
{"snapshot-id":1,"sequence-number":1,"timestamp-ms":1,"manifest-list":"file:///srv/t/metadata/1.avro","summary":{"operation":"append"}},
{"snapshot-id":2,"sequence-number":2,"timestamp-ms":2,"manifest-list":"file:///srv/t/metadata/2.avro","summary":{"operation":"append"}},
{"snapshot-id":3,"sequence-number":3,"timestamp-ms":3,"manifest-list":"file:///srv/t/metadata/3.avro","summary":{"operation":"append"}}],
"statistics":[{"snapshot-id":2,"statistics-path":"file:///srv/t/metadata/2.puffin","file-size-in-bytes":1,"file-footer-size-in-bytes":1,"blob-metadata":[]}],
"snapshot-log":[{"snapshot-id":1,"timestamp-ms":1},{"snapshot-id":2,"timestamp-ms":2},{"snapshot-id":3,"timestamp-ms":3}],
"metadata-log":[]}"#;

/// A-072: `refs` leaves out the other snapshots, their statistics and log entries, and nothing else.
#[test]
fn refs_leaves_out_what_no_reference_names() {
    let doc = TableDoc::parse(DOC.as_bytes()).unwrap();
    let pruned = TableDoc::parse(&refs_only(DOC.as_bytes(), &doc).unwrap()).unwrap();
    let ids: Vec<i64> = pruned.snapshots().iter().map(|snapshot| snapshot.snapshot_id).collect();
    assert_eq!(ids, [1, 3]);
    let log: Vec<i64> = pruned.snapshot_log().iter().map(|step| step.snapshot_id).collect();
    assert_eq!(log, [1, 3]);
    assert!(pruned.statistics().is_empty());
    let text = String::from_utf8(pruned.to_bytes()).unwrap();
    assert!(text.contains(r#""x-unknown":{"kept":[1, 2]}"#), "unknown members stay byte for byte");
}

/// A-063, R30: the tag varies by everything that the body depends on.
#[test]
fn the_entity_tag_varies_by_what_the_body_depends_on() {
    let none = BTreeMap::new();
    let moved = BTreeMap::from([("s3.endpoint".to_owned(), "https://other".to_owned())]);
    let one = etag("file:///a/1.json", SnapshotsMode::All, 1, &none, &[]);
    assert!(one.starts_with('"') && one.ends_with('"') && one.len() == 34);
    assert_eq!(one, etag("file:///a/1.json", SnapshotsMode::All, 1, &none, &[]));
    for other in [
        etag("file:///a/2.json", SnapshotsMode::All, 1, &none, &[]),
        etag("file:///a/1.json", SnapshotsMode::Refs, 1, &none, &[]),
        etag("file:///a/1.json", SnapshotsMode::All, 2, &none, &[]),
        etag("file:///a/1.json", SnapshotsMode::All, 1, &none, b"policy"),
        etag("file:///a/1.json", SnapshotsMode::All, 1, &moved, &[]),
    ] {
        assert_ne!(one, other);
    }
}
