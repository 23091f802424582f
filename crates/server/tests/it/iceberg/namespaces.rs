//! `/iceberg/v1/{prefix}/namespaces`.

use polder_testkit::World;
use serde_json::json;

const NAMESPACES: &str = "/iceberg/v1/lake/namespaces";

/// made, found, changed, listed below its parent, dropped; every status as the specification says.
#[tokio::test]
async fn a_namespace_lives_as_the_specification_says() {
    let world = World::make().await;
    let door = &world.engineer;
    let body = json!({"namespace": ["a"], "properties": {"purpose": "rig"}});
    assert_eq!(door.post(NAMESPACES, &body).await.expect(200).json(), body);
    let again = door.post(NAMESPACES, &body).await.expect(409);
    assert_eq!(again.error("type"), "AlreadyExistsException");
    let nested = json!({"namespace": ["a", "b"], "properties": null});
    assert_eq!(door.post(NAMESPACES, &nested).await.expect(200).json()["namespace"], json!(["a", "b"]));
    let loaded = door.get("/iceberg/v1/lake/namespaces/a%1Fb").await.expect(200).json();
    assert_eq!((&loaded["namespace"], loaded["properties"].as_object().unwrap().len()), (&json!(["a", "b"]), 1));
    assert!(loaded["properties"]["location"].is_string());
    let changed = door
        .post(&format!("{NAMESPACES}/a/properties"), &json!({"removals": ["purpose", "gone"], "updates": {"k": "v"}}))
        .await
        .expect(200);
    assert_eq!(changed.json(), json!({"updated": ["k"], "removed": ["purpose"], "missing": ["gone"]}));
    let overlap = json!({"removals": ["k"], "updates": {"k": "v"}});
    drop(door.post(&format!("{NAMESPACES}/a/properties"), &overlap).await.expect(422));
    let listed = door.get(&format!("{NAMESPACES}?parent=a&pageToken=")).await.expect(200).json();
    assert_eq!(listed, json!({"namespaces": [["a", "b"]]}));
    let occupied = door.delete(&format!("{NAMESPACES}/a")).await.expect(409);
    assert_eq!(occupied.error("type"), "NamespaceNotEmptyException");
    drop(door.head(&format!("{NAMESPACES}/a%1Fb")).await.expect(204));
    drop(door.delete(&format!("{NAMESPACES}/a%1Fb")).await.expect(204));
    let gone = door.head(&format!("{NAMESPACES}/a%1Fb")).await.expect(404);
    assert!(gone.body.is_empty());
    let gone = door.get(&format!("{NAMESPACES}/a%1Fb")).await.expect(404);
    assert_eq!(gone.error("type"), "NoSuchNamespaceException");
    assert_eq!(gone.error("message"), "Namespace does not exist: a.b");
}

/// A-065, R36: the owner of a namespace is a word like any other, since nothing decides by it; whom something runs as is none.
#[tokio::test]
async fn the_owner_of_a_namespace_is_a_word() {
    let world = World::make().await;
    let body = json!({"namespace": ["mine"], "properties": {"owner": "admin"}});
    let created = world.engineer.post(NAMESPACES, &body).await.expect(200).json();
    assert_eq!(created["properties"]["owner"], "admin");
    let body = json!({"namespace": ["other"], "properties": {"trino.run-as-owner": "admin"}});
    drop(world.engineer.post(NAMESPACES, &body).await.expect(400));
}

/// a namespace has a place for tables, told to whoever may create some there; theirs if they chose one.
#[tokio::test]
async fn a_namespace_has_a_place_for_tables() {
    let world = World::make().await;
    let location = |answer: &serde_json::Value| answer["properties"]["location"].as_str().map(str::to_owned);
    let told = world.engineer.get(&format!("{NAMESPACES}/pub")).await.expect(200).json();
    let place = location(&told).unwrap();
    let wanted = json!({"name": "placed", "location": format!("{place}/placed-1"), "schema": {"type": "struct",
        "fields": [{"id": 1, "name": "id", "required": true, "type": "long"}]}});
    let made = world.engineer.post(&format!("{NAMESPACES}/pub/tables"), &wanted).await.expect(200).json();
    assert_eq!(made["metadata"]["location"], wanted["location"]);
    let chosen = json!({"namespace": ["chosen"], "properties": {"location": format!("{place}-2")}});
    drop(world.engineer.post(NAMESPACES, &chosen).await.expect(200));
    let told = world.engineer.get(&format!("{NAMESPACES}/chosen")).await.expect(200).json();
    assert_eq!(told["properties"], chosen["properties"]);
    let told = world.analyst.get(&format!("{NAMESPACES}/pub")).await.expect(200).json();
    assert_eq!(location(&told), None);
}

/// A path without a prefix means the default warehouse (ClickHouse forgets the prefix on DROP).
#[tokio::test]
async fn a_path_without_a_prefix_means_the_default_warehouse() {
    let world = World::make().await;
    drop(world.engineer.post("/iceberg/v1/namespaces", &json!({"namespace": ["short"]})).await.expect(200));
    drop(world.engineer.get(&format!("{NAMESPACES}/short")).await.expect(200));
    drop(world.engineer.delete("/iceberg/v1/namespaces/short").await.expect(204));
    drop(world.engineer.get(&format!("{NAMESPACES}/short")).await.expect(404));
    drop(world.server.operator().get("/iceberg/v1/namespaces").await.expect(400));
}

/// A-061, S-070: pages follow their tokens; a token of another list, tenant or caller is refused.
#[tokio::test]
async fn pages_follow_their_own_tokens_only() {
    let world = World::make().await;
    for name in ["p1", "p2", "p3"] {
        drop(world.engineer.post(NAMESPACES, &json!({"namespace": [name]})).await.expect(200));
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = world.engineer.get(&format!("{NAMESPACES}?pageSize=1&pageToken={token}")).await.expect(200).json();
        let names = page["namespaces"].as_array().unwrap();
        assert_eq!(names.len(), 1);
        seen.push(names[0][0].as_str().unwrap().to_owned());
        match page["next-page-token"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["p1", "p2", "p3", "pub"]);
    for (caller, list) in [
        (&world.admin, format!("{NAMESPACES}?pageToken={token}")),
        (&world.stranger, format!("/iceberg/v1/vault/namespaces?pageToken={token}")),
        (&world.engineer, format!("{NAMESPACES}?parent=pub&pageToken={token}")),
        (&world.engineer, format!("{NAMESPACES}/pub/tables?pageToken={token}")),
        (&world.engineer, format!("{NAMESPACES}?pageToken=AAAA")),
    ] {
        let refused = caller.get(&list).await;
        assert!(matches!(refused.status, 400 | 404), "{list}: {}", refused.status);
    }
    for bad in ["pageSize=0", "pageSize=x", "pageSize=1&pageSize=2"] {
        drop(world.engineer.get(&format!("{NAMESPACES}?{bad}")).await.expect(400));
    }
}

/// R27: names that could fool a reader or a path are refused where they are parsed.
#[tokio::test]
async fn deceptive_names_are_refused() {
    let world = World::make().await;
    for name in ["..", "a/b", "a\u{202e}b", "a\u{200b}b", "a\u{1f}b", "", " a"] {
        let answer = world.engineer.post(NAMESPACES, &json!({"namespace": [name]})).await;
        assert_eq!(answer.status, 400, "{name:?}");
    }
    for path in ["%2E%2E%2Fx", "a%2Fb", "a%E2%80%AEb", "%FF", "a%00b"] {
        let answer = world.engineer.get(&format!("{NAMESPACES}/{path}")).await;
        assert_eq!(answer.status, 400, "{path}");
    }
}

/// R22: what a caller may not know answers as what is absent does, body and headers too.
#[tokio::test]
async fn invisible_is_absent() {
    let world = World::make().await;
    drop(world.engineer.post(NAMESPACES, &json!({"namespace": ["secret"]})).await.expect(200));
    let invisible = world.analyst.get(&format!("{NAMESPACES}/secret")).await.expect(404);
    let absent = world.analyst.get(&format!("{NAMESPACES}/sacred")).await.expect(404);
    assert_eq!(invisible.text().replace("secret", "sacred"), absent.text());
    let names = |answer: &polder_testkit::Answer| {
        let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    };
    assert_eq!(names(&invisible), names(&absent));
    let listed = world.analyst.get(NAMESPACES).await.expect(200).json();
    assert_eq!(listed["namespaces"], json!([["pub"]]));
}
