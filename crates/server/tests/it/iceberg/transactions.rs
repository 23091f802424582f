//! `/iceberg/v1/{prefix}/transactions/commit`.

use polder_testkit::{Answer, OPEN, RESTRICTED, SCHEMA, World};
use serde_json::{Value, json};

const DOOR: &str = "/iceberg/v1/lake/transactions/commit";
const TABLES: &str = "/iceberg/v1/lake/namespaces/pub/tables";

fn change(table: &str, requirements: Value, updates: Value) -> Value {
    json!({"identifier": {"namespace": ["pub"], "name": table}, "requirements": requirements, "updates": updates})
}

fn set(table: &str, text: &str) -> Value {
    change(table, json!([]), json!([{"action": "set-properties", "updates": {"k": text}}]))
}

async fn transact(world: &World, changes: &[Value]) -> Answer {
    world.engineer.post(DOOR, &json!({"table-changes": changes})).await
}

async fn metadata(world: &World, table: &str) -> Value {
    world.engineer.get(&format!("{TABLES}/{table}")).await.expect(200).json()["metadata"].clone()
}

/// Stages a table and returns the change that publishes it, in DuckDB's own order: specs before the current schema.
async fn staged(world: &World, name: &str) -> Value {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let body = json!({"name": name, "schema": schema, "stage-create": true, "properties": {"a": "b"}});
    let doc = world.engineer.post(TABLES, &body).await.expect(200).json()["metadata"].clone();
    let updates = json!([
        {"action": "assign-uuid", "uuid": doc["table-uuid"]},
        {"action": "upgrade-format-version", "format-version": 2},
        {"action": "add-schema", "schema": doc["schemas"][0], "last-column-id": 3},
        {"action": "add-spec", "spec": doc["partition-specs"][0]},
        {"action": "set-default-spec", "spec-id": 0},
        {"action": "add-sort-order", "sort-order": doc["sort-orders"][0]},
        {"action": "set-default-sort-order", "sort-order-id": 0},
        {"action": "set-location", "location": doc["location"]},
        {"action": "set-current-schema", "schema-id": 0},
    ]);
    change(name, json!([{"type": "assert-create"}]), updates)
}

/// F17: ordinary commits and staged creates are one; one record a table and one for the transaction.
#[tokio::test]
async fn commits_and_creates_land_together() {
    let world = World::make().await;
    let before = world.engineer.get(&format!("{TABLES}/{OPEN}")).await.expect(200);
    let (one, two) = (staged(&world, "one").await, staged(&world, "two").await);
    let answer = transact(&world, &[set(OPEN, "x"), one, set(RESTRICTED, "y"), two]).await.expect(204);
    assert!(answer.body.is_empty());
    assert_eq!(metadata(&world, OPEN).await["properties"]["k"], "x");
    assert_eq!(metadata(&world, RESTRICTED).await["properties"]["k"], "y");
    for made in ["one", "two"] {
        assert_eq!(metadata(&world, made).await["schemas"][0]["fields"].as_array().unwrap().len(), 3);
    }
    let after = world.engineer.get(&format!("{TABLES}/{OPEN}")).await.expect(200);
    assert_ne!(after.header("etag"), before.header("etag"), "A-063");
    let request = answer.header("x-request-id").unwrap();
    let records = world.audit().await;
    let mut actions: Vec<&str> = records
        .iter()
        .filter(|record| record["request_id"] == request && record["principal"] == "engineer")
        .map(|record| record["action"].as_str().unwrap())
        .collect();
    actions.sort_unstable();
    assert_eq!(actions, ["commit_table", "commit_table", "commit_transaction", "create_table", "create_table"]);
}

/// A-071, F3: one requirement that does not hold, of a change without updates too, and nothing happens at all.
#[tokio::test]
async fn one_refusal_undoes_everything() {
    let world = World::make().await;
    let wrong = json!([{"type": "assert-table-uuid", "uuid": "0198c2f0-0000-7000-8000-000000000000"}]);
    let create = staged(&world, "fresh").await;
    for (refused, status) in [
        (change(RESTRICTED, wrong.clone(), json!([])), 409),
        (change(RESTRICTED, json!([{"type": "assert-create"}]), json!([])), 409),
        (change("absent", json!([]), json!([])), 404),
        (change(RESTRICTED, json!([]), json!([{"action": "set-location", "location": "file:///etc/x"}])), 400),
        (change(RESTRICTED, json!([]), json!([{"action": "remove-everything"}])), 400),
    ] {
        let answer = transact(&world, &[set(OPEN, "lost"), create.clone(), refused.clone()]).await;
        assert_eq!(answer.status, status, "{refused}: {}", answer.text());
        assert_eq!(metadata(&world, OPEN).await["properties"].get("k"), None, "{refused}");
        drop(world.engineer.head(&format!("{TABLES}/fresh")).await.expect(404));
    }
    // What is asserted and holds is no obstacle.
    let uuid = metadata(&world, RESTRICTED).await["table-uuid"].clone();
    let held = change(RESTRICTED, json!([{"type": "assert-table-uuid", "uuid": uuid}]), json!([]));
    drop(transact(&world, &[set(OPEN, "kept"), held, create]).await.expect(204));
    assert_eq!(metadata(&world, OPEN).await["properties"]["k"], "kept");
}

/// a transaction names one to a hundred tables, each of them once and all of them by name.
#[tokio::test]
async fn the_shape_of_a_transaction_is_checked() {
    let world = World::make().await;
    drop(transact(&world, &[]).await.expect(400));
    drop(transact(&world, &[set(OPEN, "a"), set(OPEN, "b")]).await.expect(400));
    let many: Vec<Value> = (0..101).map(|index| set(&format!("t{index}"), "a")).collect();
    drop(transact(&world, &many).await.expect(400));
    drop(transact(&world, &[json!({"requirements": [], "updates": []})]).await.expect(400));
    drop(world.engineer.post(DOOR, &json!({})).await.expect(400));
    assert_eq!(metadata(&world, OPEN).await["properties"].get("k"), None);
}

/// R22: one table that the caller may not commit to, and nothing happens; what it may not know is absent.
#[tokio::test]
async fn nobody_commits_beside_what_it_may_not() {
    let world = World::make().await;
    world.grant("analyst", &["write", "create"], &json!({"warehouse": "lake", "namespace": ["pub"]})).await;
    let body = json!({"table-changes": [set(OPEN, "x"), set(RESTRICTED, "x")]});
    let refused = world.analyst.post(DOOR, &body).await.expect(403);
    assert!(refused.error("message").contains("POST /api/v1/query"), "{}", refused.text());
    for name in ["\"phone\"", "\"region\""] {
        assert!(!refused.text().contains(name), "{}", refused.text());
    }
    let absent = world.nobody.post(DOOR, &body).await.expect(404);
    assert_eq!(absent.error("type"), "NoSuchWarehouseException");
    drop(world.stranger.post(DOOR, &body).await.expect(404));
    assert_eq!(metadata(&world, OPEN).await["properties"].get("k"), None);
    drop(world.analyst.post(DOOR, &json!({"table-changes": [set(OPEN, "x")]})).await.expect(204));
}

/// R35: CREATE OR REPLACE as DuckDB's writer does it (drop, staged create, transaction) sheds no restriction, and a
/// transaction may not drop a column that a policy reads, nor drop it and add it again.
#[tokio::test]
async fn a_transaction_sheds_no_restriction() {
    let world = World::make().await;
    let replaced = |fields: Value| {
        json!([
            {"action": "add-schema", "schema": {"type": "struct", "fields": fields}},
            {"action": "set-current-schema", "schema-id": -1},
        ])
    };
    let without = json!([{"id": 1, "name": "id", "type": "long", "required": false}]);
    let again = json!([
        {"id": 1, "name": "id", "type": "long", "required": false},
        {"id": 4, "name": "region", "type": "string", "required": false},
        {"id": 5, "name": "phone", "type": "string", "required": false},
    ]);
    let mut both = replaced(without.clone());
    both.as_array_mut().unwrap().extend(replaced(again).as_array().unwrap().clone());
    for updates in [replaced(without), both] {
        let change = change(RESTRICTED, json!([]), updates);
        drop(transact(&world, &[set(OPEN, "x"), change]).await.expect(400));
    }
    drop(world.engineer.delete(&format!("{TABLES}/{RESTRICTED}")).await.expect(204));
    let create = staged(&world, RESTRICTED).await;
    drop(transact(&world, &[set(OPEN, "x"), create]).await.expect(204));
    let refused = world.analyst.get(&format!("{TABLES}/{RESTRICTED}")).await.expect(403);
    assert_eq!(refused.error("type"), "ForbiddenException");
    drop(world.analyst.head(&format!("{TABLES}/{RESTRICTED}")).await.expect(204));
    // A table beside a restricted one is hidden from those restricted there until it is released.
    let aside = staged(&world, "aside").await;
    drop(transact(&world, &[set(OPEN, "y"), aside]).await.expect(204));
    drop(world.analyst.get(&format!("{TABLES}/aside")).await.expect(404));
}

/// F1, F2: many transactions over the same tables, in every order: each lands whole or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_transactions_are_never_torn() {
    let world = World::make().await;
    let racers: Vec<_> = (0..12)
        .map(|index| {
            let engineer = world.engineer.clone();
            let text = format!("v{index}");
            let mut changes = vec![set(OPEN, &text), set(RESTRICTED, &text)];
            if index % 2 == 1 {
                changes.reverse();
            }
            tokio::spawn(async move { engineer.post(DOOR, &json!({"table-changes": changes})).await.status })
        })
        .collect();
    for racer in racers {
        assert_eq!(racer.await.unwrap(), 204);
    }
    let (one, two) = (metadata(&world, OPEN).await, metadata(&world, RESTRICTED).await);
    assert_eq!(one["properties"]["k"], two["properties"]["k"]);
    assert_eq!(one["metadata-log"].as_array().unwrap().len(), 12);
}
