//! Commits to several tables, one of them new: the client is told what really happened, and it is all or nothing.

use polder_types::ErrorKind;
use serde_json::{Value, json};

use crate::{
    TableCommit,
    faults::Step,
    tables,
    testing::{World, create_request, sales, set, table_commit},
};

/// A change of `orders`, and the creation of `fresh` with DuckDB's order of updates.
async fn changes(world: &World) -> Vec<TableCommit> {
    let admin = world.admin().await;
    let request = create_request("fresh", json!({"stage-create": true}));
    let staged = tables::create(&admin, &world.lake, &sales(), request).await.unwrap();
    let doc: Value = serde_json::from_slice(&staged.metadata).unwrap();
    let updates = json!([
        {"action": "assign-uuid", "uuid": doc["table-uuid"]},
        {"action": "upgrade-format-version", "format-version": 2},
        {"action": "add-schema", "schema": doc["schemas"][0]},
        {"action": "add-spec", "spec": doc["partition-specs"][0]},
        {"action": "set-default-spec", "spec-id": 0},
        {"action": "add-sort-order", "sort-order": doc["sort-orders"][0]},
        {"action": "set-default-sort-order", "sort-order-id": 0},
        {"action": "set-location", "location": doc["location"]},
        {"action": "set-current-schema", "schema-id": 0},
    ]);
    vec![
        table_commit("orders", json!([]), set("k", "v")).unwrap(),
        table_commit("fresh", json!([{"type": "assert-create"}]), updates).unwrap(),
    ]
}

/// F3, F4, A-071: a fault before the transaction leaves neither change nor file; after it nothing is removed.
#[tokio::test]
async fn a_transaction_with_a_create_tells_the_truth() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.create(&admin, "orders").await.unwrap();
    let before = world.files("orders").await;
    let place = |commits: &[TableCommit]| {
        let text = format!("{:?}", commits[1].updates);
        let path = text.split("file://").nth(1).unwrap().split('"').next().unwrap();
        std::path::PathBuf::from(path).join("metadata")
    };
    for step in [Step::WriteFile, Step::LinkFile, Step::BeforeTransaction] {
        let commits = changes(&world).await;
        let metadata = place(&commits);
        world.catalog.faults().plan(step);
        let error = tables::commit(&admin, &world.lake, commits).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{step:?}");
        assert_eq!(world.files("orders").await, before, "{step:?}");
        assert_eq!(std::fs::read_dir(metadata).unwrap().count(), 0, "{step:?}");
        assert_eq!(world.load(&admin, "fresh").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(world.load(&admin, "orders").await.unwrap().property("k"), None);
    }
    world.catalog.faults().plan(Step::AfterTransaction);
    let commits = changes(&world).await;
    let error = tables::commit(&admin, &world.lake, commits).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommitStateUnknown);
    assert_eq!(world.files("orders").await.len(), before.len() + 1);
    // In this test it landed, all of it.
    assert_eq!(world.load(&admin, "orders").await.unwrap().property("k"), Some("v"));
    world.load(&admin, "fresh").await.unwrap();
}

/// A-071, F1: whoever creates the table first wins; the other transaction leaves nothing, not even its other change.
#[tokio::test]
async fn a_lost_create_undoes_the_other_changes() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.create(&admin, "orders").await.unwrap();
    let commits = changes(&world).await;
    world.create(&admin, "fresh").await.unwrap();
    let error = tables::commit(&admin, &world.lake, commits).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(world.load(&admin, "orders").await.unwrap().property("k"), None);
    assert_eq!(world.files("orders").await.len(), 1);
}
