use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fixture::{emp_schema, rule, spec};

fn refusal(body: Value) -> String {
    let error = compile(&spec(body).unwrap(), &emp_schema()).unwrap_err();
    assert_eq!((error.code(), error.subject()), ("invalid_policy", Subject::Policy));
    error.message().to_owned()
}

fn filter(predicate: Value) -> Value {
    json!({ "row_filter": predicate })
}

/// S-034: Iceberg's expressions compile to the typed predicate that they mean.
#[test]
fn predicates_compile() {
    let column = |name: &str| vec![name.to_owned()];
    let text = |value: &str| Operand::Literal(Literal::Text(value.into()));
    let region = |operand| Predicate::Compare { column: column("region"), op: Comparison::Eq, operand };
    let cases = [
        (json!(true), Predicate::True),
        (json!({"type": "false"}), Predicate::False),
        (json!({"type": "eq", "term": "region", "value": "us"}), region(text("us"))),
        (
            json!({"type": "eq", "term": "region", "attribute": "r"}),
            region(Operand::Attribute { name: "r".into(), ty: Primitive::String }),
        ),
        (
            json!({"type": "not-in", "term": ["info", "city"], "values": ["a", "b"]}),
            Predicate::Not(Box::new(Predicate::In {
                column: vec!["info".into(), "city".into()],
                operands: vec![text("a"), text("b")],
            })),
        ),
        (
            json!({"type": "and", "left": {"type": "not-null", "term": "shape"}, "right": false}),
            Predicate::And(vec![Predicate::Not(Box::new(Predicate::IsNull(column("shape")))), Predicate::False]),
        ),
        (
            json!({"type": "starts-with", "term": "info.city", "value": "us' OR '1'='1"}),
            Predicate::StartsWith { column: vec!["info".into(), "city".into()], operand: text("us' OR '1'='1") },
        ),
    ];
    for (written, expected) in cases {
        assert_eq!(rule(filter(written.clone())), Rule::RowFilter(expected), "{written}");
    }
}

/// S-034: a predicate that is not wholly understood is refused.
#[test]
fn what_a_predicate_cannot_mean_is_refused() {
    for (written, expected) in [
        (json!("region = 'us'"), "a predicate is"),
        (json!([]), "a predicate is"),
        (json!({"term": "region", "value": "us"}), "a predicate has a `type`"),
        (json!({"type": "eq", "term": "nope", "value": "us"}), "no column `nope`"),
        (json!({"type": "like", "term": "region", "value": "u%"}), "unknown predicate type `like`"),
        (json!({"type": "eq", "term": "region"}), "a comparison has a `value`"),
        (json!({"type": "eq", "term": "region", "value": "us", "attribute": "r"}), "a comparison has a `value`"),
        (json!({"type": "eq", "term": "region", "value": "us", "atribute": "r"}), "`eq` has no `atribute`"),
        (json!({"type": "eq", "term": "region", "values": ["us"]}), "`eq` has no `values`"),
        (json!({"type": "is-null", "term": "region", "value": 1}), "`is-null` has no `value`"),
        (json!({"type": "or", "left": true, "right": true, "middle": false}), "`or` has no `middle`"),
        (json!({"type": "or", "left": true}), "`or` needs `right`"),
        (json!({"type": "eq", "term": "region", "value": null}), "does not fit"),
        (json!({"type": "eq", "term": "region", "value": 1}), "does not fit"),
        (json!({"type": "eq", "term": "salary", "value": 1.5}), "does not fit"),
        (json!({"type": "eq", "term": "salary", "value": 2_147_483_648_i64}), "does not fit"),
        (json!({"type": "eq", "term": "rate", "value": 1e300}), "does not fit"),
        (json!({"type": "eq", "term": "rate", "value": "NaN"}), "does not fit"),
        (json!({"type": "eq", "term": "price", "value": 1.5}), "does not fit"),
        (json!({"type": "eq", "term": "price", "value": "1.234"}), "does not fit"),
        (json!({"type": "eq", "term": "price", "value": "12345678.00"}), "does not fit"),
        (json!({"type": "eq", "term": "price", "value": "1e2"}), "does not fit"),
        (json!({"type": "eq", "term": "born", "value": "2023-02-29"}), "does not fit"),
        (json!({"type": "eq", "term": "born", "attribute": "b"}), "attributes compare with"),
        (json!({"type": "in", "term": "region", "values": []}), "`in` has 1 to"),
        (json!({"type": "in", "term": "region", "values": ["us", 1]}), "does not fit"),
        (json!({"type": "eq", "term": "info", "value": "x"}), "not of a primitive type"),
        (json!({"type": "eq", "term": "tags.element", "value": "x"}), "not inside lists and maps"),
        (json!({"type": "starts-with", "term": "salary", "value": "1"}), "needs a string column"),
        (json!({"type": "eq", "term": "shape", "value": "x"}), "does not fit"),
    ] {
        let told = refusal(filter(written.clone()));
        assert!(told.contains(expected), "{written}: {told}");
    }
}

/// Literals take the type of their column, exactly.
#[test]
fn literals_take_their_columns_type() {
    let literal = |term: &str, value: Value| match rule(filter(json!({"type": "eq", "term": term, "value": value}))) {
        Rule::RowFilter(Predicate::Compare { operand: Operand::Literal(literal), .. }) => literal,
        other => panic!("{other:?}"),
    };
    assert_eq!(literal("salary", json!(-5)), Literal::Long(-5));
    assert_eq!(literal("rate", json!(0.1)), Literal::Double(f64::from(0.1_f32)));
    assert_eq!(literal("price", json!("-12.3")), Literal::Decimal { unscaled: -1230, scale: 2 });
    assert_eq!(literal("price", json!("9999999.99")), Literal::Decimal { unscaled: 999_999_999, scale: 2 });
    assert_eq!(literal("born", json!("1969-12-31")), Literal::Date(-1));
    match literal("rate", json!(-0.0)) {
        Literal::Double(zero) => assert!(zero.is_sign_positive(), "one zero"),
        other => panic!("{other:?}"),
    }
}

/// S-033: masks compile where their action is defined, and nowhere else.
#[test]
fn masks_are_checked_against_the_column() {
    let masked = |mask: Value| match rule(json!({ "mask": mask })) {
        Rule::Mask { mask, .. } => mask,
        other => panic!("{other:?}"),
    };
    assert_eq!(masked(json!({"column": "ssn", "value": "***"})), Mask::Static(Literal::Text("***".into())));
    assert_eq!(
        masked(json!({"column": "info", "action": "mask-to-fixed-value"})),
        Mask::Action(MaskAction::MaskToFixedValue)
    );
    assert_eq!(
        masked(json!({"column": "tags.element", "action": "show-first-4"})),
        Mask::Action(MaskAction::ShowFirst4)
    );
    let choice = json!({"column": "ssn", "when": {"type": "eq", "term": "dept", "attribute": "dept"},
        "then": {"action": "show"}, "else": {"action": "replace-with-null"}});
    assert!(matches!(masked(choice), Mask::Choice { .. }));
    for (mask, expected) in [
        (json!({"column": "salary", "action": "mask-alphanum"}), "`mask-alphanum` is not defined"),
        (json!({"column": "ssn", "action": "truncate-to-year"}), "`truncate-to-year` is not defined"),
        (json!({"column": "shape", "action": "mask-to-fixed-value"}), "`mask-to-fixed-value` is not defined"),
        (json!({"column": "id", "action": "replace-with-null"}), "needs an optional column"),
        (json!({"column": "scores.key", "action": "mask-alphanum"}), "a map's key cannot be masked"),
        (json!({"column": "ssn", "action": "show"}), "`show` alone is no mask"),
        (json!({"column": "ssn", "when": true, "then": {"action": "show"}, "else": {"action": "show"}}), "no mask"),
        (json!({"column": "salary", "value": "x"}), "does not fit"),
        (json!({"column": "info", "value": "x"}), "does not fit"),
        (json!({"column": "nope", "value": "x"}), "no column `nope`"),
    ] {
        let told = refusal(json!({ "mask": mask }));
        assert!(told.contains(expected), "{mask}: {told}");
    }
}

/// A policy is one rule for somebody on columns that can carry it.
#[test]
fn a_policy_is_exactly_one_rule() {
    let exactly = "exactly one of `row_filter`, `mask` and `hide_column`";
    assert!(refusal(json!({})).contains(exactly));
    assert!(refusal(json!({"row_filter": true, "hide_column": "ssn"})).contains(exactly));
    assert!(refusal(json!({"hide_column": "ssn", "applies_to": []})).contains("names no role"));
    assert!(refusal(json!({"hide_column": "tags.element"})).contains("fields of structs"));
    assert_eq!(rule(json!({"hide_column": "info.phone"})), Rule::Hide { column: vec!["info".into(), "phone".into()] });
    let mut nameless = spec(json!({"hide_column": "ssn"})).unwrap();
    nameless.name = "\u{202e}x".into();
    assert_eq!(compile(&nameless, &emp_schema()).unwrap_err().subject(), Subject::Policy);
}

/// A name that holds a dot is found before the dot is taken for a way.
#[test]
fn a_dot_can_be_part_of_a_name() {
    let mut schema = emp_schema();
    schema.fields.push(crate::fixture::field(40, "info.phone", false, Primitive::String));
    let hide = |column: Value| compile(&spec(json!({"hide_column": column})).unwrap(), &schema).unwrap();
    assert_eq!(hide(json!("info.phone")), Rule::Hide { column: vec!["info.phone".into()] });
    assert_eq!(hide(json!(["info", "phone"])), Rule::Hide { column: vec!["info".into(), "phone".into()] });
}

/// R32: size and depth are bounded.
#[test]
fn huge_policies_are_refused() {
    let deep = (0..40).fold(json!(true), |inner, _| json!({"type": "not", "child": inner}));
    assert!(refusal(filter(deep)).contains("too large"));
    let mut level: Vec<Value> = (0..600).map(|_| json!({"type": "eq", "term": "salary", "value": 1})).collect();
    while level.len() > 1 {
        let pair = |pair: &[Value]| match pair {
            [left, right] => json!({"type": "or", "left": left, "right": right}),
            other => other[0].clone(),
        };
        level = level.chunks(2).map(pair).collect();
    }
    assert!(refusal(filter(level.remove(0))).contains("too large"));
    let many: Vec<i64> = (0..10_001).collect();
    assert!(refusal(filter(json!({"type": "in", "term": "salary", "values": many}))).contains("`in` has 1 to"));
    let choices = (0..12).fold(
        json!({"value": "x"}),
        |inner, _| json!({"when": {"type": "is-null", "term": "dept"}, "then": {"action": "show"}, "else": inner}),
    );
    let mut mask = choices;
    mask["column"] = json!("ssn");
    assert!(refusal(json!({ "mask": mask })).contains("levels of choices"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let words = ["eq", "in", "and", "not", "is-null", "region", "salary", "info", "us", "attribute"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec!["type", "term", "value", "values", "attribute", "left", "right", "child"]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(keys.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// R32: any JSON is compiled or refused; what compiles comes back from the store.
    #[test]
    fn any_predicate_is_compiled_or_refused(value in any_json()) {
        if let Ok(rule) = compile(&spec(filter(value)).unwrap(), &emp_schema()) {
            let text = serde_json::to_string(&rule).unwrap();
            prop_assert_eq!(serde_json::from_str::<Rule>(&text).unwrap(), rule);
        }
    }
}
