//! Commits that came with an `Idempotency-Key`, whose client did not hear of the first attempt and asks again.

use std::{sync::Arc, time::Duration};

use polder_store::{IdempotencyKey, Outcome};
use polder_types::ErrorKind;
use serde_json::json;

use crate::{
    commit::Work,
    idempotency,
    testing::{World, set, table_commit},
};

fn key() -> IdempotencyKey {
    IdempotencyKey { route: "commit_transaction", key: crate::ids::fresh_uuid(), fingerprint: [0; 32] }
}

/// A transaction over two tables for which there is no room.
fn without_room(world: &World, ctx: &crate::OpCtx) -> Work {
    let commit = |name| Arc::new(table_commit(name, json!([]), set("k", "v")).unwrap());
    let commits = vec![commit("a"), commit("b")];
    Work { ctx: ctx.clone(), warehouse: world.lake.clone(), commits, base_bytes_max: 1 }
}

/// F8: a transaction passes its deadline and lands; its retry, which was past the look-up of the key by then, finds no
/// room for the documents of now. It is not told 413: what landed is what it is answered.
#[tokio::test]
async fn a_transaction_that_landed_is_not_too_large() {
    let world = World::new().await;
    let (admin, key) = (world.admin().await, key());
    for name in ["a", "b"] {
        world.create(&admin, name).await.unwrap();
    }
    assert_eq!(idempotency::earlier(&admin, &key).await.unwrap(), None, "the retry has looked");
    let commits = ["a", "b"].map(|name| table_commit(name, json!([]), set("k", "v")).unwrap());
    let late = world.late().await.keyed(key);
    let error = crate::tables::commit(&late, &world.lake, commits.into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    tokio::time::timeout(Duration::from_secs(30), async {
        while world.load(&admin, "b").await.unwrap().property("k").is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    let error = without_room(&world, &admin.keyed(key)).run(Vec::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::TooLarge, "transaction_too_large"));
    let refusal = Outcome::refused(&error, admin.snapshot().version()).expect("a refusal for good");
    assert!(!idempotency::keep_refusal(&admin, &key, refusal).await.unwrap(), "not to be told");
    assert_eq!(idempotency::earlier(&admin, &key).await.unwrap(), Some(Outcome::Done));
}

/// F8: the other way round: once the retry was told 413, the first attempt does not land.
#[tokio::test]
async fn a_transaction_that_was_told_too_large_does_not_land() {
    let world = World::new().await;
    let (admin, key) = (world.admin().await, key());
    for name in ["a", "b"] {
        world.create(&admin, name).await.unwrap();
    }
    let error = without_room(&world, &admin.keyed(key)).run(Vec::new()).await.unwrap_err();
    let refusal = Outcome::refused(&error, admin.snapshot().version()).expect("a refusal for good");
    assert!(idempotency::keep_refusal(&admin, &key, refusal).await.unwrap());
    let commits = ["a", "b"].map(|name| table_commit(name, json!([]), set("k", "v")).unwrap());
    let late = crate::tables::commit(&admin.keyed(key), &world.lake, commits.into()).await.unwrap_err();
    assert!(idempotency::is_answered(&late), "{late:?}");
    assert_eq!(world.load(&admin, "a").await.unwrap().property("k"), None);
}
