use proptest::prelude::*;

use super::*;
use crate::{Mask, MaskAction, Rule};

fn attributes(value: Option<Attribute>) -> BTreeMap<String, Attribute> {
    value.map(|value| ("a".to_owned(), value)).into_iter().collect()
}

fn attribute(ty: Primitive) -> Operand {
    Operand::Attribute { name: "a".into(), ty }
}

fn column() -> ColumnPath {
    vec!["c".into()]
}

/// S-034, attack 77: whatever an attribute holds becomes one literal of the column's type, or nothing binds.
#[test]
fn an_attribute_becomes_a_literal_or_nothing() {
    let injection = "us' OR '1'='1".to_owned();
    let compare = |ty| Predicate::Compare { column: column(), op: Comparison::Eq, operand: attribute(ty) };
    let bound = |predicate: Predicate, value| predicate.bind(&attributes(value));
    let literal = |literal| Some(BoundPredicate::Compare { column: column(), op: Comparison::Eq, literal });
    let text = Attribute::Text(injection.clone());
    assert_eq!(bound(compare(Primitive::String), Some(text.clone())), literal(Literal::Text(injection.clone())));
    assert_eq!(bound(compare(Primitive::Long), Some(Attribute::Int(7))), literal(Literal::Long(7)));
    assert_eq!(bound(compare(Primitive::Boolean), Some(Attribute::Bool(true))), literal(Literal::Bool(true)));
    for (ty, value) in [
        (Primitive::String, None),
        (Primitive::String, Some(Attribute::List(vec!["us".into()]))),
        (Primitive::String, Some(Attribute::Int(1))),
        (Primitive::Long, Some(text)),
        (Primitive::Boolean, Some(Attribute::Int(1))),
        (Primitive::Date, Some(Attribute::Int(1))),
    ] {
        assert_eq!(bound(compare(ty), value.clone()), None, "{ty:?} {value:?}");
    }
    let starts = Predicate::StartsWith { column: column(), operand: attribute(Primitive::String) };
    assert_eq!(bound(starts, Some(Attribute::List(vec![]))), None);
}

/// S-034: a list stands for its texts in `in` on a text column only, and an empty one lets nothing through.
#[test]
fn a_list_attribute_works_in_in_only() {
    let within = |ty| Predicate::In { column: column(), operands: vec![attribute(ty)] };
    let list = |texts: &[&str]| attributes(Some(Attribute::List(texts.iter().map(|t| (*t).to_owned()).collect())));
    let literals = |texts: &[&str]| texts.iter().map(|t| Literal::Text((*t).into())).collect();
    assert_eq!(
        within(Primitive::String).bind(&list(&["us", "eu' --"])),
        Some(BoundPredicate::In { column: column(), literals: literals(&["us", "eu' --"]) })
    );
    assert_eq!(within(Primitive::String).bind(&list(&[])), None);
    assert_eq!(within(Primitive::Long).bind(&list(&["1"])), None);
    let one = attributes(Some(Attribute::Text("us".into())));
    assert_eq!(
        within(Primitive::String).bind(&one),
        Some(BoundPredicate::In { column: column(), literals: literals(&["us"]) })
    );
}

/// S-034: an attribute that is missing takes the whole predicate with it, even beside `or true` and below `not`.
#[test]
fn a_missing_attribute_binds_nothing_around_it() {
    let missing = Predicate::Compare { column: column(), op: Comparison::NotEq, operand: attribute(Primitive::String) };
    for predicate in [
        Predicate::Or(vec![Predicate::True, missing.clone()]),
        Predicate::And(vec![Predicate::False, missing.clone()]),
        Predicate::Not(Box::new(missing)),
    ] {
        assert_eq!(predicate.bind(&BTreeMap::new()), None);
    }
}

/// A literal fits a type only if every value-preserving reader would agree on it.
#[test]
fn literals_fit_types_exactly() {
    let decimal = |unscaled, scale| Literal::Decimal { unscaled, scale };
    let ty = Primitive::Decimal { precision: 3, scale: 1 };
    for (literal, ty, expected) in [
        (Literal::Long(i64::from(i32::MAX)), Primitive::Int, true),
        (Literal::Long(i64::from(i32::MAX) + 1), Primitive::Int, false),
        (Literal::Long(i64::MIN), Primitive::Long, true),
        (Literal::Long(0), Primitive::Double, false),
        (Literal::Double(0.5), Primitive::Float, true),
        (Literal::Double(0.1), Primitive::Float, false),
        (Literal::Double(1e300), Primitive::Float, false),
        (Literal::Double(f64::NAN), Primitive::Double, false),
        (Literal::Double(f64::INFINITY), Primitive::Double, false),
        (Literal::Double(f64::INFINITY), Primitive::Float, false),
        (decimal(999, 1), ty, true),
        (decimal(-999, 1), ty, true),
        (decimal(1_000, 1), ty, false),
        (decimal(1, 2), ty, false),
        (decimal(0, 1), Primitive::Decimal { precision: 1, scale: 1 }, true),
        (Literal::Timestamp(0), Primitive::TimestampNs { zoned: false }, false),
        (Literal::Text(String::new()), Primitive::Other, false),
    ] {
        assert_eq!(literal.fits(ty), expected, "{literal:?} {ty:?}");
    }
}

/// A stored number that is none is refused, not read as something else.
#[test]
fn stored_numbers_must_be_finite() {
    for text in [r#"{"double":"NaN"}"#, r#"{"double":"inf"}"#, r#"{"double":null}"#, r#"{"double":"1,0"}"#] {
        assert!(serde_json::from_str::<Literal>(text).is_err(), "{text}");
    }
    assert_eq!(serde_json::from_str::<Literal>(r#"{"double":"0.1"}"#).unwrap(), Literal::Double(0.1));
}

pub(crate) fn any_literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        any::<bool>().prop_map(Literal::Bool),
        any::<i64>().prop_map(Literal::Long),
        (prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO).prop_map(Literal::Double),
        (any::<i128>(), any::<i8>()).prop_map(|(unscaled, scale)| Literal::Decimal { unscaled, scale }),
        any::<i32>().prop_map(Literal::Date),
        any::<i64>().prop_map(Literal::Time),
        any::<i64>().prop_map(Literal::Timestamp),
        any::<i64>().prop_map(Literal::TimestampNs),
        any::<String>().prop_map(Literal::Text),
        any::<u128>().prop_map(|n| Literal::Uuid(uuid::Uuid::from_u128(n))),
    ]
}

fn any_operand() -> impl Strategy<Value = Operand> {
    let types = vec![Primitive::Boolean, Primitive::Int, Primitive::Long, Primitive::String];
    prop_oneof![
        any_literal().prop_map(Operand::Literal),
        (any::<String>(), prop::sample::select(types)).prop_map(|(name, ty)| Operand::Attribute { name, ty }),
    ]
}

pub(crate) fn any_comparison() -> impl Strategy<Value = Comparison> {
    use Comparison::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    prop::sample::select(vec![Eq, NotEq, Lt, LtEq, Gt, GtEq])
}

fn any_predicate() -> impl Strategy<Value = Predicate> {
    let path = || prop::collection::vec(any::<String>(), 1..3);
    let leaf = prop_oneof![
        Just(Predicate::True),
        Just(Predicate::False),
        path().prop_map(Predicate::IsNull),
        (path(), any_comparison(), any_operand()).prop_map(|(column, op, operand)| Predicate::Compare {
            column,
            op,
            operand
        }),
        (path(), prop::collection::vec(any_operand(), 1..3))
            .prop_map(|(column, operands)| Predicate::In { column, operands }),
        (path(), any_operand()).prop_map(|(column, operand)| Predicate::StartsWith { column, operand }),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Predicate::And),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Predicate::Or),
            inner.prop_map(|p| Predicate::Not(Box::new(p))),
        ]
    })
}

fn any_mask() -> impl Strategy<Value = Mask> {
    let leaf = prop_oneof![
        Just(Mask::Show),
        prop::sample::select(MaskAction::ALL.to_vec()).prop_map(Mask::Action),
        any_literal().prop_map(Mask::Static),
    ];
    leaf.prop_recursive(3, 6, 2, |inner| {
        (any_predicate(), inner.clone(), inner).prop_map(|(when, then, otherwise)| Mask::Choice {
            when,
            then: then.into(),
            otherwise: otherwise.into(),
        })
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let path = || prop::collection::vec(any::<String>(), 1..3);
    prop_oneof![
        any_predicate().prop_map(Rule::RowFilter),
        (path(), any_mask()).prop_map(|(column, mask)| Rule::Mask { column, mask }),
        path().prop_map(|column| Rule::Hide { column }),
    ]
}

proptest! {
    /// S-033, S-034: a rule comes back from the store as it went in, bit by bit.
    #[test]
    fn stored_rules_come_back_unchanged(rule in any_rule()) {
        let text = serde_json::to_string(&rule).unwrap();
        let back: Rule = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), text);
        prop_assert_eq!(back, rule);
    }
}
