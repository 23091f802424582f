//! Statement budgets (design-catalog.md §2), and that they do not grow (F12).

use polder_policy::actions;
use polder_store::{CommitOutcome, Named};

use super::world::{World, page, stamp};

/// F12: a warm resolve and load read nothing, a commit is at most four statements, a page is one.
#[tokio::test]
async fn statements_stay_within_their_budgets() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    let mut row = acme.table(&ns, "t").await;
    world.store.resolve_warehouse(&acme.tenant, &lake.warehouse.name).await.unwrap().unwrap();
    for round in 0..2 {
        for index in 0..20 {
            acme.table(&ns, &format!("t{round}_{index}")).await;
        }
        let ident = row.table.ident();
        // A row that another node may have changed is read again, each in one statement.
        let a_read = u64::from(super::SHARED);
        let before = world.store.statements();
        assert!(world.store.verify_key(&acme.key, &acme.secret).await.unwrap().is_some());
        let after_key = world.store.statements();
        world.store.resolve_warehouse(&acme.tenant, &lake.warehouse.name).await.unwrap().unwrap();
        world.store.resolve_namespace(&lake.warehouse, &ns.name).await.unwrap().unwrap();
        let found = world.store.resolve_table(&lake.warehouse, &ident).await.unwrap().unwrap();
        assert_eq!(world.store.statements() - after_key, 3 * a_read, "warm rows");
        let before_policy = world.store.statements();
        world.store.newest_snapshot(&acme.tenant).await.unwrap().unwrap();
        assert_eq!(world.store.statements(), before_policy, "the rows brought the policy's version");
        // What a request of a table does: the policy in force and the table, at once.
        let named = Named {
            warehouse: Some(lake.warehouse.name.clone()),
            namespace: Some(ns.name.clone()),
            table: Some("t".to_owned()),
        };
        let (_, glance) = world.store.glance(&acme.tenant, || named.clone()).await.unwrap().unwrap();
        assert_eq!(world.store.statements() - before_policy, a_read, "warm load");
        assert_eq!(glance.take_table(&lake.warehouse, &ident).is_some(), super::SHARED);
        assert!(glance.take_table(&lake.warehouse, &ident).is_none(), "once: its pointer moves");
        assert!(after_key - before <= 1, "the first look at a key is one statement");

        let swap = acme.swap(&found, &format!("s3://lake/t{round}"), vec![]).await;
        let before = world.store.statements();
        let CommitOutcome::Committed(rows) = world.store.commit_tables(vec![swap], Vec::new(), &stamp()).await else {
            panic!("not committed");
        };
        assert!(world.store.statements() - before <= 4, "commit");
        row = rows[0].clone();
        let before = world.store.statements();
        assert_eq!(acme.resolve(&ns, "t").await.unwrap().version, row.version);
        assert_eq!(world.store.statements() - before, a_read, "the commit left the row in the cache");

        let permit = acme.list(actions::ListTables, &ns).await;
        let before = world.store.statements();
        assert_eq!(world.store.list_tables(&permit, &page(10, None)).await.unwrap().items.len(), 10);
        assert_eq!(world.store.statements() - before, 1, "page");
    }
}

/// F12: names are found, and pages are read, in as many statements among many namespaces as among few, beside each other
/// and inside each other.
#[tokio::test]
async fn statements_do_not_grow_with_namespaces() {
    let world = World::new().await;
    let (acme, lake, _) = world.acme().await;
    let parent = acme.namespace(&lake, "wide").await;
    let a_read = u64::from(super::SHARED);
    let (mut tip, mut made) = (acme.namespace(&lake, "deep").await, 0);
    for round in 0..3 {
        for n in 0..100 {
            acme.namespace_in(&parent, &format!("beside_{round}_{n}")).await;
        }
        for n in 0..20 {
            tip = acme.namespace_in(&tip, &format!("inside_{n}")).await;
        }
        made += 120;
        acme.table(&tip, "t").await;
        let before = world.store.statements();
        let found = world.store.resolve_namespace(&lake.warehouse, &tip.name).await.unwrap().unwrap();
        assert_eq!(found.namespace.name.levels().len(), 20 * (round + 1) + 1);
        assert_eq!(world.store.statements() - before, a_read, "a namespace of {made}");
        let before = world.store.statements();
        assert!(acme.resolve(&tip, "t").await.is_some());
        assert_eq!(world.store.statements() - before, a_read, "a table among {made} namespaces");
        let permit = acme.list(actions::ListNamespaces, &parent).await;
        let before = world.store.statements();
        let listed = world.store.list_namespaces(&permit, &page(50, None)).await.unwrap();
        assert_eq!(listed.items.len(), 50);
        assert_eq!(world.store.statements() - before, 1, "a page of {made}");
    }
}

/// R18: the snapshot is loaded once for any number of callers, and a newer one is never replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_snapshot_is_loaded_once_and_never_goes_back() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    acme.principal().await;
    acme.person("eve").await;
    // Where others write too, each caller asks for the version, and one of them loads.
    let asked = u64::from(super::SHARED);
    let before = world.store.statements();
    acme.principal().await;
    let one_load = world.store.statements() - before - asked;
    acme.person("bob").await;
    let before = world.store.statements();
    let callers: Vec<_> = (0..32)
        .map(|_| {
            let (store, tenant) = (world.store.clone(), acme.tenant.clone());
            tokio::spawn(async move { store.policy_snapshot(&tenant).await.unwrap().unwrap().version() })
        })
        .collect();
    let mut versions = Vec::new();
    for caller in callers {
        versions.push(caller.await.unwrap());
    }
    assert!(versions.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(world.store.statements() - before, one_load + 32 * asked);
}
