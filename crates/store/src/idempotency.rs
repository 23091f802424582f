//! Outcomes of requests that came with an `Idempotency-Key` (design: the commit protocol). An outcome is written in the
//! transaction of its effect, under a scope of tenant, principal and route; a second effect under one key is refused
//! there, whatever was seen before. Refuses to keep bodies: what is answered again is rendered again.

use polder_types::{
    Error, ErrorKind, Micros, PrincipalId, RelationId, Result, Subject, TenantId,
    rest::UpdateNamespacePropertiesResponse,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Store,
    audit::Trail,
    db::{self, sql},
    redact,
    tx::Tx,
};

/// How long a key may be used again, as `getConfig` says it.
pub const KEY_LIFETIME_SECONDS: i64 = 30 * 60;
/// How much longer an outcome is kept: a retry that was sent in time may arrive late.
const GRACE_SECONDS: i64 = 5 * 60;
/// Most expired outcomes that one sweep deletes.
const SWEEP_MAX: i64 = 10_000;
/// Most bytes of the text of a refusal that are kept.
const MESSAGE_BYTES_MAX: usize = 2_048;

/// The key of a request, with what the request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The operation.
    pub route: &'static str,
    /// The client's key.
    pub key: Uuid,
    /// blake3 of method, path, query and body.
    pub fingerprint: [u8; 32],
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Outcome {
    /// It was done; there is nothing to tell, or nothing that the request does not say.
    Done,
    /// A table was made, or its pointer moved.
    Table {
        /// The table, whatever it is called by now.
        relation: RelationId,
        /// Where its document lay then.
        metadata_location: String,
    },
    /// Properties of a namespace were changed.
    Properties(UpdateNamespacePropertiesResponse),
    /// It was refused for good.
    Refused(Refusal),
}

/// How a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What the caller should do.
    pub kind: ErrorKind,
    /// The kind of object.
    pub subject: Subject,
    /// The public text.
    pub message: String,
    /// The policy version when the request came: what it is answered was decided under this one, or a newer one. `None`
    /// in rows of a release that did not keep it.
    #[serde(default)]
    pub policy_version: Option<i64>,
}

impl Outcome {
    /// The outcome of a request that was refused; `None` for an error that a retry may not meet again.
    #[must_use]
    pub fn refused(error: &Error, policy_version: i64) -> Option<Self> {
        is_lasting(error.kind()).then(|| {
            let mut message = redact::redact(error.message());
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
            let policy_version = Some(policy_version);
            Self::Refused(Refusal { kind: error.kind(), subject: error.subject(), message, policy_version })
        })
    }
}

/// True for what a request is refused with for good. Each 4xx that an operation may come to by what it finds is one: an
/// earlier attempt that is still on its way must not land after its client was told no, and has deleted its files (F8).
fn is_lasting(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Invalid
        | ErrorKind::Unprocessable
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::Conflict
        | ErrorKind::NotEmpty
        | ErrorKind::Unsupported
        // Of a document or of properties that would grow too large. A body that is too large never came as far as here.
        | ErrorKind::TooLarge => true,
        // The door's own, before it looks for a key: of the credential, the form of the answer, the body, the pace.
        ErrorKind::Unauthenticated
        | ErrorKind::NotAcceptable
        | ErrorKind::RequestTimeout
        | ErrorKind::RateLimited
        // Told with 5xx: clients keep their files and ask again.
        | ErrorKind::Unavailable
        | ErrorKind::Deadline
        | ErrorKind::CommitStateUnknown
        | ErrorKind::Internal => false,
    }
}

/// True if nothing happened because the key has an outcome already: answer with that one.
#[must_use]
pub fn is_answered(error: &Error) -> bool {
    error.code() == "idempotency_answered"
}

fn answered() -> Error {
    Error::unavailable("idempotency_answered", "the same request was answered meanwhile; try again")
}

impl Trail {
    /// Writes the outcome of a keyed request beside its effect.
    ///
    /// # Errors
    /// [`is_answered`] if the key has one already: the effect is rolled back.
    pub(crate) async fn answered(&self, tx: &mut Tx, outcome: &Outcome) -> Result<()> {
        let Some(key) = &self.stamp.keyed else {
            return Ok(());
        };
        match insert(tx, &self.tenant, self.caller.principal.id, key, outcome, self.stamp.now).await? {
            true => Ok(()),
            false => Err(answered()),
        }
    }
}

/// Writes an outcome; false if there is one. One that has expired is replaced.
async fn insert(
    tx: &mut Tx,
    tenant: &TenantId,
    principal: PrincipalId,
    key: &IdempotencyKey,
    outcome: &Outcome,
    now: Micros,
) -> Result<bool> {
    let query = sql("INSERT INTO idempotency_keys AS kept \
             (tenant_id, principal_id, route, key, fingerprint, outcome, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (tenant_id, principal_id, route, key) DO UPDATE SET \
             fingerprint = excluded.fingerprint, outcome = excluded.outcome, expires_at = excluded.expires_at \
         WHERE kept.expires_at <= $8");
    let query = query
        .bind(tenant)
        .bind(principal)
        .bind(key.route)
        .bind(key.key)
        .bind(key.fingerprint.as_slice())
        .bind(db::json(outcome)?)
        .bind(now.plus_seconds(KEY_LIFETIME_SECONDS + GRACE_SECONDS))
        .bind(now);
    Ok(tx.execute(query).await? > 0)
}

impl Store {
    /// What became of an earlier request with this key.
    ///
    /// # Errors
    /// `Unprocessable` if that was another request; `Unavailable` if the database is.
    pub async fn outcome_of(
        &self,
        tenant: &TenantId,
        principal: PrincipalId,
        key: &IdempotencyKey,
        now: Micros,
    ) -> Result<Option<Outcome>> {
        let query = sql("SELECT fingerprint, outcome FROM idempotency_keys \
             WHERE tenant_id = $1 AND principal_id = $2 AND route = $3 AND key = $4 AND expires_at > $5");
        let query = query.bind(tenant).bind(principal).bind(key.route).bind(key.key).bind(now);
        let Some(row) = self.read().await?.row(query).await? else {
            return Ok(None);
        };
        if row.get::<Vec<u8>>(0)? != key.fingerprint {
            return Err(Error::new(
                ErrorKind::Unprocessable,
                Subject::Request,
                "idempotency_key_reused",
                "the `Idempotency-Key` was used for another request; use a fresh one",
            ));
        }
        row.json(1).map(Some)
    }

    /// Writes a refusal before it is told, so that no earlier request with this key can still take effect. False if
    /// the key has an outcome already: answer with that one.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn keep_refusal(
        &self,
        tenant: &TenantId,
        principal: PrincipalId,
        key: &IdempotencyKey,
        refusal: Outcome,
        now: Micros,
    ) -> Result<bool> {
        let (tenant, key) = (tenant.clone(), *key);
        self.write("keep_refusal", move |tx| {
            Box::pin(async move { insert(tx, &tenant, principal, &key, &refusal, now).await })
        })
        .await
    }

    /// Deletes outcomes whose keys may not be used any more, a bounded number of them.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub(crate) async fn sweep_outcomes(&self, now: Micros) -> Result<()> {
        let old = sql("SELECT 1 FROM idempotency_keys WHERE expires_at <= $1 LIMIT 1");
        if self.read().await?.row(old.bind(now)).await?.is_none() {
            return Ok(()); // an idle server writes nothing
        }
        self.write("sweep_outcomes", move |tx| {
            Box::pin(async move {
                let query = sql("DELETE FROM idempotency_keys WHERE (tenant_id, principal_id, route, key) IN \
                     (SELECT tenant_id, principal_id, route, key FROM idempotency_keys \
                      WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)");
                tx.execute(query.bind(now).bind(SWEEP_MAX)).await.map(drop)
            })
        })
        .await
    }
}
