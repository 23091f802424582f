use std::{collections::BTreeMap, sync::Arc};

use http_body_util::BodyExt;
use uuid::Uuid;

use super::*;

fn table(location: Option<&str>, metadata: &'static [u8]) -> LoadedTable {
    LoadedTable {
        metadata_location: location.map(Into::into),
        metadata: Bytes::from_static(metadata),
        etag: location.map(|_| "\"tag\"".to_owned()),
        config: Arc::new(BTreeMap::from([("k".to_owned(), "v\"".to_owned())])),
        table_uuid: Uuid::nil(),
    }
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// A-064: the document goes out as it is, odd spacing and unknown members included; locations are escaped.
#[tokio::test]
async fn documents_are_not_touched() {
    let odd = b"{ \"x-unknown\" :  1.50e0 }";
    let response = delegated_table(table(Some("file:///a/\"b\""), odd), None).unwrap();
    assert_eq!(response.headers()[header::ETAG], "\"tag\"");
    let hint = response.body().size_hint().exact().unwrap();
    let body = text(response).await;
    assert_eq!(
        body,
        r#"{"metadata-location":"file:///a/\"b\"","metadata":{ "x-unknown" :  1.50e0 },"config":{"k":"v\""}}"#
    );
    assert_eq!(u64::try_from(body.len()).unwrap(), hint);
}

/// A staged create has neither location nor tag; a commit has no `config`.
#[tokio::test]
async fn staged_and_committed_answers_differ() {
    let staged = delegated_table(table(None, b"{}"), None).unwrap();
    assert!(!staged.headers().contains_key(header::ETAG));
    assert_eq!(text(staged).await, r#"{"metadata":{},"config":{"k":"v\""}}"#);
    let committed = committed_table(table(Some("file:///a"), b"{}")).unwrap();
    assert_eq!(text(committed).await, r#"{"metadata-location":"file:///a","metadata":{}}"#);
}

/// A-063: 304 carries the tag and no body.
#[tokio::test]
async fn not_modified_has_no_body() {
    let response = not_modified("\"tag\"").unwrap();
    assert_eq!(
        (response.status(), &response.headers()[header::ETAG]),
        (StatusCode::NOT_MODIFIED, &HeaderValue::from_static("\"tag\""))
    );
    assert_eq!(text(response).await, "");
}
