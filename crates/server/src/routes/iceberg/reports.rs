//! Reports of clients about their scans and commits: read, bounded, counted, kept. No filter and no name of theirs is.

use axum::response::Response;
use polder_catalog::{OpCtx, tables};
use polder_types::{
    Error, Result,
    rest::{MetricResult, ReportMetricsRequest},
};

use super::{table, warehouse};
use crate::{call::Call, render};

/// Most counts of one report.
const METRICS_MAX: usize = 256;

/// Takes a report (`reportMetrics`). The table is the one in the path, whatever the report calls it.
pub(crate) async fn report_metrics(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, ident) = (warehouse(&ctx, &call).await?, table(&call)?);
    let permit = tables::may_report(&ctx, &warehouse, &ident).await?;
    let app = call.app();
    let report: ReportMetricsRequest = call.json().await?;
    let counts = |result: &MetricResult| match result {
        MetricResult::Counter { value, .. } => *value >= 0,
        MetricResult::Timer { count, total_duration, .. } => *count >= 0 && *total_duration >= 0,
    };
    if report.metrics().len() > METRICS_MAX || !report.metrics().values().all(counts) {
        return Err(Error::invalid("invalid_report", "a report has at most 256 metrics, none of them below 0"));
    }
    app.metrics().reports().add(&report);
    tables::report(&ctx, &permit, &report)?;
    Ok(render::no_content())
}
