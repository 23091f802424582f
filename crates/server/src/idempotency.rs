//! `Idempotency-Key` at the door: read, kept in flight once, answered again. Refuses keys that are no UUIDs, and every
//! key at doors that cannot answer twice. What changes nothing is done again under its key, so no key is kept there.

use std::{future::Future, sync::Arc, time::Duration};

use axum::response::Response;
use http::HeaderMap;
use moka::sync::Cache;
use polder_catalog::{
    OpCtx,
    idempotency::{self, IdempotencyKey, Outcome},
};
use polder_policy::AuditClass;
use polder_types::{Error, Principal, PrincipalId, Result, TenantId};
use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

use crate::{app::App, call::Call, op::Op, render::Style, routes::iceberg::again};

/// The header.
const HEADER: &str = "idempotency-key";
/// Most keys in flight that are remembered; a forgotten one costs work that its transaction refuses.
const IN_FLIGHT_MAX: u64 = 10_000;
/// How long a key is remembered after its last request came.
const IN_FLIGHT_IDLE: Duration = Duration::from_secs(120);

/// Reads the key of an operation that takes one, and returns it if it is to be kept.
///
/// # Errors
/// `Invalid` if it is not one UUID in its usual form; `Unsupported` at an administrator's door.
pub(crate) fn key(op: &Op, headers: &HeaderMap) -> Result<Option<Uuid>> {
    let mut values = headers.get_all(HEADER).into_iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let kept = op.audit == AuditClass::Atomic;
    if !kept && !op.reads_key {
        return Ok(None); // the specification has no key here
    }
    if op.style != Style::Iceberg {
        // An answer may hold a secret that is shown once.
        return Err(Error::unsupported("unsupported_idempotency_key", "this door takes no `Idempotency-Key`"));
    }
    let text = value.to_str().ok().filter(|text| text.len() == 36 && values.next().is_none());
    let key = text.and_then(|text| text.parse::<Uuid>().ok()).filter(|key| !key.is_nil());
    let key = key.ok_or_else(|| {
        Error::invalid("invalid_idempotency_key", "`Idempotency-Key` is one UUID in its form of 36 characters")
    })?;
    Ok(kept.then_some(key))
}

/// What the key stands for: SECURITY, in the words of R29, a key of another request is no key to this one. The
/// workspace of the credential is part of it: it says which warehouse a path without one means. So is who acts: what was
/// answered to a session of somebody who is acted for is no answer to the one itself (R38).
fn fingerprint(principal: &Principal, call: &Call, body: &[u8]) -> [u8; 32] {
    let (method, target) = call.target();
    let mut hasher = blake3::Hasher::new();
    let workspace = principal.workspace().map(|name| name.as_str());
    let actor = principal.actor.as_deref().map(|actor| format!("for:{}", actor.id));
    // No method is spelled like a warehouse or an actor, so a part more or less is no other request's text.
    let parts = workspace.into_iter().chain(actor.as_deref()).chain([method.as_str(), target]);
    for part in parts.map(str::as_bytes) {
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes()).update(part);
    }
    *hasher.update(body).finalize().as_bytes()
}

/// Runs a keyed request, or answers it again if it was answered before.
pub(crate) async fn once<F, Fut>(
    app: &Arc<App>,
    op: &'static Op,
    ctx: OpCtx,
    call: Call,
    key: Uuid,
    handler: F,
) -> Result<Response>
where
    F: FnOnce(OpCtx, Call) -> Fut + Send,
    Fut: Future<Output = Result<Response>> + Send,
{
    let (call, body) = call.buffered().await?;
    let key = IdempotencyKey { route: op.name, key, fingerprint: fingerprint(ctx.principal(), &call, &body) };
    let _turn = app.in_flight().turn(&ctx, &key).await;
    if let Some(outcome) = idempotency::earlier(&ctx, &key).await? {
        return again::answer(op, &ctx, call, outcome).await;
    }
    let error = match handler(ctx.keyed(key), call.again(body)).await {
        Ok(response) => return Ok(response),
        Err(error) => error,
    };
    let answered = match Outcome::refused(&error, ctx.snapshot().version()) {
        // No earlier request with this key, still on its way, may take effect once this one was told no (F8).
        Some(refusal) => !idempotency::keep_refusal(&ctx, &key, refusal).await?,
        None => idempotency::is_answered(&error),
    };
    if !answered {
        return Err(error);
    }
    match idempotency::earlier(&ctx, &key).await {
        Ok(Some(outcome)) => again::answer(op, &ctx, call, outcome).await,
        Ok(None) => Err(error),
        // There is an outcome, and it may be that the commit landed.
        Err(unread) => Err(again::untold(op, unread)),
    }
}

/// Who uses a key, and where.
type Scope = (TenantId, PrincipalId, &'static str, Uuid);

/// Keyed requests that run in this process: one of a key at a time. It saves work only; the transaction decides.
pub(crate) struct InFlight(Cache<Scope, Arc<Mutex<()>>>);

impl InFlight {
    pub(crate) fn new() -> Self {
        Self(Cache::builder().max_capacity(IN_FLIGHT_MAX).time_to_idle(IN_FLIGHT_IDLE).build())
    }

    async fn turn(&self, ctx: &OpCtx, key: &IdempotencyKey) -> OwnedMutexGuard<()> {
        let scope = (ctx.tenant().clone(), ctx.principal().id, key.route, key.key);
        self.0.get_with(scope, Arc::default).lock_owned().await
    }
}

#[cfg(test)]
mod tests;
