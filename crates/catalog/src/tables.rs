//! Tables as users know them: resolve, authorize, act. No HTTP, no SQL. Committing is in `commit`.

mod register;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use polder_policy::{Action, Permit, actions};
use polder_store::{NewReport, Page, PageRequest, Purge, TableEntry, TableRow};
use polder_types::{
    Error, Location, Namespace, Result, Scope, Subject, TableIdent, WarehouseName, rest::ReportMetricsRequest,
};
use uuid::Uuid;

use crate::{
    OpCtx, TableObjects, cache::StoredDoc, columns, io::FileIo, metadata::TableDoc, places, resolve,
    vend::ACCESS_SECONDS_MAX, view::etag,
};
pub use register::{register, unregister};

pub use crate::{
    commit::{commit, create},
    view::{EntityTag, SnapshotsMode},
};

/// A loaded, created or committed table: what an answer is made of.
#[derive(Clone, Debug)]
pub struct LoadedTable {
    /// Where the document lies; `None` for a staged create, which nothing stores.
    pub metadata_location: Option<String>,
    /// The document, byte for byte as it is stored (or without the snapshots that no reference names).
    pub metadata: Bytes,
    /// The strong entity tag, in quotes; `None` for a staged create.
    pub etag: Option<EntityTag>,
    /// Settings for the client, the same for every principal.
    pub config: Arc<BTreeMap<String, String>>,
    /// The `table-uuid` inside the document.
    pub table_uuid: Uuid,
}

impl LoadedTable {
    pub(crate) fn new(ctx: &OpCtx, row: &TableRow, stored: &StoredDoc, mode: SnapshotsMode) -> Result<Self> {
        let config = ctx.catalog().client_config(&row.location);
        Ok(Self {
            metadata_location: Some(row.metadata_location.clone()),
            metadata: stored.body(mode)?,
            etag: Some(etag(&row.metadata_location, mode, row.warehouse.settings_version, &config, &[])),
            config,
            table_uuid: row.table_uuid,
        })
    }
}

/// A table that a query may read, with what must be enforced (in the permit).
#[derive(Clone, Debug)]
pub struct QueryTable {
    /// Proof of the decision, with its obligations.
    pub permit: Permit<actions::QueryTable>,
    /// The table as the catalog knows it; its `location` bounds every file that may be read.
    pub row: Arc<TableRow>,
    /// Its current metadata.
    pub doc: Arc<TableDoc>,
    /// Its files, if they are in an object store.
    pub objects: Option<TableObjects>,
}

/// Lists the tables of a namespace that the caller may know.
///
/// # Errors
/// `NotFound` for an absent or invisible namespace; `Invalid` for a page token that is not ours.
pub async fn list(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    namespace: &Namespace,
    page: &PageRequest,
) -> Result<Page<TableEntry>> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = resolve::namespace(ctx, &warehouse, namespace).await?;
    let ctx = &ctx.newest().await?;
    let permit = ctx
        .authorize_list(actions::ListTables, &row.namespace)
        .map_err(|error| resolve::hidden(ctx, &warehouse, error))?;
    ctx.catalog().store().list_tables(&permit, page).await
}

/// Returns the table's current metadata as it is stored.
///
/// # Errors
/// `NotFound` if it does not exist or the caller may not know; `Forbidden` if it is restricted for the caller.
pub async fn load(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    ident: &TableIdent,
    snapshots: SnapshotsMode,
) -> Result<LoadedTable> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = resolve::table(ctx, &warehouse, ident).await?;
    let ctx = &ctx.newest().await?;
    let permit = resolve::permit(ctx, &warehouse, actions::LoadTable, &row.table)?;
    let stored = ctx.catalog().metadata().current(&permit, &row).await?;
    LoadedTable::new(ctx, &row, &stored, snapshots)
}

/// Says whether a table exists for the caller.
///
/// # Errors
/// `NotFound` if it does not exist or the caller may not know.
pub async fn exists(ctx: &OpCtx, warehouse: &WarehouseName, ident: &TableIdent) -> Result<()> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = resolve::table(ctx, &warehouse, ident).await?;
    let ctx = &ctx.newest().await?;
    resolve::permit(ctx, &warehouse, actions::TableExists, &row.table).map(|_| ())
}

/// Drops a table: its name is free again. Its files stay, or with `purge` are deleted by a job that the same transaction
/// makes.
///
/// # Errors
/// `NotFound`, `Forbidden`.
pub async fn drop(ctx: &OpCtx, warehouse: &WarehouseName, ident: &TableIdent, purge: bool) -> Result<()> {
    ctx.retrying(|ctx| async move {
        let warehouse = resolve::warehouse(&ctx, warehouse).await?;
        let row = resolve::table(&ctx, &warehouse, ident).await?;
        let permit = resolve::permit(&ctx, &warehouse, actions::DropTable, &row.table)?;
        // SECURITY: what may still be opened is nobody's yet (R1).
        let opened = ctx.catalog().files().storage().delegates(&row.location);
        let closed_until = opened.then(|| ctx.now().plus_seconds(ACCESS_SECONDS_MAX));
        ctx.catalog().store().drop_table(&permit, purge.then_some(Purge { closed_until }), &ctx.stamp()).await
    })
    .await?;
    if purge {
        ctx.catalog().wake_workers();
    }
    Ok(())
}

/// Decides on a report about a scan of a table or a commit to it.
///
/// # Errors
/// As [`load`].
pub async fn may_report(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    ident: &TableIdent,
) -> Result<Permit<actions::ReportMetrics>> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = resolve::table(ctx, &warehouse, ident).await?;
    let ctx = &ctx.newest().await?;
    resolve::permit(ctx, &warehouse, actions::ReportMetrics, &row.table)
}

/// Keeps a report: counts under the names that are known, never a filter or a name of its own.
///
/// # Errors
/// `Internal` if the system has no random bytes.
pub fn report(ctx: &OpCtx, permit: &Permit<actions::ReportMetrics>, report: &ReportMetricsRequest) -> Result<()> {
    let new = NewReport { kind: report.kind(), snapshot_id: report.snapshot_id(), metrics: report.known() };
    ctx.catalog().store().keep_report(permit, new, &ctx.stamp())
}

/// Renames a table, within its warehouse. Restrictions of both names hold for it afterwards (R35).
///
/// # Errors
/// `AlreadyExists` if the name is taken; `NotFound`, `Forbidden` for either end, and for a move to another namespace
/// by someone who may not load the table.
pub async fn rename(ctx: &OpCtx, warehouse: &WarehouseName, from: &TableIdent, to: &TableIdent) -> Result<()> {
    ctx.retrying(|ctx| async move {
        let warehouse = resolve::warehouse(&ctx, warehouse).await?;
        let row = resolve::table(&ctx, &warehouse, from).await?;
        let source = resolve::permit(&ctx, &warehouse, actions::RenameTable, &row.table)?;
        if from.namespace != to.namespace {
            // SECURITY: what holds on a namespace stays behind, so only who reads the table whole, and could copy it,
            // may move it: an inherited denial or the exemption of another namespace is no way to its rows (R16, R35).
            resolve::permit(&ctx, &warehouse, actions::LoadTable, &row.table)?;
        }
        let namespace = resolve::namespace(&ctx, &warehouse, &to.namespace).await?;
        let target = resolve::permit(&ctx, &warehouse, actions::RenameInto, &namespace.namespace)?;
        let name = polder_types::QualifiedName { warehouse: warehouse.warehouse.name.clone(), ident: to.clone() };
        let mut taken_over = columns::restrictions_on_name(ctx.snapshot(), &name).peekable();
        let bindings = if taken_over.peek().is_some() {
            let stored = ctx.catalog().metadata().current(&source, &row).await?;
            columns::new_bindings(taken_over, row.table.id, &[stored.doc()])
        } else {
            Vec::new()
        };
        let store = ctx.catalog().store();
        let seen = &row.metadata_location;
        store.rename_table(&source, &target, &to.name, seen, bindings, &ctx.stamp()).await.map(|_| ())
    })
    .await
}

/// A table that may be queried, before anybody has looked at its directory.
// SECURITY: a document from the cache was read when the directory was still there. Whoever reads the data takes the real
// place of the table's directory for its bound, so it must be no link to somewhere else.
#[derive(Debug)]
pub struct FoundTable {
    table: QueryTable,
    root: Location,
    files: FileIo,
}

impl FoundTable {
    /// Looks at the directory on another thread.
    ///
    /// # Errors
    /// `Invalid` if it is a symbolic link; `Unavailable` if it cannot be looked at.
    pub async fn placed(self) -> Result<QueryTable> {
        self.files.check_place(&self.root, &self.table.row.location).await?;
        Ok(self.table)
    }

    /// Looks at the directory here. Blocks.
    ///
    /// # Errors
    /// As [`FoundTable::placed`].
    pub fn placed_here(self) -> Result<QueryTable> {
        self.files.check_place_here(&self.root, &self.table.row.location)?;
        Ok(self.table)
    }
}

/// Resolves and authorizes a table for a governed query; `warehouse` is the tenant's default if not named.
///
/// # Errors
/// `NotFound`, always of the table, if anything on its path does not exist or the caller may not know;
/// `Forbidden` if the caller may not read it.
pub async fn for_query(ctx: &OpCtx, warehouse: Option<&WarehouseName>, ident: &TableIdent) -> Result<FoundTable> {
    ctx.require_scope(Scope::Query, actions::QueryTable::NAME, Subject::Table, &ident.to_string())?;
    let absent = || Error::not_found(Subject::Table, &ident.to_string());
    let store = ctx.catalog().store();
    let warehouse = match warehouse {
        Some(name) => store.resolve_warehouse(ctx.tenant(), name).await?,
        None => ctx.default_warehouse().await?,
    };
    let warehouse = warehouse.ok_or_else(absent)?;
    let row = store.resolve_table(&warehouse.warehouse, ident).await?.ok_or_else(absent)?;
    let ctx = &ctx.newest().await?;
    let permit = ctx.authorize(actions::QueryTable, &row.table)?; // SECURITY: nothing below may run without it
    let stored = ctx.catalog().metadata().current(&permit, &row).await?;
    let root = places::check_table_location(&row.warehouse, &row.location)?.clone();
    let files = ctx.catalog().files().clone();
    let objects = files.objects(&row.location)?;
    Ok(FoundTable { table: QueryTable { permit, row, doc: Arc::clone(stored.doc()), objects }, root, files })
}

#[cfg(test)]
mod tests;
