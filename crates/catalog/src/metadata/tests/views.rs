//! What others read of a document: columns, locations, the log.

use serde_json::json;

use super::{commit, parse, valid, value};
use crate::metadata::TypeView;

/// R4, R10: every member and property that names a location is listed.
#[test]
fn every_location_is_listed() {
    let mut document = value(&valid("StatisticsFiles"));
    document["partition-statistics"] =
        json!([{"snapshot-id": 3_055_729_675_574_597_004_i64, "statistics-path": "s3://p/s"}]);
    document["metadata-log"] = json!([{"metadata-file": "s3://m/l", "timestamp-ms": 1}]);
    document["snapshots"]
        .as_array_mut()
        .unwrap()
        .push(json!({"snapshot-id": 1, "timestamp-ms": 1, "manifests": ["s3://i/1", "s3://i/2"]}));
    document["properties"] = json!({"write.data.path": "s3://d/p", "write.metadata.path": "s3://m/p",
        "write.folder-storage.path": "s3://f/s", "write.object-storage.path": "s3://o/s", "owner": "s3://not/one"});
    let doc = parse(&document).unwrap();
    let mut texts: Vec<_> = doc.locations().into_iter().map(|place| place.text.into_owned()).collect();
    texts.sort();
    assert_eq!(
        texts,
        [
            "s3://a/b/2.avro",
            "s3://a/b/stats.puffin",
            "s3://bucket/test/location",
            "s3://d/p",
            "s3://f/s",
            "s3://i/1",
            "s3://i/2",
            "s3://m/l",
            "s3://m/p",
            "s3://o/s",
            "s3://p/s",
        ]
    );
}

/// columns are listed at every depth, with their names from the top.
#[test]
fn columns_are_listed_at_every_depth() {
    let mut document = value(&valid("V2ValidMinimal"));
    document["schemas"][0]["fields"][1]["type"] = json!({"type": "map", "key-id": 4, "key": "string", "value-id": 5,
        "value-required": false, "value": {"type": "struct", "fields": [
            {"id": 6, "name": "in.ner", "required": true, "type": "decimal(9,2)", "doc": "d"}]}});
    document["last-column-id"] = 6.into();
    let doc = parse(&document).unwrap();
    let schema = doc.current_schema().unwrap();
    let fields = schema.nested_fields();
    let at = |path: &[&str]| fields.iter().find(|field| field.path == path);
    let inner = at(&["y", "value", "in.ner"]).unwrap();
    assert!(inner.id == 6 && inner.required && matches!(inner.ty, TypeView::Primitive(ty) if ty == "decimal(9,2)"));
    assert_eq!(inner.field.unwrap().doc.as_deref(), Some("d"));
    let key = at(&["y", "key"]).unwrap();
    assert!(key.id == 4 && key.field.is_none());
    assert!(at(&["y", "value", "in"]).is_none() && at(&[]).is_none() && doc.schema_by_id(7).is_none());
    let v3 = valid("V3ValidMinimal");
    let x = &v3.current_schema().unwrap().fields[0];
    assert_eq!((x.initial_default.as_ref().unwrap().get(), x.write_default.as_ref().unwrap().get()), ("1", "1"));
}

/// the log names the file before, and keeps as many as the property says.
#[test]
fn the_metadata_log_is_trimmed() {
    let log = |doc: &super::TableDoc| -> Vec<String> {
        doc.metadata_log().iter().map(|entry| entry.metadata_file.clone()).collect()
    };
    let mut doc = valid("V2ValidMinimal");
    for n in 0..105 {
        doc = doc.with_log_entry(&format!("s3://m/{n}"), n).unwrap();
    }
    assert_eq!((log(&doc).len(), log(&doc)[0].as_str(), doc.metadata_log()[99].timestamp_ms), (100, "s3://m/5", 104));
    for (max, kept) in [("3", 3), ("0", 1), ("-5", 100), ("many", 100), (" 2 ", 2)] {
        let set = json!([{"action": "set-properties", "updates": {"write.metadata.previous-versions-max": max}}]);
        let trimmed = commit(&doc, set).unwrap().with_log_entry("s3://m/last", 200).unwrap();
        assert_eq!((log(&trimmed).len(), log(&trimmed).last().unwrap().as_str()), (kept, "s3://m/last"), "{max}");
    }
    assert_eq!(value(&doc)["metadata-log"][0], json!({"metadata-file": "s3://m/5", "timestamp-ms": 5}));
}
