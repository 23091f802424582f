//! Makes it depend on the row alone whether an expression that can fail meets it.
//!
//! The engine evaluates the right side of `AND`, `OR` and `IN` for a whole batch or not at all, by what the other rows of the
//! batch are; and batches follow files and hidden rows. `dept = 'ops' AND 1/(salary-100) > 0` would fail or not by
//! the layout (R34). `CASE` is evaluated row by row, so what can fail goes behind one, and behind every condition that the
//! scan may already have used to leave rows out.
//!
//! Runs after the optimiser, which would turn a boolean `CASE` into `AND` and `OR` again.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::DataType,
    common::{
        DFSchema,
        tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion},
    },
    error::Result,
    logical_expr::{
        BinaryExpr, Case, Cast, Expr, ExprSchemable, Filter, Join, Like, LogicalPlan, Operator, TableScan,
        expr::{InList, ScalarFunction},
        expr_rewriter::NamePreserver,
        lit,
        utils::{conjunction, merge_schema, split_conjunction, split_conjunction_owned},
    },
};

/// Functions that never fail, whatever the value. None of those whose work is bounded: their bound fails.
const SAFE_FUNCTIONS: &[&str] = &[
    "array_length",
    "ascii",
    "cardinality",
    "character_length",
    "coalesce",
    "contains",
    "date_part",
    "ends_with",
    "get_field",
    "greatest",
    "least",
    "md5",
    "nullif",
    "nvl",
    "octet_length",
    "sha256",
    "starts_with",
    "strpos",
];

/// Rewrites an optimised plan.
pub(crate) fn precise(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::TableScan(scan) => decided(scan),
        LogicalPlan::Filter(Filter { predicate, input, .. }) => {
            let input = undecided(&predicate, input);
            let predicate = condition(predicate, input.schema())?;
            Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(predicate, input)?)))
        }
        LogicalPlan::Join(join) => {
            let both = join.left.schema().join(join.right.schema())?;
            let filter = join.filter.clone().map(|filter| condition(filter, &both)).transpose()?;
            Ok(Transformed::yes(LogicalPlan::Join(Join { filter, ..join })))
        }
        other => {
            let schema = merge_schema(&other.inputs());
            let names = NamePreserver::new(&other);
            other.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(by_row(expr, &schema)?.update_data(|expr| name.restore(expr)))
            })
        }
    })
    .data()
}

/// Puts the hints of a scan above it as a condition. SECURITY: by them the scan leaves out files and row groups, so rows that do
/// not meet them come or do not come by what lies beside them in a file. None may reach anything that can fail: common
/// subexpressions, for one, are computed below the condition that stands before them in the statement (R34).
fn decided(scan: TableScan) -> Result<Transformed<LogicalPlan>> {
    let Some(hints) = conjunction(scan.filters.clone()) else {
        return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
    };
    // A hint over a column that does not come up cannot be decided, so nothing may be left out by it. Nor can any be where
    // the scan counts its rows.
    let comes_up = hints.column_refs().into_iter().all(|column| scan.projected_schema.has_column(column));
    if !comes_up || scan.fetch.is_some() {
        return Ok(Transformed::yes(LogicalPlan::TableScan(TableScan { filters: Vec::new(), ..scan })));
    }
    let scan = Arc::new(LogicalPlan::TableScan(scan));
    Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(hints, scan)?)))
}

/// Takes the condition of [`decided`] away again where the one above holds all of it, which is the usual case.
fn undecided(predicate: &Expr, input: Arc<LogicalPlan>) -> Arc<LogicalPlan> {
    let LogicalPlan::Filter(Filter { input: scan, .. }) = input.as_ref() else { return input };
    let LogicalPlan::TableScan(TableScan { filters, .. }) = scan.as_ref() else { return input };
    let parts = split_conjunction(predicate);
    let held = |hint: &Expr| split_conjunction(hint).iter().all(|part| parts.contains(part));
    if filters.iter().all(held) { scan.clone() } else { input }
}

/// A condition of which only true counts: first everything that cannot fail, then, row by row, what can.
fn condition(predicate: Expr, schema: &DFSchema) -> Result<Expr> {
    let (mut safe, mut failing) = (Vec::new(), Vec::new());
    for part in split_conjunction_owned(predicate) {
        let part = by_row(part, schema)?.data;
        if is_safe(&part, schema)? { safe.push(part) } else { failing.push(part) }
    }
    let mut rest = failing.into_iter().rev();
    let Some(last) = rest.next() else { return Ok(conjunction(safe).unwrap_or_else(|| lit(true))) };
    let then = |first: Expr, second: Expr| case(first, second, lit(false));
    let failing = rest.fold(last, |later, earlier| then(earlier, later));
    Ok(match conjunction(safe) {
        Some(safe) => then(safe, failing),
        None => failing,
    })
}

fn case(when: Expr, then: Expr, otherwise: Expr) -> Expr {
    Expr::Case(Case::new(None, vec![(Box::new(when), Box::new(then))], Some(Box::new(otherwise))))
}

/// Puts every right side that can fail behind its left side.
fn by_row(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|node| match node {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if matches!(op, Operator::And | Operator::Or) && !is_safe(&right, schema)? =>
        {
            Ok(Transformed::yes(behind(*left, op, *right)))
        }
        Expr::InList(InList { expr, list, negated }) if !all_safe(&list, schema)? => {
            let equal = |value: Expr| expr.as_ref().clone().eq(value);
            let mut any: Option<Expr> = None;
            for value in list {
                any = Some(match any {
                    None => equal(value),
                    Some(before) => behind(before, Operator::Or, equal(value)),
                });
            }
            let any = any.unwrap_or_else(|| lit(false));
            Ok(Transformed::yes(if negated { Expr::Not(Box::new(any)) } else { any }))
        }
        other => Ok(Transformed::no(other)),
    })
}

/// `left AND right` without a look at `right` where `left` is false; `left OR right` where it is true.
fn behind(left: Expr, op: Operator, right: Expr) -> Expr {
    let (decided, value) = match op {
        Operator::And => (Expr::IsFalse(Box::new(left.clone())), false),
        _ => (Expr::IsTrue(Box::new(left.clone())), true),
    };
    case(decided, lit(value), Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
}

fn all_safe(exprs: &[Expr], schema: &DFSchema) -> Result<bool> {
    for expr in exprs {
        if !is_safe(expr, schema)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// True if an expression fails on no value. What is not known can fail.
fn is_safe(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    let mut safe = true;
    expr.apply(|node| {
        safe &= is_safe_node(node, schema);
        Ok(if safe { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(safe)
}

fn is_safe_node(node: &Expr, schema: &DFSchema) -> bool {
    match node {
        Expr::Column(_)
        | Expr::Literal(..)
        | Expr::Alias(_)
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsNotUnknown(_)
        | Expr::Between(_)
        | Expr::Case(_)
        | Expr::InList(_)
        | Expr::TryCast(_) => true,
        Expr::Like(Like { pattern, .. }) => matches!(**pattern, Expr::Literal(..)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::Plus | Operator::Minus | Operator::Multiply => wraps(left, schema) && wraps(right, schema),
            Operator::Divide | Operator::Modulo => is_floating(left, schema) && is_floating(right, schema),
            Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom => is_flat(left, schema) && is_flat(right, schema),
            Operator::And | Operator::Or => true,
            _ => false,
        },
        Expr::Cast(Cast { expr, field }) => widens(expr, field.data_type(), schema),
        Expr::ScalarFunction(ScalarFunction { func, .. }) => SAFE_FUNCTIONS.contains(&func.name()),
        _ => false,
    }
}

/// Whole and floating numbers wrap or saturate; decimals, dates and intervals overflow.
fn wraps(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|ty| ty.is_integer() || ty.is_floating())
}

/// Whether nested values can be compared is found out when they are.
fn is_flat(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|ty| !ty.is_nested())
}

fn is_floating(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|ty| ty.is_floating())
}

fn widens(expr: &Expr, to: &DataType, schema: &DFSchema) -> bool {
    let Ok(from) = expr.get_type(schema) else { return false };
    let wider = |from: &DataType, to: &DataType| from.primitive_width() <= to.primitive_width();
    match to {
        to if *to == from => true,
        // Not dates and times: not all of them have a text.
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            from.is_string() || from.is_integer() || from.is_floating() || from == DataType::Boolean
        }
        to if to.is_signed_integer() => from.is_signed_integer() && wider(&from, to),
        to if to.is_floating() => from.is_integer() || (from.is_floating() && wider(&from, to)),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
