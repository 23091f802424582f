//! API keys over HTTP. A secret leaves the server once, in the answer that makes it.

use axum::response::Response;
use http::StatusCode;
use polder_catalog::{OpCtx, admin::access};
use polder_store::{IssuedKey, KeyRow, NewKey};
use polder_types::{Error, KeyId, Micros, Result, Scopes, Subject};
use serde::{Deserialize, Serialize};

use super::paging;
use crate::{call::Call, render};

/// The longest life of a key that ends: a hundred years.
const EXPIRES_IN_SECONDS_MAX: u64 = 100 * 366 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateKey {
    principal: String,
    scopes: Option<String>,
    expires_in_seconds: Option<u64>,
}

/// A key without its secret.
#[derive(Serialize)]
struct KeyView {
    id: KeyId,
    principal: String,
    prefix: String,
    scopes: String,
    created_at: Micros,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Micros>,
}

impl From<KeyRow> for KeyView {
    fn from(row: KeyRow) -> Self {
        Self {
            id: row.id,
            principal: row.principal_name,
            prefix: row.prefix,
            scopes: row.scopes.to_string(),
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
        }
    }
}

/// A new key with its secret. The one type that shows it; it is never logged.
#[derive(Serialize)]
pub(super) struct IssuedView<'a> {
    id: &'a KeyId,
    principal: &'a str,
    secret: &'a str,
    credential: String,
    scopes: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Micros>,
}

impl<'a> IssuedView<'a> {
    pub(super) fn new(issued: &'a IssuedKey) -> Self {
        let secret = issued.secret.expose();
        Self {
            id: &issued.key.id,
            principal: &issued.key.principal_name,
            secret,
            credential: [issued.key.id.as_str(), ":", secret].concat(),
            scopes: issued.key.scopes.to_string(),
            expires_at: issued.key.expires_at,
        }
    }
}

/// Makes a key for a principal.
pub(crate) async fn create_key(ctx: OpCtx, call: Call) -> Result<Response> {
    let CreateKey { principal, scopes, expires_in_seconds } = call.json().await?;
    let scopes = scopes.map_or(Ok(Scopes::data()), |text| text.parse::<Scopes>())?;
    if scopes.is_empty() {
        return Err(Error::invalid("invalid_scope", "a key has at least one scope").about(Subject::ApiKey));
    }
    let expires_at = expires_in_seconds.map(|seconds| expiry(ctx.now(), seconds)).transpose()?;
    let issued = access::create_key(&ctx, &NewKey { principal, scopes, expires_at }).await?;
    render::secret_json(StatusCode::CREATED, &IssuedView::new(&issued))
}

fn expiry(now: Micros, seconds: u64) -> Result<Micros> {
    let within = i64::try_from(seconds).ok().filter(|_| (1..=EXPIRES_IN_SECONDS_MAX).contains(&seconds));
    within.map(|seconds| now.plus_seconds(seconds)).ok_or_else(|| {
        Error::invalid("invalid_expiry", format!("`expires_in_seconds` is 1 to {EXPIRES_IN_SECONDS_MAX}"))
            .about(Subject::ApiKey)
    })
}

/// Lists the keys, never their secrets.
pub(crate) async fn list_keys(ctx: OpCtx, call: Call) -> Result<Response> {
    let page = access::list_keys(&ctx, &paging::page(&call)?).await?;
    paging::render("keys", page, KeyView::from)
}

/// Revokes a key, and with it every token made from it.
pub(crate) async fn revoke_key(ctx: OpCtx, call: Call) -> Result<Response> {
    let id = call.required("key")?;
    let id: KeyId = id.parse().map_err(|_| Error::not_found(Subject::ApiKey, id))?;
    access::revoke_key(&ctx, &id).await?;
    Ok(render::no_content())
}
