//! One answer of a plan: the files of some manifests, as far as they fit.

use std::{collections::HashMap, sync::Arc};

use iceberg::spec::{DataFile, ManifestEntry, ManifestFile, ManifestStatus, TableMetadata, Transform};
use polder_types::Result;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    Manifests, Plan, Task,
    content::{Place, Writer},
    deletes::{Delete, Deletes},
    filter::{Filter, Possible},
    known::Known,
    manifests::Reader,
};
use crate::scan::{error::unreadable, inventory::sequence};

/// Most data files of an answer.
pub(super) const FILES_PER_ANSWER: u64 = 2_000;
/// About how many bytes of files an answer has at most.
const BYTES_PER_ANSWER: usize = 8 * 1024 * 1024;
/// After so many inflated bytes of manifests an answer ends, whatever it has found.
const READ_BYTES_PER_ANSWER: u64 = 128 * 1024 * 1024;
/// After so many looks at a delete file for a data file an answer ends.
const PAIRS_PER_ANSWER: usize = 2_000_000;

/// One answer.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) files: Vec<Box<RawValue>>,
    pub(crate) deletes: Vec<Box<RawValue>>,
    /// What is left of the plan.
    pub(crate) further: Vec<Task>,
    references: HashMap<usize, usize>,
    bytes: usize,
    read: u64,
    pairs: usize,
    /// How many rows are wanted at least, less those that are surely there.
    missing: Option<u64>,
}

impl Page {
    /// True if there are as many rows as were wanted.
    pub(super) fn is_enough(&self) -> bool {
        self.missing == Some(0)
    }

    fn is_full(&self) -> bool {
        self.files.len() as u64 >= FILES_PER_ANSWER || self.bytes >= BYTES_PER_ANSWER || self.pairs >= PAIRS_PER_ANSWER
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct FileScanTask<'a> {
    data_file: &'a RawValue,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    delete_file_references: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    residual_filter: Option<&'a RawValue>,
}

/// The answers of one plan.
pub(super) struct Pages<'a> {
    metadata: &'a TableMetadata,
    reader: &'a Reader<'a>,
    plan: &'a Plan,
    filter: Option<Filter>,
    manifests: &'a Manifests,
    pub(super) deletes: Deletes,
    writer: Writer,
    /// By spec: which partition field (by place) tells of which column (by place in the filter), through which transform.
    fields: HashMap<i32, Vec<(usize, usize, Transform)>>,
}

/// A data file that is to be told.
struct Found<'e> {
    file: &'e DataFile,
    spec_id: i32,
    place: Place,
    possible: Possible,
}

impl<'a> Pages<'a> {
    pub(super) fn new(
        metadata: &'a TableMetadata,
        reader: &'a Reader<'a>,
        plan: &'a Plan,
        filter: Option<Filter>,
        manifests: &'a Manifests,
    ) -> Self {
        let columns = filter.as_ref().map(|filter| filter.columns.as_slice()).unwrap_or_default();
        let fields = metadata.partition_specs_iter().map(|spec| {
            let told = spec.fields().iter().enumerate().flat_map(|(field, partition)| {
                let told = columns.iter().enumerate().filter(|(_, column)| column.id == partition.source_id);
                told.map(move |(column, _)| (field, column, partition.transform))
            });
            (spec.spec_id(), told.collect())
        });
        let (fields, writer) = (fields.collect(), Writer::new(metadata, plan.statistics.iter().copied()));
        Self { metadata, reader, plan, filter, manifests, deletes: Deletes::default(), writer, fields }
    }

    /// The data manifests that may hold a file of interest: their places, and about how many files they hold.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (usize, u64)> {
        let wanted = self.manifests.data.iter().enumerate().filter(|(_, manifest)| self.may_match(manifest));
        wanted.map(|(place, manifest)| {
            let count = |files: Option<u32>| files.map_or(FILES_PER_ANSWER, u64::from);
            (place, count(manifest.added_files_count).saturating_add(count(manifest.existing_files_count)))
        })
    }

    /// True if a manifest may hold a file of interest, by its summary.
    pub(super) fn may_match(&self, manifest: &ManifestFile) -> bool {
        let (Some(filter), Some(summaries)) = (&self.filter, &manifest.partitions) else { return true };
        let Some(spec) = self.metadata.partition_spec_by_id(manifest.partition_spec_id) else { return true };
        if spec.fields().len() != summaries.len() {
            return true;
        }
        let mut known: Vec<Vec<Known>> = vec![Vec::new(); filter.columns.len()];
        for (field, column, transform) in self.fields.get(&manifest.partition_spec_id).into_iter().flatten() {
            if let (Some(summary), Some(of)) = (summaries.get(*field), filter.columns.get(*column))
                && let Some(known) = known.get_mut(*column)
            {
                known.push(Known::of_summary(*transform, summary, of));
            }
        }
        filter.possible(&known).yes
    }

    fn possible(&self, spec_id: i32, file: &DataFile) -> Possible {
        let Some(filter) = &self.filter else { return Possible { yes: true, no: false, unknown: false } };
        let mut known: Vec<Vec<Known>> =
            filter.columns.iter().map(|column| vec![Known::of_metrics(file, column)]).collect();
        let values = file.partition().fields();
        for (field, column, transform) in self.fields.get(&spec_id).into_iter().flatten() {
            if let (Some(value), Some(of)) = (values.get(*field), filter.columns.get(*column))
                && let Some(known) = known.get_mut(*column)
            {
                known.push(Known::of_partition(*transform, value.as_ref(), of));
            }
        }
        filter.possible(&known)
    }

    /// Tells a part of the plan, at most one answer's worth; `rows` ends it early.
    ///
    /// # Errors
    /// `Unsupported` beyond the limits, else the opaque error.
    pub(super) async fn page(&self, task: &Task, rows: Option<u64>) -> Result<Page> {
        let mut page = Page { missing: rows, ..Page::default() };
        for place in task.manifest..task.until.min(self.manifests.data.len()) {
            let Some(manifest) = self.manifests.data.get(place).filter(|manifest| self.may_match(manifest)) else {
                continue;
            };
            let skipped = if place == task.manifest { task.entry } else { 0 };
            if page.read >= READ_BYTES_PER_ANSWER {
                page.further.push(Task { manifest: place, entry: skipped, ..task.clone() });
                return Ok(page);
            }
            let (parsed, inflated) = self.reader.manifest(manifest).await?;
            page.read = page.read.saturating_add(inflated);
            let mut first_row_id = manifest.first_row_id.and_then(|id| i64::try_from(id).ok());
            for (at, entry) in parsed.entries().iter().enumerate() {
                let row_id = row_id(entry, &mut first_row_id);
                let Some(found) = self.found(manifest, entry, row_id)?.filter(|_| at >= skipped) else { continue };
                if page.is_full() {
                    page.further.push(Task { manifest: place, entry: at, ..task.clone() });
                    return Ok(page);
                }
                self.tell(&mut page, &found)?;
                if page.is_enough() {
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }

    /// The file of an entry, if it is one of the scan and may hold a row of interest.
    fn found<'e>(
        &self,
        manifest: &ManifestFile,
        entry: &'e ManifestEntry,
        first_row_id: Option<i64>,
    ) -> Result<Option<Found<'e>>> {
        let of_scan = match &self.manifests.appended {
            None => entry.is_alive(),
            Some(snapshots) => {
                let snapshot = entry.snapshot_id().unwrap_or(manifest.added_snapshot_id);
                entry.status() == ManifestStatus::Added && snapshots.contains(&snapshot)
            }
        };
        if !of_scan {
            return Ok(None);
        }
        let (file, spec_id) = (entry.data_file(), manifest.partition_spec_id);
        if file.content_type() != iceberg::spec::DataContentType::Data {
            return Err(unreadable("a manifest holds files of another kind than it says"));
        }
        let possible = self.possible(spec_id, file);
        if !possible.yes {
            return Ok(None);
        }
        let place = Place { first_row_id, sequence: sequence(manifest, entry)? };
        Ok(Some(Found { file, spec_id, place, possible }))
    }

    fn tell(&self, page: &mut Page, found: &Found<'_>) -> Result<()> {
        // SECURITY: a path outside of the table's location is never told (R4, R10): clients read it with whatever they have.
        self.reader.files.check(found.file.file_path())?;
        let (deletes, looked) = self.deletes.of(found.spec_id, found.file, found.place.sequence);
        page.pairs = page.pairs.saturating_add(looked);
        let untouched = deletes.is_empty();
        let references = deletes.into_iter().map(|delete| self.reference(page, delete)).collect::<Result<_>>()?;
        let data_file = self.writer.data(found.spec_id, found.file, found.place)?;
        let certain = found.possible.is_certain();
        // Clients take an absent residual for one that is true, or fail: it is told, but where the filter is not known.
        let residual_filter = match &self.plan.filter {
            Some(filter) if !certain => Some(filter.as_ref()),
            _ if self.plan.bare => None,
            _ => Some(RawValue::TRUE),
        };
        let task = FileScanTask { data_file: &data_file, delete_file_references: references, residual_filter };
        let task = to_raw_value(&task).map_err(unreadable)?;
        page.bytes = page.bytes.saturating_add(task.get().len());
        page.files.push(task);
        if certain && untouched {
            page.missing = page.missing.map(|rows| rows.saturating_sub(found.file.record_count()));
        }
        Ok(())
    }

    /// The place of a delete file in the answer; it is told once.
    fn reference(&self, page: &mut Page, delete: &Arc<Delete>) -> Result<usize> {
        let key = Arc::as_ptr(delete).addr();
        if let Some(place) = page.references.get(&key) {
            return Ok(*place);
        }
        self.reader.files.check(delete.file().file_path())?;
        let told = self.writer.delete(delete.spec_id, delete.file())?;
        page.bytes = page.bytes.saturating_add(told.get().len());
        page.deletes.push(told);
        page.references.insert(key, page.deletes.len() - 1);
        Ok(page.deletes.len() - 1)
    }
}

/// The id of a data file's first row: its own, or counted on from its manifest's (Iceberg specification, "First Row ID
/// Inheritance").
fn row_id(entry: &ManifestEntry, next: &mut Option<i64>) -> Option<i64> {
    if entry.status() == ManifestStatus::Deleted {
        return None;
    }
    if let Some(own) = entry.data_file().first_row_id() {
        return Some(own);
    }
    let first = *next;
    *next = next.and_then(|next| next.checked_add(i64::try_from(entry.data_file().record_count()).ok()?));
    first
}
