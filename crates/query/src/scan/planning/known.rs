//! What is known of a column's values in a file or a manifest: by its metrics, and by the partition it belongs to.
//!
//! A partition value is turned back into the values that it may stand for, so that a filter is judged by one evaluator,
//! whatever it is judged by. Sound, never exact: what is not sure is not known.

use std::ops::RangeInclusive;

use iceberg::spec::{DataFile, Datum, FieldSummary, Literal, PrimitiveLiteral, PrimitiveType, Transform, Type};

use super::{
    calendar::{DAY_SECONDS, month_start},
    filter::Column,
    value::Value,
};

/// How many rows hold something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// Not one.
    Never,
    /// Nobody knows.
    Maybe,
    /// All.
    Always,
}

/// No value is larger.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Upper {
    /// Than this.
    At(Value),
    /// Than the texts or bytes that begin with this.
    Within(Vec<u8>),
}

/// What is known of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    /// No value is smaller.
    pub(super) lower: Option<Value>,
    pub(super) upper: Option<Upper>,
    pub(super) nulls: Presence,
    pub(super) nans: Presence,
    /// The buckets that the values lie in, of so many.
    pub(super) buckets: Option<(u32, RangeInclusive<i32>)>,
}

impl Known {
    /// Nothing is known.
    pub(super) fn nothing(column: &Column) -> Self {
        let real = matches!(column.ty, PrimitiveType::Float | PrimitiveType::Double);
        let nans = if real { Presence::Maybe } else { Presence::Never };
        Self { lower: None, upper: None, nulls: Presence::Maybe, nans, buckets: None }
    }

    /// By a file's metrics.
    pub(super) fn of_metrics(file: &DataFile, column: &Column) -> Self {
        let mut known = Self::nothing(column);
        if column.transform != Transform::Identity {
            return known;
        }
        let bound = |bound: Option<&Datum>| Value::of_bound(bound?, &column.ty);
        let (lower, upper) = (bound(file.lower_bounds().get(&column.id)), bound(file.upper_bounds().get(&column.id)));
        // Writers have ordered UUIDs in two ways.
        if column.ty != PrimitiveType::Uuid || lower == upper {
            (known.lower, known.upper) = (lower, upper.map(Upper::At));
        }
        // Counts of nested fields mean something else in each writer.
        if column.top {
            known.nulls = match (file.null_value_counts().get(&column.id), file.value_counts().get(&column.id)) {
                (Some(0), _) => Presence::Never,
                (Some(nulls), Some(values)) if nulls == values => Presence::Always,
                _ => Presence::Maybe,
            };
            if file.nan_value_counts().get(&column.id) == Some(&0) {
                known.nans = Presence::Never;
            }
        }
        known
    }

    /// By the value of a partition field, of which the column is the source.
    pub(super) fn of_partition(transform: Transform, value: Option<&Literal>, column: &Column) -> Self {
        let mut known = Self::nothing(column);
        let value = match value {
            _ if !tells(transform, column) => return known,
            None => {
                known.nulls = Presence::Always;
                return known;
            }
            Some(Literal::Primitive(value)) => value,
            Some(_) => return known,
        };
        known.nulls = Presence::Never;
        if let Some((lower, upper)) = sources(transform, value, column) {
            match &lower {
                Value::Real(real) if real.is_nan() => known.nans = Presence::Always,
                _ => {
                    known.nans = Presence::Never;
                    (known.lower, known.upper) = (Some(lower), Some(upper));
                }
            }
        }
        known.buckets = bucket(transform, value, column).map(|(count, bucket)| (count, bucket..=bucket));
        known
    }

    /// By what a list of manifests says of a partition field in one of them.
    pub(super) fn of_summary(transform: Transform, summary: &FieldSummary, column: &Column) -> Self {
        let mut known = Self::nothing(column);
        if !tells(transform, column) {
            return known;
        }
        if !summary.contains_null {
            known.nulls = Presence::Never;
        }
        if summary.contains_nan == Some(false) {
            known.nans = Presence::Never;
        }
        // What is derived has the partition's own type.
        let result = match column.transform {
            Transform::Identity => transform.result_type(&Type::Primitive(column.ty.clone())).ok(),
            _ => Some(Type::Primitive(column.ty.clone())),
        };
        let Some(Type::Primitive(ty)) = result else { return known };
        let decode = |bytes: Option<&[u8]>| Datum::try_from_bytes(bytes?, ty.clone()).ok();
        let lower = decode(summary.lower_bound.as_ref().map(|bytes| bytes.as_slice()));
        let upper = decode(summary.upper_bound.as_ref().map(|bytes| bytes.as_slice()));
        if let (Some(lower), Some(upper)) = (&lower, &upper)
            && let (Some((count, low)), Some((_, high))) =
                (bucket(transform, lower.literal(), column), bucket(transform, upper.literal(), column))
        {
            known.buckets = Some((count, low..=high));
        }
        let ends = |datum: Option<&Datum>| sources(transform, datum?.literal(), column);
        known.lower = ends(lower.as_ref()).map(|(lower, _)| lower);
        known.upper = ends(upper.as_ref()).map(|(_, upper)| upper);
        known
    }
}

/// True if a partition field, of which the column is the source, tells anything of it.
fn tells(transform: Transform, column: &Column) -> bool {
    let plain = column.transform == Transform::Identity;
    !matches!(transform, Transform::Void | Transform::Unknown) && (plain || column.transform == transform)
}

/// The bucket that a column's values lie in. (Of a derived column the bucket is the value.)
fn bucket(transform: Transform, value: &PrimitiveLiteral, column: &Column) -> Option<(u32, i32)> {
    match (transform, value) {
        (Transform::Bucket(count), PrimitiveLiteral::Int(bucket))
            if column.transform == Transform::Identity && i32::try_from(count).is_ok_and(|n| n > 0) =>
        {
            Some((count, *bucket))
        }
        _ => None,
    }
}

/// The smallest and the largest value that a partition's value may stand for.
fn sources(transform: Transform, value: &PrimitiveLiteral, column: &Column) -> Option<(Value, Upper)> {
    let ty = &column.ty;
    if column.transform != Transform::Identity {
        let value = Value::of(value, ty)?;
        let lower = match &value {
            // As in `instants`: the value as it is made today may be one less.
            Value::Number(number) if is_temporal(transform) && *number <= 0 => Value::Number(number - 1),
            other => other.clone(),
        };
        return Some((lower, Upper::At(value)));
    }
    match transform {
        Transform::Identity => {
            let value = Value::of(value, ty)?;
            Some((value.clone(), Upper::At(value)))
        }
        Transform::Truncate(width) => {
            let value = Value::of(value, ty)?;
            let upper = match &value {
                Value::Number(number) => Upper::At(Value::Number(number.checked_add(i128::from(width).max(1) - 1)?)),
                Value::Text(text) if text.chars().count() < width as usize => Upper::At(value.clone()),
                Value::Text(text) => Upper::Within(text.as_bytes().to_vec()),
                Value::Bytes(bytes) if bytes.len() < width as usize => Upper::At(value.clone()),
                Value::Bytes(bytes) => Upper::Within(bytes.clone()),
                Value::Bool(_) | Value::Real(_) => return None,
            };
            Some((value, upper))
        }
        Transform::Year | Transform::Month | Transform::Day | Transform::Hour => {
            let PrimitiveLiteral::Int(value) = value else { return None };
            let (lower, upper) = instants(transform, i128::from(*value), ty)?;
            Some((Value::Number(lower), Upper::At(Value::Number(upper))))
        }
        Transform::Bucket(_) | Transform::Void | Transform::Unknown => None,
    }
}

fn is_temporal(transform: Transform) -> bool {
    matches!(transform, Transform::Year | Transform::Month | Transform::Day | Transform::Hour)
}

/// The first and the last instant of a year, month, day or hour, counted from 1970, in the unit of the type.
fn instants(transform: Transform, value: i128, ty: &PrimitiveType) -> Option<(i128, i128)> {
    use PrimitiveType as T;
    let per_second = match ty {
        T::Date => None,
        T::Timestamp | T::Timestamptz => Some(1_000_000),
        T::TimestampNs | T::TimestamptzNs => Some(1_000_000_000),
        _ => return None,
    };
    let start = |value: i128| {
        let days = match transform {
            Transform::Year => month_start(value * 12),
            Transform::Month => month_start(value),
            Transform::Day => value,
            Transform::Hour => return per_second.map(|unit| value * 3_600 * unit),
            _ => return None,
        };
        Some(per_second.map_or(days, |unit| days * DAY_SECONDS * unit))
    };
    // Older writers rounded what lies before 1970 towards it, so that a file may hold what belongs one step before
    // (Java's `ProjectionUtil.fixInclusiveTimeProjection`). A day of a date is the date itself.
    let exact = value > 0 || (transform == Transform::Day && per_second.is_none());
    Some((start(if exact { value } else { value - 1 })?, start(value + 1)? - 1))
}
