//! `getConfig`: where a client finds its warehouse, and exactly what works here.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::response::Response;
use http::StatusCode;
use polder_catalog::{OpCtx, idempotency::KEY_LIFETIME_SECONDS};
use polder_policy::actions;
use polder_types::{Error, Result, Subject, WarehouseName};
use serde::{Deserialize, Serialize};

use super::{default_warehouse, named_warehouse};
use crate::{call::Call, render, router};

/// What the router serves, in the specification's words.
static ENDPOINTS: LazyLock<Vec<String>> =
    LazyLock::new(|| router::routes().iter().filter_map(crate::routing::Route::endpoint).collect());

/// How long a client may use an `Idempotency-Key` again, as an ISO 8601 duration.
static LIFETIME: LazyLock<String> = LazyLock::new(|| format!("PT{}M", KEY_LIFETIME_SECONDS / 60));

#[derive(Deserialize)]
struct Query {
    warehouse: Option<String>,
}

/// `CatalogConfig` of the specification.
#[derive(Serialize)]
struct CatalogConfig<'a> {
    /// How its store is reached, with keys of the client's own.
    defaults: &'a BTreeMap<String, String>,
    overrides: Overrides,
    endpoints: &'static [String],
    #[serde(rename = "idempotency-key-lifetime")]
    idempotency_key_lifetime: &'static str,
}

#[derive(Serialize)]
struct Overrides {
    prefix: WarehouseName,
}

/// Says which prefix a warehouse has. The warehouse is the one named, or the tenant's default or only one.
pub(crate) async fn get_config(ctx: OpCtx, call: Call) -> Result<Response> {
    let row = match call.query::<Query>()?.warehouse.filter(|name| !name.is_empty()) {
        None => default_warehouse(&ctx).await?,
        Some(name) => {
            let name = named_warehouse(&name)?;
            let row = ctx.catalog().store().resolve_warehouse(ctx.tenant(), &name).await?;
            let row = row.ok_or_else(|| Error::not_found(Subject::Warehouse, name.as_str()))?;
            ctx.authorize(actions::GetConfig, &row.warehouse)?;
            row
        }
    };
    let defaults = ctx.catalog().client_config(&row.root);
    let config = CatalogConfig {
        defaults: &defaults,
        overrides: Overrides { prefix: row.warehouse.name.clone() },
        endpoints: &ENDPOINTS,
        idempotency_key_lifetime: &LIFETIME,
    };
    render::json(StatusCode::OK, &config)
}
