//! Documents of views: written under a fresh name, read back within bounds, kept once parsed. They never change once
//! written, so what is kept is right. Refuses files outside the view's registered location.

use std::sync::Arc;

use bytes::Bytes;
use moka::future::Cache;
use polder_policy::{Action, Permit};
use polder_store::{ViewRow, WarehouseRow};
use polder_types::{Error, Location, Result, WarehouseId};

use crate::{
    heavy::Heavy,
    ids::fresh_uuid,
    io::FileIo,
    metadata::view::{VIEW_BYTES_MAX, ViewDoc, too_large},
    places,
};

/// How much memory the cache of views may take: a view is some kilobytes.
const CACHE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// The property that says where the metadata files of a view lie.
const METADATA_PATH: &str = "write.metadata.path";

/// A document and the bytes it was read from or written as.
#[derive(Debug)]
pub(crate) struct StoredView {
    pub(super) bytes: Bytes,
    pub(super) doc: Arc<ViewDoc>,
}

impl StoredView {
    pub(super) fn new(bytes: Bytes, doc: ViewDoc) -> Arc<Self> {
        Arc::new(Self { bytes, doc: Arc::new(doc) })
    }

    /// About how much memory it takes: the bytes, and the document's own copies of them.
    fn weight(&self) -> u32 {
        u32::try_from(self.bytes.len().saturating_mul(3).saturating_add(4_096)).unwrap_or(u32::MAX)
    }
}

/// The cache, by warehouse and place of the file.
#[derive(Clone, Debug)]
pub(crate) struct ViewCache {
    docs: Cache<(WarehouseId, Arc<str>), Arc<StoredView>>,
    files: FileIo,
    heavy: Heavy,
}

impl ViewCache {
    pub(crate) fn new(files: FileIo, heavy: Heavy) -> Self {
        let docs = Cache::builder()
            .max_capacity(CACHE_BYTES_MAX)
            .weigher(|_: &(WarehouseId, Arc<str>), stored: &Arc<StoredView>| stored.weight())
            .build();
        Self { docs, files, heavy }
    }

    /// Returns the current document of a view; the file is read at most once while it is cached. The permit is the proof
    /// that somebody decided.
    ///
    /// # Errors
    /// `Unavailable` if the file cannot be read; `Internal` if it is not a view's metadata.
    pub(super) async fn current<A: Action>(&self, _permit: &Permit<A>, view: &ViewRow) -> Result<Arc<StoredView>> {
        let key = (view.warehouse.warehouse.id, view.metadata_location.as_str().into());
        let read = self.read(view);
        self.docs.try_get_with(key, read).await.map_err(|error: Arc<Error>| Error::clone(&error))
    }

    /// Remembers a document that was just written.
    pub(super) async fn remember(&self, view: &ViewRow, stored: Arc<StoredView>) {
        let key = (view.warehouse.warehouse.id, view.metadata_location.as_str().into());
        self.docs.insert(key, stored).await;
    }

    async fn read(&self, view: &ViewRow) -> Result<Arc<StoredView>> {
        let file = Location::parse(&view.metadata_location)?;
        // SECURITY: the row says where the view lives; a pointer elsewhere is not followed (A-004, R8, R9).
        let root = places::check_table_location(&view.warehouse, &view.location)?;
        if !file.is_within(&view.location) {
            return Err(Error::internal("a metadata file lies outside its view's location"));
        }
        let bytes = self.files.read(root, &file, VIEW_BYTES_MAX as u64).await?;
        let text = bytes.clone();
        let doc = self.heavy.run(bytes.len(), move || ViewDoc::parse(&text)).await.map_err(|error| {
            Error::internal(format!("the metadata of relation {} is damaged: {error:?}", view.view.relation.id))
        })?;
        Ok(StoredView::new(bytes, doc))
    }
}

/// A document of a view with its place, checked, not yet written.
pub(super) struct NewFile {
    /// The root of the warehouse that holds it.
    pub(super) root: Location,
    pub(super) place: Location,
    /// Where it lies in the client's own spelling of the view's location.
    pub(super) metadata_location: String,
    /// The view's location.
    pub(super) location: Location,
    pub(super) stored: Arc<StoredView>,
}

impl NewFile {
    /// Checks every location of a document, and serialises it under a fresh name below the view's location.
    ///
    /// # Errors
    /// `Invalid` for a location that is refused; `TooLarge` beyond the size that the catalog reads back.
    pub(super) fn new(warehouse: &WarehouseRow, version: u64, doc: ViewDoc) -> Result<Self> {
        let (root, location) = places::check_view_document(warehouse, &doc)?;
        let bytes = Bytes::from(doc.to_bytes()?);
        if bytes.len() > VIEW_BYTES_MAX {
            return Err(too_large());
        }
        let directory = match doc.property(METADATA_PATH) {
            Some(path) => path.strip_suffix('/').unwrap_or(path).to_owned(),
            None => format!("{}/{}", doc.location_text(), places::METADATA_DIRECTORY),
        };
        let metadata_location = format!("{directory}/{version:05}-{}.metadata.json", fresh_uuid());
        let place = Location::parse(&metadata_location)?;
        let root = root.clone();
        Ok(Self { root, place, metadata_location, location, stored: StoredView::new(bytes, doc) })
    }
}
