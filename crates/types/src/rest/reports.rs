//! Reports that clients send about their scans and commits (`reportMetrics`). What is not a count is read past.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

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
