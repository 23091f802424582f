use super::*;
use crate::fixture::*;

/// R14, R28: a role that no grant names holds nothing, and an unknown role changes nothing.
#[test]
fn a_role_without_grants_holds_nothing() {
    let snapshot = snapshot("acme", vec![allow(1, Privilege::Read, &public())], vec![]);
    let held = held(&snapshot, &principal("acme", &[2, 3]), &emp()).unwrap();
    assert!(!held.may_know());
    assert!(Privilege::ALL.into_iter().all(|p| !held.holds(p)));
}

/// A grant reaches everything below the object it is on, and nothing beside or above it.
#[test]
fn grants_reach_downwards_only() {
    let lake = warehouse("acme", 1, "lake");
    let (outer, inner) = (namespace(&lake, &[(1, "a")]), namespace(&lake, &[(1, "a"), (2, "b")]));
    let snapshot = snapshot("acme", vec![allow(1, Privilege::Read, &inner)], vec![]);
    let ann = principal("acme", &[1]);
    let reads = |held: Option<Held>| held.unwrap().holds(Privilege::Read);
    assert!(reads(held(&snapshot, &ann, &inner)) && reads(held(&snapshot, &ann, &table(&inner, 1, "t"))));
    for held in [held(&snapshot, &ann, &outer), held(&snapshot, &ann, &lake)] {
        assert!(!reads(held) && held.unwrap().may_know(), "a container of something granted can be seen, not read");
    }
    let beside = table(&outer, 2, "t");
    assert!(!held(&snapshot, &ann, &beside).unwrap().may_know());
}

/// A denied `list` denies everything below, administration of it too.
#[test]
fn a_denied_list_leaves_nothing() {
    let grants = vec![
        allow(1, Privilege::Read, &emp()),
        allow(1, Privilege::ManagePolicies, &tenant("acme")),
        deny(2, Privilege::List, &public().warehouse),
    ];
    let snapshot = snapshot("acme", grants, vec![]);
    let held = held(&snapshot, &principal("acme", &[1, 2]), &emp()).unwrap();
    assert!(!held.may_know() && !held.holds(Privilege::Read) && !held.holds(Privilege::ManagePolicies));
}

/// Administration without a data privilege does not show data.
#[test]
fn an_administrator_without_data_privileges_knows_no_table() {
    for privilege in Privilege::ALL.into_iter().filter(|p| !p.is_data()) {
        let snapshot = snapshot("acme", vec![allow(1, privilege, &tenant("acme"))], vec![]);
        let held = held(&snapshot, &principal("acme", &[1]), &emp()).unwrap();
        assert!(!held.may_know() && !held.holds(Privilege::Read), "{privilege:?}");
        assert!(held.holds(privilege));
    }
}
