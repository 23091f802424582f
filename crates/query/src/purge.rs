//! Purging: deleting exactly what a dropped table's own metadata names, below its own location, in an order that a kill may
//! interrupt anywhere. Data and delete files go first, then the manifests that name them, then the lists that name those,
//! then statistics and earlier metadata files, and the last document at the very end: whatever an attempt leaves can be
//! found again by the next one. Refuses every path that is not below the table's location.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use polder_catalog::{
    jobs::{Ended, Job},
    metadata::TableDoc,
};
use polder_store::{JobProblem, JobWork};
use polder_types::Micros;

use crate::scan::{MANIFEST_BYTES_MAX, erasable, files_of, manifests_of};

/// Most manifests of one table.
const MANIFESTS_MAX: usize = 1_000_000;
/// Most bytes of the names of one table's manifests; names are whatever its writers wrote.
const MANIFEST_NAMES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most bytes of a file's name: an object store takes 1 024, which may be written in escapes.
const NAME_BYTES_MAX: usize = 4 * 1024;
/// What manifests may have been inflated to is worked on apart, whatever length they have packed.
const APART: usize = usize::MAX;
/// Files between two signs of life, and between two looks at whether to stop.
const BATCH_FILES: usize = 128;
/// Most files that are remembered as deleted: a file that many manifests name is deleted once.
const REMEMBERED_MAX: usize = 1_000_000;

/// What a worker knows of the world while it works.
pub trait Surroundings: Sync {
    /// The time.
    fn now(&self) -> Micros;
    /// True once the process stops.
    fn is_stopping(&self) -> bool;
}

/// Works on a job as far as this attempt comes.
pub async fn run(job: &Job, world: &impl Surroundings) -> Ended {
    let done = match job.work() {
        JobWork::OldMetadata { files } => Purge::new(job, world).old_metadata(files).await,
        JobWork::Purge { metadata_location } => Purge::new(job, world).table(metadata_location).await,
    };
    match done {
        Ok(emptied) => Ended::Done(emptied),
        Err(Stop::Problem(problem)) => Ended::Stopped(problem),
        Err(Stop::HandBack) => Ended::HandedBack,
    }
}

/// Why an attempt ends early.
enum Stop {
    Problem(JobProblem),
    HandBack,
}

impl From<JobProblem> for Stop {
    fn from(problem: JobProblem) -> Self {
        Self::Problem(problem)
    }
}

struct Purge<'a, S> {
    job: &'a Job,
    world: &'a S,
    /// Hashes of the files that were deleted already.
    deleted: HashSet<u128>,
    waiting: Vec<Vec<String>>,
}

impl<'a, S: Surroundings> Purge<'a, S> {
    fn new(job: &'a Job, world: &'a S) -> Self {
        Self { job, world, deleted: HashSet::new(), waiting: Vec::new() }
    }

    /// Deletes metadata files that fell out of a log; whatever else is there stays.
    async fn old_metadata(mut self, files: &[String]) -> Result<bool, Stop> {
        let old = self.job.old_metadata(files).await?;
        for batch in old.chunks(BATCH_FILES) {
            self.waiting = batch.to_vec();
            self.flush().await?;
        }
        Ok(false)
    }

    /// Deletes a table. True if nothing is left at its location.
    async fn table(mut self, metadata_location: &str) -> Result<bool, Stop> {
        let Some(doc) = self.job.document(metadata_location).await? else {
            // It goes last: an earlier attempt has done everything. Without one, nobody knows what there was.
            return match self.job.is_repeated() {
                true => Ok(self.job.is_emptied().await),
                false => Err(JobProblem::MetadataGone.into()),
            };
        };
        let (lists, manifests) = self.manifests(&doc).await?;
        if deletes_data(&doc) {
            for manifest in &manifests {
                self.files_of(manifest).await?;
            }
            self.flush().await?;
        }
        for round in [manifests, lists, others(&doc), BTreeSet::from([metadata_location.to_owned()])] {
            for path in round {
                self.add(&path).await?;
            }
            // Nothing that names others goes before they are gone.
            self.flush().await?;
        }
        Ok(self.job.is_emptied().await)
    }

    /// The lists of manifests, and the manifests that they name.
    async fn manifests(&mut self, doc: &TableDoc) -> Result<(BTreeSet<String>, BTreeSet<String>), Stop> {
        let (mut lists, mut manifests, mut names) = (BTreeSet::new(), BTreeSet::new(), 0_usize);
        for snapshot in doc.snapshots() {
            manifests.extend(snapshot.manifests.iter().cloned());
            lists.extend(snapshot.manifest_list.iter().cloned());
        }
        for (index, list) in lists.iter().enumerate() {
            if index % BATCH_FILES == 0 {
                self.breathe().await?;
            }
            let Some(bytes) = self.read(list).await? else { continue };
            for path in self.job.beside(APART, move || manifests_of(&bytes)).await? {
                let length = path.len();
                if length <= NAME_BYTES_MAX && manifests.insert(path) {
                    names += length;
                }
            }
            if manifests.len() > MANIFESTS_MAX || names > MANIFEST_NAMES_BYTES_MAX {
                return Err(JobProblem::Unreadable.into());
            }
        }
        Ok((lists, manifests))
    }

    /// Deletes the files that a manifest names. One that is gone was gone through before.
    async fn files_of(&mut self, manifest: &str) -> Result<(), Stop> {
        let Some(bytes) = self.read(manifest).await? else { return Ok(()) };
        for path in self.job.beside(APART, move || files_of(&bytes)).await? {
            self.add(&path).await?;
        }
        // Reading goes on for long in a table of many small manifests whose files were met before.
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn read(&self, path: &str) -> Result<Option<bytes::Bytes>, Stop> {
        match erasable(self.job.location(), path) {
            Some(names) => Ok(self.job.read(names, MANIFEST_BYTES_MAX).await?),
            // SECURITY: a path that leads elsewhere is not followed, and what it would name is not this table's (F9).
            None => Ok(None),
        }
    }

    /// Notes a file to be deleted.
    async fn add(&mut self, path: &str) -> Result<(), Stop> {
        // SECURITY: only what lies below the table's own location; anything else stays, whatever names it (F9, A-004).
        let named = (path.len() <= NAME_BYTES_MAX).then(|| erasable(self.job.location(), path)).flatten();
        let Some(names) = named else { return Ok(()) };
        if self.deleted.len() >= REMEMBERED_MAX {
            self.deleted.clear();
        }
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = *blake3::hash(path.as_bytes()).as_bytes();
        if self.deleted.insert(u128::from_be_bytes([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])) {
            self.waiting.push(names);
        }
        if self.waiting.len() >= BATCH_FILES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Stop> {
        self.breathe().await?;
        Ok(self.job.delete(std::mem::take(&mut self.waiting)).await?)
    }

    /// Gives a sign of life, and stops where that is due.
    async fn breathe(&self) -> Result<(), Stop> {
        // SECURITY: before each batch: whoever has lost the lease deletes nothing any more.
        if self.world.is_stopping() || !self.job.renew(self.world.now()).await {
            return Err(Stop::HandBack);
        }
        Ok(())
    }
}

/// True unless the table says that its data files may be others' too.
fn deletes_data(doc: &Arc<TableDoc>) -> bool {
    !doc.property("gc.enabled").is_some_and(|text| text.trim().eq_ignore_ascii_case("false"))
}

/// Statistics and earlier metadata files.
fn others(doc: &TableDoc) -> BTreeSet<String> {
    let statistics = doc.statistics().iter().map(|file| file.statistics_path.clone());
    let partitions = doc.partition_statistics().iter().map(|file| file.statistics_path.clone());
    let log = doc.metadata_log().iter().map(|entry| entry.metadata_file.clone());
    statistics.chain(partitions).chain(log).collect()
}
