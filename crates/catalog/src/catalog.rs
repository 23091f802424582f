//! The catalog service: the store, the metadata cache, the commit locks and the tasks that must run to their end.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use polder_store::Store;
use polder_types::{Error, Location, Micros, Result};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::{
    cache::MetadataCache, faults::Faults, heavy::Heavy, io::FileIo, locks::CommitLocks, storage::Storage,
    views::ViewCache,
};

/// How much memory the metadata cache may take, unless said otherwise.
pub const METADATA_CACHE_BYTES_DEFAULT: u64 = 256 * 1024 * 1024;

/// What the catalog is made with.
#[derive(Clone, Debug)]
pub struct CatalogOptions {
    /// Managed warehouses live below it, at `tenant={t}/workspace={w}/`; `None`: every warehouse brings its root.
    pub managed_base: Option<Location>,
    /// Bound of the metadata cache, in bytes.
    pub metadata_cache_bytes: u64,
    /// The object stores that it may use.
    pub storage: Storage,
    /// True if tenants may bring directories of the local file system as warehouses: in development only.
    pub tenants_bring_directories: bool,
}

impl Default for CatalogOptions {
    fn default() -> Self {
        Self {
            managed_base: None,
            metadata_cache_bytes: METADATA_CACHE_BYTES_DEFAULT,
            storage: Storage::default(),
            tenants_bring_directories: false,
        }
    }
}

/// The catalog; cheap to clone.
#[derive(Clone)]
pub struct Catalog(Arc<Inner>);

struct Inner {
    store: Store,
    managed_base: Option<Location>,
    tenants_bring_directories: bool,
    metadata: MetadataCache,
    views: ViewCache,
    files: FileIo,
    heavy: Heavy,
    locks: CommitLocks,
    tasks: TaskTracker,
    faults: Faults,
    jobs: Notify,
}

impl Catalog {
    /// Makes the service over an open store.
    #[must_use]
    pub fn new(store: Store, options: CatalogOptions) -> Self {
        let (tasks, faults) = (TaskTracker::new(), Faults::default());
        let files = FileIo::new(tasks.clone(), faults.clone(), options.storage);
        let heavy = Heavy::new(tasks.clone());
        Self(Arc::new(Inner {
            store,
            managed_base: options.managed_base,
            tenants_bring_directories: options.tenants_bring_directories,
            metadata: MetadataCache::new(options.metadata_cache_bytes, files.clone(), heavy.clone()),
            views: ViewCache::new(files.clone(), heavy.clone()),
            files,
            heavy,
            locks: CommitLocks::new(),
            tasks,
            faults,
            jobs: Notify::new(),
        }))
    }

    /// The metadata database.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Refuses new commits and waits for those that run, at most `within`. True if all have ended.
    pub async fn close(&self, within: Duration) -> bool {
        self.0.tasks.close();
        tokio::time::timeout(within, self.0.tasks.wait()).await.is_ok()
    }

    /// Says that a job was made.
    pub(crate) fn wake_workers(&self) {
        self.0.jobs.notify_one();
    }

    /// Returns when a job was made by this process.
    pub async fn job_made(&self) {
        self.0.jobs.notified().await;
    }

    /// Where managed warehouses live.
    pub(crate) fn managed_base(&self) -> Option<&Location> {
        self.0.managed_base.as_ref()
    }

    /// True if tenants may bring directories of the local file system.
    pub(crate) fn tenants_bring_directories(&self) -> bool {
        self.0.tenants_bring_directories
    }

    pub(crate) fn metadata(&self) -> &MetadataCache {
        &self.0.metadata
    }

    pub(crate) fn views(&self) -> &ViewCache {
        &self.0.views
    }

    pub(crate) fn files(&self) -> &FileIo {
        &self.0.files
    }

    pub(crate) fn heavy(&self) -> &Heavy {
        &self.0.heavy
    }

    pub(crate) fn locks(&self) -> &CommitLocks {
        &self.0.locks
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// How many tasks run now.
    #[cfg(test)]
    pub(crate) fn running(&self) -> usize {
        self.0.tasks.len()
    }

    /// What a client must know to reach files at a location: the same for every principal, never a key (R11).
    #[must_use]
    pub fn client_config(&self, location: &Location) -> Arc<BTreeMap<String, String>> {
        self.files().storage().client_config(location)
    }

    /// Finds out whether keys for single tables are narrow, wherever they would be made; call it once at the start.
    pub async fn prove_vending(&self, now: Micros) {
        self.files().storage().prove_vending(self.managed_base(), now).await;
    }

    /// Runs a mutation on its own task to its end, whatever becomes of the caller (F7), and waits for it until
    /// `deadline`.
    ///
    /// # Errors
    /// The task's own; `Unavailable` at shutdown; `Deadline` if the time is over while it goes on;
    /// `CommitStateUnknown` if it died.
    pub(crate) async fn run_to_end<T: Send + 'static>(
        &self,
        deadline: tokio::time::Instant,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        if self.0.tasks.is_closed() {
            return Err(Error::unavailable("shutting_down", "the server is shutting down"));
        }
        match tokio::time::timeout_at(deadline, self.0.tasks.spawn(work)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(died)) => Err(state_unknown(Error::internal(died))),
            Err(_) => Err(Error::new(
                polder_types::ErrorKind::Deadline,
                polder_types::Subject::Table,
                "deadline",
                "the time is over; the commit goes on",
            )),
        }
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Catalog")
    }
}

/// What a client is told when nobody knows whether its commit landed: never a 4xx, its files must stay.
pub(crate) fn state_unknown(source: Error) -> Error {
    Error::new(
        polder_types::ErrorKind::CommitStateUnknown,
        polder_types::Subject::Table,
        "commit_state_unknown",
        "it is not known whether the commit succeeded; read the table before trying again",
    )
    .with_source(source)
}
