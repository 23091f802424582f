//! The token endpoint (RFC 6749 §4.4 client credentials, RFC 8693 exchange): an API key becomes a token of an hour,
//! and a token of ours is renewed. Refuses every other grant, subject, actor or audience.

mod form;

use std::sync::Arc;

use axum::response::Response;
use http::{StatusCode, header};
use polder_policy::PolicySnapshot;
use polder_store::{Actor, CountedEvent, Decision};
use polder_types::{Error, KeyId, Principal, Result, Scopes, Secret, rest::TokenResponse};

use crate::{
    app::App,
    auth::{Credential, Identity, tokens::TokenIssuer},
    call::Call,
    clock::Arrival,
    metrics::AuthOutcome,
    render,
};
use form::{Form, Grant};

/// The operation's name in the audit trail.
const ISSUE_TOKEN: &str = "get_token";
/// RFC 8693 §3.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Grants or renews a token (`getToken`).
pub(crate) async fn get_token(app: Arc<App>, call: Call) -> Result<Response> {
    let arrival = *call.arrival();
    issuer(&app)?;
    let basic = basic(&call)?;
    let form = Form::parse(&call.bytes().await?)?;
    let credential = form.credential(basic)?;
    match grant(&app, form, credential, &arrival).await {
        Ok(response) => Ok(response),
        Err(error) => {
            app.auth().count_denial(ISSUE_TOKEN, AuthOutcome::TokenRefused, error.code(), &arrival);
            Err(error)
        }
    }
}

/// The key in `Authorization: Basic`. Other schemes are left alone: PyIceberg sends an expired Bearer beside its form.
fn basic(call: &Call) -> Result<Option<(KeyId, Secret)>> {
    let mut found = None;
    for value in call.headers().get_all(header::AUTHORIZATION) {
        let is_basic = value.as_bytes().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "));
        if is_basic {
            let Some(Credential::Key { id, secret }) = Credential::parse(value) else {
                return Err(Error::unauthenticated());
            };
            if found.replace((id, secret)).is_some() {
                return Err(request_error("credentials are given twice"));
            }
        }
    }
    Ok(found)
}

async fn grant(app: &App, form: Form, credential: Option<(KeyId, Secret)>, arrival: &Arrival) -> Result<Response> {
    let client = match &credential {
        None => None,
        Some((id, secret)) => {
            let credential = Credential::Key { id: id.clone(), secret: secret.clone() };
            // SECURITY: credentials that are sent must be good, also where the token alone would do.
            Some(app.auth().identify(&credential, arrival.now).await?.ok_or_else(Error::unauthenticated)?)
        }
    };
    let identity = match (form.grant, client) {
        (Grant::ClientCredentials, client) => client.ok_or_else(Error::unauthenticated)?,
        (Grant::Exchange { subject }, client) => exchanged(app, &subject, client, arrival)?,
    };
    let (principal, snapshot) = holder(app, &identity, arrival).await?;
    let scopes = match form.scope.as_deref().map(str::trim).filter(|scope| !scope.is_empty()) {
        Some(text) => text.parse::<Scopes>()?,
        None => principal.scopes,
    };
    if !scopes.within(principal.scopes) {
        return Err(Error::invalid("invalid_scope", "the key does not hold a scope that was asked for"));
    }
    respond(app, &principal, scopes, &snapshot, arrival)
}

/// A token of ours: not ended, or ended and brought by the holder of its key.
fn exchanged(app: &App, subject: &Secret, client: Option<Identity>, arrival: &Arrival) -> Result<Identity> {
    let refused = || Error::invalid("invalid_grant", "the subject token is not a valid access token of this server");
    let token = issuer(app)?.verify(subject).ok_or_else(refused)?;
    let ended = token.expires_at.is_none_or(|end| end <= arrival.now);
    match client {
        // SECURITY: a key renews its own tokens only.
        Some(client) if client.tenant != token.tenant || client.credential != token.credential => Err(refused()),
        None if ended => Err(refused()),
        _ => Ok(token),
    }
}

/// The principal that holds the key now; revocation and expiry of the key are seen here.
async fn holder(app: &App, identity: &Identity, arrival: &Arrival) -> Result<(Principal, Arc<PolicySnapshot>)> {
    let snapshot = app.catalog().store().policy_snapshot(&identity.tenant).await?;
    let snapshot = snapshot.ok_or_else(Error::unauthenticated)?;
    let principal = snapshot.admit(&identity.credential, identity.scopes, arrival.now);
    let principal = principal.ok_or_else(Error::unauthenticated)?;
    if identity.subject.is_some_and(|subject| subject != principal.id) {
        return Err(Error::unauthenticated());
    }
    Ok((principal, snapshot))
}

fn respond(
    app: &App,
    principal: &Principal,
    scopes: Scopes,
    snapshot: &PolicySnapshot,
    arrival: &Arrival,
) -> Result<Response> {
    let key_end = principal.credential.key().and_then(|key| snapshot.key(key)?.expires_at);
    let (subject, object) = principal.credential.object();
    let issued = issuer(app)?.issue(principal, scopes, key_end, arrival.request_id, arrival.now)?;
    app.catalog().store().count(CountedEvent {
        tenant: Some(principal.tenant.clone()),
        at: arrival.now,
        request: arrival.request_id,
        actor: Some(Actor { id: principal.id, name: principal.name.clone() }),
        action: ISSUE_TOKEN,
        subject,
        object,
        decision: Decision::Allow,
        reason: None,
        policy_version: snapshot.version(),
    });
    render::secret_json(
        StatusCode::OK,
        &TokenResponse {
            access_token: issued.token.expose(),
            token_type: "bearer",
            expires_in: issued.expires_in,
            issued_token_type: ACCESS_TOKEN,
            scope: scopes.to_string(),
        },
    )
}

/// The built-in issuer.
///
/// # Errors
/// `Unsupported` if it is off.
fn issuer(app: &App) -> Result<&TokenIssuer> {
    let off = || Error::unsupported("unsupported_grant_type", "this server issues no tokens (`auth.builtin_issuer`)");
    app.auth().tokens().ok_or_else(off)
}

/// A form that is not one of ours (RFC 6749 §5.2).
fn request_error(message: &'static str) -> Error {
    Error::invalid("invalid_request", message)
}

#[cfg(test)]
mod tests;
