//! `POST …/namespaces/{namespace}/register` and `POST …/tables/{table}/unregister`.

use polder_testkit::{Client, OPEN, RESTRICTED, SCHEMA, World};
use reqwest::Method;
use serde_json::{Value, json};

use super::files::{append, metadata_files, path_of, put, snapshot};

const REGISTER: &str = "/iceberg/v1/lake/namespaces/pub/register";
const TABLES: &str = "/iceberg/v1/lake/namespaces/pub/tables";

fn path(table: &str) -> String {
    format!("{TABLES}/{table}")
}

fn wanted(name: &str, file: &str) -> Value {
    json!({"name": name, "metadata-location": file})
}

fn over(name: &str, file: &str) -> Value {
    json!({"name": name, "metadata-location": file, "overwrite": true})
}

async fn load(caller: &Client, table: &str) -> Value {
    caller.get(&path(table)).await.expect(200).json()
}

fn file_of(loaded: &Value) -> &str {
    loaded["metadata-location"].as_str().unwrap()
}

/// Drops a table without purging it; its last metadata file.
async fn dropped(world: &World, table: &str) -> String {
    let file = file_of(&load(&world.engineer, table).await).to_owned();
    drop(world.engineer.delete(&path(table)).await.expect(204));
    file
}

/// The root of the warehouse.
async fn root(world: &World) -> String {
    let loaded = load(&world.engineer, OPEN).await;
    loaded["metadata"]["location"].as_str().unwrap().rsplit_once('/').unwrap().0.to_owned()
}

/// A document of a table that nobody knows yet, at `<root>/<directory>`.
async fn strange(world: &World, directory: &str) -> (String, Value) {
    let place = format!("{}/{directory}", root(world).await);
    let mut document = load(&world.engineer, OPEN).await["metadata"].clone();
    document["location"] = json!(place);
    document["table-uuid"] = json!("0198c2f0-0000-7000-8000-00000000000a");
    (format!("{place}/metadata/v1.metadata.json"), document)
}

/// A-068, A-063: a table that was dropped comes back as it was, byte for byte, and goes on from there; on record.
#[tokio::test]
async fn a_dropped_table_is_registered_again() {
    let world = World::make().await;
    world.create_table("pub", "t").await;
    append(&world.engineer, &path("t"), 1..3).await;
    let before = world.engineer.get(&path("t")).await.expect(200);
    let file = dropped(&world, "t").await;
    let registered = world.engineer.post(REGISTER, &wanted("t", &file)).await.expect(200);
    assert_eq!(registered.json(), before.json());
    assert!(registered.text().contains(before.json()["metadata"]["table-uuid"].as_str().unwrap()));
    let etag = registered.header("etag").unwrap();
    assert!(etag.starts_with('"'), "{etag}");
    assert_eq!(world.engineer.get(&path("t")).await.expect(200).header("etag"), Some(etag));
    append(&world.engineer, &path("t"), 3..4).await;
    let record = world.audit().await.into_iter().find(|record| record["action"] == "register_table").unwrap();
    assert_eq!((&record["principal"], &record["object"]), (&json!("engineer"), &json!("pub.t")));
    let again = world.engineer.post(REGISTER, &wanted("t", &file)).await.expect(409);
    assert_eq!(again.error("type"), "AlreadyExistsException");
    assert_eq!(again.error("message"), "Table already exists: pub.t");
}

/// A-064, A-068: tables of every format version that nobody here made are kept as they are, unknown members included.
#[tokio::test]
async fn documents_of_every_version_are_kept_as_they_are() {
    let world = World::make().await;
    for version in 1..=3 {
        let (file, mut document) = strange(&world, &format!("version-{version}")).await;
        document["format-version"] = json!(version);
        document["table-uuid"] = json!(format!("0198c2f0-0000-7000-8000-00000000000{version}"));
        document["of-a-later-release"] = json!({"kept": [1, null]});
        if version == 1 {
            document["schema"] = document["schemas"][0].clone();
            document["partition-spec"] = json!([]);
        }
        if version == 3 {
            document["next-row-id"] = json!(0);
            document["schemas"][0]["fields"][1]["type"] = json!("variant");
        }
        let text = serde_json::to_string_pretty(&document).unwrap();
        put(&file, text.as_bytes());
        let name = format!("version_{version}");
        let registered = world.engineer.post(REGISTER, &wanted(&name, &file)).await.expect(200);
        assert!(registered.text().contains(&text), "version {version}");
        let loaded = load(&world.engineer, &name).await;
        assert_eq!((file_of(&loaded), &loaded["metadata"]), (file.as_str(), &document));
        assert_eq!(std::fs::read_to_string(path_of(&file)).unwrap(), text, "the file is as it was");
    }
}

/// R35: a table's files come back under no other name than its own, and under that with everything that restricted it.
#[tokio::test]
async fn registering_launders_nothing() {
    let world = World::make().await;
    let file = dropped(&world, RESTRICTED).await;
    for name in ["copy", OPEN] {
        let refused = world.engineer.post(REGISTER, &over(name, &file)).await.expect(400);
        assert!(refused.text().contains("dropped table"), "{name}: {}", refused.text());
    }
    drop(world.engineer.post(REGISTER, &wanted(RESTRICTED, &file)).await.expect(200));
    drop(world.analyst.get(&path(RESTRICTED)).await.expect(403));
    // Once more, by who edits policies, under a name that nothing stands on.
    let file = dropped(&world, RESTRICTED).await;
    drop(world.admin.post(REGISTER, &wanted("copy", &file)).await.expect(200));
    drop(world.analyst.get(&path("copy")).await.expect(403));
    // And from there: the restriction is on the files by now, and `copy` is not the name that it stands on.
    let file = dropped(&world, "copy").await;
    drop(world.engineer.post(REGISTER, &wanted("copy", &file)).await.expect(400));
}

/// R35, R19: a deny that was set on a table before it was renamed goes with its files.
#[tokio::test]
async fn a_deny_goes_with_the_files() {
    let world = World::make().await;
    let deny = json!({"role": "analyst", "privileges": ["list"], "effect": "deny",
        "on": {"warehouse": "lake", "namespace": ["pub"], "table": OPEN}});
    drop(world.admin.post("/api/v1/admin/grants", &deny).await.expect(201));
    let rename =
        json!({"source": {"namespace": ["pub"], "name": OPEN}, "destination": {"namespace": ["pub"], "name": "moved"}});
    drop(world.engineer.post("/iceberg/v1/lake/tables/rename", &rename).await.expect(204));
    drop(world.analyst.get(&path("moved")).await.expect(404));
    let file = dropped(&world, "moved").await;
    drop(world.engineer.post(REGISTER, &wanted("moved", &file)).await.expect(400));
    drop(world.admin.post(REGISTER, &wanted("moved", &file)).await.expect(200));
    drop(world.analyst.get(&path("moved")).await.expect(404));
    drop(world.engineer.get(&path("moved")).await.expect(200));
}

/// R35, A-077: neither the files of a table that lives, nor by who may not load them, nor over a table that is restricted.
#[tokio::test]
async fn what_one_may_not_load_one_may_not_register() {
    let world = World::make().await;
    let live = file_of(&load(&world.engineer, RESTRICTED).await).to_owned();
    for caller in [&world.engineer, &world.admin] {
        for name in ["copy", OPEN] {
            let refused = caller.post(REGISTER, &over(name, &live)).await.expect(400);
            assert!(refused.text().contains("overlaps"), "{name}: {}", refused.text());
        }
    }
    let (maker, _) = world.person("maker", "catalog").await;
    let here = json!({"warehouse": "lake", "namespace": ["pub"]});
    world.grant("maker", &["list", "create", "drop", "write"], &here).await;
    let (file, document) = strange(&world, "brought").await;
    put(&file, document.to_string().as_bytes());
    let file_of_open = dropped(&world, OPEN).await;
    for (name, file) in [("brought", &file), (OPEN, &file_of_open)] {
        let refused = maker.post(REGISTER, &wanted(name, file)).await.expect(403);
        assert!(!refused.text().contains("metadata"), "{}", refused.text());
    }
    // The analyst may read, and now create too; it is restricted on `people`, and where new tables stand beside it.
    world.grant("analyst", &["create", "write", "drop"], &here).await;
    let refused = world.analyst.post(REGISTER, &over(RESTRICTED, &live)).await.expect(403);
    assert!(refused.error("message").contains("/api/v1/query"), "{}", refused.text());
    drop(world.analyst.post(REGISTER, &wanted("brought", &file)).await.expect(403));
    for (caller, status) in [(&world.nobody, 404), (&world.stranger, 404)] {
        drop(caller.post(REGISTER, &wanted("brought", &file)).await.expect(status));
    }
    drop(world.engineer.post(REGISTER, &wanted("brought", &file)).await.expect(200));
    // It was made beside a table that is restricted for the analyst: hidden until it is released.
    drop(world.analyst.get(&path("brought")).await.expect(404));
    let elsewhere = "/iceberg/v1/lake/namespaces/absent/register";
    assert_eq!(
        world.engineer.post(elsewhere, &wanted("t", &file)).await.expect(404).error("type"),
        "NoSuchNamespaceException"
    );
}

/// R4, R9, R10, R12, R32, A-004: every path in a document lies below its own table's location, and that below a root; what
/// is no document is told by one text.
#[tokio::test]
async fn what_a_document_names_is_checked() {
    let world = World::make().await;
    let (file, document) = strange(&world, "brought").await;
    let (root, live) = (root(&world).await, load(&world.engineer, OPEN).await);
    let inside = live["metadata"]["location"].as_str().unwrap();
    let snapshot = snapshot(inside, 1).await.snapshot;
    let changes: Vec<(&str, Value)> = vec![
        ("/location", json!(inside)),
        ("/location", json!(root)),
        ("/location", json!(format!("{root}/other"))),
        ("/location", json!("file:///etc")),
        ("/location", json!(format!("{root}/brought/../other"))),
        ("/snapshots", json!([snapshot])),
        ("/metadata-log", json!([{"timestamp-ms": 1, "metadata-file": file_of(&live)}])),
        ("/properties/write.data.path", json!(format!("{inside}/data"))),
        ("/properties/write.metadata.path", json!("s3://elsewhere/x")),
        ("/properties/s3.endpoint", json!("http://attacker.example")),
        ("/properties/py-io-impl", json!("os.system")),
        ("/table-uuid", Value::Null),
        ("/format-version", json!(4)),
        ("/current-schema-id", json!(9)),
    ];
    for (member, value) in changes {
        let mut changed = document.clone();
        let (parent, name) = member.rsplit_once('/').unwrap();
        changed.pointer_mut(parent).unwrap()[name] = value.clone();
        put(&file, changed.to_string().as_bytes());
        let refused = world.engineer.post(REGISTER, &wanted("t", &file)).await;
        assert_eq!((refused.status, refused.error("type").as_str()), (400, "BadRequestException"), "{member}: {value}");
    }
    let mut said = std::collections::BTreeSet::new();
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    for text in ["", "not json", r#"{"secret": "of a neighbour"}"#, deep.as_str(), "{\"format-version\": 2}"] {
        put(&file, text.as_bytes());
        said.insert(world.engineer.post(REGISTER, &wanted("t", &file)).await.expect(400).error("message"));
    }
    std::fs::remove_file(path_of(&file)).unwrap();
    said.insert(world.engineer.post(REGISTER, &wanted("t", &file)).await.expect(400).error("message"));
    std::fs::create_dir(path_of(&file)).unwrap();
    said.insert(world.engineer.post(REGISTER, &wanted("t", &file)).await.expect(400).error("message"));
    assert_eq!(said.len(), 1, "{said:?}");
    for place in [
        "file:///etc/passwd".to_owned(),
        root.clone(),
        format!("{root}/../umbra/x.metadata.json"),
        format!("{root}2/t/metadata/v1.metadata.json"),
        format!("{root}/brought/%2e%2e/v1.metadata.json"),
        "s3://bucket/x.metadata.json".to_owned(),
        "nowhere".to_owned(),
        String::new(),
    ] {
        drop(world.engineer.post(REGISTER, &wanted("t", &place)).await.expect(400));
    }
    for body in [json!({}), json!({"name": "t"}), json!({"metadata-location": file}), wanted("", &file), json!([])] {
        drop(world.engineer.post(REGISTER, &body).await.expect(400));
    }
    drop(world.engineer.get(&path("t")).await.expect(404));
}

/// R4, R12: a file that whoever has keys for the table could write, and write anew after it was checked, is no document: not
/// as a new table, nor over one that is there; compressed ones have the name of one too.
#[tokio::test]
async fn only_a_name_that_no_key_writes_is_registered() {
    let world = World::make().await;
    let live = load(&world.engineer, OPEN).await;
    let (file, document) = strange(&world, "brought").await;
    for name in ["x.json", "x.metadata.json.gz", "metadata.json", "x.metadata.json.bak", "x.METADATA.JSON"] {
        let place = format!("{}/metadata/{name}", live["metadata"]["location"].as_str().unwrap());
        put(&place, live["metadata"].to_string().as_bytes());
        for caller in [&world.engineer, &world.admin] {
            let refused = caller.post(REGISTER, &over(OPEN, &place)).await.expect(400);
            assert!(refused.error("message").contains("`.metadata.json`"), "{name}: {}", refused.text());
        }
        let place = file.replace("v1.metadata.json", name);
        put(&place, document.to_string().as_bytes());
        drop(world.engineer.post(REGISTER, &wanted("t", &place)).await.expect(400));
    }
    assert_eq!(load(&world.engineer, OPEN).await, live);
    let other = file.replace("v1.metadata.json", "00003-0198c2f0.gz.metadata.json");
    put(&other, document.to_string().as_bytes());
    drop(world.engineer.post(REGISTER, &wanted("t", &other)).await.expect(200));
}

/// R36: a document that the catalog did not write names nobody but the caller as its owner, unless a policy editor brings it;
/// one that comes back says what the catalog let it say.
#[tokio::test]
async fn the_owner_of_a_registered_table_is_not_the_callers_word() {
    let world = World::make().await;
    let (file, mut document) = strange(&world, "brought").await;
    for name in ["owner", "OWNER"] {
        document["properties"] = json!({name: "admin"});
        put(&file, document.to_string().as_bytes());
        let refused = world.engineer.post(REGISTER, &wanted("t", &file)).await.expect(400);
        assert!(refused.error("message").contains("somebody else"), "{}", refused.text());
        let refused = world.engineer.post(REGISTER, &over(OPEN, &file)).await.expect(400);
        assert!(refused.error("message").contains("somebody else"), "{}", refused.text());
    }
    document["properties"] = json!({"owner": "engineer"});
    put(&file, document.to_string().as_bytes());
    drop(world.engineer.post(REGISTER, &wanted("t", &file)).await.expect(200));
    let (file, mut document) = strange(&world, "moved-in").await;
    document["table-uuid"] = json!("0198c2f0-0000-7000-8000-00000000000b");
    document["properties"] = json!({"owner": "somebody elsewhere"});
    put(&file, document.to_string().as_bytes());
    let kept = world.admin.post(REGISTER, &wanted("kept", &file)).await.expect(200).json();
    assert_eq!(kept["metadata"]["properties"]["owner"], "somebody elsewhere", "byte for byte");
    // Who made it is told of a table that comes back, whoever brings it back, and of an earlier document of it.
    let set = json!({"requirements": [], "updates": [{"action": "set-properties", "updates": {"owner": "root"}}]});
    drop(world.admin.post(&path(OPEN), &set).await.expect(200));
    let earlier = file_of(&load(&world.engineer, OPEN).await).to_owned();
    append(&world.engineer, &path(OPEN), 1..2).await;
    drop(world.engineer.post(REGISTER, &over(OPEN, &earlier)).await.expect(200));
    let file = dropped(&world, OPEN).await;
    let back = world.engineer.post(REGISTER, &wanted(OPEN, &file)).await.expect(200).json();
    assert_eq!(back["metadata"]["properties"]["owner"], "admin");
}

/// A-004: a link in the warehouse that leads out of it is not followed.
#[tokio::test]
async fn a_link_is_not_followed() {
    let world = World::make().await;
    let (file, document) = strange(&world, "brought").await;
    let outside = world.server.directory().join("outside.json");
    std::fs::write(&outside, document.to_string()).unwrap();
    std::fs::create_dir_all(path_of(&file).parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&outside, path_of(&file)).unwrap();
    drop(world.engineer.post(REGISTER, &wanted("t", &file)).await.expect(400));
}

/// A-068: overwriting moves a table back to an earlier document of its own, as one change: its grants stay.
#[tokio::test]
async fn overwriting_goes_back_to_an_earlier_document() {
    let world = World::make().await;
    let before = append(&world.engineer, &path(OPEN), 1..3).await;
    assert!(!before.is_empty());
    let files = metadata_files(&world.engineer, &path(OPEN)).await;
    let registered = world.engineer.post(REGISTER, &over(OPEN, &files[1])).await.expect(200).json();
    assert_eq!((file_of(&registered), &registered["metadata"]["current-snapshot-id"]), (files[1].as_str(), &json!(1)));
    assert_eq!(load(&world.engineer, OPEN).await, registered);
    let again = world.engineer.post(REGISTER, &over(OPEN, &files[1])).await.expect(200).json();
    assert_eq!(again, registered);
    append(&world.engineer, &path(OPEN), 3..4).await;
    drop(world.analyst.get(&path(OPEN)).await.expect(200));
    let moves = world
        .audit()
        .await
        .into_iter()
        .filter(|record| record["action"] == "commit_table" && record["detail"]["to"] == files[1].as_str());
    assert_eq!(moves.count(), 2, "the commit that wrote it, and the one registration that moved the pointer");
}

/// A-068, R19: overwriting by another table's document puts that one in its place; what was allowed on the old one is not on
/// the new one, and a restriction on the name is.
#[tokio::test]
async fn overwriting_by_another_table_replaces_it() {
    let world = World::make().await;
    let (reader, _) = world.person("reader", "catalog").await;
    world
        .grant("reader", &["list", "read"], &json!({"warehouse": "lake", "namespace": ["pub"], "table": RESTRICTED}))
        .await;
    drop(reader.get(&path(RESTRICTED)).await.expect(200));
    let old = load(&world.engineer, RESTRICTED).await;
    let (file, document) = strange(&world, "brought").await;
    put(&file, document.to_string().as_bytes());
    let registered = world.engineer.post(REGISTER, &over(RESTRICTED, &file)).await.expect(200).json();
    assert_eq!(registered["metadata"], document);
    drop(reader.get(&path(RESTRICTED)).await.expect(404));
    drop(world.analyst.get(&path(RESTRICTED)).await.expect(403));
    // The old files are those of a dropped table of that name; a name that is free makes a new table.
    drop(world.engineer.post(REGISTER, &over("fresh", file_of(&old))).await.expect(400));
    drop(world.engineer.post(REGISTER, &over(RESTRICTED, file_of(&old))).await.expect(200));
    assert_eq!(load(&world.engineer, RESTRICTED).await, old);
    let uncertain = json!({"name": RESTRICTED, "metadata-location": file, "overwrite": "yes"});
    drop(world.engineer.post(REGISTER, &uncertain).await.expect(400));
}

/// A-068: giving a table up answers its last document, and leaves its files; after that nothing commits to it.
#[tokio::test]
async fn a_table_is_given_up_as_it_is() {
    let world = World::make().await;
    append(&world.engineer, &path(OPEN), 1..2).await;
    let before = load(&world.engineer, OPEN).await;
    let door = |table: &str| format!("{}/unregister", path(table));
    let refused = world.analyst.post(&door(RESTRICTED), &Value::Null).await.expect(403);
    assert!(!refused.text().contains("schema"), "{}", refused.text());
    for caller in [&world.nobody, &world.stranger] {
        drop(caller.post(&door(OPEN), &Value::Null).await.expect(404));
    }
    let key = [("idempotency-key", "0198c2f0-0000-7000-8000-000000000001")];
    let given = world.engineer.send(Method::POST, &door(OPEN), &key, None).await.expect(200);
    let expected = json!({"metadata-location": before["metadata-location"], "metadata": before["metadata"]});
    assert_eq!(given.json(), expected);
    drop(world.engineer.get(&path(OPEN)).await.expect(404));
    drop(world.engineer.post(&path(OPEN), &json!({"requirements": [], "updates": []})).await.expect(404));
    assert_eq!(world.engineer.send(Method::POST, &door(OPEN), &key, None).await.expect(200).json(), expected);
    let foreign = world.analyst.send(Method::POST, &door(OPEN), &key, None).await;
    assert_eq!(foreign.status, 404, "{}", foreign.text());
    drop(world.engineer.post(&door(OPEN), &Value::Null).await.expect(404));
    drop(world.engineer.post(REGISTER, &wanted(OPEN, file_of(&before))).await.expect(200));
    assert_eq!(load(&world.engineer, OPEN).await, before);
    let record = world.audit().await.into_iter().find(|record| record["action"] == "unregister_table").unwrap();
    assert_eq!(record["detail"]["metadata_location"], before["metadata-location"]);
}

/// F8, R29: a registration that is sent again with its key is answered again, and happens once.
#[tokio::test]
async fn a_registration_is_answered_twice_and_done_once() {
    let world = World::make().await;
    let file = dropped(&world, OPEN).await;
    let body = wanted(OPEN, &file).to_string().into_bytes();
    let headers = [("idempotency-key", "0198c2f0-0000-7000-8000-000000000001"), ("content-type", "application/json")];
    let first = world.engineer.send(Method::POST, REGISTER, &headers, Some(body.clone())).await.expect(200);
    let again = world.engineer.send(Method::POST, REGISTER, &headers, Some(body)).await.expect(200);
    assert_eq!((again.text(), again.header("etag")), (first.text(), first.header("etag")));
}

/// F1: of many that register one name exactly one wins, and the table's files are one table's.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_registrations_wins() {
    let world = World::make().await;
    let (file, document) = strange(&world, "brought").await;
    put(&file, document.to_string().as_bytes());
    let racers: Vec<_> = (0..6)
        .map(|number| {
            let (engineer, body) = (world.engineer.clone(), wanted(&format!("t{}", number % 2), &file));
            tokio::spawn(async move { engineer.post(REGISTER, &body).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for racer in racers {
        statuses.push(racer.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 400, 409].contains(status)), "{statuses:?}");
}

/// A-066: tables that are made one after the other, under one name too, never share a directory.
#[tokio::test]
async fn every_table_has_a_directory_of_its_own() {
    let world = World::make().await;
    let mut places = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let made = world.create_table("pub", "again").await;
        places.insert(made["metadata"]["location"].as_str().unwrap().to_owned());
        drop(world.engineer.delete(&path("again")).await.expect(204));
    }
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let staged = json!({"name": "again", "schema": schema, "stage-create": true});
    let staged = world.engineer.post(TABLES, &staged).await.expect(200).json();
    places.insert(staged["metadata"]["location"].as_str().unwrap().to_owned());
    assert_eq!(places.len(), 4, "{places:?}");
}
