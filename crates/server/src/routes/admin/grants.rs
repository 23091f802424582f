//! Grants over HTTP: privileges of a role on an object, by name.

use axum::response::Response;
use http::StatusCode;
use polder_catalog::{
    OpCtx,
    admin::grants::{self, GrantRequest, ObjectName},
};
use polder_policy::{Effect, Privilege};
use polder_store::GrantRow;
use polder_types::{Error, Micros, Namespace, Result, Subject, WarehouseName};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::paging;
use crate::{call::Call, render};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateGrant {
    role: String,
    privileges: Vec<String>,
    on: On,
    #[serde(default = "allow")]
    effect: Effect,
}

fn allow() -> Effect {
    Effect::Allow
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct On {
    warehouse: Option<WarehouseName>,
    namespace: Option<Namespace>,
    table: Option<String>,
}

#[derive(Serialize)]
struct GrantView {
    id: Uuid,
    role: String,
    effect: Effect,
    privilege: Privilege,
    on: OnView,
    created_at: Micros,
}

#[derive(Serialize)]
struct OnView {
    #[serde(skip_serializing_if = "Option::is_none")]
    warehouse: Option<WarehouseName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<Namespace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
}

impl From<GrantRow> for GrantView {
    fn from(row: GrantRow) -> Self {
        Self {
            id: row.id,
            role: row.role_name,
            effect: row.effect,
            privilege: row.privilege,
            on: OnView { warehouse: row.warehouse, namespace: row.namespace, table: row.table },
            created_at: row.created_at,
        }
    }
}

#[derive(Serialize)]
struct CreatedView {
    grants: Vec<GrantView>,
}

/// Makes grants, one for each privilege.
pub(crate) async fn create_grant(ctx: OpCtx, call: Call) -> Result<Response> {
    let CreateGrant { role, privileges, on, effect } = call.json().await?;
    let privileges = privileges.iter().map(|word| word.parse()).collect::<Result<Vec<Privilege>>>()?;
    let on = ObjectName { warehouse: on.warehouse, namespace: on.namespace, table: on.table };
    let rows = grants::create(&ctx, &GrantRequest { role, effect, privileges, on }).await?;
    let grants = rows.into_iter().map(GrantView::from).collect();
    render::json(StatusCode::CREATED, &CreatedView { grants })
}

/// Lists the grants.
pub(crate) async fn list_grants(ctx: OpCtx, call: Call) -> Result<Response> {
    let page = grants::list(&ctx, &paging::page(&call)?).await?;
    paging::render("grants", page, GrantView::from)
}

/// Removes a grant.
pub(crate) async fn delete_grant(ctx: OpCtx, call: Call) -> Result<Response> {
    let id = call.required("grant")?;
    let id: Uuid = id.parse().map_err(|_| Error::not_found(Subject::Grant, id))?;
    grants::delete(&ctx, id).await?;
    Ok(render::no_content())
}
