//! `/iceberg/v1`.

mod config;
mod files;
mod idempotency;
mod namespaces;
mod oauth;
mod purge;
mod register;
mod reports;
mod tables;
mod transactions;

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, aws::AmazonS3Builder, path::Path};
use polder_testkit::S3;

/// A client of a bucket with the server's own keys, to put and to look for what only engines write.
fn s3_client(s3: &S3, bucket: &str) -> Arc<dyn ObjectStore> {
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
