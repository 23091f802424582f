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

use super::{table, warehouse};
use crate::{call::Call, render};

/// `CompletedPlanningWithIDResult`, `CompletedPlanningResult`, `EmptyPlanningResult`, `FetchScanTasksResult`.
#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Planned {
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
}

impl Planned {
    fn new(status: Option<&'static str>, plan_id: Option<String>, tasks: ScanTasks) -> Self {
        let ScanTasks { delete_files, file_scan_tasks, plan_tasks } = tasks;
        Self { status, plan_id, delete_files, file_scan_tasks: Some(file_scan_tasks), plan_tasks }
    }
}

const COMPLETED: Option<&str> = Some("completed");
const CANCELLED: Option<&str> = Some("cancelled");

/// Plans a scan (`planTableScan`). `X-Iceberg-Access-Delegation` is a hint, and nothing is vended here.
pub(crate) async fn plan_table_scan(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, ident, app) = (warehouse(&ctx, &call).await?, table(&call)?, call.app());
    let opened = scans::open(&ctx, &warehouse, &ident).await?;
    let (plan_id, tasks) = app.gateway().plan_scan(&ctx, opened, call.json().await?).await?;
    render::json(StatusCode::OK, &Planned::new(COMPLETED, Some(plan_id), tasks))
}

/// Tells the result of a plan again (`fetchPlanningResult`).
pub(crate) async fn fetch_planning_result(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, ident) = (warehouse(&ctx, &call).await?, table(&call)?);
    let opened = scans::open(&ctx, &warehouse, &ident).await?;
    let planned = call.app().gateway().planned_scan(&ctx, opened, call.required("plan-id")?).await?;
    let body = match planned {
        Some(tasks) => Planned::new(COMPLETED, None, tasks),
        None => Planned { status: CANCELLED, ..Planned::default() },
    };
    render::json(StatusCode::OK, &body)
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
