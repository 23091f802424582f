//! Warehouses as clients meet them: where one is, and which one is meant where none is named. No HTTP.

use std::{collections::BTreeMap, sync::Arc};

use polder_policy::actions;
use polder_store::WarehouseRow;
use polder_types::{Error, ErrorKind, Result, Subject, WarehouseName};

use crate::OpCtx;

/// What a client is told of a warehouse (`getConfig`).
#[derive(Clone, Debug)]
pub struct WarehouseConfig {
    /// Its name.
    pub name: WarehouseName,
    /// How its store is reached, with keys of the client's own.
    pub defaults: Arc<BTreeMap<String, String>>,
}

/// Says how a warehouse is reached: the one named, or the caller's default one.
///
/// # Errors
/// `NotFound` if there is none of the name or the caller may not know it; as [`default`] without a name.
pub async fn config(ctx: &OpCtx, name: Option<&WarehouseName>) -> Result<WarehouseConfig> {
    let row = match name {
        None => default(ctx).await?,
        Some(name) => {
            let row = ctx.catalog().store().resolve_warehouse(ctx.tenant(), name).await?;
            let row = row.ok_or_else(|| Error::not_found(Subject::Warehouse, name.as_str()))?;
            ctx.authorize(actions::GetConfig, &row.warehouse)?;
            row
        }
    };
    Ok(WarehouseConfig { name: row.warehouse.name.clone(), defaults: ctx.catalog().client_config(&row.root) })
}

/// The warehouse that is meant where none is named: the credential's own, else the tenant's default or only one.
///
/// # Errors
/// `Invalid` if there is none, or the caller may not know it: the name was not the caller's, so it is not told.
pub async fn default(ctx: &OpCtx) -> Result<Arc<WarehouseRow>> {
    let unnamed = || Error::invalid("warehouse_needed", "name a warehouse: you have no default one");
    let row = ctx.default_warehouse().await?.ok_or_else(unnamed)?;
    match ctx.authorize(actions::GetConfig, &row.warehouse) {
        Ok(_) => Ok(row),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(unnamed()),
        Err(error) => Err(error),
    }
}
