//! A-064: nothing that was written is lost.

use serde_json::{Map, Value, json};

use super::{CORPUS, TableDoc, add, commit, corpus, parse, point, value};

const VALID: [&str; 17] = [
    "java-TableMetadataPartitionStatisticsFiles.json",
    "java-TableMetadataStatisticsFiles.json",
    "java-TableMetadataV1Valid.json",
    "java-TableMetadataV2Valid.json",
    "java-TableMetadataV2ValidMinimal.json",
    "java-TableMetadataV3ValidMinimal.json",
    "rust-TableMetadataV1Compat.json",
    "rust-TableMetadataV1PartitionSpecsWithoutDefaultId.json",
    "rust-TableMetadataV1SchemasWithoutCurrentId.json",
    "rust-TableMetadataV1Valid.json",
    "rust-TableMetadataV2Valid.json",
    "rust-TableMetadataV2ValidMinimal.json",
    "rust-TableMetadataV3ValidEncryption.json",
    "rust-TableMetadataV3ValidMinimal.json",
    "x-all-v1.json",
    "x-all-v2.json",
    "x-all-v3.json",
];

/// Documents that use every member of the specification at once, beside the published ones.
fn every_member(version: u8) -> Value {
    let mut doc: Value = serde_json::from_slice(&corpus("java-TableMetadataStatisticsFiles.json")).unwrap();
    doc["format-version"] = version.into();
    doc["properties"] = json!({"owner": "rig", "write.data.path": "s3://bucket/test/location/data"});
    doc["refs"] = json!({
        "main": {"type": "branch", "snapshot-id": 3_055_729_675_574_597_004_i64},
        "old": {"type": "tag", "snapshot-id": 3_055_729_675_574_597_004_i64, "max-ref-age-ms": 5},
    });
    doc["schemas"][0]["fields"].as_array_mut().unwrap().push(json!({
        "id": 2, "name": "deep", "required": false, "type": {"type": "list", "element-id": 3, "element-required": true,
            "element": {"type": "struct", "fields": [{"id": 4, "name": "m", "required": false, "type": {
                "type": "map", "key-id": 5, "key": "string", "value-id": 6, "value-required": false, "value": "long"}}]}},
    }));
    doc["last-column-id"] = 6.into();
    doc["snapshot-log"] =
        json!([{"snapshot-id": 3_055_729_675_574_597_004_i64, "timestamp-ms": 1_555_100_955_770_i64}]);
    doc["metadata-log"] = json!([{"metadata-file": "s3://bucket/test/location/metadata/0.json", "timestamp-ms": 1}]);
    doc["partition-statistics"] = json!([{"snapshot-id": 3_055_729_675_574_597_004_i64,
        "statistics-path": "s3://bucket/test/location/metadata/p.parquet", "file-size-in-bytes": 43}]);
    doc["partition-specs"] = json!([{"spec-id": 0, "fields": [
        {"name": "x", "transform": "identity", "source-id": 1, "field-id": 1000}]}]);
    if version == 1 {
        doc["schema"] = doc["schemas"][0].clone();
        doc["partition-spec"] = doc["partition-specs"][0]["fields"].clone();
        doc.as_object_mut().unwrap().remove("last-sequence-number");
        doc["snapshots"][0].as_object_mut().unwrap().remove("sequence-number");
    }
    if version == 3 {
        doc["next-row-id"] = 100.into();
        doc["snapshots"][0]["first-row-id"] = 0.into();
        doc["snapshots"][0]["added-rows"] = 100.into();
        doc["encryption-keys"] = json!([{"key-id": "k", "encrypted-key-metadata": "AAAA", "properties": {"a": "b"}}]);
    }
    doc
}

fn valid_documents() -> impl Iterator<Item = (&'static str, Value)> {
    VALID.into_iter().map(|name| match name {
        "x-all-v1.json" => (name, every_member(1)),
        "x-all-v2.json" => (name, every_member(2)),
        "x-all-v3.json" => (name, every_member(3)),
        _ => (name, serde_json::from_slice(&corpus(name)).unwrap()),
    })
}

/// The paths of all objects of a document.
fn objects(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            found.push(at.to_owned());
            object.iter().for_each(|(name, inner)| objects(inner, &format!("{at}/{}", name.replace('/', "~1")), found));
        }
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(index, inner)| objects(inner, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

fn inject(document: &Value, pointer: &str) -> Value {
    let mut mutated = document.clone();
    let object: &mut Map<String, Value> = mutated.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
    let unknown =
        if pointer == "/refs" { json!("text") } else { json!({"deep": [1, null, {"a": 1.5e10}], "t": "ä\u{0}"}) };
    object.insert("x-unknown".to_owned(), unknown);
    mutated
}

fn inject_everywhere(document: &Value) -> Value {
    let mut pointers = Vec::new();
    objects(document, "", &mut pointers);
    pointers.iter().fold(document.clone(), |mutated, pointer| inject(&mutated, pointer))
}

/// A-064: every valid file is accepted and comes back with every field; every invalid file is refused.
#[test]
fn corpus_is_accepted_or_refused_as_its_names_say() {
    for (name, document) in valid_documents() {
        let doc = parse(&document).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(value(&doc), document, "{name}");
    }
    let mut refused = 0;
    for entry in std::fs::read_dir(CORPUS).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".json") && !VALID.contains(&name.as_str()) {
            assert!(TableDoc::parse(&corpus(&name)).is_err(), "{name} should be refused");
            refused += 1;
        }
    }
    assert_eq!(refused, 15);
}

/// A-064: an unknown key in any object, at any level, survives.
#[test]
fn an_unknown_key_in_every_object_survives() {
    let mut mutations = 0;
    for (name, document) in valid_documents() {
        let mut pointers = Vec::new();
        objects(&document, "", &mut pointers);
        for pointer in &pointers {
            let mutated = inject(&document, pointer);
            let doc = parse(&mutated).unwrap_or_else(|error| panic!("{name} {pointer}: {error}"));
            assert_eq!(value(&doc), mutated, "{name} {pointer}");
            mutations += 1;
        }
        let mutated = inject_everywhere(&document);
        assert_eq!(value(&parse(&mutated).unwrap()), mutated, "{name} everywhere");
    }
    assert!(mutations > 200, "{mutations}");
}

/// A-064: types and transforms of version 3, and of the future, load in any document and come back.
#[test]
fn types_and_transforms_that_are_not_known_survive() {
    let types = [
        json!("variant"),
        json!({"type": "variant"}),
        json!("geometry(srid:4326)"),
        json!("geography(srid:4326, spherical)"),
        json!("unknown"),
        json!("timestamptz_ns"),
        json!("hologram(7)"),
        json!({"type": "tensor", "shape": [3, 3], "element": "float", "fields": "later"}),
    ];
    for (name, document) in valid_documents() {
        for ty in &types {
            let mut mutated = document.clone();
            for pointer in ["/schemas/0/fields/0/type", "/schema/fields/0/type"] {
                if let Some(place) = mutated.pointer_mut(pointer) {
                    *place = ty.clone();
                }
            }
            let doc = parse(&mutated).unwrap_or_else(|error| panic!("{name} {ty}: {error}"));
            assert_eq!(value(&doc), mutated, "{name} {ty}");
        }
        let mut mutated = document.clone();
        for pointer in ["/partition-specs/0/fields/0", "/sort-orders/0/fields/0", "/partition-spec/0"] {
            if let Some(Value::Object(field)) = mutated.pointer_mut(pointer) {
                let id = field.remove("source-id").unwrap();
                field.insert("source-ids".to_owned(), json!([id, id]));
                field.insert("transform".to_owned(), json!("bucketV2[16]"));
            }
        }
        assert_eq!(value(&parse(&mutated).unwrap()), mutated, "{name}");
    }
}

/// A-064: numbers and texts keep their spelling, beyond what any type of ours could hold.
#[test]
fn numbers_and_texts_keep_their_spelling() {
    let text = String::from_utf8(corpus("java-TableMetadataV2ValidMinimal.json")).unwrap();
    let spelled = r#""x": {"n": 12345678901234567890123.4500e-2,  "t": "\u00e4\/"}, "#;
    let doc = TableDoc::parse(text.replacen('{', &format!("{{{spelled}"), 1).as_bytes()).unwrap();
    let out = String::from_utf8(doc.to_bytes()).unwrap();
    assert!(out.contains(r#"{"n": 12345678901234567890123.4500e-2,  "t": "\u00e4\/"}"#), "{out}");
}

/// A-064: a real update keeps what it does not touch, unknown members of touched lists included.
#[test]
fn an_update_keeps_what_it_does_not_touch() {
    for (name, document) in valid_documents() {
        let base = inject_everywhere(&document);
        let doc = parse(&base).unwrap();
        let version = doc.format_version();
        let next = doc.last_sequence_number() + 1;
        let mut added = super::snapshot(7, doc.current_snapshot_id(), if version == 1 { 0 } else { next }, 1);
        added["schema-id"] = doc.current_schema_id().into();
        if version == 3 {
            added["first-row-id"] = doc.next_row_id().unwrap().into();
            added["added-rows"] = 1.into();
        }
        let updates = json!([
            {"action": "set-properties", "updates": {"k": "v"}}, add(added), point("main", "branch", 7)]);
        let after = value(&commit(&doc, updates).unwrap_or_else(|error| panic!("{name}: {error}")));
        let touched = ["last-updated-ms", "last-sequence-number", "next-row-id", "current-snapshot-id"];
        for (member, before) in base.as_object().unwrap() {
            match (before, &after[member]) {
                (Value::Array(old), Value::Array(new)) => assert_eq!(old, &new[..old.len()], "{name} {member}"),
                (Value::Object(old), Value::Object(new)) if member == "refs" || member == "properties" => {
                    for (key, inner) in old.iter().filter(|(key, _)| *key != "main") {
                        assert_eq!(new.get(key), Some(inner), "{name} {member} {key}");
                    }
                }
                (old, new) => assert!(touched.contains(&member.as_str()) || old == new, "{name} {member}"),
            }
        }
        assert_eq!(after["properties"]["k"], "v");
        assert_eq!(after["refs"]["main"]["snapshot-id"], 7);
    }
}

/// A-064: an append shares what it does not touch with the document before it; nothing is parsed or copied again.
#[test]
fn an_append_shares_the_entries_it_does_not_touch() {
    let doc = parse(&every_member(2)).unwrap();
    let next = super::snapshot(7, doc.current_snapshot_id(), doc.last_sequence_number() + 1, 1);
    let after = commit(&doc, json!([add(next), point("main", "branch", 7)])).unwrap();
    assert!(std::sync::Arc::ptr_eq(&doc.snapshots()[0], &after.snapshots()[0]));
    assert!(std::sync::Arc::ptr_eq(&doc.statistics()[0], &after.statistics()[0]));
    assert!(std::ptr::eq(doc.current_schema().unwrap(), after.current_schema().unwrap()));
}
