use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn profile(endpoint: Option<&str>, path_style: bool) -> S3Profile {
    S3Profile {
        endpoint: endpoint.map(str::to_owned),
        region: "eu-north-1".to_owned(),
        path_style,
        access_key_id: "id".to_owned(),
        secret_access_key: polder_types::Secret::new("secret".to_owned()),
        buckets: vec!["lake".to_owned()],
        tenants: BTreeMap::new(),
        vending: None,
        remote_signing: true,
    }
}

fn address(endpoint: Option<&str>, path_style: bool) -> S3Address {
    S3Address::new(&profile(endpoint, path_style), "lake")
}

/// one reading of each URI: host, port, bucket and key, decoded once; then one spelling.
#[test]
fn a_uri_has_one_reading_and_one_spelling() {
    let path = address(Some("http://127.0.0.1:9000"), true);
    let host = address(Some("https://store.example"), false);
    let aws = address(None, false);
    for (address, uri, key, written) in [
        (&path, "http://127.0.0.1:9000/lake/a/b", "a/b", "http://127.0.0.1:9000/lake/a/b"),
        (&path, "http://127.0.0.1:9000/lake", "", "http://127.0.0.1:9000/lake"),
        (&path, "http://127.0.0.1:9000/lake/a%20b+c/d=1", "a b+c/d=1", "http://127.0.0.1:9000/lake/a%20b%2Bc/d%3D1"),
        (&path, "http://127.0.0.1:9000/l%61ke/%61", "a", "http://127.0.0.1:9000/lake/a"),
        // A percent sign in a name is encoded twice, and decoded once.
        (&path, "http://127.0.0.1:9000/lake/p=a%2520b/c", "p=a%20b/c", "http://127.0.0.1:9000/lake/p%3Da%2520b/c"),
        (&path, "http://127.0.0.1:9000/lake?b=1&a=%2F", "", "http://127.0.0.1:9000/lake?a=%2F&b=1"),
        (&path, "http://127.0.0.1:9000/lake/k?uploads", "k", "http://127.0.0.1:9000/lake/k?uploads="),
        (&host, "https://lake.store.example:443/a/b/", "a/b/", "https://lake.store.example/a/b/"),
        (&host, "https://LAKE.store.example/a", "a", "https://lake.store.example/a"),
        (&aws, "https://lake.s3.eu-north-1.amazonaws.com/a", "a", "https://lake.s3.eu-north-1.amazonaws.com/a"),
        (&aws, "https://s3.eu-north-1.amazonaws.com/lake/a", "a", "https://s3.eu-north-1.amazonaws.com/lake/a"),
    ] {
        let target = address.parse(uri).unwrap_or_else(|why| panic!("{uri}: {why}"));
        assert_eq!(target.key, key, "{uri}");
        assert_eq!(address.write(&target), written, "{uri}");
    }
}

/// A-004, R21: what is not this bucket at this store, or could be read in two ways, is refused.
#[test]
fn a_uri_that_is_not_the_buckets_own_is_refused() {
    let path = address(Some("http://127.0.0.1:9000"), true);
    for uri in [
        "https://127.0.0.1:9000/lake/a",
        "http://127.0.0.1/lake/a",
        "http://127.0.0.1:90001/lake/a",
        "http://127.0.0.1:9000@evil.example/lake/a",
        "http://user@127.0.0.1:9000/lake/a",
        "http://127.0.0.1:9000.evil.example/lake/a",
        "http://evil.example/lake/a",
        "http://lake.127.0.0.1:9000/other/a",
        "http://127.0.0.1:9000/lake2/a",
        "http://127.0.0.1:9000/lak/e/a",
        "http://127.0.0.1:9000//lake/a",
        "http://127.0.0.1:9000/other/../lake/a",
        "http://127.0.0.1:9000/lake/../other/a",
        "http://127.0.0.1:9000/lake/a/../b",
        "http://127.0.0.1:9000/lake/a/%2e%2e/b",
        "http://127.0.0.1:9000/lake/a/%2E./b",
        "http://127.0.0.1:9000/lake/a/./b",
        "http://127.0.0.1:9000/lake/a//b",
        "http://127.0.0.1:9000/lake//a",
        "http://127.0.0.1:9000/lake/a%2F%2Fb",
        "http://127.0.0.1:9000/lake/a%2F..%2Fb",
        "http://127.0.0.1:9000/lake/a\\b",
        "http://127.0.0.1:9000/lake/a%5Cb",
        "http://127.0.0.1:9000/lake/a%00b",
        "http://127.0.0.1:9000/lake/a%0Ab",
        "http://127.0.0.1:9000/lake/a%",
        "http://127.0.0.1:9000/lake/a%2",
        "http://127.0.0.1:9000/lake/a%zz",
        "http://127.0.0.1:9000/lake/%ff",
        "http://127.0.0.1:9000/lake/a#b",
        "http://127.0.0.1:9000/lake/a b",
        "http://127.0.0.1:9000/lake/ä",
        "http://127.0.0.1:9000/lake?prefix=a&prefix=b",
        "http://127.0.0.1:9000/lake?prefix=a&pref%69x=b",
        "http://127.0.0.1:9000/lake?prefix=a+b",
        "127.0.0.1:9000/lake/a",
        "",
    ] {
        assert!(path.parse(uri).is_err(), "{uri}");
    }
    // A store that knows paths only would read this as the bucket `umbra`.
    let host = address(Some("https://store.example"), false);
    assert!(host.parse("https://store.example/lake/a").is_err());
    assert!(host.parse("https://xlake.store.example/a").is_err());
    assert!(host.parse(&format!("https://lake.store.example/{}", "a".repeat(9_000))).is_err());
    let aws = address(None, false);
    assert!(aws.parse("https://lake.s3.eu-west-1.amazonaws.com/a").is_err());
    assert!(aws.parse("https://lake.s3.eu-north-1.amazonaws.com.evil.example/a").is_err());
}

/// A-082, R7: below is by whole names, with the slash.
#[test]
fn below_is_by_whole_names() {
    let place = Location::parse("s3://lake/base/t1").unwrap();
    for (key, below) in [
        ("base/t1/a", true),
        ("base/t1/", true),
        ("base/t1/data/x=1/f.parquet", true),
        ("base/t1", false),
        ("base/t10/a", false),
        ("base/t", false),
        ("base", false),
        ("base/T1/a", false),
        ("xbase/t1/a", false),
        (" base/t1/a", false),
        ("", false),
    ] {
        assert_eq!(is_below(key, &place), below, "{key}");
    }
}

proptest! {
    /// What was written is read as the same key, whatever is in it, and the library that signs reads it so too.
    #[test]
    fn what_is_written_is_read_again(names in prop::collection::vec("[a-zA-Z0-9 %+&=?#~*'(){}$!:@,;é日\"<>|^`\\[\\]-]{1,8}", 1..5)) {
        let key = names.join("/");
        prop_assume!(check_key(&key).is_ok());
        let address = address(Some("http://127.0.0.1:9000"), true);
        let uri = address.write(&address.target(&key, &[("a b", "c&d=é")]).unwrap());
        let target = address.parse(&uri).unwrap();
        prop_assert_eq!(&target.key, &key);
        prop_assert_eq!(address.write(&target), uri.clone());
        prop_assert_eq!(reqwest::Url::parse(&uri).unwrap().to_string(), uri);
    }
}
