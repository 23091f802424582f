use std::sync::Arc;

use polder_types::{Attribute, PolicyId};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    Comparison, Literal, Mask,
    fixture::{emp_schema, field, rule},
    reference::{Row, Scalar, eval, mask_value},
};

fn applied(rule: Rule) -> Applied {
    Applied { id: PolicyId(uuid::Uuid::nil()), name: "p".into(), rule, fields: BTreeMap::new() }
}

fn bound_to(rule: Rule, path: &[&str], ids: &[i32]) -> Applied {
    let path = path.iter().map(|name| (*name).to_owned()).collect();
    Applied { fields: BTreeMap::from([(path, ids.iter().copied().collect())]), ..applied(rule) }
}

fn obligations(applied: Vec<Applied>) -> Obligations {
    Obligations { applied, attributes: Arc::default() }
}

fn lowered(rules: Vec<Rule>) -> TablePolicy {
    lower(&obligations(rules.into_iter().map(applied).collect()), &emp_schema())
}

fn path(names: &[&str]) -> ColumnPath {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn mask(names: &[&str], mask: Mask) -> Rule {
    Rule::Mask { column: path(names), mask }
}

fn hide(names: &[&str]) -> Rule {
    Rule::Hide { column: path(names) }
}

fn null() -> FieldRule {
    FieldRule::Mask(BoundMask::Action(MaskAction::ReplaceWithNull))
}

fn text(value: &str) -> Scalar {
    Scalar::Value(Literal::Text(value.into()))
}

/// Shown only where `dept` is 'hr'.
fn shown_to_hr(otherwise: Mask) -> Mask {
    let when = Predicate::Compare {
        column: path(&["dept"]),
        op: Comparison::Eq,
        operand: crate::Operand::Literal(Literal::Text("hr".into())),
    };
    Mask::Choice { when, then: Mask::Show.into(), otherwise: otherwise.into() }
}

/// S-034, attack 77: an attribute is one literal or no rows, whatever it holds.
#[test]
fn an_attribute_filters_as_a_literal_or_lets_nothing_through() {
    let filter = rule(json!({"row_filter": {"type": "eq", "term": "region", "attribute": "region"}}));
    let rows = [Row::from([(3, text("us"))]), Row::from([(3, text("eu"))]), Row::from([(3, Scalar::Null)])];
    let passed = |attribute: Option<Attribute>| {
        let attributes: BTreeMap<String, Attribute> = attribute.map(|a| ("region".into(), a)).into_iter().collect();
        let obligations = Obligations { applied: vec![applied(filter.clone())], attributes: attributes.into() };
        let policy = lower(&obligations, &emp_schema());
        rows.iter().filter(|row| eval(&policy.filter, row) == Some(true)).count()
    };
    assert_eq!(passed(Some(Attribute::Text("us".into()))), 1);
    assert_eq!(passed(Some(Attribute::Text("us' OR '1'='1".into()))), 0);
    assert_eq!(passed(Some(Attribute::Text("NULL".into()))), 0);
    assert_eq!(passed(Some(Attribute::Text(String::new()))), 0);
    assert_eq!(passed(Some(Attribute::List(vec!["us".into(), "eu".into()]))), 0);
    assert_eq!(passed(Some(Attribute::Bool(true))), 0);
    assert_eq!(passed(None), 0);
}

/// S-034: every filter that applies must hold.
#[test]
fn filters_are_anded() {
    let us = rule(json!({"row_filter": {"type": "eq", "term": "region", "value": "us"}}));
    let hr = rule(json!({"row_filter": {"type": "eq", "term": "dept", "value": "hr"}}));
    let filter = lowered(vec![us, hr]).filter;
    let row = |region, dept| Row::from([(3, text(region)), (4, text(dept))]);
    assert_eq!(eval(&filter, &row("us", "hr")), Some(true));
    assert_eq!(eval(&filter, &row("us", "it")), Some(false));
    assert_eq!(eval(&filter, &row("eu", "hr")), Some(false));
    assert_eq!(lowered(vec![]).filter, BoundPredicate::True);
}

/// R35: a filter whose column is gone or of another type lets nothing through, negated or not.
#[test]
fn a_filter_that_cannot_be_evaluated_lets_nothing_through() {
    let filters = [
        json!({"type": "eq", "term": "region", "value": "us"}),
        json!({"type": "not", "child": {"type": "eq", "term": "region", "value": "us"}}),
        json!({"type": "or", "left": true, "right": {"type": "eq", "term": "region", "value": "us"}}),
        json!({"type": "is-null", "term": "region"}),
    ];
    let mut gone = emp_schema();
    gone.fields.retain(|f| f.name != "region");
    let mut listed = gone.clone();
    let element = Box::new(field(31, "element", false, Primitive::String));
    listed.fields.push(Field { id: 30, name: "region".into(), required: false, ty: FieldType::List(element) });
    let mut retyped = gone.clone();
    retyped.fields.push(field(30, "region", false, Primitive::Long));
    for filter in &filters {
        for schema in [&gone, &listed] {
            let policy = lower(&obligations(vec![applied(rule(json!({"row_filter": filter})))]), schema);
            assert_eq!(policy.filter, BoundPredicate::False, "{filter}");
        }
    }
    let policy = lower(&obligations(vec![applied(rule(json!({"row_filter": filters[0]})))]), &retyped);
    assert_eq!(policy.filter, BoundPredicate::False);
}

/// R35: a column renamed away and another one put in its place: the filter and the mask hold for both.
#[test]
fn a_replaced_column_does_not_shed_its_restriction() {
    let mut schema = emp_schema();
    schema.fields[2].name = "renamed".into();
    schema.fields.push(field(30, "region", false, Primitive::String));
    let filter = rule(json!({"row_filter": {"type": "eq", "term": "region", "value": "us"}}));
    let masked = mask(&["region"], Mask::Action(MaskAction::MaskAlphanum));
    let all = vec![
        bound_to(filter, &["region"], &[3]),
        bound_to(masked, &["region"], &[3]),
        bound_to(hide(&["salary"]), &["salary"], &[5, 12, 99]),
    ];
    let policy = lower(&obligations(all), &schema);
    let row = |old: &str, new: &str| Row::from([(3, text(old)), (30, text(new))]);
    assert_eq!(eval(&policy.filter, &row("us", "us")), Some(true));
    assert_eq!(eval(&policy.filter, &row("eu", "us")), Some(false));
    assert_eq!(eval(&policy.filter, &row("us", "eu")), Some(false));
    let alphanum = FieldRule::Mask(BoundMask::Action(MaskAction::MaskAlphanum));
    assert_eq!(policy.fields[&3], alphanum);
    assert_eq!(policy.fields[&30], alphanum);
    assert_eq!((&policy.fields[&5], &policy.fields[&12]), (&FieldRule::Hide, &FieldRule::Hide));
    assert_eq!(policy.fields.len(), 4);
}

/// R35: more combinations than can be checked let nothing through.
#[test]
fn too_many_combinations_let_nothing_through() {
    let filter = rule(json!({"row_filter": {"type": "is-null", "term": "region"}}));
    let mut schema = emp_schema();
    schema.fields.extend((100..120).map(|id| field(id, &format!("c{id}"), false, Primitive::String)));
    let ids: Vec<i32> = (100..120).collect();
    assert_eq!(
        lower(&obligations(vec![bound_to(filter.clone(), &["region"], &ids)]), &schema).filter,
        BoundPredicate::False
    );
    assert_ne!(
        lower(&obligations(vec![bound_to(filter, &["region"], &ids[..3])]), &schema).filter,
        BoundPredicate::False
    );
}

/// S-033: hidden beats masked; a parent's mask beats its child's; nothing hidden is left below a mask.
#[test]
fn parents_and_children_settle_on_the_stricter_rule() {
    let nulled = || Mask::Action(MaskAction::ReplaceWithNull);
    let alphanum = || Mask::Action(MaskAction::MaskAlphanum);
    let info = |rules| lowered(rules).fields;
    let only = |id, rule| BTreeMap::from([(id, rule)]);
    assert_eq!(info(vec![mask(&["ssn"], alphanum()), hide(&["ssn"])]), only(6, FieldRule::Hide));
    assert_eq!(info(vec![hide(&["info"]), mask(&["info", "phone"], alphanum())]), only(7, FieldRule::Hide));
    assert_eq!(info(vec![mask(&["info"], nulled()), mask(&["info", "phone"], alphanum())]), only(7, null()));
    assert_eq!(info(vec![mask(&["info"], nulled()), hide(&["info", "phone"])]), only(7, FieldRule::Hide));
    assert_eq!(info(vec![hide(&["info", "phone"])]), only(8, FieldRule::Hide));
    let both = info(vec![mask(&["info", "phone"], alphanum()), hide(&["info", "city"])]);
    assert_eq!(both.keys().copied().collect::<Vec<_>>(), [8, 9]);
}

/// S-033: where a parent's mask would show it, a rule below must not be shed.
#[test]
fn a_parent_that_is_shown_to_some_does_not_show_its_masked_child() {
    let parent = || mask(&["info"], shown_to_hr(Mask::Action(MaskAction::ReplaceWithNull)));
    let child = mask(&["info", "phone"], Mask::Action(MaskAction::MaskAlphanum));
    assert_eq!(lowered(vec![parent(), child]).fields, BTreeMap::from([(7, null())]));
    assert_eq!(lowered(vec![parent(), hide(&["info", "phone"])]).fields, BTreeMap::from([(7, FieldRule::Hide)]));
    let alone = lowered(vec![parent()]).fields;
    assert!(matches!(&alone[&7], FieldRule::Mask(BoundMask::Choice { .. })));
    let shown = mask(&["info"], Mask::Show);
    let child = mask(&["info", "phone"], Mask::Action(MaskAction::MaskAlphanum));
    assert_eq!(lowered(vec![shown, child]).fields.keys().copied().collect::<Vec<_>>(), [8]);
}

/// S-033: a mask that the field's type does not have (any more) becomes null, a fixed value, or hides the field.
#[test]
fn a_mask_that_does_not_fit_masks_more() {
    let of = |name: &str, mask_: Mask| lowered(vec![mask(&[name], mask_)]).fields.into_values().next();
    let fixed = Some(FieldRule::Mask(BoundMask::Action(MaskAction::MaskToFixedValue)));
    assert_eq!(of("salary", Mask::Action(MaskAction::MaskAlphanum)), Some(null()));
    assert_eq!(of("id", Mask::Action(MaskAction::MaskAlphanum)), fixed);
    assert_eq!(of("id", Mask::Action(MaskAction::ReplaceWithNull)), fixed);
    assert_eq!(of("salary", Mask::Static(Literal::Long(i64::MAX))), Some(null()));
    assert_eq!(of("salary", Mask::Static(Literal::Text("x".into()))), Some(null()));
    assert_eq!(of("shape", Mask::Action(MaskAction::MaskToFixedValue)), Some(FieldRule::Hide));
    assert_eq!(of("shape", Mask::Action(MaskAction::ReplaceWithNull)), Some(FieldRule::Hide));
    assert_eq!(of("salary", shown_to_hr(Mask::Action(MaskAction::ShowLast4))), Some(null()));
    assert_eq!(of("salary", Mask::Show), None);
    assert_eq!(of("nope", Mask::Action(MaskAction::MaskAlphanum)), None);
}

/// S-033: a required field whose two masks differ shows a fixed value inside choices too, never a null.
#[test]
fn required_fields_are_never_nulled() {
    let rules = vec![
        mask(&["code"], shown_to_hr(Mask::Action(MaskAction::ShowFirst4))),
        mask(&["code"], Mask::Action(MaskAction::ShowLast4)),
    ];
    let policy = lowered(rules);
    let FieldRule::Mask(bound) = &policy.fields[&16] else { panic!("masked") };
    for dept in [text("hr"), text("it"), Scalar::Null] {
        let row = Row::from([(4, dept), (16, text("abcdefgh"))]);
        assert_ne!(mask_value(bound, 16, Primitive::String, &row, &|_, v| v.clone()), Scalar::Null);
    }
    let row = Row::from([(4, text("it")), (16, text("abcdefgh"))]);
    assert_eq!(mask_value(bound, 16, Primitive::String, &row, &|_, v| v.clone()), text("XXXXXXXX"));
}

/// S-033: a choice whose condition compares a column that changed its type masks everywhere.
#[test]
fn a_choice_over_a_retyped_column_masks_everywhere() {
    let mut schema = emp_schema();
    schema.fields[3].ty = FieldType::Primitive(Primitive::Long);
    let rule = mask(&["ssn"], shown_to_hr(Mask::Action(MaskAction::ReplaceWithNull)));
    assert_eq!(lower(&obligations(vec![applied(rule)]), &schema).fields, BTreeMap::from([(6, null())]));
}

/// S-033: a rule that came to stand on a map's key or inside a list holds for the whole map or list.
#[test]
fn rules_inside_containers_hold_for_what_can_carry_them() {
    let nulled = || Mask::Action(MaskAction::ReplaceWithNull);
    let keys = |rules| lowered(rules).fields;
    assert_eq!(keys(vec![mask(&["scores", "key"], nulled())]), BTreeMap::from([(13, null())]));
    assert_eq!(keys(vec![hide(&["scores", "key"])]), BTreeMap::from([(13, FieldRule::Hide)]));
    assert_eq!(keys(vec![hide(&["tags", "element"])]), BTreeMap::from([(10, FieldRule::Hide)]));
    assert_eq!(keys(vec![mask(&["scores", "value"], nulled())]), BTreeMap::from([(15, null())]));
}

fn random_rule() -> impl Strategy<Value = Rule> {
    let names = [
        "id",
        "region",
        "dept",
        "salary",
        "ssn",
        "info",
        "info.phone",
        "tags",
        "tags.element",
        "scores.key",
        "scores",
        "born",
        "code",
        "shape",
        "gone",
    ];
    let column = prop::sample::select(names.to_vec()).prop_map(|name| name.split('.').map(str::to_owned).collect());
    let action = prop::sample::select(MaskAction::ALL.to_vec()).prop_map(Mask::Action);
    let mask = prop_oneof![
        action.clone(),
        action.prop_map(shown_to_hr),
        Just(Mask::Static(Literal::Text("***".into()))),
        Just(Mask::Show),
    ];
    (column, prop::option::weighted(0.8, mask)).prop_map(|(column, mask)| match mask {
        Some(mask) => Rule::Mask { column, mask },
        None => Rule::Hide { column },
    })
}

proptest! {
    /// S-033: what engines are given is always enforceable: rules only on fields of the schema, never on a field
    /// and its descendant, nothing nulled that is required, no action that the type does not have; and one more
    /// rule never shows a field again.
    #[test]
    fn lowered_rules_are_enforceable_and_monotone(rules in prop::collection::vec(random_rule(), 0..6), more in random_rule()) {
        let schema = emp_schema();
        let policy = lowered(rules.clone());
        for (id, rule) in &policy.fields {
            let way = schema.path_to(*id);
            let (last, around) = way.split_last().unwrap();
            prop_assert!(around.iter().all(|field| !policy.fields.contains_key(&field.id)));
            if let FieldRule::Mask(mask) = rule {
                prop_assert!(fits(mask, last) && *mask != BoundMask::Show);
            }
        }
        let stricter = lowered([rules, vec![more]].concat());
        for id in policy.fields.keys() {
            let way = schema.path_to(*id);
            prop_assert!(way.iter().any(|field| stricter.fields.contains_key(&field.id)));
        }
    }
}
