//! `DELETE …/tables/{table}?purgeRequested=true`, and the durable jobs that it leaves.

mod s3;

use std::{collections::BTreeSet, path::Path, time::Duration};

use polder_testkit::{Client, OPEN, RESTRICTED, SCHEMA, World};
use serde_json::{Value, json};

use super::files::{append, metadata_files, path_of, put};

const TABLES: &str = "/iceberg/v1/lake/namespaces/pub/tables";
const JOBS: &str = "/api/v1/admin/jobs";
/// Longer than a job takes, its retries included.
const PATIENCE: Duration = Duration::from_secs(60);

fn path(table: &str) -> String {
    format!("{TABLES}/{table}")
}

fn purged(table: &str) -> String {
    format!("{TABLES}/{table}?purgeRequested=true")
}

async fn jobs(admin: &Client) -> Vec<Value> {
    admin.get(JOBS).await.expect(200).json()["jobs"].as_array().unwrap().clone()
}

/// Waits until no job waits; all of them.
async fn settled(admin: &Client) -> Vec<Value> {
    tokio::time::timeout(PATIENCE, async {
        loop {
            let jobs = jobs(admin).await;
            if jobs.iter().all(|job| job["state"] != "waiting") {
                return jobs;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the jobs come to an end")
}

async fn location(world: &World, table: &str) -> String {
    let loaded = world.engineer.get(&path(table)).await.expect(200).json();
    loaded["metadata"]["location"].as_str().unwrap().to_owned()
}

/// Makes a table at `<root>/<directory>`.
async fn create_at(world: &World, name: &str, directory: &str) -> String {
    let root = location(world, OPEN).await;
    let place = format!("{}/{directory}", root.rsplit_once('/').unwrap().0);
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let body = json!({"name": name, "schema": schema, "location": place});
    drop(world.engineer.post(TABLES, &body).await.expect(200));
    place
}

/// Everything below a directory.
fn below(directory: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        } else {
            found.insert(format!("file://{}", path.display()));
        }
    }
    found
}

/// A-067, F9: everything that the table's metadata names goes, and nothing else: neither what lies beside it in its own
/// directory, nor a sibling whose name begins alike. On record under who asked.
#[tokio::test]
async fn a_purge_deletes_exactly_what_the_table_names() {
    let world = World::make().await;
    let place = create_at(&world, "doomed", "sales").await;
    let sibling = create_at(&world, "kept", "sales2").await;
    let mut named = append(&world.engineer, &path("doomed"), 1..4).await;
    append(&world.engineer, &path("kept"), 1..3).await;
    let statistics = format!("{place}/metadata/1.puffin");
    put(&statistics, b"PFA1");
    let update = json!({"action": "set-statistics", "statistics": {
        "snapshot-id": 1, "statistics-path": statistics, "file-size-in-bytes": 4, "file-footer-size-in-bytes": 4,
        "blob-metadata": [],
    }});
    let commit = json!({"requirements": [], "updates": [update]});
    drop(world.engineer.post(&path("doomed"), &commit).await.expect(200));
    named.push(statistics);
    named.extend(metadata_files(&world.engineer, &path("doomed")).await);
    assert_eq!(below(&path_of(&place)), named.iter().cloned().collect(), "the table names all its files");
    let orphan = format!("{place}/data/nobody-names-me.parquet");
    put(&orphan, b"rows");
    let beside = below(&path_of(&sibling));

    let dropped = world.engineer.delete(&purged("doomed")).await.expect(204);
    let request = dropped.header("x-request-id").unwrap().to_owned();
    drop(world.engineer.get(&path("doomed")).await.expect(404));
    let jobs = settled(&world.admin).await;
    assert_eq!(jobs.len(), 1);
    let (state, files) = (jobs[0]["state"].as_str(), jobs[0]["files"].as_u64());
    assert_eq!((state, files), (Some("done"), Some(named.len() as u64)), "{jobs:?}");
    assert_eq!((&jobs[0]["table"], &jobs[0]["asked_by"]), (&json!("pub.doomed"), &json!("engineer")));
    assert_eq!(below(&path_of(&place)), BTreeSet::from([orphan]));
    assert_eq!(below(&path_of(&sibling)), beside);
    let loaded = world.engineer.get(&path("kept")).await.expect(200).json();
    assert_eq!(loaded["metadata"]["current-snapshot-id"], 2);

    let records: Vec<Value> =
        world.audit().await.into_iter().filter(|record| record["request_id"] == request.as_str()).collect();
    let actions: BTreeSet<&str> = records.iter().map(|record| record["action"].as_str().unwrap()).collect();
    assert_eq!(actions, BTreeSet::from(["drop_table", "purge_table"]));
    for record in &records {
        assert_eq!((&record["principal"], &record["detail"]["job"]), (&json!("engineer"), &jobs[0]["id"]));
    }
    let ended = records.iter().find(|record| record["action"] == "purge_table").unwrap();
    assert_eq!((&ended["detail"]["state"], &ended["detail"]["files"]), (&json!("done"), &json!(named.len())));

    // The orphan may hold what a policy hid: the place stays a policy editor's to open.
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let body = json!({"name": "over", "schema": schema, "location": place});
    assert!(world.engineer.post(TABLES, &body).await.expect(400).text().contains("dropped table"));
}

/// where a purge has left nothing, whoever may create may do so again.
#[tokio::test]
async fn an_emptied_place_is_free_again() {
    let world = World::make().await;
    let place = create_at(&world, "doomed", "sales").await;
    append(&world.engineer, &path("doomed"), 1..2).await;
    drop(world.engineer.delete(&purged("doomed")).await.expect(204));
    assert_eq!(settled(&world.admin).await[0]["state"], "done");
    assert!(!path_of(&place).exists());
    create_at(&world, "doomed", "sales").await;
}

/// F9: a table that was renamed and made again: purging the one leaves the other as it was.
#[tokio::test]
async fn a_table_of_the_same_name_is_left_alone() {
    let world = World::make().await;
    world.create_table("pub", "orders").await;
    append(&world.engineer, &path("orders"), 1..3).await;
    let rename = json!({"source": {"namespace": ["pub"], "name": "orders"}, "destination": {"namespace": ["pub"], "name": "old"}});
    drop(world.engineer.post("/iceberg/v1/lake/tables/rename", &rename).await.expect(204));
    world.create_table("pub", "orders").await;
    append(&world.engineer, &path("orders"), 1..2).await;
    let (old, new) = (location(&world, "old").await, location(&world, "orders").await);
    let before = below(&path_of(&new));
    drop(world.engineer.delete(&purged("old")).await.expect(204));
    settled(&world.admin).await;
    assert!(!path_of(&old).exists());
    assert_eq!(below(&path_of(&new)), before);
    let loaded = world.engineer.get(&path("orders")).await.expect(200).json();
    assert_eq!(loaded["metadata"]["current-snapshot-id"], 1);
}

/// data files that the table says may be others' too stay; its metadata goes.
#[tokio::test]
async fn shared_data_files_stay() {
    let world = World::make().await;
    world.create_table("pub", "borrowed").await;
    let brought = append(&world.engineer, &path("borrowed"), 1..2).await;
    let commit = json!({"requirements": [], "updates": [
        {"action": "set-properties", "updates": {"gc.enabled": "false"}}]});
    drop(world.engineer.post(&path("borrowed"), &commit).await.expect(200));
    let place = location(&world, "borrowed").await;
    drop(world.engineer.delete(&purged("borrowed")).await.expect(204));
    settled(&world.admin).await;
    let data: BTreeSet<String> = brought.into_iter().filter(|file| file.contains("/data/")).collect();
    assert_eq!(below(&path_of(&place)), data);
}

/// who may not drop the table purges nothing, and nobody sees another tenant's jobs.
#[tokio::test]
async fn who_may_not_drop_purges_nothing() {
    let world = World::make().await;
    let before = below(&path_of(&location(&world, RESTRICTED).await));
    for (caller, status) in [(&world.analyst, 403), (&world.nobody, 404), (&world.stranger, 404)] {
        drop(caller.delete(&purged(RESTRICTED)).await.expect(status));
    }
    drop(world.server.anonymous().delete(&purged(RESTRICTED)).await.expect(401));
    assert!(jobs(&world.admin).await.is_empty());
    drop(world.engineer.delete(&purged(OPEN)).await.expect(204));
    settled(&world.admin).await;
    assert!(jobs(&world.stranger).await.is_empty());
    for caller in [&world.analyst, &world.nobody, &world.engineer] {
        drop(caller.get(JOBS).await.expect(403));
    }
    assert_eq!(below(&path_of(&location(&world, RESTRICTED).await)), before);
}

/// F9, A-004: a directory of the table that was made a link to another table's is not followed.
#[tokio::test]
async fn a_link_to_a_sibling_is_not_followed() {
    let world = World::make().await;
    let place = create_at(&world, "doomed", "sales").await;
    let sibling = create_at(&world, "kept", "other").await;
    append(&world.engineer, &path("doomed"), 1..2).await;
    append(&world.engineer, &path("kept"), 1..2).await;
    let before = below(&path_of(&sibling));
    let data = path_of(&place).join("data");
    std::fs::rename(&data, path_of(&place).join("moved")).unwrap();
    std::os::unix::fs::symlink(path_of(&sibling).join("data"), &data).unwrap();
    drop(world.engineer.delete(&purged("doomed")).await.expect(204));
    tokio::time::timeout(PATIENCE, async {
        while jobs(&world.admin).await[0]["problem"] != "unreadable" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the job says what stands in its way");
    assert_eq!(below(&path_of(&sibling)), before);
}

/// F8: a purge that is sent again with its key is one purge.
#[tokio::test]
async fn a_repeated_purge_is_one() {
    let world = World::make().await;
    world.create_table("pub", "doomed").await;
    let headers = [("idempotency-key", "0198c2f0-0000-7000-8000-000000000001")];
    for _ in 0..2 {
        drop(world.engineer.send(reqwest::Method::DELETE, &purged("doomed"), &headers, None).await.expect(204));
    }
    assert_eq!(settled(&world.admin).await.len(), 1);
}
