use super::*;

/// 2026-11-29T12:00:00Z.
const NOW: Micros = Micros(1_795_953_600_000_000);

fn check(given: &BTreeMap<String, Vec<String>>) -> Result<(Headers, Payload), &'static str> {
    super::check(given, NOW)
}

fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<String>> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect()
}

/// Headers that say how an object is sent are signed, the rest of HTTP goes beside, and what the signature makes is not
/// taken from the client.
#[test]
fn headers_are_signed_passed_or_replaced() {
    let digest = "AB".repeat(32);
    let (headers, payload) = check(&given(&[
        ("Content-Type", "application/octet-stream"),
        ("Content-MD5", "x=="),
        ("Range", "bytes=0-1"),
        ("User-Agent", "iceberg"),
        ("X-Amz-Checksum-Crc32", "AAAA"),
        ("x-amz-meta-own", "a"),
        ("x-amz-content-sha256", &digest),
        ("X-Amz-Date", "20261129T115500Z"),
        ("Authorization", "Bearer canary"),
        ("x-amz-security-token", "canary"),
        ("Host", "evil.example"),
        ("amz-sdk-invocation-id", "i"),
    ]))
    .unwrap();
    assert_eq!(payload, Payload::Digest([0xab; 32]));
    let mut signed = HeaderMap::new();
    headers.set(&mut signed).unwrap();
    let mut names: Vec<&str> = signed.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-md5", "content-type", "x-amz-checksum-crc32", "x-amz-meta-own"]);
    signed.insert("authorization", HeaderValue::from_static("AWS4"));
    signed.insert("host", HeaderValue::from_static("store"));
    let all = headers.with_signature(&signed);
    assert_eq!(all["authorization"], ["AWS4"]);
    assert_eq!((&all["range"], &all["user-agent"]), (&vec!["bytes=0-1".to_owned()], &vec!["iceberg".to_owned()]));
    assert!(!all.contains_key("host") && !format!("{all:?}").contains("canary"));
    assert!(!all.contains_key("x-amz-date"), "the signature's own, or none");
    assert_eq!(check(&given(&[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")])).unwrap().1, Payload::Unsigned);
    assert_eq!(check(&given(&[])).unwrap().1, Payload::Unsigned);
}

/// R21: a header that makes another request of it is refused, known or not.
#[test]
fn headers_that_do_more_are_refused() {
    for (name, value) in [
        ("x-amz-copy-source", "/lake/base/t2/secret"),
        ("X-Amz-Copy-Source", "/lake/base/t2/secret"),
        ("x-amz-copy-source-range", "bytes=0-1"),
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-acl", "public-read"),
        ("x-amz-grant-read", "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\""),
        ("x-amz-website-redirect-location", "http://evil.example"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-bypass-governance-retention", "true"),
        ("x-amz-rename-source", "/x"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("x-amz-anything-new", "1"),
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-content-sha256", "ab"),
        ("x-amz content", "1"),
        ("range\n", "1"),
        ("", "1"),
        ("range", "a\r\nx-amz-acl: public-read"),
        ("range", "é"),
    ] {
        assert!(check(&given(&[(name, value)])).is_err(), "{name}: {value}");
    }
    assert!(check(&given(&[("Range", "a"), ("range", "b")])).is_err());
    assert!(check(&BTreeMap::from([("range".to_owned(), Vec::new())])).is_err());
    assert!(check(&given(&[("range", &"a".repeat(5_000))])).is_err());
    let many: Vec<String> = (0..65).map(|number| format!("h{number}")).collect();
    assert!(check(&given(&many.iter().map(|name| (name.as_str(), "1")).collect::<Vec<_>>())).is_err());
}

/// R6: a request that is dated far from now is of another time, and is not signed; nor is one whose date cannot be read. What
/// is near is no more than that: the signature has its own date.
#[test]
fn a_request_of_another_time_is_refused() {
    for date in ["20261129T120000Z", "20261129T114500Z", "20261129T121500Z"] {
        let (headers, _) = check(&given(&[("x-amz-date", date)])).unwrap();
        assert!(headers.with_signature(&HeaderMap::new()).is_empty(), "{date}");
    }
    for date in [
        "20261129T114459Z",
        "20261129T121501Z",
        "19700101T000000Z",
        "20161129T120000Z",
        "99991231T235959Z",
        "20261129T120000",
        "2026-11-29T12:00:00Z",
        "+262142-01-01T00:00:00Z",
        "Sun, 29 Nov 2026 12:00:00 GMT",
        "",
        "now",
    ] {
        assert!(check(&given(&[("X-Amz-Date", date)])).is_err(), "{date}");
    }
    let twice = vec!["20261129T120000Z".to_owned(), "20261129T120000Z".to_owned()];
    assert!(check(&BTreeMap::from([("x-amz-date".to_owned(), twice)])).is_err());
}

/// R6: what was signed is dated now, or does not leave.
#[test]
fn a_signature_of_another_time_is_seen() {
    let dated = |date: &'static str| {
        let mut signed = HeaderMap::new();
        signed.insert("x-amz-date", HeaderValue::from_static(date));
        signed
    };
    for date in ["20261129T120000Z", "20261129T120100Z", "20261129T115900Z"] {
        assert!(is_dated(&dated(date), NOW, 60), "{date}");
    }
    for date in ["20261129T120101Z", "20261129T115859Z", "20261130T120000Z", "19700101T000000Z", "x"] {
        assert!(!is_dated(&dated(date), NOW, 60), "{date}");
    }
    assert!(!is_dated(&HeaderMap::new(), NOW, 60));
}
