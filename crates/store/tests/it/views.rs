//! Views: one name space and one set of places with tables, the same restrictions, changes that are all or nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use polder_policy::{Effect, NamespaceRef, Privilege, ViewRef, actions};
use polder_store::{GrantTarget, NewView, PageRequest, ViewOutcome, ViewRow, ViewSwap, is_stale};
use polder_types::{Error, ErrorKind, Location, Subject, TableIdent};
use uuid::Uuid;

use super::world::{Who, World, stamp};

static PLACES: AtomicU64 = AtomicU64::new(0);

impl Who {
    fn new_view(&self, namespace: &NamespaceRef, name: &str) -> NewView {
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        let root = format!("s3://lake/{}/{}/view{number}", self.tenant, namespace.warehouse.name);
        NewView {
            name: name.to_owned(),
            location: Location::parse(&root).unwrap(),
            metadata_location: format!("{root}/metadata/0.json"),
            view_uuid: Uuid::from_u128(number.into()),
            released_by: None,
        }
    }

    async fn try_view(&self, namespace: &NamespaceRef, new: NewView) -> Result<std::sync::Arc<ViewRow>, Error> {
        let permit = self.permit(actions::CreateView, namespace).await;
        match self.store.create_view(&permit, new, &stamp()).await {
            ViewOutcome::Committed(row) => Ok(row),
            ViewOutcome::RolledBack(error) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    async fn view(&self, namespace: &NamespaceRef, name: &str) -> std::sync::Arc<ViewRow> {
        self.try_view(namespace, self.new_view(namespace, name)).await.unwrap()
    }

    async fn found_view(&self, namespace: &NamespaceRef, name: &str) -> Option<std::sync::Arc<ViewRow>> {
        let ident = TableIdent::new(namespace.name.clone(), name).unwrap();
        self.store.resolve_view(&namespace.warehouse, &ident).await.unwrap()
    }

    async fn view_swap(&self, row: &ViewRow, to: &str) -> ViewSwap {
        ViewSwap {
            permit: self.permit(actions::ReplaceView, &row.view).await,
            expected_metadata_location: row.metadata_location.clone(),
            new_metadata_location: to.to_owned(),
            expected_location: row.location.clone(),
            new_location: row.location.clone(),
            released_by: None,
        }
    }

    async fn rename_view(&self, view: &ViewRef, to: &NamespaceRef, name: &str) -> Result<(), Error> {
        let source = self.permit(actions::RenameView, view).await;
        let target = self.permit(actions::RenameInto, to).await;
        self.store.rename_view(&source, &target, name, &stamp()).await
    }

    async fn drop_view(&self, view: &ViewRef) -> Result<(), Error> {
        self.store.drop_view(&self.permit(actions::DropView, view).await, &stamp()).await
    }
}

/// A-069, A-061: a name is a table's or a view's; each is found, listed and dropped as what it is; a namespace with a view is
/// not empty.
#[tokio::test]
async fn a_name_is_a_tables_or_a_views() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let (table, view) = (acme.table(&ns, "t").await, acme.view(&ns, "v").await);
    assert!(acme.resolve(&ns, "v").await.is_none() && acme.found_view(&ns, "t").await.is_none());
    let by_id = async |id| acme.store.resolve_view_by_id(&ns.warehouse, id).await.unwrap();
    assert_eq!(by_id(view.view.relation.id).await.unwrap().location, view.location);
    assert!(by_id(table.table.id).await.is_none());
    assert!(acme.store.resolve_relation(&ns.warehouse, view.view.relation.id).await.unwrap().is_none());
    for (error, message, subject) in [
        (
            acme.try_table(&ns, acme.new_table(&ns, "v")).await.unwrap_err(),
            "View with same name already exists: ns.v",
            Subject::View,
        ),
        (
            acme.try_view(&ns, acme.new_view(&ns, "t")).await.unwrap_err(),
            "Table with same name already exists: ns.t",
            Subject::Table,
        ),
        (acme.try_view(&ns, acme.new_view(&ns, "v")).await.unwrap_err(), "View already exists: ns.v", Subject::View),
        (
            acme.rename(&table.table, &ns, "v").await.unwrap_err(),
            "Cannot rename ns.t to ns.v. View already exists: ns.v",
            Subject::View,
        ),
        (
            acme.rename_view(&view.view, &ns, "t").await.unwrap_err(),
            "Cannot rename ns.v to ns.t. Table already exists: ns.t",
            Subject::Table,
        ),
    ] {
        assert_eq!((error.kind(), error.message(), error.subject()), (ErrorKind::AlreadyExists, message, subject));
    }
    let all = PageRequest::default();
    let tables = acme.store.list_tables(&acme.list(actions::ListTables, &ns).await, &all).await.unwrap().items;
    let views = acme.store.list_views(&acme.list(actions::ListViews, &ns).await, &all).await.unwrap().items;
    assert_eq!((tables.len(), tables[0].ident.name.as_str()), (1, "t"));
    assert_eq!((views.len(), views[0].ident.name.as_str()), (1, "v"));
    acme.drop(&table.table).await.unwrap();
    let permit = acme.permit(actions::DropNamespace, &ns).await;
    assert_eq!(world.store.drop_namespace(&permit, &stamp()).await.unwrap_err().kind(), ErrorKind::NotEmpty);
    acme.drop_view(&view.view).await.unwrap();
    assert_eq!(acme.drop_view(&view.view).await.unwrap_err().message(), "View does not exist: ns.v");
    let permit = acme.permit(actions::DropNamespace, &ns).await;
    world.store.drop_namespace(&permit, &stamp()).await.unwrap();
}

/// A-003, A-005, A-050: each change of a view is on record once, with the version that it made.
#[tokio::test]
async fn every_change_is_on_record() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let row = acme.view(&ns, "v").await;
    let swap = acme.view_swap(&row, &format!("{}/metadata/1.json", row.location)).await;
    assert!(matches!(acme.store.replace_view(swap, &stamp()).await, ViewOutcome::Committed(row) if row.version == 2));
    acme.rename_view(&row.view, &ns, "w").await.unwrap();
    let renamed = acme.found_view(&ns, "w").await.unwrap();
    acme.drop_view(&renamed.view).await.unwrap();
    let permit = acme.permit(actions::RegisterView, &ns).await;
    let outcome = acme.store.register_view(&permit, acme.new_view(&ns, "r"), &stamp()).await;
    assert!(matches!(outcome, ViewOutcome::Committed(_)));
    let id = row.view.relation.id.to_string();
    let records = acme.audit().await;
    let mut own: Vec<_> = records.iter().filter(|row| row.object_id.as_deref() == Some(id.as_str())).collect();
    own.sort_by_key(|row| row.object_version);
    let told: Vec<_> = own.iter().map(|row| (row.action.as_str(), row.object_version.unwrap())).collect();
    assert_eq!(told, [("create_view", 1), ("replace_view", 2), ("rename_view", 3), ("drop_view", 4)]);
    assert!(own.iter().all(|row| row.principal_name.as_deref() == Some("admin")));
    assert!(records.iter().any(|row| row.action == "register_view" && row.object_name == "ns.r"));
}

/// F2, F6, R18: a swap that expects what is not there any more changes nothing, and says whether the view or the policy moved.
#[tokio::test]
async fn a_lost_swap_changes_nothing() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    let other = acme.namespace(&lake, "other").await;
    let row = acme.view(&ns, "v").await;
    let to = |number: u8| format!("{}/metadata/{number}.json", row.location);
    let (first, second) = (acme.view_swap(&row, &to(1)).await, acme.view_swap(&row, &to(2)).await);
    assert!(matches!(acme.store.replace_view(first, &stamp()).await, ViewOutcome::Committed(_)));
    assert!(matches!(acme.store.replace_view(second, &stamp()).await, ViewOutcome::Lost));
    let now = acme.found_view(&ns, "v").await.unwrap();
    assert_eq!((now.metadata_location.as_str(), now.version), (to(1).as_str(), 2));
    let swap = acme.view_swap(&now, &to(3)).await;
    acme.rename_view(&now.view, &other, "v").await.unwrap();
    let outcome = acme.store.replace_view(swap, &stamp()).await;
    assert!(matches!(outcome, ViewOutcome::Lost | ViewOutcome::StalePolicy), "{outcome:?}");
    let moved = acme.found_view(&other, "v").await.unwrap();
    let swap = acme.view_swap(&moved, &to(4)).await;
    let (create, drop_it) =
        (acme.permit(actions::CreateView, &ns).await, acme.permit(actions::DropView, &moved.view).await);
    acme.person("eve").await; // moves the policy on
    assert!(matches!(acme.store.replace_view(swap, &stamp()).await, ViewOutcome::StalePolicy));
    let made = acme.store.create_view(&create, acme.new_view(&ns, "u"), &stamp()).await;
    assert!(matches!(made, ViewOutcome::StalePolicy), "{made:?}");
    assert!(is_stale(&acme.store.drop_view(&drop_it, &stamp()).await.unwrap_err()));
    assert_eq!(acme.found_view(&other, "v").await.unwrap().metadata_location, to(1));
}

/// A-004, R7, R10: places are unique over tables and views, also when a view moves; what was left is nobody's.
#[tokio::test]
async fn places_are_unique_over_tables_and_views() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let (table, view) = (acme.table(&ns, "t").await, acme.view(&ns, "v").await);
    let at = |location: &Location| NewView { location: location.clone(), ..acme.new_view(&ns, "n") };
    let inside = table.location.join("x").unwrap();
    let around = table.location.parent().unwrap();
    for place in [&table.location, &inside, &around, &view.location] {
        assert_eq!(acme.try_view(&ns, at(place)).await.unwrap_err().code(), "location_overlap", "{place}");
        let mut swap = acme.view_swap(&view, "s3://lake/x").await;
        swap.new_location = place.clone();
        if place != &view.location {
            let outcome = acme.store.replace_view(swap, &stamp()).await;
            assert!(matches!(&outcome, ViewOutcome::RolledBack(error) if error.code() == "location_overlap"));
        }
    }
    let outside = Location::parse("s3://lake/acme/lake1/v").unwrap();
    assert_eq!(acme.try_view(&ns, at(&outside)).await.unwrap_err().code(), "location_outside");
    let mut swap = acme.view_swap(&view, "s3://lake/x").await;
    swap.new_location = outside;
    let outcome = acme.store.replace_view(swap, &stamp()).await;
    assert!(matches!(&outcome, ViewOutcome::RolledBack(error) if error.code() == "location_outside"), "{outcome:?}");

    let new_location = Location::parse("s3://lake/acme/lake/moved").unwrap();
    let swap = ViewSwap { new_location: new_location.clone(), ..acme.view_swap(&view, "s3://lake/m").await };
    let ViewOutcome::Committed(moved) = acme.store.replace_view(swap, &stamp()).await else { panic!("not moved") };
    assert_eq!(acme.found_view(&ns, "v").await.unwrap().location, new_location);
    assert_eq!(acme.try_view(&ns, at(&view.location)).await.unwrap_err().code(), "location_retired");
    acme.drop_view(&moved.view).await.unwrap();
    let over = polder_store::NewTable { location: new_location.clone(), ..acme.new_table(&ns, "n") };
    assert_eq!(acme.try_table(&ns, over).await.unwrap_err().code(), "location_retired");
    let editor = Some(acme.admin(actions::ManagePolicies).await);
    acme.try_view(&ns, NewView { released_by: editor, ..at(&new_location) }).await.unwrap();
}

/// R35, R19: a view takes over what stands on its name, keeps it under every other, and waits in quarantine where
/// restrictions hold; an allow on it dies with it, a denial of its name does not.
#[tokio::test]
async fn restrictions_and_grants_hold_for_views() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let table = acme.table(&ns, "t").await;
    acme.mask(&table, "m").await.unwrap();
    let eve = acme.person("eve").await;
    acme.grant("eve", Effect::Allow, &[Privilege::Read], GrantTarget::Namespace(ns.clone())).await;
    let fresh = acme.view(&ns, "fresh").await;
    assert!(fresh.view.relation.quarantined);
    assert!(eve.try_permit(actions::ViewExists, &fresh.view).await.is_err());
    let listed = |who: Who| async move {
        let permit = who.list(actions::ListViews, &ns_of(&who).await).await;
        who.store.list_views(&permit, &PageRequest::default()).await.unwrap().items.len()
    };
    assert_eq!((listed(eve.clone()).await, listed(acme.clone()).await), (0, 1));

    acme.rename(&table.table, &ns, "t_old").await.unwrap();
    acme.rename_view(&fresh.view, &ns, "t").await.unwrap();
    let taken = acme.found_view(&ns, "t").await.unwrap();
    assert!(!taken.view.relation.quarantined, "restricted by its name, it need not be hidden");
    assert!(eve.try_permit(actions::ViewExists, &taken.view).await.is_ok());
    assert!(eve.try_permit(actions::LoadView, &taken.view).await.is_err());
    acme.rename_view(&taken.view, &ns, "elsewhere").await.unwrap();
    let away = acme.found_view(&ns, "elsewhere").await.unwrap();
    assert!(eve.try_permit(actions::LoadView, &away.view).await.is_err(), "it carried the name once");
    let direct = acme.view(&ns, "t").await;
    assert!(!direct.view.relation.quarantined);
    assert!(eve.try_permit(actions::LoadView, &direct.view).await.is_err());

    let ann = acme.person("ann").await;
    acme.grant("ann", Effect::Allow, &[Privilege::Read], GrantTarget::Table(away.view.relation.clone())).await;
    let ann_sees = |view: ViewRef| {
        let ann = ann.clone();
        async move { ann.try_permit(actions::ViewExists, &view).await.is_ok() }
    };
    assert!(ann_sees(away.view.clone()).await);
    acme.drop_view(&away.view).await.unwrap();
    let again = acme.view(&ns, "elsewhere").await;
    assert!(!ann_sees(again.view.clone()).await);
    acme.grant("eve", Effect::Deny, &[Privilege::List], GrantTarget::Table(again.view.relation.clone())).await;
    acme.drop_view(&again.view).await.unwrap();
    let third = acme.view(&ns, "elsewhere").await;
    assert!(eve.try_permit(actions::ViewExists, &third.view).await.is_err());
    let released = acme.permit(actions::ReleaseTable, &third.view.relation).await;
    assert!(acme.store.release_table(&released, &stamp()).await.unwrap());
    assert!(acme.audit().await.iter().any(|row| row.action == "release_table" && row.subject == "view"));
}

async fn ns_of(who: &Who) -> NamespaceRef {
    let lake = who.store.resolve_warehouse(&who.tenant, &"lake".parse().unwrap()).await.unwrap().unwrap();
    let name = super::world::namespace(&["ns"]);
    who.store.resolve_namespace(&lake.warehouse, &name).await.unwrap().unwrap().namespace.clone()
}

/// A-001: another tenant's permit, for objects of the same ids and names, reaches nothing.
#[tokio::test]
async fn another_tenant_reaches_no_view() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let rival = world.tenant("rival").await;
    let theirs = rival.warehouse("lake").await;
    let rival_ns = rival.namespace(&theirs, "ns").await;
    let own = acme.view(&ns, "v").await;
    rival.view(&rival_ns, "v").await;
    for action in [
        rival.try_permit(actions::LoadView, &own.view).await.map(|_| ()),
        rival.try_permit(actions::ReplaceView, &own.view).await.map(|_| ()),
        rival.try_permit(actions::DropView, &own.view).await.map(|_| ()),
        rival.try_permit(actions::CreateView, &ns).await.map(|_| ()),
    ] {
        assert!(action.is_err());
    }
    let mut forged = own.view.clone();
    forged.relation.namespace = rival_ns.clone();
    let permit = rival.permit(actions::DropView, &forged).await;
    assert_eq!(rival.store.drop_view(&permit, &stamp()).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(acme.found_view(&ns, "v").await.unwrap().version, 1);
    assert!(rival.store.resolve_view_by_id(&rival_ns.warehouse, own.view.relation.id).await.unwrap().is_none());
}

/// F1: of many creates of one name, tables and views, exactly one wins.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_creates_wins() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let tasks: Vec<_> = (0..12)
        .map(|number| {
            let (acme, ns) = (acme.clone(), ns.clone());
            tokio::spawn(async move {
                if number % 2 == 0 {
                    acme.try_view(&ns, acme.new_view(&ns, "n")).await.map(|_| ())
                } else {
                    acme.try_table(&ns, acme.new_table(&ns, "n")).await.map(|_| ())
                }
            })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error:?}"),
        }
    }
    assert_eq!(won, 1);
}
