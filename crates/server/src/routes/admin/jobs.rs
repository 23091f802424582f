//! The durable jobs of the caller's tenant over HTTP, newest first.

use axum::response::Response;
use polder_catalog::{OpCtx, admin::jobs};
use polder_store::JobRow;
use polder_types::{JobId, Micros, Result};
use serde::Serialize;

use super::paging;
use crate::call::Call;

#[derive(Serialize)]
struct JobView {
    id: JobId,
    kind: &'static str,
    table: String,
    location: String,
    state: &'static str,
    attempts: i64,
    files: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    asked_by: String,
    /// Who acted for it, if it did not act itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    request_id: String,
    created_at: Micros,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Micros>,
}

impl From<JobRow> for JobView {
    fn from(row: JobRow) -> Self {
        Self {
            id: row.id,
            kind: row.work.kind(),
            table: row.relation_name,
            location: row.location.to_string(),
            state: row.state.as_str(),
            attempts: row.attempts,
            files: row.files,
            problem: row.problem,
            asked_by: row.asked_by.principal.name.to_string(),
            actor: row.asked_by.actor.map(|actor| actor.name.to_string()),
            request_id: row.request.to_string(),
            created_at: row.created_at,
            due_at: row.ended_at.is_none().then_some(row.due_at),
            ended_at: row.ended_at,
        }
    }
}

/// Lists jobs.
pub(crate) async fn list_jobs(ctx: OpCtx, call: Call) -> Result<Response> {
    let page = paging::page(&call)?;
    paging::render("jobs", jobs::list(&ctx, &page).await?, JobView::from)
}
