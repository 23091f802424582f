//! One who is acted for: both must be allowed, and nobody administers.

use super::*;

fn grants(of: &[(u128, &[Privilege])]) -> Vec<Grant> {
    let all = of.iter().flat_map(|(role, privileges)| privileges.iter().map(|p| allow(*role, *p, &public())));
    all.collect()
}

/// The subject holds role 1, its actor role 2.
fn session() -> Principal {
    acted_for(principal("acme", &[1]), principal("acme", &[2]))
}

fn filter_for(n: u128) -> Restriction {
    let filter = rule(json!({"row_filter": {"type": "eq", "term": "region", "value": "us"}}));
    restriction(1, &emp(), Audience::Roles(vec![role(n)]), filter)
}

/// R38: what one of both lacks, the session lacks; what one of both may not know is absent for it.
#[test]
fn both_must_be_allowed() {
    use Privilege::{List, Read, Write};
    for (subject, actor, load, commit) in [
        (&[Read, Write][..], &[Read, Write][..], "ok", "ok"),
        (&[Read, Write], &[Read], "ok", "privilege"),
        (&[Read], &[Read, Write], "ok", "privilege"),
        (&[Read, Write], &[], "invisible", "invisible"),
        (&[], &[Read, Write], "invisible", "invisible"),
        (&[List], &[Read, Write], "privilege", "privilege"),
    ] {
        let snapshot = snapshot("acme", grants(&[(1, subject), (2, actor)]), vec![]);
        assert_eq!(reason(authorize(&snapshot, &session(), actions::LoadTable, &emp())), load);
        assert_eq!(reason(authorize(&snapshot, &session(), actions::CommitTable, &emp())), commit);
        let list = reason(authorize_list(&snapshot, &session(), actions::ListTables, &public()));
        assert_eq!(list, if load == "invisible" { "invisible" } else { "ok" });
    }
    let mut denied = grants(&[(1, &[Read]), (2, &[Read])]);
    denied.push(deny(2, Privilege::List, &emp()));
    let snapshot = snapshot("acme", denied, vec![]);
    assert_eq!(
        reason(authorize(&snapshot, &session(), actions::LoadTable, &emp())),
        "invisible",
        "the actor is denied"
    );
    let foreign = acted_for(principal("acme", &[1]), principal("umbra", &[2]));
    assert_eq!(reason(authorize(&snapshot, &foreign, actions::LoadTable, &table(&public(), 2, "dim"))), "invisible");
}

/// R38: a list shows what both may know.
#[test]
fn lists_are_intersected() {
    let (dim, fact) = (table(&public(), 2, "dim"), table(&public(), 3, "fact"));
    let grants = vec![
        allow(1, Privilege::Read, &emp()),
        allow(1, Privilege::Read, &dim),
        allow(2, Privilege::Read, &public()),
        deny(2, Privilege::List, &emp()),
    ];
    let snapshot = snapshot("acme", grants, vec![]);
    let shown = |who: &Principal| {
        let list = authorize_list(&snapshot, who, actions::ListTables, &public()).unwrap();
        [&emp(), &dim, &fact].map(|table| list.visibility().shows_table(table.id, &table.name, false))
    };
    assert_eq!(shown(&principal("acme", &[1])), [true, true, false]);
    assert_eq!(shown(&principal("acme", &[2])), [false, true, true]);
    assert_eq!(shown(&session()), [false, true, false]);
}

/// R38: whatever both are granted, nobody administers in the name of another, a tenant or a single table.
#[test]
fn a_session_administers_nothing() {
    let of = |role| Privilege::ALL.into_iter().map(move |p| allow(role, p, &tenant("acme")));
    let all = snapshot("acme", of(1).chain(of(2)).collect(), vec![filter_on(&emp())]);
    let decide = Decide { snapshot: &all, principal: &session() };
    for (action, decision) in decide.tenant(&tenant("acme")) {
        assert_eq!(decision, if action == "query" { "ok" } else { "privilege" }, "{action}");
    }
    assert_eq!(reason(authorize(&all, &session(), actions::ReleaseTable, &emp())), "privilege");
    assert_eq!(reason(authorize(&all, &session(), actions::LoadTable, &emp())), "ok", "both are exempt");
}

/// R38, A-077: who is restricted stays so through a broad actor, one exemption of two is none, and where the actor is
/// restricted no door is open.
#[test]
fn restrictions_hold_for_both() {
    use Privilege::{Read, ReadUnrestricted};
    for (subject, actor, restricted, load, query) in [
        (&[Read][..], &[Read, ReadUnrestricted][..], 1, "restricted", Ok(1)),
        (&[Read, ReadUnrestricted], &[Read], 1, "restricted", Ok(1)),
        (&[Read, ReadUnrestricted], &[Read, ReadUnrestricted], 1, "ok", Ok(0)),
        (&[Read, ReadUnrestricted], &[Read], 2, "actor_restricted", Err("actor_restricted")),
        (&[Read], &[Read, ReadUnrestricted], 2, "ok", Ok(0)),
    ] {
        let snapshot = snapshot("acme", grants(&[(1, subject), (2, actor)]), vec![filter_for(restricted)]);
        assert_eq!(reason(authorize(&snapshot, &session(), actions::LoadTable, &emp())), load);
        let found = authorize(&snapshot, &session(), actions::QueryTable, &emp());
        let found = found.map(|p| p.obligations().map_or(0, |o| o.applied.len())).map_err(|d| d.reason.as_str());
        assert_eq!(found, query);
        assert_eq!(reason(authorize(&snapshot, &session(), actions::DropTable, &emp())), "privilege");
    }
    let snapshot = snapshot("acme", grants(&[(1, &[Read]), (2, &[Read])]), vec![filter_for(2)]);
    let told = denied(&authorize(&snapshot, &session(), actions::QueryTable, &emp()).unwrap_err());
    assert_eq!((told.kind(), told.code()), (ErrorKind::Forbidden, "restricted"));
    assert_eq!(told.message(), "table `pub.emp` has a row filter or column mask for whoever acts for you");
}

/// R35, R38: what is quarantined for one of both is absent.
#[test]
fn quarantine_holds_for_both() {
    let fresh = TableRef { quarantined: true, ..table(&public(), 5, "fresh") };
    for restricted in [1, 2] {
        let grants = grants(&[(1, &[Privilege::Read]), (2, &[Privilege::Read])]);
        let snapshot = snapshot("acme", grants, vec![filter_for(restricted)]);
        assert_eq!(reason(authorize(&snapshot, &session(), actions::LoadTable, &fresh)), "invisible");
        let list = authorize_list(&snapshot, &session(), actions::ListTables, &public()).unwrap();
        assert!(!list.visibility().shows_table(fresh.id, "fresh", true));
    }
}

/// R38, A-050: the permit says who acts; what is made for the one is not for the other.
#[test]
fn a_permit_names_both() {
    let snapshot = snapshot("acme", grants(&[(1, &[Privilege::Read]), (2, &[Privilege::Read])]), vec![]);
    let permit = authorize(&snapshot, &session(), actions::LoadTable, &emp()).unwrap();
    assert!(permit.caller().actor.is_some());
    let plain = authorize(&snapshot, &principal("acme", &[1]), actions::LoadTable, &emp()).unwrap();
    assert_eq!(plain.principal(), permit.principal());
    assert_ne!(plain.caller().to_bytes(), permit.caller().to_bytes());
}

proptest! {
    /// R38: a session is never allowed what one of both is not, and never knows what one of both does not.
    #[test]
    fn a_session_has_no_more_than_either(
        grants in prop::collection::vec(random_grant(), 0..12),
        quarantined: u8,
        roles in prop::collection::vec(1_u128..4, 0..3),
        actor in prop::collection::vec(1_u128..4, 0..3),
    ) {
        let all = objects("acme", quarantined);
        let grants = grants.into_iter().map(|parts| make_grant(&all, parts)).collect();
        let snapshot = snapshot("acme", grants, vec![filter_on(&all.tables[0])]);
        let (subject, actor) = (principal("acme", &roles), principal("acme", &actor));
        let both = acted_for(subject.clone(), actor.clone());
        for table in &all.tables {
            let [session, subject, actor] = [&both, &subject, &actor].map(|who| held(&snapshot, who, table).unwrap());
            prop_assert!(!session.may_know() || (subject.may_know() && actor.may_know()));
            for privilege in Privilege::ALL.into_iter().filter(|p| session.holds(*p)) {
                prop_assert!(subject.holds(privilege) && actor.holds(privilege) && !privilege.is_administration());
            }
        }
    }
}
