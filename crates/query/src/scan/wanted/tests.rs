use polder_policy::reference;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::scan::random::{predicate, table_rows};

/// The rows of a mask; all if there is none.
fn rows(mask: Option<&BooleanArray>, count: usize) -> Vec<bool> {
    mask.map_or_else(|| vec![true; count], |mask| mask.values().iter().collect())
}

fn reads_any(predicate: &FieldPredicate) -> bool {
    let mut any = false;
    predicate.for_each_column(&mut |_| any = true);
    any
}

fn reads_top(predicate: &FieldPredicate) -> bool {
    let mut top = true;
    predicate.for_each_column(&mut |id| top &= *id < 20);
    top
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// R34: no row is kept that is not visible, none dropped that is visible and wanted by the slow evaluator; and
    /// where few are wanted, no other is kept.
    #[test]
    fn what_is_wanted_is_found_among_what_is_visible(
        (scalars, batch) in table_rows(),
        filter in prop::option::of(predicate()),
        pushed in vec(predicate(), 1..3),
    ) {
        let bound = filter.as_ref().map(|filter| bind(filter, batch.schema().fields()).unwrap());
        let visible = bound.map(|filter| where_true(&evaluate(&filter, &batch).unwrap()));
        let seen = rows(visible.as_ref(), scalars.len());
        let Some(wanted) = Wanted::new(&pushed, batch.schema().fields()).unwrap() else {
            let none = pushed.iter().all(|p| !agrees(p) || !reads_top(p) || !reads_any(p));
            prop_assert!(none, "{pushed:?}");
            return Ok(());
        };
        let kept = rows(wanted.among(&batch, visible).unwrap().as_ref(), scalars.len());
        let used: Vec<_> = pushed.iter().filter(|p| agrees(p) && reads_top(p)).collect();
        let asked: Vec<bool> =
            scalars.iter().map(|row| used.iter().all(|p| reference::eval(p, row) == Some(true))).collect();
        let both = seen.iter().zip(&asked).filter(|(seen, asked)| **seen && **asked).count();
        let few = both * SELECTIVE <= seen.iter().filter(|seen| **seen).count();
        for ((kept, seen), asked) in kept.iter().zip(&seen).zip(&asked) {
            prop_assert_eq!(*kept, *seen && (*asked || !few));
        }
    }
}
