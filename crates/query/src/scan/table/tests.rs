use std::cell::Cell;

use polder_types::RelationId;
use serde_json::json;

use super::*;
use crate::scan::fixture::{Lake, long, longs, rows, schema};

fn key(metadata_location: &str, snapshot: Option<i64>) -> SnapshotKey {
    let relation: RelationId = serde_json::from_value(json!("9c12d441-03fe-4693-9a96-a0705ddf69c1")).unwrap();
    SnapshotKey { relation, metadata_location: metadata_location.to_owned(), snapshot }
}

fn files(lake: &Lake) -> TableFiles {
    TableFiles::new(&lake.location, None).unwrap()
}

#[tokio::test]
async fn a_document_is_parsed_once_for_each_snapshot() {
    let table = schema(0, vec![long(1, "a")]);
    let mut lake = Lake::new(table.clone());
    lake.append(&rows(&table, vec![longs(&[Some(1)])]), 1);
    let document = serde_json::to_vec(&lake.document().await).unwrap();
    let cache = TableCache::new(1 << 20);
    let parsed = Cell::new(0);
    let open = |key: &SnapshotKey| {
        let read = || {
            parsed.set(parsed.get() + 1);
            document.clone()
        };
        cache.open(key, &files(&lake), read).unwrap()
    };
    let first = open(&key("m1", None));
    assert!(Arc::ptr_eq(&first, &open(&key("m1", None))));
    assert_eq!(parsed.get(), 1);
    open(&key("m1", Some(1)));
    open(&key("m2", None));
    assert_eq!(parsed.get(), 3);
}

/// The manifests are read once, and count towards the cache's weight from then on.
#[tokio::test]
async fn an_inventory_is_read_once_and_weighed() {
    let table = schema(0, vec![long(1, "a")]);
    let mut lake = Lake::new(table.clone());
    lake.append(&rows(&table, vec![longs(&[Some(1)])]), 1);
    let document = serde_json::to_vec(&lake.document().await).unwrap();
    let cache = TableCache::new(1 << 20);
    let open = cache.open(&key("m1", None), &files(&lake), || document.clone()).unwrap();
    let before = open.weight.load(Ordering::Relaxed);
    let inventory = cache.inventory(&key("m1", None), &open).await.unwrap();
    assert_eq!(inventory.files.len(), 1);
    assert!(open.weight.load(Ordering::Relaxed) > before);
    std::fs::remove_dir_all(lake.location.local_path().unwrap().join("metadata")).unwrap();
    let again = cache.inventory(&key("m1", None), &open).await.unwrap();
    assert!(Arc::ptr_eq(&inventory, &again));
}

/// A failure is not remembered: what was missing may come.
#[tokio::test]
async fn a_document_that_cannot_be_read_is_not_cached() {
    let lake = Lake::new(schema(0, vec![long(1, "a")]));
    let document = serde_json::to_vec(&lake.document().await).unwrap();
    let cache = TableCache::new(1 << 20);
    assert!(cache.open(&key("m1", None), &files(&lake), || b"{}".to_vec()).is_err());
    assert!(cache.open(&key("m1", None), &files(&lake), || document).is_ok());
}
