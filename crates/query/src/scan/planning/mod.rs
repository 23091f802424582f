//! Scan planning: which files of a table a reader with a filter has to read, with the deletes that apply to each.
//!
//! What is asked is bound (`expression`, `names`, `snapshots`) into a [`Plan`]; manifests are read (`manifests`, through the
//! gateway's bounded reader) and judged by their summaries, files by partition and metrics (`known`, `filter`); deletes are
//! found (`deletes`) and all is written as the REST specification has it (`content`, `literal`). An answer is bounded in
//! files, bytes and work; what is left over are further [`Task`]s.
//!
//! SECURITY: a plan shows bounds, counts and partition values of every column, so it is for those only who read the table
//! whole; who asks has shown the permit for it. Refuses files outside the table's location.

mod calendar;
mod content;
mod deletes;
mod expression;
mod filter;
mod known;
mod literal;
mod manifests;
mod names;
mod page;
mod plan;
mod snapshots;
mod value;

use std::{collections::HashSet, sync::Arc};

use iceberg::spec::{ManifestContentType, ManifestFile, TableMetadata};
use polder_catalog::{metadata::TableDoc, scans::ScanTable};
use polder_types::{Error, RelationId, Result, Subject, rest::PlanTableScanRequest};
use tokio_util::sync::CancellationToken;

pub(crate) use manifests::PlanCache;
pub(crate) use page::Page;
pub(crate) use plan::{Plan, Task, packed, unpacked};

use self::{
    deletes::Deletes,
    expression::bind,
    manifests::Reader,
    page::{FILES_PER_ANSWER, Pages},
    snapshots::{Scanned, scanned},
};
use super::{
    error::{unreadable, unsupported},
    files::TableFiles,
    inventory::MANIFESTS_MAX,
};

/// Most inflated bytes of delete manifests of a snapshot.
const MANIFESTS_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Most bytes of the names of the manifests of a range of snapshots.
const MANIFEST_NAMES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most tasks that one answer names, and most bytes that they may take, each of them carrying the filter.
const TASKS_MAX: usize = 500;
const TASKS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A table whose scans are planned.
#[derive(Clone, Debug)]
pub(crate) struct Planning {
    cache: PlanCache,
    table: RelationId,
    metadata_location: String,
    doc: Arc<TableDoc>,
    files: TableFiles,
    stop: CancellationToken,
}

impl Planning {
    /// `stop` says that nobody waits any more.
    ///
    /// # Errors
    /// `Unsupported` for a table in a store that this build does not read.
    pub(crate) fn new(cache: &PlanCache, table: &ScanTable, stop: CancellationToken) -> Result<Self> {
        // SECURITY: the catalog's location bounds what is read and told, never the one that the document names.
        let files = TableFiles::new(&table.row.location, table.objects.clone())?;
        let (row, doc) = (&table.row, Arc::clone(&table.doc));
        let metadata_location = row.metadata_location.clone();
        Ok(Self { cache: cache.clone(), table: row.table.id, metadata_location, doc, files, stop })
    }

    /// Makes a plan and tells the first part of it; `fresh` are its id and its time.
    ///
    /// # Errors
    /// `Invalid` for a request that does not fit the table; `Unsupported` for a table that cannot be planned; else the
    /// opaque error.
    pub(crate) async fn begin(&self, request: &PlanTableScanRequest, fresh: (String, i64)) -> Result<(Plan, Page)> {
        let metadata = self.metadata()?;
        let plan = Plan::new(&metadata, request, fresh)?;
        let rows = request.min_rows_requested.and_then(|rows| u64::try_from(rows).ok()).filter(|rows| *rows > 0);
        let page = self.first(&metadata, &plan, rows).await?;
        Ok((plan, page))
    }

    /// Tells the first part of a plan again.
    ///
    /// # Errors
    /// `NotFound` if the table does not have any more what was planned; else as [`Planning::begin`].
    pub(crate) async fn again(&self, plan: &Plan) -> Result<Page> {
        let metadata = self.metadata()?;
        self.first(&metadata, plan, None).await.map_err(|error| outlived(error, Subject::Plan))
    }

    /// Tells a further part of a plan.
    ///
    /// # Errors
    /// As [`Planning::again`].
    pub(crate) async fn go_on(&self, task: &Task) -> Result<Page> {
        let metadata = self.metadata()?;
        let told = async {
            let reader = self.reader(&metadata);
            let manifests = manifests(&reader, &metadata, &task.plan).await?;
            self.pages(&metadata, &reader, &task.plan, &manifests).await?.page(task, None).await
        };
        told.await.map_err(|error| outlived(error, Subject::PlanTask))
    }

    async fn first(&self, metadata: &TableMetadata, plan: &Plan, rows: Option<u64>) -> Result<Page> {
        let reader = self.reader(metadata);
        let manifests = manifests(&reader, metadata, plan).await?;
        let pages = self.pages(metadata, &reader, plan, &manifests).await?;
        let mut parts = parts(&pages, plan).into_iter();
        let Some(first) = parts.next() else { return Ok(Page::default()) };
        let mut page = pages.page(&first, rows).await?;
        if !page.is_enough() {
            page.further.extend(parts);
        }
        Ok(page)
    }

    fn metadata(&self) -> Result<Arc<TableMetadata>> {
        self.cache.metadata((self.table, &self.metadata_location), || self.doc.to_bytes())
    }

    fn reader(&self, metadata: &TableMetadata) -> Reader<'_> {
        let Self { cache, table, files, stop, .. } = self;
        Reader { cache, table: *table, files, version: metadata.format_version(), stop }
    }

    async fn pages<'a>(
        &self,
        metadata: &'a TableMetadata,
        reader: &'a Reader<'a>,
        plan: &'a Plan,
        manifests: &'a Manifests,
    ) -> Result<Pages<'a>> {
        let schema = metadata.schema_by_id(plan.schema).ok_or_else(|| gone("the schema"))?;
        let filter = plan.filter.as_ref().map(|filter| bind(filter.get(), schema, plan.case_sensitive)).transpose()?;
        let mut pages = Pages::new(metadata, reader, plan, filter, manifests);
        if manifests.appended.is_none() {
            // A delete file is for data of its own partition, so what the filter leaves out of the data it leaves out here.
            let wanted: Vec<&ManifestFile> = manifests.deletes.iter().filter(|file| pages.may_match(file)).collect();
            pages.deletes = Deletes::read(reader, metadata, wanted.into_iter()).await?;
        }
        Ok(pages)
    }
}

/// What a request was bound to may be gone when the rest of it is asked for.
fn outlived(error: Error, subject: Subject) -> Error {
    match error.code() {
        "invalid_scan" | "invalid_filter" | "unknown_column" => Error::not_found(subject, "of a scan that is gone"),
        _ => error,
    }
}

fn gone(what: &str) -> Error {
    Error::invalid("invalid_scan", format!("{what} of the scan is not there any more"))
}

/// The manifests of a scan, in an order that never changes.
#[derive(Debug, Default)]
struct Manifests {
    data: Vec<ManifestFile>,
    deletes: Vec<ManifestFile>,
    /// Of an incremental scan: the snapshots whose additions are wanted.
    appended: Option<HashSet<i64>>,
}

async fn manifests(reader: &Reader<'_>, metadata: &TableMetadata, plan: &Plan) -> Result<Manifests> {
    let mut found = Manifests::default();
    let mut seen = HashSet::new();
    match scanned(metadata, plan.range)? {
        Scanned::Nothing => {}
        Scanned::At(snapshot) => {
            for manifest in reader.list(&snapshot).await?.iter() {
                if !seen.insert(manifest.manifest_path.clone()) {
                    return Err(unreadable("a list names a manifest twice"));
                }
                match manifest.content {
                    ManifestContentType::Data => found.data.push(manifest.clone()),
                    ManifestContentType::Deletes => found.deletes.push(manifest.clone()),
                }
            }
        }
        Scanned::Appended(snapshots) => {
            let mut names = 0_usize;
            let ids: HashSet<i64> = snapshots.iter().map(|snapshot| snapshot.snapshot_id()).collect();
            for snapshot in &snapshots {
                let list = reader.list(snapshot).await?;
                let of_range = list.iter().filter(|manifest| {
                    manifest.content == ManifestContentType::Data && ids.contains(&manifest.added_snapshot_id)
                });
                for manifest in of_range.filter(|file| seen.insert(file.manifest_path.clone())) {
                    names = names.saturating_add(manifest.manifest_path.len());
                    found.data.push(manifest.clone());
                }
                // Over all lists: each of them is bounded, but there may be a thousand.
                if found.data.len() > MANIFESTS_MAX || names > MANIFEST_NAMES_BYTES_MAX {
                    return Err(unsupported("the range has more manifests than can be planned"));
                }
            }
            found.appended = Some(ids);
        }
    }
    Ok(found)
}

/// Cuts a plan into parts of about one answer each; more files a part where there would be too many parts.
fn parts(pages: &Pages<'_>, plan: &Plan) -> Vec<Task> {
    let filter = plan.filter.as_ref().map_or(0, |filter| filter.get().len());
    let parts_max = (TASKS_BYTES_MAX / (filter + 1_024)).clamp(1, TASKS_MAX) as u64;
    let wanted: Vec<(usize, u64)> = pages.wanted().collect();
    let total: u64 = wanted.iter().map(|(_, files)| files).sum();
    let size = FILES_PER_ANSWER.max(total.div_ceil(parts_max));
    let (mut parts, mut files): (Vec<Task>, u64) = (Vec::new(), size);
    for (manifest, count) in wanted {
        match parts.last_mut() {
            Some(last) if files.saturating_add(count) <= size => last.until = manifest + 1,
            _ => {
                files = 0;
                parts.push(Task { plan: plan.clone(), manifest, entry: 0, until: manifest + 1 });
            }
        }
        files = files.saturating_add(count);
    }
    parts
}

#[cfg(test)]
mod tests;
