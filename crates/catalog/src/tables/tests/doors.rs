//! Who may know, who may act, and what an answer costs.

use polder_policy::Privilege;
use polder_types::{Error, ErrorKind, Namespace, Subject, TableIdent, WarehouseName};
use serde_json::{Value, json};

use crate::{
    OpCtx, SnapshotsMode, namespaces, tables,
    testing::{World, everything, ident, sales, set},
    visible_tables,
};

/// F12: a warm load asks the database nothing and reads no file; a load after a commit is warm at once.
#[tokio::test]
async fn a_warm_load_makes_no_statement_and_reads_no_file() {
    let world = World::new().await;
    let admin = world.admin().await;
    let created = world.create(&admin, "orders").await.unwrap();
    let committed = world.commit(&admin, "orders", json!([]), set("k", "v")).await.unwrap();
    assert_ne!(created.etag, committed.etag);
    let directory = world.directory.path().join("base");
    std::fs::rename(&directory, world.directory.path().join("away")).unwrap();
    let before = world.catalog.store().statements();
    for _ in 0..3 {
        let loaded = tables::load(&admin, &world.lake, &ident("orders"), SnapshotsMode::All).await.unwrap();
        assert_eq!((&loaded.metadata, &loaded.etag), (&committed.metadata, &committed.etag));
        assert_eq!(loaded.metadata.as_ptr(), committed.metadata.as_ptr(), "the same bytes, not a copy");
    }
    assert_eq!(world.catalog.store().statements(), before);
}

/// what is answered is what lies in the file, byte for byte.
#[tokio::test]
async fn a_load_answers_with_the_bytes_of_the_file() {
    let world = World::new().await;
    let admin = world.admin().await;
    let created = world.create(&admin, "orders").await.unwrap();
    let location = polder_types::Location::parse(&created.metadata_location.unwrap()).unwrap();
    let file = location.local_path().unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), created.metadata);
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name.starts_with("00000-") && name.ends_with(".metadata.json"));
    world.commit(&admin, "orders", json!([]), set("k", "v")).await.unwrap();
    assert!(world.files("orders").await.iter().any(|name| name.starts_with("00001-")));
}

async fn answer(ctx: &OpCtx, warehouse: &str, table: TableIdent) -> (ErrorKind, Subject, String) {
    let warehouse: WarehouseName = warehouse.parse().unwrap();
    let error: Error = tables::load(ctx, &warehouse, &table, SnapshotsMode::All).await.unwrap_err();
    (error.kind(), error.subject(), error.message().to_owned())
}

/// R22: what a principal may not know is answered exactly like what does not exist, at every level.
#[tokio::test]
async fn what_may_not_be_known_looks_like_what_is_not_there() {
    let world = World::new().await;
    world.create(&world.admin().await, "orders").await.unwrap();
    let stranger = world.principal("stranger", &[], world.in_sales()).await;
    let stranger = world.ctx(&stranger).await;
    let (there, absent) =
        (answer(&stranger, "lake", ident("orders")).await, answer(&stranger, "pond", ident("orders")).await);
    assert_eq!((there.0, there.1), (ErrorKind::NotFound, Subject::Warehouse));
    assert_eq!(there.2.replace("lake", "pond"), absent.2);
    assert_eq!(there, answer(&stranger, "lake", ident("missing")).await);
    let nowhere = TableIdent::new(Namespace::new(vec!["nowhere".to_owned()]).unwrap(), "orders").unwrap();
    assert_eq!(there, answer(&stranger, "lake", nowhere).await);
    for (error, wanted) in [
        (namespaces::load(&stranger, &world.lake, &sales()).await.unwrap_err(), ErrorKind::NotFound),
        (namespaces::list(&stranger, &world.lake, None, &everything()).await.unwrap_err(), ErrorKind::NotFound),
        (tables::list(&stranger, &world.lake, &sales(), &everything()).await.unwrap_err(), ErrorKind::NotFound),
        (tables::exists(&stranger, &world.lake, &ident("orders")).await.unwrap_err(), ErrorKind::NotFound),
        (tables::drop(&stranger, &world.lake, &ident("orders"), false).await.unwrap_err(), ErrorKind::NotFound),
        (world.create(&stranger, "orders").await.unwrap_err(), ErrorKind::NotFound),
        (world.commit(&stranger, "orders", json!([]), set("k", "v")).await.unwrap_err(), ErrorKind::NotFound),
    ] {
        assert_eq!((error.kind(), error.message()), (wanted, there.2.as_str()));
    }
    let (hidden, missing) = (
        tables::for_query(&stranger, None, &ident("orders")).await.unwrap_err(),
        tables::for_query(&stranger, None, &ident("missing")).await.unwrap_err(),
    );
    assert_eq!(hidden.message().replace("orders", "missing"), missing.message());
}

/// R22: whoever may know a table but not act on it is told so.
#[tokio::test]
async fn a_visible_table_without_the_privilege_is_forbidden() {
    let world = World::new().await;
    world.create(&world.admin().await, "orders").await.unwrap();
    let lister = world.principal("lister", &[Privilege::List], world.in_sales()).await;
    let lister = world.ctx(&lister).await;
    tables::exists(&lister, &world.lake, &ident("orders")).await.unwrap();
    assert_eq!(answer(&lister, "lake", ident("orders")).await.0, ErrorKind::Forbidden);
    assert_eq!(answer(&lister, "lake", ident("missing")).await.0, ErrorKind::NotFound);
    let error = tables::drop(&lister, &world.lake, &ident("orders"), true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden, "the right to drop comes first");
    let seen = visible_tables(&lister, &world.lake, 100).await.unwrap();
    assert_eq!((seen.tables, seen.truncated), (vec![ident("orders")], false));
}

/// a plain drop unlinks and leaves the files.
#[tokio::test]
async fn a_drop_unlinks() {
    let world = World::new().await;
    let admin = world.admin().await;
    let created = world.create(&admin, "orders").await.unwrap();
    tables::drop(&admin, &world.lake, &ident("orders"), false).await.unwrap();
    assert_eq!(world.load(&admin, "orders").await.unwrap_err().kind(), ErrorKind::NotFound);
    let location = polder_types::Location::parse(&created.metadata_location.unwrap()).unwrap();
    assert!(location.local_path().unwrap().exists());
    let again = tables::drop(&admin, &world.lake, &ident("orders"), false).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
}

/// a rename moves the name only, across namespaces too, and never onto a taken name.
#[tokio::test]
async fn a_rename_moves_the_name_only() {
    let world = World::new().await;
    let admin = world.admin().await;
    let orders = world.create(&admin, "orders").await.unwrap();
    world.create(&admin, "customers").await.unwrap();
    let taken = tables::rename(&admin, &world.lake, &ident("orders"), &ident("customers")).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    let archive = Namespace::new(vec!["archive".to_owned()]).unwrap();
    let target = TableIdent::new(archive.clone(), "orders").unwrap();
    let missing = tables::rename(&admin, &world.lake, &ident("orders"), &target).await.unwrap_err();
    assert_eq!((missing.kind(), missing.subject()), (ErrorKind::NotFound, Subject::Namespace));
    let request = polder_types::rest::CreateNamespaceRequest { namespace: archive, properties: None };
    namespaces::create(&admin, &world.lake, request).await.unwrap();
    tables::rename(&admin, &world.lake, &ident("orders"), &target).await.unwrap();
    let moved = tables::load(&admin, &world.lake, &target, SnapshotsMode::All).await.unwrap();
    assert_eq!((moved.table_uuid, moved.metadata), (orders.table_uuid, orders.metadata));
    assert_eq!(world.load(&admin, "orders").await.unwrap_err().kind(), ErrorKind::NotFound);
}

/// every mutation leaves a record with the principal who made it, and denials are counted.
#[tokio::test]
async fn mutations_and_denials_are_recorded_with_their_principal() {
    let world = World::new().await;
    let engineer = world.engineer().await;
    let engineer = world.ctx(&engineer).await;
    world.create(&engineer, "orders").await.unwrap();
    world.commit(&engineer, "orders", json!([]), set("k", "v")).await.unwrap();
    tables::rename(&engineer, &world.lake, &ident("orders"), &ident("away")).await.unwrap();
    tables::drop(&engineer, &world.lake, &ident("away"), false).await.unwrap();
    let stranger = world.principal("stranger", &[], world.in_sales()).await;
    let stranger = world.ctx(&stranger).await;
    for _ in 0..3 {
        namespaces::load(&stranger, &world.lake, &sales()).await.unwrap_err();
    }
    world.catalog.store().flush_counted(stranger.now()).await.unwrap();
    let filter = polder_store::AuditFilter::default();
    let records = crate::admin::audit::list(&world.admin().await, &filter, &everything()).await.unwrap().items;
    for action in ["create_table", "commit_table", "rename_table", "drop_table"] {
        let found: Vec<_> = records.iter().filter(|record| record.action == action).collect();
        assert_eq!(found.len(), 1, "{action}");
        assert_eq!(found[0].principal_name.as_deref(), Some("engineer"), "{action}");
    }
    let denied = records.iter().find(|record| record.decision == "deny").unwrap();
    assert_eq!((denied.principal_name.as_deref(), denied.count), (Some("stranger"), 3));
    assert_eq!((denied.action.as_str(), denied.reason.as_deref()), ("load_namespace", Some("invisible")));
}

/// R22: a credential whose scopes do not reach the catalog cannot tell what exists.
#[tokio::test]
async fn an_under_scoped_credential_learns_nothing() {
    let world = World::new().await;
    world.create(&world.admin().await, "orders").await.unwrap();
    let key =
        polder_store::NewKey { principal: "root".to_owned(), scopes: "admin:audit".parse().unwrap(), expires_at: None };
    let key = crate::admin::access::create_key(&world.admin().await, &key).await.unwrap().key.id;
    let ctx = world.ctx(&key).await;
    let there = answer(&ctx, "lake", ident("orders")).await;
    assert_eq!(there.0, ErrorKind::Forbidden);
    assert_eq!(there, answer(&ctx, "lake", ident("missing")).await);
    assert_eq!(there, answer(&ctx, "pond", ident("orders")).await);
    for table in ["orders", "missing"] {
        let error = tables::for_query(&ctx, None, &ident(table)).await.unwrap_err();
        assert_eq!(error.code(), "insufficient_scope");
    }
}

/// The futures of every door can move to another thread, as the server needs.
#[test]
fn operations_are_send() {
    fn check<F: Future + Send>(_: impl Fn(OpCtx, WarehouseName) -> F) {}
    check(|ctx, lake| async move { tables::load(&ctx, &lake, &ident("t"), SnapshotsMode::Refs).await });
    check(|ctx, lake| async move { tables::commit(&ctx, &lake, Vec::new()).await });
    check(|ctx, lake| async move {
        tables::create(&ctx, &lake, &sales(), crate::testing::create_request("t", json!({}))).await
    });
    check(|ctx, lake| async move { tables::drop(&ctx, &lake, &ident("t"), false).await });
    check(|ctx, lake| async move { tables::rename(&ctx, &lake, &ident("t"), &ident("u")).await });
    check(|ctx, lake| async move { tables::for_query(&ctx, Some(&lake), &ident("t")).await });
    check(|ctx, lake| async move { namespaces::drop(&ctx, &lake, &sales()).await });
    check(|ctx, lake| async move { visible_tables(&ctx, &lake, 1).await });
}

/// R4, R12: a document that somebody with keys for the table wrote anew is not served, whatever it says that no commit could.
#[tokio::test]
async fn a_document_that_no_commit_could_make_is_not_served() {
    let world = World::new().await;
    let engineer = world.engineer().await;
    let ctx = world.ctx(&engineer).await;
    let made = world.create(&ctx, "t").await.unwrap();
    let file = made.metadata_location.unwrap();
    let file = file.strip_prefix("file://").unwrap();
    let good: Value = serde_json::from_slice(&made.metadata).unwrap();
    let changed = |member: &str, value: Value| {
        let mut document = good.clone();
        document[member] = value;
        document
    };
    let elsewhere = good["location"].as_str().unwrap().replace("workspace=lake", "workspace=other");
    for (document, served) in [
        (good.clone(), true),
        (changed("properties", json!({"s3.signer.uri": "https://evil.example"})), false),
        (changed("properties", json!({"py-io-impl": "evil"})), false),
        (changed("location", json!(elsewhere)), false),
        (changed("table-uuid", json!("00000000-0000-4000-8000-000000000000")), false),
    ] {
        std::fs::write(file, document.to_string()).unwrap();
        // Another node, which has not read the document yet.
        let other = crate::Catalog::new(world.catalog.store().clone(), crate::CatalogOptions::default());
        let ctx = world.ctx_of(&other, &engineer).await;
        let loaded = tables::load(&ctx, &world.lake, &ident("t"), SnapshotsMode::All).await;
        assert_eq!(loaded.is_ok(), served, "{document}");
    }
}
