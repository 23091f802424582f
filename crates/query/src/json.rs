//! Rows as JSON text, written straight from Arrow arrays into one bounded buffer.
//!
//! Decimals are texts (exact), whole numbers are numbers, dates and times are ISO 8601, bytes are hexadecimal, NaN and the
//! infinities are texts, structs are objects, lists are arrays, a map is an array of `{"key", "value"}`.

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{
        DataType, Decimal128Type, Decimal256Type, Field, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
        Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
    util::display::{ArrayFormatter, FormatOptions},
};

use crate::functions::value_bytes;

/// Rows as text, and how many there are.
pub(crate) struct RowsText {
    /// A JSON array of arrays.
    pub(crate) text: String,
    /// Rows in it.
    pub(crate) count: usize,
    /// True if the buffer's bound cut rows off.
    pub(crate) truncated: bool,
}

/// Why rows have no form in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoJsonForm {
    /// A type has none.
    Type,
    /// A value has none: a time so far away that it has no text.
    Value,
}

/// Writes rows until the buffer would hold more than `bytes_max` bytes.
pub(crate) fn rows(batches: &[RecordBatch], bytes_max: usize) -> Result<RowsText, NoJsonForm> {
    let mut out = RowsText { text: String::from("["), count: 0, truncated: false };
    for batch in batches {
        for row in 0..batch.num_rows() {
            let before = out.text.len();
            if out.count > 0 {
                out.text.push(',');
            }
            write_row(&mut out.text, batch, row)?;
            if out.text.len() >= bytes_max {
                out.text.truncate(before);
                out.truncated = true;
                out.text.push(']');
                return Ok(out);
            }
            out.count += 1;
        }
    }
    out.text.push(']');
    Ok(out)
}

/// The bytes that the values of an answer take; the same however they came in batches.
pub(crate) fn bytes(batches: &[RecordBatch]) -> u64 {
    let columns = batches.iter().flat_map(|batch| batch.columns());
    let values = columns.flat_map(|column| (0..column.len()).map(move |row| value_bytes(column, row)));
    values.fold(0, |sum, bytes| sum.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX)))
}

fn write_row(out: &mut String, batch: &RecordBatch, row: usize) -> Result<(), NoJsonForm> {
    out.push('[');
    for (index, column) in batch.columns().iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_value(out, column, row)?;
    }
    out.push(']');
    Ok(())
}

macro_rules! number {
    ($out:expr, $array:expr, $row:expr, $ty:ty) => {
        write_number($out, &$array.as_primitive::<$ty>().value($row))
    };
}

fn write_value(out: &mut String, array: &ArrayRef, row: usize) -> Result<(), NoJsonForm> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Null => out.push_str("null"),
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Int8 => number!(out, array, row, Int8Type),
        DataType::Int16 => number!(out, array, row, Int16Type),
        DataType::Int32 => number!(out, array, row, Int32Type),
        DataType::Int64 => number!(out, array, row, Int64Type),
        DataType::UInt8 => number!(out, array, row, UInt8Type),
        DataType::UInt16 => number!(out, array, row, UInt16Type),
        DataType::UInt32 => number!(out, array, row, UInt32Type),
        DataType::UInt64 => number!(out, array, row, UInt64Type),
        DataType::Float16 => write_float(out, f64::from(array.as_primitive::<Float16Type>().value(row))),
        // Shortest form of the single, not of the double that it becomes.
        DataType::Float32 => match array.as_primitive::<Float32Type>().value(row) {
            value if value.is_finite() => write_number(out, &value),
            value => write_float(out, f64::from(value)),
        },
        DataType::Float64 => write_float(out, array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => write_text(out, &array.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Decimal256(..) => write_text(out, &array.as_primitive::<Decimal256Type>().value_as_string(row)),
        DataType::Utf8 => write_text(out, array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => write_text(out, array.as_string::<i64>().value(row)),
        DataType::Utf8View => write_text(out, array.as_string_view().value(row)),
        DataType::Binary => write_bytes(out, array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => write_bytes(out, array.as_binary::<i64>().value(row)),
        DataType::BinaryView => write_bytes(out, array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => write_bytes(out, array.as_fixed_size_binary().value(row)),
        other => return write_nested(out, other, array, row),
    }
    Ok(())
}

fn write_nested(out: &mut String, ty: &DataType, array: &ArrayRef, row: usize) -> Result<(), NoJsonForm> {
    match ty {
        DataType::List(_) => write_list(out, &array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => write_list(out, &array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => write_list(out, &array.as_fixed_size_list().value(row)),
        DataType::Struct(fields) => {
            out.push('{');
            for (index, (field, column)) in fields.iter().zip(array.as_struct().columns()).enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_text(out, field.name());
                out.push(':');
                write_value(out, column, row)?;
            }
            out.push('}');
            Ok(())
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            out.push('[');
            for entry in 0..entries.len() {
                out.push_str(if entry > 0 { ",{\"key\":" } else { "{\"key\":" });
                write_value(out, entries.columns().first().ok_or(NoJsonForm::Type)?, entry)?;
                out.push_str(",\"value\":");
                write_value(out, entries.columns().get(1).ok_or(NoJsonForm::Type)?, entry)?;
                out.push('}');
            }
            out.push(']');
            Ok(())
        }
        DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(..)
        | DataType::Interval(_)
        | DataType::Duration(_) => {
            let options = FormatOptions::new();
            let formatter = ArrayFormatter::try_new(array.as_ref(), &options).map_err(|_| NoJsonForm::Type)?;
            write_text(out, &formatter.value(row).try_to_string().map_err(|_| NoJsonForm::Value)?);
            Ok(())
        }
        _ => Err(NoJsonForm::Type),
    }
}

fn write_list(out: &mut String, values: &ArrayRef) -> Result<(), NoJsonForm> {
    out.push('[');
    for index in 0..values.len() {
        if index > 0 {
            out.push(',');
        }
        write_value(out, values, index)?;
    }
    out.push(']');
    Ok(())
}

fn write_float(out: &mut String, value: f64) {
    match value {
        value if value.is_finite() => write_number(out, &value),
        value if value.is_nan() => out.push_str("\"NaN\""),
        value if value > 0.0 => out.push_str("\"Infinity\""),
        _ => out.push_str("\"-Infinity\""),
    }
}

fn write_number(out: &mut String, value: &impl serde::Serialize) {
    // Numbers and texts always serialise.
    if let Ok(text) = serde_json::to_string(value) {
        out.push_str(&text);
    }
}

fn write_text(out: &mut String, value: &str) {
    write_number(out, &value);
}

fn write_bytes(out: &mut String, value: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    for byte in value {
        for nibble in [byte >> 4, byte & 15] {
            out.push(DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0').into());
        }
    }
    out.push('"');
}

/// The name of a type as the answer states it.
pub(crate) fn type_name(field: &Field) -> String {
    let inner = |field: &Field| type_name(field);
    match field.data_type() {
        DataType::Null => "null".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => "int".to_owned(),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "bigint".to_owned(),
        DataType::Float16 | DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => {
            format!("decimal({p},{s})")
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "varchar".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "varbinary".to_owned()
        }
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".to_owned(),
        DataType::Interval(_) | DataType::Duration(_) => "interval".to_owned(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("array({})", inner(item))
        }
        DataType::Struct(fields) => {
            let parts: Vec<String> = fields.iter().map(|field| format!("{} {}", field.name(), inner(field))).collect();
            format!("struct({})", parts.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) => {
                let parts: Vec<String> = pair.iter().map(|field| inner(field)).collect();
                format!("map({})", parts.join(", "))
            }
            _ => "map".to_owned(),
        },
        DataType::Dictionary(_, value) => inner(&Field::new("", value.as_ref().clone(), true)),
        _ => "other".to_owned(),
    }
}

#[cfg(test)]
mod tests;
