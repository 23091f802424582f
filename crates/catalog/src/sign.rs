//! Remote signing (`signRequest`): one request to the object store, for one table, of a kind that table clients need.
//! Resolve, authorize, check, record, sign. Refuses everything that is not on the list: other hosts and buckets, keys
//! outside the table, other operations of S3, headers that do more than their request says, bodies that nobody checked.

mod deletion;
mod headers;
mod rules;

use std::sync::Arc;

use polder_policy::{Action, TableRef, actions};
use polder_store::{AuditDetail, AuditObject, AuditRecord, Decision, DelegationOf, TableRow};
use polder_types::{
    Error, Location, Micros, Result, Subject, TableIdent, WarehouseName,
    rest::{RemoteSignMethod, RemoteSignRequest, RemoteSignResult},
};

use crate::{
    OpCtx,
    aws::{self, Keys, Payload},
    credentials::permitted_root,
    outcome::Pending,
    resolve,
    s3_url::{S3Address, S3Target},
    vend::{Grant, SIGNED, Session, Wanted},
};

/// How long a store takes a signature (AWS, and whoever speaks like it): from its date, 15 minutes (R6).
const SIGNATURE_SECONDS: i64 = 900;
/// How far from when the request came its signature may be dated: keys may have to be made first.
const DATED_WITHIN_SECONDS: i64 = 60;
/// What came of a signature, in the trail.
const MADE: &str = "make_signature";

/// How requests to one bucket are signed.
pub(crate) struct Signing {
    address: S3Address,
    /// The server's own, where no keys for single tables are made.
    own: Option<Arc<Keys>>,
}

impl Signing {
    pub(crate) fn new(address: S3Address, own: Option<Keys>) -> Self {
        Self { address, own: own.map(Arc::new) }
    }
}

/// A request that was checked: what will be signed, and nothing else.
struct Checked {
    target: S3Target,
    headers: headers::Headers,
    payload: Payload,
    /// The keys of the objects that it names.
    keys: Vec<String>,
}

/// Signs a request to the table's object store (`signRequest`).
///
/// # Errors
/// `NotFound` if the table does not exist or the caller may not know; `Forbidden` if it is restricted for the caller, who
/// lacks the privilege, or wants something else than the table's files; `Invalid` if the request cannot be read;
/// `Unsupported` where nothing is signed; `Unavailable` if the record cannot be written.
pub async fn sign_request(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    ident: &TableIdent,
    request: RemoteSignRequest,
) -> Result<RemoteSignResult> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = resolve::table(ctx, &warehouse, ident).await?;
    let ctx = &ctx.newest().await?;
    let of = DelegationOf { table_id: row.table.id.0, mode: SIGNED };
    // SECURITY: nothing below may run without it. By the method alone, so that nobody learns from the answer to a bad
    // request that a table is there (R22); a method that is no read needs the right to write.
    let hidden = |error| resolve::hidden(ctx, &warehouse, error);
    let reads = matches!(request.method, RemoteSignMethod::Get | RemoteSignMethod::Head);
    let read = match reads {
        true => Some(ctx.authorize_delegation(actions::SignRead, &row.table, of).map_err(hidden)?),
        false => None,
    };
    let write = match reads {
        true => None,
        false => Some(ctx.authorize_delegation(actions::SignWrite, &row.table, of).map_err(hidden)?),
    };
    let Some(signing) = ctx.catalog().files().storage().signing(&row.location) else {
        let refusal = Error::unsupported("unsupported_signing", "requests are not signed for this table's storage");
        ctx.count_delegation(actions::SignRead::NAME, &row.table, of, Some(refusal.code()));
        return Err(refusal);
    };
    let root = permitted_root(ctx, &warehouse, &row.table, &row.location, of)?;
    let checked = check(&signing.address, &row.location, &request, ctx.now())
        .map_err(|refusal| refusal.told(ctx, &row.table, of))?;
    let grant = match (&read, &write) {
        (Some(permit), _) => Grant::SignRead(permit),
        (None, Some(permit)) => Grant::SignWrite(permit),
        (None, None) => return Err(Error::internal("a signature without a decision")),
    };
    let wanted = Wanted { grant, table_id: row.table.id.0, place: &row.location, root };
    let outcome = Pending::new(ctx, MADE, &row.table, of);
    let made = async {
        // SECURITY: durable before there is a signature.
        ctx.catalog().store().record_strict(record(ctx, &row, &request, &checked.keys)).await?;
        make(ctx, signing, &wanted, request.method, checked).await
    };
    outcome.end(made.await)
}

/// Makes a signature that is on record.
async fn make(
    ctx: &OpCtx,
    signing: &Signing,
    wanted: &Wanted<'_>,
    method: RemoteSignMethod,
    checked: Checked,
) -> Result<RemoteSignResult> {
    match (&signing.own, keys_for(ctx, wanted).await?) {
        // SECURITY: keys for this table alone, so that even a store that lets clients add to a signed request keeps
        // them inside of it.
        (_, Some(session)) => signed(signing, &session.keys, method, checked, ctx.now()),
        (Some(own), None) => signed(signing, own, method, checked, ctx.now()),
        (None, None) => Err(Error::internal("a store that signs without keys")),
    }
}

async fn keys_for(ctx: &OpCtx, wanted: &Wanted<'_>) -> Result<Option<Arc<Session>>> {
    match ctx.catalog().files().storage().vending(wanted.place) {
        Some(vending) => vending.keys(ctx, wanted).await.map(Some),
        None => Ok(None),
    }
}

/// Why nothing is signed.
enum Refusal {
    /// The request cannot be read.
    Invalid(&'static str),
    /// It asks for something else than the table's files.
    Outside(&'static str),
}

impl Refusal {
    /// What the caller is told; there is a record of it.
    fn told(self, ctx: &OpCtx, table: &TableRef, of: DelegationOf) -> Error {
        let (reason, error) = match self {
            Self::Invalid(why) => {
                ("invalid_request", Error::invalid("invalid_sign_request", format!("the request is not signed: {why}")))
            }
            Self::Outside(why) => {
                ("outside_table", Error::forbidden(Subject::Table, format!("the request is not signed: {why}")))
            }
        };
        ctx.count_delegation(actions::SignRead::NAME, table, of, Some(reason));
        error
    }
}

// SECURITY: what cannot be read, or is not on the list, is refused; there is no default (R21).
fn check(address: &S3Address, place: &Location, request: &RemoteSignRequest, now: Micros) -> Result<Checked, Refusal> {
    if request.provider.as_deref().is_some_and(|provider| provider != "s3") {
        return Err(Refusal::Invalid("the provider of the table's storage is `s3`"));
    }
    if request.region != address.region {
        return Err(Refusal::Invalid("it is for another region than the table's storage"));
    }
    let target = address.parse(&request.uri).map_err(Refusal::Outside)?;
    let kind = rules::kind(request.method, &target, place).map_err(Refusal::Outside)?;
    let (headers, stated) = headers::check(&request.headers, now).map_err(Refusal::Invalid)?;
    let (keys, payload) = match kind {
        rules::Kind::Object => (vec![target.key.clone()], stated),
        rules::Kind::List(prefix) => (vec![prefix], stated),
        rules::Kind::DeleteObjects => {
            let body =
                request.body.as_deref().ok_or(Refusal::Invalid("a deletion of several objects comes with its body"))?;
            let keys = deletion::keys(body).map_err(Refusal::Invalid)?;
            rules::all_below(&keys, place).map_err(Refusal::Outside)?;
            // SECURITY: signed with its digest, so that no other body goes with the signature.
            let digest = deletion::digest(body);
            if matches!(stated, Payload::Digest(stated) if stated != digest) {
                return Err(Refusal::Invalid("the body has another digest than the headers say"));
            }
            (keys, Payload::Digest(digest))
        }
    };
    Ok(Checked { target, headers, payload, keys })
}

fn signed(
    signing: &Signing,
    keys: &Keys,
    method: RemoteSignMethod,
    checked: Checked,
    now: Micros,
) -> Result<RemoteSignResult> {
    let uri = signing.address.write(&checked.target);
    let mut request = aws::request(method.as_str(), &uri, String::new())?;
    checked.headers.set(request.headers_mut())?;
    aws::sign(&mut request, keys, "s3", &signing.address.region, checked.payload);
    // SECURITY: the library dates by a clock of its own. What leaves has ended by the time that its record says (R6).
    if !headers::is_dated(request.headers(), now, DATED_WITHIN_SECONDS) {
        return Err(Error::unavailable("signed_too_late", "the request could not be signed in time; ask again"));
    }
    Ok(RemoteSignResult { uri, headers: checked.headers.with_signature(request.headers()) })
}

fn record(ctx: &OpCtx, row: &TableRow, request: &RemoteSignRequest, keys: &[String]) -> AuditRecord {
    let mut digest = blake3::Hasher::new();
    for key in keys {
        digest.update(&(key.len() as u64).to_le_bytes()).update(key.as_bytes());
    }
    AuditRecord {
        tenant: Some(ctx.tenant().clone()),
        at: ctx.now(),
        request: ctx.request_id(),
        caller: Some(ctx.principal().caller()),
        action: actions::SignRead::NAME,
        object: AuditObject {
            subject: Subject::Table,
            id: Some(row.table.id.0.to_string()),
            name: row.table.ident().to_string(),
            version: None,
        },
        decision: Decision::Allow,
        reason: None,
        policy_version: Some(ctx.snapshot().version()),
        detail: AuditDetail::Signed {
            table_id: row.table.id.0,
            delegation_mode: SIGNED,
            method: request.method.as_str(),
            paths: keys.len(),
            paths_digest: digest.finalize().to_hex().to_string(),
            snapshot_version: row.metadata_location.clone(),
            ttl: SIGNATURE_SECONDS,
            expires_at: ctx.now().plus_seconds(DATED_WITHIN_SECONDS + SIGNATURE_SECONDS),
        },
    }
}

#[cfg(test)]
mod tests;
