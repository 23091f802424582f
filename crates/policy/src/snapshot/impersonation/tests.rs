use polder_types::{Attribute, KeyId, PrincipalKind, RoleId, Scope};
use uuid::Uuid;

use super::*;
use crate::{EXTERNAL_SUBJECT, KeyRecord, SnapshotParts, fixture::role};

const TRINO: u128 = 1;
const ANN: u128 = 2;
const BEN: u128 = 3;

fn id(n: u128) -> PrincipalId {
    PrincipalId(Uuid::from_u128(n))
}

fn key() -> KeyId {
    "pk_aaaaaaaaaaaaaaaaaaaa".parse().unwrap()
}

fn person(n: u128, name: &str, roles: &[u128]) -> PrincipalRecord {
    PrincipalRecord {
        id: id(n),
        name: name.into(),
        kind: PrincipalKind::Service,
        enabled: true,
        roles: roles.iter().copied().map(role).collect(),
        attributes: Arc::default(),
    }
}

fn linked(record: PrincipalRecord, subject: &str) -> PrincipalRecord {
    let attribute = (EXTERNAL_SUBJECT.to_owned(), Attribute::Text(subject.to_owned()));
    PrincipalRecord { attributes: Arc::new([attribute].into()), ..record }
}

/// The holders of role 1 (`trino`) may act for those of role 2 (`ann`); nobody for `ben`.
fn parts() -> SnapshotParts {
    let scopes = Scopes::data().with(Scope::AdminAccess);
    SnapshotParts {
        tenant: "acme".parse().unwrap(),
        version: 3,
        operator: false,
        principals: vec![person(TRINO, "trino", &[1]), person(ANN, "ann", &[2, 5]), person(BEN, "ben", &[3])],
        keys: vec![KeyRecord { id: key(), principal: id(TRINO), scopes, expires_at: Some(Micros(100)) }],
        roles: vec![],
        impersonations: vec![(role(1), role(2))],
        grants: vec![],
        restrictions: vec![],
    }
}

fn impersonate(parts: SnapshotParts, text: &str) -> Result<Principal, &'static str> {
    let snapshot = PolicySnapshot::new(parts);
    let trino = snapshot.authenticate(&key(), None, Micros(0)).unwrap();
    snapshot.impersonate(&trino, text, Micros(0)).map_err(|denial| denial.as_str())
}

/// R38: the subject's rights and attributes, the actor beside it, and no scope that administers.
#[test]
fn the_subject_has_its_actor_beside_it() {
    let ann = impersonate(parts(), "ann").unwrap();
    assert_eq!((ann.id, &*ann.roles), (id(ANN), &[role(2), role(5)][..]));
    let actor = ann.actor.as_deref().unwrap();
    assert_eq!((actor.id, &*actor.roles, actor.actor.is_none()), (id(TRINO), &[role(1)][..], true));
    assert_eq!((ann.scopes, ann.credential.key()), (Scopes::data(), Some(&key())));
    let caller = ann.caller();
    assert_eq!((&*caller.principal.name, &*caller.actor.unwrap().name), ("ann", "trino"));
}

/// R38: without the right a subject is refused, and so is a text that nobody or two answer to.
#[test]
fn only_whom_the_right_reaches() {
    assert_eq!(impersonate(parts(), "ben").unwrap_err(), "impersonation_refused");
    assert_eq!(impersonate(parts(), "nobody").unwrap_err(), "unknown_subject");
    assert_eq!(impersonate(parts(), "").unwrap_err(), "unknown_subject");
    assert_eq!(impersonate(parts(), "trino").unwrap_err(), "impersonation_refused", "not even itself");
    let mut linked_parts = parts();
    linked_parts.principals[1] = linked(person(ANN, "ann", &[2]), "ann@acme");
    assert_eq!(impersonate(linked_parts.clone(), "ann@acme").unwrap().id, id(ANN));
    assert_eq!(impersonate(linked_parts.clone(), "ann").unwrap().id, id(ANN));
    linked_parts.principals[2] = linked(person(BEN, "ben", &[3]), "ann");
    assert_eq!(impersonate(linked_parts.clone(), "ann").unwrap_err(), "unknown_subject", "two answer to it");
    linked_parts.principals[1] = linked(person(ANN, "ann", &[2]), "ann");
    assert_eq!(impersonate(linked_parts, "ann").unwrap_err(), "unknown_subject", "two carry it");
    let reversed: (RoleId, RoleId) = (role(2), role(1));
    assert!(impersonate(SnapshotParts { impersonations: vec![reversed], ..parts() }, "ann").is_err());
}

/// R18, R38: whatever the session stands on is asked again at every request.
#[test]
fn a_session_ends_with_each_of_its_parts() {
    let credential = impersonate(parts(), "ann").unwrap().credential;
    let admit = |parts: SnapshotParts, now| PolicySnapshot::new(parts).admit(&credential, Some(Scopes::data()), now);
    assert!(admit(parts(), Micros(99)).is_some());
    assert!(admit(parts(), Micros(100)).is_none(), "the actor's key has ended");
    assert!(admit(SnapshotParts { keys: vec![], ..parts() }, Micros(0)).is_none(), "it was revoked");
    assert!(admit(SnapshotParts { impersonations: vec![], ..parts() }, Micros(0)).is_none(), "the right was");
    for gone in [TRINO, ANN] {
        let mut disabled = parts();
        disabled.principals.iter_mut().filter(|p| p.id == id(gone)).for_each(|p| p.enabled = false);
        assert!(admit(disabled, Micros(0)).is_none());
        let mut without_roles = parts();
        without_roles.principals.iter_mut().filter(|p| p.id == id(gone)).for_each(|p| p.roles.clear());
        assert!(admit(without_roles, Micros(0)).is_none());
        let mut deleted = parts();
        deleted.principals.retain(|p| p.id != id(gone));
        assert!(admit(deleted, Micros(0)).is_none());
    }
    let snapshot = PolicySnapshot::new(parts());
    assert!(snapshot.admit(&credential, Some(Scopes::all()), Micros(0)).is_none(), "never more than the key");
    let administrator = snapshot.admit(&credential, Some(Scopes::NONE.with(Scope::AdminAccess)), Micros(0)).unwrap();
    assert!(administrator.scopes.is_empty());
}

/// R38: who is acted for acts for nobody.
#[test]
fn there_are_no_chains() {
    let mut parts = parts();
    parts.impersonations.push((role(2), role(3)));
    let snapshot = PolicySnapshot::new(parts);
    let trino = snapshot.authenticate(&key(), None, Micros(0)).unwrap();
    let ann = snapshot.impersonate(&trino, "ann", Micros(0)).unwrap();
    assert!(snapshot.impersonate(&ann, "ben", Micros(0)).is_err());
    assert!(snapshot.impersonate(&trino, "ben", Micros(0)).is_err());
}
