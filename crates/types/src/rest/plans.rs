//! Bodies of scan planning.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Body of `planTableScan`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlanTableScanRequest {
    /// The snapshot to scan; the current one if neither it nor a range is named.
    #[serde(default)]
    pub snapshot_id: Option<i64>,
    /// The columns wanted, by their full names.
    #[serde(default)]
    pub select: Option<Vec<String>>,
    /// Which rows are wanted, raw.
    #[serde(default)]
    pub filter: Option<Box<RawValue>>,
    /// How many rows are wanted at least; a hint.
    #[serde(default)]
    pub min_rows_requested: Option<i64>,
    /// False: names are looked up whatever their case.
    #[serde(default)]
    pub case_sensitive: Option<bool>,
    /// True: names are those of the snapshot's time.
    #[serde(default)]
    pub use_snapshot_schema: Option<bool>,
    /// Of an incremental scan: the snapshot that it starts after.
    #[serde(default)]
    pub start_snapshot_id: Option<i64>,
    /// Of an incremental scan: the last snapshot.
    #[serde(default)]
    pub end_snapshot_id: Option<i64>,
    /// The columns whose statistics are wanted.
    #[serde(default)]
    pub stats_fields: Option<Vec<String>>,
}

/// Body of `fetchScanTasks`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FetchScanTasksRequest {
    /// A task of an answer before.
    pub plan_task: String,
}
