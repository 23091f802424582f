//! Tests of namespaces.

use std::collections::BTreeMap;

use polder_store::PageRequest;
use serde_json::json;

use super::*;
use crate::testing::{World, everything, sales};

fn named(levels: &[&str]) -> Namespace {
    Namespace::new(levels.iter().map(|level| (*level).to_owned()).collect()).unwrap()
}

fn request(levels: &[&str], properties: &[(&str, &str)]) -> CreateNamespaceRequest {
    let properties = properties.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
    CreateNamespaceRequest { namespace: named(levels), properties: Some(properties) }
}

/// nested namespaces, 409 for what is taken or not empty, 404 for what is not there.
#[tokio::test]
async fn namespaces_nest_and_drop_only_when_empty() {
    let world = World::new().await;
    let admin = world.admin().await;
    let taken = create(&admin, &world.lake, request(&["sales"], &[])).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    let orphan = create(&admin, &world.lake, request(&["nowhere", "eu"], &[])).await.unwrap_err();
    assert_eq!((orphan.kind(), orphan.subject()), (ErrorKind::NotFound, Subject::Namespace));
    create(&admin, &world.lake, request(&["sales", "eu"], &[("k", "v")])).await.unwrap();
    assert_eq!(
        list(&admin, &world.lake, Some(&sales()), &everything()).await.unwrap().items,
        [named(&["sales", "eu"])]
    );
    assert_eq!(list(&admin, &world.lake, None, &everything()).await.unwrap().items, [sales()]);
    assert_eq!(drop(&admin, &world.lake, &sales()).await.unwrap_err().kind(), ErrorKind::NotEmpty);
    drop(&admin, &world.lake, &named(&["sales", "eu"])).await.unwrap();
    drop(&admin, &world.lake, &sales()).await.unwrap();
    assert_eq!(exists(&admin, &world.lake, &sales()).await.unwrap_err().kind(), ErrorKind::NotFound);
}

/// pages are full, in order, and a token of one list does not open another.
#[tokio::test]
async fn pages_follow_one_another() {
    let world = World::new().await;
    let admin = world.admin().await;
    for index in 0..5 {
        create(&admin, &world.lake, request(&["sales", &format!("n{index}")], &[])).await.unwrap();
    }
    let mut page = PageRequest { token: None, rows: Some(2) };
    let mut seen = Vec::new();
    loop {
        let found = list(&admin, &world.lake, Some(&sales()), &page).await.unwrap();
        seen.extend(found.items.iter().map(|name| name.leaf().to_owned()));
        let Some(next) = found.next else { break };
        let foreign = PageRequest { token: Some(next.clone()), rows: Some(2) };
        assert!(list(&admin, &world.lake, None, &foreign).await.is_err());
        page.token = Some(next);
    }
    assert_eq!(seen, ["n0", "n1", "n2", "n3", "n4"]);
}

/// 422 for a key on both sides; what was updated, removed and missing is said.
#[tokio::test]
async fn updated_removed_and_missing_keys_are_named() {
    let world = World::new().await;
    let admin = world.admin().await;
    let update = |removals: &[&str], updates: serde_json::Value| UpdateNamespacePropertiesRequest {
        removals: Some(removals.iter().map(|key| (*key).to_owned()).collect()),
        updates: serde_json::from_value(updates).unwrap(),
    };
    let both = update_properties(&admin, &world.lake, &sales(), update(&["k"], json!({"k": "v"}))).await.unwrap_err();
    assert_eq!(both.kind(), ErrorKind::Unprocessable);
    update_properties(&admin, &world.lake, &sales(), update(&[], json!({"k": "v", "l": "w"}))).await.unwrap();
    let changed =
        update_properties(&admin, &world.lake, &sales(), update(&["k", "nothing"], json!({"l": "x"}))).await.unwrap();
    assert_eq!(
        (changed.updated, changed.removed, changed.missing),
        (vec!["l".to_owned()], vec!["k".to_owned()], vec!["nothing".to_owned()])
    );
    let row = load(&admin, &world.lake, &sales()).await.unwrap();
    assert_eq!(row.properties, BTreeMap::from([("l".to_owned(), "x".to_owned())]));
}

/// A-004, R12, R36: a namespace's properties are governed like a table's, but for its `owner`, by which nothing decides; its
/// location lies under the root.
#[tokio::test]
async fn properties_of_a_namespace_are_governed() {
    let world = World::new().await;
    let admin = world.admin().await;
    for (key, text) in [
        ("io-impl", "x"),
        ("s3.endpoint", "http://evil"),
        ("run-as-owner", "root"),
        ("location", "file:///etc"),
        ("location", "s3://bucket/x"),
    ] {
        let error = create(&admin, &world.lake, request(&["n"], &[(key, text)])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{key}");
        let updates = Some(BTreeMap::from([(key.to_owned(), text.to_owned())]));
        let update = UpdateNamespacePropertiesRequest { removals: None, updates };
        assert!(update_properties(&admin, &world.lake, &sales(), update).await.is_err(), "{key}");
    }
    let root = format!("file://{}/base/tenant=acme/workspace=lake", world.directory.path().display());
    let error = create(&admin, &world.lake, request(&["n"], &[("location", &root)])).await.unwrap_err();
    assert_eq!((error.code(), error.subject()), ("location_not_allowed", Subject::Namespace));
    let place = format!("{root}/n");
    let made =
        create(&admin, &world.lake, request(&["n"], &[("location", &place), ("owner", "somebody")])).await.unwrap();
    assert_eq!(made.properties.get("owner").map(String::as_str), Some("somebody"));
    assert_eq!(made.properties.get("location"), Some(&place));
}

/// F12: the properties of a namespace stay small, however many updates bring more.
#[tokio::test]
async fn the_properties_of_a_namespace_are_bounded() {
    let world = World::new().await;
    let admin = world.admin().await;
    let large = "x".repeat(200_000);
    let sales = sales();
    let update = |key: String| {
        let updates = Some(BTreeMap::from([(key, large.clone())]));
        update_properties(&admin, &world.lake, &sales, UpdateNamespacePropertiesRequest { removals: None, updates })
    };
    let mut refused = None;
    for index in 0..8 {
        if let Err(error) = update(format!("k{index}")).await {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused.unwrap().kind(), ErrorKind::TooLarge);
    let properties = (0..8).map(|index| (format!("k{index}"), large.clone())).collect();
    let request = CreateNamespaceRequest { namespace: named(&["large"]), properties: Some(properties) };
    assert_eq!(create(&admin, &world.lake, request).await.unwrap_err().kind(), ErrorKind::TooLarge);
}
