//! A filter that is bound to a schema, and what it may come out to on the rows of a file.
//!
//! Looser than any client: SQL leaves a null unknown, Iceberg's own evaluators take `not-eq` of a null as true and turn
//! NOT into the opposite comparison. Whatever one of them may keep counts as kept, so nothing is ever pruned that a
//! client would have read.

use std::cmp::Ordering;

use iceberg::spec::{PrimitiveType, Transform};
use polder_policy::Comparison;

use super::{
    known::{Known, Presence, Upper},
    value::Value,
};

/// Most values of a set that are hashed for a bucket.
const HASHED_MAX: usize = 200;

/// A column that a filter reads, or what a transform makes of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) id: i32,
    /// [`Transform::Identity`] for the column itself.
    pub(super) transform: Transform,
    /// The type of the values that are tested.
    pub(super) ty: PrimitiveType,
    /// True if it lies in no struct.
    pub(super) top: bool,
}

/// A filter, with the columns that it reads.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) columns: Vec<Column>,
    pub(super) root: Node,
}

/// A part of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    True,
    False,
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    /// A test of a column, by its place in the list of columns.
    Test(usize, Test),
    /// A test that nothing is known about: of two columns, of a struct.
    Opaque,
}

/// A test of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Null,
    NotNull,
    Nan,
    NotNan,
    Compare(Comparison, Value),
    In(Vec<Value>),
    NotIn(Vec<Value>),
    StartsWith(Vec<u8>),
    NotStartsWith(Vec<u8>),
}

/// Which outcomes a part may have on the rows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Possible {
    pub(super) yes: bool,
    pub(super) no: bool,
    pub(super) unknown: bool,
}

const ALL: Possible = Possible { yes: true, no: true, unknown: true };
const NOTHING: Possible = Possible { yes: false, no: false, unknown: false };

impl Possible {
    /// True if every row has the outcome yes.
    pub(super) fn is_certain(self) -> bool {
        self.yes && !self.no && !self.unknown
    }

    fn turned(self) -> Self {
        Self { yes: self.no, no: self.yes, unknown: self.unknown }
    }

    fn or(self, other: Self) -> Self {
        Self { yes: self.yes || other.yes, no: self.no || other.no, unknown: self.unknown || other.unknown }
    }

    fn and(self, other: Self) -> Self {
        Self { yes: self.yes && other.yes, no: self.no && other.no, unknown: self.unknown && other.unknown }
    }
}

impl Filter {
    /// What it may come out to; `known` holds all that is known of each column.
    pub(super) fn possible(&self, known: &[Vec<Known>]) -> Possible {
        self.node(&self.root, known)
    }

    fn node(&self, node: &Node, known: &[Vec<Known>]) -> Possible {
        match node {
            Node::True => Possible { yes: true, ..NOTHING },
            Node::False => Possible { no: true, ..NOTHING },
            Node::And(left, right) => {
                let (left, right) = (self.node(left, known), self.node(right, known));
                Possible { yes: left.yes && right.yes, ..left.or(right) }
            }
            Node::Or(left, right) => {
                let (left, right) = (self.node(left, known), self.node(right, known));
                Possible { no: left.no && right.no, ..left.or(right) }
            }
            Node::Not(inner) => self.node(inner, known).turned(),
            Node::Opaque => ALL,
            Node::Test(place, test) => {
                let Some((column, known)) = self.columns.get(*place).zip(known.get(*place)) else { return ALL };
                // Each of them holds, so an outcome is possible only if none of them rules it out.
                known.iter().map(|known| tested(test, known, column)).fold(ALL, Possible::and)
            }
        }
    }
}

/// What a test may come out to.
fn tested(test: &Test, known: &Known, column: &Column) -> Possible {
    let (nulls, nans) = (known.nulls, known.nans);
    match test {
        Test::Null => Possible { yes: nulls != Presence::Never, no: nulls != Presence::Always, unknown: false },
        Test::NotNull => tested(&Test::Null, known, column).turned(),
        // Of a null it is false, or unknown.
        Test::Nan => Possible {
            yes: nans != Presence::Never && nulls != Presence::Always,
            no: nans != Presence::Always || nulls != Presence::Never,
            unknown: nulls != Presence::Never,
        },
        Test::NotNan => tested(&Test::Nan, known, column).turned(),
        Test::Compare(Comparison::NotEq, value) => {
            on_values(known, || compared(Comparison::Eq, value, known, column)).turned()
        }
        Test::NotIn(values) => on_values(known, || among(values, known, column)).turned(),
        Test::NotStartsWith(prefix) => on_values(known, || starts(prefix, known)).turned(),
        Test::Compare(op, value) => on_values(known, || compared(*op, value, known, column)),
        Test::In(values) => on_values(known, || among(values, known, column)),
        Test::StartsWith(prefix) => on_values(known, || starts(prefix, known)),
    }
}

/// What a test may come out to, if `test` says what it may be (yes, no) for ordinary values.
fn on_values(known: &Known, test: impl FnOnce() -> (bool, bool)) -> Possible {
    let mut possible = NOTHING;
    if known.nulls != Presence::Always && known.nans != Presence::Always {
        let (yes, no) = test();
        possible = Possible { yes, no, unknown: false };
    }
    if known.nulls != Presence::Never {
        possible = possible.or(Possible { yes: false, no: true, unknown: true });
    }
    if known.nans != Presence::Never && known.nulls != Presence::Always {
        possible = possible.or(ALL); // clients do not agree on how NaN compares
    }
    possible
}

impl Known {
    fn lower_order(&self, value: &Value) -> Option<Ordering> {
        self.lower.as_ref()?.order(value)
    }

    fn upper_order(&self, value: &Value) -> Option<Ordering> {
        match (self.upper.as_ref()?, value) {
            (Upper::At(upper), value) => upper.order(value),
            (Upper::Within(prefix), Value::Text(text)) => within_order(prefix, text.as_bytes()),
            (Upper::Within(prefix), Value::Bytes(bytes)) => within_order(prefix, bytes),
            (Upper::Within(_), _) => None,
        }
    }

    /// True if no value can equal this one, by its bucket.
    fn in_other_bucket(&self, value: &Value, column: &Column) -> bool {
        let Some((count, buckets)) = &self.buckets else { return false };
        value.bucket(*count, &column.ty).is_some_and(|bucket| !buckets.contains(&bucket))
    }
}

/// How what begins with a prefix stands to a value; `None` if the value itself begins with it.
fn within_order(prefix: &[u8], value: &[u8]) -> Option<Ordering> {
    if value.starts_with(prefix) { None } else { Some(prefix.cmp(value)) }
}

/// Whether a value may compare, and may fail to.
fn compared(op: Comparison, value: &Value, known: &Known, column: &Column) -> (bool, bool) {
    let (lower, upper) = (known.lower_order(value), known.upper_order(value));
    let below = lower.is_none_or(|lower| lower == Ordering::Less);
    let above = upper.is_none_or(|upper| upper == Ordering::Greater);
    let between =
        lower.is_none_or(|lower| lower != Ordering::Greater) && upper.is_none_or(|upper| upper != Ordering::Less);
    let equal = between && !(op == Comparison::Eq && known.in_other_bucket(value, column));
    match op {
        Comparison::Eq => (equal, below || above || !equal),
        Comparison::NotEq => (below || above || !equal, equal),
        Comparison::Lt => (below, between || above),
        Comparison::LtEq => (below || between, above),
        Comparison::Gt => (above, between || below),
        Comparison::GtEq => (above || between, below),
    }
}

/// Whether a value may be one of these, and may be none.
fn among(values: &[Value], known: &Known, column: &Column) -> (bool, bool) {
    let hashed = known.buckets.is_some() && values.len() <= HASHED_MAX;
    let mut may = values.iter().filter(|value| {
        let (lower, upper) = (known.lower_order(value), known.upper_order(value));
        lower != Some(Ordering::Greater) && upper != Some(Ordering::Less)
    });
    let yes = if hashed { may.any(|value| !known.in_other_bucket(value, column)) } else { may.next().is_some() };
    let only = |value: &Value| {
        known.lower_order(value) == Some(Ordering::Equal) && known.upper_order(value) == Some(Ordering::Equal)
    };
    (yes, !values.iter().any(only))
}

/// Whether a value may begin with a prefix, and may not.
fn starts(prefix: &[u8], known: &Known) -> (bool, bool) {
    let lower = match &known.lower {
        Some(Value::Text(text)) => Some(text.as_bytes()),
        _ => None,
    };
    let (upper, beyond) = match &known.upper {
        Some(Upper::At(Value::Text(text))) => (Some(text.as_bytes()), false),
        Some(Upper::Within(within)) => (Some(within.as_slice()), true),
        _ => (None, false),
    };
    // All that begins with the prefix lies from the prefix itself up to what begins with a greater one.
    let too_large = lower.is_some_and(|lower| lower > prefix && !lower.starts_with(prefix));
    let too_small = upper.is_some_and(|upper| upper < prefix && !(beyond && prefix.starts_with(upper)));
    let both = [lower, upper].iter().all(|end| end.is_some_and(|end| end.starts_with(prefix)));
    (!too_large && !too_small, !both)
}

#[cfg(test)]
mod tests;
