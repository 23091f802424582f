//! `/api/v1/admin`.

use std::collections::BTreeSet;

use polder_testkit::World;
use serde_json::{Value, json};

/// Every noun: made (201), shown, listed in pages, taken away (204), then absent (404).
#[tokio::test]
async fn nouns_are_made_listed_and_taken_away() {
    let world = World::make().await;
    let admin = &world.admin;
    for (noun, body, name) in [
        ("warehouses", json!({"name": "second"}), "second"),
        ("principals", json!({"name": "temp", "kind": "user", "attributes": {"region": "eu", "level": 3}}), "temp"),
        ("roles", json!({"name": "temp"}), "temp"),
    ] {
        let base = format!("/api/v1/admin/{noun}");
        let created = admin.post(&base, &body).await.expect(201).json();
        assert_eq!(created["name"], name);
        let again = admin.post(&base, &body).await.expect(409);
        assert_eq!(again.error("code"), "already_exists");
        let listed = admin.get(&base).await.expect(200).json();
        assert!(listed[noun].as_array().unwrap().iter().any(|row| row["name"] == name), "{listed}");
        if noun != "roles" {
            assert_eq!(admin.get(&format!("{base}/{name}")).await.expect(200).json()["name"], name);
        }
        drop(admin.delete(&format!("{base}/{name}")).await.expect(204));
        drop(admin.delete(&format!("{base}/{name}")).await.expect(404));
    }
}

/// one grammar for tenants and warehouses at every door: what does not have it is refused, never folded. Entities are
/// UUIDv7, events ULID.
#[tokio::test]
async fn ids_have_one_grammar_at_every_door() {
    let world = World::make().await;
    let operator = world.server.operator();
    for bad in ["ACME", "Acme", "ac", "-acme", "acme-", "ac_me", "acme ", "acmé", &"a".repeat(64)] {
        drop(operator.post("/api/v1/admin/tenants", &json!({"id": bad, "admin": "admin"})).await.expect(400));
        drop(world.admin.post("/api/v1/admin/warehouses", &json!({"name": bad})).await.expect(400));
    }
    drop(world.engineer.get("/iceberg/v1/config?warehouse=lake").await.expect(200));
    for absent in ["LAKE", "Lake", "lake%20"] {
        drop(world.engineer.get(&format!("/iceberg/v1/config?warehouse={absent}")).await.expect(404));
        drop(world.engineer.get(&format!("/iceberg/v1/{absent}/namespaces")).await.expect(404));
    }
    let listed = world.admin.get("/api/v1/admin/principals").await.expect(200).json();
    for row in listed["principals"].as_array().unwrap() {
        assert_eq!(row["id"].as_str().unwrap().as_bytes()[14], b'7', "no UUIDv7: {row}");
    }
    for record in world.audit().await {
        let id = record["id"].as_str().unwrap();
        let crockford = |b: u8| b.is_ascii_digit() || (b.is_ascii_uppercase() && !b"ILOU".contains(&b));
        assert!(id.len() == 26 && id.bytes().all(crockford), "no ULID: {record}");
    }
}

/// Lists are pages: each row once, in the order of the tokens.
#[tokio::test]
async fn lists_are_pages() {
    let world = World::make().await;
    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let path = format!("/api/v1/admin/principals?page_size=2{token}");
        let page = world.admin.get(&path).await.expect(200).json();
        let rows = page["principals"].as_array().unwrap();
        assert!(rows.len() <= 2);
        names.extend(rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()));
        match page["next_page_token"].as_str() {
            Some(next) => token = format!("&page_token={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["admin", "analyst", "engineer", "nobody"]);
    for bad in ["page_size=0", "page_size=1001", "page_token=AAAA", "limit=3"] {
        drop(world.admin.get(&format!("/api/v1/admin/principals?{bad}")).await.expect(400));
    }
}

/// A typo in a body is an error, never ignored.
#[tokio::test]
async fn unknown_fields_are_refused() {
    let world = World::make().await;
    for (path, body) in [
        ("warehouses", json!({"name": "second", "defualt": true})),
        ("principals", json!({"name": "temp", "attribute": {}})),
        ("keys", json!({"principal": "engineer", "scope": "catalog"})),
        ("roles", json!({"name": "temp", "x": 1})),
        ("grants", json!({"role": "engineer", "privileges": ["list"], "on": {"ware": "lake"}})),
        (
            "policies",
            json!({"name": "p", "table": {"warehouse": "lake", "namespace": ["pub"], "name": "cities"}, "hide": "x"}),
        ),
        ("tables/release", json!({"warehouse": "lake", "namespace": ["pub"], "name": "cities"})),
    ] {
        let answer = world.admin.post(&format!("/api/v1/admin/{path}"), &body).await.expect(400);
        assert_eq!(answer.error("code"), "invalid_body", "{path}: {}", answer.text());
    }
}

/// S-020: a key's secret is shown once; lists show its prefix only. A key cannot hold more than its maker's credential.
#[tokio::test]
async fn a_secret_is_shown_once() {
    let world = World::make().await;
    let body = json!({"principal": "engineer", "scopes": "catalog", "expires_in_seconds": 3600});
    let created = world.admin.post("/api/v1/admin/keys", &body).await.expect(201);
    assert_eq!(created.header("cache-control"), Some("no-store"));
    let created = created.json();
    let secret = created["secret"].as_str().unwrap();
    assert_eq!(created["credential"], format!("{}:{secret}", created["id"].as_str().unwrap()));
    let listed = world.admin.get("/api/v1/admin/keys").await.expect(200);
    assert!(!listed.text().contains(secret));
    let listed = listed.json();
    let row = listed["keys"].as_array().unwrap().iter().find(|row| row["id"] == created["id"]).unwrap();
    assert!(secret.starts_with(row["prefix"].as_str().unwrap()));
    assert_eq!(row["expires_at"], created["expires_at"]);
    let (narrow, _) = world.person("helper", "admin:access").await;
    world.grant("helper", &["manage_access"], &json!({})).await;
    let wide = json!({"principal": "helper", "scopes": "catalog"});
    drop(narrow.post("/api/v1/admin/keys", &wide).await.expect(403));
}

/// R23: assigning says whether it changed anything; deleting what is not there is no success.
#[tokio::test]
async fn changes_say_what_they_did() {
    let world = World::make().await;
    let path = "/api/v1/admin/roles/engineer/principals/analyst";
    assert_eq!(world.admin.put(path, &json!({})).await.expect(200).json()["changed"], true);
    assert_eq!(world.admin.put(path, &json!({})).await.expect(200).json()["changed"], false);
    drop(world.admin.delete(path).await.expect(204));
    drop(world.admin.delete(path).await.expect(404));
    drop(world.admin.delete("/api/v1/admin/policies/none").await.expect(404));
    drop(world.admin.delete("/api/v1/admin/grants/none").await.expect(404));
    drop(world.admin.delete("/api/v1/admin/keys/none").await.expect(404));
}

/// A grant holds from the next request on, and so does its end (R18).
#[tokio::test]
async fn grants_hold_from_the_next_request_on() {
    let world = World::make().await;
    let table = "/iceberg/v1/lake/namespaces/pub/tables/cities";
    drop(world.nobody.get(table).await.expect(404));
    let on = json!({"warehouse": "lake", "namespace": ["pub"], "table": "cities"});
    let body = json!({"role": "nobody", "privileges": ["read"], "on": on});
    let created = world.admin.post("/api/v1/admin/grants", &body).await.expect(201).json();
    drop(world.nobody.get(table).await.expect(200));
    let grant = &created["grants"][0];
    assert_eq!(grant["on"], on);
    drop(world.admin.delete(&format!("/api/v1/admin/grants/{}", grant["id"].as_str().unwrap())).await.expect(204));
    drop(world.nobody.get(table).await.expect(404));
}

/// a word that a path without a warehouse has in its place names none: the router would take the one for the other.
/// Whatever the router has there is reserved, and the list is written out here, so that a new word is looked at: a
/// warehouse that has it for a name already would be reached no more.
#[tokio::test]
async fn reserved_words_name_no_warehouse() {
    let words: BTreeSet<String> = polder_server::router::routes()
        .iter()
        .filter_map(|route| route.path.strip_prefix("/iceberg/v1/")?.split('/').next().map(str::to_owned))
        .filter(|word| !word.starts_with('{'))
        .collect();
    let known = ["config", "namespaces", "oauth", "tables", "transactions", "views"];
    assert_eq!(words.iter().map(String::as_str).collect::<Vec<_>>(), known);
    let world = World::make().await;
    for name in words {
        let refused = world.admin.post("/api/v1/admin/warehouses", &json!({"name": name})).await.expect(400);
        assert_eq!(refused.error("code"), "reserved_name", "{name}");
        assert!(refused.error("message").contains(&name) && refused.error("message").contains("/iceberg/v1/"));
    }
    for name in ["namespace", "namespaces-2", "functions"] {
        drop(world.admin.post("/api/v1/admin/warehouses", &json!({"name": name})).await.expect(201));
        world.grant("engineer", &["list"], &json!({"warehouse": name})).await;
        drop(world.engineer.get(&format!("/iceberg/v1/{name}/namespaces")).await.expect(200));
    }
}

/// the audit names who did what to what, and filters find it.
#[tokio::test]
async fn the_audit_names_the_principal() {
    let world = World::make().await;
    drop(world.analyst.get("/iceberg/v1/lake/namespaces/pub/tables/people").await.expect(403));
    let denied = world.admin.get("/api/v1/admin/audit?decision=deny&action=load_table").await.expect(200).json();
    let record: &Value = &denied["records"][0];
    assert_eq!((&record["principal"], &record["reason"]), (&json!("analyst"), &json!("restricted")));
    assert_eq!((&record["object"], &record["count"]), (&json!("pub.people"), &json!(1)));
    let created = world.admin.get("/api/v1/admin/audit?action=create_table").await.expect(200).json();
    let created = created["records"].as_array().unwrap().clone();
    assert_eq!(created.len(), 2);
    assert!(created.iter().all(|record| record["principal"] == "engineer" && record["decision"] == "allow"));
    drop(world.admin.get("/api/v1/admin/audit?decision=maybe").await.expect(400));
}

/// an administrator sees and changes its own tenant only.
#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let world = World::make().await;
    for noun in ["warehouses", "principals", "keys", "roles", "grants", "policies", "audit"] {
        let listed = world.stranger.get(&format!("/api/v1/admin/{noun}")).await.expect(200).text();
        for foreign in ["lake", "engineer", "analyst", "own-region", &world.analyst_key.id] {
            assert!(!listed.contains(foreign), "{noun} shows `{foreign}`");
        }
    }
    drop(world.stranger.get("/api/v1/admin/principals/engineer").await.expect(404));
    drop(world.stranger.delete(&format!("/api/v1/admin/keys/{}", world.analyst_key.id)).await.expect(404));
    drop(world.stranger.get("/api/v1/admin/tenants").await.expect(403));
    drop(world.stranger.post("/api/v1/admin/tenants", &json!({"id": "third", "admin": "a"})).await.expect(403));
}
