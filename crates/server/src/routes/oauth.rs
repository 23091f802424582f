//! The token endpoint (RFC 6749 §4.4 client credentials, RFC 8693 exchange): an API key becomes a token of an hour,
//! a token of ours is renewed, and whoever may act for somebody gets a token to do so. Refuses every other grant, subject,
//! actor or audience.

mod form;

use std::sync::Arc;

use axum::response::Response;
use http::{StatusCode, header};
use polder_policy::{ImpersonationDenial, PolicySnapshot};
use polder_store::{CountedEvent, Decision};
use polder_types::{CredentialId, Error, KeyId, Micros, Principal, Result, Scopes, Secret, rest::TokenResponse};

use crate::{
    app::App,
    auth::{Credential, Identity, tokens::TokenIssuer, unsigned},
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
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Whom a token is for, by which policy, and when it ends at the latest whatever its key says.
type Holder = (Principal, Arc<PolicySnapshot>, Option<Micros>);

/// Why no token is granted.
enum Refusal {
    /// Nobody was found whose record it could be.
    Unrecorded(Error),
    /// On record in the trail of the tenant.
    Recorded(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Unrecorded(error)
    }
}

/// Grants or renews a token (`getToken`).
pub(crate) async fn get_token(app: Arc<App>, call: Call) -> Result<Response> {
    let arrival = *call.arrival();
    issuer(&app)?;
    let basic = basic(&call)?;
    let form = Form::parse(&call.bytes().await?)?;
    let credential = form.credential(basic)?;
    match grant(&app, form, credential, &arrival).await {
        Ok(response) => Ok(response),
        Err(Refusal::Recorded(error)) => Err(error),
        Err(Refusal::Unrecorded(error)) => {
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

async fn grant(
    app: &App,
    form: Form,
    credential: Option<(KeyId, Secret)>,
    arrival: &Arrival,
) -> Result<Response, Refusal> {
    let client = match &credential {
        None => None,
        Some((id, secret)) => {
            let credential = Credential::Key { id: id.clone(), secret: secret.clone() };
            // SECURITY: credentials that are sent must be good, also where the token alone would do.
            Some(app.auth().identify(&credential, arrival.now).await?.ok_or_else(Error::unauthenticated)?)
        }
    };
    let (principal, snapshot, end) = match (form.grant, client) {
        (Grant::ClientCredentials, client) => holder(app, &client.ok_or_else(Error::unauthenticated)?, arrival).await?,
        (Grant::Exchange { subject }, client) => {
            holder(app, &exchanged(app, &subject, client, arrival)?, arrival).await?
        }
        (Grant::Impersonation { subject, actor }, client) => {
            impersonated(app, (&subject, &actor), client, arrival).await?
        }
    };
    let scopes = match form.scope.as_deref().map(str::trim).filter(|scope| !scope.is_empty()) {
        Some(text) => text.parse::<Scopes>()?,
        None => principal.scopes,
    };
    if !scopes.within(principal.scopes) {
        app.auth().count_refusal(ISSUE_TOKEN, &principal, "scope", snapshot.version(), arrival);
        let told = "the key does not hold a scope that was asked for";
        return Err(Refusal::Recorded(Error::invalid("invalid_scope", told)));
    }
    Ok(respond(app, &principal, scopes, (&snapshot, end), arrival)?)
}

/// Whom a live token of ours may act for, in the words of its holder.
async fn impersonated(
    app: &App,
    (subject, actor): (&Secret, &Secret),
    client: Option<Identity>,
    arrival: &Arrival,
) -> Result<Holder, Refusal> {
    let refused = || Error::invalid("invalid_grant", "the actor token is not a valid access token of this server");
    let token = issuer(app)?.verify(actor).filter(|token| token.expires_at.is_some_and(|end| end > arrival.now));
    let token = token.ok_or_else(refused)?;
    let (actor, snapshot, _) = holder(app, &token, arrival).await?;
    // SECURITY: a token to act for somebody makes no other one (R38), and beside a key goes that key's token only.
    let chained = !matches!(token.credential, CredentialId::Key(_));
    if chained || client.is_some_and(|client| client.tenant != token.tenant || client.credential != token.credential) {
        let reason = if chained { "chained_actor" } else { "foreign_actor" };
        app.auth().count_refusal(ISSUE_TOKEN, &actor, reason, snapshot.version(), arrival);
        return Err(Refusal::Recorded(refused()));
    }
    let denial = match unsigned::subject(subject) {
        None => ImpersonationDenial::Unknown,
        Some(text) => match snapshot.impersonate(&actor, &text, arrival.now) {
            Ok(principal) => return Ok((principal, snapshot, token.expires_at)),
            Err(denial) => denial,
        },
    };
    app.auth().count_impersonation(ISSUE_TOKEN, &actor, &denial, snapshot.version(), arrival);
    // SECURITY: one answer, whether there is such a principal or not (R22).
    let told = "the subject token names nobody for whom this actor may act";
    Err(Refusal::Recorded(Error::invalid("invalid_grant", told)))
}

/// A token of ours: not ended, or ended and brought by the holder of its key. One to act for somebody keeps its actor.
fn exchanged(app: &App, subject: &Secret, client: Option<Identity>, arrival: &Arrival) -> Result<Identity> {
    let refused = || Error::invalid("invalid_grant", "the subject token is not a valid access token of this server");
    let token = issuer(app)?.verify(subject).ok_or_else(refused)?;
    let ended = token.expires_at.is_none_or(|end| end <= arrival.now);
    match client {
        // SECURITY: a key renews its own tokens only.
        Some(client) if client.tenant != token.tenant || client.credential.key() != token.credential.key() => {
            Err(refused())
        }
        None if ended => Err(refused()),
        _ => Ok(token),
    }
}

/// The principal that holds the key now; revocation and expiry of the key are seen here.
async fn holder(app: &App, identity: &Identity, arrival: &Arrival) -> Result<Holder> {
    let snapshot = app.catalog().store().policy_snapshot(&identity.tenant).await?;
    let snapshot = snapshot.ok_or_else(Error::unauthenticated)?;
    let principal = snapshot.admit(&identity.credential, identity.scopes, arrival.now);
    let principal = principal.ok_or_else(Error::unauthenticated)?;
    if identity.subject.is_some_and(|subject| subject != principal.id) {
        return Err(Error::unauthenticated());
    }
    Ok((principal, snapshot, None))
}

fn respond(
    app: &App,
    principal: &Principal,
    scopes: Scopes,
    (snapshot, end): (&PolicySnapshot, Option<Micros>),
    arrival: &Arrival,
) -> Result<Response> {
    let key_end = principal.credential.key().and_then(|key| snapshot.key(key)?.expires_at);
    let end = key_end.into_iter().chain(end).min();
    let (subject, object) = principal.credential.object();
    let issued = issuer(app)?.issue(principal, scopes, end, arrival.request_id, arrival.now)?;
    app.catalog().store().count(CountedEvent {
        tenant: Some(principal.tenant.clone()),
        at: arrival.now,
        request: arrival.request_id,
        caller: Some(principal.caller()),
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
