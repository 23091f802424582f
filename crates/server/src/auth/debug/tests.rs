use http::{HeaderMap, HeaderValue};

use super::*;

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// a tenant by its grammar, a workspace by its own, each once.
#[test]
fn headers_are_read_strictly() {
    let both = [("x-tenant-id", "acme"), ("x-workspace-id", "lake")];
    let found = identify(&headers(&both)).unwrap();
    assert_eq!(found.tenant.as_str(), "acme");
    let assertion = found.credential.assertion().unwrap();
    assert_eq!((assertion.workspace.as_ref().unwrap().as_str(), &assertion.who), ("lake", &Who::Debug));
    assert_eq!(assertion.scopes, Scopes::data());
    assert!(identify(&headers(&both[..1])).is_some());
    for list in [
        &both[1..],
        &[],
        &[("x-tenant-id", "acme"), ("x-tenant-id", "acme")],
        &[("x-tenant-id", "acme"), ("x-workspace-id", "lake"), ("x-workspace-id", "vault")],
        &[("x-tenant-id", "Acme")],
        &[("x-tenant-id", "")],
        &[("x-tenant-id", "acme,umbra")],
        &[("x-tenant-id", "acme"), ("x-workspace-id", "")],
        &[("x-tenant-id", "acme"), ("x-workspace-id", "a/b")],
    ] {
        assert!(identify(&headers(list)).is_none(), "{list:?}");
    }
}
