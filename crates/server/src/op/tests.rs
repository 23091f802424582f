#![allow(clippy::disallowed_methods, clippy::panic, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{Router, body::Body};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use polder_policy::actions;

use super::*;
use crate::{
    config::Config,
    routing::{self, Protected, Public},
    serve,
};

const GET: Method = Method::GET;
static OPEN: Op = Op::iceberg::<actions::LoadTable>("open");
static SHORT: Op = Op { deadline: Duration::from_millis(20), ..Op::iceberg::<actions::LoadTable>("short") };
static NARROW: Op = Op::gateway::<actions::ListTenants>("narrow");
static REACHED: AtomicUsize = AtomicUsize::new(0);

async fn reached(_: OpCtx, _: Call) -> Result<Response> {
    REACHED.fetch_add(1, Ordering::SeqCst);
    Ok(render::no_content())
}

async fn panics(_: OpCtx, _: Call) -> Result<Response> {
    panic!("canary of a panic")
}

async fn panics_in_public(_: Arc<App>, _: Call) -> Result<Response> {
    panic!("canary of a panic")
}

async fn never(_: OpCtx, _: Call) -> Result<Response> {
    std::future::pending().await
}

struct Fixture {
    router: Router,
    authorization: String,
    _directory: tempfile::TempDir,
}

impl Fixture {
    async fn make() -> Self {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let directory = tempfile::TempDir::new().unwrap();
        let config = Config::embedded(directory.path(), "127.0.0.1:0".parse().unwrap());
        let credential = serve::init(&config, "operator", "root").await.unwrap().unwrap();
        let app = serve::assemble(&config).await.unwrap();
        let public = Public::default().on(GET, "/public", &LIVEZ, panics_in_public);
        let protected = Protected::default()
            .on(GET, "/reached", &OPEN, reached)
            .on(GET, "/panics", &OPEN, panics)
            .on(GET, "/never", &SHORT, never)
            .on(GET, "/narrow", &NARROW, reached);
        let router = routing::build(&app, public, protected);
        Self { router, authorization: format!("Basic {}", STANDARD.encode(credential.expose())), _directory: directory }
    }

    async fn get(&self, path: &str, authorization: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::builder().uri(path);
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let service = TowerToHyperService::new(self.router.clone());
        let response = service.call(request.body(Body::empty()).unwrap()).await.unwrap();
        assert!(response.headers().contains_key(X_REQUEST_ID));
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

/// A-075, R14: a handler runs for verified principals only.
#[tokio::test]
async fn no_handler_without_a_principal() {
    let fixture = Fixture::make().await;
    let almost = format!("{}x", fixture.authorization);
    for authorization in [None, Some("Bearer x"), Some(almost.as_str())] {
        assert_eq!(fixture.get("/reached", authorization).await.0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(REACHED.load(Ordering::SeqCst), 0);
    assert_eq!(fixture.get("/reached", Some(&fixture.authorization)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(REACHED.load(Ordering::SeqCst), 1);
}

/// R24: a handler that panics gives an opaque 500, and the server goes on.
#[tokio::test]
async fn a_panic_is_an_opaque_500() {
    let fixture = Fixture::make().await;
    for (path, wanted) in [
        ("/panics", r#"{"error":{"message":"internal error","type":"InternalServerError","code":500}}"#),
        ("/public", "\"message\":\"internal error\""),
    ] {
        let (status, body) = fixture.get(path, Some(&fixture.authorization)).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body.contains(wanted) && !body.contains("canary"), "{body}");
    }
    assert_eq!(fixture.get("/never", None).await.0, StatusCode::UNAUTHORIZED);
}

/// S-070: an operation that takes longer than its deadline is answered 504.
#[tokio::test]
async fn a_deadline_is_504() {
    let fixture = Fixture::make().await;
    let (status, body) = fixture.get("/never", Some(&fixture.authorization)).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT, "{body}");
}
