use std::collections::BTreeMap;

use polder_policy::reference::{Row, Scalar, eval};
use proptest::prelude::*;

use super::*;
use crate::scan::random::{COLUMNS, predicate, table_rows};

/// What a writer would record of the rows; for floating-point numbers without NaN.
fn bounds(rows: &[Row]) -> BTreeMap<i32, Bounds> {
    let of = |id: i32| {
        let cells: Vec<&Scalar> = rows.iter().map(|row| &row[&id]).collect();
        let values = || cells.iter().filter_map(|c| if let Scalar::Value(literal) = c { Some(literal) } else { None });
        let least = |by: Ordering| {
            values().fold(None, |best: Option<&Literal>, value| match best {
                Some(best) if order(value, best) != Some(by) => Some(best),
                _ => Some(value),
            })
        };
        Bounds {
            lower: least(Ordering::Less).cloned(),
            upper: least(Ordering::Greater).cloned(),
            nulls: Some(cells.iter().filter(|cell| ***cell == Scalar::Null).count() as u64),
            values: Some(cells.len() as u64),
        }
    };
    COLUMNS.iter().map(|(id, ..)| (*id, of(*id))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// No row that the predicate keeps is ever in a part that is left out, however much is known of the part.
    #[test]
    fn nothing_that_matches_is_pruned((rows, _) in table_rows(), predicate in predicate(), unknown in any::<u32>()) {
        let mut known = bounds(&rows);
        for (index, bounds) in known.values_mut().enumerate() {
            // Some of it is not known; some bounds are wider than the values.
            match unknown.rotate_right(index as u32) % 6 {
                0 => *bounds = Bounds::default(),
                1 => bounds.lower = None,
                2 => bounds.nulls = None,
                3 => if let Some(Literal::Text(text)) = &mut bounds.lower { text.pop(); },
                _ => {}
            }
        }
        let matches = rows.iter().any(|row| eval(&predicate, row) == Some(true));
        let kept = may_match(&predicate, &|id| known.get(&id));
        prop_assert!(kept || !matches, "{:?} pruned {:?}", predicate, known);
    }
}

fn longs(lower: i64, upper: i64, nulls: u64) -> Bounds {
    let [lower, upper] = [lower, upper].map(|value| Some(Literal::Long(value)));
    Bounds { lower, upper, nulls: Some(nulls), values: Some(10) }
}

/// It does prune: what lies wholly outside is left out, through NOT too.
#[test]
fn what_lies_outside_the_bounds_is_pruned() {
    let than = |op, value| BoundPredicate::Compare { column: 1, op, literal: Literal::Long(value) };
    let not = |predicate| BoundPredicate::Not(Box::new(predicate));
    let (known, nulls) = (longs(10, 20, 0), longs(0, 0, 10));
    let kept = |predicate: &FieldPredicate| may_match(predicate, &|_| Some(&known));
    for predicate in [
        than(Comparison::Lt, 10),
        than(Comparison::Gt, 20),
        than(Comparison::Eq, 9),
        not(than(Comparison::GtEq, 10)),
        not(not(than(Comparison::LtEq, 9))),
        BoundPredicate::IsNull(1),
        BoundPredicate::In { column: 1, literals: vec![Literal::Long(1), Literal::Long(21)] },
        BoundPredicate::And(vec![BoundPredicate::True, than(Comparison::Eq, 21)]),
        BoundPredicate::Or(vec![than(Comparison::Eq, 21), BoundPredicate::False]),
    ] {
        assert!(!kept(&predicate), "{predicate:?}");
    }
    assert!(kept(&than(Comparison::NotEq, 15)));
    assert!(kept(&not(BoundPredicate::IsNull(1))));
    assert!(!may_match(&than(Comparison::NotEq, 15), &|_| Some(&nulls)), "unknown is not true");
    assert!(may_match(&BoundPredicate::IsNull(1), &|_| Some(&nulls)));
    let texts =
        Bounds { lower: Some(Literal::Text("b".into())), upper: Some(Literal::Text("cz".into())), ..Bounds::default() };
    let starts = |prefix: &str| BoundPredicate::StartsWith { column: 1, prefix: prefix.to_owned() };
    let kept = ["a", "b", "cy", "cz", "cza", "d"].map(|prefix| may_match(&starts(prefix), &|_| Some(&texts)));
    assert_eq!(kept, [false, true, true, true, false, false]);
}
