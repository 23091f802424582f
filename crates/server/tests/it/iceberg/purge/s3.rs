//! Purging in a bucket, against a real store; skipped, and said so, where its program cannot be had.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, aws::AmazonS3Builder, path::Path};
use polder_testkit::{Fault, FaultProxy, S3, SCHEMA, TestServer, World};
use serde_json::{Value, json};

use super::{TABLES, create_at, jobs, path, purged, settled};
use crate::iceberg::files::snapshot;

/// A client of a bucket with the server's own keys, to put and to look for what only engines write.
fn client_of(s3: &S3, bucket: &str) -> Arc<dyn ObjectStore> {
    let [id, secret] = S3::secrets();
    let builder = AmazonS3Builder::new().with_endpoint(s3.endpoint()).with_allow_http(true).with_region("us-east-1");
    let builder = builder.with_bucket_name(bucket).with_access_key_id(id).with_secret_access_key(secret);
    Arc::new(builder.build().unwrap())
}

fn key(location: &str) -> Path {
    let key = location.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).unwrap().1;
    Path::parse(key).unwrap()
}

async fn put_object(client: &Arc<dyn ObjectStore>, location: &str, bytes: &[u8]) {
    client.put(&key(location), bytes.to_vec().into()).await.unwrap();
}

async fn objects_below(client: &Arc<dyn ObjectStore>, location: &str) -> Vec<String> {
    let listed = client.list(Some(&key(location))).map_ok(|object| object.location.to_string());
    let mut keys: Vec<String> = listed.try_collect().await.unwrap();
    keys.sort();
    keys
}

/// A-067, F9: in a bucket, and while the store is down: the drop stands, nothing is made at the place, the warehouse
/// cannot be given away, and the files go as soon as the store is back, those of a sibling excepted.
#[tokio::test(flavor = "multi_thread")]
async fn in_s3_a_purge_outlasts_the_store() {
    let s3 = S3::shared();
    let proxy = FaultProxy::before(s3.endpoint());
    let settings = s3.settings(&proxy.endpoint(), "s3://purged/base", &[]);
    let server = TestServer::start_with(|config| {
        config.storage = settings;
        config.limits.metadata_cache_bytes_max = 0;
    });
    let world = World::make_on(server.await).await;
    let place = create_at(&world, "doomed", "sales").await;
    create_at(&world, "kept", "sales-2").await;
    let client = client_of(s3, "purged");
    for number in 1..3 {
        let written = snapshot(&place, number).await;
        for (location, bytes) in &written.files {
            put_object(&client, location, bytes).await;
        }
        drop(written.commit(&world.engineer, &path("doomed")).await.expect(200));
    }
    let objects = objects_below(&client, &place).await;
    assert_eq!(objects.len(), 2 * 5 + 3, "{objects:?}");
    let beside = objects_below(&client, &format!("{place}-2")).await;
    assert_eq!(beside.len(), 1);

    proxy.set(Fault::Down);
    drop(world.engineer.delete(&purged("doomed")).await.expect(204));
    drop(world.engineer.get(&path("doomed")).await.expect(404));
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let body = json!({"name": "over", "schema": schema, "location": format!("{place}/deeper")});
    for caller in [&world.engineer, &world.admin] {
        assert_eq!(caller.post(TABLES, &body).await.expect(409).error("type"), "CommitFailedException");
    }
    assert_eq!(jobs(&world.admin).await[0]["state"], "waiting");
    proxy.set(Fault::None);
    let jobs = settled(&world.admin).await;
    assert_eq!((&jobs[0]["state"], &jobs[0]["files"]), (&json!("done"), &json!(objects.len())), "{jobs:?}");
    assert_eq!(objects_below(&client, &place).await, Vec::<String>::new());
    assert_eq!(objects_below(&client, &format!("{place}-2")).await, beside);
    create_at(&world, "doomed", "sales").await;
}
