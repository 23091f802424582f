//! Which snapshots and which schema a request means.

use std::collections::HashSet;

use iceberg::spec::{Operation, SchemaRef, SnapshotRef, TableMetadata};
use polder_types::{Error, Result};
use serde::{Deserialize, Serialize};

/// Most snapshots of an incremental scan, and most ancestors that are walked to find its start.
const RANGE_MAX: usize = 1_000;
const ANCESTORS_MAX: usize = 100_000;

/// What is scanned, by ids, so that later requests mean the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Range {
    /// A table without snapshots.
    Nothing,
    /// What one snapshot holds.
    At(i64),
    /// What the appends after the first, up to the second one, have added.
    Appended(i64, i64),
}

/// What is scanned.
#[derive(Debug)]
pub(super) enum Scanned {
    Nothing,
    At(SnapshotRef),
    Appended(Vec<SnapshotRef>),
}

fn invalid(message: impl Into<String>) -> Error {
    Error::invalid("invalid_scan", message.into())
}

/// The range of a request.
///
/// # Errors
/// `Invalid` for members that do not go together.
pub(super) fn range(
    metadata: &TableMetadata,
    snapshot: Option<i64>,
    (start, end): (Option<i64>, Option<i64>),
) -> Result<Range> {
    match (snapshot, start, end) {
        (None, None, None) => Ok(metadata.current_snapshot_id().map_or(Range::Nothing, Range::At)),
        (Some(id), None, None) => Ok(Range::At(id)),
        (None, Some(start), Some(end)) => Ok(Range::Appended(start, end)),
        (None, _, _) => Err(invalid("`start-snapshot-id` and `end-snapshot-id` come together")),
        (Some(_), _, _) => Err(invalid("a scan is of `snapshot-id`, or from `start-snapshot-id` to `end-snapshot-id`")),
    }
}

/// The snapshots of a range.
///
/// # Errors
/// `Invalid` if one is not there (any more), or if the start is no ancestor of the end.
pub(super) fn scanned(metadata: &TableMetadata, range: Range) -> Result<Scanned> {
    let find = |id: i64| {
        metadata.snapshot_by_id(id).cloned().ok_or_else(|| invalid(format!("the table has no snapshot {id}")))
    };
    match range {
        Range::Nothing => Ok(Scanned::Nothing),
        Range::At(id) => Ok(Scanned::At(find(id)?)),
        Range::Appended(start, end) => Ok(Scanned::Appended(appended(metadata, start, find(end)?)?)),
    }
}

/// The appends after `start` up to `end`, oldest first. What other operations did is not part of an incremental scan.
fn appended(metadata: &TableMetadata, start: i64, end: SnapshotRef) -> Result<Vec<SnapshotRef>> {
    let (mut appends, mut seen, mut current) = (Vec::new(), HashSet::new(), end);
    while current.snapshot_id() != start {
        if !seen.insert(current.snapshot_id()) || seen.len() > ANCESTORS_MAX {
            return Err(invalid("the history of the snapshots has no end"));
        }
        let parent = current.parent_snapshot_id();
        if current.summary().operation == Operation::Append {
            appends.push(current);
        }
        if parent == Some(start) {
            break; // the start itself may have been expired: it is not part of the scan
        }
        current = parent
            .and_then(|id| metadata.snapshot_by_id(id).cloned())
            .ok_or_else(|| invalid(format!("snapshot {start} is no ancestor of the end of the scan")))?;
    }
    if appends.len() > RANGE_MAX {
        return Err(invalid(format!("the scan spans more than {RANGE_MAX} appends; narrow it")));
    }
    appends.reverse();
    Ok(appends)
}

/// The schema that names are looked up in: the table's current one, or that of the (last) snapshot.
///
/// # Errors
/// `Invalid` if there is no such snapshot.
pub(super) fn schema(metadata: &TableMetadata, range: Range, of_snapshot: bool) -> Result<SchemaRef> {
    let id = match range {
        Range::At(id) | Range::Appended(_, id) if of_snapshot => id,
        _ => return Ok(metadata.current_schema().clone()),
    };
    let snapshot = metadata.snapshot_by_id(id).ok_or_else(|| invalid(format!("the table has no snapshot {id}")))?;
    snapshot.schema(metadata).map_err(|error| invalid("the snapshot's schema is not there").with_source(error))
}
