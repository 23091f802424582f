//! Scan planning over HTTP: extract, authorize by the catalog, call the planner, render. Decides nothing.
//!
//! A plan is completed at once and in bounded parts, so no answer here is `submitted`.

use axum::response::Response;
use http::StatusCode;
use polder_catalog::{OpCtx, scans};
use polder_query::ScanTasks;
use polder_types::{Result, rest::FetchScanTasksRequest};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{access, table, warehouse};
use crate::{
    call::Call,
    render::{self, Delegated, WireCredential},
};

/// `CompletedPlanningWithIDResult`, `CompletedPlanningResult`, `EmptyPlanningResult`, `FetchScanTasksResult`.
#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Planned<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan_id: Option<String>,
    /// Clients refuse delete files without tasks, and take absent for none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    delete_files: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_scan_tasks: Option<Vec<Box<RawValue>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plan_tasks: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    storage_credentials: Vec<WireCredential<'a>>,
}

impl Planned<'_> {
    fn new(status: Option<&'static str>, plan_id: Option<String>, tasks: ScanTasks) -> Self {
        let ScanTasks { delete_files, file_scan_tasks, plan_tasks } = tasks;
        let file_scan_tasks = Some(file_scan_tasks);
        Self { status, plan_id, delete_files, file_scan_tasks, plan_tasks, storage_credentials: Vec::new() }
    }
}

/// Answers with a plan and the keys that its client asked for.
fn completed(planned: Planned<'_>, access: Option<&Delegated>) -> Result<Response> {
    match access {
        None => render::json(StatusCode::OK, &planned),
        Some(access) => {
            let planned = Planned { storage_credentials: access.credentials(), ..planned };
            render::secret_json(StatusCode::OK, &planned)
        }
    }
}

const COMPLETED: Option<&str> = Some("completed");
const CANCELLED: Option<&str> = Some("cancelled");

/// Plans a scan (`planTableScan`).
pub(crate) async fn plan_table_scan(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, ident, app) = (warehouse(&ctx, &call).await?, table(&call)?, call.app());
    let opened = scans::open(&ctx, &warehouse, &ident).await?;
    let (table_uuid, wanted) = (opened.row.table_uuid, access::wanted(call.headers()));
    let (plan_id, tasks) = app.gateway().plan_scan(&ctx, opened, call.json().await?).await?;
    let access = access::delegate(&ctx, &warehouse, &ident, table_uuid, wanted).await?;
    completed(Planned::new(COMPLETED, Some(plan_id), tasks), access.as_ref())
}

/// Tells the result of a plan again (`fetchPlanningResult`).
pub(crate) async fn fetch_planning_result(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, ident) = (warehouse(&ctx, &call).await?, table(&call)?);
    let opened = scans::open(&ctx, &warehouse, &ident).await?;
    let (table_uuid, wanted) = (opened.row.table_uuid, access::wanted(call.headers()));
    let planned = call.app().gateway().planned_scan(&ctx, opened, call.required("plan-id")?).await?;
    let Some(tasks) = planned else {
        return render::json(StatusCode::OK, &Planned { status: CANCELLED, ..Planned::default() });
    };
    let access = access::delegate(&ctx, &warehouse, &ident, table_uuid, wanted).await?;
    completed(Planned::new(COMPLETED, None, tasks), access.as_ref())
}

/// Cancels a plan (`cancelPlanning`).
pub(crate) async fn cancel_planning(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, ident) = (warehouse(&ctx, &call).await?, table(&call)?);
    let opened = scans::open(&ctx, &warehouse, &ident).await?;
    call.app().gateway().cancel_plan(&ctx, &opened, call.required("plan-id")?)?;
    Ok(render::no_content())
}

/// Tells further files of a plan (`fetchScanTasks`).
pub(crate) async fn fetch_scan_tasks(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, ident, app) = (warehouse(&ctx, &call).await?, table(&call)?, call.app());
    let opened = scans::open(&ctx, &warehouse, &ident).await?;
    let FetchScanTasksRequest { plan_task } = call.json().await?;
    let tasks = app.gateway().scan_tasks(&ctx, opened, &plan_task).await?;
    render::json(StatusCode::OK, &Planned::new(None, None, tasks))
}
