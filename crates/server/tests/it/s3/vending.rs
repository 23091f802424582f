//! Keys for single tables: handed out through the doors, tried at a store that enforces them.

use std::{collections::BTreeSet, time::Duration};

use polder_testkit::{Answer, Client, Fault, FaultProxy, OPEN, RESTRICTED, S3, S3Client, SCHEMA, TestServer, World};
use reqwest::Method;
use serde_json::{Value, json};

use super::{TABLES, buckets};

const DELEGATION: (&str, &str) = ("X-Iceberg-Access-Delegation", "vended-credentials");

/// The small world in S3, with keys from the store's STS. STS is asked at `sts`.
pub(super) async fn world(s3: &S3, sts: &str) -> (World, String) {
    let [managed, brought] = buckets();
    let (acme, umbra) = (format!("s3://{brought}/acme"), format!("s3://{brought}/umbra"));
    let base = format!("s3://{managed}/base");
    let mut settings = s3.vending_settings(s3.endpoint(), &base, &[("acme", &acme), ("umbra", &umbra)]);
    for profile in &mut settings.s3 {
        profile.vending.as_mut().unwrap().endpoint = Some(sts.to_owned());
    }
    let world = World::make_on(TestServer::start_with(|config| config.storage = settings).await).await;
    (world, brought)
}

async fn usual() -> (World, String) {
    let s3 = S3::shared();
    world(s3, s3.endpoint()).await
}

async fn load_as(caller: &Client, table: &str) -> Answer {
    caller.send(Method::GET, &format!("{TABLES}/{table}"), &[DELEGATION], None).await
}

async fn create_as(caller: &Client, tables: &str, body: &Value) -> Answer {
    let headers = [DELEGATION, ("content-type", "application/json")];
    caller.send(Method::POST, tables, &headers, Some(body.to_string().into_bytes())).await
}

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// The path of a location in the store: `/bucket/a/b`.
pub(super) fn path_of(location: &str) -> String {
    format!("/{}", location.strip_prefix("s3://").unwrap())
}

fn location(loaded: &Value) -> String {
    path_of(loaded["metadata"]["location"].as_str().unwrap())
}

/// Lists as S3 does: `path` is `/bucket/prefix`.
async fn list(client: &S3Client, path: &str) -> u16 {
    let (bucket, prefix) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let prefix = prefix.replace('/', "%2F").replace('=', "%3D");
    client.ask("GET", &format!("/{bucket}?list-type=2&prefix={prefix}"), "").await.0
}

/// What keys do beside their table: every answer must be 403.
async fn opens_nothing_beside(keys: &S3Client, own: &str, neighbour: &str) {
    let server = S3::shared().client();
    let (bucket, _) = own.trim_start_matches('/').split_once('/').unwrap();
    let parent = own.rsplit_once('/').unwrap().0;
    for beside in [format!("{neighbour}/data/x"), format!("{own}0/x"), format!("{own}x"), format!("/{bucket}/x")] {
        assert_eq!(server.ask("PUT", &beside, "theirs").await.0, 200, "{beside}");
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            let body = if method == "PUT" { "ours" } else { "" };
            assert_eq!(keys.ask(method, &beside, body).await.0, 403, "{method} {beside}");
        }
        assert_eq!(server.ask("GET", &beside, "").await.1, "theirs", "{beside}");
        let copied = keys.ask_for("s3", "PUT", &format!("{own}/copied"), &[("x-amz-copy-source", &beside)], "").await;
        assert_eq!(copied.0, 403, "{beside}");
        let key = beside.trim_start_matches('/').split_once('/').unwrap().1;
        let deletion = format!("<Delete><Object><Key>{key}</Key></Object></Delete>");
        drop(keys.ask("POST", &format!("/{bucket}?delete="), &deletion).await);
        assert_eq!(server.ask("GET", &beside, "").await.1, "theirs", "{beside}");
    }
    for prefix in
        [format!("{neighbour}/"), own.to_owned(), format!("{own}0/"), format!("{parent}/"), format!("/{bucket}")]
    {
        assert_eq!(list(keys, &prefix).await, 403, "{prefix}");
    }
    for (method, query) in [("GET", "policy="), ("GET", "acl="), ("PUT", "acl="), ("DELETE", "")] {
        let (status, said) = keys.ask(method, &format!("/{bucket}?{query}"), "").await;
        assert_eq!(status, 403, "{method} {query}: {said}");
    }
    let further = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3Arole%2Fvend&RoleSessionName=more";
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(keys.ask_for("sts", "POST", "/", &form, further).await.0, 403);
    let federation = "Action=GetFederationToken&Version=2011-06-15&Name=more";
    assert!(keys.ask_for("sts", "POST", "/", &form, federation).await.0 >= 400);
}

/// R7: a writer's keys open its table whole, and nothing beside it.
#[tokio::test]
async fn a_writers_key_does_not_leave_its_table() {
    let (world, _) = usual().await;
    let loaded = load_as(&world.engineer, OPEN).await.expect(200);
    assert_eq!((loaded.header("etag"), loaded.header("cache-control")), (None, Some("no-store")));
    let (loaded, neighbour) = (loaded.json(), load_as(&world.engineer, RESTRICTED).await.expect(200).json());
    let own = location(&loaded);
    let keys = S3Client::of_config(&loaded["config"]);
    for (method, body, status) in [("PUT", "mine", 200), ("GET", "", 200), ("HEAD", "", 200), ("DELETE", "", 204)] {
        assert_eq!(keys.ask(method, &format!("{own}/data/a%20b.parquet"), body).await.0, status, "{method}");
    }
    assert_eq!(keys.ask("POST", &format!("{own}/data/large?uploads="), "").await.0, 200);
    assert_eq!(list(&keys, &format!("{own}/")).await, 200);
    assert_eq!(list(&keys, &format!("{own}/data/")).await, 200);
    opens_nothing_beside(&keys, &own, &location(&neighbour)).await;
    let theirs = S3Client::of_config(&neighbour["config"]);
    assert_eq!(theirs.ask("GET", &format!("{own}/data/a%20b.parquet"), "").await.0, 403);
}

/// R4, R12, A-082: who may write a table's files may not write the document that everybody is served; nor is that signed.
#[tokio::test]
async fn a_writers_key_does_not_write_documents() {
    let (world, _) = usual().await;
    let loaded = load_as(&world.engineer, OPEN).await.expect(200).json();
    let keys = S3Client::of_config(&loaded["config"]);
    let document = path_of(loaded["metadata-location"].as_str().unwrap());
    assert_eq!(keys.ask("GET", &document, "").await.0, 200);
    for place in [document.clone(), format!("{}/data/x.metadata.json", location(&loaded))] {
        assert_eq!(keys.ask("PUT", &place, "{}").await.0, 403, "{place}");
        assert_eq!(keys.ask("POST", &format!("{place}?uploads="), "").await.0, 403, "{place}");
    }
    let (bucket, key) = document.trim_start_matches('/').split_once('/').unwrap();
    let uri = format!("{}/{bucket}/{key}", S3::shared().endpoint());
    let body = json!({"region": "us-east-1", "uri": uri, "method": "PUT", "headers": {}});
    let signed = world.engineer.post(&format!("{TABLES}/{OPEN}/sign"), &body).await;
    assert!(signed.status == 403 || signed.status == 400, "{}", signed.text());
}

/// a reader's keys read, whatever the header says, and are the reader's own.
#[tokio::test]
async fn a_readers_key_does_not_write() {
    let (world, _) = usual().await;
    let writer = load_as(&world.engineer, OPEN).await.expect(200).json();
    let loaded = load_as(&world.analyst, OPEN).await.expect(200).json();
    assert_ne!(loaded["config"]["s3.access-key-id"], writer["config"]["s3.access-key-id"]);
    let own = location(&loaded);
    let keys = S3Client::of_config(&loaded["config"]);
    let file = path_of(loaded["metadata-location"].as_str().unwrap());
    let (status, body) = keys.ask("GET", &file, "").await;
    assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()), (200, loaded["metadata"].clone()));
    assert_eq!(list(&keys, &format!("{own}/")).await, 200);
    for (method, path) in [
        ("PUT", format!("{own}/data/x")),
        ("PUT", file.clone()),
        ("DELETE", file.clone()),
        ("POST", format!("{own}/data/x?uploads=")),
    ] {
        assert_eq!(keys.ask(method, &path, "").await.0, 403, "{method} {path}");
    }
    opens_nothing_beside(&keys, &own, &location(&load_as(&world.engineer, RESTRICTED).await.json())).await;
    assert_eq!(S3::shared().client().ask("GET", &file, "").await.0, 200);
}

/// what a client needs of an answer: both places of the keys, the end of their life, where it asks again;
/// and that asking there gives the same keys while they live.
#[tokio::test]
async fn clients_find_keys_where_they_look() {
    let (world, _) = usual().await;
    let loaded = load_as(&world.engineer, OPEN).await.expect(200).json();
    let config = loaded["config"].as_object().unwrap();
    let [credential] = loaded["storage-credentials"].as_array().unwrap().as_slice() else { panic!("{loaded}") };
    assert_eq!(credential["prefix"], format!("{}/", loaded["metadata"]["location"].as_str().unwrap()));
    assert_eq!(credential["config"], loaded["config"]);
    let names: Vec<&str> = config.keys().map(String::as_str).collect();
    let expected = [
        "client.refresh-credentials-endpoint",
        "client.region",
        "s3.access-key-id",
        "s3.endpoint",
        "s3.path-style-access",
        "s3.secret-access-key",
        "s3.session-token",
        "s3.session-token-expires-at-ms",
    ];
    assert_eq!(names, expected);
    let ends: i128 = config["s3.session-token-expires-at-ms"].as_str().unwrap().parse().unwrap();
    let now = i128::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis());
    let left = ends - now.unwrap();
    assert!((600_000..=910_000).contains(&left), "{left}");
    let again = config["client.refresh-credentials-endpoint"].as_str().unwrap();
    let answer = world.engineer.get(&format!("/iceberg/{again}")).await.expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.json(), json!({"storage-credentials": loaded["storage-credentials"]}));
    let plain = world.engineer.get(&format!("{TABLES}/{OPEN}")).await.expect(200);
    assert!(plain.header("etag").is_some() && plain.json().get("storage-credentials").is_none());
    assert!(!plain.text().contains("access-key"));
    // Never 304, however current the copy is (R30).
    let tag = plain.header("etag").unwrap();
    let path = format!("{TABLES}/{OPEN}");
    let held = |headers: Vec<(&'static str, String)>| {
        let (caller, path) = (world.engineer.clone(), path.clone());
        async move {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            caller.send(Method::GET, &path, &headers, None).await.status
        }
    };
    assert_eq!(held(vec![("If-None-Match", tag.to_owned())]).await, 304);
    assert_eq!(held(vec![("If-None-Match", tag.to_owned()), (DELEGATION.0, DELEGATION.1.to_owned())]).await, 200);
}

/// R22: whom a row filter or mask holds for gets no keys at any door; whoever may not know the table gets
/// the answer of an absent one.
#[tokio::test]
async fn the_restricted_and_the_foreign_get_nothing() {
    let (world, _) = usual().await;
    let doors = |table: &str| [format!("{TABLES}/{table}"), format!("{TABLES}/{table}/credentials")];
    for path in doors(RESTRICTED) {
        let refused = world.analyst.send(Method::GET, &path, &[DELEGATION], None).await.expect(403);
        assert_eq!(refused.error("type"), "ForbiddenException");
        assert!(!refused.text().contains("s3."), "{}", refused.text());
    }
    for caller in [&world.stranger, &world.nobody] {
        let [_, door] = doors(OPEN);
        let foreign = caller.send(Method::GET, &door, &[DELEGATION], None).await.expect(404);
        let [_, door] = doors("nothing");
        let absent = caller.send(Method::GET, &door, &[DELEGATION], None).await.expect(404);
        assert_eq!(foreign.error("message"), absent.error("message"));
    }
    let [_, absent] = doors("nothing");
    let absent = world.engineer.get(&absent).await.expect(404);
    assert_eq!(absent.error("type"), "NoSuchTableException");
}

/// the record stands before the keys; the same keys again are counted; a refusal says
/// of which table; and no record, log or answer elsewhere holds a key.
#[tokio::test]
async fn each_key_is_on_record_and_in_none() {
    let (world, _) = usual().await;
    let first = load_as(&world.engineer, OPEN).await.expect(200);
    let request = first.header("x-request-id").unwrap().to_owned();
    for _ in 0..3 {
        let again = load_as(&world.engineer, OPEN).await.expect(200).json();
        assert_eq!(again["config"], first.json()["config"]);
    }
    drop(load_as(&world.analyst, RESTRICTED).await.expect(403));
    drop(world.analyst.get(&format!("{TABLES}/{RESTRICTED}/credentials")).await.expect(403));
    let records = world.audit().await;
    let of = |action: &str, decision: &str| -> Vec<&Value> {
        records.iter().filter(|one| one["action"] == action && one["decision"] == decision).collect()
    };
    let vended = of("vend_credentials", "allow");
    let minted: Vec<_> = vended.iter().filter(|one| one["detail"]["type"] == "vended").collect();
    let [minted] = minted.as_slice() else { panic!("one mint: {vended:?}") };
    assert_eq!((&minted["request_id"], &minted["principal"]), (&json!(request), &json!("engineer")));
    let prefix = format!("{}/", first.json()["metadata"]["location"].as_str().unwrap());
    let table = minted["object_id"].clone();
    let detail = json!({"type": "vended", "table_id": table, "delegation_mode": "vended-credentials",
        "access": "read-write", "ttl": 900, "path_prefix": prefix});
    assert_eq!(minted["detail"], detail);
    let again: Vec<_> = vended.iter().filter(|one| one["detail"]["type"] != "vended").collect();
    assert_eq!(again.iter().map(|one| one["count"].as_i64().unwrap()).sum::<i64>(), 3);
    let mut said = detail;
    said["type"] = json!("handed_out");
    assert!(again.iter().all(|one| one["detail"] == said), "{again:?}");
    let [outcome] = of("mint_credentials", "allow").try_into().unwrap();
    assert_eq!((&outcome["object_id"], &outcome["count"]), (&table, &json!(1)));
    let [denied] = of("vend_credentials", "deny").try_into().unwrap();
    assert_eq!((&denied["reason"], &denied["object"]), (&json!("restricted"), &json!("pub.people")));
    assert_eq!(denied["detail"]["delegation_mode"], "vended-credentials");
    assert_eq!(denied["detail"]["table_id"], denied["object_id"]);
    let config = first.json()["config"].clone();
    let directory = world.server.stop().await;
    let log = std::fs::read_to_string(directory.path().join("access.log")).unwrap();
    let database = std::fs::read(directory.path().join("polder.db")).unwrap();
    let kept = [log, Value::from(records).to_string(), String::from_utf8_lossy(&database).into_owned()].concat();
    for name in ["s3.access-key-id", "s3.secret-access-key", "s3.session-token"] {
        assert!(!kept.contains(config[name].as_str().unwrap()), "{name}");
    }
    for secret in S3::secrets() {
        assert!(!kept.contains(secret) && !first.text().contains(secret));
    }
}

/// R18, R30: after any change of the policy nothing that was handed out before is handed out again, and after a
/// revocation nothing at all.
#[tokio::test]
async fn a_revocation_holds_for_the_next_key() {
    let (world, _) = usual().await;
    let (reader, _) = world.person("reader", "catalog").await;
    let on = json!({"warehouse": "lake", "namespace": ["pub"]});
    let grant = json!({"role": "reader", "privileges": ["list", "read", "write"], "on": on});
    let made = world.admin.post("/api/v1/admin/grants", &grant).await.expect(201).json();
    let id = |privilege: &str| {
        let grants = made["grants"].as_array().unwrap();
        grants.iter().find(|one| one["privilege"] == privilege).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let mut seen = BTreeSet::new();
    let mut key =
        |answer: &Answer| seen.insert(answer.json()["config"]["s3.access-key-id"].as_str().unwrap().to_owned());
    let first = load_as(&reader, OPEN).await.expect(200);
    assert!(key(&first));
    let own = location(&first.json());
    assert_eq!(S3Client::of_config(&first.json()["config"]).ask("PUT", &format!("{own}/data/x"), "1").await.0, 200);
    drop(world.admin.delete(&format!("/api/v1/admin/grants/{}", id("write"))).await.expect(204));
    let second = load_as(&reader, OPEN).await.expect(200);
    assert!(key(&second), "the writer's key is not handed out again");
    assert_eq!(S3Client::of_config(&second.json()["config"]).ask("PUT", &format!("{own}/data/x"), "2").await.0, 403);
    drop(world.admin.delete(&format!("/api/v1/admin/grants/{}", id("read"))).await.expect(204));
    let refused = load_as(&reader, OPEN).await.expect(403);
    assert!(!refused.text().contains("s3."));
    drop(reader.get(&format!("{TABLES}/{OPEN}/credentials")).await.expect(403));
}

/// R18: a key that was asked for before a revocation and made after it is handed to nobody, and no signature with it.
#[tokio::test]
async fn a_revocation_holds_for_a_key_that_is_being_made() {
    let s3 = S3::shared();
    let proxy = FaultProxy::before(s3.endpoint());
    let (world, _) = world(s3, &proxy.endpoint()).await;
    drop(load_as(&world.engineer, OPEN).await.expect(200)); // the self-test is over
    let (reader, _) = world.person("reader", "catalog").await;
    world.grant("reader", &["list", "read"], &json!({"warehouse": "lake"})).await;
    proxy.set(Fault::Slow);
    let asking = tokio::spawn({
        let reader = reader.clone();
        async move { load_as(&reader, OPEN).await }
    });
    tokio::time::sleep(Duration::from_millis(400)).await;
    world.grant("analyst", &["drop"], &json!({"warehouse": "lake"})).await;
    let answer = asking.await.unwrap();
    assert_eq!((answer.status, answer.text().contains("access-key")), (503, false), "{}", answer.text());
    proxy.set(Fault::None);
    assert!(load_as(&reader, OPEN).await.expect(200).text().contains("access-key"));
}

/// R1, A-080: a staged table's keys are for the place that was prepared, after it was checked; never for another table's,
/// and never for somebody who could not write the table.
#[tokio::test]
async fn a_staged_table_gets_keys_for_its_own_place() {
    let (world, _) = usual().await;
    let stage = |name: &str, more: Value| {
        let mut body = json!({"name": name, "schema": schema(), "stage-create": true});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let staged = create_as(&world.engineer, TABLES, &stage("later", json!({}))).await.expect(200);
    assert_eq!(staged.header("cache-control"), Some("no-store"));
    let staged = staged.json();
    let own = location(&staged);
    let keys = S3Client::of_config(&staged["config"]);
    assert_eq!(keys.ask("PUT", &format!("{own}/data/a.parquet"), "1").await.0, 200);
    let neighbour = load_as(&world.engineer, OPEN).await.expect(200).json();
    opens_nothing_beside(&keys, &own, &location(&neighbour)).await;
    let theirs = neighbour["metadata"]["location"].as_str().unwrap();
    for foreign in [
        theirs.to_owned(),
        format!("{theirs}/data"),
        theirs.rsplit_once('/').unwrap().0.to_owned(),
        theirs.replace("tenant=acme", "tenant=umbra"),
        "s3://elsewhere/x".to_owned(),
    ] {
        let answer = create_as(&world.engineer, TABLES, &stage("thief", json!({"location": foreign}))).await;
        assert!(answer.status == 400 || answer.status == 409, "{foreign}: {}", answer.text());
        assert!(!answer.text().contains("access-key"), "{foreign}");
    }
    // A place of another namespace is none; where other namespaces may put a table some day there are no keys (R1).
    let namespaces = "/iceberg/v1/lake/namespaces";
    drop(world.engineer.post(namespaces, &json!({"namespace": ["other"]})).await.expect(200));
    let other = world.engineer.get(&format!("{namespaces}/other")).await.expect(200).json();
    let home = world.engineer.get(TABLES.strip_suffix("/tables").unwrap()).await.expect(200).json();
    let place = |of: &Value| of["properties"]["location"].as_str().unwrap().to_owned();
    for at in [format!("{}/payroll", place(&other)), place(&other)] {
        let refused = create_as(&world.engineer, TABLES, &stage("placed", json!({"location": at}))).await.expect(400);
        assert!(refused.text().contains("another namespace"), "{at}: {}", refused.text());
    }
    let mine = format!("{}/mine", place(&home));
    for (at, keys) in
        [(format!("{}/free", theirs.rsplit_once('/').unwrap().0), false), (place(&home), false), (mine.clone(), true)]
    {
        let staged = create_as(&world.engineer, TABLES, &stage("placed", json!({"location": at}))).await.expect(200);
        assert_eq!(staged.text().contains("access-key"), keys, "{at}");
    }
    let records = world.audit().await;
    let unheld = records.iter().find(|one| one["reason"] == "place_not_held").expect("a record of no keys");
    assert_eq!((&unheld["action"], &unheld["decision"]), (&json!("vend_credentials"), &json!("deny")));
    // Nobody else comes there while the keys live, policy editors neither; whoever staged the table does.
    for at in [mine.clone(), format!("{mine}/data")] {
        let body = json!({"name": "late", "schema": schema(), "location": at});
        let refused = world.admin.post(TABLES, &body).await.expect(400);
        assert!(refused.text().contains("still in use"), "{at}: {}", refused.text());
    }
    drop(
        world.engineer.post(TABLES, &json!({"name": "placed", "schema": schema(), "location": mine})).await.expect(200),
    );
    let (maker, _) = world.person("maker", "catalog").await;
    world.grant("maker", &["create"], &json!({"warehouse": "lake", "namespace": ["pub"]})).await;
    let made = create_as(&maker, TABLES, &stage("made", json!({}))).await.expect(200);
    assert!(!made.text().contains("access-key"), "{}", made.text());
    // A restriction that stands on the name holds for whoever would carry it (R35).
    world.grant("analyst", &["create", "write"], &json!({"warehouse": "lake", "namespace": ["pub"]})).await;
    drop(world.engineer.delete(&format!("{TABLES}/{RESTRICTED}")).await.expect(204));
    let again = create_as(&world.analyst, TABLES, &stage(RESTRICTED, json!({}))).await;
    assert!(!again.text().contains("access-key"), "{}", again.text());
    let beside = create_as(&world.analyst, TABLES, &stage("beside", json!({}))).await;
    assert!(!beside.text().contains("access-key"), "a new table beside a restricted one is hidden: {}", beside.text());
}

/// a table that was made comes with keys, now and when the answer is asked for again.
#[tokio::test]
async fn a_new_table_comes_with_keys() {
    let (world, _) = usual().await;
    let body = json!({"name": "new", "schema": schema()});
    let key = "0195b0a5-0000-7000-8000-000000000001";
    let headers = [DELEGATION, ("content-type", "application/json"), ("Idempotency-Key", key)];
    let mut seen = Vec::new();
    for _ in 0..2 {
        let answer =
            world.engineer.send(Method::POST, TABLES, &headers, Some(body.to_string().into_bytes())).await.expect(200);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let made = answer.json();
        let keys = S3Client::of_config(&made["config"]);
        assert_eq!(keys.ask("PUT", &format!("{}/data/a", location(&made)), "1").await.0, 200);
        seen.push(made["metadata"]["table-uuid"].clone());
    }
    assert_eq!(seen[0], seen[1]);
}

/// a table that comes back comes with keys, and so does the plan of a scan.
#[tokio::test]
async fn a_registered_table_and_a_plan_come_with_keys() {
    let (world, _) = usual().await;
    let path = format!("{TABLES}/{OPEN}");
    let last = world.engineer.post(&format!("{path}/unregister"), &json!({})).await.expect(200).json();
    let namespace = TABLES.strip_suffix("/tables").unwrap();
    let body = json!({"name": OPEN, "metadata-location": last["metadata-location"]});
    let answer = create_as(&world.engineer, &format!("{namespace}/register"), &body).await.expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let made = answer.json();
    let keys = S3Client::of_config(&made["config"]);
    assert_eq!(keys.ask("PUT", &format!("{}/data/a", location(&made)), "1").await.0, 200);
    let answer = create_as(&world.engineer, &format!("{path}/plan"), &json!({})).await.expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let planned = answer.json();
    let again =
        world.engineer.get(&format!("{path}/credentials?planId={}", planned["plan-id"].as_str().unwrap())).await;
    assert_eq!(again.expect(200).json()["storage-credentials"], planned["storage-credentials"]);
    let keys = S3Client::of_config(&planned["storage-credentials"][0]["config"]);
    assert_eq!(keys.ask("GET", &format!("{}/data/a", location(&made)), "").await.0, 200);
    let plain = world.engineer.post(&format!("{path}/plan"), &json!({})).await.expect(200);
    assert_eq!(plain.json().get("storage-credentials"), None);
}

/// R2, R3, A-048: names of every kind widen nothing: they are not in the place of a table; and a place of one's own that a policy
/// could misread gets no keys.
#[tokio::test]
async fn names_full_of_metacharacters_widen_nothing() {
    let (world, brought) = usual().await;
    let neighbour = location(&load_as(&world.engineer, OPEN).await.expect(200).json());
    let odd = ["*", "?", "${aws:username}", "${s3:prefix}", "a\"],\"Resource\":[\"*", "x'y", "[a-z]", "a b&c=d%2F"];
    let tables = "/iceberg/v1/lake/namespaces/%24%7B%2A%7D%3F/tables";
    drop(world.engineer.post("/iceberg/v1/lake/namespaces", &json!({"namespace": ["${*}?"]})).await.expect(200));
    for name in odd {
        let made =
            create_as(&world.engineer, tables, &json!({"name": name, "schema": schema()})).await.expect(200).json();
        let (own, keys) = (location(&made), S3Client::of_config(&made["config"]));
        assert_eq!(keys.ask("PUT", &format!("{own}/data/x"), "1").await.0, 200, "{name}");
        let again = made["config"]["client.refresh-credentials-endpoint"].as_str().unwrap();
        let answer = world.engineer.get(&format!("/iceberg/{again}")).await.expect(200).json();
        assert_eq!(answer["storage-credentials"][0]["config"], made["config"], "{name}");
        for beside in [format!("{neighbour}/data/x"), format!("{own}0/x")] {
            assert_eq!(keys.ask("PUT", &beside, "1").await.0, 403, "{name} {beside}");
        }
    }
    let warehouse = json!({"name": "pond", "root": format!("s3://{brought}/acme/pond")});
    drop(world.admin.post("/api/v1/admin/warehouses", &warehouse).await.expect(201));
    world.grant("engineer", &["list", "read", "write", "create", "drop"], &json!({"warehouse": "pond"})).await;
    drop(world.engineer.post("/iceberg/v1/pond/namespaces", &json!({"namespace": ["n"]})).await.expect(200));
    let tables = "/iceberg/v1/pond/namespaces/n/tables";
    for (number, part) in ["${aws:username}", "a$", "{x}", "q\"q", "é"].into_iter().enumerate() {
        let place = format!("s3://{brought}/acme/pond/{part}");
        let name = format!("t{number}");
        let made =
            create_as(&world.engineer, tables, &json!({"name": name, "schema": schema(), "location": place})).await;
        let made = made.expect(200);
        assert!(!made.text().contains("access-key"), "{part}: {}", made.text());
        let refused = world.engineer.get(&format!("{tables}/{name}/credentials")).await.expect(400);
        assert_eq!(refused.error("type"), "UnsupportedOperationException", "{part}");
    }
    // Asked for twice each, with the table and by name, and refused both times.
    let records = world.audit().await;
    let refused: Vec<&Value> =
        records.iter().filter(|one| one["action"] == "vend_credentials" && one["decision"] == "deny").collect();
    assert!(refused.iter().all(|one| one["reason"] == "unsupported_location"), "{refused:?}");
    assert_eq!(refused.iter().map(|one| one["count"].as_i64().unwrap()).sum::<i64>(), 10);
}

/// R11: where no provider is set up nothing is handed out, and a copy of the table stays good.
#[tokio::test]
async fn without_a_provider_there_are_no_keys() {
    let s3 = S3::shared();
    let (world, _) = super::world(s3, s3.endpoint()).await;
    let loaded = load_as(&world.engineer, OPEN).await.expect(200);
    assert!(!loaded.text().contains("access-key") && !loaded.text().contains("storage-credentials"));
    let none = world.engineer.get(&format!("{TABLES}/{OPEN}/credentials")).await.expect(200).json();
    assert_eq!(none, json!({"storage-credentials": []}));
    let headers = [DELEGATION, ("If-None-Match", loaded.header("etag").unwrap())];
    drop(world.engineer.send(Method::GET, &format!("{TABLES}/{OPEN}"), &headers, None).await.expect(304));
    let sign = json!({"region": "us-east-1", "uri": format!("{}/x/y", s3.endpoint()), "method": "GET", "headers": {}});
    let refused = world.engineer.post(&format!("{TABLES}/{OPEN}/sign"), &sign).await.expect(400);
    assert_eq!(refused.error("type"), "UnsupportedOperationException");
}

/// R21, A-080: STS that does not answer means no keys: 503 where nothing was done, and the table itself where one was
/// made. What needs no keys goes on.
#[tokio::test]
async fn without_sts_there_are_no_keys() {
    let s3 = S3::shared();
    let proxy = FaultProxy::before(s3.endpoint());
    let (world, _) = world(s3, &proxy.endpoint()).await;
    drop(load_as(&world.engineer, OPEN).await.expect(200));
    proxy.set(Fault::Down);
    // What is handed out already lives on.
    drop(load_as(&world.engineer, OPEN).await.expect(200));
    for path in [format!("{TABLES}/{OPEN}"), format!("{TABLES}/{OPEN}/credentials")] {
        let answer = world.analyst.send(Method::GET, &path, &[DELEGATION], None).await.expect(503);
        assert!(answer.header("retry-after").is_some());
        assert_eq!(answer.error("type"), "ServiceUnavailableException");
    }
    drop(world.analyst.get(&format!("{TABLES}/{OPEN}")).await.expect(200));
    let made = create_as(&world.engineer, TABLES, &json!({"name": "new", "schema": schema()})).await.expect(200);
    assert!(!made.text().contains("access-key"));
    let staged = json!({"name": "later", "schema": schema(), "stage-create": true});
    drop(create_as(&world.engineer, TABLES, &staged).await.expect(503));
    let failed =
        world.audit().await.into_iter().find(|one| one["action"] == "mint_credentials" && one["decision"] == "deny");
    assert_eq!(failed.unwrap()["reason"], "vending_unavailable");
    proxy.set(Fault::None);
    tokio::time::timeout(Duration::from_secs(20), async {
        drop(load_as(&world.analyst, OPEN).await.expect(200));
    })
    .await
    .unwrap();
}

/// R1: the place of a purged table is nobody's while keys that were handed out for it live, though nothing is left there.
#[tokio::test]
async fn a_purged_place_is_closed_while_keys_live() {
    let (world, _) = usual().await;
    let root =
        load_as(&world.engineer, OPEN).await.expect(200).json()["metadata"]["location"].as_str().unwrap().to_owned();
    let place = format!("{}/future", root.rsplit_once('/').unwrap().0);
    let body = json!({"name": "bait", "schema": schema(), "location": place});
    let keys = S3Client::of_config(&create_as(&world.engineer, TABLES, &body).await.expect(200).json()["config"]);
    drop(world.engineer.delete(&format!("{TABLES}/bait?purgeRequested=true")).await.expect(204));
    let done = async || {
        let jobs = world.admin.get("/api/v1/admin/jobs").await.expect(200).json();
        jobs["jobs"].as_array().unwrap().iter().all(|job| job["state"] == "done")
    };
    for _ in 0..100 {
        if done().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for at in [place.clone(), format!("{place}/t")] {
        let body = json!({"name": "late", "schema": schema(), "location": at});
        let refused = world.admin.post(TABLES, &body).await.expect(400);
        assert!(refused.text().contains("still in use"), "{at}: {}", refused.text());
    }
    assert_eq!(keys.ask("PUT", &format!("{}/data/a", path_of(&place)), "1").await.0, 200, "they do live");
}
