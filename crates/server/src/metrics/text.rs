//! The text of `/metrics` (Prometheus exposition format 0.0.4). Every name and label value is a constant of this
//! program or a route's template.

use std::{fmt::Write, sync::PoisonError, sync::atomic::Ordering::Relaxed};

use super::{
    AuthOutcome, BUCKETS_US, CommitOutcome, Counters, JobOutcome, MethodLabel, Metrics, QueryOutcome, RouteMetrics,
    StatusClass,
};

/// What other parts of the server count themselves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// Statements that the metadata database was sent.
    pub(crate) store_statements: u64,
    /// Events that were counted for the audit trail.
    pub(crate) audit_counted: u64,
    /// Kinds of counted events that wait for their flush.
    pub(crate) audit_waiting: u64,
    /// Reports of clients that were dropped.
    pub(crate) reports_dropped: u64,
    /// Lines of the access log that were dropped.
    pub(crate) access_log_dropped: u64,
}

impl Metrics {
    /// Renders everything.
    pub(crate) fn render(&self, figures: Figures) -> String {
        let mut text = String::with_capacity(64 * 1024);
        // Writing to a `String` cannot fail.
        let _ = self.write(&mut text, figures);
        text
    }

    fn write(&self, out: &mut String, figures: Figures) -> std::fmt::Result {
        head(out, "polder_build_info", "gauge", "The version that runs")?;
        writeln!(out, "polder_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))?;
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let all = || routes.iter().map(std::convert::AsRef::as_ref).chain(&self.unmatched);
        head(out, "polder_http_requests_total", "counter", "Requests answered, by route template")?;
        all().try_for_each(|route| requests(out, route))?;
        head(out, "polder_http_request_duration_seconds", "histogram", "Time from arrival to the answer's head")?;
        all().try_for_each(|route| durations(out, route))?;
        drop(routes);
        let in_flight = self.in_flight.load(Relaxed);
        single(out, "polder_http_requests_in_flight", "gauge", "Requests being answered", in_flight)?;
        let outcomes = AuthOutcome::ALL.iter().map(|outcome| outcome.as_str());
        by_outcome(out, "polder_authentications_total", "Authentications", outcomes, &self.auth)?;
        let outcomes = CommitOutcome::ALL.iter().map(|outcome| outcome.as_str());
        by_outcome(out, "polder_commits_total", "Table creations and commits", outcomes, &self.commits)?;
        let outcomes = QueryOutcome::ALL.iter().map(|outcome| outcome.as_str());
        by_outcome(out, "polder_queries_total", "Queries of the gateway", outcomes, &self.queries)?;
        let outcomes = JobOutcome::ALL.iter().map(|outcome| outcome.as_str());
        by_outcome(out, "polder_job_attempts_total", "Attempts at durable jobs", outcomes, &self.jobs)?;
        let deleted = self.job_files.load(Relaxed);
        single(out, "polder_job_files_deleted_total", "counter", "Files that durable jobs deleted", deleted)?;
        self.reports.write(out)?;
        let Figures { store_statements, audit_counted, audit_waiting, reports_dropped, access_log_dropped } = figures;
        let counters = [
            ("polder_store_statements_total", "Statements sent to the metadata database", store_statements),
            ("polder_audit_counted_events_total", "Events counted for the audit trail", audit_counted),
            (
                "polder_reports_dropped_total",
                "Reports of clients that were dropped: too many came at once",
                reports_dropped,
            ),
            ("polder_access_log_dropped_lines_total", "Lines of the access log that were dropped", access_log_dropped),
        ];
        counters.iter().try_for_each(|(name, help, value)| single(out, name, "counter", help, *value))?;
        let help = "Kinds of counted events that wait for their flush";
        single(out, "polder_audit_waiting_kinds", "gauge", help, audit_waiting)
    }
}

pub(super) fn head(out: &mut String, name: &str, kind: &str, help: &str) -> std::fmt::Result {
    writeln!(out, "# HELP {name} {help}.\n# TYPE {name} {kind}")
}

fn single(out: &mut String, name: &str, kind: &str, help: &str, value: u64) -> std::fmt::Result {
    head(out, name, kind, help)?;
    writeln!(out, "{name} {value}")
}

fn by_outcome<const N: usize>(
    out: &mut String,
    name: &str,
    help: &str,
    outcomes: impl Iterator<Item = &'static str>,
    counters: &Counters<N>,
) -> std::fmt::Result {
    head(out, name, "counter", help)?;
    for (index, outcome) in outcomes.enumerate() {
        writeln!(out, "{name}{{outcome=\"{outcome}\"}} {}", counters.at(index))?;
    }
    Ok(())
}

/// Series that were never touched are left out, so that a scrape stays small.
fn requests(out: &mut String, route: &RouteMetrics) -> std::fmt::Result {
    let RouteMetrics { method, route: template, statuses, .. } = route;
    for (index, class) in StatusClass::ALL.iter().enumerate() {
        let (count, class, method) = (statuses.at(index), class.as_str(), MethodLabel::as_str(*method));
        if count > 0 {
            writeln!(
                out,
                "polder_http_requests_total{{method=\"{method}\",route=\"{template}\",status=\"{class}\"}} {count}"
            )?;
        }
    }
    Ok(())
}

fn durations(out: &mut String, route: &RouteMetrics) -> std::fmt::Result {
    const NAME: &str = "polder_http_request_duration_seconds";
    let labels = format!("method=\"{}\",route=\"{}\"", route.method.as_str(), route.route);
    let total: u64 = (0..=BUCKETS_US.len()).map(|index| route.buckets.at(index)).sum();
    if total == 0 {
        return Ok(());
    }
    let mut below = 0;
    for (index, bound) in BUCKETS_US.iter().enumerate() {
        below += route.buckets.at(index);
        writeln!(out, "{NAME}_bucket{{{labels},le=\"{}\"}} {below}", seconds(*bound))?;
    }
    below += route.buckets.at(BUCKETS_US.len());
    writeln!(out, "{NAME}_bucket{{{labels},le=\"+Inf\"}} {below}")?;
    writeln!(out, "{NAME}_sum{{{labels}}} {}", seconds(route.sum_us.load(Relaxed)))?;
    writeln!(out, "{NAME}_count{{{labels}}} {below}")
}

/// Microseconds as seconds, exactly.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
