//! `Idempotency-Key` at every mutation of the Iceberg door.

use polder_testkit::{Answer, Client, OPEN, RESTRICTED, SCHEMA, World};
use reqwest::Method;
use serde_json::{Value, json};

const LAKE: &str = "/iceberg/v1/lake";
const TABLES: &str = "/iceberg/v1/lake/namespaces/pub/tables";

fn key(number: u32) -> String {
    format!("0198c2f0-0000-7000-8000-{number:012}")
}

async fn send(caller: &Client, key: &str, request: &str, body: &Value) -> Answer {
    let (method, path) = request.split_once(' ').unwrap();
    let headers = [("idempotency-key", key), ("content-type", "application/json")];
    let body = (!body.is_null()).then(|| body.to_string().into_bytes());
    caller.send(method.parse::<Method>().unwrap(), path, &headers, body).await
}

fn set(text: &str) -> Value {
    json!({"requirements": [], "updates": [{"action": "set-properties", "updates": {"k": text}}]})
}

fn create(name: &str) -> Value {
    json!({"name": name, "schema": serde_json::from_str::<Value>(SCHEMA).unwrap()})
}

async fn mutations(world: &World) -> usize {
    let atomic =
        ["create_table", "commit_table", "commit_transaction", "drop_table", "rename_table", "create_namespace"];
    let more = ["update_namespace", "drop_namespace"];
    let records = world.audit().await;
    let action = |record: &Value| record["action"].as_str().unwrap_or_default().to_owned();
    let allowed = records.iter().filter(|record| record["decision"] == "allow");
    allowed.filter(|record| atomic.contains(&&*action(record)) || more.contains(&&*action(record))).count()
}

/// A-064, F8: every mutation that is sent again with its key is answered as it was, and happens once.
#[tokio::test]
async fn every_mutation_is_answered_twice_and_done_once() {
    let world = World::make().await;
    let changes = json!({"table-changes": [
        {"identifier": {"namespace": ["pub"], "name": OPEN}, "requirements": [], "updates": set("t")["updates"]},
        {"identifier": {"namespace": ["pub"], "name": RESTRICTED}, "requirements": [], "updates": set("t")["updates"]},
    ]});
    let single = json!({"table-changes": [changes["table-changes"][0]]});
    let rename =
        json!({"source": {"namespace": ["pub"], "name": "t"}, "destination": {"namespace": ["pub"], "name": "u"}});
    let requests = [
        (format!("POST {LAKE}/namespaces"), json!({"namespace": ["spare"], "properties": {"a": "b"}})),
        (format!("POST {LAKE}/namespaces/spare/properties"), json!({"updates": {"c": "d"}, "removals": ["a", "x"]})),
        (format!("DELETE {LAKE}/namespaces/spare"), Value::Null),
        (format!("POST {TABLES}"), create("t")),
        (format!("POST {TABLES}/t"), set("v")),
        (format!("POST {TABLES}/t"), json!({"requirements": [], "updates": []})),
        (format!("POST {LAKE}/tables/rename"), rename),
        (format!("POST {LAKE}/transactions/commit"), changes),
        (format!("POST {LAKE}/transactions/commit"), single),
        (format!("DELETE {TABLES}/u"), Value::Null),
    ];
    for (number, (request, body)) in (1..).zip(&requests) {
        let first = send(&world.engineer, &key(number), request, body).await;
        assert!((200..300).contains(&first.status), "{request}: {} {}", first.status, first.text());
        let done = mutations(&world).await;
        if request.contains("/spare/properties") {
            assert_eq!(first.json(), json!({"updated": ["c"], "removed": ["a"], "missing": ["x"]}));
        }
        let again = send(&world.engineer, &key(number).to_uppercase(), request, body).await;
        assert_eq!((again.status, again.text()), (first.status, first.text()), "{request}");
        assert_eq!(again.header("etag"), first.header("etag"), "{request}");
        assert_eq!(mutations(&world).await, done, "{request}");
    }
    // A commit is answered again although its table was renamed, and later dropped: never 4xx for what landed.
    let again = send(&world.engineer, &key(5), &requests[4].0, &requests[4].1).await.expect(500);
    assert_eq!(again.error("type"), "CommitStateUnknownException");
}

/// F8: the table moved to another name meanwhile; its commit is still the one that landed.
#[tokio::test]
async fn a_commit_is_found_again_wherever_the_table_went() {
    let world = World::make().await;
    let first = send(&world.engineer, &key(1), &format!("POST {TABLES}/{OPEN}"), &set("v")).await.expect(200);
    let rename =
        json!({"source": {"namespace": ["pub"], "name": OPEN}, "destination": {"namespace": ["pub"], "name": "u"}});
    drop(world.engineer.post(&format!("{LAKE}/tables/rename"), &rename).await.expect(204));
    drop(world.engineer.post(&format!("{TABLES}/u"), &set("later")).await.expect(200));
    let again = send(&world.engineer, &key(1), &format!("POST {TABLES}/{OPEN}"), &set("v")).await.expect(200);
    assert_eq!(again.text(), first.text());
}

/// R29: a key is its owner's, for one request of one route: others run on their own, another body is 422.
#[tokio::test]
async fn a_key_is_no_one_elses() {
    let world = World::make().await;
    let at = format!("POST {TABLES}");
    let first = send(&world.engineer, &key(1), &at, &create("t")).await.expect(200);
    let other = send(&world.engineer, &key(1), &at, &create("t2")).await.expect(422);
    assert_eq!(other.error("type"), "UnprocessableEntityException");
    drop(world.engineer.head(&format!("{TABLES}/t2")).await.expect(404));
    let elsewhere = format!("POST {LAKE}/namespaces/other/tables");
    drop(send(&world.engineer, &key(1), &elsewhere, &create("t")).await.expect(422));
    // Another principal, another tenant: not the engineer's answer.
    drop(send(&world.admin, &key(1), &at, &create("t")).await.expect(409));
    for (caller, status) in [(&world.nobody, 404), (&world.stranger, 404), (&world.analyst, 403)] {
        let answer = send(caller, &key(1), &at, &create("t")).await.expect(status);
        assert!(!answer.text().contains("metadata-location"), "{}", answer.text());
    }
    drop(send(&world.server.anonymous(), &key(1), &at, &create("t")).await.expect(401));
    // Another route under the same key is another request.
    drop(send(&world.engineer, &key(1), &format!("DELETE {TABLES}/t"), &Value::Null).await.expect(204));
    drop(first);
}

/// F8: what was refused stays refused under its key, though it would go through by now; a fresh key tries again.
#[tokio::test]
async fn a_refusal_stays() {
    let world = World::make().await;
    let at = format!("POST {LAKE}/namespaces/later/tables");
    let first = send(&world.engineer, &key(1), &at, &create("t")).await.expect(404);
    drop(world.engineer.post(&format!("{LAKE}/namespaces"), &json!({"namespace": ["later"]})).await.expect(200));
    let again = send(&world.engineer, &key(1), &at, &create("t")).await.expect(404);
    assert_eq!(again.text(), first.text());
    drop(send(&world.engineer, &key(2), &at, &create("t")).await.expect(200));
    let stale = json!({"requirements": [{"type": "assert-current-schema-id", "current-schema-id": 9}], "updates": []});
    let stale_at = format!("POST {TABLES}/{OPEN}");
    let first = send(&world.engineer, &key(3), &stale_at, &stale).await.expect(409);
    assert_eq!(first.error("type"), "CommitFailedException");
    assert_eq!(send(&world.engineer, &key(3), &stale_at, &stale).await.expect(409).text(), first.text());
}

/// F8: 413 for what would grow too large depends on what is there, as 409 does, and stays as it does.
#[tokio::test]
async fn a_refusal_for_its_size_stays() {
    let world = World::make().await;
    let at = format!("POST {LAKE}/namespaces/pub/properties");
    let large = |names: &[&str]| -> Value {
        let updates: serde_json::Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), json!("x".repeat(400_000)))).collect();
        json!({"updates": updates})
    };
    drop(send(&world.engineer, &key(1), &at, &large(&["a", "b"])).await.expect(200));
    let first = send(&world.engineer, &key(2), &at, &large(&["c"])).await.expect(413);
    drop(send(&world.engineer, &key(3), &at, &json!({"removals": ["a", "b"]})).await.expect(200));
    let again = send(&world.engineer, &key(2), &at, &large(&["c"])).await.expect(413);
    assert_eq!(again.text(), first.text());
    drop(send(&world.engineer, &key(4), &at, &large(&["c"])).await.expect(200));
    // A body that is too large is no request of an operation: the key is free afterwards.
    drop(send(&world.engineer, &key(5), &at, &large(&["d", "e", "f"])).await.expect(413));
    drop(send(&world.engineer, &key(5), &at, &large(&["d"])).await.expect(200));
}

/// R29, R30, A-077: whoever may not see the table any more sees no metadata by an old key. A commit that landed is
/// never answered 4xx: its client would delete the files that the table names.
#[tokio::test]
async fn authorization_comes_before_the_answer() {
    let world = World::make().await;
    let (writer, _) = world.person("writer", "catalog").await;
    let namespace = json!({"warehouse": "lake", "namespace": ["pub"]});
    world.grant("writer", &["list", "read", "write", "create"], &namespace).await;
    let (made, moved) = (format!("POST {TABLES}"), format!("POST {TABLES}/mine"));
    drop(send(&writer, &key(1), &made, &create("mine")).await.expect(200));
    drop(send(&writer, &key(2), &moved, &set("v")).await.expect(200));
    drop(send(&writer, &key(3), &format!("POST {TABLES}/absent"), &set("v")).await.expect(404));
    let mask = json!({
        "name": "mine", "applies_to": ["writer"], "hide_column": "phone",
        "table": {"warehouse": "lake", "namespace": ["pub"], "name": "mine"},
    });
    drop(world.admin.post("/api/v1/admin/policies", &mask).await.expect(201));
    let restricted = send(&writer, &key(1), &made, &create("mine")).await;
    assert!(matches!(restricted.status, 403 | 404), "{}", restricted.text());
    let landed = send(&writer, &key(2), &moved, &set("v")).await.expect(500);
    assert_eq!(landed.error("type"), "CommitStateUnknownException");
    for answer in [&restricted, &landed] {
        assert!(!answer.text().contains("phone") && !answer.text().contains("metadata-location"), "{}", answer.text());
    }
    let role = world.admin.delete("/api/v1/admin/roles/writer/principals/writer").await;
    drop(role.expect(204));
    drop(send(&writer, &key(1), &made, &create("mine")).await.expect(404));
    drop(send(&writer, &key(2), &moved, &set("v")).await.expect(500));
    let hidden = send(&writer, &key(3), &format!("POST {TABLES}/absent"), &set("v")).await.expect(404);
    assert_eq!(hidden.error("type"), "NoSuchWarehouseException");
}

/// R29, A-077, F8: the text of a refusal is told again under the policy that it was told under. Whoever lost the table
/// since, in whatever way, is refused as before and hears nothing of it.
#[tokio::test]
async fn a_refusal_tells_nothing_of_a_table_that_was_lost() {
    let world = World::make().await;
    let (writer, _) = world.person("writer", "catalog").await;
    for name in ["masked", "denied", "moved"] {
        world.create_table("pub", name).await;
        let table = json!({"warehouse": "lake", "namespace": ["pub"], "table": name});
        world.grant("writer", &["list", "read", "write"], &table).await;
    }
    drop(world.engineer.post(&format!("{LAKE}/namespaces"), &json!({"namespace": ["closed"]})).await.expect(200));
    let never = json!([{"type": "assert-current-schema-id", "current-schema-id": 7}]);
    let single = json!({"requirements": never, "updates": []});
    let several = |name: &str| {
        let ident = json!({"namespace": ["pub"], "name": name});
        json!({"table-changes": [{"identifier": ident, "requirements": never, "updates": []}]})
    };
    let requests: Vec<(String, Value)> = ["masked", "denied", "moved"]
        .into_iter()
        .flat_map(|name| {
            [
                (format!("POST {TABLES}/{name}"), single.clone()),
                (format!("POST {LAKE}/transactions/commit"), several(name)),
            ]
        })
        .collect();
    let mut told = Vec::new();
    for (number, (request, body)) in (1..).zip(&requests) {
        let first = send(&writer, &key(number), request, body).await.expect(409);
        assert!(first.error("message").contains("expected id 7"), "{}", first.text());
        assert_eq!(send(&writer, &key(number), request, body).await.expect(409).text(), first.text());
        told.push(first);
    }
    let mask = json!({
        "name": "mine", "applies_to": ["writer"], "hide_column": "phone",
        "table": {"warehouse": "lake", "namespace": ["pub"], "name": "masked"},
    });
    drop(world.admin.post("/api/v1/admin/policies", &mask).await.expect(201));
    let denied = json!({"warehouse": "lake", "namespace": ["pub"], "table": "denied"});
    let deny = json!({"role": "writer", "privileges": ["list"], "on": denied, "effect": "deny"});
    drop(world.admin.post("/api/v1/admin/grants", &deny).await.expect(201));
    let ident = |namespace: &str| json!({"namespace": [namespace], "name": "moved"});
    let rename = json!({"source": ident("pub"), "destination": ident("closed")});
    drop(world.engineer.post(&format!("{LAKE}/tables/rename"), &rename).await.expect(204));
    for (number, ((request, body), first)) in (1..).zip(requests.iter().zip(&told)) {
        let again = send(&writer, &key(number), request, body).await.expect(409);
        assert_eq!(again.error("type"), first.error("type"), "{request}");
        for word in ["expected", "schema", "masked", "denied", "moved", "closed"] {
            assert!(!again.error("message").contains(word), "{request}: {}", again.text());
        }
    }
    // What was allowed all the time is as quiet: nothing tells the lost from the kept.
    let kept = send(&world.engineer, &key(90), &requests[0].0, &requests[0].1).await.expect(409);
    world.grant("analyst", &["list"], &json!({"warehouse": "lake"})).await;
    let again = send(&world.engineer, &key(90), &requests[0].0, &requests[0].1).await.expect(409);
    assert!(kept.error("message").contains("expected id 7") && !again.error("message").contains("expected"));
}

/// F8, R29: whatever stands between its owner and the answer by now, a commit that landed is never 4xx: neither in a
/// transaction, nor where the path names no warehouse, nor where the name means another one meanwhile.
#[tokio::test]
async fn a_commit_that_landed_is_never_4xx() {
    let world = World::make().await;
    let (writer, _) = world.person("writer", "catalog").await;
    let namespace = json!({"warehouse": "lake", "namespace": ["pub"]});
    world.grant("writer", &["read", "write"], &namespace).await;
    let change = |name: &str| {
        let ident = json!({"namespace": ["pub"], "name": name});
        json!({"identifier": ident, "requirements": [], "updates": set("t")["updates"]})
    };
    let one = json!({"table-changes": [change(OPEN)]});
    let two = json!({"table-changes": [change(OPEN), change(RESTRICTED)]});
    let requests = [
        (format!("POST {TABLES}/{OPEN}"), set("v")),
        (format!("POST /iceberg/v1/namespaces/pub/tables/{OPEN}"), set("v")),
        (format!("POST {LAKE}/transactions/commit"), one.clone()),
        (format!("POST {LAKE}/transactions/commit"), two.clone()),
        ("POST /iceberg/v1/transactions/commit".to_owned(), one),
        ("POST /iceberg/v1/transactions/commit".to_owned(), two),
    ];
    for (number, (request, body)) in (1..).zip(&requests) {
        let first = send(&writer, &key(number), request, body).await;
        assert!(matches!(first.status, 200 | 204), "{request}: {}", first.text());
    }
    let unknown = async |number, request: &str, body: &Value| {
        let again = send(&writer, &key(number), request, body).await.expect(500);
        assert_eq!(again.error("type"), "CommitStateUnknownException", "{request}");
        assert!(!again.text().contains("metadata-location"), "{request}: {}", again.text());
    };
    // Another default warehouse, which the writer may not know.
    drop(world.admin.post("/api/v1/admin/warehouses", &json!({"name": "other", "default": true})).await.expect(201));
    for (number, (request, body)) in (1..).zip(&requests).filter(|(_, (request, _))| !request.contains("lake")) {
        unknown(number, request, body).await;
    }
    drop(world.admin.delete("/api/v1/admin/roles/writer/principals/writer").await.expect(204));
    for (number, (request, body)) in (1..).zip(&requests) {
        unknown(number, request, body).await;
    }
}

/// R22, R29: a table that its maker may not know by now is absent for it, wherever it stands; who may only create, and
/// could never load it, is answered again.
#[tokio::test]
async fn a_create_is_not_answered_again_to_whom_the_table_does_not_exist() {
    let world = World::make().await;
    let (writer, _) = world.person("writer", "catalog").await;
    // No restriction stands in it, so that its new tables are in no quarantine.
    for made in ["free", "secret"] {
        drop(world.engineer.post(&format!("{LAKE}/namespaces"), &json!({"namespace": [made]})).await.expect(200));
    }
    world.grant("writer", &["create"], &json!({"warehouse": "lake", "namespace": ["free"]})).await;
    let at = format!("POST {LAKE}/namespaces/free/tables");
    for (number, name) in [(1, "hidden"), (2, "moved"), (3, "plain")] {
        let first = send(&writer, &key(number), &at, &create(name)).await.expect(200);
        let again = send(&writer, &key(number), &at, &create(name)).await.expect(200);
        assert_eq!(first.text(), again.text());
    }
    let deny = |on: Value| json!({"role": "writer", "privileges": ["list"], "on": on, "effect": "deny"});
    let hidden = json!({"warehouse": "lake", "namespace": ["free"], "table": "hidden"});
    drop(world.admin.post("/api/v1/admin/grants", &deny(hidden)).await.expect(201));
    let secret = json!({"warehouse": "lake", "namespace": ["secret"]});
    drop(world.admin.post("/api/v1/admin/grants", &deny(secret)).await.expect(201));
    let ident = |namespace: &str, name: &str| json!({"namespace": [namespace], "name": name});
    let rename = json!({"source": ident("free", "moved"), "destination": ident("secret", "classified")});
    drop(world.engineer.post(&format!("{LAKE}/tables/rename"), &rename).await.expect(204));
    for (number, name) in [(1, "hidden"), (2, "moved")] {
        let again = send(&writer, &key(number), &at, &create(name)).await.expect(404);
        assert_eq!(again.error("type"), "NoSuchTableException");
        for word in ["metadata", "secret", "classified", "file:"] {
            assert!(!again.text().contains(word), "{name}: {}", again.text());
        }
    }
    drop(send(&writer, &key(3), &at, &create("plain")).await.expect(200));
}

/// F8: whoever may create, but not write, publishes a staged table and is answered so again.
#[tokio::test]
async fn a_staged_table_is_published_again_by_who_may_create() {
    let world = World::make().await;
    let (maker, _) = world.person("maker", "catalog").await;
    let namespace = json!({"warehouse": "lake", "namespace": ["pub"]});
    world.grant("maker", &["create"], &namespace).await;
    let mut stage = create("staged");
    stage["stage-create"] = json!(true);
    let doc = send(&maker, &key(1), &format!("POST {TABLES}"), &stage).await.expect(200).json()["metadata"].clone();
    let publish = json!({"requirements": [{"type": "assert-create"}], "updates": [
        {"action": "assign-uuid", "uuid": doc["table-uuid"]},
        {"action": "upgrade-format-version", "format-version": 2},
        {"action": "add-schema", "schema": doc["schemas"][0], "last-column-id": 3},
        {"action": "set-current-schema", "schema-id": -1},
        {"action": "add-spec", "spec": doc["partition-specs"][0]},
        {"action": "set-default-spec", "spec-id": -1},
        {"action": "add-sort-order", "sort-order": doc["sort-orders"][0]},
        {"action": "set-default-sort-order", "sort-order-id": -1},
        {"action": "set-location", "location": doc["location"]},
    ]});
    let at = format!("POST {TABLES}/staged");
    let first = send(&maker, &key(2), &at, &publish).await.expect(200);
    let again = send(&maker, &key(2), &at, &publish).await.expect(200);
    assert_eq!((first.text(), first.header("etag")), (again.text(), again.header("etag")));
    let deny = json!({"role": "maker", "privileges": ["create"], "on": namespace, "effect": "deny"});
    drop(world.admin.post("/api/v1/admin/grants", &deny).await.expect(201));
    let untold = send(&maker, &key(2), &at, &publish).await.expect(500);
    assert_eq!(untold.error("type"), "CommitStateUnknownException");
}

/// F8: duplicates that run at the same time wait for one another, and all hear of the one that landed.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_duplicates_land_once() {
    let world = World::make().await;
    for (number, request, body) in
        [(1, format!("POST {TABLES}/{OPEN}"), set("once")), (2, format!("POST {TABLES}"), create("once"))]
    {
        let done = mutations(&world).await;
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let (engineer, request, body) = (world.engineer.clone(), request.clone(), body.clone());
                tokio::spawn(async move { send(&engineer, &key(number), &request, &body).await.expect(200).text() })
            })
            .collect();
        let mut answers = Vec::new();
        for racer in racers {
            answers.push(racer.await.unwrap());
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{request}");
        assert_eq!(mutations(&world).await, done + 1, "{request}");
    }
}

/// F7, F8: a client that hangs up in the middle and comes back with its key hears of the commit that went on.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_back_hears_of_its_own_commit() {
    let world = World::make().await;
    let done = mutations(&world).await;
    let at = format!("POST {TABLES}/{OPEN}");
    for wait_us in [0, 200, 1_000, 3_000, 8_000] {
        let (engineer, at, body) = (world.engineer.clone(), at.clone(), set("hung-up"));
        let call = tokio::spawn(async move { send(&engineer, &key(7), &at, &body).await });
        tokio::time::sleep(std::time::Duration::from_micros(wait_us)).await;
        call.abort();
    }
    let first = send(&world.engineer, &key(7), &at, &set("hung-up")).await.expect(200);
    let again = send(&world.engineer, &key(7), &at, &set("hung-up")).await.expect(200);
    assert_eq!(first.text(), again.text());
    assert_eq!(mutations(&world).await, done + 1);
}

/// A key that is no UUID is 400 before anything happens; administrators' doors take none; reading ignores it.
#[tokio::test]
async fn keys_are_checked_at_the_door() {
    let world = World::make().await;
    for bad in ["", "once", "0198c2f0000070008000000000000000", "0198c2f0-0000-7000-8000-00000000000g"] {
        drop(send(&world.engineer, bad, &format!("DELETE {TABLES}/{OPEN}"), &Value::Null).await.expect(400));
    }
    drop(world.engineer.head(&format!("{TABLES}/{OPEN}")).await.expect(204));
    drop(send(&world.engineer, "once", &format!("GET {TABLES}/{OPEN}"), &Value::Null).await.expect(200));
    let body = json!({"principal": "engineer"});
    let refused = send(&world.admin, &key(1), "POST /api/v1/admin/keys", &body).await.expect(501);
    assert!(!refused.text().contains("credential"), "{}", refused.text());
}
