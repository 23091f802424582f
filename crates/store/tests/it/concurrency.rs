//! Many callers at once.

use std::collections::BTreeSet;

use polder_policy::actions;
use polder_store::{CommitOutcome, Creation, is_stale};
use polder_types::ErrorKind;

use super::world::{World, make_table, stamp};

/// F1: of many concurrent creates of one name exactly one wins; the others hear that it exists.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_creates_of_one_name_one_wins() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let mut tasks = Vec::new();
    for _ in 0..100 {
        let (acme, ns) = (acme.clone(), ns.clone());
        tasks.push(tokio::spawn(async move { acme.try_table(&ns, acme.new_table(&ns, "t")).await }));
    }
    let mut winners = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(row) => winners.push(row.table.id),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists),
        }
    }
    assert_eq!(winners, [acme.resolve(&ns, "t").await.unwrap().table.id]);
}

/// F2: concurrent commits to one table: every answered success is in the history, in order, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_commit_is_lost_or_applied_twice() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    acme.table(&ns, "t").await;
    let mut tasks = Vec::new();
    for task in 0..8 {
        let (acme, ns) = (acme.clone(), ns.clone());
        tasks.push(tokio::spawn(async move {
            let (mut won, mut seen) = (Vec::new(), 0);
            while won.len() < 20 {
                let row = acme.resolve(&ns, "t").await.unwrap();
                assert!(row.version >= seen, "a read went back");
                seen = row.version;
                let to = format!("s3://lake/{task}/{}", won.len());
                match acme.commit(&row, &to, vec![]).await {
                    CommitOutcome::Committed(rows) => won.push((rows[0].version, row.metadata_location.clone(), to)),
                    CommitOutcome::Lost(_) => {}
                    outcome => panic!("{outcome:?}"),
                }
            }
            won
        }));
    }
    let mut history = Vec::new();
    for task in tasks {
        history.extend(task.await.unwrap());
    }
    history.sort();
    let versions: Vec<i64> = history.iter().map(|(version, ..)| *version).collect();
    assert_eq!(versions, (2..=161).collect::<Vec<_>>());
    assert!(history.windows(2).all(|pair| pair[0].2 == pair[1].1), "each commit is based on the one before");
}

/// Several tasks write different things at once (group commit); all of it is there afterwards, each with its record.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_group_of_writers_loses_nothing() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let mut tasks = Vec::new();
    for index in 0..200 {
        let (acme, ns) = (acme.clone(), ns.clone());
        tasks.push(tokio::spawn(async move { acme.table(&ns, &format!("t{index}")).await.table.id }));
    }
    let mut made = BTreeSet::new();
    for task in tasks {
        made.insert(task.await.unwrap().to_string());
    }
    let recorded: BTreeSet<String> = acme
        .audit()
        .await
        .into_iter()
        .filter(|row| row.action == "create_table")
        .filter_map(|row| row.object_id)
        .collect();
    assert_eq!((made.len(), &made), (200, &recorded));
}

/// F7: a caller that hangs up does not take its started change with it; closing finishes what was accepted.
#[tokio::test]
async fn a_caller_that_hangs_up_loses_nothing() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let permit = acme.permit(actions::CreateTable, &ns).await;
    for index in 0..50 {
        let new = acme.new_table(&ns, &format!("t{index}"));
        let moment = stamp();
        let mut call =
            Box::pin(world.store.commit_tables(Vec::new(), vec![Creation { permit: permit.clone(), new }], &moment));
        // Poll once: the job is with the writer; then the caller is gone.
        assert!(futures::poll!(&mut call).is_pending());
    }
    world.store.close().await;
    let late = make_table(&world.store, permit, acme.new_table(&ns, "late")).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Unavailable);
    let dir = world.dir;
    drop((world.store, acme, world.operator));
    let store = World::open(&dir).await.unwrap();
    let ident = |name: &str| polder_types::TableIdent::new(ns.name.clone(), name).unwrap();
    for index in 0..50 {
        assert!(store.resolve_table(&ns.warehouse, &ident(&format!("t{index}"))).await.unwrap().is_some());
    }
    assert!(store.resolve_table(&ns.warehouse, &ident("late")).await.unwrap().is_none());
}

/// Readers that fill the cache while a writer moves the row never leave an old row behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_stale_row_stays_in_the_cache() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (acme, ns) = (acme.clone(), ns.clone());
            tokio::spawn(async move {
                for _ in 0..400 {
                    acme.resolve(&ns, "t").await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..60 {
        let row = acme.table(&ns, "t").await;
        assert_eq!(acme.resolve(&ns, "t").await.unwrap().table.id, row.table.id);
        acme.drop(&row.table).await.unwrap();
        assert!(acme.resolve(&ns, "t").await.is_none(), "a dropped table is gone for the next read");
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

/// Concurrent administration: each change under the policy it was decided on, or refused to be tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn policy_versions_only_grow() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let mut tasks = Vec::new();
    for index in 0..16 {
        let acme = acme.clone();
        tasks.push(tokio::spawn(async move {
            let (mut seen, name) = (0, format!("role{index}"));
            loop {
                let permit = acme.admin(actions::ManageAccess).await;
                assert!(permit.version() >= seen, "a snapshot went back");
                seen = permit.version();
                match acme.store.create_role(&permit, &name, &stamp()).await {
                    Ok(_) => return,
                    Err(error) => assert!(is_stale(&error), "{error:?}"),
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(acme.admin(actions::ManageAccess).await.version(), 17);
}
