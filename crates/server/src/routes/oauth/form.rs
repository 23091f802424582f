//! The form of a token request: each parameter once, those that this server does not honour refused by name.

use polder_types::{Error, KeyId, Result, Secret};

use super::{ACCESS_TOKEN, JWT, request_error};
use crate::auth::key_of;

/// RFC 6749 §4.4.2.
const CLIENT_CREDENTIALS: &str = "client_credentials";
/// RFC 8693 §2.1.
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What is asked for.
pub(super) enum Grant {
    /// A token for an API key.
    ClientCredentials,
    /// A new token for an old one.
    Exchange {
        /// The old one.
        subject: Secret,
    },
    /// A token to act for somebody else.
    Impersonation {
        /// An unsigned JWT that names the one.
        subject: Secret,
        /// A token of who acts.
        actor: Secret,
    },
}

/// A token request.
pub(super) struct Form {
    /// What is asked for.
    pub(super) grant: Grant,
    /// The scopes wanted, as written.
    pub(super) scope: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
}

impl Form {
    /// Parses the body. Parameters that no specification of ours names are ignored (RFC 6749 §3.2).
    ///
    /// # Errors
    /// `Invalid` with a code of RFC 6749 §5.2.
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        let mut fields = Fields::parse(body)?;
        for refused in ["audience", "resource"] {
            if fields.take(refused).is_some() {
                return Err(Error::invalid("invalid_request", format!("`{refused}` is not supported")));
            }
        }
        let actor = actor(&mut fields)?;
        let grant = match fields.take("grant_type").as_deref() {
            Some(TOKEN_EXCHANGE) => exchange(&mut fields, actor)?,
            _ if actor.is_some() => return Err(request_error("an `actor_token` belongs to a token exchange")),
            Some(CLIENT_CREDENTIALS) => Grant::ClientCredentials,
            Some(_) => {
                return Err(Error::invalid(
                    "unsupported_grant_type",
                    "the grant type is `client_credentials`, or token exchange to renew a token of this server",
                ));
            }
            None => return Err(request_error("`grant_type` is missing")),
        };
        Ok(Self {
            grant,
            scope: fields.take("scope"),
            client_id: fields.take("client_id"),
            client_secret: fields.take("client_secret").map(Secret::new),
        })
    }

    /// The one key that authenticates the request, from the form, from Basic, or from both if they agree.
    ///
    /// # Errors
    /// `Invalid` if they differ; `Unauthenticated` if the id is none.
    pub(super) fn credential(&self, basic: Option<(KeyId, Secret)>) -> Result<Option<(KeyId, Secret)>> {
        let form = self.form_credential()?;
        match (form, basic) {
            (Some((id, secret)), Some(basic)) if id != basic.0 || secret.expose() != basic.1.expose() => {
                Err(request_error("the form and the `Authorization` header hold different credentials"))
            }
            (None, Some(basic)) if self.client_id.as_deref().is_some_and(|id| id != basic.0.as_str()) => {
                Err(request_error("the form and the `Authorization` header hold different credentials"))
            }
            (form, basic) => Ok(form.or(basic)),
        }
    }

    /// A secret names its key itself, so that clients which were given only the secret get along.
    fn form_credential(&self) -> Result<Option<(KeyId, Secret)>> {
        let Some(secret) = &self.client_secret else { return Ok(None) };
        let id = match self.client_id.as_deref().filter(|id| !id.is_empty()) {
            Some(id) => id.parse().ok(),
            None => key_of(secret),
        };
        id.map(|id| Some((id, secret.clone()))).ok_or_else(Error::unauthenticated)
    }
}

/// The token of who acts, with its type (RFC 8693 §2.1: neither without the other).
fn actor(fields: &mut Fields) -> Result<Option<Secret>> {
    match (fields.take("actor_token"), fields.take("actor_token_type").as_deref()) {
        (None, None) => Ok(None),
        (Some(actor), Some(ACCESS_TOKEN)) => Ok(Some(Secret::new(actor))),
        _ => Err(request_error("an actor is named by `actor_token`, an access token of this server, and its type")),
    }
}

fn exchange(fields: &mut Fields, actor: Option<Secret>) -> Result<Grant> {
    let subject = fields.take("subject_token").ok_or_else(|| request_error("`subject_token` is missing"))?;
    let kind = fields.take("subject_token_type");
    if fields.take("requested_token_type").is_some_and(|wanted| wanted != ACCESS_TOKEN) {
        return Err(request_error("only access tokens can be requested"));
    }
    let subject = Secret::new(subject);
    match (kind.as_deref(), actor) {
        (Some(ACCESS_TOKEN), None) => Ok(Grant::Exchange { subject }),
        // SECURITY: an unsigned token says nothing without somebody who answers for it (R38).
        (Some(JWT), Some(actor)) => Ok(Grant::Impersonation { subject, actor }),
        _ => Err(request_error(
            "the subject token is an access token of this server, or an unsigned JWT beside an `actor_token`",
        )),
    }
}

/// Fields in their order, none of them twice.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(body: &[u8]) -> Result<Self> {
        let fields: Vec<(String, String)> =
            serde_urlencoded::from_bytes(body).map_err(|_| request_error("the body is not a form"))?;
        let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        if names.len() < all {
            return Err(request_error("a parameter is given twice"));
        }
        Ok(Self(fields))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.swap_remove(at).1)
    }
}

#[cfg(test)]
mod tests;
