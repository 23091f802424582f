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
    let found = identify(&headers(&both), true).unwrap();
    assert_eq!(found.tenant.as_str(), "acme");
    let assertion = found.credential.assertion().unwrap();
    assert_eq!((assertion.workspace.as_ref().unwrap().as_str(), &assertion.who), ("lake", &Who::Debug));
    assert_eq!(assertion.scopes, Scopes::data());
    assert!(identify(&headers(&both[..1]), true).is_some());
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
        assert!(identify(&headers(list), true).is_none(), "{list:?}");
    }
}

/// a page of another site, whose name leads to loopback by now, is nobody; names of loopback are believed.
#[test]
fn only_requests_for_loopback_are_believed() {
    let from = |hosts: &[&str]| {
        let mut headers = headers(&[("x-tenant-id", "acme")]);
        for host in hosts {
            headers.append("host", HeaderValue::from_str(host).unwrap());
        }
        headers
    };
    for host in ["localhost", "LocalHost:8181", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8181"] {
        assert!(identify(&from(&[host]), false).is_some(), "{host}");
    }
    for hosts in [
        &[][..],
        &[""],
        &["evil.example"],
        &["evil.example:8181"],
        &["localhost.evil.example"],
        &["127.0.0.1.evil.example:8181"],
        &["localhost:8181@evil.example"],
        &["::1"],
        &["[::1"],
        &["10.0.0.1:8181"],
        &["localhost", "localhost"],
        &["localhost", "evil.example"],
    ] {
        assert!(identify(&from(hosts), false).is_none(), "{hosts:?}");
        assert!(identify(&from(hosts), true).is_some(), "{hosts:?}");
    }
}
