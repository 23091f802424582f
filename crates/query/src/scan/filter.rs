//! Row predicates over Arrow batches, in SQL's three-valued logic.
//!
//! Total: a predicate is checked against the columns once, when it is bound; after that no value can make it fail, so
//! no error tells about a hidden row (R34). Doubles compare in IEEE 754's total order, text by its bytes.

use std::collections::HashSet;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Decimal128Array, FixedSizeBinaryArray,
        Float64Array, Int32Array, Int64Array, Scalar, StringArray,
    },
    buffer::NullBuffer,
    compute::kernels::comparison::starts_with,
    compute::{and_kleene, cast, is_null, kernels::cmp, not, or_kleene},
    datatypes::{
        DataType, Date32Type, Fields, Float32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType, TimeUnit,
        TimestampMicrosecondType, TimestampNanosecondType,
    },
    error::ArrowError,
    record_batch::RecordBatch,
};
use polder_policy::{BoundPredicate, Comparison, FieldPredicate, Literal};
use polder_types::Error;

use super::{error::unenforceable, values::field_id};

/// A predicate bound to the columns of a batch.
pub(crate) type RowPredicate = BoundPredicate<Column>;

/// Where a value of each row stands: a column of the batch and the struct fields down to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    path: Vec<usize>,
    ty: DataType,
}

/// Binds a predicate to columns that carry field ids.
///
/// # Errors
/// `Internal` if a field is not there, is not a value of the row, or is not of the literal's type.
pub(crate) fn bind(predicate: &FieldPredicate, fields: &Fields) -> Result<RowPredicate, Error> {
    let all = |parts: &[FieldPredicate]| parts.iter().map(|part| bind(part, fields)).collect::<Result<Vec<_>, _>>();
    let find = |id: &i32| find(*id, fields).ok_or_else(|| unenforceable("a predicate's column is not there"));
    let check = |column: Column, literal: &Literal| match comparable(literal, &column.ty) {
        true => Ok(column),
        false => Err(unenforceable("a predicate compares a column with a value of another type")),
    };
    Ok(match predicate {
        BoundPredicate::True => BoundPredicate::True,
        BoundPredicate::False => BoundPredicate::False,
        BoundPredicate::And(parts) => BoundPredicate::And(all(parts)?),
        BoundPredicate::Or(parts) => BoundPredicate::Or(all(parts)?),
        BoundPredicate::Not(inner) => BoundPredicate::Not(Box::new(bind(inner, fields)?)),
        BoundPredicate::IsNull(id) => BoundPredicate::IsNull(find(id)?),
        BoundPredicate::Compare { column, op, literal } => {
            BoundPredicate::Compare { column: check(find(column)?, literal)?, op: *op, literal: literal.clone() }
        }
        BoundPredicate::In { column, literals } => {
            let column = literals.iter().try_fold(find(column)?, check)?;
            BoundPredicate::In { column, literals: literals.clone() }
        }
        BoundPredicate::StartsWith { column, prefix } => {
            let literal = Literal::Text(prefix.clone());
            BoundPredicate::StartsWith { column: check(find(column)?, &literal)?, prefix: prefix.clone() }
        }
    })
}

fn find(id: i32, fields: &Fields) -> Option<Column> {
    fields.iter().enumerate().find_map(|(index, field)| {
        if field_id(field) == Some(id) {
            return Some(Column { path: vec![index], ty: field.data_type().clone() });
        }
        let DataType::Struct(children) = field.data_type() else { return None };
        let mut column = find(id, children)?;
        column.path.insert(0, index);
        Some(column)
    })
}

fn comparable(literal: &Literal, ty: &DataType) -> bool {
    match (literal, ty) {
        (Literal::Bool(_), DataType::Boolean)
        | (Literal::Long(_), DataType::Int32 | DataType::Int64)
        | (Literal::Double(_), DataType::Float32 | DataType::Float64)
        | (Literal::Date(_), DataType::Date32)
        | (Literal::Time(_), DataType::Time64(TimeUnit::Microsecond))
        | (Literal::Timestamp(_), DataType::Timestamp(TimeUnit::Microsecond, _))
        | (Literal::TimestampNs(_), DataType::Timestamp(TimeUnit::Nanosecond, _))
        | (Literal::Text(_), DataType::Utf8)
        | (Literal::Uuid(_), DataType::FixedSizeBinary(16)) => true,
        (Literal::Decimal { scale, .. }, DataType::Decimal128(_, s)) => scale == s,
        _ => false,
    }
}

/// Evaluates a predicate for each row; null is unknown.
///
/// # Errors
/// Only for a batch that it was not bound to.
pub(crate) fn evaluate(predicate: &RowPredicate, batch: &RecordBatch) -> Result<BooleanArray, Error> {
    evaluated(predicate, batch)
        .map_err(|_| unenforceable("a predicate was evaluated on other columns than it is bound to"))
}

/// Where a result is true; unknown is not.
pub(crate) fn where_true(result: &BooleanArray) -> BooleanArray {
    match result.nulls() {
        None => result.clone(),
        Some(known) => BooleanArray::new(result.values() & known.inner(), None),
    }
}

fn evaluated(predicate: &RowPredicate, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
    let rows = batch.num_rows();
    let fold = |parts: &[RowPredicate], none: bool, join: fn(&BooleanArray, &BooleanArray) -> Result<_, _>| {
        let Some((first, rest)) = parts.split_first() else { return Ok(constant(none, rows)) };
        rest.iter().try_fold(evaluated(first, batch)?, |left, part| join(&left, &evaluated(part, batch)?))
    };
    match predicate {
        BoundPredicate::True => Ok(constant(true, rows)),
        BoundPredicate::False => Ok(constant(false, rows)),
        BoundPredicate::And(parts) => fold(parts, true, and_kleene),
        BoundPredicate::Or(parts) => fold(parts, false, or_kleene),
        BoundPredicate::Not(inner) => not(&evaluated(inner, batch)?),
        BoundPredicate::IsNull(column) => is_null(&column.of(batch)?),
        BoundPredicate::Compare { column, op, literal } => compare(&column.of(batch)?, *op, literal),
        BoundPredicate::In { column, literals } => within(&column.of(batch)?, literals),
        BoundPredicate::StartsWith { column, prefix } => {
            starts_with(&column.of(batch)?, &StringArray::new_scalar(prefix))
        }
    }
}

fn constant(value: bool, rows: usize) -> BooleanArray {
    BooleanArray::from(vec![value; rows])
}

impl Column {
    /// The column's values; null where the value or a struct around it is.
    fn of(&self, batch: &RecordBatch) -> Result<ArrayRef, ArrowError> {
        let absent = || ArrowError::SchemaError("no such column".to_owned());
        let (first, rest) = self.path.split_first().ok_or_else(absent)?;
        let mut array = batch.columns().get(*first).cloned().ok_or_else(absent)?;
        let mut nulls: Option<NullBuffer> = None;
        for index in rest {
            nulls = NullBuffer::union(nulls.as_ref(), array.nulls());
            let parent = array.as_struct_opt().ok_or_else(absent)?;
            array = parent.columns().get(*index).cloned().ok_or_else(absent)?;
        }
        if array.data_type() != &self.ty {
            return Err(absent());
        }
        if rest.is_empty() {
            return Ok(array);
        }
        let nulls = NullBuffer::union(nulls.as_ref(), array.nulls());
        Ok(arrow::array::make_array(array.to_data().into_builder().nulls(nulls).build()?))
    }
}

/// Integers and instants as they compare: by one number.
fn numbers(array: &ArrayRef) -> Result<Int64Array, ArrowError> {
    let wide = |array: ArrayRef| cast(&array, &DataType::Int64).map(|wide| wide.as_primitive::<Int64Type>().clone());
    if let Some(narrow) = narrow(array) {
        return wide(std::sync::Arc::new(narrow));
    }
    Ok(match array.data_type() {
        DataType::Int64 => array.as_primitive::<Int64Type>().clone(),
        DataType::Time64(TimeUnit::Microsecond) => array.as_primitive::<Time64MicrosecondType>().reinterpret_cast(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            array.as_primitive::<TimestampMicrosecondType>().reinterpret_cast()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            array.as_primitive::<TimestampNanosecondType>().reinterpret_cast()
        }
        _ => return Err(ArrowError::SchemaError("not a number".to_owned())),
    })
}

/// Integers and days that are held in 32 bits.
fn narrow(array: &ArrayRef) -> Option<Int32Array> {
    match array.data_type() {
        DataType::Int32 => Some(array.as_primitive::<Int32Type>().clone()),
        DataType::Date32 => Some(array.as_primitive::<Date32Type>().reinterpret_cast()),
        _ => None,
    }
}

fn number(literal: &Literal) -> Option<i64> {
    match literal {
        Literal::Long(v) | Literal::Time(v) | Literal::Timestamp(v) | Literal::TimestampNs(v) => Some(*v),
        Literal::Date(v) => Some(i64::from(*v)),
        _ => None,
    }
}

fn compare(array: &ArrayRef, op: Comparison, literal: &Literal) -> Result<BooleanArray, ArrowError> {
    if let Some(number) = number(literal) {
        // Widening is exact and costs as much again.
        return match (narrow(array), i32::try_from(number)) {
            (Some(array), Ok(number)) => kernel(op, &array, &Int32Array::new_scalar(number)),
            _ => kernel(op, &numbers(array)?, &Int64Array::new_scalar(number)),
        };
    }
    match (literal, array.data_type()) {
        (Literal::Bool(v), _) => kernel(op, array, &BooleanArray::new_scalar(*v)),
        (Literal::Double(v), DataType::Float32) => {
            // Widened by hand: exact, and the sign of a NaN stays.
            let wide: Float64Array = array.as_primitive::<Float32Type>().unary::<_, Float64Type>(f64::from);
            kernel(op, &wide, &Float64Array::new_scalar(*v))
        }
        (Literal::Double(v), _) => kernel(op, array, &Float64Array::new_scalar(*v)),
        (Literal::Decimal { unscaled, .. }, ty) => {
            let one: ArrayRef =
                std::sync::Arc::new(Decimal128Array::from_iter_values([*unscaled]).with_data_type(ty.clone()));
            kernel(op, array, &Scalar::new(one))
        }
        (Literal::Text(v), _) => kernel(op, array, &StringArray::new_scalar(v)),
        (Literal::Uuid(v), _) => {
            let one = FixedSizeBinaryArray::try_from_iter([v.as_bytes()].into_iter())?;
            kernel(op, array, &Scalar::new(one))
        }
        _ => Err(ArrowError::SchemaError("not comparable".to_owned())),
    }
}

fn kernel(
    op: Comparison,
    array: &dyn arrow::array::Datum,
    value: &dyn arrow::array::Datum,
) -> Result<BooleanArray, ArrowError> {
    match op {
        Comparison::Eq => cmp::eq(array, value),
        Comparison::NotEq => cmp::neq(array, value),
        Comparison::Lt => cmp::lt(array, value),
        Comparison::LtEq => cmp::lt_eq(array, value),
        Comparison::Gt => cmp::gt(array, value),
        Comparison::GtEq => cmp::gt_eq(array, value),
    }
}

fn within(array: &ArrayRef, literals: &[Literal]) -> Result<BooleanArray, ArrowError> {
    if array.data_type() == &DataType::Utf8 {
        let texts: HashSet<&str> = literals
            .iter()
            .filter_map(|l| if let Literal::Text(text) = l { Some(text.as_str()) } else { None })
            .collect();
        let array = array.as_string::<i32>();
        return Ok(holds(array.len(), array.nulls(), |row| texts.contains(array.value(row))));
    }
    let wanted: Option<HashSet<i64>> = literals.iter().map(number).collect();
    if let Some(wanted) = wanted {
        let array = numbers(array)?;
        return Ok(holds(array.len(), array.nulls(), |row| wanted.contains(&array.value(row))));
    }
    literals.iter().try_fold(constant(false, array.len()), |found, literal| {
        or_kleene(&found, &compare(array, Comparison::Eq, literal)?)
    })
}

fn holds(rows: usize, nulls: Option<&NullBuffer>, test: impl Fn(usize) -> bool) -> BooleanArray {
    let mut found = BooleanBufferBuilder::new(rows);
    (0..rows).for_each(|row| found.append(test(row)));
    BooleanArray::new(found.finish(), nulls.cloned())
}

#[cfg(test)]
mod tests;
