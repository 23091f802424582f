//! What the audit trail says about queries: who, which tables, which policies, how many rows; never a literal.

use polder_catalog::OpCtx;
use polder_store::{Actor, AuditDetail, AuditObject, AuditRecord, CountedEvent, Decision};
use polder_types::{Error, ErrorKind, Subject};

use crate::answer::{PolicyApplied, Provenance};

fn actor(ctx: &OpCtx) -> Actor {
    Actor { id: ctx.principal().id, name: ctx.principal().name.clone() }
}

/// Records a query that ran and waits until the record is durable.
///
/// # Errors
/// `Unavailable` if it does not become durable in time; nothing may be released then.
pub(crate) async fn ran(
    ctx: &OpCtx,
    canonical: &str,
    provenance: &Provenance,
    policies: &[PolicyApplied],
    rows: usize,
    truncated: bool,
) -> Result<(), Error> {
    let name = format!("{rows} rows{}", if truncated { ", truncated" } else { "" });
    write(ctx, "query", name, canonical, provenance, policies).await
}

/// Records that a plan was told.
///
/// # Errors
/// As [`ran`].
pub(crate) async fn explained(
    ctx: &OpCtx,
    canonical: &str,
    provenance: &Provenance,
    policies: &[PolicyApplied],
) -> Result<(), Error> {
    write(ctx, "explain", "plan".to_owned(), canonical, provenance, policies).await
}

async fn write(
    ctx: &OpCtx,
    action: &'static str,
    name: String,
    canonical: &str,
    provenance: &Provenance,
    policies: &[PolicyApplied],
) -> Result<(), Error> {
    let table = |table: &crate::answer::ProvenanceTable| {
        format!("{}.{}.{}", table.warehouse, table.namespace.join("."), table.name)
    };
    let record = AuditRecord {
        tenant: Some(ctx.tenant().clone()),
        at: ctx.now(),
        request: ctx.request_id(),
        actor: Some(actor(ctx)),
        action,
        object: AuditObject { subject: Subject::Query, id: Some(ctx.request_id().to_string()), name, version: None },
        decision: Decision::Allow,
        reason: None,
        policy_version: Some(ctx.snapshot().version()),
        detail: AuditDetail::Query {
            // A digest, not the text: texts hold literals.
            fingerprint: blake3::hash(canonical.as_bytes()).to_hex().to_string(),
            tables: provenance.tables.iter().map(table).collect(),
            policies: policies.iter().map(|policy| policy.name.clone()).collect(),
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
        actor: Some(actor(ctx)),
        action: "query",
        subject: Subject::Query,
        object: "query".to_owned(),
        decision: Decision::Deny,
        reason: Some(error.code()),
        policy_version: ctx.snapshot().version(),
    });
}
