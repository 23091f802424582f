use http_body_util::BodyExt;
use ulid::Ulid;

use super::*;

const KINDS: [ErrorKind; 16] = [
    ErrorKind::Invalid,
    ErrorKind::Unprocessable,
    ErrorKind::Unauthenticated,
    ErrorKind::Forbidden,
    ErrorKind::NotFound,
    ErrorKind::AlreadyExists,
    ErrorKind::Conflict,
    ErrorKind::NotEmpty,
    ErrorKind::Unsupported,
    ErrorKind::TooLarge,
    ErrorKind::RequestTimeout,
    ErrorKind::RateLimited,
    ErrorKind::Unavailable,
    ErrorKind::Deadline,
    ErrorKind::CommitStateUnknown,
    ErrorKind::Internal,
];

async fn rendered(style: Style, error: &Error) -> (u16, http::HeaderMap, serde_json::Value) {
    let response = super::error(style, error, RequestId(Ulid::nil()));
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), parts.headers, serde_json::from_slice(&bytes).unwrap())
}

/// F3: an unknown outcome is never 4xx, a sure failure of ours is 503 with `Retry-After`, a lost race is 409.
#[tokio::test]
async fn statuses_tell_iceberg_clients_what_to_do() {
    for (kind, status, name) in [
        (ErrorKind::CommitStateUnknown, 500, "CommitStateUnknownException"),
        (ErrorKind::Deadline, 504, "CommitStateUnknownException"),
        (ErrorKind::Unavailable, 503, "ServiceUnavailableException"),
        (ErrorKind::Conflict, 409, "CommitFailedException"),
        (ErrorKind::AlreadyExists, 409, "AlreadyExistsException"),
        (ErrorKind::NotEmpty, 409, "NamespaceNotEmptyException"),
        (ErrorKind::Unsupported, 400, "UnsupportedOperationException"),
        (ErrorKind::Unprocessable, 422, "UnprocessableEntityException"),
        (ErrorKind::NotFound, 404, "NoSuchTableException"),
    ] {
        let error = Error::new(kind, Subject::Table, "some_code", "some text");
        let (got, headers, body) = rendered(Style::Iceberg, &error).await;
        let wanted = serde_json::json!({"error": {"message": "some text", "type": name, "code": status}});
        assert_eq!((got, body), (status, wanted));
        assert_eq!(headers.contains_key(header::RETRY_AFTER), kind == ErrorKind::Unavailable);
    }
    let gateway = Error::unsupported("x", "not done here");
    assert_eq!(rendered(Style::Gateway, &gateway).await.0, 501);
}

/// R24: nothing of a cause is told, in any style, for any kind.
#[tokio::test]
async fn causes_are_not_told() {
    for style in [Style::Iceberg, Style::Gateway, Style::OAuth] {
        for kind in KINDS {
            let error = Error::new(kind, Subject::Table, "some_code", "some text").with_source("cause-canary");
            let (status, _, body) = rendered(style, &error).await;
            assert!((400..600).contains(&status));
            assert!(!body.to_string().contains("canary"), "{body}");
        }
    }
}

/// The gateway's errors carry what mends a query; RFC 6749's only its own codes.
#[tokio::test]
async fn each_style_has_its_members() {
    let detail = Detail {
        phase: Some("resolve"),
        position: Some(Position { line: 1, column: 15 }),
        candidates: vec!["pub.people".to_owned()],
    };
    let error = Error::not_found(Subject::Table, "pub.poeple").with_detail(detail);
    let (_, _, body) = rendered(Style::Gateway, &error).await;
    assert_eq!(
        body["error"],
        serde_json::json!({
            "code": "not_found", "message": "Table does not exist: pub.poeple", "phase": "resolve",
            "position": {"line": 1, "column": 15}, "candidates": ["pub.people"], "request_id": Ulid::nil().to_string(),
        })
    );
    for (code, wanted) in [("invalid_scope", "invalid_scope"), ("some_code", "invalid_request")] {
        let (status, headers, body) = rendered(Style::OAuth, &Error::invalid(code, "text")).await;
        assert_eq!((status, &body["error"]), (400, &serde_json::json!(wanted)));
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    }
}
