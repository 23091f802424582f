//! Branches and tags; `main` carries `current-snapshot-id` and the history with it.

use std::{collections::HashSet, sync::Arc};

use indexmap::IndexMap;
use polder_types::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    super::{
        MAIN_BRANCH, RefKind, SnapshotLogEntry, SnapshotRef,
        doc::Member,
        entries::RefEntry,
        raw::{Raw, RawObject, decode, encode, invalid, is_null},
    },
    Draft,
    draft::no_snapshot,
};

/// Most branches and tags of a table once one is added.
const REFS_MAX: usize = 10_000;

/// How long a reference and its snapshots are kept.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Retention {
    max_ref_age_ms: Option<i64>,
    max_snapshot_age_ms: Option<i64>,
    min_snapshots_to_keep: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct WireRef {
    snapshot_id: i64,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct WireStep {
    timestamp_ms: i64,
    snapshot_id: i64,
}

/// The reference inside a `set-snapshot-ref`: everything but what makes it an update.
pub(super) fn reference(mut update: RawObject) -> Result<Raw> {
    update.shift_remove("action");
    update.shift_remove("ref-name");
    update.retain(|_, raw| !is_null(raw));
    encode(&update)
}

impl Draft {
    /// Points a branch or tag at a snapshot.
    pub(super) fn set_snapshot_ref(&mut self, name: &str, raw: &Raw) -> Result<()> {
        let entry = RefEntry::decode(Arc::clone(raw))?;
        let wanted = entry.reference.ok_or_else(|| invalid("the reference is not valid"))?;
        check_retention(raw, wanted)?;
        if name == MAIN_BRANCH && wanted.kind != RefKind::Branch {
            return Err(invalid("`main` is a branch and cannot be a tag"));
        }
        let snapshot = self.doc.snapshot_by_id(wanted.snapshot_id);
        if snapshot.is_none() {
            return Err(invalid(format!("cannot set {name} to unknown snapshot: {}", wanted.snapshot_id)));
        }
        let refs = self.refs_mut()?;
        let previous = refs.get(name).map(|known| Arc::clone(&known.raw));
        // Never `main`: a table that has too many, from whatever time, can still be written.
        if previous.is_none() && refs.len() >= REFS_MAX && name != MAIN_BRANCH {
            return Err(invalid(format!("the table has {REFS_MAX} branches and tags or more; remove some")));
        }
        if previous.is_some_and(|previous| is_equal(&previous, raw)) {
            return Ok(());
        }
        let moves = self.doc.snapshot_ref(name).map(|known| known.snapshot_id) != Some(wanted.snapshot_id);
        self.refs_mut()?.insert(name.to_owned(), entry);
        if name == MAIN_BRANCH && moves {
            self.doc.set("current-snapshot-id", &wanted.snapshot_id)?;
            if self.added_snapshots.contains(&wanted.snapshot_id) {
                self.main_steps.insert(wanted.snapshot_id);
            }
            self.push_step(wanted.snapshot_id)?;
        }
        Ok(())
    }

    /// Removes a branch or tag; without `main` the table has no current snapshot. Its history stays: a REPLACE TABLE of
    /// Java's clients removes `main` and sets it anew, and asks for the steps before.
    pub(super) fn remove_snapshot_ref(&mut self, name: &str) -> Result<()> {
        self.refs_mut()?.shift_remove(name);
        if name == MAIN_BRANCH { self.forget_main() } else { Ok(()) }
    }

    /// Removes every branch and tag that points at one of these snapshots, in one pass.
    pub(super) fn remove_refs_to(&mut self, snapshot_ids: &HashSet<i64>) -> Result<()> {
        let points_there = |entry: &RefEntry| entry.reference.is_some_and(|it| snapshot_ids.contains(&it.snapshot_id));
        let refs = self.refs_mut()?;
        let main_goes = refs.get(MAIN_BRANCH).is_some_and(points_there);
        refs.retain(|_, entry| !points_there(entry));
        if main_goes { self.forget_main() } else { Ok(()) }
    }

    fn forget_main(&mut self) -> Result<()> {
        if self.doc.current_snapshot_id().is_some() {
            self.doc.set("current-snapshot-id", &no_snapshot(self.doc.format_version()))?;
        }
        Ok(())
    }

    /// The references to change; spells out `main` where the document only implies it.
    pub(super) fn refs_mut(&mut self) -> Result<&mut IndexMap<String, RefEntry>> {
        let main = self.doc.snapshot_ref(MAIN_BRANCH);
        let member = self.doc.members.entry("refs".to_owned()).or_insert_with(|| Member::Refs(IndexMap::new()));
        if matches!(member, Member::Raw(_)) {
            *member = Member::Refs(IndexMap::new());
        }
        let Member::Refs(refs) = member else { return Err(invalid("`refs` is not an object")) };
        if let Some(SnapshotRef { kind, snapshot_id }) = main
            && refs.get(MAIN_BRANCH).is_none_or(|entry| entry.reference.is_none())
        {
            let raw = encode(&WireRef { snapshot_id, kind: kind.as_str() })?;
            refs.insert(MAIN_BRANCH.to_owned(), RefEntry::decode(raw)?);
        }
        Ok(refs)
    }

    /// Adds a step to the history of `main`: at the time of the snapshot if this commit added it, else now,
    /// and never before the step before, since Java refuses a history that is out of order.
    pub(super) fn push_step(&mut self, snapshot_id: i64) -> Result<()> {
        let added = self.added_snapshots.contains(&snapshot_id);
        let snapshot = self.doc.snapshot_by_id(snapshot_id).filter(|_| added);
        let time = snapshot.map_or(self.now_ms, |snapshot| snapshot.timestamp_ms);
        let log = self.doc.list_mut::<SnapshotLogEntry>()?;
        let timestamp_ms = log.last().map_or(time, |last| time.max(last.timestamp_ms));
        let raw = encode(&WireStep { timestamp_ms, snapshot_id })?;
        log.push(Arc::new(SnapshotLogEntry { snapshot_id, timestamp_ms, raw }));
        Ok(())
    }
}

fn check_retention(raw: &Raw, wanted: SnapshotRef) -> Result<()> {
    let retention: Retention = decode(raw, "the reference")?;
    let for_branches = [retention.max_snapshot_age_ms, retention.min_snapshots_to_keep];
    if wanted.kind == RefKind::Tag && for_branches.iter().any(Option::is_some) {
        return Err(invalid("tags support neither `min-snapshots-to-keep` nor `max-snapshot-age-ms`"));
    }
    if for_branches.into_iter().chain([retention.max_ref_age_ms]).flatten().any(|value| value <= 0) {
        return Err(invalid("the retention of a reference is above 0"));
    }
    Ok(())
}

/// True if two references mean the same, whatever the order of their members.
fn is_equal(one: &Raw, other: &Raw) -> bool {
    let value = |raw: &Raw| serde_json::from_str::<Value>(raw.get()).ok();
    value(one).is_some() && value(one) == value(other)
}
