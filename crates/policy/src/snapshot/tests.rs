use serde_json::json;

use super::*;
use crate::{Audience, fixture::*};

fn parts() -> SnapshotParts {
    let key = |id: &str, expires_at| KeyRecord {
        id: id.parse().unwrap(),
        principal: PrincipalId(uuid::Uuid::from_u128(1)),
        scopes: Scopes::data(),
        expires_at,
    };
    SnapshotParts {
        tenant: "acme".parse().unwrap(),
        version: 3,
        operator: true,
        principals: vec![PrincipalRecord {
            id: PrincipalId(uuid::Uuid::from_u128(1)),
            name: "ann".into(),
            kind: PrincipalKind::User,
            enabled: true,
            roles: vec![role(2), role(1), role(2)],
            attributes: Arc::default(),
        }],
        keys: vec![key("pk_aaaaaaaaaaaaaaaaaaaa", None), key("pk_bbbbbbbbbbbbbbbbbbbb", Some(Micros(100)))],
        roles: vec![],
        impersonations: vec![],
        grants: vec![],
        restrictions: vec![],
    }
}

/// S-020: unknown and expired keys and disabled principals are nobody.
#[test]
fn only_a_live_key_of_an_enabled_principal_authenticates() {
    let snapshot = PolicySnapshot::new(parts());
    let (forever, ending) = ("pk_aaaaaaaaaaaaaaaaaaaa".parse().unwrap(), "pk_bbbbbbbbbbbbbbbbbbbb".parse().unwrap());
    let ann = snapshot.authenticate(&forever, None, Micros(0)).unwrap();
    assert_eq!((ann.tenant.as_str(), &*ann.roles), ("acme", &[role(1), role(2)][..]));
    assert!(snapshot.authenticate(&ending, None, Micros(99)).is_some());
    assert!(snapshot.authenticate(&ending, None, Micros(100)).is_none());
    assert!(snapshot.authenticate(&"pk_cccccccccccccccccccc".parse().unwrap(), None, Micros(0)).is_none());
    let mut parts = parts();
    parts.principals[0].enabled = false;
    assert!(PolicySnapshot::new(parts).authenticate(&forever, None, Micros(0)).is_none());
}

fn assertion(who: Who) -> CredentialId {
    let (scopes, groups) = (Scopes::data(), Some(vec!["eu".to_owned()]));
    CredentialId::Asserted(Arc::new(Assertion { who, scopes, workspace: None, groups, display: None }))
}

/// an assertion means the one enabled principal that carries its subject, or nobody; it gets no role by its groups.
#[test]
fn an_assertion_means_one_existing_principal() {
    let with = |attributes: &[(&str, &str)]| {
        let text = |text: &str| Attribute::Text(text.to_owned());
        Arc::new(attributes.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect::<BTreeMap<_, _>>())
    };
    let (subject, debug) = (assertion(Who::Subject("idp|1".to_owned())), assertion(Who::Debug));
    let mut parts = parts();
    let admit = |parts: &SnapshotParts, credential: &CredentialId| {
        PolicySnapshot::new(parts.clone()).admit(credential, None, Micros(0))
    };
    assert!(admit(&parts, &subject).is_none() && admit(&parts, &debug).is_none(), "a name alone is no subject");
    parts.principals[0].attributes = with(&[(EXTERNAL_SUBJECT, "idp|1")]);
    let ann = admit(&parts, &subject).unwrap();
    assert_eq!((&*ann.name, &*ann.roles, ann.scopes), ("ann", &[role(1), role(2)][..], Scopes::data()));
    assert_eq!(ann.attributes.get("groups"), Some(&Attribute::List(vec!["eu".to_owned()])));
    let again = PolicySnapshot::new(parts.clone());
    assert!(again.admit(&ann.credential, Some(Scopes::all()), Micros(0)).is_none(), "scopes never grow");
    assert!(admit(&parts, &assertion(Who::Subject("idp|10".to_owned()))).is_none());
    parts.principals[0].attributes = with(&[(EXTERNAL_SUBJECT, "idp|1"), ("groups", "mine")]);
    let groups = admit(&parts, &subject).unwrap().attributes.get("groups").cloned();
    assert_eq!(groups, Some(Attribute::Text("mine".to_owned())), "the administrator's word wins");
    parts.principals[0].enabled = false;
    assert!(admit(&parts, &subject).is_none());
    let id = PrincipalId(uuid::Uuid::from_u128(2));
    let twin = PrincipalRecord { id, name: "debug".into(), enabled: true, ..parts.principals[0].clone() };
    parts.principals.push(twin);
    assert!(admit(&parts, &subject).is_none(), "a subject of two is nobody's, even if one of them is disabled");
    assert_eq!(admit(&parts, &debug).unwrap().id, id);
}

/// S-030: a token may ask for fewer scopes than its key has, never for more.
#[test]
fn scopes_are_cut_never_widened() {
    let snapshot = PolicySnapshot::new(parts());
    let key = "pk_aaaaaaaaaaaaaaaaaaaa".parse().unwrap();
    let less = Scopes::NONE.with(polder_types::Scope::Query);
    assert_eq!(snapshot.authenticate(&key, Some(less), Micros(0)).unwrap().scopes, less);
    assert!(snapshot.authenticate(&key, Some(Scopes::all()), Micros(0)).is_none());
}

/// R35, R23: a restriction is found by id and by name, once, and one for other roles does not oblige.
#[test]
fn restrictions_are_found_by_id_and_by_name() {
    let hide = rule(json!({"hide_column": "salary"}));
    let others = Audience::Roles(vec![role(9)]);
    let restrictions =
        vec![restriction(2, &emp(), others, hide.clone()), restriction(1, &emp(), Audience::Everyone, hide)];
    let snapshot = snapshot("acme", vec![], restrictions);
    let names = |table: &TableRef| {
        let found = snapshot.restrictions_on(table.id, &table.qualified());
        found.map(|r| r.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&emp()), ["policy-1", "policy-2"]);
    assert_eq!(names(&table(&public(), 9, "emp")), ["policy-1", "policy-2"]);
    assert_eq!(names(&table(&public(), 1, "other")), ["policy-1", "policy-2"]);
    assert!(names(&table(&public(), 9, "other")).is_empty());
    let applied = snapshot.obligations(&principal("acme", &[1]), &emp()).unwrap().applied;
    assert_eq!(applied.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["policy-1"]);
}

/// A restriction holds for its role in whatever order the caller's roles come.
#[test]
fn unsorted_roles_do_not_shed_a_restriction() {
    let audience = Audience::Roles(vec![role(1)]);
    for roles in [&[3, 1, 2][..], &[1, 3, 2], &[2, 3, 1]] {
        assert!(audience.includes(&principal("acme", roles).roles));
    }
    assert!(!audience.includes(&principal("acme", &[2]).roles));
}
