use std::sync::Arc;

use arrow::array::Float64Array;
use polder_policy::reference;
use proptest::prelude::*;

use super::*;
use crate::scan::{
    fixture::{arrow_of, column, rows, schema},
    random::{predicate, table, table_rows},
};
use iceberg::spec::PrimitiveType;

fn outcomes(predicate: &FieldPredicate, batch: &RecordBatch) -> Vec<Option<bool>> {
    let bound = bind(predicate, batch.schema().fields()).unwrap();
    evaluate(&bound, batch).unwrap().iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// R34: no value makes a predicate fail, and each row comes out as the slow evaluator says.
    #[test]
    fn every_row_agrees_with_the_reference((scalars, batch) in table_rows(), predicate in predicate()) {
        let expected: Vec<_> = scalars.iter().map(|row| reference::eval(&predicate, row)).collect();
        prop_assert_eq!(outcomes(&predicate, &batch), expected, "{:?}", predicate);
    }

    /// The same on a slice of a batch: offsets are nobody's business.
    #[test]
    fn slices_agree_with_the_reference((scalars, batch) in table_rows(), predicate in predicate()) {
        prop_assume!(scalars.len() > 2);
        let slice = batch.slice(1, scalars.len() - 2);
        let expected: Vec<_> = scalars[1..scalars.len() - 1].iter().map(|row| reference::eval(&predicate, row)).collect();
        prop_assert_eq!(outcomes(&predicate, &slice), expected);
    }
}

#[test]
fn doubles_compare_in_total_order() {
    let table = schema(0, vec![column(1, "d", PrimitiveType::Double, false)]);
    let values = [f64::NAN, -f64::NAN, 0.0, -0.0, f64::INFINITY, 1.0];
    let batch = rows(&table, vec![Arc::new(Float64Array::from(values.to_vec()))]);
    let than = |op, value| BoundPredicate::Compare { column: 1, op, literal: Literal::Double(value) };
    let yes = |predicate| outcomes(&predicate, &batch).into_iter().map(|o| o == Some(true)).collect::<Vec<_>>();
    assert_eq!(yes(than(Comparison::Gt, 1.0)), [true, false, false, false, true, false]);
    assert_eq!(yes(than(Comparison::Lt, 0.0)), [false, true, false, true, false, false]);
    assert_eq!(yes(than(Comparison::Eq, 0.0)), [false, false, true, false, false, false]);
}

/// What a value inside a list is has no answer for a row.
#[test]
fn predicates_on_what_is_no_value_of_the_row_are_refused() {
    let arrow = arrow_of(&table());
    let compare = |column, literal| BoundPredicate::Compare { column, op: Comparison::Eq, literal };
    for predicate in [
        BoundPredicate::IsNull(99),
        compare(3, Literal::Text("3".to_owned())),
        compare(15, Literal::Text("3".to_owned())),
        compare(6, Literal::Decimal { unscaled: 1, scale: 3 }),
        BoundPredicate::StartsWith { column: 3, prefix: "a".to_owned() },
        BoundPredicate::In { column: 3, literals: vec![Literal::Long(1), Literal::Bool(true)] },
        BoundPredicate::Not(Box::new(compare(20, Literal::Long(1)))),
    ] {
        assert!(bind(&predicate, arrow.fields()).is_err(), "{predicate:?}");
    }
}

#[test]
fn a_batch_of_other_columns_is_an_error_not_an_answer() {
    let bound = bind(&BoundPredicate::IsNull(22), arrow_of(&table()).fields()).unwrap();
    let other = schema(0, vec![column(1, "d", PrimitiveType::Double, false)]);
    let batch = rows(&other, vec![Arc::new(Float64Array::from(vec![1.0]))]);
    assert!(evaluate(&bound, &batch).is_err());
}
