use polder_types::{ErrorKind, EventId, Micros, RequestId, Subject};

use super::*;
use crate::{
    AuditDetail, AuditObject, AuditRecord, Decision, RootKey, Store, StoreOptions, audit,
    cache::Caches,
    db::{Session, sql},
    tx::LastEvent,
};

const NOW: Micros = Micros(1_800_000_000_000_000);

async fn store(dir: &tempfile::TempDir, queue: usize) -> Store {
    let root_key = RootKey::create(&dir.path().join("root.key")).unwrap();
    let options = StoreOptions { queue, ..StoreOptions::new(dir.path().join("polder.db"), root_key) };
    Store::open(options, NOW).await.unwrap()
}

async fn insert_tenant(tx: &mut Tx, id: &str) -> Result<()> {
    let query =
        sql("INSERT INTO tenants (id, version, operator, quarantine, created_at) VALUES ($1, 1, FALSE, TRUE, 0)");
    tx.execute(query.bind(id)).await.map(drop)
}

async fn tenants(store: &Store) -> Vec<String> {
    let rows = store.read().await.unwrap().rows(sql("SELECT id FROM tenants ORDER BY id")).await.unwrap();
    rows.iter().map(|row| row.text(0).unwrap()).collect()
}

fn record() -> AuditRecord {
    AuditRecord {
        tenant: None,
        at: NOW,
        request: RequestId(ulid::Ulid::nil()),
        caller: None,
        action: "test",
        object: AuditObject { subject: Subject::Request, id: None, name: String::new(), version: None },
        decision: Decision::Allow,
        reason: None,
        policy_version: None,
        detail: AuditDetail::None,
    }
}

/// A job that fails or panics half-way leaves nothing; its neighbours in the same transaction are kept.
#[tokio::test]
async fn a_failed_job_takes_only_itself_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, 16).await;
    let first = store.submit("first", |tx| Box::pin(insert_tenant(tx, "aaa")));
    let failing = store.submit("failing", |tx| {
        Box::pin(async move {
            insert_tenant(tx, "bbb").await?;
            Err::<(), _>(Error::invalid("no", "no"))
        })
    });
    let panicking = store.submit("panicking", |tx| {
        Box::pin(async move {
            insert_tenant(tx, "ccc").await?;
            assert!(std::hint::black_box(false), "a bug in a job");
            Ok(())
        })
    });
    let twice = store.submit("twice", |tx| Box::pin(insert_tenant(tx, "aaa")));
    let last = store.submit("last", |tx| Box::pin(insert_tenant(tx, "ddd")));
    // All five were queued before the writer could run: one transaction.
    let (first, failing, panicking, twice, last) = tokio::join!(first, failing, panicking, twice, last);
    assert!(matches!(first, Written::Done(())) && matches!(last, Written::Done(())));
    assert!(matches!(failing, Written::Refused(error) if error.code() == "no"));
    assert!(matches!(panicking, Written::Refused(error) if error.kind() == ErrorKind::Internal));
    assert!(matches!(twice, Written::Refused(_)));
    assert_eq!(tenants(&store).await, ["aaa", "ddd"]);
}

/// F3: the same for a job that is alone in its transaction: nothing of it stays, and the next one finds no transaction open.
#[tokio::test]
async fn a_failed_job_that_is_alone_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, 16).await;
    let failing = store.submit("failing", |tx| {
        Box::pin(async move {
            insert_tenant(tx, "bbb").await?;
            Err::<(), _>(Error::invalid("no", "no"))
        })
    });
    assert!(matches!(failing.await, Written::Refused(error) if error.code() == "no"));
    let next = store.submit("next", |tx| Box::pin(insert_tenant(tx, "ccc")));
    assert!(matches!(next.await, Written::Done(())));
    assert_eq!(tenants(&store).await, ["ccc"]);
}

/// F3: a COMMIT that failed is known to have failed: every job of the group is 503, nothing is there, and the
/// writer goes on.
#[tokio::test]
async fn a_failed_commit_is_told_to_every_job() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, 16).await;
    let innocent = store.submit("innocent", |tx| {
        Box::pin(async move {
            insert_tenant(tx, "aaa").await?;
            audit::insert(tx, &record(), 1).await
        })
    });
    // A deferred reference is checked at COMMIT, so it is COMMIT that fails.
    let guilty = store.submit("guilty", |tx| {
        Box::pin(async move {
            tx.control("PRAGMA defer_foreign_keys = ON").await?;
            let query =
                sql("INSERT INTO roles (tenant_id, id, name, version, created_at) VALUES ('gone', $1, 'r', 1, 0)");
            tx.execute(query.bind(uuid::Uuid::nil())).await.map(drop)
        })
    });
    let refused = store.submit("refused", |_| Box::pin(async { Err::<(), _>(Error::invalid("no", "no")) }));
    let (innocent, guilty, refused) = tokio::join!(innocent, guilty, refused);
    for written in [innocent, guilty, refused] {
        assert!(
            matches!(&written, Written::RolledBack(error) if error.kind() == ErrorKind::Unavailable),
            "{written:?}"
        );
    }
    assert!(tenants(&store).await.is_empty());
    store.write("after", |tx| Box::pin(insert_tenant(tx, "bbb"))).await.unwrap();
    assert_eq!(tenants(&store).await, ["bbb"]);
}

/// F4, F18: the writer does not find its commit after an I/O error, and says all the same that it is unknown: the frames
/// may be in the log, and whoever opens the file next would find them.
#[tokio::test]
async fn a_commit_that_met_an_io_error_is_unknown_although_nothing_is_seen_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let _store = store(&dir, 16).await;
    let conn = db::Direct::open(&dir.path().join("polder.db"), std::time::Duration::from_secs(5)).unwrap();
    let session = Session::writer(conn, Arc::default());
    let mut tx = Tx::new(session, Arc::new(Caches::new(false)), LastEvent::default());
    let io_error = || db::failure(sqlx::Error::Io(std::io::Error::other("the log could not be flushed")));
    for (error, unknown) in [(io_error(), true), (Error::internal("a constraint"), false)] {
        tx.control("BEGIN IMMEDIATE").await.unwrap();
        audit::insert(&mut tx, &record(), 1).await.unwrap();
        // What `transact` does with a COMMIT that failed.
        let stop = AtomicBool::new(false);
        let group = settle(&mut tx, noted(error, &stop), &stop).await;
        assert_eq!(matches!(group, Group::Unknown(_)), unknown);
        assert_eq!(matches!(group, Group::RolledBack(_)), !unknown);
        assert_eq!(stop.load(Ordering::Acquire), unknown, "and the node writes no more");
    }
}

/// a mutation whose record is not written is undone; and a record that was there before witnesses no commit.
#[tokio::test]
async fn a_record_that_is_not_written_is_an_error_and_no_witness() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, 16).await;
    let twice = store.submit("twice", |tx| {
        Box::pin(async move {
            let late = tx.next_event(Micros(NOW.0 + 3_600_000_000))?;
            let next = EventId(late.0.increment().unwrap());
            let first = (audit::insert_once(tx, next, &record(), 1).await?, tx.witness.take().is_some());
            let second = (audit::insert_once(tx, next, &record(), 1).await?, tx.witness.take().is_some());
            Ok((first, second))
        })
    });
    let twice = twice.await.into_result().unwrap();
    assert_eq!(twice, ((true, true), (false, false)));
    let taken = store.submit("taken", |tx| {
        Box::pin(async move {
            insert_tenant(tx, "aaa").await?;
            audit::insert(tx, &record(), 1).await // the id that comes next is the one above
        })
    });
    let error = taken.await.into_result().unwrap_err();
    assert!(format!("{error:?}").contains("fresh id"), "{error:?}");
    assert!(tenants(&store).await.is_empty());
}

/// A full disk is 503 without effect, and the node goes on writing when there is room again.
#[tokio::test]
async fn a_full_database_is_503_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, 16).await;
    let pages = |text: &'static str| {
        store.write("pages", move |tx| Box::pin(async move { Ok(tx.row(sql(text)).await?.map(|row| row.int(0))) }))
    };
    pages("PRAGMA max_page_count = 1").await.unwrap();
    let fill = store.write("fill", |tx| {
        Box::pin(async move {
            for index in 0..2_000 {
                insert_tenant(tx, &format!("tenant-{index}-{}", "x".repeat(200))).await?;
            }
            Ok(())
        })
    });
    assert_eq!(fill.await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(tenants(&store).await.is_empty());
    pages("PRAGMA max_page_count = 1073741823").await.unwrap();
    store.write("after", |tx| Box::pin(insert_tenant(tx, "aaa"))).await.unwrap();
    assert_eq!(tenants(&store).await, ["aaa"]);
}

/// After an I/O error the node only reads: what waits and what comes is 503.
#[tokio::test]
async fn an_io_error_makes_the_node_read_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, 16).await;
    store.write("before", |tx| Box::pin(insert_tenant(tx, "aaa"))).await.unwrap();
    let broken = store.submit("broken", |tx| {
        Box::pin(async move {
            insert_tenant(tx, "bbb").await?;
            Err::<(), _>(db::failure(sqlx::Error::Io(std::io::Error::other("disk"))))
        })
    });
    let waiting = store.submit("waiting", |tx| Box::pin(insert_tenant(tx, "ccc")));
    let (broken, waiting) = tokio::join!(broken, waiting);
    assert!(matches!(broken, Written::RolledBack(error) if error.kind() == ErrorKind::Unavailable));
    assert!(matches!(waiting, Written::RolledBack(error) if error.kind() == ErrorKind::Unavailable));
    let after = store.write("after", |tx| Box::pin(insert_tenant(tx, "ddd"))).await.unwrap_err();
    assert_eq!((after.kind(), after.code()), (ErrorKind::Unavailable, "read_only"));
    assert_eq!(tenants(&store).await, ["aaa"], "reading goes on");
}

/// A full queue is 503 at once, and what was accepted is written.
#[tokio::test]
async fn a_full_queue_is_503() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, 4).await;
    let names: Vec<String> = (0..6).map(|index| format!("tenant-{index}")).collect();
    let jobs: Vec<_> = names
        .iter()
        .cloned()
        .map(|name| store.submit("job", move |tx| Box::pin(async move { insert_tenant(tx, &name).await })))
        .collect();
    let written = futures::future::join_all(jobs).await;
    let accepted = written.iter().filter(|written| matches!(written, Written::Done(()))).count();
    assert_eq!(accepted, 4);
    let overloaded =
        |written: &&Written<()>| matches!(written, Written::RolledBack(error) if error.code() == "overloaded");
    assert_eq!(written.iter().filter(overloaded).count(), 2);
    assert_eq!(tenants(&store).await, names[..4]);
}
