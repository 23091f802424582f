use polder_types::Secret;

use super::*;
use crate::{s3_url::S3Address, storage::S3Profile};

fn said(method: RemoteSignMethod, path: &str) -> Result<Kind, &'static str> {
    let profile = S3Profile {
        endpoint: Some("http://127.0.0.1:9000".to_owned()),
        region: "eu-north-1".to_owned(),
        path_style: true,
        access_key_id: String::new(),
        secret_access_key: Secret::new(String::new()),
        buckets: Vec::new(),
        tenants: Default::default(),
        vending: None,
        remote_signing: true,
    };
    let target = S3Address::new(&profile, "lake").parse(&format!("http://127.0.0.1:9000/lake{path}"))?;
    kind(method, &target, &Location::parse("s3://lake/base/t1").unwrap())
}

/// the requests of Iceberg's file clients, and what each is.
#[test]
fn the_requests_of_file_clients_are_on_the_list() {
    use RemoteSignMethod::{Delete, Get, Head, Post, Put};
    for (method, path) in [
        (Get, "/base/t1/data/a.parquet"),
        (Get, "/base/t1/data/a.parquet?x-id=GetObject"),
        (Get, "/base/t1/data/a.parquet?partNumber=1"),
        (Head, "/base/t1/metadata/v1.metadata.json"),
        (Put, "/base/t1/data/p=%25/a%2520b.parquet"),
        (Put, "/base/t1/data/a.parquet?x-id=PutObject"),
        (Delete, "/base/t1/data/a.parquet"),
        (Post, "/base/t1/data/a.parquet?uploads"),
        (Put, "/base/t1/data/a.parquet?partNumber=2&uploadId=u"),
        (Post, "/base/t1/data/a.parquet?uploadId=u"),
        (Delete, "/base/t1/data/a.parquet?uploadId=u"),
    ] {
        assert_eq!(said(method, path), Ok(Kind::Object), "{method:?} {path}");
    }
    for prefix in ["base%2Ft1%2F", "base/t1/data/", "base/t1/data/x"] {
        let listed = said(Get, &format!("?list-type=2&delimiter=%2F&max-keys=5&prefix={prefix}"));
        assert_eq!(listed, Ok(Kind::List(prefix.replace("%2F", "/"))));
    }
    assert_eq!(said(Get, "?prefix=base/t1/&marker=m&encoding-type=url"), Ok(Kind::List("base/t1/".to_owned())));
    assert_eq!(said(Post, "?delete"), Ok(Kind::DeleteObjects));
}

/// A-082, R7, R21: everything else is refused: neighbours, the bucket, and each other operation of S3.
#[test]
fn everything_else_is_refused() {
    use RemoteSignMethod::{Delete, Get, Head, Options, Patch, Post, Put};
    for (method, path) in [
        (Get, "/base/t10/a"),
        (Get, "/base/t1"),
        (Get, "/base"),
        (Put, "/base/t10/a"),
        (Delete, "/base/t2/a"),
        (Get, ""),
        (Head, ""),
        (Put, ""),
        (Delete, ""),
        (Post, ""),
        (Get, "?list-type=2"),
        (Get, "?list-type=2&prefix="),
        (Get, "?list-type=2&prefix=base/t1"),
        (Get, "?list-type=2&prefix=base/t10/"),
        (Get, "?list-type=2&prefix=base/t1/../t2/"),
        (Get, "?list-type=2&prefix=base/t1//"),
        (Get, "?list-type=2&prefix=/base/t1/"),
        (Get, "?prefix=base/t1/&versions"),
        (Get, "?prefix=base/t1/&uploads"),
        (Get, "?policy"),
        (Get, "?acl"),
        (Get, "?location"),
        (Get, "/base/t1/a?acl"),
        (Get, "/base/t1/a?versionId=v"),
        (Get, "/base/t1/a?response-content-type=text/html"),
        (Get, "/base/t1/a?uploadId=u"),
        (Get, "/base/t1/a?X-Amz-Signature=s"),
        (Get, "/base/t1/a?torrent"),
        (Put, "/base/t1/a?acl"),
        (Put, "/base/t1/a?tagging"),
        (Put, "/base/t1/a?retention"),
        (Put, "/base/t1/a?partNumber=1"),
        (Put, "/base/t1/a?partNumber=1&uploadId=u&acl"),
        (Delete, "/base/t1/a?versionId=v"),
        (Delete, "/base/t1/a?tagging"),
        (Post, "/base/t1/a"),
        (Post, "/base/t1/a?restore"),
        (Post, "/base/t1/a?select&select-type=2"),
        (Post, "/base/t1/a?uploads=x"),
        (Post, "/base/t1/a?delete"),
        (Post, "?delete=x"),
        (Post, "?delete&uploads"),
        (Patch, "/base/t1/a"),
        (Options, "/base/t1/a"),
    ] {
        assert!(said(method, path).is_err(), "{method:?} {path}");
    }
}
