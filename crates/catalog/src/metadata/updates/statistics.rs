//! Statistics and partition statistics files: at most one a snapshot.

use std::{collections::HashSet, sync::Arc};

use polder_types::Result;

use super::{
    super::{PartitionStatisticsFile, StatisticsFile, entries::Entry, raw::Raw},
    Draft,
};

/// A file about one snapshot.
pub(super) trait OfSnapshot: Entry {
    fn snapshot_id(&self) -> i64;
}

impl OfSnapshot for StatisticsFile {
    fn snapshot_id(&self) -> i64 {
        self.snapshot_id
    }
}

impl OfSnapshot for PartitionStatisticsFile {
    fn snapshot_id(&self) -> i64 {
        self.snapshot_id
    }
}

impl Draft {
    /// Sets a snapshot's file, in the place of an earlier one.
    pub(super) fn set_statistics<T: OfSnapshot>(&mut self, raw: Raw) -> Result<()> {
        let added = T::decode(raw)?;
        self.remove_statistics::<T>(&HashSet::from([added.snapshot_id()]))?;
        self.doc.list_mut::<T>()?.push(Arc::new(added));
        Ok(())
    }

    /// Removes the files of these snapshots.
    pub(super) fn remove_statistics<T: OfSnapshot>(&mut self, gone: &HashSet<i64>) -> Result<()> {
        if self.doc.list::<T>().is_empty() {
            return Ok(());
        }
        self.doc.list_mut::<T>()?.retain(|file| !gone.contains(&file.snapshot_id()));
        Ok(())
    }
}
