//! Row predicates: typed comparisons of columns with literals or principal attributes, total by construction.
//!
//! Three-valued as in SQL; a row stays only where the result is true. There is no arithmetic, cast or function
//! that could fail on a value, so no error can tell about a hidden row (R34).

use std::collections::{BTreeMap, BTreeSet};

use polder_types::Attribute;
use serde::{Deserialize, Serialize};

use crate::{ColumnPath, Primitive};

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// `=`
    Eq,
    /// `<>`
    NotEq,
    /// `<`
    Lt,
    /// `<=`
    LtEq,
    /// `>`
    Gt,
    /// `>=`
    GtEq,
}

/// A typed constant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Literal {
    /// For `boolean`.
    Bool(bool),
    /// For `int` and `long`.
    Long(i64),
    /// For `float` and `double`; always finite. Compared in IEEE 754's total order, as Iceberg orders doubles.
    Double(#[serde(with = "double_text")] f64),
    /// For `decimal`: unscaled value as text (JSON numbers are too small) and scale.
    Decimal {
        /// The unscaled value.
        #[serde(with = "unscaled")]
        unscaled: i128,
        /// The scale.
        scale: i8,
    },
    /// For `date`: days.
    Date(i32),
    /// For `time`: microseconds.
    Time(i64),
    /// For timestamps of microseconds.
    Timestamp(i64),
    /// For timestamps of nanoseconds.
    TimestampNs(i64),
    /// For `string`.
    Text(String),
    /// For `uuid`.
    Uuid(uuid::Uuid),
}

// As text: a JSON number does not come back bit by bit.
mod double_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let value: f64 = String::deserialize(deserializer)?.parse().map_err(D::Error::custom)?;
        if value.is_finite() { Ok(value) } else { Err(D::Error::custom("not a finite number")) }
    }
}

mod unscaled {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The other side of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operand {
    /// A constant.
    Literal(Literal),
    /// An attribute of the principal, bound as a literal of the column's type when the query runs.
    Attribute {
        /// Its name.
        name: String,
        /// The column's type when the policy was made.
        #[serde(with = "primitive_text")]
        ty: Primitive,
    },
}

mod primitive_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::Primitive;

    // Attributes are bool, whole number, text or list of texts: only these column types can meet one.
    pub(super) fn serialize<S: Serializer>(value: &Primitive, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match value {
            Primitive::Boolean => "boolean",
            Primitive::Int => "int",
            Primitive::Long => "long",
            Primitive::String => "string",
            _ => "other",
        })
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Primitive, D::Error> {
        Ok(match String::deserialize(deserializer)?.as_str() {
            "boolean" => Primitive::Boolean,
            "int" => Primitive::Int,
            "long" => Primitive::Long,
            "string" => Primitive::String,
            _ => Primitive::Other,
        })
    }
}

/// A predicate over columns by path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Predicate {
    /// Always true.
    True,
    /// Always false.
    False,
    /// All of them.
    And(Vec<Predicate>),
    /// Any of them.
    Or(Vec<Predicate>),
    /// Not it.
    Not(Box<Predicate>),
    /// The column is null.
    IsNull(ColumnPath),
    /// A comparison.
    Compare {
        /// The column.
        column: ColumnPath,
        /// How.
        op: Comparison,
        /// With what.
        operand: Operand,
    },
    /// The column equals one of them.
    In {
        /// The column.
        column: ColumnPath,
        /// The values; an attribute that is a list stands for all its texts.
        operands: Vec<Operand>,
    },
    /// The text begins with another.
    StartsWith {
        /// The column.
        column: ColumnPath,
        /// With what.
        operand: Operand,
    },
}

/// A predicate with its attributes bound: columns of type `C` against literals.
#[derive(Clone, Debug, PartialEq)]
pub enum BoundPredicate<C> {
    /// Always true.
    True,
    /// Always false.
    False,
    /// All of them.
    And(Vec<Self>),
    /// Any of them.
    Or(Vec<Self>),
    /// Not it.
    Not(Box<Self>),
    /// The column is null.
    IsNull(C),
    /// A comparison.
    Compare {
        /// The column.
        column: C,
        /// How.
        op: Comparison,
        /// With what.
        literal: Literal,
    },
    /// The column equals one of them (never empty).
    In {
        /// The column.
        column: C,
        /// The values.
        literals: Vec<Literal>,
    },
    /// The text begins with another.
    StartsWith {
        /// The column.
        column: C,
        /// The prefix.
        prefix: String,
    },
}

/// A bound predicate over field ids of one schema; what engines evaluate.
pub type FieldPredicate = BoundPredicate<i32>;

impl Predicate {
    pub(crate) fn collect_columns(&self, into: &mut BTreeSet<ColumnPath>) {
        match self {
            Self::True | Self::False => {}
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|p| p.collect_columns(into)),
            Self::Not(inner) => inner.collect_columns(into),
            Self::IsNull(column)
            | Self::Compare { column, .. }
            | Self::In { column, .. }
            | Self::StartsWith { column, .. } => {
                into.insert(column.clone());
            }
        }
    }

    /// Replaces attributes by literals. `None` if one is missing or of another type: the caller must then let
    /// nothing through (S-034), whatever stands around it.
    #[must_use]
    pub fn bind(&self, attributes: &BTreeMap<String, Attribute>) -> Option<BoundPredicate<ColumnPath>> {
        let all = |parts: &[Self]| parts.iter().map(|p| p.bind(attributes)).collect::<Option<Vec<_>>>();
        Some(match self {
            Self::True => BoundPredicate::True,
            Self::False => BoundPredicate::False,
            Self::And(parts) => BoundPredicate::And(all(parts)?),
            Self::Or(parts) => BoundPredicate::Or(all(parts)?),
            Self::Not(inner) => BoundPredicate::Not(Box::new(inner.bind(attributes)?)),
            Self::IsNull(column) => BoundPredicate::IsNull(column.clone()),
            Self::Compare { column, op, operand } => {
                BoundPredicate::Compare { column: column.clone(), op: *op, literal: operand.scalar(attributes)? }
            }
            Self::In { column, operands } => {
                let mut literals = Vec::new();
                for operand in operands {
                    literals.extend(operand.several(attributes)?);
                }
                if literals.is_empty() {
                    return None;
                }
                BoundPredicate::In { column: column.clone(), literals }
            }
            Self::StartsWith { column, operand } => match operand.scalar(attributes)? {
                Literal::Text(prefix) => BoundPredicate::StartsWith { column: column.clone(), prefix },
                _ => return None,
            },
        })
    }
}

impl Operand {
    /// One literal; a list is none.
    fn scalar(&self, attributes: &BTreeMap<String, Attribute>) -> Option<Literal> {
        match self {
            Self::Literal(literal) => Some(literal.clone()),
            Self::Attribute { name, ty } => match (attributes.get(name)?, ty) {
                (Attribute::Bool(value), Primitive::Boolean) => Some(Literal::Bool(*value)),
                (Attribute::Int(value), Primitive::Int | Primitive::Long) => Some(Literal::Long(*value)),
                (Attribute::Text(value), Primitive::String) => Some(Literal::Text(value.clone())),
                _ => None,
            },
        }
    }

    /// One or, for a list attribute on a text column, several literals.
    fn several(&self, attributes: &BTreeMap<String, Attribute>) -> Option<Vec<Literal>> {
        if let Self::Attribute { name, ty: Primitive::String } = self
            && let Some(Attribute::List(values)) = attributes.get(name)
        {
            return Some(values.iter().cloned().map(Literal::Text).collect());
        }
        self.scalar(attributes).map(|literal| vec![literal])
    }
}

impl<C> BoundPredicate<C> {
    /// How many nodes and values it is made of.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::And(parts) | Self::Or(parts) => 1 + parts.iter().map(Self::size).sum::<usize>(),
            Self::Not(inner) => 1 + inner.size(),
            Self::In { literals, .. } => 1 + literals.len(),
            _ => 1,
        }
    }

    /// Names every column otherwise; `None` where `map` gives none.
    pub(crate) fn map_columns<D>(&self, map: &impl Fn(&C) -> Option<D>) -> Option<BoundPredicate<D>> {
        let all = |parts: &[Self]| parts.iter().map(|p| p.map_columns(map)).collect::<Option<Vec<_>>>();
        Some(match self {
            Self::True => BoundPredicate::True,
            Self::False => BoundPredicate::False,
            Self::And(parts) => BoundPredicate::And(all(parts)?),
            Self::Or(parts) => BoundPredicate::Or(all(parts)?),
            Self::Not(inner) => BoundPredicate::Not(Box::new(inner.map_columns(map)?)),
            Self::IsNull(column) => BoundPredicate::IsNull(map(column)?),
            Self::Compare { column, op, literal } => {
                BoundPredicate::Compare { column: map(column)?, op: *op, literal: literal.clone() }
            }
            Self::In { column, literals } => BoundPredicate::In { column: map(column)?, literals: literals.clone() },
            Self::StartsWith { column, prefix } => {
                BoundPredicate::StartsWith { column: map(column)?, prefix: prefix.clone() }
            }
        })
    }

    /// Calls `visit` with every column.
    pub fn for_each_column(&self, visit: &mut impl FnMut(&C)) {
        match self {
            Self::True | Self::False => {}
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|p| p.for_each_column(visit)),
            Self::Not(inner) => inner.for_each_column(visit),
            Self::IsNull(column)
            | Self::Compare { column, .. }
            | Self::In { column, .. }
            | Self::StartsWith { column, .. } => visit(column),
        }
    }
}

impl Literal {
    /// True if the literal is a value of this type, so that comparing and showing it can neither fail nor round.
    #[must_use]
    pub fn fits(&self, ty: Primitive) -> bool {
        match self {
            Self::Bool(_) => ty == Primitive::Boolean,
            Self::Long(value) => ty == Primitive::Long || (ty == Primitive::Int && i32::try_from(*value).is_ok()),
            Self::Double(value) => {
                let exact = ty == Primitive::Double || (ty == Primitive::Float && f64::from(*value as f32) == *value);
                exact && value.is_finite()
            }
            Self::Decimal { unscaled, scale } => {
                matches!(ty, Primitive::Decimal { precision, scale: s } if s == *scale && digits(*unscaled) <= precision)
            }
            Self::Date(_) => ty == Primitive::Date,
            Self::Time(_) => ty == Primitive::Time,
            Self::Timestamp(_) => matches!(ty, Primitive::Timestamp { .. }),
            Self::TimestampNs(_) => matches!(ty, Primitive::TimestampNs { .. }),
            Self::Text(_) => ty == Primitive::String,
            Self::Uuid(_) => ty == Primitive::Uuid,
        }
    }
}

/// How many decimal digits the value has; 0 for zero.
fn digits(unscaled: i128) -> u8 {
    unscaled.unsigned_abs().checked_ilog10().map_or(0, |log| u8::try_from(log + 1).unwrap_or(u8::MAX))
}

#[cfg(test)]
pub(crate) mod tests;
