//! Creating tables: at once, staged, by many at a time.

use futures::future::join_all;
use polder_types::ErrorKind;
use serde_json::{Value, json};

use crate::{
    metadata::TableDoc,
    tables,
    testing::{World, create_request, ident, sales, table_commit},
};

/// F1: of many creators of one name, exactly one wins; the others get 409 and leave no file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_one_of_many_creators_wins() {
    let world = World::new().await;
    let admin = world.admin().await;
    let outcomes = join_all((0..12).map(|_| world.create(&admin, "orders"))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
    let lake = world.directory.path().join("base/tenant=acme/workspace=lake");
    let files = std::fs::read_dir(lake).unwrap().flat_map(|table| {
        std::fs::read_dir(table.unwrap().path().join("metadata")).unwrap().map(|file| file.unwrap().path())
    });
    assert_eq!(files.count(), 1);
}

/// The updates that publish a staged table, as Java's client sends them.
fn publish(staged: &[u8]) -> Value {
    let doc: Value = serde_json::from_slice(staged).unwrap();
    json!([
        {"action": "assign-uuid", "uuid": doc["table-uuid"]},
        {"action": "upgrade-format-version", "format-version": 2},
        {"action": "add-schema", "schema": doc["schemas"][0], "last-column-id": 3},
        {"action": "set-current-schema", "schema-id": -1},
        {"action": "add-spec", "spec": doc["partition-specs"][0]},
        {"action": "set-default-spec", "spec-id": -1},
        {"action": "add-sort-order", "sort-order": doc["sort-orders"][0]},
        {"action": "set-default-sort-order", "sort-order-id": -1},
        {"action": "set-location", "location": doc["location"]},
        {"action": "set-properties", "updates": {"owner": "somebody-else"}},
    ])
}

/// A-066, R36: a staged create stores nothing until it is published, and then once.
#[tokio::test]
async fn a_staged_table_appears_when_it_is_published() {
    let world = World::new().await;
    let admin = world.admin().await;
    let request = create_request("orders", json!({"stage-create": true}));
    let staged = tables::create(&admin, &world.lake, &sales(), request).await.unwrap();
    assert!(staged.metadata_location.is_none() && staged.etag.is_none());
    assert_eq!(world.load(&admin, "orders").await.unwrap_err().kind(), ErrorKind::NotFound);
    let location = TableDoc::parse(&staged.metadata).unwrap().location().unwrap().local_path().unwrap();
    assert!(location.join("metadata").is_dir() && location.join("data").is_dir());

    let create = json!([{"type": "assert-create"}]);
    let updates = publish(&staged.metadata);
    let published = world.commit(&admin, "orders", create.clone(), updates.clone()).await.unwrap();
    assert_eq!(published.table_uuid, staged.table_uuid);
    let doc = world.load(&admin, "orders").await.unwrap();
    assert_eq!(doc.property("owner"), Some("root"), "the owner is who created it");
    let again = world.commit(&admin, "orders", create, updates).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
}

/// a commit to a missing table that does not assert its creation creates nothing.
#[tokio::test]
async fn a_commit_to_a_missing_table_is_not_found() {
    let world = World::new().await;
    let error = world.commit(&world.admin().await, "orders", json!([]), json!([])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// R15: the table that is authorized is the one that is changed.
#[tokio::test]
async fn path_and_body_must_name_the_same_table() {
    let body = json!({"identifier": {"namespace": ["sales"], "name": "customers"}, "requirements": [], "updates": []});
    let request = serde_json::from_value(body).unwrap();
    let error = crate::TableCommit::parse(ident("orders"), request).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

/// what this build does not know is refused by name.
#[test]
fn an_unknown_update_or_requirement_is_refused_by_name() {
    let error = table_commit("t", json!([]), json!([{"action": "rewrite-history"}])).unwrap_err();
    assert!(error.message().contains("rewrite-history"));
    let error = table_commit("t", json!([{"type": "assert-luck"}]), json!([])).unwrap_err();
    assert!(error.message().contains("assert-luck"));
}
