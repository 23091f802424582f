//! Reports that clients send about their scans and commits (`reportMetrics`). What is not a count is read past.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

/// What scan reports count (`ScanMetricsResult` of the reference implementation).
pub const SCAN_METRICS: [&str; 17] = [
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
pub const COMMIT_METRICS: [&str; 14] = [
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

/// Body of `reportMetrics`.
#[derive(Debug, Deserialize)]
#[serde(tag = "report-type")]
pub enum ReportMetricsRequest {
    /// Of a scan.
    #[serde(rename = "scan-report", rename_all = "kebab-case")]
    Scan {
        /// As the client calls the table; the path says which one it is.
        table_name: String,
        /// The snapshot that was read.
        snapshot_id: i64,
        /// The filter, which holds values of rows.
        filter: IgnoredAny,
        /// The schema that was read.
        schema_id: i32,
        /// The columns that were read.
        projected_field_ids: Vec<i32>,
        /// Their names.
        projected_field_names: Vec<String>,
        /// What was counted.
        metrics: BTreeMap<String, MetricResult>,
    },
    /// Of a commit.
    #[serde(rename = "commit-report", rename_all = "kebab-case")]
    Commit {
        /// As the client calls the table; the path says which one it is.
        table_name: String,
        /// The snapshot that was made.
        snapshot_id: i64,
        /// Its sequence number.
        sequence_number: i64,
        /// What was done.
        operation: String,
        /// What was counted.
        metrics: BTreeMap<String, MetricResult>,
    },
}

impl ReportMetricsRequest {
    /// What was counted.
    #[must_use]
    pub fn metrics(&self) -> &BTreeMap<String, MetricResult> {
        match self {
            Self::Scan { metrics, .. } | Self::Commit { metrics, .. } => metrics,
        }
    }

    /// `scan` or `commit`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Scan { .. } => "scan",
            Self::Commit { .. } => "commit",
        }
    }

    /// The snapshot that was read or made.
    #[must_use]
    pub fn snapshot_id(&self) -> i64 {
        match self {
            Self::Scan { snapshot_id, .. } | Self::Commit { snapshot_id, .. } => *snapshot_id,
        }
    }

    /// What was counted under the names that the reference implementation uses. Others may be anything, and are not kept.
    #[must_use]
    pub fn known(&self) -> BTreeMap<&'static str, i64> {
        let names: &[&'static str] = match self {
            Self::Scan { .. } => &SCAN_METRICS,
            Self::Commit { .. } => &COMMIT_METRICS,
        };
        let metrics = self.metrics();
        names.iter().filter_map(|name| metrics.get(*name).map(|metric| (*name, metric.amount()))).collect()
    }
}

/// One count, or the time that something took.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum MetricResult {
    /// A count.
    Counter {
        /// Of what: `count` or `bytes`.
        unit: String,
        /// How many.
        value: i64,
    },
    /// A time.
    #[serde(rename_all = "kebab-case")]
    Timer {
        /// In which unit.
        time_unit: String,
        /// How often it was measured.
        count: i64,
        /// The sum.
        total_duration: i64,
    },
}

impl MetricResult {
    /// How many, or how long in all.
    #[must_use]
    pub fn amount(&self) -> i64 {
        match self {
            Self::Counter { value, .. } => *value,
            Self::Timer { total_duration, .. } => *total_duration,
        }
    }
}
