//! Access tokens of the built-in issuer: JWT, HS256, signed with the sealed key of the database. Refuses every header
//! but its own, byte for byte: no other algorithm, key id, `jku`, `jwk` or `x5u` is ever looked at (R31).

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use polder_store::SigningKey;
use polder_types::{
    CredentialId, Error, Impersonation, KeyId, Micros, Principal, PrincipalId, RequestId, Result, Scopes, Secret,
    TenantId,
};
use serde::{Deserialize, Serialize};

use super::Identity;
use crate::config::Auth;

/// How long a token lives.
pub(crate) const TOKEN_SECONDS: i64 = 3_600;
/// Most bytes of a token: ours are far below.
const TOKEN_BYTES_MAX: usize = 2_048;
/// Who signs, and for whom, unless the configuration says so.
const ISSUER: &str = "polder";
const AUDIENCE: &str = "polder";

/// The claims, all but the last of them required, no others accepted, none twice. Times are whole seconds: a fraction does not
/// parse, and Java's client would refuse it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: PrincipalId,
    tenant: TenantId,
    key: KeyId,
    scope: String,
    iat: i64,
    exp: i64,
    jti: String,
    /// Who acts for the subject, with its own key; left out where nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    act: Option<Act>,
}

/// The claim `act` (RFC 8693 §4.1). Never nested: who is acted for acts for nobody.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    sub: PrincipalId,
}

/// Signs and verifies.
pub(crate) struct TokenIssuer {
    header: Header,
    /// The first segment of each token of ours, with its dot.
    header_segment: String,
    sign: EncodingKey,
    verify: DecodingKey,
    validation: Validation,
    issuer: String,
    audience: String,
}

/// A new token.
pub(crate) struct Issued {
    /// The token.
    pub(crate) token: Secret,
    /// Seconds until it ends.
    pub(crate) expires_in: u64,
}

impl TokenIssuer {
    /// Prepares signing with the key of the database. The configured issuer is ours unless it is that of users' tokens.
    ///
    /// # Errors
    /// `Internal` if the header cannot be written.
    pub(crate) fn new(key: &SigningKey, config: &Auth) -> Result<Self> {
        let issuer = config.issuer.clone().filter(|_| config.user_key.is_none()).unwrap_or(ISSUER.to_owned());
        let audience = config.audience.clone().unwrap_or(AUDIENCE.to_owned());
        let header = Header { kid: Some(key.id().to_owned()), ..Header::new(Algorithm::HS256) };
        let encoded = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).map_err(Error::internal)?);
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        validation.set_issuer(&[&issuer]);
        validation.set_audience(&[&audience]);
        // The library would read its own clock: the end is checked against the request's time, in the session.
        validation.validate_exp = false;
        Ok(Self {
            header_segment: encoded + ".",
            header,
            sign: EncodingKey::from_secret(key.bytes()),
            verify: DecodingKey::from_secret(key.bytes()),
            validation,
            issuer,
            audience,
        })
    }

    /// Signs a token for a principal; it ends at `end` at the latest: with the key, and with the token that it was made of.
    ///
    /// # Errors
    /// `Internal` if signing fails, or the principal came without a key.
    pub(crate) fn issue(
        &self,
        principal: &Principal,
        scopes: Scopes,
        end: Option<Micros>,
        request: RequestId,
        now: Micros,
    ) -> Result<Issued> {
        let key = principal.credential.key().ok_or_else(|| Error::internal("tokens are made for keys"))?;
        let iat = now.seconds();
        let exp = end.map_or(iat + TOKEN_SECONDS, |end| end.seconds().min(iat + TOKEN_SECONDS));
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: principal.id,
            tenant: principal.tenant.clone(),
            key: key.clone(),
            scope: scopes.to_string(),
            iat,
            exp,
            jti: request.to_string(),
            act: principal.actor.as_deref().map(|actor| Act { sub: actor.id }),
        };
        let token = jsonwebtoken::encode(&self.header, &claims, &self.sign).map_err(Error::internal)?;
        Ok(Issued { token: Secret::new(token), expires_in: u64::try_from(exp - iat).unwrap_or_default() })
    }

    /// True if the token says of itself that it is ours; nobody else verifies it then.
    pub(crate) fn is_ours(&self, token: &Secret) -> bool {
        token.expose().starts_with(&self.header_segment)
    }

    /// Checks signature and claims; whether it has ended is for the caller to ask. `None` for whatever is not ours.
    pub(crate) fn verify(&self, token: &Secret) -> Option<Identity> {
        let text = token.expose();
        // SECURITY: the header is compared, not interpreted.
        if text.len() > TOKEN_BYTES_MAX || !self.is_ours(token) {
            return None;
        }
        let claims = jsonwebtoken::decode::<Claims>(text, &self.verify, &self.validation).ok()?.claims;
        if claims.iss != self.issuer || claims.aud != self.audience || claims.iat > claims.exp {
            return None;
        }
        let credential = match claims.act {
            None => CredentialId::Key(claims.key),
            Some(act) => {
                let of = Impersonation { key: claims.key, actor: act.sub, subject: claims.sub };
                CredentialId::Impersonated(Arc::new(of))
            }
        };
        Some(Identity {
            tenant: claims.tenant,
            credential,
            scopes: Some(claims.scope.parse().ok()?),
            expires_at: Some(Micros(0).plus_seconds(claims.exp)),
            subject: Some(claims.sub),
        })
    }
}

#[cfg(test)]
mod tests;
