//! Values as they compare: of filters, of bounds and of partitions, whatever type each was written in.
//!
//! Refuses to order what clients order differently: NaN, floating-point numbers that are close to each other.

use std::cmp::Ordering;

use iceberg::{
    spec::{Datum, PrimitiveLiteral, PrimitiveType, Transform},
    transform::create_transform_function,
};
use uuid::Uuid;

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `boolean`.
    Bool(bool),
    /// Whole numbers, dates, times and timestamps in the column's own unit, decimals in the column's own scale.
    Number(i128),
    /// Floating-point numbers.
    Real(f64),
    /// `string`.
    Text(String),
    /// `uuid`, `fixed`, `binary`.
    Bytes(Vec<u8>),
}

impl Value {
    /// A stored value of a column; `None` if it is not one of the column's type, nor of one that the type grew from.
    pub(super) fn of(literal: &PrimitiveLiteral, ty: &PrimitiveType) -> Option<Self> {
        use PrimitiveType as T;
        Some(match (literal, ty) {
            (PrimitiveLiteral::Boolean(v), T::Boolean) => Self::Bool(*v),
            (PrimitiveLiteral::Int(v), T::Int | T::Long | T::Date) => Self::Number(i128::from(*v)),
            (
                PrimitiveLiteral::Long(v),
                T::Int | T::Long | T::Time | T::Timestamp | T::Timestamptz | T::TimestampNs | T::TimestamptzNs,
            ) => Self::Number(i128::from(*v)),
            (PrimitiveLiteral::Float(v), T::Float | T::Double) => Self::Real(f64::from(v.0)),
            (PrimitiveLiteral::Double(v), T::Float | T::Double) => Self::Real(v.0),
            (PrimitiveLiteral::Int128(v), T::Decimal { .. }) => Self::Number(*v),
            (PrimitiveLiteral::String(v), T::String) => Self::Text(v.clone()),
            (PrimitiveLiteral::UInt128(v), T::Uuid) => Self::Bytes(v.to_be_bytes().to_vec()),
            (PrimitiveLiteral::Binary(v), T::Fixed(_) | T::Binary) => Self::Bytes(v.clone()),
            _ => return None,
        })
    }

    /// A bound of a column. Its type is the one of the file's time.
    pub(super) fn of_bound(bound: &Datum, ty: &PrimitiveType) -> Option<Self> {
        use PrimitiveType as T;
        let grown = match (bound.data_type(), ty) {
            (T::Int | T::Long, T::Int | T::Long) | (T::Float | T::Double, T::Float | T::Double) => true,
            (T::Decimal { scale: a, .. }, T::Decimal { scale: b, .. }) => a == b,
            (from, to) => from == to,
        };
        if grown { Self::of(bound.literal(), ty) } else { None }
    }

    /// How two values of one column stand to each other; `None` if that is not sure.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Number(a), Self::Number(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Self::Bytes(a), Self::Bytes(b)) => Some(a.cmp(b)),
            (Self::Real(a), Self::Real(b)) => apart(*a, *b),
            _ => None,
        }
    }

    /// Its bucket of so many; `None` if clients may see it in another one.
    pub(super) fn bucket(&self, count: u32, ty: &PrimitiveType) -> Option<i32> {
        use PrimitiveType as T;
        let datum = match (self, ty) {
            (Self::Number(v), T::Int) => Datum::int(i32::try_from(*v).ok()?),
            (Self::Number(v), T::Long) => Datum::long(i64::try_from(*v).ok()?),
            (Self::Number(v), T::Date) => Datum::date(i32::try_from(*v).ok()?),
            (Self::Number(v), T::Timestamp) => Datum::timestamp_micros(i64::try_from(*v).ok()?),
            (Self::Number(v), T::Timestamptz) => Datum::timestamptz_micros(i64::try_from(*v).ok()?),
            (Self::Text(v), T::String) => Datum::string(v),
            (Self::Bytes(v), T::Uuid) => Datum::uuid(Uuid::from_slice(v).ok()?),
            (Self::Bytes(v), T::Fixed(_)) => Datum::fixed(v.iter().copied()),
            (Self::Bytes(v), T::Binary) => Datum::binary(v.iter().copied()),
            _ => return None,
        };
        let function = create_transform_function(&Transform::Bucket(count)).ok()?;
        match function.transform_literal(&datum).ok()??.literal() {
            PrimitiveLiteral::Int(bucket) => Some(*bucket),
            _ => None,
        }
    }
}

/// The order of two floating-point numbers that no rounding on any client's way can turn round or make equal: a `float`
/// column meets literals that were `double`, and numbers were text in between.
fn apart(a: f64, b: f64) -> Option<Ordering> {
    let (a, b) = (a as f32, b as f32);
    if a.next_up() < b {
        Some(Ordering::Less)
    } else if b.next_up() < a {
        Some(Ordering::Greater)
    } else {
        None
    }
}
