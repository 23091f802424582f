//! Views as users know them: resolve, authorize, act. No HTTP, no SQL. Making and replacing them is in `views/change.rs`.
//!
//! A view's definition is data about tables, and gives no right to them: whoever a restriction holds for at the view's
//! name or id does not read it, and whoever reads it reads the tables with rights of his own.

mod change;
mod stored;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use polder_policy::{Action, DenialReason, Permit, actions};
use polder_store::{Page, PageRequest, TableEntry, ViewRow, WarehouseRow};
use polder_types::{Error, ErrorKind, Namespace, RelationId, Result, Subject, TableIdent, WarehouseName};

pub use change::{ViewCommit, create, register, replace};
pub(crate) use stored::ViewCache;

use crate::{OpCtx, resolve};
use stored::StoredView;

/// Most views of a chain that something is loaded through.
pub const CHAIN_MAX: usize = 32;

/// A loaded, created or replaced view: what an answer is made of.
#[derive(Clone, Debug)]
pub struct LoadedView {
    /// Where the document lies.
    pub metadata_location: String,
    /// The document, byte for byte as it is stored.
    pub metadata: Bytes,
    /// Settings for the client, the same for every principal.
    pub config: Arc<BTreeMap<String, String>>,
}

impl LoadedView {
    fn new(ctx: &OpCtx, row: &ViewRow, stored: &StoredView) -> Self {
        Self {
            metadata_location: row.metadata_location.clone(),
            metadata: stored.bytes.clone(),
            config: ctx.catalog().client_config(&row.location),
        }
    }
}

/// Lists the views of a namespace that the caller may know.
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
        .authorize_list(actions::ListViews, &row.namespace)
        .map_err(|error| resolve::hidden(ctx, &warehouse, error))?;
    ctx.catalog().store().list_views(&permit, page).await
}

/// Returns the view's current metadata as it is stored.
///
/// # Errors
/// `NotFound` if it does not exist or the caller may not know; `Forbidden` if its name is restricted for the caller.
pub async fn load(ctx: &OpCtx, warehouse: &WarehouseName, ident: &TableIdent) -> Result<LoadedView> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = resolve::view(ctx, &warehouse, ident).await?;
    let ctx = &ctx.newest().await?;
    let permit = resolve::permit(ctx, &warehouse, actions::LoadView, &row.view)?;
    let stored = ctx.catalog().views().current(&permit, &row).await?;
    Ok(LoadedView::new(ctx, &row, &stored))
}

/// Refuses whoever may not load every view of a chain that something is loaded through (`referenced-by`). It opens
/// nothing: what is loaded is decided on by itself, as if no view had been named.
///
/// # Errors
/// `NotFound`, `Forbidden` of the first view that may not be loaded; `Invalid` for more than [`CHAIN_MAX`].
pub async fn may_load_through(ctx: &OpCtx, warehouse: &WarehouseName, chain: &[TableIdent]) -> Result<()> {
    if chain.len() > CHAIN_MAX {
        return Err(Error::invalid(
            "invalid_referenced_by",
            format!("`referenced-by` names at most {CHAIN_MAX} views"),
        ));
    }
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    for ident in chain {
        let row = resolve::view(ctx, &warehouse, ident).await?;
        let ctx = &ctx.newest().await?;
        resolve::permit(ctx, &warehouse, actions::LoadView, &row.view)?;
    }
    Ok(())
}

/// Says whether a view exists for the caller.
///
/// # Errors
/// `NotFound` if it does not exist or the caller may not know.
pub async fn exists(ctx: &OpCtx, warehouse: &WarehouseName, ident: &TableIdent) -> Result<()> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = resolve::view(ctx, &warehouse, ident).await?;
    let ctx = &ctx.newest().await?;
    resolve::permit(ctx, &warehouse, actions::ViewExists, &row.view).map(|_| ())
}

/// Drops a view: its name is free again, its metadata files stay.
///
/// # Errors
/// `NotFound`, `Forbidden`.
pub async fn drop(ctx: &OpCtx, warehouse: &WarehouseName, ident: &TableIdent) -> Result<()> {
    ctx.retrying(|ctx| async move {
        let warehouse = resolve::warehouse(&ctx, warehouse).await?;
        let row = resolve::view(&ctx, &warehouse, ident).await?;
        let permit = resolve::permit(&ctx, &warehouse, actions::DropView, &row.view)?;
        ctx.catalog().store().drop_view(&permit, &ctx.stamp()).await
    })
    .await
}

/// Renames a view, within its warehouse. Restrictions of both names hold for it afterwards (R35).
///
/// # Errors
/// `AlreadyExists` if a table or view has the name; `NotFound`, `Forbidden` for either end, and for a move to another
/// namespace by someone who may not load the view.
pub async fn rename(ctx: &OpCtx, warehouse: &WarehouseName, from: &TableIdent, to: &TableIdent) -> Result<()> {
    ctx.retrying(|ctx| async move {
        let warehouse = resolve::warehouse(&ctx, warehouse).await?;
        let row = resolve::view(&ctx, &warehouse, from).await?;
        let source = resolve::permit(&ctx, &warehouse, actions::RenameView, &row.view)?;
        if from.namespace != to.namespace {
            // SECURITY: as for tables: what holds on a namespace stays behind (docs/decisions/0006).
            resolve::permit(&ctx, &warehouse, actions::LoadView, &row.view)?;
        }
        let namespace = resolve::namespace(&ctx, &warehouse, &to.namespace).await?;
        let target = resolve::permit(&ctx, &warehouse, actions::RenameInto, &namespace.namespace)?;
        ctx.catalog().store().rename_view(&source, &target, &to.name, &ctx.stamp()).await
    })
    .await
}

/// The answer of a `replaceView` that was done: the document that it wrote. It *did* land: no error of this may be told
/// but as an unknown outcome.
///
/// # Errors
/// `NotFound` if the view is gone; `NotFound` or `Forbidden` if the caller may not replace it any more.
pub async fn replaced_again(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    relation: RelationId,
    metadata_location: String,
) -> Result<LoadedView> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = view_of(ctx, &warehouse, relation).await?;
    let ctx = &ctx.newest().await?;
    // SECURITY: decided again, where the view stands now (R29).
    let permit = resolve::permit(ctx, &warehouse, actions::ReplaceView, &row.view)?;
    document(ctx, &permit, &row, metadata_location).await
}

/// The answer of a request that made a view: the document that it wrote.
///
/// # Errors
/// `NotFound` if the view is gone, or the caller may not know it any more; `Forbidden` if the caller may not create views
/// there, or the view is restricted for it by now.
pub async fn created_again(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    relation: RelationId,
    metadata_location: String,
) -> Result<LoadedView> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = view_of(ctx, &warehouse, relation).await?;
    let ctx = &ctx.newest().await?;
    // A 404 about the place where the view stands by now would name that place.
    let unnamed = |error: Error| match error.kind() {
        ErrorKind::NotFound => gone(ctx, &warehouse, relation),
        _ => error,
    };
    let permit = ctx.authorize(actions::CreateView, &row.view.relation.namespace).map_err(unnamed)?;
    let load = polder_policy::authorize(ctx.snapshot(), ctx.principal(), actions::LoadView, &row.view);
    // SECURITY: whoever may only create is answered again, nobody else without `LoadView` (R22, R29, A-077).
    if load.is_err_and(|denial| denial.reason != DenialReason::Privilege) {
        ctx.authorize(actions::LoadView, &row.view).map_err(unnamed)?; // refuses, and puts it on record
    }
    document(ctx, &permit, &row, metadata_location).await
}

/// Finds a view wherever it stands now.
async fn view_of(ctx: &OpCtx, warehouse: &WarehouseRow, relation: RelationId) -> Result<Arc<ViewRow>> {
    let row = ctx.catalog().store().resolve_view_by_id(&warehouse.warehouse, relation).await?;
    row.ok_or_else(|| gone(ctx, warehouse, relation))
}

fn gone(ctx: &OpCtx, warehouse: &WarehouseRow, relation: RelationId) -> Error {
    resolve::hidden(ctx, warehouse, Error::not_found(Subject::View, &relation.to_string()))
}

async fn document<A: Action>(
    ctx: &OpCtx,
    permit: &Permit<A>,
    row: &ViewRow,
    metadata_location: String,
) -> Result<LoadedView> {
    let then = ViewRow { metadata_location, ..row.clone() };
    let stored = ctx.catalog().views().current(permit, &then).await?;
    Ok(LoadedView::new(ctx, &then, &stored))
}

#[cfg(test)]
mod tests;
