//! `/iceberg/v1/{prefix}/namespaces/{namespace}/tables`, `/iceberg/v1/{prefix}/tables/rename`.

use polder_testkit::{Answer, OPEN, RESTRICTED, SCHEMA, World};
use reqwest::Method;
use serde_json::{Value, json};

const TABLES: &str = "/iceberg/v1/lake/namespaces/pub/tables";

fn path(table: &str) -> String {
    format!("{TABLES}/{table}")
}

async fn set_property(world: &World, table: &str, key: &str, value: &str) -> Answer {
    let body = json!({
        "identifier": {"namespace": ["pub"], "name": table},
        "requirements": [],
        "updates": [{"action": "set-properties", "updates": {key: value}}],
    });
    world.engineer.post(&path(table), &body).await
}

/// The document as it lies on disk.
fn stored(answer: &Value) -> Vec<u8> {
    let location = answer["metadata-location"].as_str().unwrap();
    std::fs::read(location.strip_prefix("file://").unwrap()).unwrap()
}

/// the body holds the stored document byte for byte between its prefix and its suffix.
#[tokio::test]
async fn load_table_answers_the_stored_bytes() {
    let world = World::make().await;
    drop(set_property(&world, OPEN, "comment", "gr\u{fc}\u{df}e \"x\" \\ \u{1f600}").await.expect(200));
    let answer = world.engineer.get(&path(OPEN)).await.expect(200);
    let document = stored(&answer.json());
    let start = answer.body.windows(document.len()).position(|window| window == document).expect("the stored bytes");
    let prefix = String::from_utf8(answer.body[..start].to_vec()).unwrap();
    assert!(
        prefix.starts_with("{\"metadata-location\":\"file:///") && prefix.ends_with("\",\"metadata\":"),
        "{prefix}"
    );
    assert_eq!(&answer.body[start + document.len()..], b",\"config\":{}}");
    assert_eq!(answer.header("content-length").unwrap(), answer.body.len().to_string());
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

/// The hot path parses and builds no JSON trees: the handler and its renderer do not even name them.
#[test]
fn load_table_knows_no_json_tree() {
    for source in [include_str!("../../../src/routes/iceberg/tables.rs"), include_str!("../../../src/render/table.rs")]
    {
        let source = source.replace("HeaderValue", "");
        for word in ["Value", "json!", "format!", "serde_json::from"] {
            assert!(!source.contains(word), "`{word}` on the way of loadTable");
        }
    }
}

/// F12: a warm load asks the database nothing; a commit is one transaction of at most four statements; a list is one.
#[tokio::test]
async fn statements_are_counted() {
    let world = World::make().await;
    drop(world.engineer.get(&path(OPEN)).await.expect(200));
    let before = world.server.statements();
    for _ in 0..5 {
        drop(world.engineer.get(&path(OPEN)).await.expect(200));
        drop(world.engineer.head(&path(OPEN)).await.expect(204));
    }
    assert_eq!(world.server.statements() - before, 0, "a warm loadTable");
    let before = world.server.statements();
    drop(set_property(&world, OPEN, "k", "v").await.expect(200));
    let commit = world.server.statements() - before;
    assert!(commit <= 4, "a commit took {commit} statements");
    let before = world.server.statements();
    drop(world.engineer.get(&path(OPEN)).await.expect(200));
    assert_eq!(world.server.statements() - before, 0, "the load after a commit");
    let before = world.server.statements();
    drop(world.engineer.get(&format!("{TABLES}?pageSize=10")).await.expect(200));
    assert_eq!(world.server.statements() - before, 1, "a page of a list");
}

/// strong quoted tags on create, load and commit; 304 without a body; the tag changes with what the body is.
#[tokio::test]
async fn etags_hold_until_the_body_changes() {
    let world = World::make().await;
    let load = |tag: String, query: &'static str| {
        let (engineer, path) = (world.engineer.clone(), format!("{}{query}", path(OPEN)));
        async move { engineer.send(Method::GET, &path, &[("if-none-match", &tag)], None).await }
    };
    let first = world.engineer.get(&path(OPEN)).await.expect(200);
    let tag = first.header("etag").unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10, "{tag}");
    for header in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let same = load(header, "").await.expect(304);
        assert!(same.body.is_empty());
        assert_eq!(same.header("etag"), Some(tag.as_str()));
    }
    drop(load("\"x\"".to_owned(), "").await.expect(200));
    let refs = load(tag.clone(), "?snapshots=refs").await.expect(200);
    assert_ne!(refs.header("etag"), Some(tag.as_str()), "the tag varies by the snapshots asked for");
    let committed = set_property(&world, OPEN, "k", "v").await.expect(200);
    let fresh = committed.header("etag").unwrap().to_owned();
    assert_ne!(fresh, tag);
    drop(load(tag, "").await.expect(200));
    drop(load(fresh, "").await.expect(304));
    let created: Value = serde_json::from_str(SCHEMA).unwrap();
    let created = world.engineer.post(TABLES, &json!({"name": "tagged", "schema": created})).await.expect(200);
    drop(load(created.header("etag").unwrap().to_owned(), "").await.expect(200));
    assert_eq!(world.engineer.get(&path("tagged")).await.header("etag"), created.header("etag"));
}

/// A-063, R30: a tag that holds opens nothing to those who may not load.
#[tokio::test]
async fn a_tag_is_no_permission() {
    let world = World::make().await;
    let tag = world.engineer.get(&path(RESTRICTED)).await.expect(200).header("etag").unwrap().to_owned();
    for (caller, status) in [(&world.analyst, 403), (&world.nobody, 404), (&world.stranger, 404)] {
        for value in [tag.as_str(), "*"] {
            let answer = caller.send(Method::GET, &path(RESTRICTED), &[("if-none-match", value)], None).await;
            assert_eq!(answer.status, status);
            assert_eq!(answer.header("etag"), None);
        }
    }
}

/// a restricted principal gets no load and no commit, is told where to ask, and learns nothing of the schema;
/// list and HEAD show the table.
#[tokio::test]
async fn a_restricted_principal_is_sent_to_the_query_door() {
    let world = World::make().await;
    world.grant("analyst", &["write"], &json!({"warehouse": "lake", "namespace": ["pub"]})).await;
    let commit = json!({"requirements": [], "updates": [{"action": "set-properties", "updates": {"k": "v"}}]});
    for answer in [world.analyst.get(&path(RESTRICTED)).await, world.analyst.post(&path(RESTRICTED), &commit).await] {
        let answer = answer.expect(403);
        assert_eq!(answer.error("type"), "ForbiddenException");
        assert!(answer.error("message").contains("POST /api/v1/query"), "{}", answer.text());
        for name in ["region", "phone", "eu"] {
            assert!(!answer.text().replace("region,", "").contains(&format!("\"{name}\"")), "{}", answer.text());
        }
    }
    drop(world.analyst.head(&path(RESTRICTED)).await.expect(204));
    let listed = world.analyst.get(TABLES).await.expect(200).text();
    assert!(listed.contains(RESTRICTED) && listed.contains(OPEN), "{listed}");
    drop(world.analyst.get(&path(OPEN)).await.expect(200));
}

/// every declared parameter is read; values that are not known are refused.
#[tokio::test]
async fn declared_parameters_are_read() {
    let world = World::make().await;
    drop(world.engineer.get(&format!("{}?snapshots=all", path(OPEN))).await.expect(200));
    for bad in ["snapshots=ALL", "snapshots=", "snapshots=refs&snapshots=all", "referenced-by=v"] {
        drop(world.engineer.get(&format!("{}?{bad}", path(OPEN))).await.expect(400));
    }
    drop(world.engineer.delete(&format!("{}?purgeRequested=maybe", path(OPEN))).await.expect(400));
    let hinted = [("x-iceberg-access-delegation", "vended-credentials,remote-signing")];
    let loaded = world.engineer.send(Method::GET, &path(OPEN), &hinted, None).await.expect(200).json();
    assert_eq!(loaded["config"], json!({}), "a hint, and nothing is vended");
    assert_eq!(loaded.get("storage-credentials"), None);
}

/// F17: `purgeRequested=False` as Python writes it; dropping unlinks only.
#[tokio::test]
async fn a_drop_unlinks_only() {
    let world = World::make().await;
    let created = world.create_table("pub", "doomed").await;
    drop(world.engineer.delete(&format!("{}?purgeRequested=False", path("doomed"))).await.expect(204));
    let gone = world.engineer.get(&path("doomed")).await.expect(404);
    assert_eq!(gone.error("type"), "NoSuchTableException");
    assert_eq!(gone.error("message"), "Table does not exist: pub.doomed");
    assert!(!stored(&created).is_empty(), "its files stay");
}

/// a staged create stores nothing until its commit; R15: path and body must name one table.
#[tokio::test]
async fn a_staged_create_is_published_by_its_commit() {
    let world = World::make().await;
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let body = json!({"name": "staged", "schema": schema, "stage-create": true});
    let staged = world.engineer.post(TABLES, &body).await.expect(200);
    assert_eq!(staged.header("etag"), None);
    let staged = staged.json();
    assert_eq!(staged.get("metadata-location"), None);
    drop(world.engineer.head(&path("staged")).await.expect(404));
    let metadata = &staged["metadata"];
    let commit = json!({
        "identifier": {"namespace": ["pub"], "name": "staged"},
        "requirements": [{"type": "assert-create"}],
        "updates": [
            {"action": "assign-uuid", "uuid": metadata["table-uuid"]},
            {"action": "upgrade-format-version", "format-version": 2},
            {"action": "add-schema", "schema": metadata["schemas"][0], "last-column-id": 3},
            {"action": "set-current-schema", "schema-id": -1},
            {"action": "add-spec", "spec": {"spec-id": 0, "fields": []}},
            {"action": "set-default-spec", "spec-id": -1},
            {"action": "add-sort-order", "sort-order": {"order-id": 0, "fields": []}},
            {"action": "set-default-sort-order", "sort-order-id": -1},
            {"action": "set-location", "location": metadata["location"]},
        ],
    });
    drop(world.engineer.post(&path("other"), &commit).await.expect(400));
    let committed = world.engineer.post(&path("staged"), &commit).await.expect(200).json();
    assert_eq!(committed["metadata"]["table-uuid"], metadata["table-uuid"]);
    assert_eq!(committed.get("config"), None, "`CommitTableResponse` has no `config`");
    drop(world.engineer.head(&path("staged")).await.expect(204));
    let again = world.engineer.post(&path("staged"), &commit).await.expect(409);
    assert_eq!(again.error("type"), "CommitFailedException");
}

/// A-069, R35: renamed within the warehouse; a restriction goes with the table and stays with the name.
#[tokio::test]
async fn a_rename_sheds_no_restriction() {
    let world = World::make().await;
    let rename = |from: &str, to: &str| json!({"source": {"namespace": ["pub"], "name": from}, "destination": {"namespace": ["pub"], "name": to}});
    let door = "/iceberg/v1/lake/tables/rename";
    drop(world.engineer.post(door, &rename(RESTRICTED, OPEN)).await.expect(409));
    drop(world.engineer.post(door, &rename("absent", "x")).await.expect(404));
    drop(world.engineer.post(door, &rename(RESTRICTED, "moved")).await.expect(204));
    drop(world.engineer.post(door, &rename(OPEN, RESTRICTED)).await.expect(204));
    drop(world.analyst.get(&path("moved")).await.expect(403));
    drop(world.analyst.get(&path(RESTRICTED)).await.expect(403));
}

/// F1: of many concurrent creates of one name exactly one wins.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_creates_wins() {
    let world = World::make().await;
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let body = json!({"name": "race", "schema": schema});
    let racers: Vec<_> = (0..8)
        .map(|_| {
            let (engineer, body) = (world.engineer.clone(), body.clone());
            tokio::spawn(async move { engineer.post(TABLES, &body).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for racer in racers {
        statuses.push(racer.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
}
