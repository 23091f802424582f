//! What is true of every path and method.

use polder_testkit::{TestServer, World};
use reqwest::Method;

/// A path that no route has says so in the style of its door, to everybody alike.
#[tokio::test]
async fn unknown_paths_are_404_in_the_style_of_their_door() {
    let world = World::make().await;
    for caller in [&world.server.anonymous(), &world.engineer] {
        for path in [
            "/iceberg/v1/lake/functions",
            "/iceberg/v2",
            "/iceberg/v1/lake/namespaces/pub/registered",
            "/iceberg/v1/lake/transactions",
        ] {
            let answer = caller.get(path).await.expect(404);
            assert_eq!(
                (answer.error("type").as_str(), answer.json()["error"]["code"].as_u64()),
                ("NotFoundException", Some(404))
            );
        }
        for path in ["/", "/api", "/api/v1/describe/x", "/api/v1/admin", "/iceberg"] {
            assert_eq!(caller.get(path).await.expect(404).error("code"), "no_such_route", "{path}");
        }
    }
}

/// A method that a path does not have is 405 with those it has; none is derived from another.
#[tokio::test]
async fn unknown_methods_are_405() {
    let server = TestServer::start().await;
    let door = server.anonymous();
    for (method, path, allow) in [
        (Method::PUT, "/iceberg/v1/lake/namespaces", "GET, POST"),
        (Method::HEAD, "/iceberg/v1/lake/namespaces", "GET, POST"),
        (Method::HEAD, "/api/v1/admin/tenants", "POST, GET"),
        (Method::GET, "/iceberg/v1/oauth/tokens", "POST"),
        (Method::POST, "/livez", "GET"),
        (Method::OPTIONS, "/api/v1/query", "POST"),
        (Method::TRACE, "/api/v1/query", "POST"),
    ] {
        let answer = door.send(method.clone(), path, &[], None).await.expect(405);
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
        assert_eq!(answer.body.is_empty(), method == Method::HEAD);
    }
}

/// Every answer names its request, each another one.
#[tokio::test]
async fn every_answer_names_its_request() {
    let server = TestServer::start().await;
    let mut seen = std::collections::BTreeSet::new();
    for path in ["/livez", "/readyz", "/nowhere", "/iceberg/v1/config", "/iceberg/nowhere", "/api/v1/admin/tenants"] {
        let answer = server.anonymous().get(path).await;
        let id = answer.header("x-request-id").expect("a request id").to_owned();
        assert_eq!(id.len(), 26);
        assert!(seen.insert(id));
    }
    for path in ["/livez", "/readyz"] {
        drop(server.anonymous().get(path).await.expect(200));
    }
}

/// R31, R24: whatever is wrong with a credential, the answer is one and the same; so is no credential at all.
#[tokio::test]
async fn bad_credentials_all_look_alike() {
    let world = World::make().await;
    let key = &world.engineer_key;
    let huge = format!("Bearer {}", "x".repeat(10_000));
    let almost = format!("Bearer {}x", key.secret);
    let forged = [
        "Bearer",
        "Bearer ",
        "Basic",
        "Basic e30=",
        "Basic !!!",
        "Digest x",
        "x",
        &huge,
        &almost,
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
        "Bearer polder_aaaaaaaaaaaaaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    ];
    let alike = world.server.anonymous().get("/iceberg/v1/config").await.expect(401);
    assert_eq!(alike.header("www-authenticate"), Some("Bearer realm=\"polder\""));
    assert_eq!(alike.error("type"), "NotAuthorizedException");
    for value in forged {
        let refused = world.server.anonymous().with_authorization(value).get("/iceberg/v1/config").await.expect(401);
        assert_eq!(refused.body, alike.body);
        assert_eq!(refused.header("www-authenticate"), alike.header("www-authenticate"));
    }
    let twice = [("authorization", key.basic()), ("authorization", key.basic())];
    let twice: Vec<(&str, &str)> = twice.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = world.server.anonymous().send(Method::GET, "/iceberg/v1/config", &twice, None).await.expect(401);
    assert_eq!(answer.body, alike.body);
}

/// S-030: scope × route. A key with one scope opens the doors of that scope and no other.
#[tokio::test]
async fn each_scope_opens_its_own_doors() {
    let world = World::make().await;
    let scopes = ["catalog", "query", "admin:warehouses", "admin:access", "admin:policies", "admin:audit"];
    for scope in scopes {
        let name = format!("only-{}", scope.replace(':', "-"));
        let (client, _) = world.person(&name, scope).await;
        for route in polder_server::router::routes().iter().filter(|route| !route.public) {
            let wanted = route.op.scope.expect("every protected route wants a scope");
            let opens = scope.parse::<polder_types::Scopes>().unwrap().allows(wanted);
            let path = route.path.replace("{prefix}", "lake").replace(['{', '}'], "");
            let answer = client.request(route.method.clone(), &path, None).await;
            let refused = answer.status == 403 && answer.text().contains("scopes do not allow");
            let head = route.method == Method::HEAD && answer.status == 403;
            assert_eq!(!(refused || head), opens, "{scope}: {} {path}: {}", route.method, answer.status);
        }
    }
}
