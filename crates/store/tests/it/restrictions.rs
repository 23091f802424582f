//! R35: no restriction is shed by what happens under its name.

use polder_policy::{Effect, Privilege, TableRef, actions};
use polder_store::{ColumnBinding, CommitOutcome, GrantTarget, NewTable, is_stale};
use polder_types::{ErrorKind, PolicyId};

use super::world::{Who, World, page, stamp};

/// The field ids that stand at `secret`, if the table is restricted.
async fn bound(who: &Who, table: &TableRef) -> Option<Vec<i32>> {
    let snapshot = who.store.policy_snapshot(&who.tenant).await.unwrap().unwrap();
    let name = table.qualified();
    let restriction = snapshot.restrictions_on(table.id, &name).next()?;
    Some(restriction.bound_fields(table.id, &vec!["secret".to_owned()]).into_iter().collect())
}

async fn binds_id(who: &Who, table: &TableRef) -> bool {
    let snapshot = who.store.policy_snapshot(&who.tenant).await.unwrap().unwrap();
    snapshot.restrictions().iter().any(|restriction| restriction.bound.contains_key(&table.id))
}

fn secret(policy: PolicyId, field: i32) -> ColumnBinding {
    ColumnBinding { policy, path: vec!["secret".to_owned()], field }
}

/// R35: dbt's rename swap: the old table keeps the restriction by id, the new one takes it over by name.
#[tokio::test]
async fn a_rename_swap_restricts_both_tables() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let old = acme.table(&ns, "t").await;
    acme.mask(&old, "m").await.unwrap();
    let eve = acme.person("eve").await;
    acme.grant("eve", Effect::Allow, &[Privilege::Read], GrantTarget::Namespace(ns.clone())).await;

    let new = acme.table(&ns, "t_new").await;
    assert!(new.table.quarantined, "created beside a restricted table");
    assert!(eve.try_permit(actions::TableExists, &new.table).await.is_err(), "and so invisible");
    let old = acme.rename(&old.table, &ns, "t_old").await.unwrap();
    let new = acme.rename(&new.table, &ns, "t").await.unwrap();
    assert!(!new.table.quarantined && !old.table.quarantined);
    for table in [&old.table, &new.table] {
        assert!(binds_id(&acme, table).await);
        let permit = eve.permit(actions::QueryTable, table).await;
        assert_eq!(permit.obligations().unwrap().applied.len(), 1);
        assert!(eve.try_permit(actions::LoadTable, table).await.is_err());
    }
    assert_eq!(bound(&acme, &old.table).await, Some(vec![7]));
    // Away from the name again, it stays restricted: it carried the name once.
    let away = acme.rename(&new.table, &ns, "elsewhere").await.unwrap();
    assert!(binds_id(&acme, &away.table).await);
}

/// R35: drop and re-create, with and without the catalog telling columns.
#[tokio::test]
async fn a_restriction_outlives_a_drop() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let first = acme.table(&ns, "t").await;
    let policy = acme.mask(&first, "m").await.unwrap();
    acme.drop(&first.table).await.unwrap();
    let bindings = vec![secret(policy.id, 3)];
    let again = acme.try_table(&ns, NewTable { bindings, ..acme.new_table(&ns, "t") }).await.unwrap();
    assert!(!again.table.quarantined, "restricted by its name, it need not be hidden");
    assert!(binds_id(&acme, &again.table).await);
    assert_eq!(bound(&acme, &again.table).await, Some(vec![3]));
    let permit = acme.admin(actions::ManagePolicies).await;
    let deleted = world.store.delete_policy(&permit, "m", &stamp()).await.unwrap();
    assert_eq!((deleted.id, deleted.kind.as_str()), (policy.id, "mask"));
    assert_eq!(bound(&acme, &again.table).await, None);
}

/// R35: drop column, add column: the commit binds the new field id, and old permits are stale at once.
#[tokio::test]
async fn a_column_added_again_is_bound_by_the_commit() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let row = acme.table(&ns, "t").await;
    let policy = acme.mask(&row, "m").await.unwrap();
    let waiting = acme.swap(&row, "s3://lake/other", vec![]).await;
    let CommitOutcome::Committed(rows) = acme.commit(&row, "s3://lake/t1", vec![secret(policy.id, 9)]).await else {
        panic!("not committed");
    };
    assert_eq!(bound(&acme, &row.table).await, Some(vec![7, 9]));
    assert!(matches!(world.store.commit_tables(vec![waiting], Vec::new(), &stamp()).await, CommitOutcome::StalePolicy));
    // Told again, nothing is new and the policy stays where it is.
    let before = world.store.policy_snapshot(&acme.tenant).await.unwrap().unwrap().version();
    let same = acme.commit(&rows[0], "s3://lake/t2", vec![secret(policy.id, 9)]).await;
    assert!(matches!(same, CommitOutcome::Committed(_)));
    assert_eq!(world.store.policy_snapshot(&acme.tenant).await.unwrap().unwrap().version(), before);
}

/// R35, A-001: a binding to a policy of another tenant, or one that does not cover the table, binds nothing.
#[tokio::test]
async fn a_foreign_policy_binds_nothing() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let rival = world.tenant("rival").await;
    let lake = rival.warehouse("lake").await;
    let foreign = rival.namespace(&lake, "ns").await;
    let theirs = rival.table(&foreign, "t").await;
    let policy = rival.mask(&theirs, "m").await.unwrap();
    let row = acme.table(&ns, "t").await;
    assert!(matches!(acme.commit(&row, "s3://lake/t1", vec![secret(policy.id, 9)]).await, CommitOutcome::Committed(_)));
    assert_eq!(bound(&acme, &row.table).await, None);
    assert_eq!(bound(&rival, &theirs.table).await, Some(vec![7]));
}

/// R35: a table that comes into a restricted namespace is hidden until a policy editor releases it.
#[tokio::test]
async fn a_table_beside_a_restricted_one_is_hidden_until_released() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    let plain = acme.namespace(&lake, "plain").await;
    let row = acme.table(&ns, "t").await;
    acme.mask(&row, "m").await.unwrap();
    let eve = acme.person("eve").await;
    acme.grant("eve", Effect::Allow, &[Privilege::Read], GrantTarget::Warehouse(lake.warehouse.clone())).await;

    let moved = acme.table(&plain, "copy").await;
    assert!(!moved.table.quarantined);
    let moved = acme.rename(&moved.table, &ns, "copy").await.unwrap();
    assert!(moved.table.quarantined, "moving in is no way around");
    let names = async |who: &Who| {
        let permit = who.list(actions::ListTables, &ns).await;
        let listed = who.store.list_tables(&permit, &page(10, None)).await.unwrap().items;
        listed.into_iter().map(|entry| entry.ident.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&eve).await, ["t"]);
    assert_eq!(names(&acme).await, ["copy", "t"], "the administrator reads without restriction");
    let permit = acme.permit(actions::ReleaseTable, &moved.table).await;
    assert!(world.store.release_table(&permit, &stamp()).await.unwrap());
    let again = acme.permit(actions::ReleaseTable, &moved.table).await;
    assert!(!world.store.release_table(&again, &stamp()).await.unwrap());
    assert_eq!(names(&eve).await, ["copy", "t"]);
    assert!(!acme.resolve(&ns, "copy").await.unwrap().table.quarantined);
    let released_by = Some(acme.admin(actions::ManagePolicies).await);
    let open = acme.try_table(&ns, NewTable { released_by, ..acme.new_table(&ns, "open") }).await.unwrap();
    assert!(!open.table.quarantined, "a policy editor said so");
}

/// R35: a deny stands on the name too: of a table, and of a namespace.
#[tokio::test]
async fn a_deny_outlives_what_it_was_set_on() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    let row = acme.table(&ns, "t").await;
    let eve = acme.person("eve").await;
    acme.grant("eve", Effect::Allow, &[Privilege::Read], GrantTarget::Warehouse(lake.warehouse.clone())).await;
    acme.grant("eve", Effect::Deny, &[Privilege::Read], GrantTarget::Table(row.table.clone())).await;
    acme.drop(&row.table).await.unwrap();
    let again = acme.table(&ns, "t").await;
    assert!(eve.try_permit(actions::LoadTable, &again.table).await.is_err());
    let away = acme.rename(&again.table, &ns, "renamed").await.unwrap();
    assert!(eve.try_permit(actions::LoadTable, &away.table).await.is_err(), "the id took the deny over");
    acme.drop(&away.table).await.unwrap();

    acme.grant("eve", Effect::Deny, &[Privilege::List], GrantTarget::Namespace(ns.clone())).await;
    let permit = acme.permit(actions::DropNamespace, &ns).await;
    world.store.drop_namespace(&permit, &stamp()).await.unwrap();
    let ns = acme.namespace(&lake, "ns").await;
    assert!(eve.try_permit(actions::LoadNamespace, &ns).await.is_err());
    let listed =
        world.store.list_root_namespaces(&eve.list_root(&lake.warehouse).await, &page(10, None)).await.unwrap();
    assert!(listed.items.is_empty());
}

/// A policy is made on the very table and document that it was compiled against, once a name.
#[tokio::test]
async fn a_policy_is_refused_when_its_table_moved_on() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let row = acme.table(&ns, "t").await;
    assert!(matches!(acme.commit(&row, "s3://lake/t1", vec![]).await, CommitOutcome::Committed(_)));
    assert_eq!(acme.mask(&row, "m").await.unwrap_err().kind(), ErrorKind::Conflict);
    let now = acme.resolve(&ns, "t").await.unwrap();
    acme.mask(&now, "m").await.unwrap();
    assert_eq!(acme.mask(&now, "m").await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    acme.drop(&now.table).await.unwrap();
    assert_eq!(acme.mask(&now, "n").await.unwrap_err().kind(), ErrorKind::NotFound);
}

/// R35: a table takes restrictions over only with the columns that it has now: if it changed since they were looked
/// at, the rename is decided again.
#[tokio::test]
async fn a_rename_onto_a_restricted_name_is_refused_when_its_table_moved_on() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let old = acme.table(&ns, "t").await;
    acme.mask(&old, "m").await.unwrap();
    acme.drop(&old.table).await.unwrap();
    let next = acme.table(&ns, "next").await;
    let CommitOutcome::Committed(_) = acme.commit(&next, "s3://lake/next/1.json", vec![]).await else {
        panic!("not committed");
    };
    let source = acme.permit(actions::RenameTable, &next.table).await;
    let target = acme.permit(actions::RenameInto, &ns).await;
    let now = stamp();
    let (store, seen) = (&world.store, &next.metadata_location);
    let rename = |name: &'static str| store.rename_table(&source, &target, name, seen, vec![], &now);
    assert!(is_stale(&rename("t").await.unwrap_err()));
    assert!(acme.resolve(&ns, "next").await.is_some());
    // Where no policy stands, there is nothing to bind.
    rename("free").await.unwrap();
}
