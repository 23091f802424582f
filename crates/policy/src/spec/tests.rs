use serde_json::json;

use super::*;
use crate::fixture::spec;

fn refusal(body: Value) -> String {
    spec(body).unwrap_err().to_string()
}

/// S-033: the shapes of a policy are read, and written again as they were.
#[test]
fn masks_of_all_shapes_come_back() {
    for mask in [
        json!({"column": "ssn", "value": "***"}),
        json!({"column": ["info", "phone"], "action": "replace-with-null"}),
        json!({"column": "email", "when": {"type": "eq", "term": "dept", "attribute": "dept"},
            "then": {"action": "show"}, "else": {"when": true, "then": {"value": 1}, "else": {"action": "show-last-4"}}}),
    ] {
        let read = spec(json!({"mask": mask})).unwrap();
        assert_eq!(serde_json::to_value(read.mask.as_ref().unwrap()).unwrap(), mask);
    }
}

/// R28: nothing in a policy is accepted and ignored; each refusal says what is wrong.
#[test]
fn what_means_nothing_is_refused() {
    let mask_has = "a mask has either `action`, or `value` (not null), or all of `when`, `then` and `else`";
    for (body, expected) in [
        (json!({"rowfilter": true}), "unknown field `rowfilter`"),
        (json!({"mask": {"column": "ssn", "action": "mask-alphanum", "colum": 1}}), "unknown field `colum`"),
        (json!({"mask": {"column": "ssn", "action": "mask-alphanum", "value": "x"}}), mask_has),
        (json!({"mask": {"column": "ssn"}}), mask_has),
        (json!({"mask": {"column": "ssn", "value": null}}), mask_has),
        (json!({"mask": {"column": "ssn", "when": true, "then": {"action": "show"}}}), mask_has),
        (json!({"mask": {"column": "ssn", "when": true, "then": {"action": "show"}, "else": {}}}), mask_has),
        (
            json!({"mask": {"column": "ssn", "when": true, "then": {"action": "show", "x": 1}, "else": {"value": 1}}}),
            "unknown field `x`",
        ),
        (json!({"mask": {"column": "ssn", "action": "mask-everything"}}), "an action is `show`"),
        (json!({"mask": {"column": 7, "action": "mask-alphanum"}}), "a column is a name"),
        (json!({"mask": {"action": "mask-alphanum"}}), "missing field `column`"),
        (json!({"hide_column": {"name": "x"}}), "a column is a name"),
        (json!({"table": {"warehouse": "w", "namespace": [], "name": "n", "x": 1}}), "unknown field `x`"),
    ] {
        let told = refusal(body.clone());
        assert!(told.contains(expected), "{body}: {told}");
    }
}

/// R27: names of the table are checked like any others.
#[test]
fn a_bad_table_name_is_refused() {
    let table = |namespace: &[&str], name: &str| TableSpec {
        warehouse: "lake".into(),
        namespace: namespace.iter().map(|level| (*level).to_owned()).collect(),
        name: name.into(),
    };
    assert_eq!(table(&["pub"], "emp").parse().unwrap().to_string(), "lake.pub.emp");
    for bad in [table(&[], "emp"), table(&["pub"], ""), table(&["pub"], "a/b"), table(&[".."], "emp")] {
        assert!(bad.parse().is_err(), "{bad:?}");
    }
}
