//! The local writer on blocking threads of the task registry, so that started work is finished at shutdown.

use bytes::Bytes;
use polder_types::{Error, Location, Result};
use tokio_util::task::TaskTracker;

use crate::{faults::Faults, ids::fresh_uuid, writer::LocalWriter};

/// Asynchronous access to the files of warehouses.
#[derive(Clone, Debug)]
pub(crate) struct FileIo {
    writer: LocalWriter,
    tasks: TaskTracker,
}

impl FileIo {
    pub(crate) fn new(tasks: TaskTracker, faults: Faults) -> Self {
        Self { writer: LocalWriter { faults }, tasks }
    }

    /// Creates a file, durably; see [`LocalWriter::put_new`].
    pub(crate) async fn put_new(&self, root: &Location, place: &Location, bytes: Bytes) -> Result<()> {
        let (root, place) = (root.clone(), place.clone());
        self.run(move |writer| writer.put_new(&root, &place, &bytes, &fresh_uuid().simple().to_string())).await
    }

    /// Reads a file; see [`LocalWriter::read`].
    pub(crate) async fn read(&self, root: &Location, place: &Location, bytes_max: u64) -> Result<Vec<u8>> {
        let (root, place) = (root.clone(), place.clone());
        self.run(move |writer| writer.read(&root, &place, bytes_max)).await
    }

    /// Makes a directory, durably; see [`LocalWriter::make_directory`].
    pub(crate) async fn make_directory(&self, root: &Location, place: &Location) -> Result<()> {
        let (root, place) = (root.clone(), place.clone());
        self.run(move |writer| writer.make_directory(&root, &place)).await
    }

    /// Makes the root of a warehouse; see [`LocalWriter::make_root`].
    pub(crate) async fn make_root(&self, root: &Location) -> Result<()> {
        let root = root.clone();
        self.run(move |writer| writer.make_root(&root)).await
    }

    /// Follows symbolic links; see [`LocalWriter::real`].
    pub(crate) async fn real(&self, place: &Location) -> Result<Location> {
        let place = place.clone();
        self.run(move |writer| writer.real(&place)).await
    }

    /// Removes a file; see [`LocalWriter::delete`].
    pub(crate) async fn delete(&self, root: &Location, place: &Location) -> Result<()> {
        let (root, place) = (root.clone(), place.clone());
        self.run(move |writer| writer.delete(&root, &place)).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&LocalWriter) -> Result<T> + Send + 'static) -> Result<T> {
        let writer = self.writer.clone();
        self.tasks.spawn_blocking(move || work(&writer)).await.map_err(Error::internal)?
    }
}
