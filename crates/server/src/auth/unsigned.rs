//! JWTs that nobody signed (RFC 7519 §6): the word of whoever brings one, for whom it acts. Nothing is believed because of
//! it, and nothing but the subject is read. Refuses every token that claims a signature.

use polder_types::Secret;

use super::{jwt::members, users::name};

/// Most bytes of such a token: Trino's have some 300.
const TOKEN_BYTES_MAX: usize = 4_096;

/// The subject; `None` for whatever is no unsigned JWT with one.
pub(crate) fn subject(token: &Secret) -> Option<String> {
    let text = token.expose();
    if text.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let mut segments = text.split('.');
    let (header, payload) = (members(segments.next()?)?, members(segments.next()?)?);
    // SECURITY: a signature that is not verified must not look as if it had been (R38).
    let unsigned = segments.next().is_none_or(str::is_empty) && segments.next().is_none();
    let plain = header.iter().all(|(member, value)| match (member.as_str(), value.as_str()) {
        ("alg", Some(algorithm)) => algorithm == "none",
        ("typ", Some(kind)) => kind.eq_ignore_ascii_case("jwt"),
        _ => false,
    });
    let named = header.iter().any(|(member, _)| member == "alg");
    (unsigned && plain && named).then_some(())?;
    name(payload.iter().find(|(member, _)| member == "sub")?.1.as_str()?)
}

#[cfg(test)]
mod tests;
