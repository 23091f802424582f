//! `/metrics` in the three postures, on both listeners, and what its labels can hold.

use std::collections::BTreeSet;

use polder_server::{
    config::Config,
    posture::{Environment, Posture},
};
use polder_testkit::{Answer, Client, TestServer, World};
use polder_types::Secret;
use reqwest::Method;
use serde_json::json;

const TOKEN: &str = "a token of the operations";
const POSTURES: [(Environment, bool); 3] =
    [(Environment::Dev, false), (Environment::Staging, false), (Environment::Prod, true)];

fn placed(config: &mut Config, (environment, public): (Environment, bool)) {
    config.posture = Posture::of(environment, public);
    config.auth.issuer = Some("https://polder.example".to_owned());
    config.auth.audience = Some("polder-api".to_owned());
}

fn inside(server: &TestServer) -> Client {
    Client::anonymous(&format!("http://{}", server.operations().expect("an operations listener")))
}

/// in Public `/metrics` is no path of the public listener, for any method; elsewhere it is open.
#[tokio::test]
async fn the_public_listener_follows_the_posture() {
    for place in POSTURES {
        let server = TestServer::start_with(|config| placed(config, place)).await;
        let door = server.anonymous();
        if Posture::of(place.0, place.1) != Posture::Public {
            let answer = door.get("/metrics").await.expect(200);
            assert!(answer.text().contains("polder_build_info{"), "{}", answer.text());
            assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
            continue;
        }
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let send = async |path: &str| {
                let Answer { status, body, mut headers } = door.send(method.clone(), path, &[], None).await;
                headers.remove("x-request-id");
                headers.remove("date");
                let body = String::from_utf8(body).unwrap();
                (status, headers, body.split("request_id").next().unwrap().to_owned())
            };
            assert_eq!(send("/metrics").await, send("/nowhere").await, "{method}");
            assert_eq!(send("/metrics").await.0, 404);
        }
        drop(server.operator().get("/metrics").await.expect(404));
    }
}

/// A-030, R20: the operations listener serves it in all postures, to the bearer of its token alone, and no door.
#[tokio::test]
async fn the_operations_listener_serves_all_postures() {
    for place in POSTURES {
        let server = TestServer::start_with(|config| {
            placed(config, place);
            config.operations.listen = Some("127.0.0.1:0".parse().unwrap());
            config.operations.token = Some(Secret::new(TOKEN.to_owned()));
        })
        .await;
        let inside = inside(&server);
        for wrong in ["Bearer x", "Bearer ", "Basic x", TOKEN, "Bearer a token of the operation"] {
            drop(inside.with_authorization(wrong).get("/metrics").await.expect(401));
        }
        drop(inside.get("/metrics").await.expect(401));
        drop(inside.get("/livez").await.expect(401));
        let bearer = inside.with_authorization(&format!("Bearer {TOKEN}"));
        assert!(bearer.get("/metrics").await.expect(200).text().contains("polder_http_requests_in_flight"));
        for path in ["/livez", "/readyz"] {
            drop(bearer.get(path).await.expect(200));
        }
        for path in ["/", "/iceberg/v1/config", "/api/v1/admin/tenants", "/metrics/x"] {
            drop(bearer.get(path).await.expect(404));
        }
        drop(bearer.post("/metrics", &json!({})).await.expect(404));
    }
}

/// Names of series, without their values.
fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

/// whatever paths, methods, tenants and credentials come, the series stay the same few, and
/// nothing that was sent is in them.
#[tokio::test]
async fn random_requests_make_no_series() {
    let world = World::make().await;
    let door = world.server.anonymous();
    let methods = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE", "BREW", "X-CANARY"];
    // A number that looks random and is the same in every run.
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound as u64).unwrap()
    };
    let mut after_first_half = BTreeSet::new();
    let rounds = 1_000;
    for round in 0..rounds {
        let canary = format!("canary{}", next(1_000_000));
        let path = match next(6) {
            0 => format!("/{canary}/{canary}"),
            1 => format!("/iceberg/{canary}"),
            2 => format!("/iceberg/v1/{canary}/namespaces"),
            3 => format!("/iceberg/v1/lake/namespaces/{canary}/tables/{canary}"),
            4 => format!("/api/v1/admin/principals/{canary}?page_token={canary}"),
            _ => format!("/iceberg/v1/config?warehouse={canary}"),
        };
        let caller = match next(3) {
            0 => door.clone(),
            1 => world.engineer.clone(),
            _ => door.with_authorization(&format!("Bearer {canary}")),
        };
        let method = Method::from_bytes(methods[next(methods.len())].as_bytes()).unwrap();
        let headers = [("x-tenant-id", canary.as_str()), ("user-agent", canary.as_str())];
        drop(caller.send(method, &path, &headers, None).await);
        if round == rounds / 2 {
            after_first_half = series(&door.get("/metrics").await.expect(200).text());
        }
    }
    let text = door.get("/metrics").await.expect(200).text();
    for word in ["canary", "acme", "umbra", "engineer", "lake", "cities", "CANARY", "BREW"] {
        assert!(!text.contains(word), "`{word}` is in the metrics:\n{text}");
    }
    let grown: Vec<String> = series(&text).difference(&after_first_half).cloned().collect();
    assert!(grown.len() <= 40, "{grown:?}");
    assert!(series(&text).len() < 1_500, "{}", series(&text).len());
    assert!(text.contains("method=\"OTHER\",route=\"unmatched\""), "{text}");
    assert!(text.contains("route=\"/iceberg/v1/{prefix}/namespaces\""), "{text}");
}

/// The figures follow what happens.
#[tokio::test]
async fn figures_follow_what_happens() {
    let world = World::make().await;
    let value = async |name: &str| -> u64 {
        let text = world.server.anonymous().get("/metrics").await.expect(200).text();
        let line =
            text.lines().find(|line| line.split(' ').next() == Some(name)).unwrap_or_else(|| panic!("no {name}"));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    let (commits, refused) =
        ("polder_commits_total{outcome=\"committed\"}", "polder_commits_total{outcome=\"conflict\"}");
    let before = (value(commits).await, value(refused).await, value("polder_store_statements_total").await);
    world.create_table("pub", "fresh").await;
    let schema: serde_json::Value = serde_json::from_str(polder_testkit::SCHEMA).unwrap();
    let again = json!({"name": "fresh", "schema": schema});
    drop(world.engineer.post("/iceberg/v1/lake/namespaces/pub/tables", &again).await.expect(409));
    assert_eq!((value(commits).await, value(refused).await), (before.0 + 1, before.1 + 1));
    assert!(value("polder_store_statements_total").await > before.2);
    let unknown = "polder_authentications_total{outcome=\"unknown\"}";
    let was = value(unknown).await;
    drop(world.server.anonymous().with_authorization("Bearer x").get("/iceberg/v1/config").await.expect(401));
    assert_eq!(value(unknown).await, was + 1);
}
