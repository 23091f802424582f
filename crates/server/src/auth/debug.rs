//! Debug headers: in development, with `debug` on, a request without a credential may say by itself which tenant it is
//! for. It acts as the principal `debug` of that tenant, which somebody must have made, with that principal's rights
//! and the scopes of the data doors. The one place that reads these headers, and refuses them to a page that a
//! browser has loaded from elsewhere: it names a host that is not this one.

use std::sync::Arc;

use http::{HeaderMap, header};
use polder_types::{Assertion, CredentialId, Scopes, Who};

use super::Identity;

const TENANT: &str = "x-tenant-id";
const WORKSPACE: &str = "x-workspace-id";

/// The names of this host as `Host` has them.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Whom the headers mean; `None` if one is missing, there twice, or no such name, and unless `any_host` if the request
/// was not for this host by a name that nobody else can have.
pub(super) fn identify(headers: &HeaderMap, any_host: bool) -> Option<Identity> {
    // SECURITY: a name of somebody's own may lead to loopback too (DNS rebinding); the browser then lets its page ask.
    if !any_host && !is_for_loopback(headers) {
        return None;
    }
    let tenant = single(headers, TENANT)??.parse().ok()?;
    let workspace = match single(headers, WORKSPACE)? {
        None => None,
        Some(text) => Some(text.parse().ok()?),
    };
    let assertion = Assertion { who: Who::Debug, scopes: Scopes::data(), workspace, groups: None, display: None };
    let credential = CredentialId::Asserted(Arc::new(assertion));
    Some(Identity { tenant, credential, scopes: None, expires_at: None, subject: None })
}

/// True if `Host` is one name of loopback, with a port or none.
fn is_for_loopback(headers: &HeaderMap) -> bool {
    let Some(Some(host)) = single(headers, header::HOST.as_str()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    LOOPBACK.iter().any(|loopback| loopback.eq_ignore_ascii_case(name))
}

/// `Some(None)` if the header is not there.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Some(None),
        (Some(value), None) => Some(Some(value.to_str().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
