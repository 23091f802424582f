//! Tests of the view document. The expectations are those of Java's `TestViewMetadata` and of the specification.

use polder_types::{ErrorKind, Micros, rest::CreateViewRequest};
use serde_json::{Value, json};

use super::*;

const NOW: Micros = Micros(1_800_000_000_000_000);
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/views");
const LOCATION: &str = "file:/lake/v";

fn value(doc: &ViewDoc) -> Value {
    serde_json::from_slice(&doc.to_bytes().unwrap()).unwrap()
}

fn schema(id: i32, fields: &[(i32, &str)]) -> Value {
    let fields: Vec<Value> =
        fields.iter().map(|(id, name)| json!({"id": id, "name": name, "required": true, "type": "int"})).collect();
    json!({"type": "struct", "schema-id": id, "fields": fields})
}

fn version(id: i32, schema_id: i32, statements: &[(&str, &str)]) -> Value {
    let representations: Vec<Value> =
        statements.iter().map(|(dialect, sql)| json!({"type": "sql", "sql": sql, "dialect": dialect})).collect();
    json!({
        "version-id": id, "timestamp-ms": 1_000 + i64::from(id), "schema-id": schema_id, "summary": {"engine-name": "spark"},
        "default-namespace": ["ns"], "representations": representations,
    })
}

fn request(more: Value) -> CreateViewRequest {
    let mut body = json!({
        "name": "v", "schema": schema(5, &[(3, "id"), (4, "data")]), "properties": {},
        "view-version": version(1, 5, &[("spark", "select 1")]),
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_str(&body.to_string()).unwrap()
}

fn made(more: Value) -> Result<ViewDoc, Error> {
    create(&request(more), uuid::Uuid::from_u128(7), LOCATION, NOW)
}

fn commit(base: &ViewDoc, updates: Value) -> Result<ViewDoc, Error> {
    let raws: Vec<Box<serde_json::value::RawValue>> = serde_json::from_value(updates).unwrap();
    apply(Some(base), &ViewUpdate::parse_all(&raws)?, NOW)
}

fn add(version: Value) -> Value {
    json!({"action": "add-view-version", "view-version": version})
}

fn current(id: i32) -> Value {
    json!({"action": "set-current-view-version", "view-version-id": id})
}

#[track_caller]
fn refused(outcome: Result<ViewDoc, Error>, says: &str) {
    let error = outcome.expect_err("it should be refused");
    assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Unsupported), "{error:?}");
    assert!(error.message().contains(says), "expected `{says}` in `{}`", error.message());
}

fn ids(doc: &ViewDoc, list: &str) -> Vec<i64> {
    let value = value(doc);
    value[list].as_array().unwrap().iter().map(|entry| entry["version-id"].as_i64().unwrap()).collect()
}

/// A-076, R32: the published documents are read or refused as their names say.
#[test]
fn the_corpus_is_read_or_refused_as_its_names_say() {
    let (mut read, mut refused) = (0, 0);
    for entry in std::fs::read_dir(CORPUS).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(&path).unwrap();
        if name.contains("Valid") || name.contains("MultipleSQLs") {
            let doc = ViewDoc::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(value(&doc), serde_json::from_slice::<Value>(&bytes).unwrap(), "{name} lost something");
            read += 1;
        } else {
            assert!(ViewDoc::parse(&bytes).is_err(), "{name} should be refused");
            refused += 1;
        }
    }
    assert!(read >= 3 && refused >= 8, "{read} read, {refused} refused");
}

/// an unknown member at every level, a representation that is not known, and nulls survive a real commit.
#[test]
fn nothing_is_lost() {
    let mut document: Value =
        serde_json::from_slice(&std::fs::read(format!("{CORPUS}/java-ValidViewMetadata.json")).unwrap()).unwrap();
    let future = json!({"type": "relational-algebra", "plan": {"rel": [1, 2.5e0, null]}, "x": null});
    document["extra"] = json!({"a": [1, {"b": null}]});
    document["schemas"][0]["extra"] = json!("s");
    document["schemas"][0]["fields"][0]["extra"] = json!([]);
    document["versions"][0]["extra"] = json!(17);
    document["versions"][0]["representations"].as_array_mut().unwrap().push(future);
    document["version-log"][1]["extra"] = json!(true);
    let doc = ViewDoc::parse(document.to_string().as_bytes()).unwrap();
    assert_eq!(value(&doc), document);
    let next = commit(&doc, json!([{"action": "set-properties", "updates": {"k": "v"}}])).unwrap();
    document["properties"]["k"] = json!("v");
    assert_eq!(value(&next), document);
    let text = document.to_string().replace("2.5", "2.50e0");
    let written = ViewDoc::parse(text.as_bytes()).unwrap().to_bytes().unwrap();
    assert!(written.windows(6).any(|window| window == b"2.50e0"), "numbers stay as they were written");
}

/// schema 0 whatever the client called it, its field ids kept, the version with that schema.
#[test]
fn a_new_view_has_schema_0_and_the_clients_version() {
    let doc = value(&made(json!({"properties": {"comment": "c"}})).unwrap());
    assert_eq!(doc["format-version"], 1);
    assert_eq!(doc["location"], LOCATION, "as the client wrote it");
    assert_eq!(doc["schemas"], json!([schema(0, &[(3, "id"), (4, "data")])]));
    assert_eq!(doc["versions"], json!([version(1, 0, &[("spark", "select 1")])]));
    assert_eq!(doc["version-log"], json!([{"timestamp-ms": 1_001, "version-id": 1}]));
    assert_eq!((&doc["current-version-id"], &doc["properties"]), (&json!(1), &json!({"comment": "c"})));
}

/// what a version may not be, in Java's words where it has some.
#[test]
fn versions_that_nobody_could_read_are_refused() {
    let twice = version(1, 5, &[("trino", "select 1"), ("TRINO", "select 2")]);
    let says = "Invalid view version: Cannot add multiple queries for dialect trino";
    refused(made(json!({"view-version": twice})), says);
    refused(made(json!({"view-version": version(1, 5, &[])})), "no representation");
    refused(made(json!({"view-version": version(-3, 5, &[("a", "b")])})), "below 0");
    let mut broken = version(1, 5, &[("spark", "select 1")]);
    broken["representations"][0].as_object_mut().unwrap().remove("sql");
    refused(made(json!({"view-version": broken})), "`sql` and `dialect`");
    for member in ["version-id", "timestamp-ms", "summary", "representations", "default-namespace"] {
        let mut broken = version(1, 5, &[("spark", "select 1")]);
        broken.as_object_mut().unwrap().remove(member);
        refused(made(json!({"view-version": broken})), member);
    }
    refused(made(json!({"schema": {"type": "struct", "fields": [{"id": 1}]}})), "the schema is not valid");
    let base = made(json!({})).unwrap();
    refused(commit(&base, json!([add(version(2, 9, &[("spark", "x")]))])), "unknown schema: 9");
    refused(commit(&base, json!([add(version(2, -1, &[("spark", "x")]))])), "no schema has been added");
    refused(commit(&base, json!([current(-1)])), "no current version id has been set");
    refused(commit(&base, json!([current(4)])), "unknown version: 4");
}

/// a replace adds schema and version, moves the pointer, and writes the history with the version's own time; a
/// version that becomes current again does so now.
#[test]
fn a_replace_adds_and_a_return_is_dated_now() {
    let base = made(json!({"properties": {"replace.drop-dialect.allowed": "true"}})).unwrap();
    let updates = json!([
        {"action": "add-schema", "schema": schema(7, &[(1, "some_id")])},
        add(version(2, -1, &[("trino", "select count(*)")])),
        current(-1),
    ]);
    let next = commit(&base, updates).unwrap();
    assert_eq!(ids(&next, "versions"), [1, 2]);
    assert_eq!(value(&next)["versions"][1]["schema-id"], 1);
    assert_eq!(value(&next)["version-log"][1], json!({"timestamp-ms": 1_002, "version-id": 2}));
    let back = commit(&next, json!([current(1)])).unwrap();
    assert_eq!(value(&back)["version-log"][2], json!({"timestamp-ms": NOW.millis(), "version-id": 1}));
    let same = commit(&back, json!([current(1)])).unwrap();
    assert_eq!(value(&same), value(&back), "the current version made current is no step");
}

/// equal schemas and versions are used again whatever their ids and times; an id that is taken gives way.
#[test]
fn equal_parts_are_used_again() {
    let base = made(json!({})).unwrap();
    let mut equal = version(9, 0, &[("spark", "select 1")]);
    equal["timestamp-ms"] = json!(99);
    equal["default-catalog"] = json!(null);
    assert_eq!(value(&commit(&base, json!([add(equal.clone()), current(-1)])).unwrap()), value(&base));
    equal["schema-id"] = json!(-1);
    let again = json!([
        {"action": "add-schema", "schema": schema(31, &[(3, "id"), (4, "data")])}, add(equal), current(-1),
    ]);
    assert_eq!(value(&commit(&base, again).unwrap()), value(&base));
    for difference in [json!({"default-catalog": "prod"}), json!({"default-namespace": []}), json!({"summary": {}})] {
        let mut other = version(1, 0, &[("spark", "select 1")]);
        other.as_object_mut().unwrap().extend(difference.as_object().unwrap().clone());
        let next = commit(&base, json!([add(other), current(-1)])).unwrap();
        assert_eq!(ids(&next, "versions"), [1, 2], "{difference}");
    }
    let far = commit(&base, json!([add(version(40, 0, &[("spark", "x")]))])).unwrap();
    assert_eq!(ids(&far, "versions"), [1, 40]);
    let last = commit(&base, json!([add(version(i32::MAX, 0, &[("spark", "x")]))])).unwrap();
    refused(commit(&last, json!([add(version(1, 0, &[("spark", "y")]))])), "no ids left");
}

/// a dialect that would be lost is refused unless the view allows it, before or in the same commit.
#[test]
fn a_lost_dialect_is_refused_unless_allowed() {
    let base = made(json!({"view-version": version(1, 5, &[("spark", "a"), ("Trino", "b")])})).unwrap();
    let drop = add(version(2, 0, &[("TRINO", "c")]));
    refused(commit(&base, json!([drop, current(-1)])), "loss of view dialects (replace.drop-dialect.allowed=false)");
    assert_eq!(ids(&commit(&base, json!([drop])).unwrap(), "versions"), [1, 2], "added, not current");
    let allow = |text: &str| json!({"action": "set-properties", "updates": {"replace.drop-dialect.allowed": text}});
    refused(commit(&base, json!([allow("yes"), drop, current(-1)])), "loss of view dialects");
    let next = commit(&base, json!([drop, current(-1), allow("TRUE")])).unwrap();
    assert_eq!(next.current_version_id(), Some(2));
    let more = add(version(3, 0, &[("trino", "c"), ("spark", "d"), ("duckdb", "e")]));
    assert!(commit(&base, json!([more, current(-1)])).is_ok());
}

/// the oldest versions expire, never the current one and none that the commit added; the history begins after
/// the last step to a forgotten version.
#[test]
fn old_versions_expire() {
    let mut doc = made(json!({"properties": {"version.history.num-entries": "3"}})).unwrap();
    for id in 2..=5 {
        doc = commit(&doc, json!([add(version(id, 0, &[("spark", &format!("select {id}"))])), current(-1)])).unwrap();
    }
    assert_eq!((ids(&doc, "versions"), ids(&doc, "version-log")), (vec![3, 4, 5], vec![3, 4, 5]));
    let doc = commit(&doc, json!([current(3)])).unwrap();
    let doc = commit(&doc, json!([add(version(6, 0, &[("spark", "select 6")]))])).unwrap();
    assert_eq!(ids(&doc, "versions"), [3, 5, 6], "the current one stays though it is the oldest");
    assert_eq!(ids(&doc, "version-log"), [5, 3]);
    let two: Vec<Value> = (7..=11).map(|id| add(version(id, 0, &[("spark", &format!("select {id}"))]))).collect();
    let many = commit(&doc, Value::Array(two)).unwrap();
    assert_eq!(ids(&many, "versions"), [3, 7, 8, 9, 10, 11], "all that were added");
    for (text, says) in [("0", "must be positive but was 0"), ("-1", "must be positive"), ("many", "not a number")] {
        let set = json!([{"action": "set-properties", "updates": {"version.history.num-entries": text}}]);
        refused(commit(&doc, set), says);
    }
    let mut plain = made(json!({})).unwrap();
    for id in 2..=12 {
        plain = commit(&plain, json!([add(version(id, 0, &[("spark", &format!("{id}"))])), current(-1)])).unwrap();
    }
    assert_eq!(ids(&plain, "versions"), (3..=12).collect::<Vec<i64>>(), "ten unless said otherwise");
}

/// identity, format version, location and properties.
#[test]
fn identity_place_and_properties() {
    let base = made(json!({})).unwrap();
    let uuid = base.view_uuid().unwrap().to_string();
    assert!(commit(&base, json!([{"action": "assign-uuid", "uuid": uuid.to_uppercase()}])).is_ok());
    let other = json!([{"action": "assign-uuid", "uuid": uuid::Uuid::from_u128(8).to_string()}]);
    refused(commit(&base, other), "cannot be reassigned");
    assert!(commit(&base, json!([{"action": "upgrade-format-version", "format-version": 1}])).is_ok());
    refused(commit(&base, json!([{"action": "upgrade-format-version", "format-version": 2}])), "not supported");
    let moved = commit(&base, json!([{"action": "set-location", "location": "file:/lake/w/"}])).unwrap();
    assert_eq!(moved.location_text(), "file:/lake/w");
    refused(commit(&base, json!([{"action": "set-location", "location": "new-location"}])), "not valid");
    let set = json!([
        {"action": "set-properties", "updates": {"a": "1", "b": "2"}},
        {"action": "remove-properties", "removals": ["a", "absent"]},
    ]);
    assert_eq!(value(&commit(&base, set).unwrap())["properties"], json!({"b": "2"}));
    for action in ["set-current-schema", "add-snapshot", "add-spec", "grow-wings", ""] {
        let error = commit(&base, json!([{"action": action}])).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unsupported, "unsupported_update"), "{action}");
    }
}

/// `assert-view-uuid` in Java's words; what is not known of views does not hold.
#[test]
fn the_requirement_has_javas_words() {
    let base = made(json!({})).unwrap();
    let check_of = |requirement: Value| {
        let raws: Vec<Box<serde_json::value::RawValue>> = serde_json::from_value(json!([requirement])).unwrap();
        check(&base, &ViewRequirement::parse_all(&raws)?)
    };
    let own = base.view_uuid().unwrap();
    check_of(json!({"type": "assert-view-uuid", "uuid": own.to_string().to_uppercase()})).unwrap();
    let error = check_of(json!({"type": "assert-view-uuid", "uuid": "x"})).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "requirement_failed"));
    assert_eq!(error.message(), format!("Requirement failed: view UUID does not match: expected {own} != x"));
    for kind in ["assert-table-uuid", "assert-create", "x"] {
        let error = check_of(json!({"type": kind, "uuid": own.to_string()})).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "unknown_requirement"), "{kind}");
    }
    assert_eq!(check_of(json!({"type": "assert-view-uuid"})).unwrap_err().kind(), ErrorKind::Invalid);
}

/// R32: deep, repeated and large input is refused before it is decoded.
#[test]
fn documents_are_bounded() {
    let base = String::from_utf8(made(json!({})).unwrap().to_bytes().unwrap()).unwrap();
    let with = |member: &str| format!("{}, {member}}}", base.strip_suffix('}').unwrap());
    assert!(ViewDoc::parse(with("\"x\": 1").as_bytes()).is_ok());
    for bad in [
        with(&format!("\"x\": {}{}", "[".repeat(200), "]".repeat(200))),
        with("\"location\": \"file:/elsewhere\""),
        with(&format!("\"x\": \"{}\"", "x".repeat(VIEW_BYTES_MAX))),
        "[]".to_owned(),
        String::new(),
        base.replace("\"view-uuid\"", "\"x-uuid\""),
        base.replace("\"format-version\":1", "\"format-version\":2"),
        base.replace("\"version-log\":[", "\"version-log\":null,\"x\":["),
    ] {
        assert!(ViewDoc::parse(bad.as_bytes()).is_err(), "{}", bad.chars().take(300).collect::<String>());
    }
    let many: Vec<Value> = (0..1_001).map(|_| current(1)).collect();
    refused(commit(&made(json!({})).unwrap(), Value::Array(many)), "too many updates");
}
