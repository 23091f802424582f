//! Namespaces, tables and warehouses: what works, and what is refused how.

use std::collections::BTreeMap;

use polder_policy::{Effect, Privilege, actions};
use polder_store::{CommitOutcome, Creation, GrantTarget, NewTable, NewWarehouse, is_stale};
use polder_types::{ErrorKind, Location};

use super::world::{World, namespace, stamp};

/// nested namespaces; 404 for an absent parent, 409 for a taken name or one that is not empty.
#[tokio::test]
async fn namespaces_nest_and_are_dropped_from_the_inside_out() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    let permit = acme.permit(actions::CreateNamespace, &ns).await;
    let inner = namespace(&["ns", "inner"]);
    let made = world.store.create_namespace(&permit, &inner, BTreeMap::new(), &stamp()).await.unwrap();
    assert_eq!(made.namespace.chain.len(), 2);
    assert_eq!(made.namespace.chain[0], ns.id());
    let again = world.store.create_namespace(&permit, &inner, BTreeMap::new(), &stamp()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    let elsewhere = world.store.create_namespace(&permit, &namespace(&["a", "b"]), BTreeMap::new(), &stamp()).await;
    assert_eq!(elsewhere.unwrap_err().kind(), ErrorKind::Invalid);

    let outer = acme.permit(actions::DropNamespace, &ns).await;
    assert_eq!(world.store.drop_namespace(&outer, &stamp()).await.unwrap_err().kind(), ErrorKind::NotEmpty);
    let drop_inner = acme.permit(actions::DropNamespace, &made.namespace).await;
    world.store.drop_namespace(&drop_inner, &stamp()).await.unwrap();
    let twice = world.store.drop_namespace(&drop_inner, &stamp()).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::NotFound);
    world.store.drop_namespace(&outer, &stamp()).await.unwrap();
    let orphan = world.store.create_namespace(&permit, &inner, BTreeMap::new(), &stamp()).await.unwrap_err();
    assert_eq!(orphan.kind(), ErrorKind::NotFound, "the parent is gone");
    assert!(world.store.resolve_namespace(&lake.warehouse, &ns.name).await.unwrap().is_none());
}

/// removed, updated and missing are told apart, and the next read sees them.
#[tokio::test]
async fn properties_are_removed_and_set() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    let permit = acme.permit(actions::UpdateNamespace, &ns).await;
    let set = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let first =
        world.store.update_namespace_properties(&permit, vec![], set(&[("a", "1"), ("b", "2")]), &stamp()).await;
    assert_eq!(first.unwrap().updated, ["a", "b"]);
    let removals = vec!["a".to_owned(), "zzz".to_owned()];
    let second =
        world.store.update_namespace_properties(&permit, removals, set(&[("c", "3")]), &stamp()).await.unwrap();
    assert_eq!(
        (second.removed, second.updated, second.missing),
        (vec!["a".into()], vec!["c".into()], vec!["zzz".into()])
    );
    let row = world.store.resolve_namespace(&lake.warehouse, &ns.name).await.unwrap().unwrap();
    assert_eq!(row.properties, set(&[("b", "2"), ("c", "3")]));
    assert_eq!(row.version, 3);
}

/// F6: a table that is gone, taken, moved or lost answers 404 or 409, whatever came first.
#[tokio::test]
async fn drop_rename_and_commit_of_what_moved_are_refused_surely() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    let other = acme.namespace(&lake, "other").await;
    let (a, b) = (acme.table(&ns, "a").await, acme.table(&ns, "b").await);
    assert_eq!(acme.rename(&a.table, &ns, "b").await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(acme.rename(&a.table, &ns, "a").await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let moved = acme.rename(&a.table, &other, "c").await.unwrap();
    assert_eq!((moved.version, moved.table.id), (2, a.table.id));
    assert!(acme.resolve(&ns, "a").await.is_none());
    assert_eq!(acme.resolve(&other, "c").await.unwrap().table.id, a.table.id);
    // Permits for the old place do not reach the new one.
    assert_eq!(acme.drop(&a.table).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(matches!(acme.commit(&a, "s3://lake/x", vec![]).await, CommitOutcome::Lost(id) if id == a.table.id));
    acme.drop(&b.table).await.unwrap();
    assert!(acme.resolve(&ns, "b").await.is_none());
    assert!(matches!(acme.commit(&b, "s3://lake/x", vec![]).await, CommitOutcome::Lost(id) if id == b.table.id));
    let permit = acme.permit(actions::DropNamespace, &other).await;
    assert_eq!(world.store.drop_namespace(&permit, &stamp()).await.unwrap_err().kind(), ErrorKind::NotEmpty);
}

/// of several pointers, one lost means none moved.
#[tokio::test]
async fn a_commit_over_tables_is_all_or_nothing() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let (a, b) = (acme.table(&ns, "a").await, acme.table(&ns, "b").await);
    let mut stale = acme.swap(&b, "s3://lake/b1", vec![]).await;
    stale.expected_metadata_location = "s3://lake/elsewhere".to_owned();
    let good = acme.swap(&a, "s3://lake/a1", vec![]).await;
    let outcome = world.store.commit_tables(vec![good.clone(), stale], Vec::new(), &stamp()).await;
    assert!(matches!(outcome, CommitOutcome::Lost(id) if id == b.table.id));
    assert_eq!(acme.resolve(&ns, "a").await.unwrap().metadata_location, a.metadata_location);
    let both = vec![good, acme.swap(&b, "s3://lake/b1", vec![]).await];
    let CommitOutcome::Committed(rows) = world.store.commit_tables(both, Vec::new(), &stamp()).await else {
        panic!("not committed")
    };
    assert_eq!(rows.iter().map(|row| row.version).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(acme.resolve(&ns, "b").await.unwrap().metadata_location, "s3://lake/b1");
}

/// A commit, or any other change, under a permit of an older policy changes nothing and says so.
#[tokio::test]
async fn nothing_is_written_under_an_older_policy() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let row = acme.table(&ns, "t").await;
    let swap = acme.swap(&row, "s3://lake/t1", vec![]).await;
    let create = acme.permit(actions::CreateTable, &ns).await;
    let drop_table = acme.permit(actions::DropTable, &row.table).await;
    acme.person("eve").await; // moves the policy on
    assert!(matches!(world.store.commit_tables(vec![swap], Vec::new(), &stamp()).await, CommitOutcome::StalePolicy));
    let new = acme.new_table(&ns, "u");
    let creation = vec![Creation { permit: create, new }];
    assert!(matches!(world.store.commit_tables(Vec::new(), creation, &stamp()).await, CommitOutcome::StalePolicy));
    assert!(is_stale(&world.store.drop_table(&drop_table, None, &stamp()).await.unwrap_err()));
    assert_eq!(acme.resolve(&ns, "t").await.unwrap().version, 1);
    assert!(acme.resolve(&ns, "u").await.is_none());
}

/// R19: a grant dies with its object; the next object of that name starts without it.
#[tokio::test]
async fn an_allow_dies_with_its_table() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let row = acme.table(&ns, "t").await;
    let eve = acme.person("eve").await;
    acme.grant("eve", Effect::Allow, &[Privilege::Read], GrantTarget::Table(row.table.clone())).await;
    assert!(eve.try_permit(actions::LoadTable, &row.table).await.is_ok());
    assert!(eve.try_permit(actions::LoadNamespace, &ns).await.is_ok(), "what holds the table can be seen");
    acme.drop(&row.table).await.unwrap();
    let again = acme.table(&ns, "t").await;
    assert_ne!(again.table.id, row.table.id);
    assert!(eve.try_permit(actions::LoadTable, &again.table).await.is_err());
    assert!(eve.try_permit(actions::LoadNamespace, &ns).await.is_err());
    let removed = acme.audit().await.into_iter().filter(|row| row.action == "remove_grant").count();
    assert_eq!(removed, 1, "its end is on record");
}

/// A table grant follows the table: its parents are those of where it stands now.
#[tokio::test]
async fn a_grant_moves_with_its_table() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    let other = acme.namespace(&lake, "other").await;
    let row = acme.table(&ns, "t").await;
    let eve = acme.person("eve").await;
    acme.grant("eve", Effect::Allow, &[Privilege::Read], GrantTarget::Table(row.table.clone())).await;
    let moved = acme.rename(&row.table, &other, "t").await.unwrap();
    assert!(eve.try_permit(actions::LoadTable, &moved.table).await.is_ok());
    assert!(eve.try_permit(actions::LoadNamespace, &other).await.is_ok());
    assert!(eve.try_permit(actions::LoadNamespace, &ns).await.is_err());
}

/// roots are disjoint over all tenants; only an empty warehouse can go; the only or default one is found.
#[tokio::test]
async fn warehouses_are_disjoint_over_all_tenants() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    let rival = world.tenant("rival").await;
    let create = async |who: &super::world::Who, name: &str, root: &str, default: bool| {
        let root = Location::parse(root).unwrap();
        let new = NewWarehouse { name: name.parse().unwrap(), root, allowed_locations: vec![], default };
        who.store.create_warehouse(&who.admin(actions::ManageWarehouses).await, new, &stamp()).await
    };
    for root in ["s3://lake/acme/lake", "s3://lake/acme/lake/x/y", "s3://lake/acme", "s3a://lake"] {
        let error = create(&rival, "mine", root, false).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "location_overlap"), "{root}");
        let place = Location::parse(root).unwrap();
        assert_eq!(error.message(), format!("`{place}` overlaps another warehouse"), "it does not say whose");
    }
    create(&rival, "lake", "s3://lake/acme/lake1", false).await.unwrap();
    create(&rival, "two", "s3://lake/acme/lak", false).await.unwrap();
    assert!(rival.store.default_warehouse(&rival.tenant).await.unwrap().is_none(), "two, and none is the default");
    create(&rival, "three", "s3://lake/three", true).await.unwrap();
    let found = rival.store.default_warehouse(&rival.tenant).await.unwrap().unwrap();
    assert_eq!(found.warehouse.name.as_str(), "three");
    create(&rival, "four", "s3://lake/four", true).await.unwrap();
    let found = rival.store.default_warehouse(&rival.tenant).await.unwrap().unwrap();
    assert_eq!(found.warehouse.name.as_str(), "four");
    let three = rival.store.resolve_warehouse(&rival.tenant, &"three".parse().unwrap()).await.unwrap().unwrap();
    assert!(!three.default);
    assert_eq!(create(&rival, "four", "s3://lake/4", false).await.unwrap_err().kind(), ErrorKind::AlreadyExists);

    let only = world.store.default_warehouse(&acme.tenant).await.unwrap().unwrap();
    assert_eq!(only.warehouse, lake.warehouse);
    let permit = acme.admin(actions::ManageWarehouses).await;
    let full = world.store.delete_warehouse(&permit, &lake.warehouse.name, &stamp()).await.unwrap_err();
    assert_eq!(full.kind(), ErrorKind::NotEmpty);
    let empty = acme.permit(actions::DropNamespace, &ns).await;
    world.store.drop_namespace(&empty, &stamp()).await.unwrap();
    world.store.delete_warehouse(&permit, &lake.warehouse.name, &stamp()).await.unwrap();
    assert!(world.store.default_warehouse(&acme.tenant).await.unwrap().is_none());
    create(&rival, "five", "s3://lake/acme/lake", false).await.unwrap();
}

/// a table outside its warehouse is refused, whatever the text looks like.
#[tokio::test]
async fn a_table_lies_inside_its_warehouse() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    for place in ["s3://lake/acme/lake1/t", "s3://lake/acme/lak", "s3://lake2/acme/lake/t", "file:///lake/acme/lake/t"]
    {
        let new = NewTable { location: Location::parse(place).unwrap(), ..acme.new_table(&ns, "t") };
        let error = acme.try_table(&ns, new).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "location_outside"), "{place}");
    }
}
