//! From names to rows, and the 404 that keeps secrets: whoever may not know a warehouse gets the answer of an absent
//! one for everything inside it (R22).

use std::sync::Arc;

use polder_policy::{Action, DenialReason, Permit, actions};
use polder_store::{NamespaceRow, TableRow, ViewRow, WarehouseRow};
use polder_types::{Error, ErrorKind, Namespace, Result, Scope, Subject, TableIdent, WarehouseName};

use crate::OpCtx;

/// Finds a warehouse of the caller's tenant. Whether the caller may know it is decided with what is inside.
///
/// # Errors
/// `NotFound`; `Forbidden` if the credential does not reach the catalog at all.
pub(crate) async fn warehouse(ctx: &OpCtx, name: &WarehouseName) -> Result<Arc<WarehouseRow>> {
    // First, so that an under-scoped credential cannot tell what exists.
    ctx.require_scope(Scope::Catalog, actions::GetConfig::NAME, Subject::Warehouse, name.as_str())?;
    if let Some(row) = ctx.glance().warehouse(ctx.tenant(), name) {
        return Ok(row);
    }
    let found = ctx.catalog().store().resolve_warehouse(ctx.tenant(), name).await?;
    found.ok_or_else(|| Error::not_found(Subject::Warehouse, name.as_str()))
}

/// Finds a namespace.
///
/// # Errors
/// `NotFound`, of the warehouse if the caller may not know even that.
pub(crate) async fn namespace(ctx: &OpCtx, warehouse: &WarehouseRow, name: &Namespace) -> Result<Arc<NamespaceRow>> {
    if let Some(row) = ctx.glance().namespace(&warehouse.warehouse, name) {
        return Ok(row);
    }
    let found = ctx.catalog().store().resolve_namespace(&warehouse.warehouse, name).await?;
    found.ok_or_else(|| hidden(ctx, warehouse, Error::not_found(Subject::Namespace, &name.to_string())))
}

/// Finds a table.
///
/// # Errors
/// As [`namespace`].
pub(crate) async fn table(ctx: &OpCtx, warehouse: &WarehouseRow, ident: &TableIdent) -> Result<Arc<TableRow>> {
    table_if_any(ctx, warehouse, ident).await?.ok_or_else(|| no_such_table(ctx, warehouse, ident))
}

/// Finds a table that may be missing.
pub(crate) async fn table_if_any(
    ctx: &OpCtx,
    warehouse: &WarehouseRow,
    ident: &TableIdent,
) -> Result<Option<Arc<TableRow>>> {
    if let Some(row) = ctx.glance().take_table(&warehouse.warehouse, ident) {
        return Ok(Some(row));
    }
    ctx.catalog().store().resolve_table(&warehouse.warehouse, ident).await
}

/// The answer for a table that is not there.
pub(crate) fn no_such_table(ctx: &OpCtx, warehouse: &WarehouseRow, ident: &TableIdent) -> Error {
    hidden(ctx, warehouse, Error::not_found(Subject::Table, &ident.to_string()))
}

/// Finds a view.
///
/// # Errors
/// As [`namespace`].
pub(crate) async fn view(ctx: &OpCtx, warehouse: &WarehouseRow, ident: &TableIdent) -> Result<Arc<ViewRow>> {
    let found = ctx.catalog().store().resolve_view(&warehouse.warehouse, ident).await?;
    found.ok_or_else(|| hidden(ctx, warehouse, Error::not_found(Subject::View, &ident.to_string())))
}

/// Refuses a name that a table or view has; the transaction decides it for good.
///
/// # Errors
/// `AlreadyExists`, in Java's words for a name of the other kind.
pub(crate) async fn refuse_taken(
    ctx: &OpCtx,
    warehouse: &WarehouseRow,
    wanted: Subject,
    ident: &TableIdent,
) -> Result<()> {
    let there = if table_if_any(ctx, warehouse, ident).await?.is_some() {
        Subject::Table
    } else if ctx.catalog().store().resolve_view(&warehouse.warehouse, ident).await?.is_some() {
        Subject::View
    } else {
        return Ok(());
    };
    let taken = Error::already_exists(there, &ident.to_string());
    if there == wanted {
        return Err(taken);
    }
    let noun = if there == Subject::View { "View" } else { "Table" };
    let message = format!("{noun} with same name already exists: {ident}");
    Err(Error::new(taken.kind(), there, taken.code(), message))
}

/// Decides on something inside a warehouse.
///
/// # Errors
/// As [`OpCtx::authorize`]; a 404 is the warehouse's own if the caller may not know even that.
pub(crate) fn permit<A: Action>(
    ctx: &OpCtx,
    warehouse: &WarehouseRow,
    action: A,
    resource: &A::Resource,
) -> Result<Permit<A>> {
    ctx.authorize(action, resource).map_err(|error| hidden(ctx, warehouse, error))
}

/// Replaces a 404 by the warehouse's where the caller may not know the warehouse.
pub(crate) fn hidden(ctx: &OpCtx, warehouse: &WarehouseRow, error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    let known = polder_policy::authorize(ctx.snapshot(), ctx.principal(), actions::GetConfig, &warehouse.warehouse);
    match known {
        Err(denial) if denial.reason == DenialReason::Invisible => {
            Error::not_found(Subject::Warehouse, warehouse.warehouse.name.as_str())
        }
        _ => error,
    }
}
