//! SQL over HTTP: extract, ask the gateway, render. Decides nothing.

use axum::response::Response;
use http::StatusCode;
use polder_catalog::OpCtx;
use polder_query::{ArrowAnswer, QueryRequest};
use polder_types::{Result, WarehouseName};
use serde::Deserialize;

use crate::{accept, access_log::QueryFacts, call::Call, render};

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

/// The forms of an answer, in our order of preference.
const FORMS: [&str; 2] = [render::APPLICATION_JSON, render::ARROW_STREAM];

/// Runs one governed query (S-092); errors are JSON whatever form is asked for.
pub(crate) async fn query(ctx: OpCtx, call: Call) -> Result<Response> {
    let app = call.app();
    let form = accept::negotiate(call.headers(), &FORMS)?;
    let request: Body = call.json().await?;
    let (head, mut response) = if form == 0 {
        let answer = app.gateway().query(&ctx, request.into()).await?;
        let response = render::json(StatusCode::OK, &answer)?;
        (answer.head, response)
    } else {
        let ArrowAnswer { head, stream } = app.gateway().query_arrow(&ctx, request.into()).await?;
        let response = render::arrow(stream, head.metadata.row_count, head.metadata.truncated);
        (head, response)
    };
    response.extensions_mut().insert(QueryFacts {
        engine: head.metadata.engine.to_owned(),
        routed_reason: head.metadata.routed_reason.to_owned(),
        query_id: head.metadata.query_id.to_string(),
    });
    Ok(response)
}

/// Says in words how a query would be governed.
pub(crate) async fn explain(ctx: OpCtx, call: Call) -> Result<Response> {
    let app = call.app();
    let request: Body = call.json().await?;
    render::json(StatusCode::OK, &app.gateway().explain(&ctx, request.into()).await?)
}
