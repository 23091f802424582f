//! The Iceberg REST door: handlers named after the specification's operations.

pub(crate) mod access;
pub(crate) mod again;
mod chain;
pub(crate) mod config;
pub(crate) mod namespaces;
mod paging;
pub(crate) mod plans;
pub(crate) mod reports;
pub(crate) mod tables;
pub(crate) mod transactions;
pub(crate) mod views;

use polder_catalog::{OpCtx, warehouses};
use polder_types::{Error, Namespace, Result, Subject, TableIdent, WarehouseName};

use crate::call::Call;

/// The warehouse that the path names, or the tenant's default one where the path names none.
///
/// # Errors
/// `NotFound` for a name that no warehouse can have; as [`warehouses::default`].
async fn warehouse(ctx: &OpCtx, call: &Call) -> Result<WarehouseName> {
    match call.param("prefix") {
        Some(name) => named_warehouse(name),
        None => Ok(warehouses::default(ctx).await?.warehouse.name.clone()),
    }
}

/// A name that is not of the grammar is absent like any other.
fn named_warehouse(name: &str) -> Result<WarehouseName> {
    name.parse().map_err(|_| Error::not_found(Subject::Warehouse, name))
}

/// The namespace in the path, its levels joined by U+001F.
fn namespace(call: &Call) -> Result<Namespace> {
    Namespace::from_path(call.required("namespace")?).map_err(|error| error.about(Subject::Namespace))
}

/// The table in the path.
fn table(call: &Call) -> Result<TableIdent> {
    TableIdent::new(namespace(call)?, call.required("table")?).map_err(|error| error.about(Subject::Table))
}
