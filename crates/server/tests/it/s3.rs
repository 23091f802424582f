//! Warehouses in S3: through the doors, against a real store. `cargo xtask test` names its program in `WEED_BIN`, and
//! skips this module, and says so, where it cannot be had.

mod recorded;
mod signing;
mod vending;

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use polder_server::posture::Posture;
use polder_testkit::{Answer, Fault, FaultProxy, OPEN, RESTRICTED, S3, SCHEMA, TestServer, World};
use serde_json::{Value, json};

const TABLES: &str = "/iceberg/v1/lake/namespaces/pub/tables";
const WAREHOUSES: &str = "/api/v1/admin/warehouses";

/// Names of buckets that no other test uses.
fn buckets() -> [String; 2] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, SeqCst);
    [format!("managed-{number}"), format!("brought-{number}")]
}

/// The small world with its managed warehouses in S3, reached through `endpoint`; nothing is cached, so that every load
/// reads the store.
async fn world(s3: &S3, endpoint: &str) -> (World, String) {
    let [managed, brought] = buckets();
    let (acme, umbra) = (format!("s3://{brought}/acme"), format!("s3://{brought}/umbra"));
    let settings = s3.settings(endpoint, &format!("s3://{managed}/base"), &[("acme", &acme), ("umbra", &umbra)]);
    let server = TestServer::start_with(|config| {
        config.storage = settings;
        config.limits.metadata_cache_bytes_max = 0;
    });
    (World::make_on(server.await).await, brought)
}

async fn set(world: &World, key: &str, value: &str) -> Answer {
    let body = json!({"requirements": [], "updates": [{"action": "set-properties", "updates": {key: value}}]});
    world.engineer.post(&format!("{TABLES}/{OPEN}"), &body).await
}

async fn load(world: &World) -> Value {
    world.engineer.get(&format!("{TABLES}/{OPEN}")).await.expect(200).json()
}

/// R11: a managed warehouse in S3 from its creation to the drop of its table; clients learn where the
/// store is, nobody learns a key.
#[tokio::test]
async fn a_table_in_s3_lives_its_whole_life() {
    let s3 = S3::shared();
    let (world, _) = world(s3, s3.endpoint()).await;
    let shown = world.admin.get(&format!("{WAREHOUSES}/lake")).await.expect(200).json();
    let root = shown["root"].as_str().unwrap().to_owned();
    assert!(root.starts_with("s3://managed-") && root.ends_with("/base/tenant=acme/workspace=lake"), "{root}");
    let first = load(&world).await;
    let location = first["metadata"]["location"].as_str().unwrap().to_owned();
    assert!(location.starts_with(&format!("{root}/")), "{location}");
    assert!(first["metadata-location"].as_str().unwrap().starts_with(&format!("{location}/metadata/00000-")));
    let config = json!({"client.region": "us-east-1", "s3.endpoint": format!("{}/", s3.endpoint()), "s3.path-style-access": "true"});
    assert_eq!(first["config"], config);
    let asked = world.engineer.get("/iceberg/v1/config?warehouse=lake").await.expect(200).json();
    assert_eq!(asked["defaults"], config);
    for step in ["1", "2", "3"] {
        drop(set(&world, "step", step).await.expect(200));
        assert_eq!(load(&world).await["metadata"]["properties"]["step"], step);
    }
    let log = load(&world).await["metadata"]["metadata-log"].as_array().unwrap().len();
    assert_eq!(log, 3);
    let (asker, _) = world.person("asker", "query catalog").await;
    world.grant("asker", &["list", "read"], &json!({"warehouse": "lake"})).await;
    let asked = asker.post("/api/v1/query", &json!({"sql": "SELECT count(*) AS n FROM pub.cities"})).await.expect(200);
    assert_eq!(asked.json()["rows"], json!([[0]]), "{}", asked.text());
    drop(world.engineer.delete(&format!("{TABLES}/{OPEN}")).await.expect(204));
    drop(world.engineer.get(&format!("{TABLES}/{OPEN}")).await.expect(404));
    let audit = world.audit().await;
    let directory = world.server.stop().await;
    let log = std::fs::read_to_string(directory.path().join("access.log")).unwrap();
    for secret in S3::secrets() {
        for text in [first.to_string(), asked.text(), log.clone(), Value::from(audit.clone()).to_string()] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

/// R7, R10: the server's keys open a bucket for the tenant that the operator has named, in its place, and
/// for nobody and nothing else; every refusal reads alike.
#[tokio::test]
async fn a_tenant_brings_only_what_the_operator_allows() {
    let s3 = S3::shared();
    let (world, brought) = world(s3, s3.endpoint()).await;
    let managed = brought.replace("brought", "managed");
    let bring =
        |root: String, allowed: Vec<String>| json!({"name": "pond", "root": root, "allowed_locations": allowed});
    let mut said = std::collections::BTreeSet::new();
    for foreign in [
        format!("s3://{brought}/acme"),
        format!("s3://{brought}/acme/deep"),
        format!("s3a://{brought}/acme"),
        format!("s3n://{brought}/acme/x"),
        format!("s3://{brought}/umbra10"),
        format!("s3://{brought}/umbr"),
        format!("s3://{brought}/other"),
        format!("s3://{managed}/base/tenant=umbra/workspace=pond"),
        format!("s3://{managed}/base"),
        format!("s3://{managed}/elsewhere"),
        "s3://somebody-elses-bucket/x".to_owned(),
    ] {
        let own = format!("s3://{brought}/umbra/own");
        for body in [bring(foreign.clone(), vec![]), bring(own, vec![foreign.clone()])] {
            let answer = world.stranger.post(WAREHOUSES, &body).await.expect(400);
            assert_eq!(answer.error("code"), "location_not_allowed", "{foreign}");
            said.insert(answer.error("message").to_owned());
        }
    }
    assert_eq!(said.len(), 1, "{said:?}");
    for bad in [
        format!("s3://{brought}"),
        format!("s3://{brought}/umbra/../acme"),
        format!("s3://{brought}/umbra/%2e%2e/acme"),
        format!("s3://{brought}//umbra"),
        format!("s3://user@{brought}/umbra"),
        format!("s3://{brought}/umbra/a\u{0}"),
    ] {
        drop(world.stranger.post(WAREHOUSES, &bring(bad, vec![])).await.expect(400));
    }
    let own = format!("s3a://{brought}/umbra/one/");
    let more = format!("s3://{brought}/umbra/more");
    let made = world.stranger.post(WAREHOUSES, &bring(own, vec![more])).await.expect(201).json();
    assert_eq!(made["root"], format!("s3://{brought}/umbra/one"));
    for taken in ["umbra", "umbra/one", "umbra/one/deep", "umbra/more/x"] {
        let body = json!({"name": "lagoon", "root": format!("s3n://{brought}/{taken}")});
        assert_eq!(world.stranger.post(WAREHOUSES, &body).await.expect(409).error("code"), "location_overlap");
    }
}

/// A-004, R7, R9, R10: a table lives below a root of its own warehouse, and its files below the table.
#[tokio::test]
async fn a_table_stays_in_its_warehouse() {
    let s3 = S3::shared();
    let (world, brought) = world(s3, s3.endpoint()).await;
    let root = format!("s3://{brought}/acme/t1");
    let more = format!("s3://{brought}/acme/more");
    let body = json!({"name": "pond", "root": root, "allowed_locations": [more]});
    drop(world.admin.post(WAREHOUSES, &body).await.expect(201));
    world.grant("engineer", &["list", "read", "write", "create", "drop"], &json!({"warehouse": "pond"})).await;
    let namespaces = "/iceberg/v1/pond/namespaces";
    drop(world.engineer.post(namespaces, &json!({"namespace": ["n"]})).await.expect(200));
    let tables = format!("{namespaces}/n/tables");
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let create = |name: &str, location: String| json!({"name": name, "schema": schema, "location": location});
    for outside in [
        root.clone(),
        format!("s3://{brought}/acme/t10/x"),
        format!("s3://{brought}/acme/t1/../t2"),
        format!("s3://{brought}/umbra/x"),
        format!("s3://{}/base/tenant=acme/workspace=lake/x", brought.replace("brought", "managed")),
        "s3://somebody-elses-bucket/x".to_owned(),
        "file:///tmp/x".to_owned(),
    ] {
        let answer = world.engineer.post(&tables, &create("t", outside.clone())).await;
        assert_eq!(answer.status, 400, "{outside}: {}", answer.text());
    }
    for (name, location) in [("a", format!("{root}/own")), ("b", format!("{more}/b"))] {
        let made = world.engineer.post(&tables, &create(name, location.clone())).await.expect(200).json();
        assert_eq!(made["metadata"]["location"], location);
        assert_eq!(made["config"]["s3.endpoint"], format!("{}/", s3.endpoint()));
    }
    for foreign in [format!("{root}/own2/m.avro"), format!("{more}/b/m.avro"), "s3://x/m.avro".to_owned()] {
        let snapshot = json!({"snapshot-id": 1, "sequence-number": 1, "timestamp-ms": 4_000_000_000_000_i64,
            "manifest-list": foreign, "summary": {"operation": "append"}, "schema-id": 0});
        let body = json!({"requirements": [], "updates": [{"action": "add-snapshot", "snapshot": snapshot}]});
        let answer = world.engineer.post(&format!("{tables}/a"), &body).await.expect(400);
        assert!(answer.text().contains("not allowed"), "{foreign}: {}", answer.text());
    }
}

/// F3, F4, F19: what the store did decides, not what it said. A write that was done although its answer was an error,
/// or none, is a commit; one that was not done is 503 with `Retry-After`, and leaves the table as it was.
#[tokio::test]
async fn faults_of_the_store_are_answered_by_what_happened() {
    let s3 = S3::shared();
    let proxy = FaultProxy::before(s3.endpoint());
    let (world, brought) = world(s3, &proxy.endpoint()).await;
    drop(set(&world, "step", "0").await.expect(200));
    for (step, fault, at_least) in
        [("1", Fault::NextWriteAnsweredWith500, 2), ("2", Fault::NextAnswerLost, 1), ("3", Fault::None, 1)]
    {
        let before = proxy.writes();
        proxy.set(fault);
        drop(set(&world, "step", step).await.expect(200));
        assert!(proxy.writes() - before >= at_least, "{fault:?}");
        assert_eq!(load(&world).await["metadata"]["properties"]["step"], step, "{fault:?}");
    }
    let before = load(&world).await;
    for fault in [Fault::WritesFail, Fault::Down] {
        proxy.set(fault);
        let answer = set(&world, "step", "lost").await.expect(503);
        assert!(answer.header("retry-after").is_some(), "{fault:?}");
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        drop(world.engineer.post(TABLES, &json!({"name": "half", "schema": schema})).await.expect(503));
        let root = format!("s3://{brought}/acme/late");
        let made = world.admin.post(WAREHOUSES, &json!({"name": "late", "root": root})).await.expect(503);
        assert!(made.header("retry-after").is_some(), "{fault:?}");
        proxy.set(Fault::None);
        assert_eq!(load(&world).await, before, "{fault:?}");
        drop(world.engineer.get(&format!("{TABLES}/half")).await.expect(404));
        drop(world.admin.get(&format!("{WAREHOUSES}/late")).await.expect(404));
    }
    proxy.set(Fault::Down);
    let answer = world.engineer.get(&format!("{TABLES}/{OPEN}")).await.expect(503);
    assert!(answer.header("retry-after").is_some());
    proxy.set(Fault::None);
    drop(set(&world, "step", "4").await.expect(200));
    drop(world.analyst.get(&format!("{TABLES}/{RESTRICTED}")).await.expect(403));
}

/// outside development no tenant names a directory of the host, and no bucket that nobody has allowed; managed
/// warehouses work there as ever.
#[tokio::test]
async fn a_directory_of_the_host_is_brought_in_development_only() {
    let directory = tempfile::TempDir::new().unwrap();
    let root = format!("file://{}/mine", directory.path().canonicalize().unwrap().display());
    for (posture, status) in [(Posture::Dev, 201), (Posture::Private, 400), (Posture::Public, 400)] {
        let server = TestServer::start_with(|config| {
            config.posture = posture;
            config.auth.issuer = Some("https://id.example".to_owned());
            config.auth.audience = Some("polder".to_owned());
        })
        .await;
        let operator = server.operator();
        drop(operator.post(WAREHOUSES, &json!({"name": "managed"})).await.expect(201));
        let answer = operator.post(WAREHOUSES, &json!({"name": "mine", "root": root})).await.expect(status);
        let bucket = operator.post(WAREHOUSES, &json!({"name": "cloud", "root": "s3://lake/x"})).await.expect(400);
        assert_eq!(bucket.error("code"), "location_not_allowed");
        if status == 400 {
            assert_eq!(answer.error("message"), bucket.error("message"));
        }
    }
}
