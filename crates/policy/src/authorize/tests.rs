use std::fmt::Write as _;

use polder_types::{Attribute, ErrorKind, Principal, Scope, Scopes};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Audience, Restriction, TableRef, TenantRef, ViewRef, WarehouseRef, actions, fixture::*, reference};

fn filter_on(table: &TableRef) -> Restriction {
    restriction(
        1,
        table,
        Audience::Everyone,
        rule(json!({"row_filter": {"type": "eq", "term": "region", "value": "us"}})),
    )
}

fn view(relation: &TableRef) -> ViewRef {
    ViewRef { relation: relation.clone() }
}

fn reason<T>(result: Result<T, Denial>) -> &'static str {
    result.map_or_else(|denial| denial.reason.as_str(), |_| "ok")
}

/// R17: a grant, a permit and even an open door mean nothing in another tenant, though ids and names are the same.
#[test]
fn another_tenant_is_not_there() {
    let acme = snapshot("acme", vec![allow(1, Privilege::Read, &tenant("acme"))], vec![]);
    let umbra_emp = table(&namespace(&warehouse("umbra", 1, "lake"), &[(1, "pub")]), 1, "emp");
    let ann = principal("acme", &[1]);
    assert!(authorize(&acme, &ann, actions::LoadTable, &emp()).is_ok());
    assert_eq!(reason(authorize(&acme, &ann, actions::LoadTable, &umbra_emp)), "invisible");
    assert_eq!(reason(authorize(&acme, &principal("umbra", &[1]), actions::LoadTable, &emp())), "invisible");
    assert_eq!(reason(authorize(&acme, &principal("umbra", &[1]), actions::LoadTable, &umbra_emp)), "invisible");
    assert_eq!(reason(authorize(&acme, &ann, actions::Query, &tenant("umbra"))), "invisible");
    assert_eq!(reason(authorize(&acme, &principal("umbra", &[1]), actions::Query, &tenant("umbra"))), "invisible");
    assert!(authorize(&acme, &principal("acme", &[]), actions::Query, &tenant("acme")).is_ok());
}

/// a credential for one warehouse has nothing in another, whatever its principal is granted, and administers
/// nothing; it may still ask.
#[test]
fn a_workspace_confines_whatever_is_granted() {
    let grants = [Privilege::Read, Privilege::ManageAccess, Privilege::ManagePolicies, Privilege::ReadAudit];
    let grants: Vec<_> = grants.into_iter().map(|privilege| allow(1, privilege, &tenant("acme"))).collect();
    let acme = snapshot("acme", grants, vec![]);
    let confined = |name: &str| {
        let (who, workspace) = (polder_types::Who::Subject("s".to_owned()), Some(name.parse().unwrap()));
        let scopes = Scopes::all();
        let assertion = polder_types::Assertion { who, scopes, workspace, groups: None, display: None };
        let credential = polder_types::CredentialId::Asserted(std::sync::Arc::new(assertion));
        Principal { credential, ..principal("acme", &[1]) }
    };
    let (here, elsewhere) = (confined("lake"), confined("vault"));
    for (who, wanted) in [(&here, "ok"), (&elsewhere, "invisible")] {
        assert_eq!(reason(authorize(&acme, who, actions::LoadTable, &emp())), wanted);
        assert_eq!(reason(authorize(&acme, who, actions::QueryTable, &emp())), wanted);
        assert_eq!(reason(authorize_list(&acme, who, actions::ListTables, &public())), wanted);
        assert_eq!(reason(authorize(&acme, who, actions::GetConfig, &warehouse("acme", 1, "lake"))), wanted);
        assert_eq!(reason(authorize(&acme, who, actions::ReleaseTable, &emp())), wanted);
        assert_eq!(reason(authorize(&acme, who, actions::Query, &tenant("acme"))), "ok");
        for administration in [
            reason(authorize(&acme, who, actions::ManageAccess, &tenant("acme"))),
            reason(authorize(&acme, who, actions::ManageKeys, &tenant("acme"))),
            reason(authorize(&acme, who, actions::ListPolicies, &tenant("acme"))),
            reason(authorize(&acme, who, actions::ReadAudit, &tenant("acme"))),
        ] {
            assert_eq!(administration, "privilege");
        }
        assert_eq!(reference::holds(&acme, who, &emp(), Privilege::Read), wanted == "ok");
        assert_eq!(reference::knows(&acme, who, &public()), wanted == "ok");
    }
}

/// R14: without a grant nothing is allowed and nothing exists.
#[test]
fn no_grant_means_no_object() {
    let empty = snapshot("acme", vec![], vec![]);
    let nobody = principal("acme", &[1]);
    assert_eq!(reason(authorize(&empty, &nobody, actions::LoadTable, &emp())), "invisible");
    assert_eq!(reason(authorize(&empty, &nobody, actions::CreateTable, &public())), "invisible");
    assert_eq!(reason(authorize_list(&empty, &nobody, actions::ListTables, &public())), "invisible");
    assert_eq!(reason(authorize(&empty, &nobody, actions::ManageAccess, &tenant("acme"))), "privilege");
}

/// R15, S-030: the credential's scopes bound it, and say nothing about what its holder may not know (R22).
#[test]
fn a_scope_is_needed_besides_the_privilege() {
    let all = snapshot("acme", vec![allow(1, Privilege::Read, &emp())], vec![]);
    let narrow = |scope| Principal { scopes: Scopes::NONE.with(scope), ..principal("acme", &[1]) };
    assert_eq!(reason(authorize(&all, &narrow(Scope::Query), actions::LoadTable, &emp())), "scope");
    assert_eq!(reason(authorize(&all, &narrow(Scope::Query), actions::QueryTable, &emp())), "ok");
    let secret = table(&public(), 2, "secret");
    assert_eq!(reason(authorize(&all, &narrow(Scope::Query), actions::LoadTable, &secret)), "invisible");
}

/// R22: what may not be known answers exactly as what is not there.
#[test]
fn an_invisible_table_answers_as_an_absent_one() {
    let empty = snapshot("acme", vec![allow(1, Privilege::Read, &table(&public(), 2, "other"))], vec![]);
    let denial = authorize(&empty, &principal("acme", &[1]), actions::LoadTable, &emp()).unwrap_err();
    let (told, absent) = (denied(&denial), polder_types::Error::not_found(Subject::Table, "pub.emp"));
    assert_eq!(
        (told.kind(), told.subject(), told.code(), told.message()),
        (absent.kind(), absent.subject(), absent.code(), absent.message())
    );
}

/// R19: an allow dies with the object; a denial stays with the name and with the object under another name.
#[test]
fn a_recreated_table_inherits_denials_and_no_grants() {
    let (old, new) = (emp(), table(&public(), 99, "emp"));
    let renamed = table(&public(), 1, "renamed");
    let granted = snapshot("acme", vec![allow(1, Privilege::Read, &old)], vec![]);
    let ann = principal("acme", &[1]);
    assert_eq!(reason(authorize(&granted, &ann, actions::LoadTable, &new)), "invisible");
    assert_eq!(reason(authorize(&granted, &ann, actions::LoadTable, &renamed)), "ok");
    let refused = snapshot("acme", vec![allow(1, Privilege::Read, &public()), deny(1, Privilege::List, &old)], vec![]);
    for table in [&old, &new, &renamed] {
        assert_eq!(reason(authorize(&refused, &ann, actions::LoadTable, table)), "invisible");
    }
    let listed = authorize_list(&refused, &ann, actions::ListTables, &public()).unwrap();
    assert!(!listed.visibility().shows_table(new.id, "emp", false));
    assert!(!listed.visibility().shows_table(old.id, "renamed", false));
}

/// A table on which one privilege of several is denied stays in the list.
#[test]
fn a_partly_denied_table_is_listed() {
    let grants =
        vec![allow(1, Privilege::Read, &emp()), allow(1, Privilege::Write, &emp()), deny(2, Privilege::Write, &emp())];
    let snapshot = snapshot("acme", grants, vec![]);
    let ann = principal("acme", &[1, 2]);
    let listed = authorize_list(&snapshot, &ann, actions::ListTables, &public()).unwrap();
    assert!(listed.visibility().shows_table(emp().id, "emp", false));
    assert_eq!(reason(authorize(&snapshot, &ann, actions::CommitTable, &emp())), "privilege");
}

/// A grant that is denied again does not even show the namespace that the table lies in.
#[test]
fn a_grant_that_is_undone_shows_no_container() {
    let grants = vec![allow(1, Privilege::Read, &emp()), deny(1, Privilege::Read, &emp())];
    let undone = snapshot("acme", grants, vec![]);
    let ann = principal("acme", &[1]);
    assert_eq!(reason(authorize(&undone, &ann, actions::LoadNamespace, &public())), "invisible");
    assert_eq!(reason(authorize(&undone, &ann, actions::GetConfig, &public().warehouse)), "invisible");
}

/// each action that cannot enforce a restriction refuses, with the way out and nothing of the schema.
#[test]
fn a_restricted_principal_is_refused_where_nothing_enforces() {
    let all = Privilege::ALL.into_iter().filter(|p| *p != Privilege::ReadUnrestricted);
    let grants: Vec<Grant> = all.map(|p| allow(1, p, &emp())).collect();
    let snapshot = snapshot("acme", grants, vec![filter_on(&emp())]);
    let ann = principal("acme", &[1]);
    let refusals = [
        authorize(&snapshot, &ann, actions::LoadTable, &emp()).map(drop),
        authorize(&snapshot, &ann, actions::PlanTable, &emp()).map(drop),
        authorize(&snapshot, &ann, actions::CommitTable, &emp()).map(drop),
        authorize(&snapshot, &ann, actions::ReportMetrics, &emp()).map(drop),
        authorize(&snapshot, &ann, actions::VendCredentials, &emp()).map(drop),
        authorize(&snapshot, &ann, actions::VendWriteCredentials, &emp()).map(drop),
        authorize(&snapshot, &ann, actions::SignRead, &emp()).map(drop),
        authorize(&snapshot, &ann, actions::SignWrite, &emp()).map(drop),
    ];
    let view = view(&emp());
    let of_views = [
        authorize(&snapshot, &ann, actions::LoadView, &view).map(drop),
        authorize(&snapshot, &ann, actions::ReplaceView, &view).map(drop),
    ];
    let refusing = actions::TABLE.iter().filter(|row| row.3 == ObligationMode::Refuse).count();
    assert_eq!(refusals.len() + of_views.len(), refusing, "every action that refuses is tested here");
    for refusal in of_views {
        let error = denied(&refusal.unwrap_err());
        assert_eq!((error.kind(), error.code(), error.subject()), (ErrorKind::Forbidden, "restricted", Subject::View));
        assert_eq!(error.message(), "view `pub.emp` has a name with a row filter or column mask for you");
    }
    for refusal in refusals {
        let error = denied(&refusal.unwrap_err());
        assert_eq!((error.kind(), error.code()), (ErrorKind::Forbidden, "restricted"));
        assert_eq!(
            error.message(),
            "table `pub.emp` has a row filter or column mask for you; read it with POST /api/v1/query"
        );
    }
    let permit = authorize(&snapshot, &ann, actions::QueryTable, &emp()).unwrap();
    assert_eq!(permit.obligations().unwrap().applied.len(), 1);
    assert!(authorize(&snapshot, &ann, actions::TableExists, &emp()).unwrap().obligations().is_none());
    assert!(authorize(&snapshot, &ann, actions::DropTable, &emp()).is_ok());
}

/// The one exemption is `read_unrestricted`, and it can be denied.
#[test]
fn read_unrestricted_exempts_unless_denied() {
    let mut grants = vec![allow(1, Privilege::Read, &public()), allow(1, Privilege::ReadUnrestricted, &public())];
    let ann = principal("acme", &[1]);
    let exempt = snapshot("acme", grants.clone(), vec![filter_on(&emp())]);
    assert!(authorize(&exempt, &ann, actions::LoadTable, &emp()).is_ok());
    grants.push(deny(1, Privilege::ReadUnrestricted, &emp()));
    let not_exempt = snapshot("acme", grants, vec![filter_on(&emp())]);
    assert_eq!(reason(authorize(&not_exempt, &ann, actions::LoadTable, &emp())), "restricted");
}

/// R35: a restriction holds for whatever carries the name, a view too, and for the table under any other name.
#[test]
fn a_restriction_stays_with_the_name_and_the_table() {
    let snapshot = snapshot("acme", vec![allow(1, Privilege::Read, &tenant("acme"))], vec![filter_on(&emp())]);
    let elsewhere = namespace(&warehouse("acme", 1, "lake"), &[(2, "tmp")]);
    let ann = principal("acme", &[1]);
    for (table, expected) in [
        (emp(), "restricted"),
        (table(&public(), 99, "emp"), "restricted"),
        (table(&elsewhere, 1, "copy"), "restricted"),
        (table(&elsewhere, 99, "emp"), "ok"),
    ] {
        assert_eq!(reason(authorize(&snapshot, &ann, actions::LoadTable, &table)), expected, "{table:?}");
        assert_eq!(reason(authorize(&snapshot, &ann, actions::LoadView, &view(&table))), expected, "{table:?}");
    }
}

/// R35: a table made where restrictions hold is invisible to those restricted there until it is released, which a
/// policy editor can do though restricted too.
#[test]
fn a_quarantined_table_waits_for_its_release() {
    let fresh = TableRef { quarantined: true, ..table(&public(), 5, "fresh") };
    let grants = vec![
        allow(1, Privilege::Read, &public()),
        allow(2, Privilege::ReadUnrestricted, &public()),
        allow(3, Privilege::ManagePolicies, &tenant("acme")),
        allow(4, Privilege::ReadUnrestricted, &fresh),
    ];
    let snapshot = snapshot("acme", grants, vec![filter_on(&emp())]);
    let listed = |principal: &Principal| {
        let permit = authorize_list(&snapshot, principal, actions::ListTables, &public()).unwrap();
        permit.visibility().shows_table(fresh.id, "fresh", true)
    };
    for (roles, expected) in [(&[1, 3][..], "invisible"), (&[1, 4], "invisible"), (&[1, 2], "ok")] {
        let principal = principal("acme", roles);
        assert_eq!(reason(authorize(&snapshot, &principal, actions::LoadTable, &fresh)), expected);
        assert_eq!(listed(&principal), expected == "ok");
    }
    assert!(authorize(&snapshot, &principal("acme", &[1, 3]), actions::ReleaseTable, &fresh).is_ok());
    assert_eq!(reason(authorize(&snapshot, &principal("acme", &[1]), actions::ReleaseTable, &fresh)), "invisible");
}

/// Creating tenants needs the privilege in the operator's tenant.
#[test]
fn only_the_operator_makes_tenants() {
    let ordinary = snapshot("acme", vec![allow(1, Privilege::ManageTenants, &tenant("acme"))], vec![]);
    let ann = principal("acme", &[1]);
    assert_eq!(reason(authorize(&ordinary, &ann, actions::ManageTenants, &tenant("acme"))), "privilege");
}

/// R16: roles × actions × resources, to be read by people whenever it changes.
#[test]
fn the_matrix_of_roles_and_actions_is_as_reviewed() {
    let roles: [(&str, Vec<Grant>); 11] = [
        ("nobody", vec![]),
        ("lister", vec![allow(1, Privilege::List, &public())]),
        ("reader", vec![allow(1, Privilege::Read, &public())]),
        ("reader of emp", vec![allow(1, Privilege::Read, &emp())]),
        ("writer", vec![allow(1, Privilege::Write, &public())]),
        ("creator", vec![allow(1, Privilege::Create, &public())]),
        ("dropper", vec![allow(1, Privilege::Drop, &public())]),
        ("exempt reader", [Privilege::Read, Privilege::ReadUnrestricted].map(|p| allow(1, p, &public())).into()),
        ("denied reader", vec![allow(1, Privilege::Read, &tenant("acme")), deny(1, Privilege::List, &public())]),
        ("policy editor", vec![allow(1, Privilege::ManagePolicies, &tenant("acme"))]),
        ("administrator", Privilege::ALL.map(|p| allow(1, p, &tenant("acme"))).into()),
    ];
    let mut text = String::new();
    for (name, grants) in roles {
        let snapshot = snapshot("acme", grants, vec![filter_on(&emp())]);
        let decide = Decide { snapshot: &snapshot, principal: &principal("acme", &[1]) };
        writeln!(text, "{name}").unwrap();
        for (resource, decisions) in decide.everything() {
            for (action, decision) in decisions {
                writeln!(text, "  {resource:<12}{action:<18}{decision}").unwrap();
            }
        }
    }
    insta::assert_snapshot!(text);
}

mod acted_for;

struct Decide<'a> {
    snapshot: &'a PolicySnapshot,
    principal: &'a Principal,
}

type Decisions = Vec<(&'static str, &'static str)>;

impl Decide<'_> {
    fn one<A: Action>(&self, action: A, resource: &A::Resource) -> (&'static str, &'static str) {
        (A::NAME, reason(authorize(self.snapshot, self.principal, action, resource)))
    }

    fn table(&self, table: &TableRef) -> Decisions {
        vec![
            self.one(actions::LoadTable, table),
            self.one(actions::TableExists, table),
            self.one(actions::PlanTable, table),
            self.one(actions::CommitTable, table),
            self.one(actions::DropTable, table),
            self.one(actions::RenameTable, table),
            self.one(actions::ReportMetrics, table),
            self.one(actions::VendCredentials, table),
            self.one(actions::VendWriteCredentials, table),
            self.one(actions::SignRead, table),
            self.one(actions::SignWrite, table),
            self.one(actions::QueryTable, table),
            self.one(actions::ReleaseTable, table),
        ]
    }

    fn view(&self, view: &ViewRef) -> Decisions {
        vec![
            self.one(actions::LoadView, view),
            self.one(actions::ViewExists, view),
            self.one(actions::ReplaceView, view),
            self.one(actions::DropView, view),
            self.one(actions::RenameView, view),
        ]
    }

    fn namespace(&self, namespace: &NamespaceRef) -> Decisions {
        vec![
            self.one(actions::ListNamespaces, namespace),
            self.one(actions::CreateNamespace, namespace),
            self.one(actions::LoadNamespace, namespace),
            self.one(actions::UpdateNamespace, namespace),
            self.one(actions::DropNamespace, namespace),
            self.one(actions::ListTables, namespace),
            self.one(actions::CreateTable, namespace),
            self.one(actions::RegisterTable, namespace),
            self.one(actions::RenameInto, namespace),
            self.one(actions::ListViews, namespace),
            self.one(actions::CreateView, namespace),
            self.one(actions::RegisterView, namespace),
        ]
    }

    fn warehouse(&self, warehouse: &WarehouseRef) -> Decisions {
        vec![
            self.one(actions::GetConfig, warehouse),
            self.one(actions::ListRootNamespaces, warehouse),
            self.one(actions::CreateRootNamespace, warehouse),
        ]
    }

    fn tenant(&self, tenant: &TenantRef) -> Decisions {
        vec![
            self.one(actions::Query, tenant),
            self.one(actions::ManageTenants, tenant),
            self.one(actions::ListTenants, tenant),
            self.one(actions::ManageWarehouses, tenant),
            self.one(actions::ListWarehouses, tenant),
            self.one(actions::ManageAccess, tenant),
            self.one(actions::ManageKeys, tenant),
            self.one(actions::ListAccess, tenant),
            self.one(actions::ManagePolicies, tenant),
            self.one(actions::ListPolicies, tenant),
            self.one(actions::ListJobs, tenant),
            self.one(actions::ListReports, tenant),
            self.one(actions::ReadAudit, tenant),
        ]
    }

    fn everything(&self) -> Vec<(&'static str, Decisions)> {
        let all = vec![
            ("acme", self.tenant(&tenant("acme"))),
            ("lake", self.warehouse(&public().warehouse)),
            ("pub", self.namespace(&public())),
            ("pub.emp", self.table(&emp())),
            ("pub.dim", self.table(&table(&public(), 2, "dim"))),
            ("pub.emp", self.view(&view(&emp()))),
            ("pub.dim", self.view(&view(&table(&public(), 2, "dim")))),
        ];
        let tested: std::collections::BTreeSet<&str> = all.iter().flat_map(|(_, d)| d.iter().map(|d| d.0)).collect();
        assert!(actions::TABLE.iter().all(|row| tested.contains(row.0)), "every action is in the matrix");
        all
    }
}

/// The objects of the random worlds; the same ids and names in both tenants.
struct Objects {
    warehouses: Vec<WarehouseRef>,
    namespaces: Vec<NamespaceRef>,
    tables: Vec<TableRef>,
}

fn objects(tenant_name: &str, quarantined: u8) -> Objects {
    let (lake, pond) = (warehouse(tenant_name, 1, "lake"), warehouse(tenant_name, 2, "pond"));
    let namespaces = vec![
        namespace(&lake, &[(1, "a")]),
        namespace(&lake, &[(1, "a"), (2, "b")]),
        namespace(&lake, &[(3, "c")]),
        namespace(&pond, &[(4, "a")]),
    ];
    let of = |(n, namespace): (u128, &NamespaceRef)| {
        let made = ["t", "u"].into_iter().zip(0..).map(|(name, k)| (n * 2 + k, name));
        made.map(|(id, name)| TableRef { quarantined: quarantined >> id & 1 == 1, ..table(namespace, id, name) })
            .collect::<Vec<_>>()
    };
    let tables = (0..).zip(&namespaces).flat_map(of).collect();
    Objects { warehouses: vec![lake, pond], namespaces, tables }
}

/// A random grant: role, allow, privilege, kind of object, object, and for a denial the object that had the name
/// before (it is denied still, and the bearer of the name is bound to it).
fn random_grant() -> impl Strategy<Value = (u128, bool, usize, u8, usize, usize)> {
    (1_u128..4, prop::bool::weighted(0.6), 0..Privilege::ALL.len(), 0_u8..4, 0_usize..8, 0_usize..8)
}

fn make_grant(objects: &Objects, parts: (u128, bool, usize, u8, usize, usize)) -> Grant {
    fn on<R: Resource>(all: &[R], parts: (u128, bool, usize, u8, usize, usize)) -> Grant {
        let (role, allow, privilege, _, bearer, before) = parts;
        let effect = if allow { Effect::Allow } else { Effect::Deny };
        let (bearer, before) = (&all[bearer % all.len()], &all[before % all.len()]);
        let mut made = grant(role, effect, Privilege::ALL[privilege], bearer);
        if effect == Effect::Deny && before.chain()[0] != made.on {
            made.also_on = vec![made.on];
            made.on = before.chain()[0];
        }
        made
    }
    match parts.3 {
        0 => on(&[objects.warehouses[0].tenant.clone()], parts),
        1 => on(&objects.warehouses, parts),
        2 => on(&objects.namespaces, parts),
        _ => on(&objects.tables, parts),
    }
}

fn random_audience() -> impl Strategy<Value = Audience> {
    prop_oneof![
        Just(Audience::Everyone),
        prop::collection::vec(1_u128..4, 1..3).prop_map(|roles| Audience::Roles(roles.into_iter().map(role).collect())),
    ]
}

fn check_one<R: Resource>(snapshot: &PolicySnapshot, principal: &Principal, resource: &R) -> Result<(), TestCaseError> {
    let kernel = held(snapshot, principal, resource);
    for privilege in Privilege::ALL {
        let expected = reference::holds(snapshot, principal, resource, privilege);
        prop_assert_eq!(
            kernel.is_some_and(|held| held.holds(privilege)),
            expected,
            "{:?} on {:?}",
            privilege,
            resource
        );
    }
    prop_assert_eq!(kernel.is_some_and(Held::may_know), reference::knows(snapshot, principal, resource));
    Ok(())
}

fn check_decision<A: Action<Resource = TableRef>>(
    snapshot: &PolicySnapshot,
    principal: &Principal,
    action: A,
    table: &TableRef,
) -> Result<(), TestCaseError> {
    let restricting = |who: &Principal| {
        let exempt = reference::holds(snapshot, who, table, Privilege::ReadUnrestricted);
        let restrictions = snapshot.restrictions().iter().filter(|r| {
            (r.table == table.qualified() || r.bound.contains_key(&table.id)) && r.audience.includes(&who.roles)
        });
        if exempt || A::OBLIGATIONS == ObligationMode::Indifferent { 0 } else { restrictions.count() }
    };
    let restrictions = restricting(principal);
    let expected = if reference::holds(snapshot, principal, table, A::PRIVILEGE) {
        match restrictions {
            1.. if A::OBLIGATIONS == ObligationMode::Refuse => "restricted",
            _ if principal.actor.as_deref().is_some_and(|actor| restricting(actor) > 0) => "actor_restricted",
            _ => "ok",
        }
    } else if reference::knows(snapshot, principal, table) {
        "privilege"
    } else {
        "invisible"
    };
    let decision = authorize(snapshot, principal, action, table);
    if let Ok(permit) = &decision {
        prop_assert_eq!(permit.obligations().map_or(0, |o| o.applied.len()), restrictions);
    }
    prop_assert_eq!(reason(decision), expected);
    Ok(())
}

fn check_lists(snapshot: &PolicySnapshot, principal: &Principal, all: &Objects) -> Result<(), TestCaseError> {
    for warehouse in &all.warehouses {
        let Ok(list) = authorize_root_list(snapshot, principal, actions::ListRootNamespaces, warehouse) else {
            prop_assert!(!reference::knows(snapshot, principal, warehouse));
            continue;
        };
        for child in all.namespaces.iter().filter(|n| &n.warehouse == warehouse && n.chain.len() == 1) {
            let shown = list.visibility().shows_namespace(child.id(), child.name.leaf());
            prop_assert_eq!(shown, reference::knows(snapshot, principal, child), "{:?} {:?}", child, list.visibility());
        }
    }
    for namespace in &all.namespaces {
        let Ok(list) = authorize_list(snapshot, principal, actions::ListTables, namespace) else {
            prop_assert!(!reference::knows(snapshot, principal, namespace));
            continue;
        };
        for child in all.tables.iter().filter(|t| &t.namespace == namespace) {
            let shown = list.visibility().shows_table(child.id, &child.name, child.quarantined);
            prop_assert_eq!(shown, reference::knows(snapshot, principal, child), "{:?} {:?}", child, list.visibility());
        }
        for child in all.namespaces.iter().filter(|n| n.name.parent().as_ref() == Some(&namespace.name)) {
            if child.warehouse == namespace.warehouse {
                let shown = list.visibility().shows_namespace(child.id(), child.name.leaf());
                prop_assert_eq!(shown, reference::knows(snapshot, principal, child));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// R16, R17, R19, R22, R35, R38: the kernel decides as the slow reference does, also on one who is acted for, and a
    /// listing shows exactly the children that a single decision would let the caller know.
    #[test]
    fn the_kernel_agrees_with_the_reference(
        grants in prop::collection::vec(random_grant(), 0..10),
        restrictions in prop::collection::vec((0_usize..8, random_audience()), 0..3),
        quarantined: u8,
        of in prop::sample::select(vec!["acme", "umbra"]),
        who in prop::sample::select(vec!["acme", "umbra"]),
        roles in prop::collection::vec(1_u128..4, 0..3),
        actor in prop::option::of(prop::collection::vec(1_u128..4, 0..3)),
    ) {
        let all = objects("acme", quarantined);
        let filter = rule(json!({"row_filter": {"type": "eq", "term": "region", "value": "us"}}));
        let restrictions = (1..).zip(restrictions)
            .map(|(n, (table, audience))| restriction(n, &all.tables[table], audience, filter.clone()))
            .collect();
        let grants = grants.into_iter().map(|parts| make_grant(&all, parts)).collect();
        let snapshot = snapshot(of, grants, restrictions);
        let alone = principal(who, &roles);
        let principal = actor.map_or(alone.clone(), |actor| acted_for(alone, principal(who, &actor)));
        for objects in [&all, &objects("umbra", quarantined)] {
            check_one(&snapshot, &principal, &objects.warehouses[0].tenant)?;
            objects.warehouses.iter().try_for_each(|warehouse| check_one(&snapshot, &principal, warehouse))?;
            objects.namespaces.iter().try_for_each(|namespace| check_one(&snapshot, &principal, namespace))?;
            for table in &objects.tables {
                check_one(&snapshot, &principal, table)?;
                check_decision(&snapshot, &principal, actions::LoadTable, table)?;
                check_decision(&snapshot, &principal, actions::CommitTable, table)?;
                check_decision(&snapshot, &principal, actions::QueryTable, table)?;
                check_decision(&snapshot, &principal, actions::TableExists, table)?;
                check_decision(&snapshot, &principal, actions::ReleaseTable, table)?;
            }
            check_lists(&snapshot, &principal, objects)?;
        }
    }

    /// Deny wins: one more denial never allows, and never shows, anything.
    #[test]
    fn a_denial_never_adds_anything(
        grants in prop::collection::vec(random_grant(), 0..8),
        denial in random_grant(),
        roles in prop::collection::vec(1_u128..4, 1..3),
    ) {
        let all = objects("acme", 0);
        let grants: Vec<Grant> = grants.into_iter().map(|parts| make_grant(&all, parts)).collect();
        let denial = make_grant(&all, (denial.0, false, denial.2, denial.3, denial.4, denial.5));
        let before = snapshot("acme", grants.clone(), vec![]);
        let after = snapshot("acme", [grants, vec![denial]].concat(), vec![]);
        let ann = principal("acme", &roles);
        for table in &all.tables {
            let (before, after) = (held(&before, &ann, table).unwrap(), held(&after, &ann, table).unwrap());
            prop_assert!(before.may_know() || !after.may_know());
            for privilege in Privilege::ALL {
                prop_assert!(before.holds(privilege) || !after.holds(privilege));
            }
        }
    }
}

/// S-034: the permit carries the caller's attributes as values.
#[test]
fn obligations_carry_the_attributes() {
    let snapshot = snapshot("acme", vec![allow(1, Privilege::Read, &emp())], vec![filter_on(&emp())]);
    let ann = with_attribute(principal("acme", &[1]), "region", Attribute::Text("us".into()));
    let permit = authorize(&snapshot, &ann, actions::QueryTable, &emp()).unwrap();
    assert_eq!(permit.obligations().unwrap().attributes["region"], Attribute::Text("us".into()));
}
