//! `/iceberg/v1/{prefix}/namespaces/{namespace}/views`, `…/register-view`, `/iceberg/v1/{prefix}/views/rename`.

use polder_testkit::{Answer, Client, OPEN, RESTRICTED, SCHEMA, World};
use reqwest::Method;
use serde_json::{Value, json};

const VIEWS: &str = "/iceberg/v1/lake/namespaces/pub/views";
const TABLES: &str = "/iceberg/v1/lake/namespaces/pub/tables";
const RENAME: &str = "/iceberg/v1/lake/views/rename";
const REGISTER: &str = "/iceberg/v1/lake/namespaces/pub/register-view";

fn path(view: &str) -> String {
    format!("{VIEWS}/{view}")
}

/// As Java's client writes it.
fn body(name: &str) -> Value {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    json!({"name": name, "location": null, "schema": schema, "properties": {"comment": "c"}, "view-version": {
        "version-id": 1, "timestamp-ms": 1_700_000_000_000_i64, "schema-id": 0, "summary": {"engine-name": "spark"},
        "default-catalog": "lake", "default-namespace": ["pub"], "representations": [
            {"type": "sql", "sql": "select id from people", "dialect": "spark"},
            {"type": "sql", "sql": "SELECT id FROM people", "dialect": "trino"},
        ],
    }})
}

fn replace(sql: &str) -> Value {
    let mut version = body("v")["view-version"].clone();
    version["representations"] = json!([
        {"type": "sql", "sql": sql, "dialect": "spark"}, {"type": "sql", "sql": sql, "dialect": "trino"},
    ]);
    json!({"requirements": [], "updates": [
        {"action": "add-view-version", "view-version": version},
        {"action": "set-current-view-version", "view-version-id": -1},
    ]})
}

fn set(name: &str, text: &str) -> Value {
    json!({"updates": [{"action": "set-properties", "updates": {name: text}}]})
}

fn rename(from: &str, to: &str) -> Value {
    json!({"source": {"namespace": ["pub"], "name": from}, "destination": {"namespace": ["pub"], "name": to}})
}

async fn make(caller: &Client, name: &str) -> Value {
    caller.post(VIEWS, &body(name)).await.expect(200).json()
}

#[track_caller]
fn refused(answer: Answer, status: u16, kind: &str, message: &str) {
    let answer = answer.expect(status);
    assert_eq!((answer.error("type").as_str(), answer.error("message").as_str()), (kind, message));
}

/// A-076: `LoadViewResult` from create, load and replace, the stored bytes in it; HEAD, list, drop.
#[tokio::test]
async fn a_view_is_made_loaded_replaced_and_dropped() {
    let world = World::make().await;
    let engineer = &world.engineer;
    let made = make(engineer, "v").await;
    let members: Vec<&String> = made.as_object().unwrap().keys().collect();
    assert_eq!(members, ["config", "metadata", "metadata-location"]);
    let metadata = &made["metadata"];
    assert_eq!((&metadata["format-version"], &metadata["current-version-id"]), (&json!(1), &json!(1)));
    assert_eq!(metadata["versions"][0], body("v")["view-version"]);
    assert_eq!(metadata["version-log"], json!([{"timestamp-ms": 1_700_000_000_000_i64, "version-id": 1}]));
    let loaded = engineer.get(&path("v")).await.expect(200);
    assert_eq!(loaded.header("content-type"), Some("application/json"));
    assert_eq!(loaded.json(), made);
    let file = made["metadata-location"].as_str().unwrap().strip_prefix("file://").unwrap().to_owned();
    let stored = std::fs::read(&file).unwrap();
    assert!(loaded.body.windows(stored.len()).any(|window| window == stored), "the stored bytes");

    let mut commit = replace("select 2");
    commit["requirements"] = json!([{"type": "assert-view-uuid", "uuid": metadata["view-uuid"]}]);
    let replaced = engineer.post(&path("v"), &commit).await.expect(200).json();
    assert_eq!(replaced["metadata"]["current-version-id"], 2);
    assert_ne!(replaced["metadata-location"], made["metadata-location"]);
    commit["requirements"][0]["uuid"] = json!("0198c2f0-0000-7000-8000-000000000000");
    let conflict = engineer.post(&path("v"), &commit).await.expect(409);
    assert_eq!(conflict.error("type"), "CommitFailedException");
    let says = "Requirement failed: view UUID does not match: expected ";
    assert!(conflict.error("message").starts_with(says), "{}", conflict.text());
    let mut lost = replace("select 3");
    lost["updates"][0]["view-version"]["representations"].as_array_mut().unwrap().pop();
    let lost = engineer.post(&path("v"), &lost).await.expect(400);
    assert!(lost.error("message").starts_with("Cannot replace view due to loss of view dialects"), "{}", lost.text());

    let head = engineer.head(&path("v")).await.expect(204);
    assert!(head.body.is_empty());
    let listed = engineer.get(VIEWS).await.expect(200).json();
    assert_eq!(listed, json!({"identifiers": [{"namespace": ["pub"], "name": "v"}]}));
    assert!(!engineer.get(TABLES).await.expect(200).text().contains("\"v\""));
    drop(engineer.delete(&path("v")).await.expect(204));
    for answer in [
        engineer.get(&path("v")).await,
        engineer.delete(&path("v")).await,
        engineer.post(&path("v"), &replace("x")).await,
    ] {
        refused(answer, 404, "NoSuchViewException", "View does not exist: pub.v");
    }
    drop(engineer.head(&path("v")).await.expect(404));
    assert!(std::path::Path::new(&file).exists(), "its files stay");
}

/// A-069: one name space with Java's texts and types; F6: 404 and 409 are told apart at both ends of a rename.
#[tokio::test]
async fn names_clash_in_javas_words() {
    let world = World::make().await;
    let engineer = &world.engineer;
    make(engineer, "v").await;
    make(engineer, "w").await;
    let taken = "AlreadyExistsException";
    refused(engineer.post(VIEWS, &body("v")).await, 409, taken, "View already exists: pub.v");
    let clash = format!("Table with same name already exists: pub.{OPEN}");
    refused(engineer.post(VIEWS, &body(OPEN)).await, 409, taken, &clash);
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for staged in [false, true] {
        let table = json!({"name": "v", "schema": schema, "stage-create": staged});
        refused(engineer.post(TABLES, &table).await, 409, taken, "View with same name already exists: pub.v");
    }
    let publish = json!({"requirements": [{"type": "assert-create"}], "updates": [
        {"action": "add-schema", "schema": schema}, {"action": "set-current-schema", "schema-id": -1},
    ]});
    let published = engineer.post(&format!("{TABLES}/v"), &publish).await;
    refused(published, 409, taken, "View with same name already exists: pub.v");
    for (from, to, message) in [
        ("v", "w", "Cannot rename pub.v to pub.w. View already exists: pub.w".to_owned()),
        ("v", OPEN, format!("Cannot rename pub.v to pub.{OPEN}. Table already exists: pub.{OPEN}")),
    ] {
        refused(engineer.post(RENAME, &rename(from, to)).await, 409, taken, &message);
    }
    let table = engineer.post("/iceberg/v1/lake/tables/rename", &rename(OPEN, "v")).await;
    refused(table, 409, taken, &format!("Cannot rename pub.{OPEN} to pub.v. View already exists: pub.v"));
    let absent = engineer.post(RENAME, &rename("absent", "x")).await;
    refused(absent, 404, "NoSuchViewException", "View does not exist: pub.absent");
    let mut nowhere = rename("v", "x");
    nowhere["destination"]["namespace"] = json!(["nowhere"]);
    let nowhere = engineer.post(RENAME, &nowhere).await;
    refused(nowhere, 404, "NoSuchNamespaceException", "Namespace does not exist: nowhere");
    let load = engineer.get(&path(OPEN)).await;
    refused(load, 404, "NoSuchViewException", &format!("View does not exist: pub.{OPEN}"));
    let load = engineer.get(&format!("{TABLES}/v")).await;
    refused(load, 404, "NoSuchTableException", "Table does not exist: pub.v");
    let load = engineer.get("/iceberg/v1/lake/namespaces/nowhere/views/v").await;
    refused(load, 404, "NoSuchViewException", "View does not exist: nowhere.v");
    let list = engineer.get("/iceberg/v1/lake/namespaces/nowhere/views").await;
    refused(list, 404, "NoSuchNamespaceException", "Namespace does not exist: nowhere");
}

/// A-069: a view moves to another namespace; what holds a view is not empty.
#[tokio::test]
async fn a_view_moves_between_namespaces() {
    let world = World::make().await;
    let engineer = &world.engineer;
    drop(engineer.post("/iceberg/v1/lake/namespaces", &json!({"namespace": ["other"]})).await.expect(200));
    let made = make(engineer, "v").await;
    let mut to = rename("v", "w");
    to["destination"]["namespace"] = json!(["other"]);
    drop(engineer.post(RENAME, &to).await.expect(204));
    drop(engineer.head(&path("v")).await.expect(404));
    let moved = engineer.get("/iceberg/v1/lake/namespaces/other/views/w").await.expect(200).json();
    assert_eq!(moved, made);
    let full = engineer.delete("/iceberg/v1/lake/namespaces/other").await.expect(409);
    assert_eq!(full.error("type"), "NamespaceNotEmptyException");
    drop(engineer.delete("/iceberg/v1/lake/namespaces/other/views/w").await.expect(204));
    drop(engineer.delete("/iceberg/v1/lake/namespaces/other").await.expect(204));
}

/// A-001, R22: to another tenant and to the unprivileged, a view that is there and one that is not are one thing.
#[tokio::test]
async fn an_invisible_view_is_absent() {
    let world = World::make().await;
    make(&world.admin, "v").await;
    for caller in [&world.stranger, &world.nobody] {
        for (method, rest, body) in
            [(Method::GET, "", None), (Method::POST, "", Some(replace("select 1"))), (Method::DELETE, "", None)]
        {
            let there = caller.request(method.clone(), &format!("{}{rest}", path("v")), body.as_ref()).await;
            let absent = caller.request(method.clone(), &format!("{}{rest}", path("x")), body.as_ref()).await;
            assert_eq!(there.status, 404, "{method}");
            assert_eq!(there.text(), absent.text());
            assert_eq!(there.error("type"), "NoSuchWarehouseException");
        }
        assert_eq!(caller.head(&path("v")).await.status, 404);
        let through = caller.get(&format!("{TABLES}/{OPEN}?referenced-by=pub%1Fv")).await.expect(404);
        assert_eq!(through.text(), caller.get(&format!("{TABLES}/{OPEN}?referenced-by=pub%1Fx")).await.text());
    }
    // Hidden by name: the list does not show it, whoever made it.
    let on = json!({"warehouse": "lake", "namespace": ["pub"], "table": "v"});
    let deny = json!({"role": "analyst", "effect": "deny", "privileges": ["list"], "on": on});
    make(&world.admin, "w").await;
    drop(world.admin.post("/api/v1/admin/grants", &deny).await.expect(201));
    let listed = world.analyst.get(VIEWS).await.expect(200).json();
    assert_eq!(listed["identifiers"], json!([{"namespace": ["pub"], "name": "w"}]));
    refused(world.analyst.get(&path("v")).await, 404, "NoSuchViewException", "View does not exist: pub.v");
    drop(world.analyst.get(&path("w")).await.expect(200));
}

/// R35, A-077: no swap of table and view lets the restricted reader read more than before, at any door.
#[tokio::test]
async fn no_swap_sheds_a_restriction() {
    let world = World::make().await;
    let (engineer, analyst) = (&world.engineer, &world.analyst);
    let tables = "/iceberg/v1/lake/tables/rename";
    make(engineer, "next").await;
    drop(analyst.get(&path("next")).await.expect(404)); // beside a restricted table, not released
    drop(engineer.post(tables, &rename(RESTRICTED, "stepped_aside")).await.expect(204));
    drop(engineer.post(RENAME, &rename("next", RESTRICTED)).await.expect(204));
    let refused = analyst.get(&path(RESTRICTED)).await.expect(403);
    assert_eq!(refused.error("type"), "ForbiddenException");
    for name in ["region", "phone", "select"] {
        assert!(!refused.text().contains(name), "{}", refused.text());
    }
    drop(analyst.head(&path(RESTRICTED)).await.expect(204));
    drop(analyst.get(&format!("{TABLES}/stepped_aside")).await.expect(403));
    drop(analyst.get(&format!("{TABLES}/{OPEN}?referenced-by=pub%1F{RESTRICTED}")).await.expect(403));
    // A view named in SQL is not there, for whoever asks.
    let (reader, _) = world.person("sqlreader", "query").await;
    world.grant("sqlreader", &["read", "read_unrestricted"], &json!({"warehouse": "lake"})).await;
    let query = json!({"sql": format!("SELECT * FROM pub.{RESTRICTED}")});
    let absent = json!({"sql": "SELECT * FROM pub.nothing"});
    let (view, nothing) = (reader.post("/api/v1/query", &query).await, reader.post("/api/v1/query", &absent).await);
    assert_eq!((view.status, view.error("code")), (nothing.status, nothing.error("code")));
    assert_ne!(view.status, 200);
    // Back again: both keep it.
    drop(engineer.post(RENAME, &rename(RESTRICTED, "old_view")).await.expect(204));
    drop(engineer.post(tables, &rename("stepped_aside", RESTRICTED)).await.expect(204));
    drop(analyst.get(&path("old_view")).await.expect(403));
    drop(analyst.get(&format!("{TABLES}/{RESTRICTED}")).await.expect(403));
    // Dropped and made again as a view, in one name.
    drop(engineer.delete(&format!("{TABLES}/{RESTRICTED}")).await.expect(204));
    make(engineer, RESTRICTED).await;
    drop(analyst.get(&path(RESTRICTED)).await.expect(403));
}

/// A-004, R4, R12, R36: places and properties of others are refused at every door that writes.
#[tokio::test]
async fn what_reaches_out_of_a_view_is_refused() {
    let world = World::make().await;
    let engineer = &world.engineer;
    let made = make(engineer, "v").await;
    let own = made["metadata"]["location"].as_str().unwrap().to_owned();
    let root = own.rsplit_once('/').unwrap().0.to_owned();
    for place in
        ["file:///etc", "s3://bucket/x", root.as_str(), &own, &format!("{own}/inside"), &format!("{root}/../x")]
    {
        let mut at = body("w");
        at["location"] = json!(place);
        drop(engineer.post(VIEWS, &at).await.expect(400));
        let file = format!("{place}/metadata/v.metadata.json");
        drop(engineer.post(REGISTER, &json!({"name": "w", "metadata-location": file})).await.expect(400));
    }
    for (name, text) in [
        ("trino.run-as-owner", "admin"),
        ("Trino.Run_As_Owner", "admin"),
        ("py-io-impl", "x"),
        ("s3.endpoint", "http://evil"),
        ("token", "x"),
        ("write.metadata.path", "file:///etc"),
        ("write.data.path", &root),
    ] {
        let mut with = body("w");
        with["properties"] = json!({name: text});
        drop(engineer.post(VIEWS, &with).await.expect(400));
        drop(engineer.post(&path("v"), &set(name, text)).await.expect(400));
    }
    let owner = engineer.post(&path("v"), &set("owner", "admin")).await.expect(200).json();
    assert_eq!(owner["metadata"]["properties"]["owner"], "engineer");
    let trino = engineer.post(&path("v"), &set("trino.run-as-owner", "engineer")).await.expect(200).json();
    assert_eq!(trino["metadata"]["properties"]["trino.run-as-owner"], "engineer");
    let other = world.admin.post(&path("v"), &replace("select * from secrets")).await.expect(403);
    assert_eq!(other.error("type"), "ForbiddenException");
    drop(engineer.head(&path("w")).await.expect(404));
}

/// A-076, R15, R32: bodies that say something else than the path, too much, or nothing.
#[tokio::test]
async fn bad_bodies_are_400() {
    let world = World::make().await;
    let engineer = &world.engineer;
    make(engineer, "v").await;
    let mut elsewhere = set("k", "v");
    elsewhere["identifier"] = json!({"namespace": ["pub"], "name": "other"});
    let table_update = json!({"updates": [{"action": "remove-snapshots", "snapshot-ids": [1]}]});
    let table_requirement = json!({"requirements": [{"type": "assert-table-uuid", "uuid": "x"}], "updates": []});
    let mut two = replace("x");
    two["updates"][0]["view-version"]["representations"][1]["dialect"] = json!("SPARK");
    for bad in [elsewhere, table_update, table_requirement, two, json!({}), json!({"updates": [{}]}), json!([])] {
        drop(engineer.post(&path("v"), &bad).await.expect(400));
    }
    let unsupported = engineer.post(&path("v"), &json!({"updates": [{"action": "add-spec"}]})).await.expect(400);
    assert_eq!(unsupported.error("type"), "UnsupportedOperationException");
    for member in ["name", "schema", "view-version"] {
        let mut bad = body("w");
        bad.as_object_mut().unwrap().remove(member);
        drop(engineer.post(VIEWS, &bad).await.expect(400));
    }
    for name in ["", "a/b", "..", "a\u{0}b", "a\u{202e}b"] {
        drop(engineer.post(VIEWS, &body(name)).await.expect(400));
    }
    let mut huge = body("w");
    huge["properties"]["x"] = json!("x".repeat(5 * 1024 * 1024));
    assert_eq!(engineer.post(VIEWS, &huge).await.status, 413);
    let mut deep = body("w").to_string();
    let nested = format!("{}{}", "[".repeat(300), "]".repeat(300));
    deep.insert_str(1, &format!("\"deep\": {nested},"));
    let headers = [("content-type", "application/json")];
    let deep = engineer.send(Method::POST, VIEWS, &headers, Some(deep.into_bytes())).await;
    assert_eq!(deep.status, 400);
    drop(engineer.head(&path("w")).await.expect(404));
}

/// A-061, A-076: pages with opaque tokens that are bound to the list, each name once; without a parameter everything.
#[tokio::test]
async fn lists_are_paged() {
    let world = World::make().await;
    for name in ["a", "b", "c", "d", "e"] {
        make(&world.admin, name).await;
    }
    let all = world.analyst.get(VIEWS).await.expect(200).json();
    assert_eq!((all["identifiers"].as_array().unwrap().len(), all.get("next-page-token")), (5, None));
    let (mut names, mut query) = (Vec::new(), "pageSize=2&pageToken=".to_owned());
    for _ in 0..5 {
        let page = world.analyst.get(&format!("{VIEWS}?{query}")).await.expect(200).json();
        names.extend(page["identifiers"].as_array().unwrap().iter().map(|one| one["name"].clone()));
        let Some(token) = page["next-page-token"].as_str() else { break };
        query = format!("pageSize=2&pageToken={token}");
        let foreign = world.analyst.get(&format!("{TABLES}?{query}")).await;
        assert_eq!(foreign.status, 400, "a token of the list of views is none of the list of tables");
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    for bad in ["pageSize=0", "pageSize=x", "pageToken=x"] {
        drop(world.analyst.get(&format!("{VIEWS}?{bad}")).await.expect(400));
    }
}

/// A-074: `referenced-by` is read; it opens nothing and closes what the caller may not load.
#[tokio::test]
async fn what_is_loaded_through_a_view_is_decided_by_itself() {
    let world = World::make().await;
    let (admin, analyst) = (&world.admin, &world.analyst);
    make(admin, "outer").await;
    make(admin, "inner").await;
    let chain = "referenced-by=pub%1Fouter,pub%1Finner";
    drop(analyst.get(&format!("{TABLES}/{OPEN}?{chain}")).await.expect(200));
    drop(analyst.get(&format!("{}?referenced-by=pub%1Fouter", path("inner"))).await.expect(200));
    drop(analyst.get(&format!("{TABLES}/{OPEN}?referenced-by=")).await.expect(200));
    drop(analyst.get(&format!("{TABLES}/{RESTRICTED}?{chain}")).await.expect(403));
    let absent = analyst.get(&format!("{TABLES}/{OPEN}?{chain},pub%1Fabsent")).await;
    refused(absent, 404, "NoSuchViewException", "View does not exist: pub.absent");
    let table = analyst.get(&format!("{TABLES}/{OPEN}?referenced-by=pub%1F{OPEN}")).await;
    refused(table, 404, "NoSuchViewException", &format!("View does not exist: pub.{OPEN}"));
    let long = vec!["pub%1Fouter"; 33].join(",");
    for bad in ["v", "pub%1Fouter,", &long, "pub%1Fouter&referenced-by=pub%1Finner"] {
        for target in [format!("{TABLES}/{OPEN}"), path("inner")] {
            drop(analyst.get(&format!("{target}?referenced-by={bad}")).await.expect(400));
        }
    }
}

/// F8, A-064: every mutation of a view that is sent again with its key is answered as it was, and happens once; R29:
/// decided again.
#[tokio::test]
async fn every_mutation_is_answered_twice_and_done_once() {
    let world = World::make().await;
    let brought = {
        let made = make(&world.engineer, "source").await;
        let mut metadata = made["metadata"].clone();
        let root = metadata["location"].as_str().unwrap().rsplit_once('/').unwrap().0.to_owned();
        metadata["location"] = json!(format!("{root}/brought"));
        let directory = format!("{}/brought/metadata", root.strip_prefix("file://").unwrap());
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(format!("{directory}/v.metadata.json"), metadata.to_string()).unwrap();
        format!("{root}/brought/metadata/v.metadata.json")
    };
    let requests = [
        (Method::POST, VIEWS.to_owned(), body("t")),
        (Method::POST, path("t"), replace("select 2")),
        (Method::POST, path("t"), json!({"updates": []})),
        (Method::POST, REGISTER.to_owned(), json!({"name": "r", "metadata-location": brought})),
        (Method::POST, RENAME.to_owned(), rename("t", "u")),
        (Method::DELETE, path("u"), Value::Null),
    ];
    let send = async |number: usize| {
        let (method, path, body) = &requests[number];
        let key = format!("0198c2f0-0000-7000-8000-{number:012}");
        let headers = [("idempotency-key", key.as_str()), ("content-type", "application/json")];
        let body = (!body.is_null()).then(|| body.to_string().into_bytes());
        world.engineer.send(method.clone(), path, &headers, body).await
    };
    let done = async || {
        let records = world.audit().await;
        records.iter().filter(|one| one["object_kind"] == "view" && one["object_version"].is_number()).count()
    };
    for number in 0..requests.len() {
        let first = send(number).await;
        assert!((200..300).contains(&first.status), "{number}: {} {}", first.status, first.text());
        let before = done().await;
        let again = send(number).await;
        assert_eq!((again.status, again.text()), (first.status, first.text()), "{number}");
        assert_eq!(done().await, before, "{number}");
    }
    assert!(done().await >= requests.len());
    // What landed is never told 4xx, though its view is gone.
    let gone = send(1).await.expect(500);
    assert_eq!(gone.error("type"), "CommitStateUnknownException");
    assert_eq!(send(0).await.status, 404);
}

/// F1: of many that want one name, exactly one gets it, be it a table or a view.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_gets_the_name() {
    let world = World::make().await;
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let racers: Vec<_> = (0..8)
        .map(|number| {
            let engineer = world.engineer.clone();
            let table = json!({"name": "race", "schema": schema});
            let (door, body) = if number % 2 == 0 { (VIEWS, body("race")) } else { (TABLES, table) };
            tokio::spawn(async move { engineer.post(door, &body).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for racer in racers {
        statuses.push(racer.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
}

/// R19, R35: views are granted on and released by name like tables.
#[tokio::test]
async fn grants_and_releases_reach_views() {
    let world = World::make().await;
    make(&world.engineer, "fresh").await;
    let (reader, _) = world.person("reader", "catalog").await;
    let on = json!({"warehouse": "lake", "namespace": ["pub"], "table": "fresh"});
    world.grant("reader", &["read"], &on).await;
    drop(reader.get(&path("fresh")).await.expect(200));
    drop(reader.get(&format!("{TABLES}/{OPEN}")).await.expect(404));
    drop(world.analyst.get(&path("fresh")).await.expect(404));
    let released = world.admin.post("/api/v1/admin/tables/release", &on).await.expect(200).json();
    assert_eq!(released, json!({"released": true}));
    drop(world.analyst.get(&path("fresh")).await.expect(200));
    let table = json!({"warehouse": "lake", "namespace": ["pub"], "name": "fresh"});
    let policy = json!({"name": "p", "table": table, "hide_column": "phone"});
    let refused = world.admin.post("/api/v1/admin/policies", &policy).await;
    assert_eq!(refused.status, 404, "restrictions are set on tables");
}
