//! What engines with keys for single tables were recorded to send, sent again where keys are made.

use polder_testkit::S3;

use super::vending::world;
use crate::traces::{Replay, Seen, missing};

/// every load and create of theirs comes with keys, and so does every renewal.
#[tokio::test(flavor = "multi_thread")]
async fn recorded_clients_get_their_keys() {
    if let Some(why) = missing() {
        eprintln!("{why}");
        return;
    }
    let mut seen = Seen::default();
    for client in ["chdb_vended", "duckdb_vended", "flink_vended", "spark_credential_refresh", "spark_vended"] {
        let (world, _) = world(S3::shared(), S3::shared().endpoint()).await;
        let judged = Replay::on(world, true).await.run(client).await;
        println!("{client}: {judged:?}");
        seen += judged;
    }
    assert!(seen.sent > 200 && seen.keys > 100, "{seen:?}");
}
