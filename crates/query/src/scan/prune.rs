//! Which files and row groups may hold a row for which a predicate is true, by what is known of their columns.
//!
//! Sound, never exact: a part is left out only if no row in it can make the predicate true. Works on what SQL's three
//! truth values may come out of a part, so that NOT needs no rule of its own. Decides nothing about rows.

use std::cmp::Ordering;

use polder_policy::{BoundPredicate, Comparison, FieldPredicate, Literal};

use super::{inventory::Bounds, values::order};

/// Which truth values a predicate may take on the rows of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Possible {
    yes: bool,
    no: bool,
    unknown: bool,
}

const ALL: Possible = Possible { yes: true, no: true, unknown: true };

/// True if some row may make the predicate true. `known` gives the bounds of a field.
pub(crate) fn may_match<'a>(predicate: &FieldPredicate, known: &impl Fn(i32) -> Option<&'a Bounds>) -> bool {
    possible(predicate, known).yes
}

fn possible<'a>(predicate: &FieldPredicate, known: &impl Fn(i32) -> Option<&'a Bounds>) -> Possible {
    let parts =
        |parts: &[FieldPredicate]| -> Vec<Possible> { parts.iter().map(|part| possible(part, known)).collect() };
    match predicate {
        BoundPredicate::True => Possible { yes: true, no: false, unknown: false },
        BoundPredicate::False => Possible { yes: false, no: true, unknown: false },
        BoundPredicate::And(inner) => {
            let inner = parts(inner);
            Possible {
                yes: inner.iter().all(|p| p.yes),
                no: inner.iter().any(|p| p.no),
                unknown: inner.iter().any(|p| p.unknown),
            }
        }
        BoundPredicate::Or(inner) => {
            let inner = parts(inner);
            Possible {
                yes: inner.iter().any(|p| p.yes),
                no: inner.iter().all(|p| p.no),
                unknown: inner.iter().any(|p| p.unknown),
            }
        }
        BoundPredicate::Not(inner) => {
            let Possible { yes, no, unknown } = possible(inner, known);
            Possible { yes: no, no: yes, unknown }
        }
        BoundPredicate::IsNull(id) => known(*id).map_or(ALL, |bounds| Possible {
            yes: bounds.nulls != Some(0),
            no: !bounds.only_nulls(),
            unknown: false,
        }),
        BoundPredicate::Compare { column, op, literal } => {
            known(*column).map_or(ALL, |bounds| bounds.compared(|| compare(bounds, *op, literal)))
        }
        BoundPredicate::In { column, literals } => known(*column).map_or(ALL, |bounds| {
            bounds.compared(|| (literals.iter().any(|literal| compare(bounds, Comparison::Eq, literal).0), true))
        }),
        BoundPredicate::StartsWith { column, prefix } => {
            known(*column).map_or(ALL, |bounds| bounds.compared(|| (may_start(bounds, prefix), true)))
        }
    }
}

impl Bounds {
    fn only_nulls(&self) -> bool {
        self.nulls.is_some() && self.nulls == self.values
    }

    /// `test` says what may come out for values that are not null: yes and no.
    fn compared(&self, test: impl FnOnce() -> (bool, bool)) -> Possible {
        let (yes, no) = if self.only_nulls() { (false, false) } else { test() };
        Possible { yes, no, unknown: self.nulls != Some(0) }
    }
}

/// Whether a value within the bounds may compare, and may fail to.
fn compare(bounds: &Bounds, op: Comparison, literal: &Literal) -> (bool, bool) {
    let lower = bounds.lower.as_ref().and_then(|lower| order(lower, literal));
    let upper = bounds.upper.as_ref().and_then(|upper| order(upper, literal));
    // What is not known may be anything.
    let below = lower.is_none_or(|lower| lower == Ordering::Less);
    let above = upper.is_none_or(|upper| upper == Ordering::Greater);
    let equal =
        lower.is_none_or(|lower| lower != Ordering::Greater) && upper.is_none_or(|upper| upper != Ordering::Less);
    match op {
        Comparison::Eq => (equal, below || above),
        Comparison::NotEq => (below || above, equal),
        Comparison::Lt => (below, equal || above),
        Comparison::LtEq => (below || equal, above),
        Comparison::Gt => (above, equal || below),
        Comparison::GtEq => (above || equal, below),
    }
}

/// All texts that start with the prefix lie from the prefix itself up to what begins with a greater one.
fn may_start(bounds: &Bounds, prefix: &str) -> bool {
    let too_small = matches!(&bounds.upper, Some(Literal::Text(upper)) if upper.as_bytes() < prefix.as_bytes());
    let too_large = matches!(&bounds.lower, Some(Literal::Text(lower))
        if lower.as_bytes() > prefix.as_bytes() && !lower.as_bytes().starts_with(prefix.as_bytes()));
    !too_small && !too_large
}

#[cfg(test)]
mod tests;
