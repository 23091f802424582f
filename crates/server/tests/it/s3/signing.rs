//! Remote signing: requests to the store that the server signs, sent to it.

use polder_testkit::{Answer, Client, Fault, FaultProxy, OPEN, RESTRICTED, S3, S3Client, TestServer, World};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    TABLES, buckets,
    vending::{path_of, world},
};

/// The world, the table's path in the store and its neighbour's.
async fn usual() -> (World, String, String) {
    let (world, _) = world(S3::shared(), S3::shared().endpoint()).await;
    let (own, neighbour) = places(&world).await;
    (world, own, neighbour)
}

async fn places(world: &World) -> (String, String) {
    let mut found = Vec::new();
    for table in [OPEN, RESTRICTED] {
        let loaded = world.engineer.get(&format!("{TABLES}/{table}")).await.expect(200).json();
        found.push(path_of(loaded["metadata"]["location"].as_str().unwrap()));
    }
    (found.remove(0), found.remove(0))
}

fn wanted(method: &str, uri: &str, headers: Value, body: Option<&str>) -> Value {
    let mut request =
        json!({"region": "us-east-1", "method": method, "uri": uri, "headers": headers, "provider": "s3"});
    if let Some(body) = body {
        request["body"] = json!(body);
    }
    request
}

/// Asks for a signature on a path of the store.
async fn sign(caller: &Client, method: &str, path: &str, headers: Value, body: Option<&str>) -> Answer {
    let uri = format!("{}{path}", S3::shared().endpoint());
    caller.post(&format!("{TABLES}/{OPEN}/sign"), &wanted(method, &uri, headers, body)).await
}

/// Signs, sends, and returns what the store said.
async fn done(caller: &Client, method: &str, path: &str, body: &str) -> (u16, String) {
    let signed = sign(caller, method, path, json!({}), path.contains("?delete").then_some(body)).await.expect(200);
    assert_eq!(signed.header("cache-control"), Some("no-store"));
    anyone().send_signed(method, &signed.json(), &[], body).await
}

/// A client without keys of its own.
fn anyone() -> S3Client {
    S3Client::new(S3::shared().endpoint(), "nobody", "nothing", None)
}

/// The key in a path of the store, and its bucket.
fn split(path: &str) -> (&str, &str) {
    path.trim_start_matches('/').split_once('/').unwrap()
}

/// what a client of files does, by signatures alone: read, write, list, write in parts, delete.
#[tokio::test]
async fn signed_requests_do_what_a_tables_files_need() {
    let (world, own, _) = usual().await;
    let file = format!("{own}/data/p%3Da%2520b/a%20b%2Bc.parquet");
    assert_eq!(done(&world.engineer, "PUT", &file, "mine").await.0, 200);
    assert_eq!(done(&world.engineer, "GET", &file, "").await, (200, "mine".to_owned()));
    assert_eq!(done(&world.analyst, "GET", &file, "").await, (200, "mine".to_owned()));
    assert_eq!(done(&world.analyst, "HEAD", &file, "").await.0, 200);
    let (bucket, prefix) = split(&own);
    let prefix = prefix.replace('/', "%2F").replace('=', "%3D");
    let (status, listed) =
        done(&world.analyst, "GET", &format!("/{bucket}?list-type=2&prefix={prefix}%2Fdata%2F"), "").await;
    assert!(status == 200 && listed.contains("a b+c.parquet"), "{listed}");
    let (status, begun) = done(&world.engineer, "POST", &format!("{own}/data/large?uploads="), "").await;
    assert_eq!(status, 200, "{begun}");
    let id = begun.split("<UploadId>").nth(1).unwrap().split("</UploadId>").next().unwrap();
    let part = done(&world.engineer, "PUT", &format!("{own}/data/large?partNumber=1&uploadId={id}"), "part").await;
    assert_eq!(part.0, 200, "{}", part.1);
    assert_eq!(done(&world.engineer, "DELETE", &format!("{own}/data/large?uploadId={id}"), "").await.0, 204);
    let (_, key) = split(&own);
    let deletion = format!("<Delete><Object><Key>{key}/data/p=a%20b/a b+c.parquet</Key></Object></Delete>");
    let (status, deleted) = done(&world.engineer, "POST", &format!("/{bucket}?delete="), &deletion).await;
    assert!(status == 200 && deleted.contains("<Deleted>"), "{deleted}");
    assert_eq!(done(&world.analyst, "GET", &file, "").await.0, 404);
    assert_eq!(done(&world.engineer, "DELETE", &file, "").await.0, 204);
}

/// A-082, R7, R21: nothing outside the table is signed, however it is written, and no other operation.
#[tokio::test]
async fn nothing_outside_the_table_is_signed() {
    let (world, own, neighbour) = usual().await;
    let (bucket, key) = split(&own);
    let encoded = key.replace('/', "%2F");
    let name = own.rsplit_once('/').unwrap().1;
    for (method, path) in [
        ("GET", format!("{neighbour}/data/x")),
        ("PUT", format!("{neighbour}/data/x")),
        ("DELETE", format!("{neighbour}/data/x")),
        ("GET", own.clone()),
        ("GET", format!("{own}0/x")),
        ("GET", format!("{own}/../{name}0/x")),
        ("GET", format!("{own}/%2e%2e/x")),
        ("GET", format!("{own}/..%2Fx")),
        ("GET", format!("{own}//x")),
        ("GET", format!("//{bucket}/{key}/x")),
        ("GET", format!("/other/{key}/x")),
        ("GET", format!("/{bucket}")),
        ("GET", format!("/{bucket}?list-type=2")),
        ("GET", format!("/{bucket}?list-type=2&prefix={encoded}")),
        ("GET", format!("/{bucket}?list-type=2&prefix={encoded}0%2F")),
        ("GET", format!("/{bucket}?list-type=2&prefix={encoded}%2F&prefix=x")),
        ("GET", format!("/{bucket}?policy")),
        ("GET", format!("/{bucket}?prefix={encoded}%2F&versions")),
        ("PUT", format!("{own}/data/x?acl")),
        ("PUT", format!("/{bucket}?policy")),
        ("GET", format!("{own}/data/x?versionId=1")),
        ("OPTIONS", format!("{own}/data/x")),
        ("PATCH", format!("{own}/data/x")),
        ("POST", "/".to_owned()),
    ] {
        let refused = sign(&world.engineer, method, &path, json!({}), None).await;
        assert_eq!(refused.status, 403, "{method} {path}: {}", refused.text());
        assert_eq!(refused.error("type"), "ForbiddenException");
    }
}

/// A-004, R21: nor at another host, with a header that does more, or with a body that names something else.
#[tokio::test]
async fn nothing_that_does_more_is_signed() {
    let (world, own, neighbour) = usual().await;
    let (bucket, key) = split(&own);
    let file = format!("{}{own}/data/x", S3::shared().endpoint());
    let port = S3::shared().endpoint().rsplit_once(':').unwrap().1.to_owned();
    for uri in [
        file.replace("http://", "https://"),
        file.replace("127.0.0.1", "localhost"),
        file.replace("127.0.0.1", "127.0.0.1.evil.example"),
        file.replace("127.0.0.1:", "127.0.0.1:1@evil.example:"),
        file.replace(&port, "1"),
        file.replace("127.0.0.1", &format!("{bucket}.127.0.0.1")),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        String::new(),
    ] {
        let body = wanted("GET", &uri, json!({}), None);
        let refused = world.engineer.post(&format!("{TABLES}/{OPEN}/sign"), &body).await.expect(403);
        assert!(!refused.text().contains("signature"), "{uri}");
    }
    for (name, value) in [
        ("x-amz-copy-source", neighbour.as_str()),
        ("X-Amz-Copy-Source", neighbour.as_str()),
        ("x-amz-acl", "public-read"),
        ("x-amz-grant-full-control", "id=x"),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
    ] {
        let refused = sign(&world.engineer, "PUT", &format!("{own}/data/x"), json!({name: [value]}), None).await;
        assert_eq!(refused.status, 400, "{name}: {}", refused.text());
    }
    for body in [
        format!("<Delete><Object><Key>{}/data/x</Key></Object></Delete>", split(&neighbour).1),
        format!("<Delete><Object><Key>{key}/a</Key></Object><Object><Key>{key}0/a</Key></Object></Delete>"),
        format!("<Delete><Object><Key>{key}/../x</Key></Object></Delete>"),
    ] {
        let refused = sign(&world.engineer, "POST", &format!("/{bucket}?delete"), json!({}), Some(&body)).await;
        assert_eq!(refused.status, 403, "{body}");
    }
    drop(sign(&world.engineer, "POST", &format!("/{bucket}?delete"), json!({}), None).await.expect(400));
    for broken in
        [json!({"region": "us-east-1"}), json!({"region": "eu-1", "uri": file, "method": "GET", "headers": {}})]
    {
        drop(world.engineer.post(&format!("{TABLES}/{OPEN}/sign"), &broken).await.expect(400));
    }
}

/// R6: a signature is for one request: not for another key, method or body, and not with a header more.
#[tokio::test]
async fn a_signature_is_for_one_request() {
    let (world, own, neighbour) = usual().await;
    let server = S3::shared().client();
    assert_eq!(server.ask("PUT", &format!("{neighbour}/data/x"), "theirs").await.0, 200);
    let signed = sign(&world.engineer, "PUT", &format!("{own}/data/x"), json!({}), None).await.expect(200).json();
    let [from, to] = [&own, &neighbour].map(|place| place.replace('=', "%3D"));
    let stolen = signed["uri"].as_str().unwrap().replace(&from, &to);
    assert_ne!(stolen, signed["uri"]);
    let elsewhere = json!({"uri": stolen, "headers": signed["headers"]});
    assert_eq!(anyone().send_signed("PUT", &elsewhere, &[], "ours").await.0, 403);
    assert_eq!(anyone().send_signed("DELETE", &signed, &[], "").await.0, 403);
    let copy = [("x-amz-copy-source", neighbour.as_str())];
    let (status, said) = anyone().send_signed("PUT", &signed, &copy, "").await;
    assert_eq!(status, 403, "{said}");
    let (bucket, key) = split(&own);
    let mine = format!("<Delete><Object><Key>{key}/data/x</Key></Object></Delete>");
    let theirs = format!("<Delete><Object><Key>{}/data/x</Key></Object></Delete>", split(&neighbour).1);
    let deletion =
        sign(&world.engineer, "POST", &format!("/{bucket}?delete"), json!({}), Some(&mine)).await.expect(200);
    let (status, said) = anyone().send_signed("POST", &deletion.json(), &[], &theirs).await;
    assert!(status >= 400 || !said.contains("<Deleted>"), "{status} {said}");
    assert_eq!(server.ask("GET", &format!("{neighbour}/data/x"), "").await.1, "theirs");
    // What is signed with are keys for the table alone.
    assert!(signed["headers"].get("x-amz-security-token").is_some());
}

/// R22: a reader's requests only read, the restricted get none, and to strangers there is no table,
/// whatever they ask.
#[tokio::test]
async fn who_may_not_gets_no_signature() {
    let (world, own, neighbour) = usual().await;
    let file = format!("{own}/data/x");
    for method in ["PUT", "DELETE", "POST", "PATCH", "OPTIONS"] {
        drop(sign(&world.analyst, method, &file, json!({}), None).await.expect(403));
    }
    let restricted = wanted("GET", &format!("{}{neighbour}/data/x", S3::shared().endpoint()), json!({}), None);
    let refused = world.analyst.post(&format!("{TABLES}/{RESTRICTED}/sign"), &restricted).await.expect(403);
    assert!(refused.error("message").contains("row filter or column mask"));
    for caller in [&world.stranger, &world.nobody] {
        for (method, path) in [("GET", file.as_str()), ("PUT", "/elsewhere/../x"), ("GET", "%")] {
            let foreign = sign(caller, method, path, json!({"x-amz-acl": ["x"]}), None).await.expect(404);
            let body = wanted(method, &format!("{}{path}", S3::shared().endpoint()), json!({}), None);
            let absent = caller.post(&format!("{TABLES}/nothing/sign"), &body).await.expect(404);
            assert_eq!(foreign.error("message"), absent.error("message"));
        }
    }
}

/// a record of each signature before it, by a digest of what it names, and of each refusal; and what
/// came of each.
#[tokio::test]
async fn each_signature_is_on_record() {
    let (world, own, neighbour) = usual().await;
    let signed =
        sign(&world.engineer, "GET", &format!("{own}/data/segment=secret-value/x"), json!({}), None).await.expect(200);
    let request = signed.header("x-request-id").unwrap().to_owned();
    drop(sign(&world.engineer, "GET", &format!("{neighbour}/data/x"), json!({}), None).await.expect(403));
    drop(sign(&world.analyst, "PUT", &format!("{own}/data/x"), json!({}), None).await.expect(403));
    drop(sign(&world.engineer, "GET", &format!("{own}/data/x"), json!({"x-amz-date": ["1"]}), None).await.expect(400));
    let records = world.audit().await;
    let found: Vec<&Value> = records.iter().filter(|one| one["action"] == "sign_request").collect();
    let [record] = found.iter().filter(|one| one["decision"] == "allow").collect::<Vec<_>>().try_into().unwrap();
    assert_eq!((&record["request_id"], &record["principal"]), (&json!(request), &json!("engineer")));
    let detail = &record["detail"];
    assert_eq!((&detail["type"], &detail["delegation_mode"]), (&json!("signed"), &json!("remote-signing")));
    assert_eq!((&detail["method"], &detail["paths"], &detail["ttl"]), (&json!("GET"), &json!(1), &json!(900)));
    assert_eq!(detail["table_id"], record["object_id"]);
    assert_eq!(detail["paths_digest"].as_str().unwrap().len(), 64);
    assert!(detail["snapshot_version"].as_str().unwrap().contains("/metadata/00000-"));
    // Never later than the record says: the signature may be a minute younger than its request.
    assert_eq!(detail["expires_at"].as_i64().unwrap() - record["at"].as_i64().unwrap(), 960_000_000);
    let reasons: std::collections::BTreeSet<&str> =
        found.iter().filter(|one| one["decision"] == "deny").filter_map(|one| one["reason"].as_str()).collect();
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), ["invalid_request", "outside_table", "privilege"]);
    let [outcome] =
        records.iter().filter(|one| one["action"] == "make_signature").collect::<Vec<_>>().try_into().unwrap();
    assert_eq!((&outcome["decision"], &outcome["count"]), (&json!("allow"), &json!(1)));
    let said = json!({"type": "delegation", "table_id": detail["table_id"], "delegation_mode": "remote-signing"});
    assert_eq!((&outcome["detail"], &outcome["request_id"]), (&said, &json!(request)));
    assert!(found.iter().all(|one| one["detail"]["delegation_mode"] == "remote-signing"));
    assert!(!Value::from(records).to_string().contains("secret-value"));
}

/// R6: a signature is dated when it was asked for, whatever its client says the time is; the date is part of it, so that it
/// cannot be made younger; and the store takes none that is older than 15 minutes, or younger than now.
#[tokio::test]
async fn a_signature_does_not_grow_old() {
    let (world, own, _) = usual().await;
    let file = format!("{own}/data/x");
    let server = S3::shared().client();
    assert_eq!(server.ask("PUT", &file, "mine").await.0, 200);
    let near = json!({"X-Amz-Date": [S3Client::date(-600)]});
    let signed = sign(&world.engineer, "GET", &file, near.clone(), None).await.expect(200).json();
    let dated = signed["headers"]["x-amz-date"][0].as_str().unwrap();
    assert!((-30..=1).any(|seconds| S3Client::date(seconds) == dated), "{dated}");
    assert!(signed["headers"]["authorization"][0].as_str().unwrap().contains("x-amz-date"));
    assert_eq!(anyone().send_signed("GET", &signed, &[], "").await, (200, "mine".to_owned()));
    let mut younger = signed.clone();
    younger["headers"]["x-amz-date"] = json!([S3Client::date(5)]);
    assert_eq!(anyone().send_signed("GET", &younger, &[], "").await.0, 403);
    for away in [-86_400, -1_000, 1_000, 86_400] {
        let far = json!({"X-Amz-Date": [S3Client::date(away)]});
        let refused = sign(&world.engineer, "GET", &file, far, None).await.expect(400);
        assert!(refused.error("message").contains("x-amz-date"), "{}", refused.text());
    }
    // The life of a URL that holds its signature is in a parameter; none of those is signed.
    for parameter in ["X-Amz-Expires=604800", "X-Amz-Date=20261129T120000Z", "X-Amz-Algorithm=AWS4-HMAC-SHA256"] {
        drop(sign(&world.engineer, "GET", &format!("{file}?{parameter}"), json!({}), None).await.expect(403));
    }
    // The store's part: the same request with the server's own key, of another time.
    for (seconds, status) in [(-600, 200), (600, 200), (-1_000, 403), (1_000, 403), (-86_400, 403)] {
        let (said, body) = server.ask_dated(&file, seconds).await;
        assert_eq!(said, status, "{seconds}: {body}");
        assert!(status == 200 || body.contains("RequestTimeTooSkewed"), "{body}");
    }
}

/// a signature that cannot be made because no key may be is refused, and each part of it is on record.
#[tokio::test]
async fn a_signature_that_is_not_made_is_on_record() {
    let s3 = S3::shared();
    let proxy = FaultProxy::before(s3.endpoint());
    let (world, _) = world(s3, &proxy.endpoint()).await;
    let (own, _) = places(&world).await;
    drop(sign(&world.engineer, "GET", &format!("{own}/data/x"), json!({}), None).await.expect(200));
    proxy.set(Fault::Down);
    drop(sign(&world.analyst, "GET", &format!("{own}/data/x"), json!({}), None).await.expect(503));
    let records = world.audit().await;
    let of = |action: &str, decision: &str| {
        let mut found = records
            .iter()
            .filter(|one| one["action"] == action && one["decision"] == decision && one["principal"] == "analyst");
        let one = found.next().unwrap_or_else(|| panic!("no {decision} of {action}"));
        assert!(found.next().is_none(), "{action}");
        assert_eq!(one["detail"]["delegation_mode"], "remote-signing");
        one["reason"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(of("sign_request", "allow"), "");
    assert_eq!(of("vend_credentials", "allow"), "");
    for action in ["mint_credentials", "vend_credentials", "make_signature"] {
        assert_eq!(of(action, "deny"), "vending_unavailable", "{action}");
    }
}

/// a client that can work with signatures only is told where they are, in the specification's words and in the older
/// ones; keys come first where both will do.
#[tokio::test]
async fn clients_are_told_where_signatures_are() {
    let (world, own, _) = usual().await;
    let load = async |words: &str| {
        let headers = [("X-Iceberg-Access-Delegation", words)];
        world.analyst.send(Method::GET, &format!("{TABLES}/{OPEN}"), &headers, None).await.expect(200)
    };
    let loaded = load("remote-signing").await;
    assert_eq!((loaded.header("etag"), loaded.header("cache-control")), (None, Some("no-store")));
    assert_eq!(loaded.json()["remote-signing-config"], json!({}));
    let config = loaded.json()["config"].clone();
    assert_eq!(config["s3.remote-signing-enabled"], "true");
    assert_eq!(config["s3.signer.endpoint"], "v1/lake/namespaces/pub/tables/cities/sign");
    assert_eq!(config["signer.endpoint"], config["s3.signer.endpoint"]);
    assert!(config.get("s3.access-key-id").is_none());
    let uri = format!("{}{own}/data/x", S3::shared().endpoint());
    let path = format!("/iceberg/{}", config["s3.signer.endpoint"].as_str().unwrap());
    drop(world.analyst.post(&path, &wanted("GET", &uri, json!({}), None)).await.expect(200));
    let both = load("remote-signing, vended-credentials").await.json();
    assert!(
        both["config"].get("s3.access-key-id").is_some() && both["config"].get("s3.remote-signing-enabled").is_none()
    );
    assert_eq!(both.get("remote-signing-config"), None);
    let unknown = load("something-new").await;
    assert!(unknown.header("etag").is_some() && !unknown.text().contains("sign"));
}

/// R11: a store without STS: requests are signed with the server's own key, which no answer holds.
#[tokio::test]
async fn the_servers_own_key_signs_where_there_is_no_other() {
    let s3 = S3::shared();
    let [managed, _] = buckets();
    let mut settings = s3.settings(s3.endpoint(), &format!("s3://{managed}/base"), &[]);
    settings.s3[0].remote_signing = true;
    let world = World::make_on(TestServer::start_with(|config| config.storage = settings).await).await;
    let (own, neighbour) = places(&world).await;
    assert_eq!(done(&world.engineer, "PUT", &format!("{own}/data/x"), "mine").await.0, 200);
    assert_eq!(done(&world.analyst, "GET", &format!("{own}/data/x"), "").await.1, "mine");
    let signed = sign(&world.engineer, "PUT", &format!("{own}/data/y"), json!({}), None).await.expect(200);
    let [_, secret] = S3::secrets();
    assert!(!signed.text().contains(secret) && !signed.text().contains("security-token"));
    let copy = [("x-amz-copy-source", neighbour.as_str())];
    assert_eq!(anyone().send_signed("PUT", &signed.json(), &copy, "").await.0, 403);
    let headers = [("X-Iceberg-Access-Delegation", "vended-credentials")];
    let none = world.engineer.send(Method::GET, &format!("{TABLES}/{OPEN}"), &headers, None).await.expect(200);
    assert!(!none.text().contains("access-key"));
}
