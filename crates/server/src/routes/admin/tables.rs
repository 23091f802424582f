//! What administrators do to tables: release them from quarantine.

use axum::response::Response;
use http::StatusCode;
use polder_catalog::{OpCtx, admin::policies};
use polder_types::{Namespace, Result, TableIdent, WarehouseName};
use serde::{Deserialize, Serialize};

use crate::{call::Call, render};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseTable {
    warehouse: WarehouseName,
    namespace: Namespace,
    table: String,
}

#[derive(Serialize)]
struct ReleasedView {
    released: bool,
}

/// Ends the quarantine of a table; says whether it was in one (R23).
pub(crate) async fn release_table(ctx: OpCtx, call: Call) -> Result<Response> {
    let ReleaseTable { warehouse, namespace, table } = call.json().await?;
    let released = policies::release_table(&ctx, &warehouse, &TableIdent::new(namespace, table)?).await?;
    render::json(StatusCode::OK, &ReleasedView { released })
}
