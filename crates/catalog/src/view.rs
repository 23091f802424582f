//! What a loaded table looks like: the whole document as stored, or only the snapshots that references name.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use indexmap::IndexMap;
use polder_types::{Error, Result};
use serde_json::value::{RawValue, to_raw_value};

use crate::metadata::TableDoc;

/// Which snapshots a load answers with (`snapshots`, Iceberg REST `loadTable`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SnapshotsMode {
    /// All of them: the document byte for byte as it is stored.
    #[default]
    All,
    /// Those that a branch or tag points at.
    Refs,
}

/// Serialises a document without the snapshots that no reference names, their statistics and their log entries
/// . Everything else is copied as it was written.
///
/// # Errors
/// `Internal` only: the bytes were parsed before.
pub(crate) fn refs_only(bytes: &[u8], doc: &TableDoc) -> Result<Bytes> {
    let kept: HashSet<i64> = doc.refs().into_iter().map(|(_, reference)| reference.snapshot_id).collect();
    if doc.snapshots().iter().all(|snapshot| kept.contains(&snapshot.snapshot_id)) {
        return Ok(Bytes::copy_from_slice(bytes));
    }
    let mut members: IndexMap<String, Box<RawValue>> = serde_json::from_slice(bytes).map_err(Error::internal)?;
    let snapshots = doc.snapshots().iter().map(|snapshot| snapshot.snapshot_id);
    prune(&mut members, "snapshots", snapshots, &kept)?;
    prune(&mut members, "snapshot-log", doc.snapshot_log().iter().map(|step| step.snapshot_id), &kept)?;
    prune(&mut members, "statistics", doc.statistics().iter().map(|file| file.snapshot_id), &kept)?;
    let partitions = doc.partition_statistics().iter().map(|file| file.snapshot_id);
    prune(&mut members, "partition-statistics", partitions, &kept)?;
    serde_json::to_vec(&members).map(Bytes::from).map_err(Error::internal)
}

/// Keeps the entries of one list whose snapshot stays; the ids come in the list's own order.
fn prune(
    members: &mut IndexMap<String, Box<RawValue>>,
    name: &str,
    ids: impl Iterator<Item = i64>,
    kept: &HashSet<i64>,
) -> Result<()> {
    let Some(list) = members.get_mut(name).filter(|raw| raw.get() != "null") else { return Ok(()) };
    let entries: Vec<Box<RawValue>> = serde_json::from_str(list.get()).map_err(Error::internal)?;
    let entries: Vec<_> =
        entries.into_iter().zip(ids).filter(|(_, id)| kept.contains(id)).map(|(raw, _)| raw).collect();
    *list = to_raw_value(&entries).map_err(Error::internal)?;
    Ok(())
}

/// A strong entity tag, in its quotes.
pub type EntityTag = String;

/// The entity tag of a load: it changes with whatever the body depends on.
///
/// A load is refused to restricted principals, so that the fingerprint of obligations is empty for all who get a
/// body; it takes part nevertheless, for the day when a door enforces.
pub(crate) fn etag(
    metadata_location: &str,
    mode: SnapshotsMode,
    settings_version: i64,
    config: &BTreeMap<String, String>,
    obligations: &[u8],
) -> EntityTag {
    let mut hasher = blake3::Hasher::new();
    // Length first, so that no two different parts can join to one text.
    hasher.update(&(metadata_location.len() as u64).to_le_bytes()).update(metadata_location.as_bytes());
    hasher.update(&[u8::from(mode == SnapshotsMode::Refs)]).update(&settings_version.to_le_bytes());
    for part in config.iter().flat_map(|(name, value)| [name, value]) {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.update(obligations);
    let hash = hasher.finalize().to_hex();
    ["\"", hash.get(..32).unwrap_or_default(), "\""].concat()
}

#[cfg(test)]
mod tests;
