//! Only leakproof predicates go below the barrier.

use datafusion::logical_expr::{col, lit};

use super::*;
use crate::bench::sources;

fn pushed(filter: &Expr) -> bool {
    let (_, _, emp) = sources().into_iter().next().unwrap();
    let schema = emp.schema();
    leakproof(filter, &schema, &emp).is_some()
}

/// S-033, R34: unmasked column against a constant of its own type, and AND, OR, NOT of those.
#[test]
fn comparisons_with_constants_are_pushed() {
    for filter in [
        col("salary").gt(lit(100_i64)),
        lit(100_i64).lt_eq(col("salary")),
        col("name").eq(lit("ann")),
        col("name").like(lit("a%")),
        col("name").is_null(),
        col("region").in_list(vec![lit("us"), lit("eu")], true),
        col("id").between(lit(1_i64), lit(2_i64)),
        col("id").eq(lit(1_i64)).or(col("name").is_not_null()).and(Expr::Not(Box::new(col("id").gt(lit(2_i64))))),
    ] {
        assert!(pushed(&filter), "{filter}");
    }
}

/// S-033, R34: masked columns, casts, arithmetic, functions and other columns stay above.
#[test]
fn everything_else_stays_above() {
    for filter in [
        col("ssn").eq(lit("666-66-6666")),
        col("ssn").is_null(),
        col("ssn").like(lit("6%")),
        col("id").eq(lit(1_i64)).or(col("ssn").eq(lit("x"))),
        col("id").eq(col("salary")),
        col("salary").gt(lit(100_i32)),
        (col("salary") / lit(2_i64)).gt(lit(1_i64)),
        lit(1_i64).gt(lit(0_i64)),
        col("name").like(lit("%a")),
        col("name").like(lit("a_%")),
        col("name").ilike(lit("a%")),
        col("name").like(col("region")),
        datafusion::prelude::cast(col("name"), DataType::Int64).eq(lit(1_i64)),
    ] {
        assert!(!pushed(&filter), "{filter}");
    }
}
