//! Snapshots: add, forget, and the history of the main branch.

use std::{collections::HashSet, sync::Arc};

use polder_types::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

use super::{
    super::{
        MAIN_BRANCH, PartitionStatisticsFile, Snapshot, SnapshotLogEntry, StatisticsFile,
        entries::Entry,
        raw::{Raw, decode, invalid},
    },
    Draft,
};

/// Members that a snapshot needs on its way in, beyond what reading it needs (Iceberg REST, `Snapshot`).
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Incoming {
    summary: BTreeMap<String, String>,
    sequence_number: Option<i64>,
}

impl Draft {
    /// Adds a snapshot; the very same one again changes nothing.
    pub(super) fn add_snapshot(&mut self, raw: Raw) -> Result<()> {
        let snapshot = Snapshot::decode(raw)?;
        if let Some(known) = self.doc.snapshot_by_id(snapshot.snapshot_id) {
            let same = known.raw.get() == snapshot.raw.get();
            let twice = || invalid(format!("snapshot {} already exists", snapshot.snapshot_id));
            return if same { Ok(()) } else { Err(twice()) };
        }
        let Incoming { summary, sequence_number } = decode(&snapshot.raw, "the snapshot")?;
        if !summary.contains_key("operation") {
            return Err(invalid("the snapshot is not valid: its summary has no `operation`"));
        }
        if snapshot.snapshot_id < 0 {
            return Err(invalid("the snapshot is not valid: its id is negative"));
        }
        self.check_schema(&snapshot)?;
        self.count_sequence(&snapshot, sequence_number)?;
        self.count_rows(&snapshot)?;
        self.added_snapshots.insert(snapshot.snapshot_id);
        self.doc.list_mut()?.push(Arc::new(snapshot));
        Ok(())
    }

    fn check_schema(&self, snapshot: &Snapshot) -> Result<()> {
        match snapshot.schema_id {
            Some(id) if self.doc.schema_by_id(id).is_none() => {
                Err(invalid(format!("the snapshot is not valid: schema {id} does not exist")))
            }
            _ => Ok(()),
        }
    }

    /// F5: a stale sequence number means that somebody else was first, so it is a conflict to be retried. As in
    /// Java, a snapshot without a parent (a replaced table) may repeat one.
    fn count_sequence(&mut self, snapshot: &Snapshot, given: Option<i64>) -> Result<()> {
        let last = self.doc.last_sequence_number();
        if self.doc.format_version() == 1 {
            let zero = snapshot.sequence_number == 0;
            return if zero { Ok(()) } else { Err(invalid("sequence numbers are not supported in format version 1")) };
        }
        let sequence_number =
            given.ok_or_else(|| invalid("the snapshot is not valid: `sequence-number` is missing"))?;
        if sequence_number < 0 {
            return Err(invalid("the snapshot is not valid: `sequence-number` is negative"));
        }
        if sequence_number <= last && snapshot.parent_snapshot_id.is_some() {
            return Err(Error::conflict(
                "stale_sequence_number",
                format!(
                    "Cannot add snapshot with sequence number {sequence_number} older than last sequence number {last}"
                ),
            ));
        }
        self.doc.set("last-sequence-number", &sequence_number.max(last))
    }

    /// Row ids of format version 3: each snapshot takes its range from `next-row-id`.
    fn count_rows(&mut self, snapshot: &Snapshot) -> Result<()> {
        if self.doc.format_version() < 3 {
            return Ok(());
        }
        let next = self.doc.next_row_id().unwrap_or(0);
        let first = snapshot.first_row_id.ok_or_else(|| invalid("cannot add a snapshot: `first-row-id` is missing"))?;
        let added = snapshot.added_rows.filter(|rows| *rows >= 0);
        let added = added.ok_or_else(|| invalid("cannot add a snapshot: `added-rows` is missing or negative"))?;
        if first < next {
            return Err(Error::conflict(
                "stale_row_id",
                format!("Cannot add a snapshot, first-row-id is behind table next-row-id: {first} < {next}"),
            ));
        }
        let next = first.checked_add(added).ok_or_else(|| invalid("cannot add a snapshot: no row ids are left"))?;
        self.doc.set("next-row-id", &next)
    }

    /// Forgets snapshots, their statistics, and the references that pointed at them.
    pub(super) fn remove_snapshots(&mut self, asked: &HashSet<i64>) -> Result<()> {
        let known = self.doc.snapshots().iter().map(|snapshot| snapshot.snapshot_id);
        let ids: HashSet<i64> = known.filter(|id| asked.contains(id)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.remove_refs_to(&ids)?;
        self.doc.list_mut::<Snapshot>()?.retain(|snapshot| !ids.contains(&snapshot.snapshot_id));
        self.remove_statistics::<StatisticsFile>(&ids)?;
        self.remove_statistics::<PartitionStatisticsFile>(&ids)?;
        self.removed_snapshots = true;
        Ok(())
    }

    /// Writes the history of `main` anew where this commit made it wrong: steps that this commit itself
    /// undid go, and so does everything before a snapshot that is gone (a gap would misdate time travel).
    pub(super) fn settle_snapshot_log(&mut self) -> Result<()> {
        let current = self.doc.current_snapshot_id();
        let undone: HashSet<i64> = self.main_steps.iter().copied().filter(|id| Some(*id) != current).collect();
        if undone.is_empty() && !self.removed_snapshots {
            return Ok(());
        }
        let known: HashSet<i64> = self.doc.snapshots().iter().map(|snapshot| snapshot.snapshot_id).collect();
        let mut log: Vec<Arc<SnapshotLogEntry>> = Vec::new();
        for step in self.doc.snapshot_log() {
            if !known.contains(&step.snapshot_id) {
                log.clear();
            } else if !undone.contains(&step.snapshot_id) {
                log.push(Arc::clone(step));
            }
        }
        *self.doc.list_mut()? = log;
        let last = self.doc.snapshot_log().last().map(|step| step.snapshot_id);
        if current.is_some() && last != current {
            let main = self.doc.snapshot_ref(MAIN_BRANCH).map(|reference| reference.snapshot_id);
            // Documents of other writers may have no history at all; give it its present.
            if let Some(snapshot_id) = main {
                self.push_step(snapshot_id)?;
            }
        }
        Ok(())
    }
}
