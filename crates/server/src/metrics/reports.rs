//! What clients report of their scans and commits, summed: names from a closed list, no table, no filter, no value of a
//! row. What somebody reports is what somebody says: nothing is decided by it.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use polder_types::rest::{MetricResult, ReportMetricsRequest};

use super::{Counters, text::head};

/// What scan reports count (`ScanMetricsResult` of the reference implementation).
const SCAN: [&str; 17] = [
    "result-data-files",
    "result-delete-files",
    "total-data-manifests",
    "total-delete-manifests",
    "scanned-data-manifests",
    "scanned-delete-manifests",
    "skipped-data-manifests",
    "skipped-delete-manifests",
    "skipped-data-files",
    "skipped-delete-files",
    "total-file-size-in-bytes",
    "total-delete-file-size-in-bytes",
    "indexed-delete-files",
    "equality-delete-files",
    "positional-delete-files",
    "dvs",
    "total-planning-duration",
];

/// What commit reports count (`CommitMetricsResult`).
const COMMIT: [&str; 14] = [
    "attempts",
    "added-data-files",
    "removed-data-files",
    "added-delete-files",
    "removed-delete-files",
    "added-dvs",
    "removed-dvs",
    "added-records",
    "removed-records",
    "added-files-size-bytes",
    "removed-files-size-bytes",
    "added-positional-deletes",
    "added-equality-deletes",
    "total-duration",
];

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
            let value = match metrics.get(*name) {
                Some(MetricResult::Counter { value, .. }) => *value,
                Some(MetricResult::Timer { total_duration, .. }) => *total_duration,
                None => 0,
            };
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
            ReportMetricsRequest::Scan { metrics, .. } => self.scans.add(SCAN, metrics),
            ReportMetricsRequest::Commit { metrics, .. } => self.commits.add(COMMIT, metrics),
        }
    }

    pub(super) fn write(&self, out: &mut String) -> std::fmt::Result {
        head(out, "polder_reports_total", "counter", "Reports of scans and commits that clients sent")?;
        for (report, count) in [("scan", &self.scans.reports), ("commit", &self.commits.reports)] {
            writeln!(out, "polder_reports_total{{report=\"{report}\"}} {}", count.load(Relaxed))?;
        }
        head(out, "polder_reported_total", "counter", "What clients say that their scans and commits counted")?;
        self.scans.write(out, "scan", SCAN)?;
        self.commits.write(out, "commit", COMMIT)
    }
}
