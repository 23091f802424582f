//! The Iceberg REST door: handlers named after the specification's operations.

pub(crate) mod again;
pub(crate) mod config;
pub(crate) mod namespaces;
mod paging;
pub(crate) mod tables;
pub(crate) mod transactions;

use std::sync::Arc;

use polder_catalog::OpCtx;
use polder_policy::actions;
use polder_store::WarehouseRow;
use polder_types::{Error, ErrorKind, Namespace, Result, Subject, TableIdent, WarehouseName};

use crate::call::Call;

/// The warehouse that the path names, or the tenant's default one where the path names none.
///
/// # Errors
/// `NotFound` for a name that no warehouse can have; as [`default_warehouse`].
async fn warehouse(ctx: &OpCtx, call: &Call) -> Result<WarehouseName> {
    match call.param("prefix") {
        Some(name) => named_warehouse(name),
        None => Ok(default_warehouse(ctx).await?.warehouse.name.clone()),
    }
}

/// A name that is not of the grammar is absent like any other.
fn named_warehouse(name: &str) -> Result<WarehouseName> {
    name.parse().map_err(|_| Error::not_found(Subject::Warehouse, name))
}

/// The tenant's default or only warehouse.
///
/// # Errors
/// `Invalid` if there is none, or the caller may not know it: the name was not the caller's, so it is not told.
async fn default_warehouse(ctx: &OpCtx) -> Result<Arc<WarehouseRow>> {
    let unnamed = || Error::invalid("warehouse_needed", "name a warehouse: you have no default one");
    let row = ctx.default_warehouse().await?.ok_or_else(unnamed)?;
    match ctx.authorize(actions::GetConfig, &row.warehouse) {
        Ok(_) => Ok(row),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(unnamed()),
        Err(error) => Err(error),
    }
}

/// The namespace in the path, its levels joined by U+001F.
fn namespace(call: &Call) -> Result<Namespace> {
    Namespace::from_path(call.required("namespace")?).map_err(|error| error.about(Subject::Namespace))
}

/// The table in the path.
fn table(call: &Call) -> Result<TableIdent> {
    TableIdent::new(namespace(call)?, call.required("table")?).map_err(|error| error.about(Subject::Table))
}
