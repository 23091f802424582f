//! Masks: the nine Iceberg column actions, a static value, and choices between masks by predicate.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{BoundPredicate, ColumnPath, FieldPredicate, Literal, Predicate, Primitive};

/// Most nodes of one field's mask after binding and joining; a larger one becomes the strictest mask. Joins copy
/// their branches, so without a bound they grow exponentially.
const NODES_MAX: usize = 50_000;

/// What a column shows instead of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskAction {
    /// Strings, by code point: `0`–`9` become `n`, `( ) , . - @` stay, everything else becomes `x`.
    MaskAlphanum,
    /// A fixed value of the type ([`Primitive::fixed_value`]), for nulls too. All others keep a null.
    MaskToFixedValue,
    /// Null. Optional fields only.
    ReplaceWithNull,
    /// Strings: the first four code points stay (four or fewer are unchanged), the rest as `mask-alphanum`.
    #[serde(rename = "show-first-4")]
    ShowFirst4,
    /// Strings: the last four code points stay (four or fewer are unchanged), the rest as `mask-alphanum`.
    #[serde(rename = "show-last-4")]
    ShowLast4,
    /// Dates and timestamps: the start of the year, UTC.
    TruncateToYear,
    /// Dates and timestamps: the start of the month, UTC.
    TruncateToMonth,
    /// SHA-256, the same everywhere.
    #[serde(rename = "sha-256-global")]
    Sha256Global,
    /// SHA-256 with a salt made anew for each query.
    #[serde(rename = "sha-256-query-local")]
    Sha256QueryLocal,
}

impl MaskAction {
    /// All nine.
    pub const ALL: [Self; 9] = [
        Self::MaskAlphanum,
        Self::MaskToFixedValue,
        Self::ReplaceWithNull,
        Self::ShowFirst4,
        Self::ShowLast4,
        Self::TruncateToYear,
        Self::TruncateToMonth,
        Self::Sha256Global,
        Self::Sha256QueryLocal,
    ];

    /// The name in the Iceberg specification.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaskAlphanum => "mask-alphanum",
            Self::MaskToFixedValue => "mask-to-fixed-value",
            Self::ReplaceWithNull => "replace-with-null",
            Self::ShowFirst4 => "show-first-4",
            Self::ShowLast4 => "show-last-4",
            Self::TruncateToYear => "truncate-to-year",
            Self::TruncateToMonth => "truncate-to-month",
            Self::Sha256Global => "sha-256-global",
            Self::Sha256QueryLocal => "sha-256-query-local",
        }
    }

    /// True if the action is defined for the type (Iceberg REST, read restrictions).
    #[must_use]
    pub fn applies_to(self, ty: Primitive) -> bool {
        match self {
            Self::MaskToFixedValue | Self::ReplaceWithNull => ty != Primitive::Other || self == Self::ReplaceWithNull,
            Self::MaskAlphanum | Self::ShowFirst4 | Self::ShowLast4 => ty == Primitive::String,
            Self::TruncateToYear | Self::TruncateToMonth => {
                matches!(ty, Primitive::Date | Primitive::Timestamp { .. } | Primitive::TimestampNs { .. })
            }
            Self::Sha256Global | Self::Sha256QueryLocal => {
                matches!(ty, Primitive::String | Primitive::Int | Primitive::Long | Primitive::Binary)
            }
        }
    }
}

/// A mask as a policy states it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// The value itself; only inside a choice.
    Show,
    /// One of the nine actions.
    Action(MaskAction),
    /// Always this value, for nulls too.
    Static(Literal),
    /// One of two masks by a predicate over the original row.
    Choice {
        /// The predicate.
        when: Predicate,
        /// Where it is true.
        then: Box<Mask>,
        /// Where it is false. Where it is unknown (null), the stricter of both.
        otherwise: Box<Mask>,
    },
}

/// A mask for one field of one schema, its attributes bound.
#[derive(Clone, Debug, PartialEq)]
pub enum BoundMask<C = i32> {
    /// The value itself.
    Show,
    /// One of the nine actions.
    Action(MaskAction),
    /// Always this value.
    Static(Literal),
    /// By a predicate: true, false, unknown.
    Choice {
        /// The predicate.
        when: BoundPredicate<C>,
        /// Where it is true.
        then: Box<Self>,
        /// Where it is false.
        otherwise: Box<Self>,
        /// Where it is unknown: the join of both.
        unknown: Box<Self>,
    },
}

impl Mask {
    pub(crate) fn collect_columns(&self, into: &mut BTreeSet<ColumnPath>) {
        if let Self::Choice { when, then, otherwise } = self {
            when.collect_columns(into);
            then.collect_columns(into);
            otherwise.collect_columns(into);
        }
    }

    /// Binds choices with `bind`. One that it cannot bind (missing attribute, column that is not there once) is
    /// unknown for every row: the choice becomes the join of its branches.
    pub(crate) fn bind(&self, bind: &impl Fn(&Predicate) -> Option<FieldPredicate>, required: bool) -> BoundMask {
        match self {
            Self::Show => BoundMask::Show,
            Self::Action(action) => BoundMask::Action(*action),
            Self::Static(literal) => BoundMask::Static(literal.clone()),
            Self::Choice { when, then, otherwise } => {
                let then = then.bind(bind, required);
                let otherwise = otherwise.bind(bind, required);
                let unknown = then.clone().join(otherwise.clone(), required);
                match bind(when) {
                    Some(when) => BoundMask::choice(when, [then, otherwise, unknown], required),
                    None => unknown,
                }
            }
        }
    }

    /// True if no branch masks anything.
    pub(crate) fn shows_all(&self) -> bool {
        match self {
            Self::Show => true,
            Self::Choice { then, otherwise, .. } => then.shows_all() && otherwise.shows_all(),
            Self::Action(_) | Self::Static(_) => false,
        }
    }
}

impl<C: Clone + PartialEq> BoundMask<C> {
    /// Joins two masks of one field (design-trust.md §2): show gives way, equal masks stay, two different ones
    /// become null where the field may be null and a fixed value where not; choices join branch by branch.
    #[must_use]
    pub fn join(self, other: Self, required: bool) -> Self {
        let strictest = Self::strictest(required);
        match (self, other) {
            (Self::Show, mask) | (mask, Self::Show) => mask,
            (left, right) if left == right => left,
            (left, right) if left == strictest || right == strictest => strictest,
            (Self::Choice { when, then, otherwise, unknown }, mask)
            | (mask, Self::Choice { when, then, otherwise, unknown }) => {
                let branches = [then, otherwise, unknown].map(|branch| branch.join(mask.clone(), required));
                Self::choice(when, branches, required)
            }
            _ => strictest,
        }
    }

    /// The mask that shows least.
    pub(crate) fn strictest(required: bool) -> Self {
        Self::Action(if required { MaskAction::MaskToFixedValue } else { MaskAction::ReplaceWithNull })
    }

    /// True if it shows the value itself for some rows.
    #[must_use]
    pub fn may_show(&self) -> bool {
        match self {
            Self::Show => true,
            Self::Choice { then, otherwise, unknown, .. } => {
                then.may_show() || otherwise.may_show() || unknown.may_show()
            }
            Self::Action(_) | Self::Static(_) => false,
        }
    }

    /// A choice in its shortest form: `[then, otherwise, unknown]` that are all equal need no predicate.
    fn choice(when: BoundPredicate<C>, [then, otherwise, unknown]: [Self; 3], required: bool) -> Self {
        if then == otherwise && then == unknown {
            return then;
        }
        if when.size() + then.size() + otherwise.size() + unknown.size() > NODES_MAX {
            return Self::strictest(required);
        }
        Self::Choice { when, then: Box::new(then), otherwise: Box::new(otherwise), unknown: Box::new(unknown) }
    }

    fn size(&self) -> usize {
        match self {
            Self::Choice { when, then, otherwise, unknown } => {
                1 + when.size() + then.size() + otherwise.size() + unknown.size()
            }
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests;
