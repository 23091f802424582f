//! What a snapshot holds: its data files, what is known of their columns, and the delete files that apply to each.
//!
//! Read once for a snapshot, whole, and before anything is pruned: whether a table can be read never depends on what a
//! query asks for.

mod found;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use iceberg::spec::{FormatVersion, Manifest, ManifestFile, ManifestList, Snapshot, Struct, TableMetadata};
use polder_policy::Literal;
use polder_types::Error;

use super::{
    avro::{self, Kept},
    error::{unreadable, unsupported},
    files::{TableFiles, spelling},
};
use found::Found;
pub(super) use found::{Partition, is_unpartitioned, partition, sequence};

/// Most bytes of a manifest or a list of manifests.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most bytes of a snapshot's manifests once they are inflated.
const INFLATED_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Most manifests of a snapshot.
pub(crate) const MANIFESTS_MAX: usize = 10_000;
/// Most entries of a snapshot's manifests, also those of files that are gone.
const ENTRIES_MAX: usize = 2_000_000;

/// The files of one snapshot.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// The data files.
    pub(crate) files: Vec<Arc<DataFile>>,
}

/// A data file.
#[derive(Debug)]
pub(crate) struct DataFile {
    pub(crate) path: String,
    /// Bytes, as the manifest says; only to deal files out evenly.
    pub(crate) size: u64,
    /// Where its row groups begin, as the manifest says; only to split it.
    pub(crate) split_offsets: Vec<u64>,
    pub(crate) spec_id: i32,
    pub(crate) partition: Struct,
    /// By field id.
    pub(crate) bounds: BTreeMap<i32, Bounds>,
    /// The delete files that apply to it.
    pub(crate) deletes: Vec<Arc<DeleteFile>>,
}

/// What is known of a column in a file or row group; an absent part is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bounds {
    /// No value is smaller.
    pub(crate) lower: Option<Literal>,
    /// No value is larger.
    pub(crate) upper: Option<Literal>,
    /// How many nulls.
    pub(crate) nulls: Option<u64>,
    /// How many values, nulls included.
    pub(crate) values: Option<u64>,
}

/// A delete file.
#[derive(Debug)]
pub(crate) struct DeleteFile {
    pub(crate) path: String,
    pub(crate) kind: DeleteKind,
    sequence: i64,
}

/// What a delete file names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DeleteKind {
    /// Rows by file and position.
    Position,
    /// Rows by the values of these fields.
    Equality { ids: Vec<i32> },
}

impl Inventory {
    /// Reads a snapshot's manifests.
    ///
    /// # Errors
    /// `Unsupported` for files that this build cannot read and for more than the limits; else the opaque error.
    pub(crate) async fn read(files: &TableFiles, metadata: &TableMetadata, snapshot: &Snapshot) -> Result<Self, Error> {
        let list = read_list(files, metadata, snapshot).await?;
        let mut found = Found::new(files, metadata);
        let (mut seen, mut inflated, mut entries) = (HashSet::new(), 0_u64, 0_usize);
        for manifest in list.entries() {
            // Local files are read without waiting: here is where a query that nobody waits for ends.
            tokio::task::yield_now().await;
            if !seen.insert(spelling(&manifest.manifest_path)) {
                return Err(unreadable("a list names a manifest twice"));
            }
            if manifest.key_metadata.is_some() {
                return Err(unsupported("encrypted tables cannot be queried yet"));
            }
            let bytes = files.read_all(&manifest.manifest_path, MANIFEST_BYTES_MAX).await?;
            let opened = avro::opened(&bytes, Kept::Entries)?;
            drop(bytes);
            (inflated, entries) = (inflated.saturating_add(opened.inflated), entries.saturating_add(opened.records));
            if inflated > INFLATED_BYTES_MAX || entries > ENTRIES_MAX {
                return Err(unsupported("the table has larger manifests than can be planned"));
            }
            add(&mut found, manifest, &opened.bytes)?;
        }
        tokio::task::yield_now().await;
        found.matched()
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn weight(&self) -> usize {
        self.files.iter().map(|file| file.weight() + 8 * file.deletes.len()).sum()
    }
}

impl DataFile {
    /// About how many bytes of memory it takes, without its delete files.
    fn weight(&self) -> usize {
        400 + self.path.len()
            + 120 * self.bounds.len()
            + 8 * self.split_offsets.len()
            + 64 * self.partition.fields().len()
    }
}

async fn read_list(files: &TableFiles, metadata: &TableMetadata, snapshot: &Snapshot) -> Result<ManifestList, Error> {
    let bytes = files.read_all(snapshot.manifest_list(), MANIFEST_BYTES_MAX).await?;
    let opened = avro::opened(&bytes, Kept::Values)?;
    if opened.records > MANIFESTS_MAX {
        return Err(unsupported("the table has more manifests than can be planned"));
    }
    parse_list(&opened.bytes, metadata.format_version())
}

fn add(found: &mut Found<'_>, manifest: &ManifestFile, bytes: &[u8]) -> Result<(), Error> {
    let parsed = Manifest::parse_avro(bytes).map_err(unreadable)?;
    parsed.entries().iter().try_for_each(|entry| found.add(manifest, entry))
}

/// A table that was upgraded keeps the lists of its first format version.
pub(super) fn parse_list(bytes: &[u8], version: FormatVersion) -> Result<ManifestList, Error> {
    let older = match version {
        FormatVersion::V1 => None,
        FormatVersion::V2 => Some(FormatVersion::V1),
        FormatVersion::V3 => Some(FormatVersion::V2),
    };
    match (ManifestList::parse_with_version(bytes, version), older) {
        (Ok(list), _) => Ok(list),
        (Err(_), Some(older)) => parse_list(bytes, older),
        (Err(error), None) => Err(unreadable(error)),
    }
}

#[cfg(test)]
mod tests;
