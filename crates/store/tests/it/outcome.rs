//! What became of a commit whose connection died: found out, never guessed (F18).

use polder_store::{CommitOutcome, Store, StoreOptions};
use polder_types::{ErrorKind, TableIdent};

use super::{
    proxy::{Break, Proxy},
    world::{NOW, Who, World, stamp},
};

/// A node behind a proxy, beside the world's own.
async fn behind_a_proxy(world: &World, who: &Who) -> (Proxy, Who) {
    behind_a_proxy_with(world, who, 4).await
}

/// The same, with so many connections that write.
async fn behind_a_proxy_with(world: &World, who: &Who, writers: u32) -> (Proxy, Who) {
    let proxy = Proxy::new(&world.dir.database).await;
    let options = StoreOptions { writers, ..World::options(&world.dir, proxy.database.clone()) };
    let store = Store::open(options, NOW).await.unwrap();
    let who = Who { store, ..who.clone() };
    who.principal().await;
    (proxy, who)
}

/// F18: the answer to COMMIT is lost and the server is 2 s late, or just the answer is lost: the commit is known to have
/// happened, and it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_without_an_answer_is_asked_for() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    acme.table(&ns, "t").await;
    let (proxy, node) = behind_a_proxy(&world, &acme).await;
    for (index, what) in [Break::LateCommit, Break::SwallowedAnswer, Break::LateCommit].into_iter().enumerate() {
        let row = node.resolve(&ns, "t").await.unwrap();
        let swap = node.swap(&row, &format!("s3://lake/{index}"), vec![]).await;
        let commits = proxy.commits();
        proxy.at_next_commit(what);
        let outcome = node.store.commit_tables(vec![swap], vec![], &stamp()).await;
        assert!(matches!(outcome, CommitOutcome::Committed(_)), "{what:?}: {outcome:?}");
        assert!(!proxy.is_waiting());
        assert_eq!(proxy.commits() - commits, 1, "the COMMIT was met, and none was sent again");
        let there = acme.resolve(&ns, "t").await.unwrap();
        assert_eq!((there.version, there.metadata_location.clone()), (row.version + 1, format!("s3://lake/{index}")));
    }
    node.store.close().await;
}

/// F18: who asks what became of a commit does not wait for a place that the commit itself, or others, hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_outcome_is_found_out_while_every_connection_is_taken() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let row = acme.table(&ns, "t").await;
    let other = acme.table(&ns, "u").await;
    let (proxy, node) = behind_a_proxy_with(&world, &acme, 1).await;
    let swap = node.swap(&row, "s3://lake/1", vec![]).await;
    let waiting = node.swap(&other, "s3://lake/2", vec![]).await;
    proxy.at_next_commit(Break::SwallowedAnswer);
    let (first, second) = (stamp(), stamp());
    let (outcome, after) = tokio::join!(
        node.store.commit_tables(vec![swap], vec![], &first),
        node.store.commit_tables(vec![waiting], vec![], &second),
    );
    assert!(matches!(outcome, CommitOutcome::Committed(_)), "{outcome:?}");
    assert!(matches!(after, CommitOutcome::Committed(_)), "{after:?}");
    assert!(!proxy.is_waiting());
    node.store.close().await;
}

/// F3: the connection dies before COMMIT reaches the server: 503, no effect, and the next one works.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_that_dies_before_commit_leaves_nothing() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let row = acme.table(&ns, "t").await;
    let (proxy, node) = behind_a_proxy(&world, &acme).await;
    let swap = node.swap(&row, "s3://lake/1", vec![]).await;
    proxy.at_next_commit(Break::BeforeCommit);
    let outcome = node.store.commit_tables(vec![swap], vec![], &stamp()).await;
    let CommitOutcome::RolledBack(error) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(acme.resolve(&ns, "t").await.unwrap().version, row.version);
    assert!(matches!(node.commit(&row, "s3://lake/2", vec![]).await, CommitOutcome::Committed(_)));
    node.store.close().await;
}

/// Nobody can be asked any more: it is not known, and said so; the same of a create. The COMMIT does land later.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_outcome_that_nobody_knows_is_called_unknown() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let row = acme.table(&ns, "t").await;
    let (proxy, node) = behind_a_proxy(&world, &acme).await;
    let swap = node.swap(&row, "s3://lake/1", vec![]).await;
    proxy.at_next_commit(Break::Gone);
    let outcome = node.store.commit_tables(vec![swap], vec![], &stamp()).await;
    assert!(matches!(outcome, CommitOutcome::Unknown(_)), "{outcome:?}");
    assert_eq!(acme.resolve(&ns, "t").await.unwrap().version, row.version + 1, "it landed after all");
    node.store.close().await;

    let (proxy, node) = behind_a_proxy(&world, &acme).await;
    let new = node.new_table(&ns, "u");
    proxy.at_next_commit(Break::Gone);
    let created = node.try_table(&ns, new).await;
    assert_eq!(created.unwrap_err().kind(), ErrorKind::CommitStateUnknown);
    let ident = TableIdent::new(ns.name.clone(), "u").unwrap();
    assert!(acme.store.resolve_table(&ns.warehouse, &ident).await.unwrap().is_some());
    node.store.close().await;
}

/// counts of unknown fate are written again under the ids they have: never lost, never twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counts_of_unknown_fate_are_exact() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let (proxy, node) = behind_a_proxy(&world, &acme).await;
    let count = |times: i64| {
        for _ in 0..times {
            node.store.count(polder_store::CountedEvent {
                tenant: Some(acme.tenant.clone()),
                at: NOW,
                request: stamp().request,
                caller: None,
                action: "load_table",
                subject: polder_types::Subject::Table,
                object: "t".to_owned(),
                decision: polder_store::Decision::Allow,
                reason: None,
                policy_version: 1,
            });
        }
    };
    count(7);
    proxy.at_next_commit(Break::Gone);
    assert_eq!(node.store.flush_counted(NOW).await.unwrap_err().kind(), ErrorKind::CommitStateUnknown);
    count(4);
    proxy.come_back();
    node.store.flush_counted(NOW).await.unwrap();
    let written: Vec<i64> =
        acme.audit().await.iter().filter(|row| row.action == "load_table").map(|row| row.count).collect();
    assert_eq!((written.iter().sum::<i64>(), written.len()), (11, 2), "{written:?}");
    node.store.close().await;
}
