//! SQL over HTTP: extract, ask the gateway, render. Decides nothing.

use axum::response::Response;
use http::StatusCode;
use polder_catalog::OpCtx;
use polder_query::QueryRequest;
use polder_types::{Result, WarehouseName};
use serde::Deserialize;

use crate::{access_log::QueryFacts, call::Call, render};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    sql: String,
    max_rows: Option<u64>,
    timeout_ms: Option<u64>,
    warehouse: Option<WarehouseName>,
}

impl From<Body> for QueryRequest {
    fn from(body: Body) -> Self {
        let Body { sql, max_rows, timeout_ms, warehouse } = body;
        Self { sql, max_rows, timeout_ms, warehouse }
    }
}

/// Runs one governed query (S-092).
pub(crate) async fn query(ctx: OpCtx, call: Call) -> Result<Response> {
    let app = call.app();
    let request: Body = call.json().await?;
    let answer = app.gateway().query(&ctx, request.into()).await?;
    let facts = QueryFacts {
        engine: answer.engine().to_owned(),
        routed_reason: answer.routed_reason().to_owned(),
        query_id: answer.query_id().to_owned(),
    };
    let mut response = render::json(StatusCode::OK, &answer)?;
    response.extensions_mut().insert(facts);
    Ok(response)
}

/// Says in words how a query would be governed.
pub(crate) async fn explain(ctx: OpCtx, call: Call) -> Result<Response> {
    let app = call.app();
    let request: Body = call.json().await?;
    render::json(StatusCode::OK, &app.gateway().explain(&ctx, request.into()).await?)
}
