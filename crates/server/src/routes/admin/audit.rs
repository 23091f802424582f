//! The audit trail of the caller's tenant over HTTP, newest first.

use std::sync::Arc;

use axum::response::Response;
use polder_catalog::{OpCtx, admin::audit};
use polder_store::{AuditFilter, AuditRow, Decision};
use polder_types::{Error, EventId, Micros, PrincipalId, RequestId, Result};
use serde::{Deserialize, Serialize};

use super::paging;
use crate::call::Call;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    page_size: Option<String>,
    page_token: Option<String>,
    principal_id: Option<String>,
    actor_id: Option<String>,
    action: Option<String>,
    decision: Option<String>,
    request_id: Option<String>,
    since: Option<String>,
}

impl Query {
    fn filter(&self) -> Result<AuditFilter> {
        let decision = match self.decision.as_deref() {
            None => None,
            Some("allow") => Some(Decision::Allow),
            Some("deny") => Some(Decision::Deny),
            Some(_) => return Err(Error::invalid("invalid_filter", "`decision` is `allow` or `deny`")),
        };
        let request = self.request_id.as_deref().map(|text| text.parse().map(RequestId)).transpose();
        let since = self.since.as_deref().map(|text| text.parse().map(Micros)).transpose();
        Ok(AuditFilter {
            principal: self.principal_id.as_deref().map(str::parse::<PrincipalId>).transpose()?,
            actor: self.actor_id.as_deref().map(str::parse::<PrincipalId>).transpose()?,
            action: self.action.clone(),
            decision,
            request: request.map_err(|_| Error::invalid("invalid_filter", "`request_id` is a ULID"))?,
            since: since.map_err(|_| Error::invalid("invalid_filter", "`since` is in microseconds since 1970"))?,
        })
    }
}

#[derive(Serialize)]
struct RecordView {
    id: EventId,
    at: Micros,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_id: Option<PrincipalId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_id: Option<PrincipalId>,
    action: String,
    object_kind: String,
    object: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_version: Option<i64>,
    decision: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_version: Option<i64>,
    count: i64,
    detail: serde_json::Value,
}

impl From<AuditRow> for RecordView {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            at: row.at,
            request_id: row.request,
            principal: row.principal_name,
            principal_id: row.principal,
            actor_id: row.actor.as_ref().map(|actor| actor.id),
            actor: row.actor.map(|actor| actor.name),
            action: row.action,
            object_kind: row.subject,
            object: row.object_name,
            object_id: row.object_id,
            object_version: row.object_version,
            decision: row.decision,
            reason: row.reason,
            policy_version: row.policy_version,
            count: row.count,
            detail: row.detail,
        }
    }
}

/// Lists audit records.
pub(crate) async fn list_audit(ctx: OpCtx, call: Call) -> Result<Response> {
    let query: Query = call.query()?;
    let filter = query.filter()?;
    let page = paging::request(query.page_size.as_deref(), query.page_token)?;
    paging::render("records", audit::list(&ctx, &filter, &page).await?, RecordView::from)
}
