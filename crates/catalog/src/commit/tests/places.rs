//! Commits that name places which are not the table's.

use polder_types::ErrorKind;
use serde_json::{Value, json};

use crate::{
    metadata::TableDoc,
    tables,
    testing::{World, create_request, ident, sales, set},
};

async fn refused(world: &World, updates: Value) {
    let admin = world.admin().await;
    let before = world.files("orders").await;
    let error = world.commit(&admin, "orders", json!([]), updates.clone()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Unsupported), "{updates}: {error}");
    assert_eq!(world.files("orders").await, before, "{updates}");
}

/// A-004, R4, R7, R9, R10, R12: a commit cannot point the table outside its own location, whatever it changes.
#[tokio::test]
async fn a_commit_cannot_point_outside_the_table() {
    let world = World::new().await;
    let admin = world.admin().await;
    let orders = world.create(&admin, "orders").await.unwrap();
    let customers = world.create(&admin, "customers").await.unwrap();
    let own = TableDoc::parse(&orders.metadata).unwrap().location().unwrap().to_string();
    let other = TableDoc::parse(&customers.metadata).unwrap().location().unwrap().to_string();
    for place in [&other, &format!("{own}2/data"), "file:///etc", "s3://bucket/x", &format!("{own}/../x"), "%2e%2e"] {
        refused(&world, set("write.data.path", place)).await;
        refused(&world, set("write.metadata.path", place)).await;
        refused(&world, json!([{"action": "set-location", "location": place}])).await;
        refused(
            &world,
            json!([{"action": "add-snapshot", "snapshot": {"snapshot-id": 7, "sequence-number": 1,
                "timestamp-ms": 1_780_000_000_000_i64, "manifest-list": place, "summary": {"operation": "append"}}}]),
        )
        .await;
        refused(
            &world,
            json!([{"action": "set-statistics", "statistics": {"snapshot-id": 7, "statistics-path": place,
                "file-size-in-bytes": 1, "file-footer-size-in-bytes": 1, "blob-metadata": []}}]),
        )
        .await;
    }
    for name in ["io-impl", "py-io-impl", "s3.endpoint", "write.location-provider.impl", "trino.run-as-owner"] {
        refused(&world, set(name, "x")).await;
    }
    world.commit(&admin, "orders", json!([]), set("write.data.path", &format!("{own}/elsewhere"))).await.unwrap();
}

/// R1, R7, R10: a location is checked before anything is written there.
#[tokio::test]
async fn a_table_cannot_be_created_outside_its_warehouse_or_over_another() {
    let world = World::new().await;
    let admin = world.admin().await;
    let base = format!("file://{}/base", world.directory.path().display());
    let root = format!("{base}/tenant=acme/workspace=lake");
    let at = |place: &str| create_request("orders", json!({"location": place}));
    let first = create_request("first", json!({"location": format!("{root}/first")}));
    tables::create(&admin, &world.lake, &sales(), first).await.unwrap();
    for place in [
        root.clone(),
        base.clone(),
        format!("{root}2/orders"),
        format!("{base}/tenant=acme2/workspace=lake/orders"),
        format!("{root}/first"),
        format!("{root}/first/inner"),
        format!("{root}/%2e%2e/x"),
        "file:///tmp/orders".to_owned(),
        "s3://bucket/orders".to_owned(),
    ] {
        let error = tables::create(&admin, &world.lake, &sales(), at(&place)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Conflict), "{place}: {error:?}");
    }
    assert!(!world.directory.path().join("base/tenant=acme/workspace=lake2").exists());
    // A neighbour whose name only begins alike is no overlap.
    tables::create(&admin, &world.lake, &sales(), at(&format!("{root}/first2"))).await.unwrap();
}

/// R1: a place inside another table is refused before anything is written there, and to a staged create too.
#[tokio::test]
async fn nothing_is_written_into_another_table() {
    let world = World::new().await;
    let admin = world.admin().await;
    let orders = world.create(&admin, "orders").await.unwrap();
    let own = TableDoc::parse(&orders.metadata).unwrap().location().unwrap();
    for stage in [false, true] {
        let more = json!({"location": format!("{own}/data/inner"), "stage-create": stage});
        let error = tables::create(&admin, &world.lake, &sales(), create_request("other", more)).await.unwrap_err();
        assert_eq!(error.code(), "location_overlap");
        assert!(!own.local_path().unwrap().join("data/inner").exists(), "staged: {stage}");
    }
}

/// R10, R35: the place of a dropped table is no way to its files: whoever edits no policies makes no table at it, around
/// it or below it, staged ones neither; a policy editor may.
#[tokio::test]
async fn the_place_of_a_dropped_table_is_not_free() {
    let world = World::new().await;
    let engineer = world.engineer().await;
    let engineer = world.ctx(&engineer).await;
    let root = format!("file://{}/base/tenant=acme/workspace=lake", world.directory.path().display());
    let at = |place: &str, stage: bool| create_request("again", json!({"location": place, "stage-create": stage}));
    let first = create_request("orders", json!({"location": format!("{root}/a/orders")}));
    tables::create(&engineer, &world.lake, &sales(), first).await.unwrap();
    tables::drop(&engineer, &world.lake, &ident("orders"), false).await.unwrap();
    for stage in [true, false] {
        for place in ["a/orders", "a/orders/", "a", "a/orders/data/inner"] {
            let request = at(&format!("{root}/{place}"), stage);
            let error = tables::create(&engineer, &world.lake, &sales(), request).await.unwrap_err();
            assert_eq!(error.code(), "location_retired", "{place}");
        }
    }
    // By the commit of a staged create, too.
    let updates = json!([
        {"action": "set-location", "location": format!("{root}/a/orders")},
        {"action": "add-schema", "schema": {"type": "struct", "fields": []}},
        {"action": "set-current-schema", "schema-id": -1},
    ]);
    let error = world.commit(&engineer, "again", json!([{"type": "assert-create"}]), updates).await.unwrap_err();
    assert_eq!(error.code(), "location_retired");
    tables::create(&engineer, &world.lake, &sales(), at(&format!("{root}/a/orders2"), false)).await.unwrap();
    let editor = world.admin().await;
    let request = create_request("orders", json!({"location": format!("{root}/a/orders")}));
    tables::create(&editor, &world.lake, &sales(), request).await.unwrap();
}

/// a symbolic link that somebody put into the warehouse leads no metadata file out of it.
#[tokio::test]
async fn a_symbolic_link_leads_no_file_out_of_the_warehouse() {
    let world = World::new().await;
    let admin = world.admin().await;
    let lake = world.directory.path().join("base/tenant=acme/workspace=lake");
    let outside = world.directory.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, lake.join("link")).unwrap();
    let place = format!("file://{}/link/orders", lake.display());
    let request = create_request("orders", json!({"location": place}));
    let error = tables::create(&admin, &world.lake, &sales(), request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}
