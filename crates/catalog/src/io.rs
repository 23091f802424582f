//! The files of warehouses, wherever they are: the local writer on blocking threads of the task registry, so that
//! started work is finished at shutdown, or a bucket. Refuses every place that is not below the root it is given.

use bytes::Bytes;
use polder_types::{Error, Location, Result};
use tokio_util::task::TaskTracker;

use crate::{
    bucket::{Bucket, TableObjects},
    faults::Faults,
    ids::fresh_uuid,
    storage::Storage,
    writer::{Below, LocalWriter},
};

/// Asynchronous access to the files of warehouses.
#[derive(Clone, Debug)]
pub(crate) struct FileIo {
    writer: LocalWriter,
    tasks: TaskTracker,
    storage: Storage,
}

impl FileIo {
    pub(crate) fn new(tasks: TaskTracker, faults: Faults, storage: Storage) -> Self {
        Self { writer: LocalWriter { faults }, tasks, storage }
    }

    /// Which object stores there are.
    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The objects of a table, for reading; `None` for a table in the local file system.
    ///
    /// # Errors
    /// `Unsupported` if no profile names its bucket.
    pub(crate) fn objects(&self, location: &Location) -> Result<Option<TableObjects>> {
        if is_local(location) {
            return Ok(None);
        }
        Ok(Some(TableObjects::new(self.storage.bucket(location)?.clone(), location.clone())))
    }

    /// The bucket of a place that lies below the root.
    // SECURITY: no object is written, read or deleted without this comparison (A-004, R7).
    fn bucket(&self, root: &Location, place: &Location) -> Result<&Bucket> {
        if !place.is_within(root) || place == root {
            return Err(Error::invalid("location_not_allowed", "the location is not below a root of the warehouse"));
        }
        self.storage.bucket(place)
    }

    /// Creates a file, durably; see [`LocalWriter::put_new`] and [`Bucket::put_new`].
    pub(crate) async fn put_new(&self, root: &Location, place: &Location, bytes: Bytes) -> Result<()> {
        if !is_local(place) {
            return self.bucket(root, place)?.put_new(place, bytes).await;
        }
        let (root, place) = (root.clone(), place.clone());
        self.run(move |writer| writer.put_new(&root, &place, &bytes, &fresh_uuid().simple().to_string())).await
    }

    /// Reads a file; see [`LocalWriter::read`] and [`Bucket::read_all`].
    pub(crate) async fn read(&self, root: &Location, place: &Location, bytes_max: u64) -> Result<Bytes> {
        if !is_local(place) {
            return self.bucket(root, place)?.read_all(place, bytes_max).await;
        }
        let (root, place) = (root.clone(), place.clone());
        self.run(move |writer| writer.read(&root, &place, bytes_max)).await.map(Bytes::from)
    }

    /// Makes a directory, durably; see [`LocalWriter::make_directory`]. Object stores have none.
    pub(crate) async fn make_directory(&self, root: &Location, place: &Location) -> Result<()> {
        if !is_local(place) {
            return self.bucket(root, place).map(drop);
        }
        let (root, place) = (root.clone(), place.clone());
        self.run(move |writer| writer.make_directory(&root, &place)).await
    }

    /// Finds out that the bucket of a warehouse's root can be written there, and how. Directories are made later.
    pub(crate) async fn check_bucket(&self, root: &Location) -> Result<()> {
        if is_local(root) { Ok(()) } else { self.storage.bucket(root)?.check(root).await }
    }

    /// Makes the root of a warehouse; see [`LocalWriter::make_root`]. Object stores have no directories.
    pub(crate) async fn make_root(&self, root: &Location) -> Result<()> {
        if !is_local(root) {
            return Ok(());
        }
        let root = root.clone();
        self.run(move |writer| writer.make_root(&root)).await
    }

    /// Follows symbolic links; see [`LocalWriter::real`]. Object stores have none.
    pub(crate) async fn real(&self, place: &Location) -> Result<Location> {
        if !is_local(place) {
            return Ok(place.clone());
        }
        let place = place.clone();
        self.run(move |writer| writer.real(&place)).await
    }

    /// Refuses a place that a symbolic link was put in the way of; see [`LocalWriter::check_place`]. Object stores have
    /// none.
    pub(crate) async fn check_place(&self, root: &Location, place: &Location) -> Result<()> {
        if !is_local(place) {
            return Ok(());
        }
        let (root, place) = (root.clone(), place.clone());
        self.run(move |writer| writer.check_place(&root, &place)).await
    }

    /// As [`FileIo::check_place`], on the caller's thread. Blocks.
    pub(crate) fn check_place_here(&self, root: &Location, place: &Location) -> Result<()> {
        if is_local(place) { self.writer.check_place(root, place) } else { Ok(()) }
    }

    /// Removes a file; see [`LocalWriter::delete`] and [`Bucket::delete`].
    pub(crate) async fn delete(&self, root: &Location, place: &Location) -> Result<()> {
        if !is_local(place) {
            return self.bucket(root, place)?.delete(place).await;
        }
        let (root, place) = (root.clone(), place.clone());
        self.run(move |writer| writer.delete(&root, &place)).await
    }

    /// Reads a file below a table's location, if it is there; see [`LocalWriter::read_below`].
    pub(crate) async fn read_below(&self, place: Below, bytes_max: u64) -> Result<Option<Bytes>> {
        match self.objects_below(&place)? {
            Some(objects) => objects.read_if_any(&place.names, bytes_max).await,
            None => Ok(self.run(move |writer| writer.read_below(&place, bytes_max)).await?.map(Bytes::from)),
        }
    }

    /// Removes a file below a table's location; see [`LocalWriter::delete_below`].
    pub(crate) async fn delete_below(&self, place: Below) -> Result<()> {
        match self.objects_below(&place)? {
            Some(objects) => objects.delete(&place.names).await,
            None => self.run(move |writer| writer.delete_below(&place)).await,
        }
    }

    /// True if nothing is left at a table's location; of local directories the empty ones are removed.
    pub(crate) async fn is_emptied(&self, root: &Location, location: &Location) -> Result<bool> {
        if !is_local(location) {
            let bucket = self.bucket(root, location)?.clone();
            return TableObjects::new(bucket, location.clone()).is_empty().await;
        }
        let (root, location) = (root.clone(), location.clone());
        self.run(move |writer| writer.remove_empty(&root, &location)).await
    }

    /// The objects of the place's table; `None` in the local file system.
    // SECURITY: below the root, compared as parsed segments; what is below the location, the two arms see to.
    fn objects_below(&self, place: &Below) -> Result<Option<TableObjects>> {
        if is_local(&place.location) {
            return Ok(None);
        }
        let bucket = self.bucket(&place.root, &place.location)?.clone();
        Ok(Some(TableObjects::new(bucket, place.location.clone())))
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&LocalWriter) -> Result<T> + Send + 'static) -> Result<T> {
        let writer = self.writer.clone();
        self.tasks.spawn_blocking(move || work(&writer)).await.map_err(Error::internal)?
    }
}

fn is_local(place: &Location) -> bool {
    place.scheme() == "file"
}
