//! Steps 1 to 5 for one table: resolve, authorize, base by pointer, requirements, updates, every location.

use std::sync::Arc;

use bytes::Bytes;
use polder_policy::{Permit, TableRef, actions};
use polder_store::{ColumnBinding, TableRow, WarehouseRow};
use polder_types::{Error, ErrorKind, Location, Micros, Result, Subject};

use super::TableCommit;
use crate::{
    OpCtx,
    cache::StoredDoc,
    columns,
    ids::fresh_uuid,
    metadata::{self, DOCUMENT_BYTES_MAX, TableDoc},
    places, resolve,
};

/// What will be published for one table.
pub(super) struct Change {
    pub(super) permit: Permit<actions::CommitTable>,
    pub(super) row: Arc<TableRow>,
    /// The document as it is now.
    pub(super) base: Arc<StoredDoc>,
    /// The next one; `None` if nothing changes.
    pub(super) next: Option<NewFile>,
    pub(super) bindings: Vec<ColumnBinding>,
    /// Metadata files that the next document's log names no more, and that are to be deleted.
    pub(super) fallen: Vec<String>,
}

/// What is made of a document.
#[derive(Default)]
struct Made {
    next: Option<NewFile>,
    bindings: Vec<ColumnBinding>,
    fallen: Vec<String>,
}

/// A metadata file to be written.
pub(super) struct NewFile {
    /// The root of the warehouse that holds it.
    pub(super) root: Location,
    pub(super) place: Location,
    pub(super) stored: Arc<StoredDoc>,
    pub(super) bytes: Bytes,
}

impl NewFile {
    /// Serialises a document under a fresh name below the table's location.
    ///
    /// # Errors
    /// `TooLarge` beyond the size that the catalog reads back.
    pub(super) fn new(root: &Location, location: &Location, version: u64, doc: TableDoc) -> Result<Self> {
        let bytes = Bytes::from(doc.to_bytes());
        if bytes.len() > DOCUMENT_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::TooLarge,
                Subject::Table,
                "metadata_too_large",
                "the table's metadata would be larger than 64 MiB; expire snapshots first",
            ));
        }
        let file = format!("{}/{version:05}-{}.metadata.json", places::METADATA_DIRECTORY, fresh_uuid());
        let place = location.join(&file)?;
        Ok(Self { root: root.clone(), place, stored: StoredDoc::new(bytes.clone(), doc), bytes })
    }
}

/// Decides on committing to a table.
pub(super) fn permit_commit(
    ctx: &OpCtx,
    warehouse: &WarehouseRow,
    table: &TableRef,
) -> Result<Permit<actions::CommitTable>> {
    resolve::permit(ctx, warehouse, actions::CommitTable, table)
}

/// Makes the change of one table from its current row; `room` is for the documents of all tables of the commit.
///
/// # Errors
/// What the commit protocol refuses; `TooLarge` if there is no room for the document.
pub(super) async fn prepare(
    ctx: &OpCtx,
    warehouse: &WarehouseRow,
    row: Arc<TableRow>,
    commit: &Arc<TableCommit>,
    room: &mut usize,
) -> Result<Change> {
    let permit = permit_commit(ctx, warehouse, &row.table)?; // SECURITY: nothing below may run without it
    let base = ctx.catalog().metadata().current(&permit, &row).await?;
    *room = room.checked_sub(base.len()).ok_or_else(too_large_together)?;
    let change = {
        let (ctx, row, doc, commit) = (ctx.clone(), Arc::clone(&row), Arc::clone(base.doc()), Arc::clone(commit));
        move || change(&ctx, &row, &doc, &commit)
    };
    let Made { next, bindings, fallen } =
        ctx.catalog().heavy().run(base.len().saturating_add(commit.bytes), change).await?;
    Ok(Change { permit, row, base, next, bindings, fallen })
}

fn too_large_together() -> Error {
    Error::new(
        ErrorKind::TooLarge,
        Subject::Table,
        "transaction_too_large",
        "the tables of the commit have more than 256 MiB of metadata together; commit to fewer tables at once",
    )
}

/// What is done with the document itself: requirements, updates, locations, columns, the bytes of the next one.
fn change(ctx: &OpCtx, row: &TableRow, base: &TableDoc, commit: &TableCommit) -> Result<Made> {
    metadata::check(Some(base), &commit.requirements)?;
    if commit.updates.is_empty() {
        return Ok(Made::default());
    }
    // A commit that waited for others must not turn the table's clock back.
    let now = ctx.now().max(Micros(base.last_updated_ms().saturating_mul(1_000)));
    let next = metadata::apply(Some(base), &commit.updates, now)?
        .with_log_entry(&row.metadata_location, base.last_updated_ms())?;
    // SECURITY: every location at every commit, after the updates were applied (R4, R9, R10).
    let root = places::check_table_location(&row.warehouse, &row.location)?.clone();
    places::check_document(&next, &row.location)?;
    if !edits_policies(ctx, &row.table) {
        columns::check_kept(ctx.snapshot(), &row.table, base, &next)?;
    }
    let name = row.table.qualified();
    // Of the old document too: it may hold a column that this commit renames, and that came unseen.
    let restrictions = ctx.snapshot().restrictions_on(row.table.id, &name);
    let bindings = columns::new_bindings(restrictions, row.table.id, &[base, &next]);
    let fallen = next.fallen_from_log(base);
    let next = NewFile::new(&root, &row.location, next_version(&row.metadata_location), next)?;
    Ok(Made { next: Some(next), bindings, fallen })
}

/// True if the caller may edit policies on the table, and so may decide what becomes of the columns they read.
pub(crate) fn edits_policies(ctx: &OpCtx, table: &TableRef) -> bool {
    polder_policy::authorize(ctx.snapshot(), ctx.principal(), actions::ReleaseTable, table).is_ok()
}

/// The number after the one that the current file's name begins with; for people, nothing depends on it.
fn next_version(metadata_location: &str) -> u64 {
    let file = metadata_location.rsplit('/').next().unwrap_or_default();
    let digits = file.split('-').next().unwrap_or_default();
    digits.parse::<u64>().map_or(0, |version| version.saturating_add(1))
}
