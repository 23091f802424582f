//! Principals, keys, roles and grants.

use std::collections::BTreeMap;

use polder_policy::{Audience, Effect, Privilege, actions};
use polder_store::{GrantTarget, NewGrants, NewKey, PageRequest};
use polder_types::{Attribute, ErrorKind, Micros, Scopes, Secret};

use super::world::{NOW, World, mask_of, stamp};

/// S-020: a revoked key is dead for the next look, and can be revoked once (R23).
#[tokio::test]
async fn revoking_a_key_works_at_once() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let eve = acme.person("eve").await;
    let store = &world.store;
    assert_eq!(store.verify_key(&eve.key, &eve.secret).await.unwrap(), Some(acme.tenant.clone()));
    store.revoke_key(&acme.admin(actions::ManageKeys).await, &eve.key, &stamp()).await.unwrap();
    assert_eq!(store.verify_key(&eve.key, &eve.secret).await.unwrap(), None);
    let snapshot = store.policy_snapshot(&acme.tenant).await.unwrap().unwrap();
    assert!(snapshot.authenticate(&eve.key, None, NOW).is_none(), "tokens of the key die with it");
    let again = store.revoke_key(&acme.admin(actions::ManageKeys).await, &eve.key, &stamp()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
    let listed = store.list_keys(&acme.admin(actions::ListAccess).await, &PageRequest::default()).await.unwrap().items;
    let row = listed.iter().find(|row| row.id == eve.key).unwrap();
    assert_eq!(row.revoked_at, Some(NOW));
    assert!(eve.secret.expose().starts_with(&row.prefix) && row.prefix.len() < 30);
}

/// S-020: wrong, cut, extended, re-checksummed and foreign secrets are refused; a bad checksum costs no statement.
#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let (store, good) = (&world.store, acme.secret.expose().to_owned());
    assert!(store.verify_key(&acme.key, &acme.secret).await.unwrap().is_some());
    let before = store.statements();
    let mut bad = vec![String::new(), "polder_".into(), good.to_uppercase(), format!("{good}0"), format!(" {good}")];
    bad.extend((0..good.len()).map(|at| {
        let mut text = good.clone().into_bytes();
        text[at] = if text[at] == b'a' { b'b' } else { b'a' };
        String::from_utf8(text).unwrap()
    }));
    bad.push(good[..good.len() - 1].to_owned());
    for text in bad {
        assert_eq!(store.verify_key(&acme.key, &Secret::new(text.clone())).await.unwrap(), None, "{text}");
    }
    assert_eq!(store.statements(), before);
    let head = good.rsplit_once('_').unwrap().0;
    let at = head.len() - 1;
    let guess = format!("{}{}", &head[..at], if head.ends_with('A') { "B" } else { "A" });
    let guess = format!("{guess}_{:08x}", crc32fast::hash(guess.as_bytes()));
    assert_eq!(store.verify_key(&acme.key, &Secret::new(guess)).await.unwrap(), None, "a right checksum is no secret");
    assert_eq!(store.verify_key(&world.operator.key, &acme.secret).await.unwrap(), None);
}

/// S-020: expiry is checked against the caller's clock; last use is noted; every secret is another one.
#[tokio::test]
async fn keys_expire_and_note_their_use() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let store = &world.store;
    let end = NOW.plus_seconds(60);
    let new = |expires_at| NewKey { principal: "admin".into(), scopes: Scopes::data(), expires_at };
    let past = store.create_key(&acme.admin(actions::ManageKeys).await, new(Some(NOW)), &stamp()).await.unwrap_err();
    assert_eq!(past.kind(), ErrorKind::Invalid);
    let issued = store.create_key(&acme.admin(actions::ManageKeys).await, new(Some(end)), &stamp()).await.unwrap();
    assert_ne!(issued.secret.expose(), acme.secret.expose());
    let snapshot = store.policy_snapshot(&acme.tenant).await.unwrap().unwrap();
    assert!(snapshot.authenticate(&issued.key.id, None, NOW).is_some());
    assert!(snapshot.authenticate(&issued.key.id, None, end).is_none());
    store.verify_key(&issued.key.id, &issued.secret).await.unwrap().unwrap();
    let later = Micros(NOW.0 + 5);
    store.flush_counted(later).await.unwrap();
    let listed = store.list_keys(&acme.admin(actions::ListAccess).await, &PageRequest::default()).await.unwrap().items;
    let used: Vec<_> = listed.iter().map(|row| (row.id.clone(), row.last_used_at)).collect();
    assert!(used.contains(&(issued.key.id, Some(later))) && used.contains(&(acme.key.clone(), None)));
}

/// A disabled principal cannot authenticate, a deleted one is gone with its keys.
#[tokio::test]
async fn principals_are_disabled_and_deleted() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let eve = acme.person("eve").await;
    let store = &world.store;
    let attributes = BTreeMap::from([("region".to_owned(), Attribute::Text("us".into()))]);
    let access = async || acme.admin(actions::ManageAccess).await;
    let row =
        store.update_principal(&access().await, "eve", Some(false), Some(attributes.clone()), &stamp()).await.unwrap();
    assert_eq!((row.enabled, &row.attributes, row.roles.as_slice()), (false, &attributes, &["eve".to_owned()][..]));
    let alive = async || {
        let snapshot = store.policy_snapshot(&acme.tenant).await.unwrap().unwrap();
        snapshot.authenticate(&eve.key, None, NOW).is_some()
    };
    assert!(!alive().await);
    store.update_principal(&access().await, "eve", Some(true), None, &stamp()).await.unwrap();
    assert!(alive().await);
    assert_eq!(eve.principal().await.attributes.as_ref(), &attributes);
    store.delete_principal(&access().await, "eve", &stamp()).await.unwrap();
    assert!(!alive().await);
    assert_eq!(store.verify_key(&eve.key, &eve.secret).await.unwrap(), None);
    let gone = store.show_principal(&acme.admin(actions::ListAccess).await, "eve").await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

/// R23: taking away says what was taken; taking away what is not there is 404.
#[tokio::test]
async fn taking_away_reports_what_it_changed() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    acme.person("eve").await;
    let store = &world.store;
    let access = async || acme.admin(actions::ManageAccess).await;
    let target = GrantTarget::Namespace(ns.clone());
    let ids = acme.grant("eve", Effect::Deny, &[Privilege::Read, Privilege::Write], target.clone()).await;
    let new = NewGrants {
        role: "eve".into(),
        effect: Effect::Deny,
        privileges: vec![Privilege::Drop, Privilege::Read],
        on: target,
    };
    let twice = store.add_grants(&access().await, new, &stamp()).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::AlreadyExists);
    let list = acme.admin(actions::ListAccess).await;
    let listed = store.list_grants(&list, &PageRequest::default()).await.unwrap().items;
    assert_eq!(listed.iter().filter(|row| row.role_name == "eve").count(), 2, "all or none");
    let removed = store.remove_grant(&access().await, ids[0], &stamp()).await.unwrap();
    assert_eq!((removed.privilege, removed.effect), (Privilege::Read, Effect::Deny));
    assert_eq!((removed.warehouse, removed.namespace), (Some(lake.warehouse.name.clone()), Some(ns.name.clone())));
    let again = store.remove_grant(&access().await, ids[0], &stamp()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
    assert!(!store.assign_role(&access().await, "eve", "eve", &stamp()).await.unwrap(), "it had the role");
    store.unassign_role(&access().await, "eve", "eve", &stamp()).await.unwrap();
    let again = store.unassign_role(&access().await, "eve", "eve", &stamp()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
}

/// A role that a policy is for cannot be deleted: the policy would hold for nobody.
#[tokio::test]
async fn a_role_that_a_policy_is_for_stays() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let eve = acme.person("eve").await;
    let role = eve.principal().await.roles[0];
    let row = acme.table(&ns, "t").await;
    let new = mask_of(&row, "m", Audience::Roles(vec![role]));
    let store = &world.store;
    store.create_policy(&acme.admin(actions::ManagePolicies).await, new, &stamp()).await.unwrap();
    let access = async || acme.admin(actions::ManageAccess).await;
    let error = store.delete_role(&access().await, "eve", &stamp()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "role_in_use"));
    store.delete_policy(&acme.admin(actions::ManagePolicies).await, "m", &stamp()).await.unwrap();
    store.delete_role(&access().await, "eve", &stamp()).await.unwrap();
    assert!(eve.principal().await.roles.is_empty());
}
