//! A plan as it travels: what was asked, bound to ids, and how far it has been told. Sealed by the store, so nothing of it
//! is kept here, and any node goes on with it.

use std::io::{Read, Write};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use iceberg::spec::TableMetadata;
use polder_types::{Error, Result, rest::PlanTableScanRequest};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    expression::bind,
    names::Names,
    snapshots::{Range, range, scanned, schema},
};

/// Most columns that a request names.
const SELECTED_MAX: usize = 10_000;
const STATISTICS_MAX: usize = 1_000;
/// Most bytes of a plan that is opened again; one that was sealed is far smaller.
const OPENED_BYTES_MAX: u64 = 1024 * 1024;

/// Columns of no schema, which readers make (Iceberg specification, "Reserved Field IDs").
const METADATA_COLUMNS: [&str; 8] =
    ["_file", "_pos", "_deleted", "_spec_id", "_partition", "_row_id", "_last_updated_sequence_number", "_change_type"];

/// What was asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Fresh for each plan.
    pub(crate) id: String,
    /// When it was made, in microseconds.
    pub(crate) issued: i64,
    pub(super) range: Range,
    pub(super) schema: i32,
    pub(super) filter: Option<Box<RawValue>>,
    pub(super) case_sensitive: bool,
    pub(super) statistics: Vec<i32>,
    /// True if the filter was too large to travel: files are told without a residual.
    pub(super) bare: bool,
}

/// A part of a plan that is still to be told: manifests by their place in the snapshot, from an entry of the first one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) plan: Plan,
    pub(super) manifest: usize,
    pub(super) entry: usize,
    pub(super) until: usize,
}

impl Plan {
    /// Checks a request against the table.
    ///
    /// # Errors
    /// `Invalid` for whatever does not fit it.
    pub(super) fn new(
        metadata: &TableMetadata,
        request: &PlanTableScanRequest,
        (id, issued): (String, i64),
    ) -> Result<Self> {
        let range = range(metadata, request.snapshot_id, (request.start_snapshot_id, request.end_snapshot_id))?;
        scanned(metadata, range)?;
        let case_sensitive = request.case_sensitive.unwrap_or(true);
        let schema = schema(metadata, range, request.use_snapshot_schema.unwrap_or(false))?;
        let names = Names::new(&schema, case_sensitive);
        let selected = request.select.as_deref().unwrap_or_default();
        let wanted = request.stats_fields.as_deref().unwrap_or_default();
        if selected.len() > SELECTED_MAX || wanted.len() > STATISTICS_MAX {
            return Err(invalid("it names too many columns"));
        }
        for name in selected.iter().filter(|name| !is_metadata_column(name)) {
            names.named(name)?;
        }
        let statistics = wanted.iter().map(|name| Ok(names.named(name)?.id)).collect::<Result<_>>()?;
        if request.min_rows_requested.is_some_and(|rows| rows < 0) {
            return Err(invalid("`min-rows-requested` is negative"));
        }
        if let Some(filter) = &request.filter {
            bind(filter.get(), &schema, case_sensitive)?;
        }
        let (filter, schema) = (request.filter.clone(), schema.schema_id());
        Ok(Self { id, issued, range, schema, filter, case_sensitive, statistics, bare: false })
    }

    /// The same plan without what only makes it shorter.
    pub(crate) fn bare(&self) -> Self {
        Self { filter: None, statistics: Vec::new(), bare: self.filter.is_some() || self.bare, ..self.clone() }
    }
}

fn invalid(why: &str) -> Error {
    Error::invalid("invalid_scan", format!("the scan is not valid: {why}"))
}

fn is_metadata_column(name: &str) -> bool {
    METADATA_COLUMNS.contains(&name.split('.').next().unwrap_or(name))
}

/// Bytes to be sealed.
///
/// # Errors
/// `Internal`.
pub(crate) fn packed<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&serde_json::to_vec(value).map_err(Error::internal)?).map_err(Error::internal)?;
    encoder.finish().map_err(Error::internal)
}

/// What was packed; `None` for anything else.
pub(crate) fn unpacked<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let mut text = Vec::new();
    DeflateDecoder::new(bytes).take(OPENED_BYTES_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}
