use std::{collections::BTreeMap, sync::Arc};

use polder_types::PolicyId;
use serde_json::json;

use super::*;
use crate::fixture::rule;

fn described(body: serde_json::Value) -> String {
    rule(body).describe(&|_| true)
}

/// S-033, S-034: rules read as English.
#[test]
fn rules_are_told_in_words() {
    for (body, expected) in [
        (
            json!({"row_filter": {"type": "eq", "term": "region", "value": "us"}}),
            "only rows where `region` is one fixed value",
        ),
        (
            json!({"row_filter": {"type": "or", "left": {"type": "gt", "term": "salary", "value": 5},
                "right": {"type": "not-in", "term": "dept", "attribute": "depts"}}}),
            "only rows where (`salary` is more than one fixed value or `dept` is not one of your attribute `depts`)",
        ),
        (json!({"mask": {"column": "ssn", "value": "***"}}), "`ssn` is replaced by one fixed value"),
        (
            json!({"mask": {"column": "ssn", "when": {"type": "eq", "term": "dept", "attribute": "dept"},
                "then": {"action": "show"}, "else": {"action": "show-last-4"}}}),
            "`ssn` is shown where `dept` is your attribute `dept`, and otherwise is shown with all but its last four \
             characters masked",
        ),
        (json!({"hide_column": "info.phone"}), "`info.phone` is hidden"),
    ] {
        assert_eq!(described(body), expected);
    }
}

/// R34: no literal of a policy is ever told.
#[test]
fn literals_are_never_told() {
    let predicate = |leaf| json!({"type": "and", "left": {"type": "not", "child": leaf}, "right": true});
    for leaf in [
        json!({"type": "eq", "term": "region", "value": "canary"}),
        json!({"type": "in", "term": "region", "values": ["canary", "x"]}),
        json!({"type": "starts-with", "term": "region", "value": "canary"}),
    ] {
        let choice = json!({"column": "name", "when": predicate(leaf.clone()), "then": {"value": "canary"},
            "else": {"action": "replace-with-null"}});
        for body in [json!({"row_filter": predicate(leaf)}), json!({ "mask": choice })] {
            assert!(!described(body).contains("canary"));
        }
    }
}

/// S-033: a hidden column is not named, nor what is inside it, nor the same field under an older name.
#[test]
fn hidden_columns_are_not_named() {
    let applied = |body, fields: &[(&str, i32)]| Applied {
        id: PolicyId(uuid::Uuid::nil()),
        name: "p".into(),
        rule: rule(body),
        fields: fields.iter().map(|(name, id)| (vec![(*name).to_owned()], [*id].into())).collect::<BTreeMap<_, _>>(),
    };
    let obligations = Obligations {
        applied: vec![
            applied(json!({"hide_column": "info"}), &[]),
            applied(json!({"hide_column": "salary"}), &[("salary", 5)]),
            applied(json!({"row_filter": {"type": "is-null", "term": "info.phone"}}), &[]),
            applied(json!({"row_filter": {"type": "is-null", "term": "id"}}), &[("id", 5)]),
            applied(json!({"row_filter": {"type": "is-null", "term": "region"}}), &[("region", 3)]),
        ],
        attributes: Arc::default(),
    };
    let words = obligations.describe();
    assert_eq!(
        words,
        [
            "a column is hidden",
            "a column is hidden",
            "only rows where a hidden column is null",
            "only rows where a hidden column is null",
            "only rows where `region` is null",
        ]
    );
}
