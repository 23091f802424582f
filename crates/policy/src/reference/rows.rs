//! Filters and masks on one row of scalars, one case after the other. Shares no code with what it checks.

use std::{cmp::Ordering, collections::BTreeMap};

use crate::{BoundMask, BoundPredicate, Comparison, FieldPredicate, Literal, MaskAction, Primitive};

/// A value of one field.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Null.
    Null,
    /// A value that has a literal form.
    Value(Literal),
    /// A `binary` or `fixed(n)`.
    Bytes(Vec<u8>),
}

/// A row by field id, nested fields of structs included. An absent field is null.
pub type Row = BTreeMap<i32, Scalar>;

/// Evaluates a predicate in SQL's three-valued logic; `None` is unknown. Doubles compare in total order.
#[must_use]
pub fn eval(predicate: &FieldPredicate, row: &Row) -> Option<bool> {
    match predicate {
        BoundPredicate::True => Some(true),
        BoundPredicate::False => Some(false),
        BoundPredicate::And(parts) => {
            let results: Vec<Option<bool>> = parts.iter().map(|part| eval(part, row)).collect();
            if results.contains(&Some(false)) {
                Some(false)
            } else if results.contains(&None) {
                None
            } else {
                Some(true)
            }
        }
        BoundPredicate::Or(parts) => {
            let results: Vec<Option<bool>> = parts.iter().map(|part| eval(part, row)).collect();
            if results.contains(&Some(true)) {
                Some(true)
            } else if results.contains(&None) {
                None
            } else {
                Some(false)
            }
        }
        BoundPredicate::Not(inner) => eval(inner, row).map(|result| !result),
        BoundPredicate::IsNull(id) => Some(matches!(row.get(id), None | Some(Scalar::Null))),
        BoundPredicate::Compare { column, op, literal } => {
            let order = order(row.get(column)?, literal)?;
            Some(match op {
                Comparison::Eq => order == Ordering::Equal,
                Comparison::NotEq => order != Ordering::Equal,
                Comparison::Lt => order == Ordering::Less,
                Comparison::LtEq => order != Ordering::Greater,
                Comparison::Gt => order == Ordering::Greater,
                Comparison::GtEq => order != Ordering::Less,
            })
        }
        BoundPredicate::In { column, literals } => {
            let orders: Vec<Option<Ordering>> = literals.iter().map(|l| order(row.get(column)?, l)).collect();
            if orders.contains(&Some(Ordering::Equal)) {
                Some(true)
            } else if orders.contains(&None) {
                None
            } else {
                Some(false)
            }
        }
        BoundPredicate::StartsWith { column, prefix } => match row.get(column)? {
            Scalar::Value(Literal::Text(text)) => Some(text.starts_with(prefix.as_str())),
            _ => None,
        },
    }
}

/// How a value stands to a literal; `None` for null and for types that do not compare.
fn order(value: &Scalar, literal: &Literal) -> Option<Ordering> {
    let Scalar::Value(value) = value else { return None };
    match (value, literal) {
        (Literal::Bool(a), Literal::Bool(b)) => Some(a.cmp(b)),
        (Literal::Long(a), Literal::Long(b))
        | (Literal::Time(a), Literal::Time(b))
        | (Literal::Timestamp(a), Literal::Timestamp(b))
        | (Literal::TimestampNs(a), Literal::TimestampNs(b)) => Some(a.cmp(b)),
        (Literal::Double(a), Literal::Double(b)) => Some(a.total_cmp(b)),
        (Literal::Decimal { unscaled: a, scale: s }, Literal::Decimal { unscaled: b, scale: t }) if s == t => {
            Some(a.cmp(b))
        }
        (Literal::Date(a), Literal::Date(b)) => Some(a.cmp(b)),
        (Literal::Text(a), Literal::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Literal::Uuid(a), Literal::Uuid(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        _ => None,
    }
}

/// Says what a mask shows of the field `id` of type `ty`, given the original row.
///
/// `sha256` does the two hashes (of a value that is not null): it is told which of the two.
pub fn mask_value(
    mask: &BoundMask,
    id: i32,
    ty: Primitive,
    row: &Row,
    sha256: &dyn Fn(MaskAction, &Scalar) -> Scalar,
) -> Scalar {
    let value = row.get(&id).cloned().unwrap_or(Scalar::Null);
    match mask {
        BoundMask::Show => value,
        BoundMask::Static(literal) => Scalar::Value(literal.clone()),
        BoundMask::Choice { when, then, otherwise, unknown } => {
            let branch = match eval(when, row) {
                Some(true) => then,
                Some(false) => otherwise,
                None => unknown,
            };
            mask_value(branch, id, ty, row, sha256)
        }
        BoundMask::Action(MaskAction::MaskToFixedValue) => fixed(ty),
        BoundMask::Action(_) if value == Scalar::Null => Scalar::Null,
        BoundMask::Action(action) => match action {
            MaskAction::MaskToFixedValue => fixed(ty),
            MaskAction::ReplaceWithNull => Scalar::Null,
            MaskAction::MaskAlphanum => text(&value, |_, _| false),
            MaskAction::ShowFirst4 => text(&value, |index, length| index < 4 || length <= 4),
            MaskAction::ShowLast4 => text(&value, |index, length| index + 4 >= length),
            MaskAction::TruncateToYear => truncate(&value, false),
            MaskAction::TruncateToMonth => truncate(&value, true),
            MaskAction::Sha256Global | MaskAction::Sha256QueryLocal => sha256(*action, &value),
        },
    }
}

fn fixed(ty: Primitive) -> Scalar {
    Scalar::Value(match ty {
        Primitive::Boolean => Literal::Bool(false),
        Primitive::Int | Primitive::Long => Literal::Long(0),
        Primitive::Float | Primitive::Double => Literal::Double(0.0),
        Primitive::Decimal { scale, .. } => Literal::Decimal { unscaled: 0, scale },
        Primitive::Date => Literal::Date(0),
        Primitive::Time => Literal::Time(0),
        Primitive::Timestamp { .. } => Literal::Timestamp(0),
        Primitive::TimestampNs { .. } => Literal::TimestampNs(0),
        Primitive::String => Literal::Text("XXXXXXXX".to_owned()),
        Primitive::Uuid => Literal::Uuid(uuid::Uuid::nil()),
        Primitive::Binary => return Scalar::Bytes(Vec::new()),
        Primitive::Fixed(length) => return Scalar::Bytes(vec![0; usize::try_from(length).unwrap_or(0)]),
        Primitive::Other => return Scalar::Null,
    })
}

/// Masks every code point but those for which `keep(index, length)`. What is no text becomes null.
fn text(value: &Scalar, keep: impl Fn(usize, usize) -> bool) -> Scalar {
    let Scalar::Value(Literal::Text(text)) = value else { return Scalar::Null };
    let length = text.chars().count();
    let masked = text.chars().enumerate().map(|(index, c)| {
        if keep(index, length) {
            return c;
        }
        match c {
            '0'..='9' => 'n',
            '(' | ')' | ',' | '.' | '-' | '@' => c,
            _ => 'x',
        }
    });
    Scalar::Value(Literal::Text(masked.collect()))
}

/// The start of the month or year, UTC. One that the type cannot hold becomes the smallest that it can.
fn truncate(value: &Scalar, to_month: bool) -> Scalar {
    let start = |days: i64| i128::from(days) - i128::from(days_into(days, to_month));
    let instant = |units: i64, a_day: i64| {
        let start = start(units.div_euclid(a_day)) * i128::from(a_day);
        i64::try_from(start).unwrap_or(i64::MIN)
    };
    const MICROS_A_DAY: i64 = 86_400_000_000;
    Scalar::Value(match value {
        Scalar::Value(Literal::Date(days)) => Literal::Date(i32::try_from(start(i64::from(*days))).unwrap_or(i32::MIN)),
        Scalar::Value(Literal::Timestamp(micros)) => Literal::Timestamp(instant(*micros, MICROS_A_DAY)),
        Scalar::Value(Literal::TimestampNs(nanos)) => Literal::TimestampNs(instant(*nanos, MICROS_A_DAY * 1_000)),
        _ => return Scalar::Null,
    })
}

/// How many days a day lies after the start of its month or year: by counting through one cycle of 400 years.
fn days_into(days: i64, month: bool) -> i64 {
    const DAYS_OF_CYCLE: i64 = 146_097;
    let mut left = (days + 719_528).rem_euclid(DAYS_OF_CYCLE); // since 0000-01-01, which begins a cycle
    let mut year = 0;
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    if !month {
        return left;
    }
    for length in [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
    }
    left
}

#[cfg(test)]
mod tests;
