//! `getConfig`: where a client finds its warehouse, and exactly what works here.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::response::Response;
use http::StatusCode;
use polder_catalog::{
    OpCtx,
    idempotency::KEY_LIFETIME_SECONDS,
    warehouses::{self, WarehouseConfig},
};
use polder_types::{Result, WarehouseName};
use serde::{Deserialize, Serialize};

use super::named_warehouse;
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
#[serde(rename_all = "kebab-case")]
struct Overrides {
    prefix: WarehouseName,
    namespace_separator: &'static str,
}

/// What joins the levels of a namespace in a path, as it is written there: the specification's own.
const NAMESPACE_SEPARATOR: &str = "%1F";

/// Says which prefix a warehouse has. The warehouse is the one named, or the tenant's default or only one.
pub(crate) async fn get_config(ctx: OpCtx, call: Call) -> Result<Response> {
    let named = call.query::<Query>()?.warehouse.filter(|name| !name.is_empty());
    let named = named.as_deref().map(named_warehouse).transpose()?;
    let WarehouseConfig { name, defaults } = warehouses::config(&ctx, named.as_ref()).await?;
    let config = CatalogConfig {
        defaults: &defaults,
        overrides: Overrides { prefix: name, namespace_separator: NAMESPACE_SEPARATOR },
        endpoints: &ENDPOINTS,
        idempotency_key_lifetime: &LIFETIME,
    };
    render::json(StatusCode::OK, &config)
}
