//! Many committers, leaving clients, changing policies.

use std::time::Duration;

use futures::future::join_all;
use polder_policy::{Effect, Privilege};
use polder_types::ErrorKind;
use serde_json::json;

use crate::{
    Catalog, CatalogOptions,
    commit::RETRIES_MAX,
    faults::Step,
    tables,
    testing::{World, ident, set, table_commit},
};

/// F2: committers of one process queue, and none of their changes is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_committers_lose_no_update() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.create(&admin, "orders").await.unwrap();
    let keys: Vec<String> = (0..24).map(|index| format!("k{index}")).collect();
    let commits = keys.iter().map(|key| world.commit(&admin, "orders", json!([]), set(key, "v")));
    for outcome in join_all(commits).await {
        outcome.unwrap();
    }
    let doc = world.load(&admin, "orders").await.unwrap();
    assert!(keys.iter().all(|key| doc.property(key) == Some("v")));
    assert_eq!(world.files("orders").await.len(), keys.len() + 1);
}

/// F2, F4: committers that share no locks lose their compare-and-swap, start again or say 409, and leave no file of
/// a lost attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committers_without_common_locks_lose_no_update_either() {
    let world = World::new().await;
    world.create(&world.admin().await, "orders").await.unwrap();
    let mut ctxs = Vec::new();
    for _ in 0..6 {
        let catalog = Catalog::new(world.catalog.store().clone(), CatalogOptions::default());
        ctxs.push(world.ctx_of(&catalog, &world.admin_key).await);
    }
    let commits = ctxs.iter().enumerate().map(|(index, ctx)| {
        let updates = set(&format!("k{index}"), "v");
        let commit = table_commit("orders", json!([]), updates).unwrap();
        tables::commit(ctx, &world.lake, vec![commit])
    });
    let outcomes = join_all(commits).await;
    let doc = world.load(&world.admin().await, "orders").await.unwrap();
    let mut landed = 0;
    for (index, outcome) in outcomes.iter().enumerate() {
        assert_eq!(doc.property(&format!("k{index}")).is_some(), outcome.is_ok());
        match outcome {
            Ok(_) => landed += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
        }
    }
    assert!(landed > 0);
    assert_eq!(world.files("orders").await.len(), landed + 1);
}

/// F2: a commit without requirements that do not hold any more starts again after a lost compare-and-swap, so often and no
/// oftener. Somebody without its locks is faster each time, between the reading of the pointer and the transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_swap_is_tried_again() {
    for losses in [RETRIES_MAX, RETRIES_MAX + 1] {
        let world = World::new().await;
        let admin = world.admin().await;
        world.create(&admin, "orders").await.unwrap();
        let other = Catalog::new(world.catalog.store().clone(), CatalogOptions::default());
        let faster = world.ctx_of(&other, &world.admin_key).await;
        for index in 0..losses {
            let (faster, lake, handle) = (faster.clone(), world.lake.clone(), tokio::runtime::Handle::current());
            world.catalog.faults().before(Step::LinkFile, move || {
                let commit = table_commit("orders", json!([]), set(&format!("faster{index}"), "v")).unwrap();
                handle.block_on(tables::commit(&faster, &lake, vec![commit])).unwrap();
            });
        }
        let outcome = world.commit(&admin, "orders", json!([]), set("k", "v")).await;
        let lands = losses <= RETRIES_MAX;
        assert_eq!(
            outcome.map(drop).map_err(|error| error.kind()),
            if lands { Ok(()) } else { Err(ErrorKind::Conflict) }
        );
        let doc = world.load(&admin, "orders").await.unwrap();
        assert_eq!(doc.property("k").is_some(), lands);
        assert!((0..losses).all(|index| doc.property(&format!("faster{index}")) == Some("v")));
        let versions = 1 + losses as usize + usize::from(lands);
        assert_eq!(world.files("orders").await.len(), versions, "the files of lost attempts are gone");
    }
}

/// F5, A-064: a requirement that does not hold any more is 409, and nothing is written.
#[tokio::test]
async fn a_stale_requirement_is_a_conflict() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.create(&admin, "orders").await.unwrap();
    let stale = json!([{"type": "assert-current-schema-id", "current-schema-id": 7}]);
    let error = world.commit(&admin, "orders", stale, set("k", "v")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(world.files("orders").await.len(), 1);
}

/// F7: a client that leaves after the start of its commit does not stop it; shutdown waits for it and then refuses.
#[tokio::test]
async fn a_started_commit_lands_although_its_client_left() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.create(&admin, "orders").await.unwrap();
    let mut request = Box::pin(world.commit(&admin, "orders", json!([]), set("k", "v")));
    while world.catalog.running() == 0 {
        assert!(futures::poll!(request.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    drop(request);
    assert!(world.catalog.close(Duration::from_secs(30)).await);
    let late = world.commit(&admin, "orders", json!([]), set("late", "v")).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Unavailable);
    let catalog = Catalog::new(world.catalog.store().clone(), CatalogOptions::default());
    let ctx = world.ctx_of(&catalog, &world.admin_key).await;
    let doc = world.load(&ctx, "orders").await.unwrap();
    assert_eq!((doc.property("k"), doc.property("late")), (Some("v"), None));
}

/// F7: a client that waited long enough is told that the commit goes on, and it does.
#[tokio::test]
async fn a_commit_beyond_the_deadline_goes_on() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.create(&admin, "orders").await.unwrap();
    let error = world.commit(&world.late().await, "orders", json!([]), set("k", "v")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(world.catalog.close(Duration::from_secs(30)).await);
    assert_eq!(world.load(&admin, "orders").await.unwrap().property("k"), Some("v"));
}

/// R18: a commit that was admitted under an older policy decides again under the newest.
#[tokio::test]
async fn nothing_commits_under_a_revoked_grant() {
    let world = World::new().await;
    let engineer = world.engineer().await;
    world.create(&world.ctx(&engineer).await, "orders").await.unwrap();
    let old = world.ctx(&engineer).await;
    // Any change of the policy makes the context stale, and it commits nevertheless.
    world.principal("bystander", &[], world.in_sales()).await;
    world.commit(&old, "orders", json!([]), set("k", "v")).await.unwrap();
    world.grant("engineer", Effect::Deny, &[Privilege::Write], world.in_sales()).await;
    let error = world.commit(&old, "orders", json!([]), set("k", "revoked")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    let doc = world.load(&world.admin().await, "orders").await.unwrap();
    assert_eq!(doc.property("k"), Some("v"));
    assert_eq!(world.files("orders").await.len(), 2);
}

/// F6: a table that is dropped meanwhile is 404, deterministically.
#[tokio::test]
async fn a_commit_to_a_dropped_table_is_not_found() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.create(&admin, "orders").await.unwrap();
    tables::drop(&admin, &world.lake, &ident("orders"), false).await.unwrap();
    let error = world.commit(&admin, "orders", json!([]), set("k", "v")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// several tables move together or not at all.
#[tokio::test]
async fn a_commit_to_several_tables_is_all_or_nothing() {
    let world = World::new().await;
    let admin = world.admin().await;
    for name in ["a", "b"] {
        world.create(&admin, name).await.unwrap();
    }
    let commits = |second: serde_json::Value| {
        vec![table_commit("a", json!([]), set("k", "v")).unwrap(), table_commit("b", second, set("k", "v")).unwrap()]
    };
    let stale = json!([{"type": "assert-default-spec-id", "default-spec-id": 9}]);
    let error = tables::commit(&admin, &world.lake, commits(stale)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(world.load(&admin, "a").await.unwrap().property("k"), None);
    assert_eq!(tables::commit(&admin, &world.lake, commits(json!([]))).await.unwrap().len(), 2);
    for name in ["a", "b"] {
        assert_eq!(world.load(&admin, name).await.unwrap().property("k"), Some("v"));
        assert_eq!(world.files(name).await.len(), 2);
    }
    let twice = vec![table_commit("a", json!([]), json!([])).unwrap(); 2];
    assert_eq!(tables::commit(&admin, &world.lake, twice).await.unwrap_err().kind(), ErrorKind::Invalid);
}
