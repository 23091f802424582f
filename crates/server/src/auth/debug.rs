//! Debug headers: in development, with `debug` on, a request without a credential may say by itself which tenant it is
//! for. It acts as the principal `debug` of that tenant, which somebody must have made, with that principal's rights
//! and the scopes of the data doors. The one place that reads these headers.

use std::sync::Arc;

use http::HeaderMap;
use polder_types::{Assertion, CredentialId, Scopes, Who};

use super::Identity;

const TENANT: &str = "x-tenant-id";
const WORKSPACE: &str = "x-workspace-id";

/// Whom the headers mean; `None` if one is missing, there twice, or no such name.
pub(super) fn identify(headers: &HeaderMap) -> Option<Identity> {
    let tenant = single(headers, TENANT)??.parse().ok()?;
    let workspace = match single(headers, WORKSPACE)? {
        None => None,
        Some(text) => Some(text.parse().ok()?),
    };
    let assertion = Assertion { who: Who::Debug, scopes: Scopes::data(), workspace, groups: None, display: None };
    let credential = CredentialId::Asserted(Arc::new(assertion));
    Some(Identity { tenant, credential, scopes: None, expires_at: None, subject: None })
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
