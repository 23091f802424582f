//! The audit trail: one record for each version of each object, in the mutation's transaction, without secrets.

use std::collections::{BTreeMap, BTreeSet};

use polder_policy::{Effect, Privilege, actions};
use polder_store::{
    AuditDetail, AuditFilter, AuditObject, AuditRecord, CommitOutcome, CountedEvent, Decision, GrantTarget, PageRequest,
};
use polder_types::{Caller, ErrorKind, Subject};

use super::world::{NOW, Who, World, namespace, page, stamp};

/// Does everything that changes something, once at least; answers the secrets that came by.
async fn everything(world: &World) -> (Who, Vec<String>) {
    let (acme, lake, ns) = world.acme().await;
    let store = &world.store;
    let eve = acme.person("eve").await;
    let permit = acme.permit(actions::UpdateNamespace, &ns).await;
    let set = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
    store.update_namespace_properties(&permit, vec![], set, &stamp()).await.unwrap();
    let permit = acme.permit(actions::CreateNamespace, &ns).await;
    let inner = store.create_namespace(&permit, &namespace(&["ns", "i"]), BTreeMap::new(), &stamp()).await.unwrap();
    store.drop_namespace(&acme.permit(actions::DropNamespace, &inner.namespace).await, &stamp()).await.unwrap();
    let (t, u) = (acme.table(&ns, "t").await, acme.table(&ns, "u").await);
    acme.mask(&t, "m").await.unwrap();
    let v = acme.table(&ns, "v").await;
    store.release_table(&acme.permit(actions::ReleaseTable, &v.table).await, &stamp()).await.unwrap();
    let swaps = vec![acme.swap(&t, "s3://lake/t1", vec![]).await, acme.swap(&u, "s3://lake/u1", vec![]).await];
    assert!(matches!(store.commit_tables(swaps, Vec::new(), &stamp()).await, CommitOutcome::Committed(_)));
    let u = acme.rename(&u.table, &ns, "w").await.unwrap();
    acme.grant("eve", Effect::Allow, &[Privilege::Read, Privilege::Write], GrantTarget::Table(u.table.clone())).await;
    let deny =
        acme.grant("eve", Effect::Deny, &[Privilege::Drop], GrantTarget::Warehouse(lake.warehouse.clone())).await;
    acme.drop(&u.table).await.unwrap();
    let access = async || acme.admin(actions::ManageAccess).await;
    store.remove_grant(&access().await, deny[0], &stamp()).await.unwrap();
    store.update_principal(&access().await, "eve", Some(false), None, &stamp()).await.unwrap();
    store.unassign_role(&access().await, "eve", "eve", &stamp()).await.unwrap();
    store.assign_role(&access().await, "admin", "eve", &stamp()).await.unwrap();
    for (role, subject) in [("admin", "eve"), ("eve", "admin"), ("eve", "eve")] {
        assert!(store.allow_impersonation(&access().await, role, subject, &stamp()).await.unwrap());
    }
    store.revoke_impersonation(&access().await, "eve", "admin", &stamp()).await.unwrap();
    store.delete_role(&access().await, "eve", &stamp()).await.unwrap();
    let bob = acme.person("bob").await;
    store.revoke_key(&acme.admin(actions::ManageKeys).await, &bob.key, &stamp()).await.unwrap();
    store.delete_principal(&access().await, "eve", &stamp()).await.unwrap();
    store.delete_policy(&acme.admin(actions::ManagePolicies).await, "m", &stamp()).await.unwrap();
    let extra = acme.warehouse("extra").await;
    let permit = acme.admin(actions::ManageWarehouses).await;
    store.delete_warehouse(&permit, &extra.warehouse.name, &stamp()).await.unwrap();
    let secrets = [&eve, &bob, &acme].map(|who| who.secret.expose().to_owned()).to_vec();
    (acme, secrets)
}

/// every mutation has left its record, attributed to the principal, one for each object version
/// without a gap.
#[tokio::test]
async fn every_mutation_leaves_one_record_for_each_version() {
    let world = World::new().await;
    let (acme, _) = everything(&world).await;
    let rows = acme.audit().await;
    let actions: BTreeSet<&str> = rows.iter().map(|row| row.action.as_str()).collect();
    let expected = [
        "add_grant",
        "allow_impersonation",
        "assign_role",
        "commit_table",
        "commit_transaction",
        "create_key",
        "create_namespace",
        "create_policy",
        "create_principal",
        "create_role",
        "create_table",
        "create_tenant",
        "create_warehouse",
        "delete_key",
        "delete_policy",
        "delete_principal",
        "delete_role",
        "delete_warehouse",
        "drop_namespace",
        "drop_table",
        "release_table",
        "remove_grant",
        "rename_table",
        "revoke_impersonation",
        "revoke_key",
        "unassign_role",
        "update_namespace",
        "update_principal",
    ];
    assert_eq!(actions, BTreeSet::from(expected));
    let mut versions: BTreeMap<(String, String), Vec<i64>> = BTreeMap::new();
    for row in &rows {
        assert!(row.principal.is_some() && row.principal_name.as_deref() == Some("admin"), "{row:?}");
        assert_eq!((row.decision.as_str(), row.count), ("allow", 1));
        if let (Some(id), Some(version)) = (&row.object_id, row.object_version) {
            versions.entry((row.subject.clone(), id.clone())).or_default().push(version);
        }
    }
    for (object, mut of_object) in versions {
        of_object.sort_unstable();
        let complete: Vec<i64> = (1..=i64::try_from(of_object.len()).unwrap()).collect();
        assert_eq!(of_object, complete, "{object:?}");
    }
}

/// a change that is refused leaves no record, and one that is rolled back none either.
#[tokio::test]
async fn a_refused_change_leaves_no_record() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    acme.table(&ns, "t").await;
    let before = acme.audit().await.len();
    assert!(acme.try_table(&ns, acme.new_table(&ns, "t")).await.is_err());
    let access = acme.admin(actions::ManageAccess).await;
    assert!(world.store.create_role(&access, "admin", &stamp()).await.is_err());
    assert_eq!(acme.audit().await.len(), before);
}

/// no secret is in the audit, nor anywhere else in the database files.
#[tokio::test]
async fn no_secret_is_anywhere_in_the_database() {
    let world = World::new().await;
    let (acme, mut secrets) = everything(&world).await;
    let record = AuditRecord {
        tenant: Some(acme.tenant.clone()),
        at: NOW,
        request: stamp().request,
        caller: None,
        action: "query",
        object: AuditObject { subject: Subject::Table, id: None, name: format!("t {} x", secrets[0]), version: None },
        decision: Decision::Deny,
        reason: Some("privilege"),
        policy_version: None,
        detail: AuditDetail::Query {
            fingerprint: String::new(),
            tables: vec![secrets[1].clone()],
            policies: vec![],
            rows: 0,
            truncated: false,
        },
    };
    world.store.record_strict(record).await.unwrap();
    assert_eq!(acme.audit().await[0].object_name, "t [redacted] x");
    secrets.push(world.operator.secret.expose().to_owned());
    let key = world.store.signing_key().bytes().to_vec();
    world.store.close().await;
    let mut places = 0;
    for bytes in super::contents(&world.dir) {
        places += 1;
        for secret in &secrets {
            // Not the whole text only: the random part by itself must not be there either.
            let body = &secret.as_bytes()["polder_".len() + 21..];
            assert!(!bytes.windows(12).any(|window| window == &body[..12]));
        }
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!bytes.windows(key.len()).any(|window| window == key));
        assert!(!bytes.windows(hex.len()).any(|window| window == hex.as_bytes()));
    }
    assert!(places >= 2);
}

fn event(who: &Who, object: &str, decision: Decision) -> CountedEvent {
    CountedEvent {
        tenant: Some(who.tenant.clone()),
        at: NOW,
        request: stamp().request,
        caller: Some(Caller::plain(polder_types::PrincipalId(uuid::Uuid::from_u128(1)), "eve")),
        action: "load_table",
        subject: Subject::Table,
        object: object.to_owned(),
        decision,
        reason: (decision == Decision::Deny).then_some("privilege"),
        policy_version: 1,
    }
}

/// A-042, F14: counts are exact, one record a kind, also when there are more kinds than memory holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counted_events_are_exact() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let before = acme.audit().await.len();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let acme = acme.clone();
            tokio::spawn(async move {
                for index in 0..1_000 {
                    let decision = if index % 4 == 0 { Decision::Deny } else { Decision::Allow };
                    acme.store.count(event(&acme, &format!("t{}", index % 2), decision));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    world.store.flush_counted(NOW).await.unwrap();
    world.store.flush_counted(NOW).await.unwrap();
    let rows = acme.audit().await;
    assert_eq!(rows.len() - before, 3);
    let counted: BTreeSet<_> = rows
        .iter()
        .filter(|row| row.action == "load_table")
        .map(|row| (row.object_name.as_str(), row.decision.as_str(), row.reason.as_deref(), row.count))
        .collect();
    let deny = Some("privilege");
    assert_eq!(
        counted,
        BTreeSet::from([("t0", "allow", None, 1_000), ("t0", "deny", deny, 1_000), ("t1", "allow", None, 2_000)])
    );

    for index in 0..10_500 {
        world.store.count(event(&acme, &format!("u{index}"), Decision::Allow));
    }
    world.store.close().await;
    if !super::SHARED {
        assert!(World::open(&world.dir).await.is_err(), "the first store still holds the file");
    }
    let World { dir, store, operator } = world;
    let tenant = acme.tenant.clone();
    let (key, secret) = (acme.key.clone(), acme.secret.clone());
    drop((store, operator, acme));
    let store = World::open(&dir).await.unwrap();
    let acme = Who { store, tenant, key, secret };
    let total: i64 =
        acme.audit().await.iter().filter(|row| row.object_name.starts_with('u')).map(|row| row.count).sum();
    assert_eq!(total, 10_500);
}

/// Records are found by their parts, page by page, newest first; a filter's token is not another filter's.
#[tokio::test]
async fn the_trail_is_filtered_and_paged() {
    let world = World::new().await;
    let (acme, _) = everything(&world).await;
    let permit = acme.admin(actions::ReadAudit).await;
    let filter = AuditFilter { action: Some("create_table".into()), ..AuditFilter::default() };
    let first = world.store.list_audit(&permit, &filter, &page(2, None)).await.unwrap();
    assert_eq!(first.items.len(), 2);
    let second = world.store.list_audit(&permit, &filter, &page(2, first.next.clone())).await.unwrap();
    assert_eq!((second.items.len(), second.next.is_none()), (1, true));
    assert!(first.items.iter().chain(&second.items).all(|row| row.action == "create_table"));
    assert!(first.items[0].id > first.items[1].id && first.items[1].id > second.items[0].id);
    let other = world.store.list_audit(&permit, &AuditFilter::default(), &page(2, first.next)).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Invalid);
    let denied = AuditFilter { decision: Some(Decision::Deny), ..AuditFilter::default() };
    assert!(world.store.list_audit(&permit, &denied, &PageRequest::default()).await.unwrap().items.is_empty());
    let by_request = AuditFilter { request: Some(stamp().request), ..AuditFilter::default() };
    assert!(world.store.list_audit(&permit, &by_request, &PageRequest::default()).await.unwrap().items.is_empty());
    let since = AuditFilter { since: Some(NOW.plus_seconds(1)), ..AuditFilter::default() };
    assert!(world.store.list_audit(&permit, &since, &PageRequest::default()).await.unwrap().items.is_empty());
}
