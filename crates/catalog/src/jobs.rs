//! Jobs as a worker sees them: one at a time, its document, and the files below the table's location that it may read and
//! delete. Refuses every file elsewhere, whatever a document names. What a purge deletes is found by `query`, which reads
//! manifests; everything else is here.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use polder_store::{Claim, ClaimedJob, JOB_LEASE_SECONDS, JobProblem, JobWork};
use polder_types::{Error, ErrorKind, Location, Micros, Result};

use crate::{Catalog, ids::fresh_uuid, metadata::TableDoc, places, writer::Below};

/// Files that one job deletes at once.
const AT_ONCE_MAX: usize = 16;

/// How long one call deletes: most of a lease, so that one request that hangs and is sent again fits in.
const DELETE_MAX: Duration = Duration::from_secs(JOB_LEASE_SECONDS.unsigned_abs() * 3 / 4);

/// What there is to do.
#[derive(Debug)]
pub enum Next {
    /// This.
    Job(Box<Job>),
    /// Nothing now.
    Idle {
        /// When something is due, if anything waits.
        due: Option<Micros>,
    },
}

/// A job, held under a lease.
#[derive(Debug)]
pub struct Job {
    catalog: Catalog,
    claimed: ClaimedJob,
    /// The root of the warehouse that holds the location.
    root: Location,
    files: AtomicU64,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All is done; true: nothing is left at the location.
    Done(bool),
    /// Something stood in the way.
    Stopped(JobProblem),
    /// The process stops, or the lease went to another worker.
    HandedBack,
}

/// Takes the job that is due longest.
///
/// # Errors
/// `Unavailable` if the database is.
pub async fn next(catalog: &Catalog, now: Micros) -> Result<Next> {
    match catalog.store().claim_job(fresh_uuid(), now).await? {
        Claim::Idle { next } => Ok(Next::Idle { due: next }),
        Claim::Job(claimed) => match bounds(&claimed) {
            Ok(root) => {
                let (catalog, claimed) = (catalog.clone(), *claimed);
                Ok(Next::Job(Box::new(Job { catalog, claimed, root, files: AtomicU64::new(0) })))
            }
            Err(problem) => {
                catalog.store().put_job_off(&claimed, now, 0, problem).await?;
                Ok(Next::Idle { due: Some(now) })
            }
        },
    }
}

/// The root that bounds a job.
// SECURITY: asked before every attempt: a warehouse may have changed since the job was made (R8, F9).
fn bounds(claimed: &ClaimedJob) -> Result<Location, JobProblem> {
    let warehouse = claimed.warehouse.as_ref().ok_or(JobProblem::WarehouseGone)?;
    if claimed.occupied {
        return Err(JobProblem::LocationInUse);
    }
    let root = places::check_table_location(warehouse, &claimed.row.location);
    root.cloned().map_err(|_| JobProblem::LocationOutside)
}

/// What an error means for a job.
fn problem(error: &Error) -> JobProblem {
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Unsupported => JobProblem::Unavailable,
        _ => JobProblem::Unreadable,
    }
}

impl Job {
    /// What is to be done.
    #[must_use]
    pub fn work(&self) -> &JobWork {
        &self.claimed.row.work
    }

    /// Where the table lies, or lay.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.claimed.row.location
    }

    /// True if it was begun before: what is missing may have been deleted then.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        self.claimed.row.attempts > 1
    }

    /// True if no further attempt is to be made, since the last one died with its process.
    #[must_use]
    pub fn is_worn_out(&self) -> bool {
        self.claimed.is_worn_out()
    }

    /// True if an attempt that fails with this is the last one.
    #[must_use]
    pub fn gives_up(&self, problem: JobProblem) -> bool {
        self.claimed.gives_up(problem)
    }

    /// How many files this attempt has deleted.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Reads a metadata document, if it is there.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn document(&self, file: &str) -> Result<Option<Arc<TableDoc>>, JobProblem> {
        let place = Location::parse(file).map_err(|_| JobProblem::Unreadable)?;
        let Some(names) = self.below(&place) else { return Err(JobProblem::Unreadable) };
        // Only whether it is there: the cache's reader does not tell that from what is no document.
        if self.read(names, crate::metadata::DOCUMENT_BYTES_MAX as u64).await?.is_none() {
            return Ok(None);
        }
        let stored = self.catalog.metadata().found(&self.root, &place).await;
        stored.map(|stored| Some(Arc::clone(stored.doc()))).map_err(|error| problem(&error))
    }

    /// Reads a file below the table's location, if it is there.
    ///
    /// # Errors
    /// What stands in the way; `Unreadable` for names that are not plain and for more than `bytes_max`.
    pub async fn read(&self, names: Vec<String>, bytes_max: u64) -> Result<Option<Bytes>, JobProblem> {
        let read = self.catalog.files().read_below(self.place(names), bytes_max).await;
        read.map_err(|error| problem(&error))
    }

    /// Runs work over so many bytes of the table's writers beside the runtime, where it is much; its death is a file that
    /// cannot be read.
    ///
    /// # Errors
    /// `Unreadable`.
    pub async fn beside<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T, JobProblem> {
        let guarded = move || catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Error::internal("it died")));
        self.catalog.heavy().run(bytes, guarded).await.map_err(|_| JobProblem::Unreadable)
    }

    /// Deletes files below the table's location, some at a time; those that are gone already are no error. Renew the lease
    /// right before.
    ///
    /// # Errors
    /// What stands in the way, a store too slow for the lease too; some of the files may be gone then.
    pub async fn delete(&self, files: Vec<Vec<String>>) -> Result<(), JobProblem> {
        let delete = |names| async move {
            self.catalog.files().delete_below(self.place(names)).await.map_err(|error| {
                tracing::warn!(error = ?error, "a file of a dropped table cannot be deleted now");
                problem(&error)
            })?;
            self.files.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let all = stream::iter(files.into_iter().map(delete)).buffer_unordered(AT_ONCE_MAX).try_collect();
        // SECURITY: ends before the lease does: when another worker has it, nothing is on its way from here any more.
        tokio::time::timeout(DELETE_MAX, all).await.unwrap_or(Err(JobProblem::Unavailable))
    }

    /// The names below the table's location of those metadata files that nothing names again.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn old_metadata(&self, files: &[String]) -> Result<Vec<Vec<String>>, JobProblem> {
        let named = self.named_now().await?;
        let old = files.iter().filter_map(|file| Location::parse(file).ok()).filter(|file| !named.contains(file));
        Ok(old.filter_map(|file| self.below(&file)).collect())
    }

    /// Every metadata file that the table names now; none if it was dropped.
    async fn named_now(&self) -> Result<HashSet<Location>, JobProblem> {
        let Some(warehouse) = &self.claimed.warehouse else { return Err(JobProblem::WarehouseGone) };
        let row = self.catalog.store().resolve_relation(&warehouse.warehouse, self.claimed.row.relation).await;
        let Some(row) = row.map_err(|error| problem(&error))? else { return Ok(HashSet::new()) };
        let current = Location::parse(&row.metadata_location).map_err(|_| JobProblem::Unreadable)?;
        let stored = self.catalog.metadata().found(&self.root, &current).await.map_err(|error| problem(&error))?;
        let log = stored.doc().metadata_log().iter().filter_map(|entry| Location::parse(&entry.metadata_file).ok());
        Ok(log.chain([current]).collect())
    }

    /// True if nothing is left at the location; of local directories, the empty ones are removed.
    pub async fn is_emptied(&self) -> bool {
        // Not to know is to leave the place closed.
        self.catalog.files().is_emptied(&self.root, &self.claimed.row.location).await.unwrap_or(false)
    }

    /// Says that the work goes on. False: it must stop, the lease is another's.
    pub async fn renew(&self, now: Micros) -> bool {
        self.catalog.store().renew_job(&self.claimed, now).await.unwrap_or(false)
    }

    /// Writes how the attempt ended, with its record if the job is over.
    ///
    /// # Errors
    /// `Unavailable` if the database is; the lease ends by itself.
    pub async fn end(self, now: Micros, ended: Ended) -> Result<()> {
        let (store, files) = (self.catalog.store(), self.files());
        match ended {
            Ended::Done(emptied) => store.finish_job(&self.claimed, now, files, emptied).await,
            Ended::Stopped(problem) => store.put_job_off(&self.claimed, now, files, problem).await,
            Ended::HandedBack => store.release_job(&self.claimed, now, files).await,
        }
    }

    /// A place's names below the table's location; `None` if it does not lie there.
    fn below(&self, place: &Location) -> Option<Vec<String>> {
        let location = self.location();
        let below = place.segments().get(location.segments().len()..)?;
        (place.is_within(location) && !below.is_empty()).then(|| below.to_vec())
    }

    fn place(&self, names: Vec<String>) -> Below {
        Below { root: self.root.clone(), location: self.location().clone(), names }
    }
}
