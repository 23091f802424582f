//! The answer of a query (S-092): rows, what they are, where they come from and which policies shaped them.
//!
//! Holds no policy predicate, no literal of a policy, and no physical figure: `bytes_scanned` counts what left the
//! barrier.

use polder_types::{PolicyId, RelationId, RequestId, WarehouseName};
use serde::Serialize;
use serde_json::value::RawValue;

/// The engine's name in answers and logs.
pub(crate) const ENGINE: &str = "datafusion";

/// A column of an answer.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerColumn {
    /// Its name.
    pub name: String,
    /// Its SQL type.
    pub r#type: String,
    /// True if it can be null.
    pub nullable: bool,
    /// True if its values may depend on a masked column.
    pub masked: bool,
}

/// What is said about a run.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerMetadata {
    /// What ran it.
    pub engine: &'static str,
    /// The warehouse that unqualified names referred to, if one table came from it.
    pub catalog: Option<String>,
    /// Why it ran there.
    pub routed_reason: &'static str,
    /// From the arrival at the gateway, in milliseconds.
    pub duration_ms: u64,
    /// Rows in the answer.
    pub row_count: usize,
    /// Bytes that left the barrier.
    pub bytes_scanned: u64,
    /// The query's id, which its audit record carries.
    pub query_id: RequestId,
    /// True if there were more rows, or more bytes, than a cap lets through.
    pub truncated: bool,
    /// The row cap that held.
    pub row_limit: usize,
}

/// A table that a query read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProvenanceTable {
    /// Its warehouse.
    pub warehouse: WarehouseName,
    /// The levels of its namespace.
    pub namespace: Vec<String>,
    /// Its name.
    pub name: String,
    /// Its id in the catalog.
    pub table_id: RelationId,
    /// The snapshot, `None` for a table without one.
    pub snapshot_id: Option<i64>,
}

/// Where an answer comes from.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Provenance {
    /// The tables.
    pub tables: Vec<ProvenanceTable>,
    /// The columns that the output depends on, `warehouse.namespace.table.column`.
    pub columns: Vec<String>,
    /// Documents; none in this build.
    pub documents: Vec<String>,
}

/// A policy that held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyApplied {
    /// Its id.
    pub id: PolicyId,
    /// Its name.
    pub name: String,
    /// `row_filter`, `mask` or `hide_column`.
    pub kind: &'static str,
    /// The table.
    pub table: String,
    /// The masked column. A hidden one is not named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

/// What an answer says beside its rows.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerHead {
    /// The statement, rendered again from its tree.
    pub sql: String,
    /// The columns.
    pub columns: Vec<AnswerColumn>,
    /// About the run.
    pub metadata: AnswerMetadata,
    /// Where the rows come from.
    pub provenance: Provenance,
    /// What shaped them.
    pub policies_applied: Vec<PolicyApplied>,
}

/// The answer of a query as JSON.
#[derive(Debug, Serialize)]
pub struct QueryAnswer {
    /// All but the rows.
    #[serde(flatten)]
    pub head: AnswerHead,
    /// The rows, a JSON array of arrays.
    pub rows: Box<RawValue>,
}

/// The answer of a query as an Arrow IPC stream.
pub struct ArrowAnswer {
    /// All but the rows; the stream's schema carries it too, as JSON under the key `polder`.
    pub head: AnswerHead,
    /// Schema, record batches, end of stream.
    pub stream: Vec<u8>,
}

/// How a query would be governed, in words.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The statement, rendered again from its tree.
    pub sql: String,
    /// The plan, line by line.
    pub plan: Vec<String>,
    /// What it would read.
    pub provenance: Provenance,
    /// What would shape the answer.
    pub policies_applied: Vec<PolicyApplied>,
}
