//! How many bytes the values of an argument take, row by row and altogether. Sizes of what the caller sees; a scalar
//! counts once for each row.

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray},
        datatypes::DataType,
    },
    error::Result,
    logical_expr::ColumnarValue,
};

/// What a fixed-width value is counted as when its width is not known.
const WIDTH_DEFAULT: usize = 16;

/// One argument, its bytes by row; a constant has one entry.
pub(super) struct Sizes(Vec<usize>);

impl Sizes {
    /// Measures an argument.
    pub(super) fn of(value: &ColumnarValue) -> Result<Self> {
        Ok(match value {
            ColumnarValue::Array(array) => Self((0..array.len()).map(|row| value_bytes(array, row)).collect()),
            ColumnarValue::Scalar(scalar) => Self(vec![value_bytes(&scalar.to_array()?, 0)]),
        })
    }

    /// The bytes of one row.
    pub(super) fn row(&self, row: usize) -> usize {
        match self.0.as_slice() {
            [constant] => *constant,
            rows => rows.get(row).copied().unwrap_or(0),
        }
    }
}

/// The bytes of one value, those of lists and structs with all that is inside.
pub(crate) fn value_bytes(array: &ArrayRef, row: usize) -> usize {
    if array.is_null(row) {
        return 0;
    }
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value_length(row).unsigned_abs() as usize,
        DataType::LargeUtf8 => usize::try_from(array.as_string::<i64>().value_length(row)).unwrap_or(usize::MAX),
        DataType::Utf8View => array.as_string_view().value(row).len(),
        DataType::Binary => array.as_binary::<i32>().value_length(row).unsigned_abs() as usize,
        DataType::LargeBinary => usize::try_from(array.as_binary::<i64>().value_length(row)).unwrap_or(usize::MAX),
        DataType::BinaryView => array.as_binary_view().value(row).len(),
        DataType::List(_) => list_bytes(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list_bytes(&array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => list_bytes(&array.as_fixed_size_list().value(row)),
        DataType::Struct(_) => array.as_struct().columns().iter().map(|column| value_bytes(column, row)).sum(),
        DataType::Map(..) => {
            let entries: ArrayRef = std::sync::Arc::new(array.as_map().value(row));
            list_bytes(&entries)
        }
        other => other.primitive_width().unwrap_or(WIDTH_DEFAULT),
    }
}

fn list_bytes(values: &ArrayRef) -> usize {
    (0..values.len()).map(|row| value_bytes(values, row).saturating_add(1)).fold(0, usize::saturating_add)
}

/// The count of elements of a list value, 0 for anything else.
pub(super) fn list_len(value: &ColumnarValue, row: usize) -> Result<usize> {
    let (array, row) = match value {
        ColumnarValue::Array(array) => (array.clone(), row),
        ColumnarValue::Scalar(scalar) => (scalar.to_array()?, 0),
    };
    if array.is_null(row) {
        return Ok(0);
    }
    Ok(match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().value_length(row).unsigned_abs() as usize,
        DataType::LargeList(_) => usize::try_from(array.as_list::<i64>().value_length(row)).unwrap_or(usize::MAX),
        DataType::FixedSizeList(_, len) => len.unsigned_abs() as usize,
        _ => 0,
    })
}
