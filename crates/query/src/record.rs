//! What the audit trail says about queries: who, which tables, which policies, how many rows; never a literal.

use polder_catalog::OpCtx;
use polder_store::{AuditDetail, AuditObject, AuditRecord, CountedEvent, Decision};
use polder_types::{Error, ErrorKind, Subject};

use crate::answer::{PolicyApplied, Provenance, ProvenanceTable};

/// What a record says of one query.
pub(crate) struct Ran<'a> {
    pub(crate) action: &'static str,
    pub(crate) canonical: &'a str,
    pub(crate) provenance: &'a Provenance,
    pub(crate) policies: &'a [PolicyApplied],
    pub(crate) rows: usize,
    pub(crate) truncated: bool,
}

/// Records a query that ran, or whose plan was told, and waits until the record is durable.
///
/// # Errors
/// `Unavailable` if it does not become durable in time; nothing may be released then.
pub(crate) async fn ran(ctx: &OpCtx, ran: Ran<'_>) -> Result<(), Error> {
    let table = |table: &ProvenanceTable| format!("{}.{}.{}", table.warehouse, table.namespace.join("."), table.name);
    let record = AuditRecord {
        tenant: Some(ctx.tenant().clone()),
        at: ctx.now(),
        request: ctx.request_id(),
        caller: Some(ctx.principal().caller()),
        action: ran.action,
        object: AuditObject {
            subject: Subject::Query,
            id: Some(ctx.request_id().to_string()),
            name: ran.action.to_owned(),
            version: None,
        },
        decision: Decision::Allow,
        reason: None,
        policy_version: Some(ctx.snapshot().version()),
        detail: AuditDetail::Query {
            // A digest, not the text: texts hold literals.
            fingerprint: blake3::hash(ran.canonical.as_bytes()).to_hex().to_string(),
            tables: ran.provenance.tables.iter().map(table).collect(),
            policies: ran.policies.iter().map(|policy| policy.name.clone()).collect(),
            rows: u64::try_from(ran.rows).unwrap_or(u64::MAX),
            truncated: ran.truncated,
        },
    };
    ctx.catalog().store().record_strict(record).await
}

/// Counts a query that was refused or failed.
pub(crate) fn refused(ctx: &OpCtx, error: &Error) {
    // Denials of the whole query are counted where they are decided.
    if error.kind() == ErrorKind::Forbidden {
        return;
    }
    ctx.catalog().store().count(CountedEvent {
        tenant: Some(ctx.tenant().clone()),
        at: ctx.now(),
        request: ctx.request_id(),
        caller: Some(ctx.principal().caller()),
        action: "query",
        subject: Subject::Query,
        object: "query".to_owned(),
        decision: Decision::Deny,
        reason: Some(error.code()),
        policy_version: ctx.snapshot().version(),
    });
}
