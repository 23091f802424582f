#![allow(clippy::disallowed_methods, reason = "a test reads the clock that the library signs by")]

use polder_types::Secret;

use super::*;
use crate::storage::S3Profile;

const ROOT: &str = "http://127.0.0.1:9000/lake";

/// What the clock says, by which the library dates what it signs.
fn now() -> Micros {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Micros(i64::try_from(since_epoch.as_micros()).unwrap())
}

fn profile() -> S3Profile {
    S3Profile {
        endpoint: Some("http://127.0.0.1:9000".to_owned()),
        region: "eu-north-1".to_owned(),
        path_style: true,
        access_key_id: "server-id".to_owned(),
        secret_access_key: Secret::new("server-secret".to_owned()),
        buckets: vec!["lake".to_owned()],
        tenants: Default::default(),
        vending: None,
        remote_signing: true,
    }
}

fn request(method: &str, path: &str, body: Option<&str>) -> RemoteSignRequest {
    let json = serde_json::json!({
        "region": "eu-north-1", "uri": format!("{ROOT}{path}"), "method": method, "headers": {}, "body": body,
    });
    serde_json::from_value(json).unwrap()
}

fn checked(request: &RemoteSignRequest) -> Result<Checked, Refusal> {
    let address = S3Address::new(&profile(), "lake");
    check(&address, &Location::parse("s3://lake/base/t1").unwrap(), request, now())
}

fn is_refused(request: &RemoteSignRequest) -> bool {
    checked(request).is_err()
}

/// R6, R21: a deletion of several objects is signed for the body that was checked and no other; each of its keys lies
/// below the table.
#[test]
fn a_deletion_is_signed_for_its_body() {
    let body = "<Delete><Object><Key>base/t1/a</Key></Object><Object><Key>base/t1/b</Key></Object></Delete>";
    let found = checked(&request("POST", "?delete", Some(body))).ok().unwrap();
    assert_eq!(found.keys, ["base/t1/a", "base/t1/b"]);
    assert_eq!(found.payload, Payload::Digest(deletion::digest(body)));
    assert!(is_refused(&request("POST", "?delete", None)));
    assert!(is_refused(&request("POST", "?delete", Some("<Delete></Delete>"))));
    for foreign in ["base/t10/a", "base/t1", "base/t1/../t2/a", "base/t1//a", "other", "base/t2/a"] {
        let body =
            format!("<Delete><Object><Key>base/t1/a</Key></Object><Object><Key>{foreign}</Key></Object></Delete>");
        assert!(is_refused(&request("POST", "?delete", Some(&body))), "{foreign}");
    }
    let mut stated = request("POST", "?delete", Some(body));
    stated.headers.insert("x-amz-content-sha256".to_owned(), vec!["00".repeat(32)]);
    assert!(is_refused(&stated));
    stated.headers.insert("x-amz-content-sha256".to_owned(), vec!["UNSIGNED-PAYLOAD".to_owned()]);
    assert_eq!(checked(&stated).ok().unwrap().payload, Payload::Digest(deletion::digest(body)));
}

/// of the table's own region, store and provider.
#[test]
fn a_request_for_another_store_is_refused() {
    let good = request("GET", "/base/t1/a", None);
    assert!(!is_refused(&good));
    assert!(is_refused(&RemoteSignRequest { region: "us-east-1".to_owned(), ..good.clone() }));
    assert!(is_refused(&RemoteSignRequest { provider: Some("gs".to_owned()), ..good.clone() }));
    assert!(!is_refused(&RemoteSignRequest { provider: Some("s3".to_owned()), ..good.clone() }));
    assert!(is_refused(&RemoteSignRequest { uri: "http://127.0.0.1:9001/lake/base/t1/a".to_owned(), ..good }));
}

/// The answer has the canonical URI and a signature over host, date, digest and what was sent; no secret.
#[test]
fn the_answer_is_what_the_client_sends() {
    let mut wanted = request("GET", "/base/t1/p%3D1/a%2Bb", None);
    wanted.headers.insert("Content-Type".to_owned(), vec!["x/y".to_owned()]);
    let signing = Signing::new(S3Address::new(&profile(), "lake"), Some(profile().keys()));
    let result = signed(&signing, &profile().keys(), wanted.method, checked(&wanted).ok().unwrap(), now()).unwrap();
    assert_eq!(result.uri, format!("{ROOT}/base/t1/p%3D1/a%2Bb"));
    let authorization = &result.headers["authorization"][0];
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=server-id/"), "{authorization}");
    assert!(
        authorization
            .contains("/eu-north-1/s3/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date,")
    );
    assert_eq!(result.headers["x-amz-content-sha256"], ["UNSIGNED-PAYLOAD"]);
    assert!(!format!("{result:?}").contains("server-secret"));
}

/// R6: the date of a signature is that of its request by our clock. A client's own date does not reach it, and a request
/// that waited, or a clock that was set, makes none that would hold longer than its record says.
#[test]
fn a_signature_is_dated_now() {
    let signing = Signing::new(S3Address::new(&profile(), "lake"), Some(profile().keys()));
    let sign = |wanted: &RemoteSignRequest, at: Micros| {
        signed(&signing, &profile().keys(), wanted.method, checked(wanted).ok().unwrap(), at)
    };
    let dated = |date: i64| {
        let text = chrono::DateTime::from_timestamp(date, 0).unwrap().format("%Y%m%dT%H%M%SZ").to_string();
        let mut wanted = request("GET", "/base/t1/a", None);
        wanted.headers.insert("X-Amz-Date".to_owned(), vec![text]);
        wanted
    };
    let wanted = dated(now().seconds() + 600);
    let result = sign(&wanted, now()).unwrap();
    assert_ne!(result.headers["x-amz-date"], wanted.headers["X-Amz-Date"]);
    assert_eq!(result.headers.keys().filter(|name| name.eq_ignore_ascii_case("x-amz-date")).count(), 1);
    let day = result.headers["x-amz-date"][0][..8].to_owned();
    assert!(result.headers["authorization"][0].contains(&format!("Credential=server-id/{day}/")));
    for away in [-86_400, -1_000, 1_000, 86_400 * 365] {
        assert!(is_refused(&dated(now().seconds() + away)), "{away}");
    }
    for away in [-3_600, -120, 120, 3_600] {
        let error = sign(&request("GET", "/base/t1/a", None), now().plus_seconds(away)).unwrap_err();
        assert_eq!(error.code(), "signed_too_late", "{away}");
    }
}

/// R4, R12: no name that a pointer may have is written with a signature, not in parts either; what is read stays readable.
#[test]
fn what_a_pointer_may_name_is_never_signed_for_writing() {
    for name in ["00001-x.metadata.json", "v1.metadata.json", "x.gz.metadata.json", ".metadata.json"] {
        let place = Location::parse(&format!("s3://lake/base/t1/metadata/{name}")).unwrap();
        assert!(crate::places::is_document(&place), "{name}");
        let path = format!("/base/t1/metadata/{name}");
        for (method, parameters) in [("PUT", ""), ("PUT", "?partNumber=1&uploadId=u"), ("POST", "?uploads=")] {
            assert!(is_refused(&request(method, &format!("{path}{parameters}"), None)), "{method} {path}{parameters}");
        }
        assert!(!is_refused(&request("GET", &path, None)), "{name}");
    }
    for name in ["x.json", "x.metadata.json.gz", "metadata.json", "x.METADATA.JSON", "x.metadata.json.avro"] {
        let place = Location::parse(&format!("s3://lake/base/t1/metadata/{name}")).unwrap();
        assert!(!crate::places::is_document(&place), "{name}");
        assert!(!is_refused(&request("PUT", &format!("/base/t1/metadata/{name}"), None)), "{name}");
    }
}
