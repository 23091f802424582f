//! Which of a statement's predicates may go below the barrier: those that cannot fail, cannot be told apart by their
//! cost and read no masked column.
//!
//! Leakproof is: an unmasked column against a constant of its own type (comparisons, IN, IS NULL, a constant LIKE prefix),
//! and AND, OR, NOT of those. Refuses casts, arithmetic, functions and subqueries.

use datafusion::{
    arrow::datatypes::{DataType, Schema, TimeUnit},
    common::ScalarValue,
    logical_expr::{Between, BinaryExpr, Expr, Like, Operator, expr::InList},
};
use polder_policy::{BoundPredicate, Comparison, Literal};

use crate::{govern::Source, scan::PushedPredicate};

/// Translates a predicate, if it is leakproof as a whole.
pub(crate) fn leakproof(filter: &Expr, schema: &Schema, source: &dyn Source) -> Option<PushedPredicate> {
    let both =
        |left: &Expr, right: &Expr| Some(vec![leakproof(left, schema, source)?, leakproof(right, schema, source)?]);
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            Some(BoundPredicate::And(both(left, right)?))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => Some(BoundPredicate::Or(both(left, right)?)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => comparison(left, *op, right, schema, source),
        Expr::Not(inner) => Some(BoundPredicate::Not(Box::new(leakproof(inner, schema, source)?))),
        Expr::IsNull(inner) => Some(BoundPredicate::IsNull(open_column(inner, schema, source)?)),
        Expr::IsNotNull(inner) => {
            Some(BoundPredicate::Not(Box::new(BoundPredicate::IsNull(open_column(inner, schema, source)?))))
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            let range = BoundPredicate::And(vec![
                comparison(expr, Operator::GtEq, low, schema, source)?,
                comparison(expr, Operator::LtEq, high, schema, source)?,
            ]);
            Some(if *negated { BoundPredicate::Not(Box::new(range)) } else { range })
        }
        Expr::InList(InList { expr, list, negated }) => {
            let column = open_column(expr, schema, source)?;
            let literals = list.iter().map(|value| constant(value, column, schema)).collect::<Option<Vec<_>>>()?;
            let within = (!literals.is_empty()).then_some(BoundPredicate::In { column, literals })?;
            Some(if *negated { BoundPredicate::Not(Box::new(within)) } else { within })
        }
        Expr::Like(Like { negated, expr, pattern, escape_char: None, case_insensitive: false }) => {
            let column = open_column(expr, schema, source)?;
            let Literal::Text(pattern) = constant(pattern, column, schema)? else { return None };
            let prefix = pattern.strip_suffix('%')?;
            let plain = !prefix.contains(['%', '_', '\\']);
            let starts = plain.then(|| BoundPredicate::StartsWith { column, prefix: prefix.to_owned() })?;
            Some(if *negated { BoundPredicate::Not(Box::new(starts)) } else { starts })
        }
        _ => None,
    }
}

/// An unmasked column by its index.
fn open_column(expr: &Expr, schema: &Schema, source: &dyn Source) -> Option<usize> {
    let Expr::Column(column) = expr else { return None };
    let index = schema.index_of(&column.name).ok()?;
    // SECURITY: a predicate over a masked column must see the mask, which only exists above.
    (!source.masked(index)).then_some(index)
}

fn comparison(
    left: &Expr,
    op: Operator,
    right: &Expr,
    schema: &Schema,
    source: &dyn Source,
) -> Option<PushedPredicate> {
    let (column, value, op) = match open_column(left, schema, source) {
        Some(column) => (column, right, op),
        None => (open_column(right, schema, source)?, left, op.swap()?),
    };
    let literal = constant(value, column, schema)?;
    let op = match op {
        Operator::Eq => Comparison::Eq,
        Operator::NotEq => Comparison::NotEq,
        Operator::Lt => Comparison::Lt,
        Operator::LtEq => Comparison::LtEq,
        Operator::Gt => Comparison::Gt,
        Operator::GtEq => Comparison::GtEq,
        _ => return None,
    };
    Some(BoundPredicate::Compare { column, op, literal })
}

/// A constant of exactly the column's type.
fn constant(expr: &Expr, column: usize, schema: &Schema) -> Option<Literal> {
    let Expr::Literal(value, _) = expr else { return None };
    let ty = schema.fields().get(column)?.data_type();
    if value.data_type() != *ty {
        return None;
    }
    match (value, ty) {
        (ScalarValue::Boolean(Some(v)), _) => Some(Literal::Bool(*v)),
        (ScalarValue::Int32(Some(v)), _) => Some(Literal::Long(i64::from(*v))),
        (ScalarValue::Int64(Some(v)), _) => Some(Literal::Long(*v)),
        (ScalarValue::Float32(Some(v)), _) if !v.is_nan() => Some(Literal::Double(f64::from(*v))),
        (ScalarValue::Float64(Some(v)), _) if !v.is_nan() => Some(Literal::Double(*v)),
        (ScalarValue::Decimal128(Some(v), _, scale), _) => Some(Literal::Decimal { unscaled: *v, scale: *scale }),
        (ScalarValue::Date32(Some(v)), _) => Some(Literal::Date(*v)),
        (ScalarValue::Time64Microsecond(Some(v)), _) => Some(Literal::Time(*v)),
        (ScalarValue::TimestampMicrosecond(Some(v), _), _) => Some(Literal::Timestamp(*v)),
        (ScalarValue::TimestampNanosecond(Some(v), _), DataType::Timestamp(TimeUnit::Nanosecond, _)) => {
            Some(Literal::TimestampNs(*v))
        }
        (ScalarValue::Utf8(Some(v)) | ScalarValue::LargeUtf8(Some(v)) | ScalarValue::Utf8View(Some(v)), _) => {
            Some(Literal::Text(v.clone()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
