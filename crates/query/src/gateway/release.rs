//! The last steps of a query: render within the byte cap, record, and only then answer.

use datafusion::arrow::datatypes::Schema;
use polder_types::{Error, WarehouseName};
use serde_json::value::RawValue;

use super::{Attempt, Gateway, Outcome};
use crate::{
    answer::{AnswerColumn, AnswerHead, AnswerMetadata, ArrowAnswer, ENGINE, PolicyApplied, Provenance, QueryAnswer},
    error::{Phase, internal, unrepresentable},
    ipc, json,
    record::{self, Ran},
};

/// What an answer says beside its rows, as far as it is known before they are rendered.
struct Facts {
    canonical: String,
    columns: Vec<AnswerColumn>,
    bytes: u64,
    provenance: Provenance,
    policies: Vec<PolicyApplied>,
}

impl Gateway {
    /// Answers in JSON.
    pub(super) async fn release_json(
        &self,
        attempt: &Attempt<'_>,
        canonical: String,
        outcome: Outcome,
    ) -> Result<QueryAnswer, Error> {
        let facts = Facts::of(&outcome, canonical);
        let (rows, bytes_max) = (outcome.rows, self.config.bytes_max);
        let render = move || {
            json::rows(&rows.batches, bytes_max).map_err(no_json).map(|text| {
                let truncated = rows.truncated || text.truncated;
                (text, truncated)
            })
        };
        let (text, truncated) = self.pool.think(&attempt.slot, attempt.until, render).await?;
        let head = facts.head(attempt, text.count, truncated);
        let rows = RawValue::from_string(text.text).map_err(|_| internal(Phase::Run, "the rows are not JSON"))?;
        recorded(attempt, &head).await?;
        Ok(QueryAnswer { head, rows })
    }

    /// Answers as an Arrow IPC stream.
    pub(super) async fn release_arrow(
        &self,
        attempt: &Attempt<'_>,
        canonical: String,
        outcome: Outcome,
    ) -> Result<ArrowAnswer, Error> {
        let facts = Facts::of(&outcome, canonical);
        let (rows, schema, bytes_max) = (outcome.rows, outcome.schema, self.config.bytes_max);
        let rebuild = move || {
            let plain = ipc::plain(&rows.batches, &schema, bytes_max).map_err(|ipc::NoArrowForm| no_form("Arrow"))?;
            let truncated = rows.truncated || plain.truncated;
            Ok((plain, truncated))
        };
        let (plain, truncated) = self.pool.think(&attempt.slot, attempt.until, rebuild).await?;
        let head = facts.head(attempt, plain.count, truncated);
        let told = serde_json::to_string(&head).map_err(Error::internal)?;
        let write = move || ipc::stream(&plain, told).map_err(|_| internal(Phase::Run, "the rows are not Arrow"));
        let stream = self.pool.think(&attempt.slot, attempt.until, write).await?;
        recorded(attempt, &head).await?;
        Ok(ArrowAnswer { head, stream })
    }
}

fn no_json(why: json::NoJsonForm) -> Error {
    match why {
        json::NoJsonForm::Type => no_form("JSON"),
        json::NoJsonForm::Value => unrepresentable(),
    }
}

fn no_form(form: &str) -> Error {
    Error::unsupported(
        "unsupported_type",
        format!("a column of the answer has a type that {form} answers do not have; cast it to another"),
    )
}

/// SECURITY: the record is durable before a byte of the answer leaves.
async fn recorded(attempt: &Attempt<'_>, head: &AnswerHead) -> Result<(), Error> {
    let ran = Ran {
        action: "query",
        canonical: &head.sql,
        provenance: &head.provenance,
        policies: &head.policies_applied,
        rows: head.metadata.row_count,
        truncated: head.metadata.truncated,
    };
    record::ran(attempt.ctx, ran).await
}

impl Facts {
    fn of(outcome: &Outcome, canonical: String) -> Self {
        Self {
            canonical,
            columns: columns(&outcome.schema, &outcome.masked),
            bytes: outcome.bytes,
            provenance: outcome.provenance.clone(),
            policies: outcome.policies.clone(),
        }
    }

    fn head(self, attempt: &Attempt<'_>, row_count: usize, truncated: bool) -> AnswerHead {
        AnswerHead {
            sql: self.canonical,
            columns: self.columns,
            metadata: AnswerMetadata {
                engine: ENGINE,
                catalog: catalog_of(&self.provenance, attempt.request.warehouse.as_ref()),
                routed_reason: "table_resolved",
                duration_ms: u64::try_from(attempt.started.elapsed().as_millis()).unwrap_or(u64::MAX),
                row_count,
                bytes_scanned: self.bytes,
                query_id: attempt.ctx.request_id(),
                truncated,
                row_limit: attempt.rows_max,
            },
            provenance: self.provenance,
            policies_applied: self.policies,
        }
    }
}

fn columns(schema: &Schema, masked: &[bool]) -> Vec<AnswerColumn> {
    let fields = schema.fields().iter().zip(masked);
    fields
        .map(|(field, masked)| AnswerColumn {
            name: field.name().clone(),
            r#type: json::type_name(field),
            nullable: field.is_nullable(),
            masked: *masked,
        })
        .collect()
}

fn catalog_of(provenance: &Provenance, asked: Option<&WarehouseName>) -> Option<String> {
    let first = provenance.tables.first().map(|table| &table.warehouse);
    asked.or(first).map(ToString::to_string)
}
