//! The one verifier of signed tokens that others issue: one key, whose kind alone decides the algorithm. Reads nothing
//! from the header but to refuse it; follows no URL, looks nothing up, and gives no reason (R31).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use polder_types::{Error, Micros, Result, Secret};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::{config::UserKey, json};

/// Most bytes of a token.
const TOKEN_BYTES_MAX: usize = 4_096;
/// Most characters of a key id, of `iss` and of `aud`.
const NAME_CHARS_MAX: usize = 256;
/// How far the clock of an issuer may be ahead of ours.
const AHEAD_SECONDS_MAX: i64 = 30;
/// An uncompressed point of P-256.
const P256_BYTES: usize = 65;
/// A modulus of 2048 bits with its exponent in DER.
const RSA_2048_BYTES_MIN: usize = 266;

/// The claims of a verified token: members in their order, none twice.
pub(crate) struct Claims(Vec<(String, Value)>);

impl Claims {
    /// A claim by its name.
    pub(crate) fn claim(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A claim that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.claim(name)?.as_str()
    }

    /// When the token ends.
    pub(crate) fn expires_at(&self) -> Option<Micros> {
        Some(Micros(0).plus_seconds(self.claim("exp")?.as_i64()?))
    }
}

/// Verifies tokens of one issuer.
pub(crate) struct Verifier {
    algorithm: Algorithm,
    key: DecodingKey,
    issuer: Option<String>,
    audience: Option<String>,
}

impl Verifier {
    /// Prepares the key; what a token must say about issuer and audience (anything, but something, where `None`).
    ///
    /// # Errors
    /// `Invalid` for a key of another kind, or one that is too short.
    pub(crate) fn new(key: &UserKey, issuer: Option<String>, audience: Option<String>) -> Result<Self> {
        let (algorithm, key) = match key {
            UserKey::Hs256(secret) => (Algorithm::HS256, DecodingKey::from_secret(secret.expose().as_bytes())),
            UserKey::Public(pem) => public_key(pem)?,
        };
        Ok(Self { algorithm, key, issuer, audience })
    }

    /// The claims of a token that is good now. `None` for every reason alike.
    pub(crate) fn verify(&self, token: &Secret, now: Micros) -> Option<Claims> {
        let text = token.expose();
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (message, signature) = text.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        self.accepts(&members(header)?).then_some(())?;
        // SECURITY: nothing of the payload is looked at before its signature is good.
        crypto::verify(signature, message.as_bytes(), &self.key, self.algorithm).ok()?.then_some(())?;
        let claims = Claims(members(payload)?);
        self.holds(&claims, now).then_some(claims)
    }

    /// True for a header that asks for nothing but our own algorithm.
    fn accepts(&self, header: &[(String, Value)]) -> bool {
        let algorithm = match self.algorithm {
            Algorithm::HS256 => "HS256",
            Algorithm::RS256 => "RS256",
            _ => "ES256",
        };
        let mut named = false;
        for (name, value) in header {
            let Some(text) = value.as_str() else { return false };
            let accepted = match name.as_str() {
                "alg" => {
                    named = true;
                    text == algorithm
                }
                "typ" => text.eq_ignore_ascii_case("jwt") || text.eq_ignore_ascii_case("at+jwt"),
                // Names of keys are never looked up; what looks like an attempt to make us is refused all the same.
                "kid" | "x5t" | "x5t#S256" => is_plain(text),
                _ => false,
            };
            if !accepted {
                return false;
            }
        }
        named
    }

    fn holds(&self, claims: &Claims, now: Micros) -> bool {
        let says = |name: &str, wanted: &Option<String>| match (claims.text(name), wanted) {
            (Some(text), Some(wanted)) => text == wanted,
            (Some(text), None) => !text.is_empty() && text.len() <= NAME_CHARS_MAX,
            (None, _) => false, // missing, or not one text: a token for several audiences is not for us
        };
        let begun = |name: &str| match claims.claim(name) {
            None => true,
            Some(value) => value.as_i64().is_some_and(|at| at <= now.plus_seconds(AHEAD_SECONDS_MAX).seconds()),
        };
        let ended = claims.expires_at().is_none_or(|end| end <= now);
        says("iss", &self.issuer) && says("aud", &self.audience) && begun("nbf") && begun("iat") && !ended
    }
}

/// RS256 or ES256, by the kind of the key.
fn public_key(pem: &str) -> Result<(Algorithm, DecodingKey)> {
    let refused = |what: &str| Error::invalid("public_key", format!("`auth.public_key_file`: {what}"));
    if pem.contains("PRIVATE KEY") {
        return Err(refused("it holds a private key; give the public one, and keep the other where it is"));
    }
    let bytes = pem.as_bytes();
    if let Ok(key) = DecodingKey::from_rsa_pem(bytes) {
        let long_enough = key.try_get_as_bytes().is_ok_and(|der| der.len() >= RSA_2048_BYTES_MIN);
        return if long_enough { Ok((Algorithm::RS256, key)) } else { Err(refused("RSA keys have 2048 bits or more")) };
    }
    let key = DecodingKey::from_ec_pem(bytes)
        .map_err(|_| refused("it is no public key in PEM, of RSA or of the curve P-256"))?;
    let on_p256 = key.try_get_as_bytes().is_ok_and(|point| point.len() == P256_BYTES);
    if on_p256 { Ok((Algorithm::ES256, key)) } else { Err(refused("the curve is not P-256")) }
}

/// A name, not a path, a query or a URL.
fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.=+:/".contains(c);
    let path = text.starts_with('/') || text.starts_with('.') || text.contains("..") || text.contains("//");
    !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.chars().all(plain) && !path
}

/// A segment's JSON object (also of tokens that nobody signed); `None` if a member is there twice, or it is nested too deep.
pub(super) fn members(segment: &str) -> Option<Vec<(String, Value)>> {
    let bytes = URL_SAFE_NO_PAD.decode(segment).ok()?;
    json::check_depth(&bytes).ok()?;
    let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
    let members = Members.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(members)
}

struct Members;

impl<'de> DeserializeSeed<'de> for Members {
    type Value = Vec<(String, Value)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if members.iter().any(|(known, _)| *known == name) {
                return Err(serde::de::Error::custom("a member is there twice"));
            }
            members.push((name, value));
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests;
