//! Work that keeps a processor busy: over few bytes at once, over many on a blocking thread, few at a time, so that the
//! requests of others go on meanwhile (R32).

use std::sync::Arc;

use polder_types::{Error, Result};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// What a hop to another thread does not pay for: most documents are far smaller.
const SMALL_BYTES: usize = 1024 * 1024;
/// Most threads that such work takes.
const AT_ONCE_MAX: usize = 4;

/// Where such work runs; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Heavy {
    tasks: TaskTracker,
    places: Arc<Semaphore>,
}

impl Heavy {
    /// `tasks` is the registry that shutdown waits for.
    pub(crate) fn new(tasks: TaskTracker) -> Self {
        Self { tasks, places: Arc::new(Semaphore::new(AT_ONCE_MAX)) }
    }

    /// Runs work over so many bytes. It ends even if nobody waits for it.
    ///
    /// # Errors
    /// The work's own; `Internal` if it died.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if bytes <= SMALL_BYTES {
            return work();
        }
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(Error::internal)?;
        let work = move || {
            let _place = place;
            work()
        };
        self.tasks.spawn_blocking(work).await.map_err(Error::internal)?
    }
}

#[cfg(test)]
mod tests;
