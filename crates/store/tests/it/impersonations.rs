//! Whose holders may act for whose: kept with the role, read with the policy, and both on record.

use polder_policy::{Action, Effect, Permit, Privilege, actions, authorize};
use polder_store::{Claim, CountedEvent, Decision, GrantTarget, PageRequest, Purge};
use polder_types::{ErrorKind, Subject};
use uuid::Uuid;

use super::world::{NOW, Who, World, stamp};

/// A permit of somebody, held by who acts for it.
async fn permit<A: Action>(actor: &Who, subject: &str, action: A, on: &A::Resource) -> Option<Permit<A>> {
    let snapshot = actor.store.policy_snapshot(&actor.tenant).await.unwrap().unwrap();
    let principal = snapshot.impersonate(&actor.principal().await, subject, NOW).ok()?;
    Some(authorize(&snapshot, &principal, action, on).unwrap())
}

/// R18, R23, R38: a right is there once, is shown, and is gone with what it was; of another tenant it is nothing.
#[tokio::test]
async fn a_right_comes_and_goes() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let (trino, eve) = (acme.person("trino").await, acme.person("eve").await);
    acme.grant("trino", Effect::Allow, &[Privilege::Read], GrantTarget::Namespace(ns.clone())).await;
    acme.grant("eve", Effect::Allow, &[Privilege::Read], GrantTarget::Namespace(ns.clone())).await;
    let store = &world.store;
    let access = async || acme.admin(actions::ManageAccess).await;
    assert!(permit(&trino, "eve", actions::LoadNamespace, &ns).await.is_none());
    for expected in [true, false] {
        let changed = store.allow_impersonation(&access().await, "trino", "eve", &stamp()).await.unwrap();
        assert_eq!(changed, expected);
    }
    assert!(permit(&trino, "eve", actions::LoadNamespace, &ns).await.is_some());
    assert!(permit(&eve, "trino", actions::LoadNamespace, &ns).await.is_none());
    let list = acme.admin(actions::ListAccess).await;
    let roles = store.list_roles(&list, &PageRequest::default()).await.unwrap().items;
    let shown: Vec<_> = roles.iter().filter(|role| !role.impersonates.is_empty()).collect();
    assert_eq!((shown.len(), shown[0].name.as_str(), &shown[0].impersonates), (1, "trino", &vec!["eve".to_owned()]));
    let other = world.tenant("umbra").await;
    for name in ["trino", "eve"] {
        other.person(name).await;
    }
    let foreign = other.admin(actions::ManageAccess).await;
    let error = store.revoke_impersonation(&foreign, "trino", "eve", &stamp()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    store.revoke_impersonation(&access().await, "trino", "eve", &stamp()).await.unwrap();
    assert!(permit(&trino, "eve", actions::LoadNamespace, &ns).await.is_none());
    let error = store.revoke_impersonation(&access().await, "trino", "eve", &stamp()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// A-050, R38: who acts is on record beside for whom: of a mutation, of a job that it leaves behind, and of what is counted.
#[tokio::test]
async fn records_name_both() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let trino = acme.person("trino").await;
    acme.person("eve").await;
    for role in ["trino", "eve"] {
        acme.grant(role, Effect::Allow, &[Privilege::Drop, Privilege::Read], GrantTarget::Namespace(ns.clone())).await;
    }
    let table = acme.table(&ns, "t").await;
    let store = &world.store;
    let access = acme.admin(actions::ManageAccess).await;
    store.allow_impersonation(&access, "trino", "eve", &stamp()).await.unwrap();
    let drop = permit(&trino, "eve", actions::DropTable, &table.table).await.unwrap();
    store.drop_table(&drop, Some(Purge::default()), &stamp()).await.unwrap();
    let Claim::Job(job) = store.claim_job(Uuid::from_u128(1), NOW).await.unwrap() else { panic!("no job") };
    assert_eq!(&job.row.asked_by, drop.caller());
    store.finish_job(&job, NOW, 1, true).await.unwrap();
    let of = |caller| CountedEvent {
        tenant: Some(acme.tenant.clone()),
        at: NOW,
        request: stamp().request,
        caller: Some(caller),
        action: "load_table",
        subject: Subject::Table,
        object: "ns.t".to_owned(),
        decision: Decision::Allow,
        reason: None,
        policy_version: 1,
    };
    let alone = polder_types::Caller { actor: None, ..drop.caller().clone() };
    for caller in [drop.caller(), &alone, drop.caller()] {
        store.count(of(caller.clone()));
    }
    store.flush_counted(NOW).await.unwrap();
    let mut found: Vec<_> =
        acme.audit().await.into_iter().filter(|row| row.principal == Some(drop.principal())).collect();
    found.sort_by(|a, b| (&a.action, a.count).cmp(&(&b.action, b.count)));
    let found: Vec<_> = found.iter().map(|row| (row.action.as_str(), row.actor.clone(), row.count)).collect();
    let actor = drop.caller().actor.clone();
    assert!(actor.as_ref().is_some_and(|actor| actor.name.as_ref() == "trino"));
    let expected = [
        ("drop_table", actor.clone(), 1),
        ("load_table", None, 1),
        ("load_table", actor.clone(), 2),
        ("purge_table", actor, 1),
    ];
    assert_eq!(found, expected);
}
