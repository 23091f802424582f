//! Manifests and lists of them, read once and kept as long as there is room. Every byte goes through the same bounded
//! reader as the gateway's (`avro`), and every path is one of the table's own.

use std::sync::Arc;

use iceberg::spec::{FormatVersion, Manifest, ManifestFile, SnapshotRef, TableMetadata};
use moka::sync::Cache;
use polder_types::{Error, RelationId, Result};
use tokio_util::sync::CancellationToken;

use crate::{
    error::deadline,
    scan::{
        avro::{self, Kept},
        error::{unreadable, unsupported},
        files::TableFiles,
        inventory::{MANIFEST_BYTES_MAX, MANIFESTS_MAX, parse_list},
    },
};

/// About how much larger the library's form of a manifest is than its records.
const PARSED_FACTOR: u64 = 8;

/// What is kept of tables between requests.
#[derive(Clone, Debug)]
pub(crate) struct PlanCache {
    metadata: Cache<(RelationId, Arc<str>), Arc<TableMetadata>>,
    read: Cache<(RelationId, Arc<str>), Read>,
}

#[derive(Clone, Debug)]
enum Read {
    List(Arc<Vec<ManifestFile>>, u32),
    Manifest(Arc<Manifest>, u32),
}

impl Read {
    fn weight(&self) -> u32 {
        match self {
            Self::List(_, weight) | Self::Manifest(_, weight) => *weight,
        }
    }
}

fn weight(bytes: u64, factor: u64) -> u32 {
    u32::try_from(bytes.saturating_mul(factor).saturating_add(1_024)).unwrap_or(u32::MAX)
}

impl PlanCache {
    /// `bytes_max` bounds the memory that the entries take, as well as it is known.
    pub(crate) fn new(bytes_max: u64) -> Self {
        // A parsed document is about four times its text, of which there are far fewer than of manifests.
        let metadata = Cache::builder().max_capacity(64).build();
        let read = Cache::builder().weigher(|_, read: &Read| read.weight()).max_capacity(bytes_max).build();
        Self { metadata, read }
    }

    /// The parsed metadata; `document` gives its text if it is not kept.
    ///
    /// # Errors
    /// `Unsupported` for metadata that this build cannot read.
    pub(super) fn metadata(
        &self,
        (table, location): (RelationId, &str),
        document: impl FnOnce() -> Vec<u8>,
    ) -> Result<Arc<TableMetadata>> {
        let parse = || {
            serde_json::from_slice(&document()).map(Arc::new).map_err(|error| {
                unsupported("the table uses types or features whose scans cannot be planned here").with_source(error)
            })
        };
        self.metadata.try_get_with((table, location.into()), parse).map_err(|error| Error::clone(&error))
    }
}

/// Reads the manifests of one request.
pub(super) struct Reader<'a> {
    pub(super) cache: &'a PlanCache,
    pub(super) table: RelationId,
    pub(super) files: &'a TableFiles,
    pub(super) version: FormatVersion,
    /// Says that nobody waits any more.
    pub(super) stop: &'a CancellationToken,
}

impl Reader<'_> {
    fn key(&self, path: &str) -> (RelationId, Arc<str>) {
        (self.table, path.into())
    }

    /// # Errors
    /// `Deadline` once nobody waits any more.
    fn go_on(&self) -> Result<()> {
        if self.stop.is_cancelled() { Err(deadline()) } else { Ok(()) }
    }

    /// The manifests of a snapshot.
    ///
    /// # Errors
    /// `Unsupported` beyond the limits; else the opaque error.
    pub(super) async fn list(&self, snapshot: &SnapshotRef) -> Result<Arc<Vec<ManifestFile>>> {
        self.go_on()?;
        let path = snapshot.manifest_list();
        if let Some(Read::List(list, _)) = self.cache.read.get(&self.key(path)) {
            return Ok(list);
        }
        let bytes = self.files.read_all(path, MANIFEST_BYTES_MAX).await?;
        let opened = avro::opened(&bytes, Kept::Values)?;
        if opened.records > MANIFESTS_MAX {
            return Err(unsupported("the table has more manifests than can be planned"));
        }
        let list = Arc::new(parse_list(&opened.bytes, self.version)?.entries().to_vec());
        self.cache.read.insert(self.key(path), Read::List(list.clone(), weight(opened.inflated, PARSED_FACTOR)));
        Ok(list)
    }

    /// A manifest, and about how much work it was.
    ///
    /// # Errors
    /// As [`Reader::list`].
    pub(super) async fn manifest(&self, manifest: &ManifestFile) -> Result<(Arc<Manifest>, u64)> {
        self.go_on()?;
        // Local files are read without waiting: here is where other work gets its turn.
        tokio::task::yield_now().await;
        let key = self.key(&manifest.manifest_path);
        if let Some(Read::Manifest(parsed, weight)) = self.cache.read.get(&key) {
            return Ok((parsed, u64::from(weight) / PARSED_FACTOR));
        }
        if manifest.key_metadata.is_some() {
            return Err(unsupported("scans of tables with encrypted manifests cannot be planned"));
        }
        let bytes = self.files.read_all(&manifest.manifest_path, MANIFEST_BYTES_MAX).await?;
        let opened = avro::opened(&bytes, Kept::Entries)?;
        drop(bytes);
        let parsed = Arc::new(Manifest::parse_avro(&opened.bytes).map_err(unreadable)?);
        self.cache.read.insert(key, Read::Manifest(parsed.clone(), weight(opened.inflated, PARSED_FACTOR)));
        Ok((parsed, opened.inflated))
    }

    /// Another request of the same table is answered from this one's reading.
    #[cfg(test)]
    pub(super) fn kept(&self) -> u64 {
        self.cache.read.run_pending_tasks();
        self.cache.read.entry_count()
    }
}

/// The partition spec and the schemas of a table's metadata, where a column is looked up by its id whatever became of it.
pub(super) fn source_type(metadata: &TableMetadata, id: i32) -> Option<iceberg::spec::PrimitiveType> {
    let mut schemas: Vec<_> = metadata.schemas_iter().collect();
    schemas.sort_by_key(|schema| std::cmp::Reverse(schema.schema_id()));
    let current = metadata.current_schema();
    let field = std::iter::once(current).chain(schemas).find_map(|schema| schema.field_by_id(id))?;
    field.field_type.as_primitive_type().cloned()
}
