//! Durable jobs: made with their change, held by one worker, tried again, given up on record.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use polder_policy::{NamespaceRef, actions};
use polder_store::{
    Claim, ClaimedJob, JOB_ATTEMPTS_MAX, JOB_LEASE_SECONDS, JobProblem, JobState, JobWork, NewTable, PageRequest,
    Purge, Store, TableRow,
};
use polder_types::{ErrorKind, Micros};
use uuid::Uuid;

use super::world::{NOW, Who, World, stamp};

/// A worker that nobody else is.
fn fresh() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u128(NEXT.fetch_add(1, Ordering::Relaxed).into())
}

fn after(seconds: i64) -> Micros {
    NOW.plus_seconds(seconds)
}

/// Drops a table with its files.
async fn purged(who: &Who, namespace: &NamespaceRef, name: &str) -> Arc<TableRow> {
    let row = who.table(namespace, name).await;
    let permit = who.permit(actions::DropTable, &row.table).await;
    who.store.drop_table(&permit, Some(Purge::default()), &stamp()).await.unwrap();
    row
}

async fn claim(store: &Store, now: Micros) -> Option<ClaimedJob> {
    match store.claim_job(fresh(), now).await.unwrap() {
        Claim::Job(job) => Some(*job),
        Claim::Idle { .. } => None,
    }
}

async fn listed(who: &Who) -> Vec<polder_store::JobRow> {
    let permit = who.admin(actions::ListJobs).await;
    who.store.list_jobs(&permit, &PageRequest::default()).await.unwrap().items
}

async fn records(who: &Who, action: &str) -> Vec<serde_json::Value> {
    who.audit().await.into_iter().filter(|row| row.action == action).map(|row| row.detail).collect()
}

/// a purge is a job of the drop's own transaction: it knows the table's last document, and who asked. A drop that
/// does not happen leaves none, and neither does one without purge.
#[tokio::test]
async fn a_purge_is_made_with_its_drop() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    let other = acme.table(&ns, "other").await;
    let stale = acme.permit(actions::DropTable, &other.table).await;
    acme.person("eve").await;
    assert!(world.store.drop_table(&stale, Some(Purge::default()), &stamp()).await.is_err());
    acme.drop(&other.table).await.unwrap();
    assert!(claim(&world.store, NOW).await.is_none());

    let row = purged(&acme, &ns, "t").await;
    let job = claim(&world.store, NOW).await.unwrap();
    assert_eq!(job.row.work, JobWork::Purge { metadata_location: row.metadata_location.clone() });
    assert_eq!((&job.row.location, job.row.relation), (&row.location, row.table.id));
    assert_eq!((job.row.relation_name.as_str(), job.row.asked_by.principal.name.as_ref()), ("ns.t", "admin"));
    assert_eq!(job.warehouse.as_ref().unwrap().warehouse, lake.warehouse);
    assert!(!job.occupied);
    assert_eq!((job.row.attempts, job.row.state), (1, JobState::Waiting));
}

/// a job is one worker's while its lease lasts; afterwards it is the next one's, and the first can end it no more.
#[tokio::test]
async fn a_lease_is_held_and_ends() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    purged(&acme, &ns, "t").await;
    let first = claim(&world.store, NOW).await.unwrap();
    assert!(claim(&world.store, after(JOB_LEASE_SECONDS - 1)).await.is_none());
    assert!(world.store.renew_job(&first, after(30)).await.unwrap());
    assert!(claim(&world.store, after(JOB_LEASE_SECONDS + 1)).await.is_none(), "the sign of life counts");
    let second = claim(&world.store, after(30 + JOB_LEASE_SECONDS)).await.unwrap();
    assert_eq!(second.row.attempts, 2);
    assert!(!world.store.renew_job(&first, after(100)).await.unwrap());
    world.store.finish_job(&first, after(100), 7, true).await.unwrap();
    world.store.put_job_off(&first, after(100), 7, JobProblem::MetadataGone).await.unwrap();
    world.store.release_job(&first, after(100), 7).await.unwrap();
    let still = &listed(&acme).await[0];
    assert_eq!((still.state, still.files, still.attempts), (JobState::Waiting, 0, 2));
    assert!(records(&acme, "purge_table").await.is_empty());
    world.store.finish_job(&second, after(101), 3, true).await.unwrap();
    let done = &listed(&acme).await[0];
    assert_eq!((done.state, done.files, done.ended_at), (JobState::Done, 3, Some(after(101))));
    assert_eq!(records(&acme, "purge_table").await.len(), 1);
    assert!(claim(&world.store, after(1_000_000)).await.is_none());
}

/// an attempt that fails is made again after a pause that grows, and the job is given up visibly at the end; what no
/// attempt can change ends it at once.
#[tokio::test]
async fn a_job_is_tried_again_and_given_up_on_record() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    purged(&acme, &ns, "t").await;
    let (mut now, mut pauses) = (NOW, Vec::new());
    for attempt in 1..=JOB_ATTEMPTS_MAX {
        let job = claim(&world.store, now).await.unwrap();
        assert_eq!(job.row.attempts, attempt);
        assert_eq!(job.gives_up(JobProblem::Unavailable), attempt == JOB_ATTEMPTS_MAX);
        world.store.put_job_off(&job, now, 1, JobProblem::Unavailable).await.unwrap();
        let row = &listed(&acme).await[0];
        assert_eq!((row.problem.as_deref(), row.files), (Some("unavailable"), attempt));
        pauses.push(row.due_at.0 - now.0);
        assert!(claim(&world.store, now).await.is_none());
        now = row.due_at;
    }
    pauses.pop();
    assert!(pauses.windows(2).all(|pair| pair[0] < pair[1] && pair[1] <= 2 * pair[0]), "{pauses:?}");
    let failed = &listed(&acme).await[0];
    assert_eq!((failed.state, failed.ended_at.is_some()), (JobState::Failed, true));
    assert!(claim(&world.store, now.plus_seconds(1_000_000)).await.is_none());
    let record = &records(&acme, "purge_table").await[0];
    assert_eq!((&record["state"], &record["problem"]), (&"failed".into(), &"unavailable".into()));

    purged(&acme, &ns, "u").await;
    let job = claim(&world.store, now).await.unwrap();
    world.store.put_job_off(&job, now, 0, JobProblem::MetadataGone).await.unwrap();
    assert_eq!(listed(&acme).await[0].state, JobState::Failed, "newest first");
}

/// A-067, R32: a job whose every attempt died with its process is not begun once more, but ended on record.
#[tokio::test]
async fn a_job_that_kills_its_processes_ends() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    purged(&acme, &ns, "t").await;
    for attempt in 1..=JOB_ATTEMPTS_MAX {
        let job = claim(&world.store, after(attempt * JOB_LEASE_SECONDS)).await.unwrap();
        assert!(!job.is_worn_out(), "{attempt}");
    }
    let now = after((JOB_ATTEMPTS_MAX + 1) * JOB_LEASE_SECONDS);
    let job = claim(&world.store, now).await.unwrap();
    assert!(job.is_worn_out() && job.gives_up(JobProblem::Unreadable));
    world.store.put_job_off(&job, now, 0, JobProblem::Unreadable).await.unwrap();
    assert_eq!(listed(&acme).await[0].state, JobState::Failed);
    assert_eq!(records(&acme, "purge_table").await[0]["state"], "failed");
}

/// what a process held when it died is taken up again: at once where it owned the database alone.
#[tokio::test]
async fn a_job_survives_its_process() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    purged(&acme, &ns, "t").await;
    claim(&world.store, NOW).await.unwrap();
    world.store.close().await;
    let World { dir, store, operator } = world;
    drop((store, operator, acme));
    let store = World::open(&dir).await.unwrap();
    let at_once = claim(&store, after(1)).await;
    assert_eq!(at_once.is_some(), !super::SHARED);
    let later = claim(&store, after(JOB_LEASE_SECONDS)).await;
    assert_eq!(later.is_some(), super::SHARED);
    assert_eq!(at_once.or(later).unwrap().row.attempts, 2);
}

/// F9, A-001: while files are to be deleted nothing is made around them, by whomever, and the warehouse is not given away.
#[tokio::test]
async fn the_place_of_a_waiting_job_is_closed() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    let row = purged(&acme, &ns, "t").await;
    let editor = acme.admin(actions::ManagePolicies).await;
    let above = row.location.clone();
    for place in [above.clone(), above.join("deeper").unwrap()] {
        let new = NewTable { location: place, released_by: Some(editor.clone()), ..acme.new_table(&ns, "u") };
        let error = acme.try_table(&ns, new).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "location_being_purged"));
    }
    let beside = NewTable { location: lake.root.join("1").unwrap(), ..acme.new_table(&ns, "beside") };
    let beside = acme.try_table(&ns, beside).await.unwrap();
    acme.drop(&beside.table).await.unwrap();
    let permit = acme.permit(actions::DropNamespace, &ns).await;
    world.store.drop_namespace(&permit, &stamp()).await.unwrap();
    let delete = async || {
        let permit = acme.admin(actions::ManageWarehouses).await;
        world.store.delete_warehouse(&permit, &lake.warehouse.name, &stamp()).await
    };
    assert_eq!(delete().await.unwrap_err().kind(), ErrorKind::NotEmpty);
    let job = claim(&world.store, NOW).await.unwrap();
    world.store.finish_job(&job, NOW, 1, false).await.unwrap();
    delete().await.unwrap();
}

/// A-067, R10: a purge that left something leaves the place a policy editor's; one that emptied it frees it.
#[tokio::test]
async fn a_purged_place_is_free_if_nothing_is_left() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    for (index, emptied) in [false, true].into_iter().enumerate() {
        let row = purged(&acme, &ns, &format!("t{index}")).await;
        let job = claim(&world.store, NOW).await.unwrap();
        world.store.finish_job(&job, NOW, 1, emptied).await.unwrap();
        let new = NewTable { location: row.location.clone(), ..acme.new_table(&ns, &format!("u{index}")) };
        let made = acme.try_table(&ns, new).await;
        assert_eq!(made.is_ok(), emptied, "{:?}", made.err());
    }
}

/// A-067, R10: a place that a policy editor used again is free like any other once it is emptied, whoever lay there first.
#[tokio::test]
async fn a_place_that_was_used_again_is_freed() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let first = acme.table(&ns, "first").await;
    acme.drop(&first.table).await.unwrap();
    let editor = acme.admin(actions::ManagePolicies).await;
    let new = |name: &str| NewTable { location: first.location.clone(), ..acme.new_table(&ns, name) };
    assert!(acme.try_table(&ns, new("second")).await.is_err());
    let second = NewTable { released_by: Some(editor), ..new("second") };
    let second = acme.try_table(&ns, second).await.unwrap();
    let permit = acme.permit(actions::DropTable, &second.table).await;
    world.store.drop_table(&permit, Some(Purge::default()), &stamp()).await.unwrap();
    let job = claim(&world.store, NOW).await.unwrap();
    world.store.finish_job(&job, NOW, 1, true).await.unwrap();
    acme.try_table(&ns, new("third")).await.unwrap();
}

/// jobs of another tenant are nobody's to see; two workers that look at once take two jobs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_job_is_one_workers_and_one_tenants() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let rival = world.tenant("rival").await;
    for index in 0..4 {
        purged(&acme, &ns, &format!("t{index}")).await;
    }
    assert_eq!((listed(&acme).await.len(), listed(&rival).await.len()), (4, 0));
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let store = world.store.clone();
            tokio::spawn(async move { claim(&store, NOW).await.map(|job| job.row.id) })
        })
        .collect();
    let mut taken = std::collections::BTreeSet::new();
    for worker in workers {
        let id = worker.await.unwrap();
        assert!(id.is_none_or(|id| taken.insert(id)), "{id:?} is taken twice");
    }
    while let Some(job) = claim(&world.store, NOW).await {
        assert!(taken.insert(job.row.id));
    }
    assert_eq!(taken.len(), 4);
}
