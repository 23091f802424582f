use proptest::prelude::*;

use super::*;
use crate::{
    predicate::tests::any_comparison,
    reference::{Row, Scalar, eval},
};

type Bound = BoundMask<i32>;

/// The branch that a row takes: what is left of a mask when its conditions are known.
fn leaf(mask: &Bound, row: &Row) -> Bound {
    match mask {
        BoundMask::Choice { when, then, otherwise, unknown } => match eval(when, row) {
            Some(true) => leaf(then, row),
            Some(false) => leaf(otherwise, row),
            None => leaf(unknown, row),
        },
        plain => plain.clone(),
    }
}

/// The join as the design states it, for two masks without conditions.
fn join_of_leaves(left: &Bound, right: &Bound, required: bool) -> Bound {
    if *left == BoundMask::Show || left == right {
        return right.clone();
    }
    if *right == BoundMask::Show {
        return left.clone();
    }
    BoundMask::Action(if required { MaskAction::MaskToFixedValue } else { MaskAction::ReplaceWithNull })
}

/// A policy's mask, bound as `lower` binds it.
fn random_mask() -> impl Strategy<Value = Mask> {
    let leaf = prop_oneof![
        2 => Just(Mask::Show),
        3 => prop::sample::select(MaskAction::ALL.to_vec()).prop_map(Mask::Action),
        2 => (0..2_i64).prop_map(|n| Mask::Static(Literal::Long(n))),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        (random_condition(), inner.clone(), inner).prop_map(|(when, then, otherwise)| Mask::Choice {
            when,
            then: then.into(),
            otherwise: otherwise.into(),
        })
    })
}

/// A condition on column `1` or `2`; `missing` stands for an attribute that the caller does not have.
fn random_condition() -> impl Strategy<Value = Predicate> {
    let compare =
        (prop::sample::select(vec!["1", "2", "missing"]), any_comparison(), 0..3_i64).prop_map(|(column, op, n)| {
            Predicate::Compare { column: vec![column.into()], op, operand: crate::Operand::Literal(Literal::Long(n)) }
        });
    (compare, any::<bool>()).prop_map(|(p, not)| if not { Predicate::Not(Box::new(p)) } else { p })
}

fn bind(mask: &Mask, required: bool) -> Bound {
    let by_number = |path: &ColumnPath| path[0].parse().ok();
    mask.bind(&|when| when.bind(&Default::default())?.map_columns(&by_number), required)
}

fn random_row() -> impl Strategy<Value = Row> {
    let value = prop_oneof![1 => Just(Scalar::Null), 3 => (0..3_i64).prop_map(|n| Scalar::Value(Literal::Long(n)))];
    prop::collection::vec(value, 2).prop_map(|values| (1..).zip(values).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// S-033: in each row, a join shows what the join of the two branches taken there shows. So it is commutative,
    /// associative and idempotent in effect, and never shows more than either mask.
    #[test]
    fn masks_join_branch_by_branch(a in random_mask(), b in random_mask(), row in random_row(), required: bool) {
        let (a, b) = (bind(&a, required), bind(&b, required));
        let expected = join_of_leaves(&leaf(&a, &row), &leaf(&b, &row), required);
        prop_assert_eq!(leaf(&a.clone().join(b.clone(), required), &row), expected.clone());
        prop_assert_eq!(leaf(&b.clone().join(a.clone(), required), &row), expected);
        prop_assert_eq!(leaf(&a.clone().join(a.clone(), required), &row), leaf(&a, &row));
    }

    /// S-033: the order in which three masks join does not matter.
    #[test]
    fn joins_are_associative(
        masks in prop::array::uniform3(random_mask()), row in random_row(), required: bool,
    ) {
        let [a, b, c] = masks.map(|mask| bind(&mask, required));
        let left = a.clone().join(b.clone(), required).join(c.clone(), required);
        let right = a.join(b.join(c, required), required);
        prop_assert_eq!(leaf(&left, &row), leaf(&right, &row));
    }

    /// S-034: where a condition is unknown (null, or it cannot be bound), the stricter of both branches holds.
    #[test]
    fn an_unknown_condition_takes_the_stricter_branch(a in random_mask(), b in random_mask(), required: bool) {
        let nulls = Row::new();
        for column in ["1", "missing"] {
            let when = Predicate::Compare {
                column: vec![column.into()],
                op: crate::Comparison::Eq,
                operand: crate::Operand::Literal(Literal::Long(0)),
            };
            let choice = Mask::Choice { when, then: a.clone().into(), otherwise: b.clone().into() };
            let (a, b) = (leaf(&bind(&a, required), &nulls), leaf(&bind(&b, required), &nulls));
            prop_assert_eq!(leaf(&bind(&choice, required), &nulls), join_of_leaves(&a, &b, required));
        }
    }

    /// `may_show` is true of every mask that shows some row.
    #[test]
    fn a_mask_that_shows_says_so(mask in random_mask(), row in random_row()) {
        let bound = bind(&mask, false);
        prop_assert!(leaf(&bound, &row) != BoundMask::Show || bound.may_show());
        prop_assert!(!mask.shows_all() || bound == BoundMask::Show);
    }
}

/// S-033: two different masks become null where the field may be null, and a fixed value where not.
#[test]
fn different_masks_become_null_or_fixed() {
    let (a, b) = (Bound::Action(MaskAction::ShowFirst4), Bound::Action(MaskAction::ShowLast4));
    assert_eq!(a.clone().join(b.clone(), false), Bound::Action(MaskAction::ReplaceWithNull));
    assert_eq!(a.clone().join(b, true), Bound::Action(MaskAction::MaskToFixedValue));
    let (x, y) = (Bound::Static(Literal::Text("x".into())), Bound::Static(Literal::Text("y".into())));
    assert_eq!(x.join(y, false), Bound::Action(MaskAction::ReplaceWithNull));
    assert_eq!(a.clone().join(Bound::Show, false), a);
}

/// A mask that grows beyond all bounds becomes the strictest one, quickly.
#[test]
fn a_huge_mask_becomes_the_strictest() {
    let compare = |n| Predicate::Compare {
        column: vec!["1".into()],
        op: crate::Comparison::Eq,
        operand: crate::Operand::Literal(Literal::Long(n)),
    };
    let deep = (0..64).fold(Mask::Action(MaskAction::MaskAlphanum), |mask, n| Mask::Choice {
        when: compare(n),
        then: Mask::Show.into(),
        otherwise: mask.into(),
    });
    let bound = bind(&deep, false);
    assert!(bound.size() <= NODES_MAX);
    assert!(leaf(&bound, &Row::new()) != BoundMask::Show, "unknown takes the stricter branch");
    let one = |n| Mask::Choice {
        when: compare(n),
        then: Mask::Show.into(),
        otherwise: Mask::Static(Literal::Long(n)).into(),
    };
    let joined = (0..500).map(|n| bind(&one(n), true)).fold(Bound::Show, |all, next| all.join(next, true));
    assert!(joined == Bound::Action(MaskAction::MaskToFixedValue));
}

/// The nine names are the specification's, in policies and in the store alike.
#[test]
fn the_nine_actions_have_their_names() {
    for action in MaskAction::ALL {
        assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        assert_eq!(serde_json::from_value::<MaskAction>(action.as_str().into()).unwrap(), action);
    }
    assert!(serde_json::from_value::<MaskAction>("mask-nothing".into()).is_err());
}
