//! Values between three worlds: Iceberg's literals, the policy kernel's, and Arrow arrays that repeat one of them.

use std::{cmp::Ordering, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float32Array, Float64Array,
        Int32Array, Int64Array, LargeBinaryArray, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
        TimestampNanosecondArray,
    },
    buffer::Buffer,
    datatypes::{DataType, Field, TimeUnit},
};
use iceberg::spec::{PrimitiveLiteral, PrimitiveType};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use polder_policy::Literal;

/// The Iceberg field id that an Arrow field carries.
pub(crate) fn field_id(field: &Field) -> Option<i32> {
    field.metadata().get(PARQUET_FIELD_ID_META_KEY)?.parse().ok()
}

/// The same field without anything but its name, type and nullability, all the way down.
pub(crate) fn plain_field(field: &Field) -> Field {
    Field::new(field.name(), plain_type(field.data_type()), field.is_nullable())
}

fn plain_type(ty: &DataType) -> DataType {
    match ty {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| plain_field(field)).collect()),
        DataType::List(element) => DataType::List(Arc::new(plain_field(element))),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(plain_field(entries)), *sorted),
        other => other.clone(),
    }
}

/// An Iceberg value as the policy kernel has it; `None` for what it cannot hold.
pub(crate) fn literal(value: &PrimitiveLiteral, ty: &PrimitiveType) -> Option<Literal> {
    Some(match (value, ty) {
        (PrimitiveLiteral::Boolean(v), PrimitiveType::Boolean) => Literal::Bool(*v),
        (PrimitiveLiteral::Int(v), PrimitiveType::Int | PrimitiveType::Long) => Literal::Long(i64::from(*v)),
        (PrimitiveLiteral::Long(v), PrimitiveType::Long) => Literal::Long(*v),
        (PrimitiveLiteral::Float(v), PrimitiveType::Float | PrimitiveType::Double) => Literal::Double(f64::from(v.0)),
        (PrimitiveLiteral::Double(v), PrimitiveType::Double) => Literal::Double(v.0),
        (PrimitiveLiteral::Int128(v), PrimitiveType::Decimal { scale, .. }) => {
            Literal::Decimal { unscaled: *v, scale: i8::try_from(*scale).ok()? }
        }
        (PrimitiveLiteral::Int(v), PrimitiveType::Date) => Literal::Date(*v),
        (PrimitiveLiteral::Long(v), PrimitiveType::Time) => Literal::Time(*v),
        (PrimitiveLiteral::Long(v), PrimitiveType::Timestamp | PrimitiveType::Timestamptz) => Literal::Timestamp(*v),
        (PrimitiveLiteral::Long(v), PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs) => {
            Literal::TimestampNs(*v)
        }
        (PrimitiveLiteral::String(v), PrimitiveType::String) => Literal::Text(v.clone()),
        (PrimitiveLiteral::UInt128(v), PrimitiveType::Uuid) => Literal::Uuid(uuid::Uuid::from_u128(*v)),
        _ => return None,
    })
}

/// How two values of one kind stand to each other, as the row filter compares them; `None` for different kinds and
/// for floating-point numbers, whose bounds leave out NaN.
pub(crate) fn order(left: &Literal, right: &Literal) -> Option<Ordering> {
    match (left, right) {
        (Literal::Bool(a), Literal::Bool(b)) => Some(a.cmp(b)),
        (Literal::Long(a), Literal::Long(b))
        | (Literal::Time(a), Literal::Time(b))
        | (Literal::Timestamp(a), Literal::Timestamp(b))
        | (Literal::TimestampNs(a), Literal::TimestampNs(b)) => Some(a.cmp(b)),
        (Literal::Decimal { unscaled: a, scale: s }, Literal::Decimal { unscaled: b, scale: t }) if s == t => {
            Some(a.cmp(b))
        }
        (Literal::Date(a), Literal::Date(b)) => Some(a.cmp(b)),
        (Literal::Text(a), Literal::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Literal::Uuid(a), Literal::Uuid(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        _ => None,
    }
}

/// An array of `length` times one value; `None` if the value is not one of the type.
pub(crate) fn repeated(value: &Literal, ty: &DataType, length: usize) -> Option<ArrayRef> {
    let array: ArrayRef = match (value, ty) {
        (Literal::Bool(v), DataType::Boolean) => Arc::new(BooleanArray::from(vec![*v; length])),
        (Literal::Long(v), DataType::Int32) => Arc::new(Int32Array::from_value(i32::try_from(*v).ok()?, length)),
        (Literal::Long(v), DataType::Int64) => Arc::new(Int64Array::from_value(*v, length)),
        (Literal::Double(v), DataType::Float32) => Arc::new(Float32Array::from_value(*v as f32, length)),
        (Literal::Double(v), DataType::Float64) => Arc::new(Float64Array::from_value(*v, length)),
        (Literal::Decimal { unscaled, scale }, DataType::Decimal128(_, s)) if s == scale => {
            Arc::new(Decimal128Array::from_value(*unscaled, length).with_data_type(ty.clone()))
        }
        (Literal::Date(v), DataType::Date32) => Arc::new(Date32Array::from_value(*v, length)),
        (Literal::Time(v), DataType::Time64(TimeUnit::Microsecond)) => {
            Arc::new(Time64MicrosecondArray::from_value(*v, length))
        }
        (Literal::Timestamp(v), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            Arc::new(TimestampMicrosecondArray::from_value(*v, length).with_timezone_opt(zone.clone()))
        }
        (Literal::TimestampNs(v), DataType::Timestamp(TimeUnit::Nanosecond, zone)) => {
            Arc::new(TimestampNanosecondArray::from_value(*v, length).with_timezone_opt(zone.clone()))
        }
        (Literal::Text(v), DataType::Utf8) => {
            fits(value, length)?;
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(v, length)))
        }
        (Literal::Uuid(v), DataType::FixedSizeBinary(16)) => {
            Arc::new(FixedSizeBinaryArray::try_new(16, Buffer::from(v.as_bytes().repeat(length)), None).ok()?)
        }
        _ => return None,
    };
    Some(array)
}

/// An array of one value, of which `times` can follow each other in one array; `None` as for [`repeated`].
pub(crate) fn single(value: &Literal, ty: &DataType, times: usize) -> Option<ArrayRef> {
    fits(value, times)?;
    repeated(value, ty, 1)
}

/// `None` if so many of a text are too long for one array.
fn fits(value: &Literal, times: usize) -> Option<()> {
    let Literal::Text(text) = value else { return Some(()) };
    text.len().checked_mul(times).filter(|bytes| i32::try_from(*bytes).is_ok()).map(drop)
}

/// What `mask-to-fixed-value` shows of a primitive type: zeros, the epoch, `XXXXXXXX`, no bytes ([`polder_policy::Primitive::fixed_value`]).
pub(crate) fn fixed(ty: &DataType, length: usize) -> Option<ArrayRef> {
    let value = match ty {
        DataType::Boolean => Literal::Bool(false),
        DataType::Int32 | DataType::Int64 => Literal::Long(0),
        DataType::Float32 | DataType::Float64 => Literal::Double(0.0),
        DataType::Decimal128(_, scale) => Literal::Decimal { unscaled: 0, scale: *scale },
        DataType::Date32 => Literal::Date(0),
        DataType::Time64(_) => Literal::Time(0),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Literal::Timestamp(0),
        DataType::Timestamp(_, _) => Literal::TimestampNs(0),
        DataType::Utf8 => Literal::Text("XXXXXXXX".to_owned()),
        DataType::LargeBinary => {
            return Some(Arc::new(LargeBinaryArray::from_iter_values(std::iter::repeat_n(b"", length))));
        }
        DataType::FixedSizeBinary(width) => {
            let bytes = usize::try_from(*width).ok()?.checked_mul(length)?;
            let zeros = Buffer::from(vec![0_u8; bytes]);
            return Some(Arc::new(FixedSizeBinaryArray::try_new(*width, zeros, None).ok()?));
        }
        _ => return None,
    };
    repeated(&value, ty, length)
}
