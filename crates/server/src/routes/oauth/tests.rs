#![allow(clippy::disallowed_methods, reason = "tests")]

use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use polder_store::Named;
use polder_types::Micros;

use super::*;
use crate::{config::Config, router, serve};

const EXCHANGE: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange\
                        &subject_token_type=urn:ietf:params:oauth:token-type:access_token&subject_token=";

struct Fixture {
    app: Arc<App>,
    credential: Secret,
    _directory: tempfile::TempDir,
}

impl Fixture {
    async fn make() -> Self {
        let directory = tempfile::TempDir::new().unwrap();
        let config = Config::embedded(directory.path(), "127.0.0.1:0".parse().unwrap());
        let credential = serve::init(&config, "operator", "root").await.unwrap().unwrap();
        Self { app: serve::assemble(&config).await.unwrap(), credential, _directory: directory }
    }

    /// A token of the one key, issued some seconds before now.
    async fn token(&self, seconds_ago: i64) -> String {
        let (id, _) = self.credential.expose().split_once(':').unwrap();
        let arrival = Arrival::now();
        let snapshot = self.app.catalog().store().policy_snapshot(&"operator".parse().unwrap()).await.unwrap().unwrap();
        let principal = snapshot.authenticate(&id.parse().unwrap(), None, arrival.now).unwrap();
        let then = arrival.now.plus_seconds(-seconds_ago);
        let issued =
            self.app.auth().tokens().unwrap().issue(&principal, principal.scopes, None, arrival.request_id, then);
        issued.unwrap().token.expose().to_owned()
    }

    async fn ask(&self, method: Method, path: &str, authorization: Option<&str>, body: &str) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let service = TowerToHyperService::new(router::router(&self.app));
        let response = service.call(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn exchange(&self, authorization: Option<&str>, body: &str) -> (u16, String) {
        self.ask(Method::POST, "/iceberg/v1/oauth/tokens", authorization, body).await
    }

    fn basic(&self) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD};
        format!("Basic {}", STANDARD.encode(self.credential.expose()))
    }
}

/// RFC 8693: a token that has ended is renewed only for the holder of its key (Java: Basic with the expired subject).
#[tokio::test]
async fn an_ended_token_is_renewed_for_its_key_only() {
    let fixture = Fixture::make().await;
    let ended = format!("{EXCHANGE}{}", fixture.token(7_200).await);
    let (status, body) = fixture.exchange(None, &ended).await;
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("\"invalid_grant\""), "{body}");
    let (status, body) = fixture.exchange(Some(&fixture.basic()), &ended).await;
    assert_eq!(status, 200, "{body}");
    let (id, secret) = fixture.credential.expose().split_once(':').unwrap();
    let by_form = format!("{ended}&client_id={id}&client_secret={secret}");
    assert_eq!(fixture.exchange(None, &by_form).await.0, 200);
    let forged = format!("{ended}&client_id={id}&client_secret={secret}x");
    let (status, body) = fixture.exchange(None, &forged).await;
    assert_eq!(status, 401, "credentials that are sent must be good: {body}");
}

/// R31: a token opens the doors until its last second, and not a second longer.
#[tokio::test]
async fn an_ended_token_opens_nothing() {
    let fixture = Fixture::make().await;
    for (seconds_ago, authenticated) in [(0, true), (3_500, true), (3_600, false), (7_200, false)] {
        let bearer = format!("Bearer {}", fixture.token(seconds_ago).await);
        let (status, _) = fixture.ask(Method::GET, "/api/v1/admin/tenants", Some(&bearer), "").await;
        assert_eq!(status, if authenticated { 200 } else { 401 }, "issued {seconds_ago} s ago");
    }
}

/// A session that was made while the token was good ends with it: the end is looked at on every use.
#[tokio::test]
async fn a_remembered_token_ends_too() {
    let fixture = Fixture::make().await;
    let token = Secret::new(fixture.token(0).await);
    let mut headers = http::HeaderMap::new();
    headers.insert(header::AUTHORIZATION, format!("Bearer {}", token.expose()).parse().unwrap());
    let now = Arrival::now();
    let later = Arrival { now: now.now.plus_seconds(3_601), ..now };
    assert!(fixture.app.auth().authenticate(&headers, "x", &Named::default, &now).await.is_ok());
    assert!(fixture.app.auth().authenticate(&headers, "x", &Named::default, &later).await.is_err());
    assert!(fixture.app.auth().authenticate(&headers, "x", &Named::default, &now).await.is_ok(), "only time ends it");
    assert!(later.now > Micros(0));
}

/// R38: a session ends with the token that it was made with, at the latest; one that has ended makes none.
#[tokio::test]
async fn a_session_ends_with_its_actors_token() {
    let fixture = Fixture::make().await;
    let right = "/api/v1/admin/roles/admin/impersonates/admin";
    assert_eq!(fixture.ask(Method::PUT, right, Some(&fixture.basic()), "").await.0, 200);
    // {"alg":"none"} and {"sub":"root"}
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.";
    for (seconds_ago, ends_in) in [(0, 3_600), (3_000, 600), (3_600, 0)] {
        let body = format!(
            "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token_type={JWT}\
             &subject_token={unsigned}&actor_token_type={ACCESS_TOKEN}&actor_token={}",
            fixture.token(seconds_ago).await
        );
        let (status, answer) = fixture.exchange(Some(&fixture.basic()), &body).await;
        if ends_in == 0 {
            assert_eq!(status, 400, "not even for the holder of its key: {answer}");
            continue;
        }
        assert_eq!(status, 200, "{answer}");
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let expires_in = answer["expires_in"].as_i64().unwrap();
        assert!((ends_in - 30..=ends_in).contains(&expires_in), "{expires_in} of {ends_in}");
    }
}
