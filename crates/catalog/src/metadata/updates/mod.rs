//! The updates of a commit: reading them, and applying them in order to a draft of the next document.
//! An unknown update is refused by name. One file a family.

mod draft;
mod encryption;
mod identity;
mod properties;
mod refs;
mod schema;
mod snapshot;
mod sort;
mod spec;
mod statistics;

use std::collections::HashSet;

use indexmap::IndexMap;
use polder_types::{Error, Micros, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use draft::Draft;
pub(super) use properties::is_reserved;

use super::{
    TableDoc,
    entries::{PartitionStatisticsFile, StatisticsFile},
    raw::{PART_DEPTH_MAX, Raw, RawObject, check_json, decode, invalid},
};

/// Most updates (and requirements) of one table in one commit: old Java clients send one a removed snapshot.
pub(super) const UPDATES_MAX: usize = 10_000;
/// Most entries that the updates of one commit may look through, one update after the other.
const STEPS_MAX: usize = 300_000_000;

/// A change of a table (Iceberg REST, `TableUpdate`); `-1` stands for what the same commit added last.
#[derive(Clone, Debug)]
pub enum Update {
    /// Gives a new table its UUID.
    AssignUuid(String),
    /// Moves to a newer format version.
    UpgradeFormatVersion(i64),
    /// Adds a schema, or names the equal one that exists.
    AddSchema(Raw),
    /// Makes a schema current.
    SetCurrentSchema(i32),
    /// Adds a partition spec, or names the equal one that exists.
    AddSpec(Raw),
    /// Makes a partition spec the writers' default.
    SetDefaultSpec(i32),
    /// Adds a sort order, or names the equal one that exists.
    AddSortOrder(Raw),
    /// Makes a sort order the writers' default.
    SetDefaultSortOrder(i32),
    /// Adds a snapshot; only a reference makes it visible.
    AddSnapshot(Raw),
    /// Points a branch or tag at a snapshot; `main` moves the table.
    SetSnapshotRef {
        /// The branch or tag.
        name: String,
        /// The reference, as it will be stored.
        reference: Raw,
    },
    /// Forgets snapshots, with their references and statistics.
    RemoveSnapshots(Vec<i64>),
    /// Removes a branch or tag.
    RemoveSnapshotRef(String),
    /// Moves the table; the commit protocol decides whether it may.
    SetLocation(String),
    /// Sets properties.
    SetProperties(IndexMap<String, String>),
    /// Removes properties.
    RemoveProperties(Vec<String>),
    /// Sets a snapshot's statistics file.
    SetStatistics(Raw),
    /// Removes a snapshot's statistics file.
    RemoveStatistics(i64),
    /// Sets a snapshot's partition statistics file.
    SetPartitionStatistics(Raw),
    /// Removes a snapshot's partition statistics file.
    RemovePartitionStatistics(i64),
    /// Forgets partition specs.
    RemovePartitionSpecs(Vec<i32>),
    /// Forgets schemas.
    RemoveSchemas(Vec<i32>),
    /// Adds an encrypted key.
    AddEncryptionKey(Raw),
    /// Removes an encrypted key.
    RemoveEncryptionKey(String),
}

impl Update {
    /// Reads an update; members that are not known are ignored.
    ///
    /// # Errors
    /// `Unsupported` with the code `unsupported_update` for an unknown action, which it names; `Invalid` for a
    /// missing member or JSON beyond the limits.
    pub fn parse(raw: &RawValue) -> Result<Self> {
        check_json(raw.get().as_bytes(), PART_DEPTH_MAX)?;
        let object: RawObject = decode(raw, "the update")?;
        let update = Members { action: String::new(), object };
        let action: String = update.take("action")?;
        let update = Members { action, ..update };
        Ok(match update.action.as_str() {
            "assign-uuid" => Self::AssignUuid(update.take("uuid")?),
            "upgrade-format-version" => Self::UpgradeFormatVersion(update.take("format-version")?),
            "add-schema" => Self::AddSchema(update.raw("schema")?),
            "set-current-schema" => Self::SetCurrentSchema(update.take("schema-id")?),
            "add-spec" => Self::AddSpec(update.raw("spec")?),
            "set-default-spec" => Self::SetDefaultSpec(update.take("spec-id")?),
            "add-sort-order" => Self::AddSortOrder(update.raw("sort-order")?),
            "set-default-sort-order" => Self::SetDefaultSortOrder(update.take("sort-order-id")?),
            "add-snapshot" => Self::AddSnapshot(update.raw("snapshot")?),
            "set-snapshot-ref" => {
                Self::SetSnapshotRef { name: update.take("ref-name")?, reference: refs::reference(update.object)? }
            }
            "remove-snapshots" => Self::RemoveSnapshots(update.take("snapshot-ids")?),
            "remove-snapshot-ref" => Self::RemoveSnapshotRef(update.take("ref-name")?),
            "set-location" => Self::SetLocation(update.take("location")?),
            "set-properties" => Self::SetProperties(update.take("updates")?),
            "remove-properties" => Self::RemoveProperties(update.take("removals")?),
            "set-statistics" => Self::SetStatistics(update.raw("statistics")?),
            "remove-statistics" => Self::RemoveStatistics(update.take("snapshot-id")?),
            "set-partition-statistics" => Self::SetPartitionStatistics(update.raw("partition-statistics")?),
            "remove-partition-statistics" => Self::RemovePartitionStatistics(update.take("snapshot-id")?),
            "remove-partition-specs" => Self::RemovePartitionSpecs(update.take("spec-ids")?),
            "remove-schemas" => Self::RemoveSchemas(update.take("schema-ids")?),
            "add-encryption-key" => Self::AddEncryptionKey(update.raw("encryption-key")?),
            "remove-encryption-key" => Self::RemoveEncryptionKey(update.take("key-id")?),
            other => {
                return Err(Error::unsupported("unsupported_update", format!("the update `{other}` is not supported")));
            }
        })
    }

    fn removed_snapshots(&self) -> Option<&[i64]> {
        match self {
            Self::RemoveSnapshots(ids) => Some(ids),
            _ => None,
        }
    }

    /// Reads all updates of a commit, in order.
    ///
    /// # Errors
    /// As [`Update::parse`]; `Invalid` if there are more than 10 000.
    pub fn parse_all(raws: &[Box<RawValue>]) -> Result<Vec<Self>> {
        if raws.len() > UPDATES_MAX {
            return Err(invalid("the commit has too many updates"));
        }
        raws.iter().map(|raw| Self::parse(raw)).collect()
    }
}

/// The members of an update, and the action that error messages name.
struct Members {
    action: String,
    object: RawObject,
}

impl Members {
    fn raw(&self, name: &str) -> Result<Raw> {
        let found = self.object.get(name).cloned();
        found.ok_or_else(|| {
            let what = if self.action.is_empty() { "the update" } else { &format!("the update `{}`", self.action) };
            invalid(format!("{what} is not valid: `{name}` is missing"))
        })
    }

    fn take<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Result<T> {
        decode(self.raw(name)?.as_ref(), &format!("`{name}` of the update `{}`", self.action))
    }
}

/// Applies updates in order and returns the next document; `base` is `None` for a table being created.
///
/// The result is valid, `last-updated-ms` is `now` or, if that is later, the time of the newest snapshot.
/// Whether locations may be used and who may commit is not decided here.
///
/// # Errors
/// `Conflict` for a stale sequence number or row id; `Invalid` for everything that cannot be applied.
pub fn apply(base: Option<&TableDoc>, updates: &[Update], now: Micros) -> Result<TableDoc> {
    let mut draft = match base {
        Some(base) => Draft::of(base, now)?,
        None => Draft::empty(initial_format_version(updates)?, now)?,
    };
    let mut steps = 0_usize;
    for group in updates.chunk_by(|one, next| one.removed_snapshots().is_some() && next.removed_snapshots().is_some()) {
        // Many updates of a table with many entries are a product, which no limit of either keeps small (R32).
        steps = steps.saturating_add(draft.doc.entries_count());
        if steps > STEPS_MAX {
            return Err(invalid("the commit has too many updates for a table of this size; send several commits"));
        }
        match group {
            [update] => apply_one(&mut draft, update)?,
            // Old Java clients send one update a snapshot: one pass for all of them.
            group => draft
                .remove_snapshots(&group.iter().filter_map(Update::removed_snapshots).flatten().copied().collect())?,
        }
    }
    draft.finish()
}

/// A table that is being created starts at the version its own updates ask for, else at 2.
fn initial_format_version(updates: &[Update]) -> Result<u8> {
    let asked = updates.iter().find_map(|update| match update {
        Update::UpgradeFormatVersion(version) => Some(*version),
        _ => None,
    });
    asked.map_or(Ok(super::create::FORMAT_VERSION_DEFAULT), identity::checked_version)
}

fn apply_one(draft: &mut Draft, update: &Update) -> Result<()> {
    match update {
        Update::AssignUuid(uuid) => draft.assign_uuid(uuid),
        Update::UpgradeFormatVersion(version) => draft.upgrade_format_version(*version),
        Update::AddSchema(raw) => draft.add_schema(raw.clone()),
        Update::SetCurrentSchema(id) => draft.set_current_schema(*id),
        Update::AddSpec(raw) => draft.add_spec(raw.clone()),
        Update::SetDefaultSpec(id) => draft.set_default_spec(*id),
        Update::AddSortOrder(raw) => draft.add_sort_order(raw.clone()),
        Update::SetDefaultSortOrder(id) => draft.set_default_sort_order(*id),
        Update::AddSnapshot(raw) => draft.add_snapshot(raw.clone()),
        Update::SetSnapshotRef { name, reference } => draft.set_snapshot_ref(name, reference),
        Update::RemoveSnapshots(ids) => draft.remove_snapshots(&ids.iter().copied().collect()),
        Update::RemoveSnapshotRef(name) => draft.remove_snapshot_ref(name),
        Update::SetLocation(location) => draft.set_location(location),
        Update::SetProperties(properties) => draft.set_properties(properties),
        Update::RemoveProperties(names) => draft.remove_properties(names),
        Update::SetStatistics(raw) => draft.set_statistics::<StatisticsFile>(raw.clone()),
        Update::RemoveStatistics(id) => draft.remove_statistics::<StatisticsFile>(&HashSet::from([*id])),
        Update::SetPartitionStatistics(raw) => draft.set_statistics::<PartitionStatisticsFile>(raw.clone()),
        Update::RemovePartitionStatistics(id) => {
            draft.remove_statistics::<PartitionStatisticsFile>(&HashSet::from([*id]))
        }
        Update::RemovePartitionSpecs(ids) => draft.remove_specs(ids),
        Update::RemoveSchemas(ids) => draft.remove_schemas(ids),
        Update::AddEncryptionKey(raw) => draft.add_encryption_key(raw.clone()),
        Update::RemoveEncryptionKey(id) => draft.remove_encryption_key(id),
    }
}
