//! Parsed metadata documents, immutable once written: keyed by warehouse and location, weighed in bytes, bounded,
//! read once for all who wait. Refuses files outside the table's registered location, and such as inflate to more than a
//! document may be (R32).

use std::{
    io::Read,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use moka::future::Cache;
use polder_policy::{Action, Permit};
use polder_store::TableRow;
use polder_types::{Error, ErrorKind, Location, Result, Subject, WarehouseId};

use crate::{
    heavy::Heavy,
    io::FileIo,
    metadata::{DOCUMENT_BYTES_MAX, TableDoc},
    places, properties,
    view::{SnapshotsMode, refs_only},
};

/// A document and the bytes it was read from or written as.
#[derive(Debug)]
pub(crate) struct StoredDoc {
    bytes: Bytes,
    doc: Arc<TableDoc>,
    refs: OnceLock<Bytes>,
}

impl StoredDoc {
    /// Pairs a document with its serialised form.
    pub(crate) fn new(bytes: Bytes, doc: TableDoc) -> Arc<Self> {
        Arc::new(Self { bytes, doc: Arc::new(doc), refs: OnceLock::new() })
    }

    /// How many bytes it takes where it is stored.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The document.
    #[must_use]
    pub(crate) fn doc(&self) -> &Arc<TableDoc> {
        &self.doc
    }

    /// The bytes of an answer; the pruned form is made once.
    pub(crate) fn body(&self, mode: SnapshotsMode) -> Result<Bytes> {
        match (mode, self.refs.get()) {
            (SnapshotsMode::All, _) => Ok(self.bytes.clone()),
            (SnapshotsMode::Refs, Some(pruned)) => Ok(pruned.clone()),
            (SnapshotsMode::Refs, None) => {
                let pruned = refs_only(&self.bytes, &self.doc)?;
                Ok(self.refs.get_or_init(|| pruned).clone())
            }
        }
    }

    /// About how much memory it takes: the bytes, the document's own copies of them, and the pruned form.
    fn weight(&self) -> u32 {
        u32::try_from(self.bytes.len().saturating_mul(4).saturating_add(4_096)).unwrap_or(u32::MAX)
    }
}

/// A file, as the catalog names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    warehouse: WarehouseId,
    metadata_location: Arc<str>,
}

/// The cache.
#[derive(Clone, Debug)]
pub(crate) struct MetadataCache {
    docs: Cache<Key, Arc<StoredDoc>>,
    files: FileIo,
    heavy: Heavy,
}

impl MetadataCache {
    /// Makes an empty cache of at most `bytes_max`.
    pub(crate) fn new(bytes_max: u64, files: FileIo, heavy: Heavy) -> Self {
        let docs = Cache::builder()
            .max_capacity(bytes_max)
            .weigher(|_: &Key, stored: &Arc<StoredDoc>| stored.weight())
            .build();
        Self { docs, files, heavy }
    }

    /// Returns the current document of a table; the file is read at most once while it is cached. The permit is the
    /// proof that somebody decided: without the `authorize` line above it, a caller does not compile.
    ///
    /// # Errors
    /// `Unavailable` if the file cannot be read; `Internal` if it is not a table's metadata.
    pub(crate) async fn current<A: Action>(&self, _permit: &Permit<A>, table: &TableRow) -> Result<Arc<StoredDoc>> {
        let key = key(table.warehouse.warehouse.id, &table.metadata_location);
        if let Some(stored) = self.docs.get(&key).await {
            return Ok(stored);
        }
        let read = self.read(table);
        self.docs.try_get_with(key, read).await.map_err(|error: Arc<Error>| Error::clone(&error))
    }

    /// Remembers a document that was just written.
    pub(crate) async fn remember(&self, warehouse: WarehouseId, metadata_location: &str, stored: Arc<StoredDoc>) {
        self.docs.insert(key(warehouse, metadata_location), stored).await;
    }

    async fn read(&self, table: &TableRow) -> Result<Arc<StoredDoc>> {
        let file = Location::parse(&table.metadata_location)?;
        // SECURITY: the row says where the table lives; a pointer elsewhere is not followed (A-004, R8, R9).
        let root = places::check_table_location(&table.warehouse, &table.location)?;
        if !file.is_within(&table.location) {
            return Err(Error::internal("a metadata file lies outside its table's location"));
        }
        let bytes = self.files.read(root, &file, DOCUMENT_BYTES_MAX as u64).await?;
        let damaged = |error: Error| {
            Error::internal(format!("the metadata of relation {} is damaged: {error:?}", table.table.id))
        };
        let stored = self.parsed(bytes).await.map_err(damaged)?;
        let doc = stored.doc();
        // SECURITY: whoever holds keys for the table may have written the file anew: what could not be committed is not
        // served to anybody either (R4, R12).
        places::check_document(doc, &table.location).map_err(damaged)?;
        properties::check(doc.properties()).map_err(damaged)?;
        if doc.table_uuid() != Some(table.table_uuid) {
            return Err(damaged(Error::internal("it is of another table")));
        }
        Ok(stored)
    }

    /// Reads a document that no table's pointer names (yet, or any more), and keeps nothing of it.
    ///
    /// # Errors
    /// `Invalid` if there is none at the place, whatever else is there; `Unavailable` if it cannot be read now.
    // SECURITY: one text for whatever is wrong: the file may hold anything, and the caller has named it (R10, R32).
    pub(crate) async fn named<A: Action>(
        &self,
        _permit: &Permit<A>,
        root: &Location,
        file: &Location,
    ) -> Result<Arc<StoredDoc>> {
        self.found(root, file).await
    }

    /// As [`MetadataCache::named`], for a job, which a permitted change has asked for.
    pub(crate) async fn found(&self, root: &Location, file: &Location) -> Result<Arc<StoredDoc>> {
        let read = async { self.parsed(self.files.read(root, file, DOCUMENT_BYTES_MAX as u64).await?).await };
        read.await.map_err(|error| match error.kind() {
            ErrorKind::Invalid | ErrorKind::Internal => not_metadata().with_source(error),
            _ => error,
        })
    }

    async fn parsed(&self, bytes: Bytes) -> Result<Arc<StoredDoc>> {
        let (compressed, length) = (bytes.starts_with(GZIP), bytes.len());
        let read = move || {
            let text = if compressed { inflated(&bytes)? } else { bytes };
            let doc = TableDoc::parse(&text)?;
            Ok(StoredDoc::new(text, doc))
        };
        // What it inflates to is not known before.
        self.heavy.run(if compressed { DOCUMENT_BYTES_MAX } else { length }, read).await
    }
}

/// What a compressed file begins with, whatever it is called (RFC 1952 §2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b];

/// A compressed document as it is meant, of at most [`DOCUMENT_BYTES_MAX`] bytes.
fn inflated(bytes: &[u8]) -> Result<Bytes> {
    let mut text = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(bytes).take(DOCUMENT_BYTES_MAX as u64 + 1).read_to_end(&mut text);
    match read {
        Ok(length) if length <= DOCUMENT_BYTES_MAX => Ok(text.into()),
        Ok(_) => Err(not_metadata()),
        Err(error) => Err(not_metadata().with_source(error)),
    }
}

fn not_metadata() -> Error {
    Error::invalid("unreadable_metadata_file", "there is no table metadata of at most 64 MiB at the metadata location")
        .about(Subject::Table)
}

fn key(warehouse: WarehouseId, metadata_location: &str) -> Key {
    Key { warehouse, metadata_location: metadata_location.into() }
}
