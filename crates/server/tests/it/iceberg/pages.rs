//! Lists that are followed page by page while others change what is listed, or who may see it.

use polder_testkit::{Client, World};
use serde_json::{Value, json};

const NAMESPACES: &str = "/iceberg/v1/lake/namespaces";
const SHELF: &str = "/iceberg/v1/lake/namespaces/shelf/tables";

/// One page of a list: the last names on it, and the token of the next.
async fn page(reader: &Client, list: &str, token: &str) -> (Vec<String>, String) {
    let join = if list.contains('?') { '&' } else { '?' };
    let path = format!("{list}{join}pageSize=1&pageToken={token}");
    let page = reader.get(&path).await.expect(200).json();
    let name = |one: &Value| match one.as_array() {
        Some(levels) => levels.last().unwrap().as_str().unwrap().to_owned(),
        None => one["name"].as_str().unwrap().to_owned(),
    };
    let items = page.get("identifiers").or_else(|| page.get("namespaces")).unwrap().as_array().unwrap();
    (items.iter().map(name).collect(), page["next-page-token"].as_str().unwrap_or_default().to_owned())
}

fn table(name: &str) -> Value {
    json!({"warehouse": "lake", "namespace": ["shelf"], "table": name})
}

/// The world with a namespace of tables, of which the reader may know each by a grant of its own.
async fn shelf() -> (World, Client) {
    let world = World::make().await;
    let (reader, _) = world.person("reader", "catalog").await;
    drop(world.engineer.post(NAMESPACES, &json!({"namespace": ["shelf"]})).await.expect(200));
    for name in ["t1", "t2", "t3", "t4", "t5", "t6"] {
        world.create_table("shelf", name).await;
        world.grant("reader", &["list"], &table(name)).await;
    }
    (world, reader)
}

/// F6: a list goes on though a table of it was dropped, with the grants on it, and though a first policy
/// came into the namespace; Java's and PyIceberg's would end in an error.
#[tokio::test]
async fn a_list_goes_on_whatever_vanishes() {
    let (world, reader) = shelf().await;
    let (names, token) = page(&reader, SHELF, "").await;
    assert_eq!(names, ["t1"]);
    drop(world.engineer.delete(&format!("{SHELF}/t3")).await.expect(204));
    let (names, token) = page(&reader, SHELF, &token).await;
    assert_eq!(names, ["t2"]);
    // Even the table that the page ended with.
    drop(world.engineer.delete(&format!("{SHELF}/t2")).await.expect(204));
    let mask = json!({
        "name": "first", "applies_to": ["reader"], "hide_column": "phone",
        "table": {"warehouse": "lake", "namespace": ["shelf"], "name": "t5"},
    });
    drop(world.admin.post("/api/v1/admin/policies", &mask).await.expect(201));
    let (names, token) = page(&reader, SHELF, &token).await;
    assert_eq!(names, ["t4"]);
    let (names, token) = page(&reader, SHELF, &token).await;
    assert_eq!(names, ["t5"]);
    assert_eq!(page(&reader, SHELF, &token).await, (vec!["t6".to_owned()], String::new()));
}

/// R18, R22: a right that came or went between two pages is in the next one: an old token shows nothing that a new list
/// would not show, and all that it would.
#[tokio::test]
async fn each_page_shows_what_may_be_seen_now() {
    let (world, reader) = shelf().await;
    let (names, token) = page(&reader, SHELF, "").await;
    assert_eq!(names, ["t1"]);
    world.create_table("shelf", "t31").await;
    world.create_table("shelf", "t32").await;
    world.grant("reader", &["list"], &table("t31")).await;
    for hidden in ["t2", "t4", "t6"] {
        let deny = json!({"role": "reader", "privileges": ["list"], "on": table(hidden), "effect": "deny"});
        drop(world.admin.post("/api/v1/admin/grants", &deny).await.expect(201));
    }
    let (names, third) = page(&reader, SHELF, &token).await;
    assert_eq!(names, ["t3"]);
    let (names, after) = page(&reader, SHELF, &third).await;
    assert_eq!(names, ["t31"]);
    assert_eq!(page(&reader, SHELF, &after).await, (vec!["t5".to_owned()], String::new()));
    // A token is one principal's all the same, and no good where the list itself is closed by now.
    drop(world.engineer.get(&format!("{SHELF}?pageToken={third}")).await.expect(400));
    drop(world.admin.delete("/api/v1/admin/roles/reader/principals/reader").await.expect(204));
    drop(reader.get(&format!("{SHELF}?pageToken={third}")).await.expect(404));
}

/// A-061, F6: the same of namespaces inside one another.
#[tokio::test]
async fn a_list_of_namespaces_goes_on_too() {
    let (world, reader) = shelf().await;
    let named = |name: &str| json!({"warehouse": "lake", "namespace": ["shelf", name]});
    for name in ["a", "b", "c", "d"] {
        drop(world.engineer.post(NAMESPACES, &json!({"namespace": ["shelf", name]})).await.expect(200));
        world.grant("reader", &["list"], &named(name)).await;
    }
    let list = format!("{NAMESPACES}?parent=shelf");
    let (names, token) = page(&reader, &list, "").await;
    assert_eq!(names, ["a"]);
    drop(world.engineer.delete(&format!("{NAMESPACES}/shelf%1Fb")).await.expect(204));
    let deny = json!({"role": "reader", "privileges": ["list"], "on": named("c"), "effect": "deny"});
    drop(world.admin.post("/api/v1/admin/grants", &deny).await.expect(201));
    assert_eq!(page(&reader, &list, &token).await, (vec!["d".to_owned()], String::new()));
}
