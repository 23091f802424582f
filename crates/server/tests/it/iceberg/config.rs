//! `/iceberg/v1/config`.

use polder_testkit::World;
use serde_json::{Value, json};

/// the prefix is the warehouse, and the endpoints are those that the router serves, each of them once.
#[tokio::test]
async fn config_names_the_prefix_and_exactly_what_works() {
    let world = World::make().await;
    let config = world.engineer.get("/iceberg/v1/config?warehouse=lake").await.expect(200).json();
    assert_eq!(config["overrides"], json!({"prefix": "lake", "namespace-separator": "%1F"}));
    assert_eq!(config["defaults"], json!({}));
    let endpoints: Vec<&str> = config["endpoints"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let mut expected = [
        "GET /v1/{prefix}/namespaces",
        "POST /v1/{prefix}/namespaces",
        "GET /v1/{prefix}/namespaces/{namespace}",
        "HEAD /v1/{prefix}/namespaces/{namespace}",
        "DELETE /v1/{prefix}/namespaces/{namespace}",
        "POST /v1/{prefix}/namespaces/{namespace}/properties",
        "GET /v1/{prefix}/namespaces/{namespace}/tables",
        "POST /v1/{prefix}/namespaces/{namespace}/tables",
        "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
        "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
        "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
        "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
        "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan",
        "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan/{plan-id}",
        "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan/{plan-id}",
        "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/tasks",
        "POST /v1/{prefix}/namespaces/{namespace}/register",
        "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/unregister",
        "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
        "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials",
        "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/sign",
        "POST /v1/{prefix}/tables/rename",
        "GET /v1/{prefix}/namespaces/{namespace}/views",
        "POST /v1/{prefix}/namespaces/{namespace}/views",
        "GET /v1/{prefix}/namespaces/{namespace}/views/{view}",
        "HEAD /v1/{prefix}/namespaces/{namespace}/views/{view}",
        "POST /v1/{prefix}/namespaces/{namespace}/views/{view}",
        "DELETE /v1/{prefix}/namespaces/{namespace}/views/{view}",
        "POST /v1/{prefix}/namespaces/{namespace}/register-view",
        "POST /v1/{prefix}/views/rename",
        "POST /v1/{prefix}/transactions/commit",
    ];
    expected.sort_unstable();
    let mut sorted = endpoints.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!(config["idempotency-key-lifetime"], "PT30M");
}

/// R22: an unknown warehouse, another tenant's, and one that no grant shows are one and the same 404.
#[tokio::test]
async fn a_warehouse_that_may_not_be_known_is_absent() {
    let world = World::make().await;
    for (caller, name) in [
        (&world.engineer, "vault"),
        (&world.engineer, "nowhere"),
        (&world.engineer, "No-Name!"),
        (&world.nobody, "lake"),
    ] {
        let answer = caller.get(&format!("/iceberg/v1/config?warehouse={name}")).await.expect(404);
        assert_eq!(answer.error("type"), "NoSuchWarehouseException");
        assert_eq!(answer.error("message"), format!("Warehouse does not exist: {name}"));
    }
}

/// without a name it is the default warehouse; whoever may not know it is not told its name.
#[tokio::test]
async fn without_a_name_it_is_the_default_warehouse() {
    let world = World::make().await;
    for path in ["/iceberg/v1/config", "/iceberg/v1/config?warehouse="] {
        assert_eq!(world.engineer.get(path).await.expect(200).json()["overrides"]["prefix"], "lake");
        assert_eq!(world.stranger.get(path).await.expect(200).json()["overrides"]["prefix"], "vault");
        let refused = world.nobody.get(path).await.expect(400);
        assert!(!refused.text().contains("lake"), "{}", refused.text());
    }
    let operator = world.server.operator().get("/iceberg/v1/config").await.expect(400);
    assert_eq!(operator.error("type"), "BadRequestException");
}

/// R26: no header names a tenant or a workspace.
#[tokio::test]
async fn headers_choose_no_tenant() {
    let world = World::make().await;
    let headers = [
        ("x-tenant-id", "umbra"),
        ("x-workspace-id", "vault"),
        ("x-user-id", "admin"),
        ("x-trino-user", "admin"),
        ("x-forwarded-user", "admin"),
    ];
    let answer = world.engineer.send(reqwest::Method::GET, "/iceberg/v1/config", &headers, None).await.expect(200);
    assert_eq!(answer.json()["overrides"]["prefix"], "lake");
    let anonymous = world.server.anonymous();
    drop(anonymous.send(reqwest::Method::GET, "/iceberg/v1/config", &headers, None).await.expect(401));
}
