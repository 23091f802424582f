//! The governed query gateway: gate → resolve → govern → plan → optimise → verify → run → answer.
//!
//! Owns SQL. Refuses HTTP, SQL to the metadata database, and every way to data but the barrier in `govern`.

mod answer;
mod context;
mod error;
mod explain;
mod functions;
mod gate;
mod gateway;
mod govern;
mod information;
mod ipc;
mod json;
mod memory;
mod meter;
mod plan;
mod portion;
mod precise;
pub mod purge;
mod pushdown;
mod queue;
mod record;
mod resolve;
mod run;
mod scan;
mod trace;
mod verify;
mod watch;

#[cfg(test)]
mod bench;

pub use answer::{
    AnswerColumn, AnswerHead, AnswerMetadata, ArrowAnswer, Explanation, PolicyApplied, Provenance, ProvenanceTable,
    QueryAnswer,
};
pub use gateway::{Gateway, GatewayConfig, QueryRequest, ROWS_MAX, ScanTasks};
pub use ipc::HEAD_KEY;
