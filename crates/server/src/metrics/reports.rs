//! What clients report of their scans and commits, summed: names from a closed list, no table, no filter, no value of a
//! row. What somebody reports is what somebody says: nothing is decided by it.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use polder_types::rest::{COMMIT_METRICS, MetricResult, ReportMetricsRequest, SCAN_METRICS};

use super::{Counters, text::head};

/// The sums.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    scans: Sums<17>,
    commits: Sums<14>,
}

#[derive(Debug, Default)]
struct Sums<const N: usize> {
    reports: AtomicU64,
    sums: Counters<N>,
}

impl<const N: usize> Sums<N> {
    fn add(&self, names: [&str; N], metrics: &BTreeMap<String, MetricResult>) {
        self.reports.fetch_add(1, Relaxed);
        for (index, name) in names.iter().enumerate() {
            let value = metrics.get(*name).map_or(0, MetricResult::amount);
            self.sums.increase(index, u64::try_from(value).unwrap_or_default());
        }
    }

    fn write(&self, out: &mut String, report: &str, names: [&str; N]) -> std::fmt::Result {
        for (index, name) in names.iter().enumerate() {
            let sum = self.sums.at(index);
            writeln!(out, "polder_reported_total{{report=\"{report}\",metric=\"{name}\"}} {sum}")?;
        }
        Ok(())
    }
}

impl Reports {
    /// Adds a report.
    pub(crate) fn add(&self, report: &ReportMetricsRequest) {
        match report {
            ReportMetricsRequest::Scan { metrics, .. } => self.scans.add(SCAN_METRICS, metrics),
            ReportMetricsRequest::Commit { metrics, .. } => self.commits.add(COMMIT_METRICS, metrics),
        }
    }

    pub(super) fn write(&self, out: &mut String) -> std::fmt::Result {
        head(out, "polder_reports_total", "counter", "Reports of scans and commits that clients sent")?;
        for (report, count) in [("scan", &self.scans.reports), ("commit", &self.commits.reports)] {
            writeln!(out, "polder_reports_total{{report=\"{report}\"}} {}", count.load(Relaxed))?;
        }
        head(out, "polder_reported_total", "counter", "What clients say that their scans and commits counted")?;
        self.scans.write(out, "scan", SCAN_METRICS)?;
        self.commits.write(out, "commit", COMMIT_METRICS)
    }
}
