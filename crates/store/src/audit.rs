//! The audit trail: typed records, written in the mutation's own transaction or awaited before anything is
//! released. Refuses free text: a record holds ids, names of objects and typed detail.

use std::time::Duration;

use polder_policy::{Action, Permit, actions};
use polder_types::{
    Caller, Error, EventId, JobId, KeyId, Micros, PolicyId, PrincipalId, PrincipalRef, RequestId, Result, RoleId,
    Subject, TenantId,
};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    Page, PageRequest, Stamp, Store,
    db::{self, Row, sql},
    redact,
    tx::Tx,
};

/// How long a record may take that something waits for (design: 2 s, then 503).
const STRICT_TIMEOUT: Duration = Duration::from_secs(2);

/// Allowed or denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Allowed.
    Allow,
    /// Denied.
    Deny,
}

impl Decision {
    /// The word stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// What it was done to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuditObject {
    /// The kind.
    pub subject: Subject,
    /// The id.
    pub id: Option<String>,
    /// The name.
    pub name: String,
    /// The version that a mutation made; a deletion is one more.
    pub version: Option<i64>,
}

impl AuditObject {
    pub(crate) fn new(subject: Subject, id: impl ToString, name: impl Into<String>, version: i64) -> Self {
        Self { subject, id: Some(id.to_string()), name: name.into(), version: Some(version) }
    }
}

/// Typed detail of a record: no free text but names of objects and locations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AuditDetail {
    /// Nothing more to say.
    None,
    /// A token was minted for a key.
    Token {
        /// The key.
        key: KeyId,
        /// When it ends.
        expires_at: Micros,
    },
    /// A token of another issuer was used.
    UserToken {
        /// The subject that it names.
        subject: String,
        /// The name to show, mostly an email address.
        display: Option<String>,
        /// When it ends.
        expires_at: Option<Micros>,
    },
    /// A query.
    Query {
        /// blake3 of its text, hex.
        fingerprint: String,
        /// The tables it read.
        tables: Vec<String>,
        /// The policies applied.
        policies: Vec<String>,
        /// How many rows were answered.
        rows: u64,
        /// True if there were more.
        truncated: bool,
    },
    /// Part of the deletion of another object.
    With {
        /// The kind of that object.
        subject: &'static str,
        /// Its id.
        id: String,
    },
    /// How many properties a namespace lost and got.
    Properties {
        /// Removed.
        removed: usize,
        /// Set.
        updated: usize,
    },
    /// Where a new warehouse or table lies.
    Placed {
        /// Its location.
        location: String,
        /// How many restrictions it took over with its name.
        taken_over: u64,
        /// True if restricted principals do not see it until released.
        quarantined: bool,
    },
    /// A pointer moved.
    Pointer {
        /// From this document.
        from: String,
        /// To this one.
        to: String,
        /// How many further columns policies are bound to now.
        bound: u64,
    },
    /// The files of a dropped table go too.
    Purging {
        /// The job.
        job: JobId,
    },
    /// A table was given up as it was.
    Unregistered {
        /// Its last document.
        metadata_location: String,
    },
    /// A job is over.
    Job {
        /// The job.
        job: JobId,
        /// `done` or `failed`.
        state: &'static str,
        /// How many files it has deleted.
        files: i64,
        /// How often it was begun.
        attempts: i64,
        /// Why it was given up.
        problem: Option<&'static str>,
    },
    /// A new name.
    Renamed {
        /// The old name.
        from: String,
        /// How many restrictions it took over with the new one.
        taken_over: u64,
    },
    /// Several tables changed as one.
    Transaction {
        /// How many.
        tables: usize,
    },
    /// Keys for a table's files were minted.
    Vended {
        /// The table; of a staged one the uuid that it will have.
        table_id: Uuid,
        /// `vended-credentials`.
        delegation_mode: &'static str,
        /// `read` or `read-write`.
        access: &'static str,
        /// How long they live, in seconds.
        ttl: i64,
        /// What they open, and nothing else.
        path_prefix: String,
    },
    /// A place is held for a staged table, until the keys for it have ended.
    Held {
        /// The place.
        location: String,
        /// When it is free again.
        until: Micros,
    },
    /// Keys that were made before, and live, went out once more to the same principal.
    HandedOut {
        /// The table.
        table_id: Uuid,
        /// `vended-credentials`, or `remote-signing` if a signature was made with them.
        delegation_mode: &'static str,
        /// `read` or `read-write`.
        access: &'static str,
        /// How long they live from when they were made, in seconds.
        ttl: i64,
        /// What they open, and nothing else.
        path_prefix: String,
    },
    /// A request to the object store is signed.
    Signed {
        /// The table.
        table_id: Uuid,
        /// `remote-signing`.
        delegation_mode: &'static str,
        /// The request's method.
        method: &'static str,
        /// How many objects it names.
        paths: usize,
        /// blake3 of their names, hex: names hold partition values.
        paths_digest: String,
        /// Where the table's metadata lay.
        snapshot_version: String,
        /// How long the signature holds, in seconds.
        ttl: i64,
        /// By when it has ended.
        expires_at: Micros,
    },
    /// Access to a table's files was refused, or what became of it.
    Delegation {
        /// The table.
        table_id: Uuid,
        /// `vended-credentials` or `remote-signing`.
        delegation_mode: &'static str,
    },
    /// A principal's state.
    Principal {
        /// False: it cannot authenticate.
        enabled: bool,
    },
    /// A role may act for the holders of another, or may no longer.
    Impersonation {
        /// The other role.
        role: RoleId,
        /// Its name.
        name: String,
    },
    /// A role went to a principal or left it.
    Membership {
        /// The role.
        role: RoleId,
        /// Its name.
        name: String,
    },
    /// A key.
    Key {
        /// Whose it is.
        principal: PrincipalId,
        /// What it may do at all.
        scopes: String,
        /// When it ends.
        expires_at: Option<Micros>,
    },
    /// A grant.
    Grant {
        /// The role.
        role: RoleId,
        /// `allow` or `deny`.
        effect: &'static str,
        /// The privilege.
        privilege: &'static str,
        /// The kind of the object.
        on: String,
        /// The object's id.
        on_id: Uuid,
    },
    /// A policy.
    Policy {
        /// The policy.
        policy: PolicyId,
        /// `row_filter`, `mask` or `hide_column`.
        kind: String,
        /// The name it stands on.
        table: String,
    },
}

/// A record to be written.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// The tenant; `None` if nobody was authenticated.
    pub tenant: Option<TenantId>,
    /// When.
    pub at: Micros,
    /// The request.
    pub request: RequestId,
    /// Who, and for whom; `None` if nobody was authenticated.
    pub caller: Option<Caller>,
    /// The action's name.
    pub action: &'static str,
    /// To what.
    pub object: AuditObject,
    /// Allowed or denied.
    pub decision: Decision,
    /// Why denied.
    pub reason: Option<&'static str>,
    /// The policy version of the decision.
    pub policy_version: Option<i64>,
    /// More.
    pub detail: AuditDetail,
}

/// A record as stored.
#[derive(Clone, Debug)]
pub struct AuditRow {
    /// Its id.
    pub id: EventId,
    /// When.
    pub at: Micros,
    /// The request (of the first one, if counted).
    pub request: String,
    /// Who, by id.
    pub principal: Option<PrincipalId>,
    /// Who, by name.
    pub principal_name: Option<String>,
    /// Who acted for it, if another did.
    pub actor: Option<PrincipalRef>,
    /// The action's name.
    pub action: String,
    /// The kind of object, as [`Subject::noun`].
    pub subject: String,
    /// The object's id.
    pub object_id: Option<String>,
    /// The object's name.
    pub object_name: String,
    /// The version that a mutation made.
    pub object_version: Option<i64>,
    /// `allow` or `deny`.
    pub decision: String,
    /// Why denied.
    pub reason: Option<String>,
    /// The policy version of the decision.
    pub policy_version: Option<i64>,
    /// How often.
    pub count: i64,
    /// Typed detail.
    pub detail: serde_json::Value,
}

/// Which records are wanted; every part given must match.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// By this principal.
    pub principal: Option<PrincipalId>,
    /// By this one for others.
    pub actor: Option<PrincipalId>,
    /// This action.
    pub action: Option<String>,
    /// Allowed or denied.
    pub decision: Option<Decision>,
    /// Of this request.
    pub request: Option<RequestId>,
    /// Not before.
    pub since: Option<Micros>,
}

/// Where a record was put, to find out later whether its transaction landed.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    pub(crate) tenant: String,
    pub(crate) id: String,
}

/// What all records of one mutation share.
#[derive(Clone, Debug)]
pub(crate) struct Trail {
    pub(crate) tenant: TenantId,
    pub(crate) caller: Caller,
    pub(crate) stamp: Stamp,
    pub(crate) policy_version: i64,
}

impl Trail {
    pub(crate) fn of<A: Action>(permit: &Permit<A>, stamp: &Stamp) -> Self {
        Self {
            tenant: permit.tenant().clone(),
            caller: permit.caller().clone(),
            stamp: *stamp,
            policy_version: permit.version(),
        }
    }

    /// Writes the record of one object version.
    pub(crate) async fn note(
        &self,
        tx: &mut Tx,
        action: &'static str,
        object: AuditObject,
        detail: AuditDetail,
    ) -> Result<()> {
        let record = AuditRecord {
            tenant: Some(self.tenant.clone()),
            at: self.stamp.now,
            request: self.stamp.request,
            caller: Some(self.caller.clone()),
            action,
            object,
            decision: Decision::Allow,
            reason: None,
            policy_version: Some(self.policy_version),
            detail,
        };
        insert(tx, &record, 1).await
    }
}

/// Writes a record that stands for `count` events.
///
/// # Errors
/// `Internal` if a record of the fresh id is there already: no mutation without a record of its own.
pub(crate) async fn insert(tx: &mut Tx, record: &AuditRecord, count: i64) -> Result<()> {
    let id = tx.next_event(record.at)?;
    if insert_once(tx, id, record, count).await? {
        Ok(())
    } else {
        Err(Error::internal("an audit record of a fresh id is there already"))
    }
}

/// As [`insert`], under an id of the caller's; nothing happens, and it is false, if a record of this id is there.
pub(crate) async fn insert_once(tx: &mut Tx, id: EventId, record: &AuditRecord, count: i64) -> Result<bool> {
    let tenant = record.tenant.as_ref().map_or("", TenantId::as_str).to_owned();
    let id = id.to_string();
    let (principal, actor) = match &record.caller {
        Some(caller) => (Some(&caller.principal), caller.actor.as_ref()),
        None => (None, None),
    };
    let query =
        sql("INSERT INTO audit (tenant_id, id, at, request_id, principal_id, principal_name, action, subject, \
             object_id, object_name, object_version, decision, reason, policy_version, count, detail, \
             actor_id, actor_name) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) \
         ON CONFLICT (tenant_id, id) DO NOTHING");
    let query = query
        .bind(tenant.as_str())
        .bind(id.as_str())
        .bind(record.at)
        .bind(record.request.to_string())
        .bind(principal.map(|who| who.id))
        .bind(principal.map(|who| redact::redact(&who.name)))
        .bind(record.action)
        .bind(record.object.subject.noun())
        .bind(record.object.id.clone())
        .bind(storable(&record.object.name))
        .bind(record.object.version)
        .bind(record.decision.as_str())
        .bind(record.reason)
        .bind(record.policy_version)
        .bind(count)
        .bind(redact::redact(&db::json(&record.detail)?))
        .bind(actor.map(|who| who.id))
        .bind(actor.map(|who| redact::redact(&who.name)));
    let written = tx.execute(query).await? > 0;
    if written {
        // Only then: one that was there before would witness a transaction that it is no part of.
        tx.witnessed(Witness { tenant, id });
    }
    Ok(written)
}

/// A name as it may be stored: without secrets, and without the one character that PostgreSQL cannot hold.
fn storable(name: &str) -> String {
    redact::redact(name).replace('\0', "\u{fffd}")
}

impl Store {
    /// Writes a record and waits for it, 2 s at most: release nothing before it is durable.
    ///
    /// # Errors
    /// `Unavailable` if it is not durable in time; it may become so later, which harms nobody.
    pub async fn record_strict(&self, record: AuditRecord) -> Result<()> {
        let written = self.write("record_strict", move |tx| Box::pin(async move { insert(tx, &record, 1).await }));
        let unavailable = || Error::unavailable("audit_unavailable", "the audit record could not be written in time");
        match tokio::time::timeout(STRICT_TIMEOUT, written).await {
            Ok(result) => result.map_err(|error| unavailable().with_source(error)),
            Err(_) => Err(unavailable()),
        }
    }

    /// Lists the tenant's records, newest first.
    ///
    /// # Errors
    /// `Invalid` for a page token of another list or filter.
    pub async fn list_audit(
        &self,
        permit: &Permit<actions::ReadAudit>,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRow>> {
        let list = format!("audit {filter:?}");
        let cursor = self.cursor(permit, &list, page)?;
        let query =
            sql("SELECT id, at, request_id, principal_id, principal_name, action, subject, object_id, object_name, \
                    object_version, decision, reason, policy_version, count, detail, actor_id, actor_name \
             FROM audit WHERE tenant_id = $1 AND ($2 IS NULL OR id < $2) AND ($3 IS NULL OR principal_id = $3) \
                AND ($4 IS NULL OR action = $4) AND ($5 IS NULL OR decision = $5) \
                AND ($6 IS NULL OR request_id = $6) AND ($7 IS NULL OR at >= $7) \
                AND ($8 IS NULL OR actor_id = $8) \
             ORDER BY id DESC LIMIT $9");
        let query = query
            .bind(permit.tenant())
            .bind(cursor.after.clone())
            .bind(filter.principal)
            .bind(filter.action.clone())
            .bind(filter.decision.map(Decision::as_str))
            .bind(filter.request.map(|request| request.to_string()))
            .bind(filter.since)
            .bind(filter.actor)
            .bind(cursor.limit);
        let rows = self.read().await?.rows(query).await?;
        let rows = rows.iter().map(audit_row).collect::<Result<Vec<_>>>()?;
        self.page(&cursor, rows, |row| row.id.to_string())
    }
}

fn audit_row(row: &Row) -> Result<AuditRow> {
    let id = ulid::Ulid::from_string(&row.text(0)?).map_err(Error::internal)?;
    Ok(AuditRow {
        id: EventId(id),
        at: row.micros(1)?,
        request: row.text(2)?,
        principal: row.get::<Option<Uuid>>(3)?.map(PrincipalId),
        principal_name: row.get(4)?,
        action: row.text(5)?,
        subject: row.text(6)?,
        object_id: row.get(7)?,
        object_name: row.text(8)?,
        object_version: row.get(9)?,
        decision: row.text(10)?,
        reason: row.get(11)?,
        policy_version: row.get(12)?,
        count: row.int(13)?,
        detail: row.json(14)?,
        actor: principal_ref(row, 15)?,
    })
}

/// Reads id and name of a principal from two neighbouring columns.
pub(crate) fn principal_ref(row: &Row, column: usize) -> Result<Option<PrincipalRef>> {
    let (id, name): (Option<Uuid>, Option<String>) = (row.get(column)?, row.get(column + 1)?);
    Ok(id.zip(name).map(|(id, name)| PrincipalRef { id: PrincipalId(id), name: name.into() }))
}
