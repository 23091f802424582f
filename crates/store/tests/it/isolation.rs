//! A-001 at the store: with one tenant's permit, nothing of another tenant is reached, whatever ids are known.

use std::collections::BTreeMap;

use polder_policy::{Effect, NamespaceRef, Privilege, TableRef, TenantRef, WarehouseRef, actions};
use polder_store::{CommitOutcome, GrantTarget, NewGrants, NewKey, NewPrincipal, PageRequest};
use polder_types::{ErrorKind, PrincipalKind, Scopes};

use super::world::{Who, World, mask_of, namespace, stamp};

/// Two tenants with the same names everywhere.
struct Twins {
    world: World,
    acme: Who,
    rival: Who,
    mine: TableRef,
    theirs: TableRef,
}

async fn twins() -> Twins {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let mine = acme.table(&ns, "t").await.table.clone();
    acme.mask(&acme.resolve(&ns, "t").await.unwrap(), "m").await.unwrap();
    acme.person("eve").await;
    let rival = world.tenant("rival").await;
    let lake = rival.warehouse("lake").await;
    let ns = rival.namespace(&lake, "ns").await;
    let theirs = rival.table(&ns, "t").await.table.clone();
    Twins { world, acme, rival, mine, theirs }
}

/// A reference that claims to be of `tenant` but carries the other tenant's ids.
fn forged(table: &TableRef, tenant: &Who) -> TableRef {
    let warehouse =
        WarehouseRef { tenant: TenantRef { id: tenant.tenant.clone() }, ..table.namespace.warehouse.clone() };
    TableRef { namespace: NamespaceRef { warehouse, ..table.namespace.clone() }, ..table.clone() }
}

/// the kernel makes no permit for another tenant's object at all.
#[tokio::test]
async fn no_permit_is_made_for_another_tenants_object() {
    let Twins { rival, mine, .. } = twins().await;
    assert!(rival.try_permit(actions::LoadTable, &mine).await.is_err());
    assert!(rival.try_permit(actions::DropNamespace, &mine.namespace).await.is_err());
    assert!(rival.try_permit(actions::GetConfig, &mine.namespace.warehouse).await.is_err());
}

/// resolving with another tenant's ids under one's own tenant finds nothing, warm or cold.
#[tokio::test]
async fn resolving_with_foreign_ids_finds_nothing() {
    let Twins { world, acme, rival, mine, .. } = twins().await;
    let (store, forged) = (&world.store, forged(&mine, &rival));
    for _ in 0..2 {
        assert!(acme.resolve(&mine.namespace, "t").await.is_some(), "its owner finds it");
        assert!(store.resolve_namespace(&forged.namespace.warehouse, &mine.namespace.name).await.unwrap().is_none());
        assert!(store.resolve_table(&forged.namespace.warehouse, &mine.ident()).await.unwrap().is_none());
    }
    let own = store.resolve_warehouse(&rival.tenant, &mine.namespace.warehouse.name).await.unwrap().unwrap();
    assert_ne!(own.warehouse.id, mine.namespace.warehouse.id);
    let known = store.verify_key(&acme.key, &rival.secret).await.unwrap();
    assert!(known.is_none(), "a key opens with its own secret only");
    assert_eq!(store.verify_key(&acme.key, &acme.secret).await.unwrap(), Some(acme.tenant.clone()));
}

/// a permit forged over foreign ids changes nothing in the tables and namespaces of their owner.
#[tokio::test]
async fn no_mutation_reaches_a_foreign_table_or_namespace() {
    let Twins { world, acme, rival, mine, theirs } = twins().await;
    let (store, forged) = (&world.store, forged(&mine, &rival));
    let before = acme.resolve(&mine.namespace, "t").await.unwrap();
    let audit_before = acme.audit().await.len();

    assert_eq!(rival.drop(&forged).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(rival.rename(&forged, &forged.namespace, "u").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(rival.rename(&theirs, &theirs.namespace, "t").await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let mut row = before.as_ref().clone();
    row.table = forged.clone();
    assert!(matches!(rival.commit(&row, "s3://x/y", vec![]).await, CommitOutcome::Lost(_)));
    let release = rival.permit(actions::ReleaseTable, &forged).await;
    assert_eq!(store.release_table(&release, &stamp()).await.unwrap_err().kind(), ErrorKind::NotFound);
    let new = rival.new_table(&theirs.namespace, "u");
    assert_eq!(rival.try_table(&forged.namespace, new).await.unwrap_err().kind(), ErrorKind::NotFound);
    let permit = rival.permit(actions::DropNamespace, &forged.namespace).await;
    assert_eq!(store.drop_namespace(&permit, &stamp()).await.unwrap_err().kind(), ErrorKind::NotFound);
    let permit = rival.permit(actions::UpdateNamespace, &forged.namespace).await;
    let update =
        store.update_namespace_properties(&permit, vec![], BTreeMap::from([("a".into(), "b".into())]), &stamp()).await;
    assert_eq!(update.unwrap_err().kind(), ErrorKind::NotFound);
    let permit = rival.permit(actions::CreateNamespace, &forged.namespace).await;
    let inner = store.create_namespace(&permit, &namespace(&["ns", "x"]), BTreeMap::new(), &stamp()).await;
    assert_eq!(inner.unwrap_err().kind(), ErrorKind::NotFound);
    let permit = rival.permit(actions::CreateRootNamespace, &forged.namespace.warehouse).await;
    let root = store.create_root_namespace(&permit, &namespace(&["x"]), BTreeMap::new(), &stamp()).await;
    assert_eq!(root.unwrap_err().kind(), ErrorKind::NotFound);

    let after = acme.resolve(&mine.namespace, "t").await.unwrap();
    assert_eq!((before.version, &before.metadata_location), (after.version, &after.metadata_location));
    assert_eq!(before.table, after.table);
    assert_eq!(acme.audit().await.len(), audit_before);
}

/// lists over foreign ids are empty; lists of the tenant show its own.
#[tokio::test]
async fn lists_show_ones_own_only() {
    let Twins { world, acme, rival, mine, .. } = twins().await;
    let (store, forged, all) = (&world.store, forged(&mine, &rival), PageRequest::default());
    let permit = rival.list(actions::ListTables, &forged.namespace).await;
    assert!(store.list_tables(&permit, &all).await.unwrap().items.is_empty());
    let permit = rival.list(actions::ListNamespaces, &forged.namespace).await;
    assert!(store.list_namespaces(&permit, &all).await.unwrap().items.is_empty());
    let permit = rival.list_root(&forged.namespace.warehouse).await;
    assert!(store.list_root_namespaces(&permit, &all).await.unwrap().items.is_empty());
    let access = rival.admin(actions::ListAccess).await;
    let names: Vec<_> = store.list_principals(&access, &all).await.unwrap().items.into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["admin"]);
    assert_eq!(store.show_principal(&access, "eve").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.list_roles(&access, &all).await.unwrap().items.len(), 1);
    assert_eq!(store.list_keys(&access, &all).await.unwrap().items.len(), 1);
    let grants = store.list_grants(&access, &all).await.unwrap().items;
    assert!(grants.iter().all(|grant| grant.role_name == "admin"));
    assert_eq!(grants.len(), Privilege::ALL.len() - 1, "all but creating tenants");
    let policies = rival.admin(actions::ListPolicies).await;
    assert!(store.list_policies(&policies, &all).await.unwrap().items.is_empty());
    assert_eq!(store.show_policy(&policies, "m").await.unwrap_err().kind(), ErrorKind::NotFound);
    let warehouses = rival.admin(actions::ListWarehouses).await;
    let found = store.list_warehouses(&warehouses, &all).await.unwrap().items;
    assert!(found.iter().all(|row| row.warehouse.tenant.id == rival.tenant) && found.len() == 1);
    let mine: Vec<_> = acme.audit().await.into_iter().map(|row| row.id).collect();
    assert!(rival.audit().await.iter().all(|row| !mine.contains(&row.id)));
}

/// administration by name or id stays in the tenant of the permit.
#[tokio::test]
async fn administration_does_not_reach_another_tenant() {
    let Twins { world, acme, rival, mine, theirs } = twins().await;
    let store = &world.store;
    let grant = acme.grant("eve", Effect::Allow, &[Privilege::Read], GrantTarget::Table(mine.clone())).await[0];
    let version = world.store.resolve_tenant(&acme.tenant).await.unwrap().unwrap().version;
    let access = async || rival.admin(actions::ManageAccess).await;
    let not_found = |error: polder_types::Error| assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    not_found(store.update_principal(&access().await, "eve", Some(false), None, &stamp()).await.unwrap_err());
    not_found(store.delete_principal(&access().await, "eve", &stamp()).await.unwrap_err());
    not_found(store.delete_role(&access().await, "eve", &stamp()).await.unwrap_err());
    not_found(store.assign_role(&access().await, "admin", "eve", &stamp()).await.unwrap_err());
    not_found(store.unassign_role(&access().await, "eve", "admin", &stamp()).await.unwrap_err());
    not_found(store.remove_grant(&access().await, grant, &stamp()).await.unwrap_err());
    for on in [
        GrantTarget::Table(mine.clone()),
        GrantTarget::Namespace(mine.namespace.clone()),
        GrantTarget::Warehouse(mine.namespace.warehouse.clone()),
    ] {
        let new = NewGrants { role: "admin".into(), effect: Effect::Allow, privileges: vec![Privilege::Read], on };
        not_found(store.add_grants(&access().await, new, &stamp()).await.unwrap_err());
    }
    let keys = rival.admin(actions::ManageKeys).await;
    not_found(store.revoke_key(&keys, &acme.key, &stamp()).await.unwrap_err());
    let new = NewKey { principal: "eve".into(), scopes: Scopes::all(), expires_at: None };
    not_found(store.create_key(&keys, new, &stamp()).await.unwrap_err());
    let policies = rival.admin(actions::ManagePolicies).await;
    not_found(store.delete_policy(&policies, "m", &stamp()).await.unwrap_err());
    let row = rival.resolve(&theirs.namespace, "t").await.unwrap();
    let mut foreign = mask_of(&row, "n", polder_policy::Audience::Everyone);
    foreign.target.relation = mine.id;
    not_found(store.create_policy(&policies, foreign, &stamp()).await.unwrap_err());
    let role = acme.principal().await.roles[0];
    let foreign = mask_of(&row, "n", polder_policy::Audience::Roles(vec![role]));
    not_found(store.create_policy(&policies, foreign, &stamp()).await.unwrap_err());
    assert_eq!(store.resolve_tenant(&acme.tenant).await.unwrap().unwrap().version, version);
}

/// Creating tenants is the operator's alone, and a tenant's name is taken once.
#[tokio::test]
async fn only_the_operator_makes_tenants() {
    let Twins { world, acme, .. } = twins().await;
    let on = TenantRef { id: acme.tenant.clone() };
    assert!(acme.try_permit(actions::ManageTenants, &on).await.is_err());
    assert!(acme.try_permit(actions::ListTenants, &on).await.is_err());
    let permit = world.operator.admin(actions::ManageTenants).await;
    let taken = world.store.create_tenant(&permit, &acme.tenant, "admin", &stamp()).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    let list = world.operator.admin(actions::ListTenants).await;
    let listed = world.store.list_tenants(&list, &PageRequest::default()).await.unwrap().items;
    let ids: Vec<_> = listed.iter().map(|row| row.tenant.id.as_str().to_owned()).collect();
    assert_eq!(ids, ["acme", "operator", "rival"]);
    let again = world.store.bootstrap(&"second".parse().unwrap(), "admin", &stamp()).await.unwrap();
    assert!(again.is_none(), "bootstrap works once");
    let bad = NewPrincipal { name: "a/b".into(), kind: PrincipalKind::User, attributes: BTreeMap::new() };
    let access = acme.admin(actions::ManageAccess).await;
    assert_eq!(world.store.create_principal(&access, bad, &stamp()).await.unwrap_err().kind(), ErrorKind::Invalid);
}
