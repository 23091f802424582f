//! What clients reported of their scans and commits, newest first.

use std::collections::BTreeMap;

use axum::response::Response;
use polder_catalog::{OpCtx, admin::reports};
use polder_store::ReportRow;
use polder_types::{Error, Micros, RelationId, Result};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::paging;
use crate::call::Call;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportsQuery {
    table_id: Option<String>,
    page_size: Option<String>,
    page_token: Option<String>,
}

#[derive(Serialize)]
struct ReportView {
    id: Uuid,
    at: Micros,
    kind: String,
    table: String,
    table_id: RelationId,
    snapshot_id: i64,
    metrics: BTreeMap<String, i64>,
    reported_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    request_id: String,
}

impl From<ReportRow> for ReportView {
    fn from(row: ReportRow) -> Self {
        Self {
            id: row.id,
            at: row.at,
            kind: row.kind,
            table: row.relation_name,
            table_id: row.relation,
            snapshot_id: row.snapshot_id,
            metrics: row.metrics,
            reported_by: row.caller.principal.name.to_string(),
            actor: row.caller.actor.map(|actor| actor.name.to_string()),
            request_id: row.request,
        }
    }
}

/// Lists reports.
pub(crate) async fn list_reports(ctx: OpCtx, call: Call) -> Result<Response> {
    let ReportsQuery { table_id, page_size, page_token } = call.query()?;
    let parse = |text: String| text.parse().map(RelationId);
    let of = table_id.map(parse).transpose();
    let of = of.map_err(|_| Error::invalid("invalid_table_id", "`table_id` is the id of a table"))?;
    let page = paging::request(page_size.as_deref(), page_token)?;
    paging::render("reports", reports::list(&ctx, of, &page).await?, ReportView::from)
}
