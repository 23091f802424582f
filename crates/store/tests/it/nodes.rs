//! Two nodes on one database: what one changes holds for the next request on the other.

use polder_policy::{Effect, Privilege, actions};
use polder_store::{CommitOutcome, Database, GrantTarget, Named, NewTable, is_stale};
use polder_types::{ErrorKind, Location, Secret, TableIdent};

use super::world::{NOW, Who, World, stamp};

/// The same person on another node.
async fn elsewhere(world: &World, who: &Who) -> Who {
    Who { store: World::open(&world.dir).await.unwrap(), ..who.clone() }
}

/// A revoked grant and a revoked key are gone for the very next request on the other node, which had
/// them in its memory; and a permit made before commits nothing there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_holds_on_the_other_node_at_once() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let row = acme.table(&ns, "t").await;
    let eve = acme.person("eve").await;
    let rights = [Privilege::Write, Privilege::Read];
    let grants = acme.grant("eve", Effect::Allow, &rights, GrantTarget::Table(row.table.clone())).await;
    let far = elsewhere(&world, &eve).await;
    far.try_permit(actions::LoadTable, &row.table).await.unwrap();
    let swap = far.swap(&row, "s3://lake/1", vec![]).await;
    let before = far.store.glance(&far.tenant, Named::default).await.unwrap().unwrap().0;

    for grant in grants {
        let permit = acme.admin(actions::ManageAccess).await;
        acme.store.remove_grant(&permit, grant, &stamp()).await.unwrap();
    }
    let (after, _) = far.store.glance(&far.tenant, Named::default).await.unwrap().unwrap();
    assert!(after.version() > before.version());
    assert!(far.try_permit(actions::LoadTable, &row.table).await.is_err());
    let outcome = far.store.commit_tables(vec![swap], vec![], &stamp()).await;
    assert!(matches!(outcome, CommitOutcome::StalePolicy), "{outcome:?}");

    assert!(far.store.verify_key(&eve.key, &eve.secret).await.unwrap().is_some());
    let permit = acme.admin(actions::ManageKeys).await;
    acme.store.revoke_key(&permit, &eve.key, &stamp()).await.unwrap();
    assert!(far.store.verify_key(&eve.key, &eve.secret).await.unwrap().is_none());
    let (policy, _) = far.store.glance(&far.tenant, Named::default).await.unwrap().unwrap();
    assert!(policy.authenticate(&eve.key, None, NOW).is_none(), "and with it every token made from it");
    far.store.close().await;
}

/// A row that another node changed is read as it is: dropped, renamed, moved on.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_row_of_another_node_is_stale() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let row = acme.table(&ns, "t").await;
    let far = elsewhere(&world, &acme).await;
    assert_eq!(far.resolve(&ns, "t").await.unwrap().version, 1);
    assert!(matches!(acme.commit(&row, "s3://lake/1", vec![]).await, CommitOutcome::Committed(_)));
    assert_eq!(far.resolve(&ns, "t").await.unwrap().metadata_location, "s3://lake/1");
    acme.rename(&row.table, &ns, "u").await.unwrap();
    assert!(far.resolve(&ns, "t").await.is_none());
    let renamed = far.resolve(&ns, "u").await.unwrap();
    far.drop(&renamed.table).await.unwrap();
    assert!(acme.resolve(&ns, "u").await.is_none());
    far.store.close().await;
}

/// F1: many creates of one name, or at overlapping places, on two nodes: exactly one wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn over_two_nodes_one_create_wins() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let far = elsewhere(&world, &acme).await;
    for round in 0..5 {
        let place = format!("s3://lake/acme/lake/deep{round}");
        let mut tasks = Vec::new();
        for index in 0..16 {
            let (who, ns) = (if index % 2 == 0 { acme.clone() } else { far.clone() }, ns.clone());
            // Half of them want one name, half of them overlapping places under different names.
            let location = if index % 4 < 2 { place.clone() } else { format!("{place}/inner") };
            let location = Location::parse(&location).unwrap();
            let new = if index < 8 {
                who.new_table(&ns, &format!("same{round}"))
            } else {
                NewTable { location, ..who.new_table(&ns, &format!("t{round}_{index}")) }
            };
            tasks.push(tokio::spawn(async move { (index < 8, who.try_table(&ns, new).await) }));
        }
        let mut won = [0, 0];
        for task in tasks {
            let (by_name, created) = task.await.unwrap();
            match created {
                Ok(_) => won[usize::from(by_name)] += 1,
                Err(error) if by_name => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error:?}"),
                Err(error) => assert_eq!(error.code(), "location_overlap", "{error:?}"),
            }
        }
        assert_eq!(won, [1, 1]);
    }
    far.store.close().await;
}

/// Commits that never pause do not keep an administrator out: a revocation waits for its turn, not for silence.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commits_do_not_starve_a_revocation() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let far = elsewhere(&world, &acme).await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut writers = Vec::new();
    for index in 0..6 {
        let who = if index % 2 == 0 { acme.clone() } else { far.clone() };
        let (stop, ns) = (stop.clone(), ns.clone());
        let mut row = acme.table(&ns, &format!("t{index}")).await;
        writers.push(tokio::spawn(async move {
            let mut done = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                match who.commit(&row, &format!("s3://lake/{index}/{done}"), vec![]).await {
                    CommitOutcome::Committed(rows) => (row, done) = (rows[0].clone(), done + 1),
                    CommitOutcome::StalePolicy => {}
                    outcome => panic!("{outcome:?}"),
                }
            }
            done
        }));
    }
    for index in 0..10 {
        loop {
            let permit = acme.admin(actions::ManageAccess).await;
            match acme.store.create_role(&permit, &format!("role{index}"), &stamp()).await {
                Ok(_) => break,
                Err(error) => assert!(is_stale(&error), "{error:?}"),
            }
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut commits = 0;
    for writer in writers {
        commits += writer.await.unwrap();
    }
    assert!(commits > 0);
    far.store.close().await;
}

/// R18: a primary that became a standby tells what was true before, perhaps for ever: nobody reads there, neither on
/// connections that were there nor on new ones, and no node starts on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_reads_on_a_demoted_primary() {
    let mut cluster = crate::cluster::Cluster::make();
    let url = cluster.fresh_database();
    let world = World::over(|_| Database::Postgres(Secret::new(url))).await;
    let (acme, _, ns) = world.acme().await;
    acme.table(&ns, "t").await;
    let ident = TableIdent::new(ns.name.clone(), "t").unwrap();
    assert!(acme.store.resolve_table(&ns.warehouse, &ident).await.unwrap().is_some());
    let cluster = tokio::task::spawn_blocking(move || {
        cluster.demote();
        cluster
    });
    let _cluster = cluster.await.unwrap();
    for _ in 0..6 {
        let error = acme.store.resolve_table(&ns.warehouse, &ident).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let error = acme.store.glance(&acme.tenant, Named::default).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    let error = World::open(&world.dir).await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("standby"), "{error}");
}
