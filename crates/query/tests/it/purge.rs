//! Jobs over real files: a purge that is stopped or killed anywhere goes on later, and old metadata files go when their
//! commit has landed, unless something names them again.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use polder_catalog::{
    SnapshotsMode, TableCommit,
    jobs::{self, Ended, Job, Next},
    tables,
};
use polder_query::purge::{self, Surroundings};
use polder_store::{JOB_LEASE_SECONDS, OLD_METADATA_SECONDS, PageRequest};
use polder_types::{
    Micros, TableIdent,
    rest::{CommitTableRequest, RegisterTableRequest},
};
use serde_json::{Value, json};

use crate::{
    load::Layout,
    world::{NOW, World, hidden, name, namespace, visible},
};

/// A process that stops when it was asked for the so-manieth time.
struct Stops {
    now: Micros,
    left: AtomicUsize,
}

impl Stops {
    fn after(now: Micros, left: usize) -> Self {
        Self { now, left: AtomicUsize::new(left) }
    }

    fn never(now: Micros) -> Self {
        Self::after(now, usize::MAX)
    }
}

impl Surroundings for Stops {
    fn now(&self) -> Micros {
        self.now
    }

    fn is_stopping(&self) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }
}

fn ident(level: &str, table: &str) -> TableIdent {
    TableIdent::new(namespace(level), table).unwrap()
}

async fn next(world: &World, now: Micros) -> Option<Job> {
    match jobs::next(&world.catalog, now).await.unwrap() {
        Next::Job(job) => Some(*job),
        Next::Idle { .. } => None,
    }
}

async fn load(world: &World, level: &str, table: &str) -> (Value, PathBuf) {
    let ctx = world.ctx(&world.admin).await;
    let loaded = tables::load(&ctx, &name("lake"), &ident(level, table), SnapshotsMode::All).await.unwrap();
    let metadata: Value = serde_json::from_slice(&loaded.metadata).unwrap();
    let place = metadata["location"].as_str().unwrap().strip_prefix("file://").unwrap().into();
    (json!({"metadata": metadata, "file": loaded.metadata_location}), place)
}

fn below(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(below(&path)) } else { found.extend([path]) }
    }
    found
}

async fn doomed(layout: Layout) -> (World, PathBuf, PathBuf) {
    let files = vec![visible("v"), hidden("h", 100..103)];
    let world = World::laid_out(&files, layout).await;
    let (loaded, place) = load(&world, "pub", "emp").await;
    let document = loaded["file"].as_str().unwrap().strip_prefix("file://").unwrap().into();
    let ctx = world.ctx(&world.admin).await;
    tables::drop(&ctx, &name("lake"), &ident("pub", "emp"), true).await.unwrap();
    (world, place, document)
}

/// A-067, F9: stopped at every point, in turn: what is left can always be found by the next attempt, and in the end
/// nothing of the table is left and everything of the others is.
#[tokio::test]
async fn a_purge_that_is_stopped_goes_on() {
    let (world, place, document) = doomed(Layout { deletes: true, ..Layout::default() }).await;
    let (_, other) = load(&world, "pub", "dim").await;
    let (all, beside) = (below(&place), below(&other));
    assert!(all.len() > 8, "{all:?}");
    let (mut stops, mut left) = (0, all.len());
    loop {
        let job = next(&world, NOW).await.expect("the job waits");
        let ended = purge::run(&job, &Stops::after(NOW, stops)).await;
        job.end(NOW, ended).await.unwrap();
        if ended != Ended::HandedBack {
            assert_eq!(ended, Ended::Done(true));
            break;
        }
        let now = below(&place);
        assert!(now.contains(&document) && now.len() <= left, "{now:?}");
        (stops, left) = (stops + 1, now.len());
    }
    assert!(stops > 4, "{stops}");
    assert!(!place.exists());
    assert_eq!(below(&other), beside);
    assert!(next(&world, NOW.plus_seconds(1_000_000)).await.is_none());
}

/// killed after everything was deleted, before it was written down: the next attempt has nothing to do and says so.
#[tokio::test]
async fn a_purge_that_was_killed_is_over_the_second_time() {
    let (world, place, _) = doomed(Layout::default()).await;
    let killed = next(&world, NOW).await.unwrap();
    assert_eq!(purge::run(&killed, &Stops::never(NOW)).await, Ended::Done(true));
    drop(killed);
    assert!(!place.exists());
    let later = NOW.plus_seconds(JOB_LEASE_SECONDS);
    let job = next(&world, later).await.unwrap();
    let ended = purge::run(&job, &Stops::never(later)).await;
    assert_eq!((ended, job.files()), (Ended::Done(true), 0));
    job.end(later, ended).await.unwrap();
}

/// without the table's document nobody knows what it had: the job is given up at once, and nothing is deleted.
#[tokio::test]
async fn a_purge_without_a_document_deletes_nothing() {
    let (world, place, document) = doomed(Layout::default()).await;
    std::fs::remove_file(document).unwrap();
    let before = below(&place);
    let job = next(&world, NOW).await.unwrap();
    let ended = purge::run(&job, &Stops::never(NOW)).await;
    assert!(matches!(ended, Ended::Stopped(problem) if job.gives_up(problem)), "{ended:?}");
    job.end(NOW, ended).await.unwrap();
    assert_eq!(below(&place), before);
    let page = PageRequest::default();
    let listed = polder_catalog::admin::jobs::list(&world.ctx(&world.admin).await, &page).await.unwrap().items;
    assert_eq!((listed[0].state.as_str(), listed[0].problem.as_deref()), ("failed", Some("metadata_gone")));
}

/// A-067, F9: files that were deleted by others are no error; a manifest that names another table's files takes none of
/// them, and one that is damaged stops the purge before anything that names others is gone.
#[tokio::test]
async fn what_manifests_say_is_bounded() {
    let (world, place, document) = doomed(Layout::default()).await;
    std::fs::remove_file(place.join("data/0.parquet")).unwrap();
    let manifest = place.join("metadata/data.avro");
    let whole = std::fs::read(&manifest).unwrap();
    std::fs::write(&manifest, &whole[..whole.len() / 2]).unwrap();
    let job = next(&world, NOW).await.unwrap();
    let ended = purge::run(&job, &Stops::never(NOW)).await;
    assert!(matches!(ended, Ended::Stopped(problem) if !job.gives_up(problem)), "{ended:?}");
    job.end(NOW, ended).await.unwrap();
    assert!(place.join("metadata/list.avro").exists() && document.exists());

    // Of the same length, so that the container stays one: paths of a sibling that the name of the table begins.
    let (_, other) = load(&world, "pub", "dim").await;
    let beside = below(&other);
    let (own, foreign) = (place.to_str().unwrap(), other.to_str().unwrap());
    assert_eq!(own.len(), foreign.len());
    let text: Vec<u8> = replaced(&whole, own.as_bytes(), foreign.as_bytes());
    std::fs::write(&manifest, text).unwrap();
    let later = NOW.plus_seconds(10);
    let job = next(&world, later).await.unwrap();
    let ended = purge::run(&job, &Stops::never(later)).await;
    job.end(later, ended).await.unwrap();
    assert_eq!(below(&other), beside);
    assert!(matches!(ended, Ended::Done(_) | Ended::Stopped(_)), "{ended:?}");
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for at in 0..out.len().saturating_sub(from.len()) {
        if out[at..].starts_with(from) {
            out[at..at + to.len()].copy_from_slice(to);
        }
    }
    out
}

async fn commit(world: &World, updates: Value) {
    let request: CommitTableRequest = serde_json::from_value(json!({"requirements": [], "updates": updates})).unwrap();
    let commit = TableCommit::parse(ident("pub", "dim"), request).unwrap();
    tables::commit(&world.ctx(&world.admin).await, &name("lake"), vec![commit]).await.unwrap();
}

fn set(pairs: &[(&str, &str)]) -> Value {
    let updates: serde_json::Map<String, Value> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    json!([{"action": "set-properties", "updates": updates}])
}

async fn work(world: &World, now: Micros) -> usize {
    let mut done = 0;
    while let Some(job) = next(world, now).await {
        let ended = purge::run(&job, &Stops::never(now)).await;
        assert_eq!(ended, Ended::Done(false));
        job.end(now, ended).await.unwrap();
        done += 1;
    }
    done
}

fn metadata_files(place: &Path) -> BTreeSet<PathBuf> {
    below(place).into_iter().filter(|path| path.to_str().unwrap().ends_with(".metadata.json")).collect()
}

/// F4: metadata files that fell out of the log are deleted, a while after the commit that let them fall and only if the
/// table wants it; those that are named stay, and so does every other file.
#[tokio::test]
async fn old_metadata_files_go_after_their_commit() {
    let world = World::restricted(&vec![visible("v")]).await;
    let (_, place) = load(&world, "pub", "dim").await;
    for step in ["1", "2", "3"] {
        commit(&world, set(&[("write.metadata.previous-versions-max", "2"), ("step", step)])).await;
    }
    let kept = metadata_files(&place);
    assert!(next(&world, NOW.plus_seconds(1_000)).await.is_none(), "the table did not ask for it");
    commit(&world, set(&[("write.metadata.delete-after-commit.enabled", "true")])).await;
    commit(&world, set(&[("step", "5")])).await;
    assert_eq!(metadata_files(&place).len(), kept.len() + 2);
    assert!(next(&world, NOW.plus_seconds(OLD_METADATA_SECONDS - 1)).await.is_none(), "readers may still open one");
    assert_eq!(work(&world, NOW.plus_seconds(OLD_METADATA_SECONDS)).await, 2);
    let (loaded, _) = load(&world, "pub", "dim").await;
    let log = loaded["metadata"]["metadata-log"].as_array().unwrap();
    assert_eq!(log.len(), 2);
    let left = metadata_files(&place);
    for named in log.iter().map(|entry| &entry["metadata-file"]).chain([&loaded["file"]]) {
        assert!(left.contains(Path::new(named.as_str().unwrap().strip_prefix("file://").unwrap())), "{named}");
    }
    // What fell while nobody wanted it deleted stays; two are gone.
    assert_eq!(left.len(), kept.len());
    let answer = world.ask("SELECT count(*) AS n FROM pub.dim").await.unwrap();
    assert_eq!(answer["rows"], json!([[3]]));
}

/// F4, F9: an earlier document that is registered again is named again, and stays.
#[tokio::test]
async fn what_is_registered_again_stays() {
    let world = World::restricted(&vec![visible("v")]).await;
    let (before, place) = load(&world, "pub", "dim").await;
    let wanted =
        [("write.metadata.previous-versions-max", "1"), ("write.metadata.delete-after-commit.enabled", "true")];
    commit(&world, set(&wanted)).await;
    commit(&world, set(&[("step", "2")])).await;
    commit(&world, set(&[("step", "3")])).await;
    let file = before["file"].as_str().unwrap().to_owned();
    let request =
        RegisterTableRequest { name: "dim".to_owned(), metadata_location: file.clone(), overwrite: Some(true) };
    let ctx = world.ctx(&world.admin).await;
    tables::register(&ctx, &name("lake"), &namespace("pub"), &request).await.unwrap();
    assert_eq!(work(&world, NOW.plus_seconds(OLD_METADATA_SECONDS)).await, 0);
    assert!(metadata_files(&place).contains(Path::new(file.strip_prefix("file://").unwrap())));
    assert_eq!(load(&world, "pub", "dim").await.0, before);
}
