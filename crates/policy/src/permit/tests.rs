use std::collections::BTreeMap;

use polder_types::Attribute;
use serde_json::json;

use super::*;
use crate::{Audience, Privilege, actions, authorize, authorize_list, fixture::*};

/// neither a policy's literals nor the caller's attributes come out of a permit's debug form.
#[test]
fn a_permit_in_a_log_shows_no_obligation() {
    let rule = rule(json!({"row_filter": {"type": "eq", "term": "region", "value": "canary-literal"}}));
    let restrictions = vec![restriction(1, &emp(), Audience::Everyone, rule)];
    let snapshot = snapshot("acme", vec![allow(1, Privilege::Read, &public())], restrictions);
    let ann = with_attribute(principal("acme", &[1]), "pin", Attribute::Text("canary-attribute".into()));
    let permit = authorize(&snapshot, &ann, actions::QueryTable, &emp()).unwrap();
    assert!(format!("{:?}", permit.obligations()).contains("canary-literal"));
    let list = authorize_list(&snapshot, &ann, actions::ListTables, &public()).unwrap();
    for text in [format!("{permit:?}"), format!("{:?}", permit.clone()), format!("{list:?}")] {
        assert!(!text.contains("canary"), "{text}");
    }
    assert!(format!("{permit:?}").starts_with("Permit<query_table>"));
}

/// R18: the permit names the version of the policy that it was decided by, and who holds it.
#[test]
fn a_permit_names_its_holder_and_version() {
    let snapshot = snapshot("acme", vec![allow(1, Privilege::Write, &public())], vec![]);
    let permit = authorize(&snapshot, &principal("acme", &[1]), actions::CommitTable, &emp()).unwrap();
    assert_eq!((permit.version(), permit.action_name(), &*permit.caller().principal.name), (7, "commit_table", "ann"));
    assert_eq!((permit.tenant().as_str(), permit.resource()), ("acme", &emp()));
}

/// Permits are owned and can move to another task.
#[test]
fn permits_are_send_and_static() {
    fn holds<T: Send + Sync + 'static>() {}
    holds::<Permit<actions::CommitTable>>();
    holds::<ListPermit<actions::ListTables>>();
}

/// R22: the two forms of a set of children mean what they say, and a denied name hides either.
#[test]
fn visibility_means_what_it_says() {
    let id = |n| RelationId(uuid::Uuid::from_u128(n));
    let mut visibility = Visibility {
        namespaces: Visible::Only(BTreeSet::new()),
        tables: Visible::Except([id(1)].into()),
        denied_table_names: ["x".to_owned()].into(),
        denied_namespace_names: BTreeSet::new(),
        hide_quarantined: true,
    };
    let cases = BTreeMap::from([
        ((1, "a", false), false),
        ((2, "a", false), true),
        ((2, "x", false), false),
        ((2, "a", true), false),
    ]);
    for ((n, name, quarantined), expected) in cases {
        assert_eq!(visibility.shows_table(id(n), name, quarantined), expected);
    }
    visibility.tables = Visible::Only([id(1)].into());
    visibility.hide_quarantined = false;
    assert!(visibility.shows_table(id(1), "a", true) && !visibility.shows_table(id(2), "a", false));
    assert!(!visibility.shows_namespace(polder_types::NamespaceId(uuid::Uuid::nil()), "n"));
}
