//! Warehouses over HTTP.

use std::{collections::BTreeSet, sync::LazyLock};

use axum::response::Response;
use http::StatusCode;
use polder_catalog::{
    OpCtx,
    admin::warehouses::{self, WarehouseRequest},
};
use polder_store::WarehouseRow;
use polder_types::{Error, Micros, Result, Subject, WarehouseName};
use serde::{Deserialize, Serialize};

use super::paging;
use crate::{call::Call, render, router, routing::Route};

/// Words that follow `/iceberg/v1/` where a path names no warehouse, as the router has them.
// SECURITY: `/iceberg/v1/namespaces/namespaces` would mean another warehouse, the default one, than whoever sent it to one
// called `namespaces` thinks. Only making one is refused: what is there can still be shown and deleted.
static RESERVED: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| router::routes().iter().filter_map(Route::reserves).map(str::to_owned).collect());

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateWarehouse {
    name: WarehouseName,
    root: Option<String>,
    #[serde(default)]
    allowed_locations: Vec<String>,
    #[serde(default)]
    default: bool,
}

#[derive(Serialize)]
struct WarehouseView {
    name: WarehouseName,
    root: String,
    allowed_locations: Vec<String>,
    default: bool,
    created_at: Micros,
}

impl WarehouseView {
    fn new(row: &WarehouseRow) -> Self {
        Self {
            name: row.warehouse.name.clone(),
            root: row.root.to_string(),
            allowed_locations: row.allowed_locations.iter().map(ToString::to_string).collect(),
            default: row.default,
            created_at: row.created_at,
        }
    }
}

/// The warehouse in the path; a name that is not of the grammar is absent like any other.
fn name(call: &Call) -> Result<WarehouseName> {
    let name = call.required("warehouse")?;
    name.parse().map_err(|_| Error::not_found(Subject::Warehouse, name))
}

/// Makes a warehouse.
pub(crate) async fn create_warehouse(ctx: OpCtx, call: Call) -> Result<Response> {
    let CreateWarehouse { name, root, allowed_locations, default } = call.json().await?;
    if RESERVED.contains(name.as_str()) {
        let why = format!(
            "a warehouse cannot be called `{name}`: in paths of the default warehouse the word follows `/iceberg/v1/` \
             itself, and would be taken for that; choose another name"
        );
        return Err(Error::invalid("reserved_name", why).about(Subject::Warehouse));
    }
    let row = warehouses::create(&ctx, &WarehouseRequest { name, root, allowed_locations, default }).await?;
    render::json(StatusCode::CREATED, &WarehouseView::new(&row))
}

/// Lists the warehouses.
pub(crate) async fn list_warehouses(ctx: OpCtx, call: Call) -> Result<Response> {
    let page = warehouses::list(&ctx, &paging::page(&call)?).await?;
    paging::render("warehouses", page, |row| WarehouseView::new(&row))
}

/// Shows a warehouse.
pub(crate) async fn show_warehouse(ctx: OpCtx, call: Call) -> Result<Response> {
    let row = warehouses::show(&ctx, &name(&call)?).await?;
    render::json(StatusCode::OK, &WarehouseView::new(&row))
}

/// Deletes an empty warehouse.
pub(crate) async fn delete_warehouse(ctx: OpCtx, call: Call) -> Result<Response> {
    warehouses::delete(&ctx, &name(&call)?).await?;
    Ok(render::no_content())
}
