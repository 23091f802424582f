//! What the client is told is what really happened.

use std::collections::BTreeMap;

use polder_types::ErrorKind;
use serde_json::json;

use crate::{
    faults::Step,
    testing::{World, set},
};

const BEFORE: [Step; 6] =
    [Step::CreateFile, Step::WriteFile, Step::SyncFile, Step::LinkFile, Step::SyncDirectory, Step::BeforeTransaction];

/// F3, F4: a fault before the transaction is 503, changes nothing and leaves no file; the next commit succeeds.
#[tokio::test]
async fn a_fault_before_the_transaction_changes_nothing() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.create(&admin, "orders").await.unwrap();
    let before = world.files("orders").await;
    for step in BEFORE {
        world.catalog.faults().plan(step);
        let error = world.commit(&admin, "orders", json!([]), set("k", "lost")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{step:?}");
        assert!(error.retry_after().is_some());
        assert_eq!(world.files("orders").await, before, "{step:?}");
        assert_eq!(world.load(&admin, "orders").await.unwrap().property("k"), None);
    }
    world.commit(&admin, "orders", json!([]), set("k", "kept")).await.unwrap();
    assert_eq!(world.load(&admin, "orders").await.unwrap().property("k"), Some("kept"));
}

/// F3, F4, F18: an answer that got lost is 500 `CommitStateUnknown`, never 4xx, and the file stays.
#[tokio::test]
async fn an_unknown_outcome_is_said_so_and_keeps_its_file() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.create(&admin, "orders").await.unwrap();
    let before = world.files("orders").await.len();
    world.catalog.faults().plan(Step::AfterTransaction);
    let error = world.commit(&admin, "orders", json!([]), set("k", "v")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommitStateUnknown);
    assert_eq!(world.files("orders").await.len(), before + 1);
    // In this test it landed: whoever reads the table finds it whole.
    assert_eq!(world.load(&admin, "orders").await.unwrap().property("k"), Some("v"));
}

/// F3, F4: the same holds for the first file of a table.
#[tokio::test]
async fn creating_a_table_tells_the_truth_too() {
    let world = World::new().await;
    let admin = world.admin().await;
    for step in BEFORE.into_iter().chain([Step::MakeDirectory]) {
        world.catalog.faults().plan(step);
        let error = world.create(&admin, "orders").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{step:?}");
        assert_eq!(world.load(&admin, "orders").await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    world.catalog.faults().plan(Step::AfterTransaction);
    assert_eq!(world.create(&admin, "orders").await.unwrap_err().kind(), ErrorKind::CommitStateUnknown);
    world.load(&admin, "orders").await.unwrap();
}

/// F2, F3, F4: over a long seeded run with faults, the table is what a small model says, and no file that it needs
/// is missing.
#[tokio::test]
async fn the_table_equals_the_model_over_a_run_with_faults() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.create(&admin, "orders").await.unwrap();
    let mut model: BTreeMap<String, String> = BTreeMap::new();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % bound
    };
    let mut landed = 0;
    for round in 0..120 {
        let (key, text) = (format!("k{}", next(5)), format!("v{round}"));
        let fault = match next(12) {
            index @ 0..=5 => Some(BEFORE[usize::try_from(index).unwrap()]),
            6 => Some(Step::AfterTransaction),
            _ => None,
        };
        if let Some(step) = fault {
            world.catalog.faults().plan(step);
        }
        let removes = next(4) == 0;
        let updates =
            if removes { json!([{"action": "remove-properties", "removals": [key]}]) } else { set(&key, &text) };
        let answer = world.commit(&admin, "orders", json!([]), updates).await.map_err(|error| error.kind());
        let wanted = match fault {
            None => Ok(()),
            Some(Step::AfterTransaction) => Err(ErrorKind::CommitStateUnknown),
            Some(_) => Err(ErrorKind::Unavailable),
        };
        assert_eq!(answer.map(|_| ()), wanted, "round {round}");
        if wanted != Err(ErrorKind::Unavailable) {
            landed += 1;
            if removes {
                model.remove(&key)
            } else {
                model.insert(key, text)
            };
        }
        let doc = world.load(&admin, "orders").await.unwrap();
        let stored: BTreeMap<String, String> =
            doc.properties().map(|(key, text)| (key.to_owned(), text.to_owned())).collect();
        assert_eq!(stored, model, "round {round}");
    }
    let (files, doc) = (world.files("orders").await, world.load(&admin, "orders").await.unwrap());
    assert_eq!(files.len(), landed + 1, "one file for each commit that landed, and the first");
    for entry in doc.metadata_log() {
        let name = entry.metadata_file.rsplit('/').next().unwrap();
        assert!(files.iter().any(|file| file == name), "{name}");
    }
}
