//! Rebuilds arrays so that no buffer holds more than the values that are shown (R39): no slice of a larger buffer, no
//! value beneath a null, no entry of a list that is null, no metadata.
//!
//! Knows the types that tables and answers have; any other is refused.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, GenericByteArray, ListArray, MapArray, NullArray,
        PrimitiveArray, StructArray, UInt64Array, downcast_primitive,
    },
    buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    compute::{cast, take},
    datatypes::{
        ArrowNativeType, ArrowPrimitiveType, BinaryType, ByteArrayType, DataType, Field, FieldRef, LargeBinaryType,
        LargeUtf8Type, Utf8Type,
    },
    error::ArrowError,
};

/// Rebuilds an array as the field describes it: names, types and nullability come from there.
///
/// # Errors
/// If the array is not one of the field, or of a type that neither tables nor answers have.
pub(crate) fn rebuilt(array: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    rebuild(array, field, None)
}

/// As [`rebuilt`], but an array whose buffers hold the values that it shows and nothing else is left as it is.
///
/// # Errors
/// As [`rebuilt`].
pub(crate) fn exact(array: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    if is_exact(array, field.data_type()) { Ok(array.clone()) } else { rebuilt(array, field) }
}

/// True only for numbers and texts without nulls, in memory of exactly their size: nothing can lie beneath what is not
/// there, nor beside it. SECURITY: the engine charges a query for what is allocated, and the reader allocates by what lies in a
/// file, hidden rows included; what has room to spare is rebuilt.
fn is_exact(array: &ArrayRef, ty: &DataType) -> bool {
    if array.data_type() != ty || array.nulls().is_some() {
        return false;
    }
    match ty {
        DataType::Utf8 => array.as_string_opt::<i32>().is_some_and(is_exactly),
        DataType::LargeBinary => array.as_binary_opt::<i64>().is_some_and(is_exactly),
        _ => ty.primitive_width().is_some_and(|width| match array.to_data().buffers() {
            [values] => is_whole(values) && Some(values.len()) == width.checked_mul(array.len()),
            _ => false,
        }),
    }
}

fn is_exactly<T: ByteArrayType>(array: &GenericByteArray<T>) -> bool {
    let (offsets, values) = (array.offsets(), array.values());
    let (start, end) = (offsets.first().map(|start| start.as_usize()), offsets.last().map(|end| end.as_usize()));
    start == Some(0) && end == Some(values.len()) && is_whole(values) && is_whole(offsets.inner().inner())
}

/// True if all of its memory is seen.
fn is_whole(buffer: &Buffer) -> bool {
    buffer.ptr_offset() == 0 && buffer.capacity() == buffer.len()
}

/// `hidden` has a null for each slot that lies beneath a null.
fn rebuild(array: &ArrayRef, field: &Field, hidden: Option<&NullBuffer>) -> Result<ArrayRef, ArrowError> {
    let array = &flat(array)?;
    let shown = NullBuffer::union(array.nulls(), hidden).filter(|shown| shown.null_count() > 0);
    // What cannot be null says so, even beneath a null; its value there is zero.
    let nulls = if field.is_nullable() { fresh(shown.as_ref()) } else { none_of(array, hidden)? };
    let values = Values { array, shown: shown.as_ref(), nulls };
    macro_rules! primitives {
        ($ty:ty, $values:ident) => {
            $values.primitives::<$ty>()
        };
    }
    downcast_primitive! {
        field.data_type() => (primitives, values),
        DataType::Null => Ok(Arc::new(NullArray::new(array.len()))),
        DataType::Boolean => values.booleans(),
        DataType::Utf8 => values.bytes::<Utf8Type>(),
        DataType::LargeUtf8 => values.bytes::<LargeUtf8Type>(),
        DataType::Binary => values.bytes::<BinaryType>(),
        DataType::LargeBinary => values.bytes::<LargeBinaryType>(),
        DataType::FixedSizeBinary(width) => values.fixed(*width),
        DataType::Struct(fields) => values.structs(fields),
        DataType::List(element) => values.lists(element),
        DataType::Map(entries, sorted) => values.maps(entries, *sorted),
        _ => Err(unexpected()),
    }
}

/// Without dictionary, view or other kind of list; what these share is copied when the result is rebuilt.
fn flat(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Dictionary(_, value) => flat(&cast(array, value)?),
        DataType::Utf8View => cast(array, &DataType::Utf8),
        DataType::BinaryView => cast(array, &DataType::Binary),
        DataType::LargeList(item) | DataType::FixedSizeList(item, _) => cast(array, &DataType::List(item.clone())),
        _ => Ok(array.clone()),
    }
}

fn unexpected() -> ArrowError {
    ArrowError::SchemaError("an array is not of its field's type".to_owned())
}

/// A copy without offset; `None` if nothing is null.
fn fresh(nulls: Option<&NullBuffer>) -> Option<NullBuffer> {
    nulls.filter(|nulls| nulls.null_count() > 0).map(|nulls| NullBuffer::new(nulls.iter().collect::<BooleanBuffer>()))
}

/// # Errors
/// If a slot is null that is not beneath a null.
fn none_of(array: &ArrayRef, hidden: Option<&NullBuffer>) -> Result<Option<NullBuffer>, ArrowError> {
    let covered = |row: usize| hidden.is_some_and(|hidden| hidden.is_null(row));
    let stray = array.nulls().is_some_and(|nulls| (0..array.len()).any(|row| nulls.is_null(row) && !covered(row)));
    if stray { Err(ArrowError::InvalidArgumentError("a required field is null".to_owned())) } else { Ok(None) }
}

/// An array, which of its slots show a value, and the nulls of what is made of it.
struct Values<'a> {
    array: &'a ArrayRef,
    shown: Option<&'a NullBuffer>,
    nulls: Option<NullBuffer>,
}

impl Values<'_> {
    fn shows(&self, row: usize) -> bool {
        self.shown.is_none_or(|shown| shown.is_valid(row))
    }

    fn booleans(self) -> Result<ArrayRef, ArrowError> {
        let array = self.array.as_boolean_opt().ok_or_else(unexpected)?;
        let values: BooleanBuffer = (0..array.len()).map(|row| self.shows(row) && array.value(row)).collect();
        Ok(Arc::new(BooleanArray::new(values, self.nulls)))
    }

    fn primitives<T: ArrowPrimitiveType>(self) -> Result<ArrayRef, ArrowError> {
        let array = self.array.as_primitive_opt::<T>().ok_or_else(unexpected)?;
        let values: Vec<T::Native> = match self.shown {
            None => array.values().to_vec(),
            Some(shown) => {
                let values = array.values().iter().zip(shown.iter());
                values.map(|(value, shows)| if shows { *value } else { T::Native::default() }).collect()
            }
        };
        let fresh = PrimitiveArray::<T>::try_new(ScalarBuffer::from(values), self.nulls)?;
        Ok(Arc::new(fresh.with_data_type(array.data_type().clone())))
    }

    fn bytes<T: ByteArrayType>(self) -> Result<ArrayRef, ArrowError> {
        let array = self.array.as_bytes_opt::<T>().ok_or_else(unexpected)?;
        let lengths = array.offsets().lengths().enumerate();
        let offsets: OffsetBuffer<T::Offset> =
            OffsetBuffer::from_lengths(lengths.map(|(row, len)| if self.shows(row) { len } else { 0 }));
        let mut bytes = Vec::with_capacity(offsets.last().map_or(0, |last| last.as_usize()));
        match (self.shown, array.offsets().first(), array.offsets().last()) {
            (None, Some(start), Some(end)) => {
                let values = array.values().get(start.as_usize()..end.as_usize());
                bytes.extend_from_slice(values.ok_or_else(unexpected)?);
            }
            _ => {
                for row in (0..array.len()).filter(|row| self.shows(*row)) {
                    bytes.extend_from_slice(array.value(row).as_ref());
                }
            }
        }
        Ok(Arc::new(GenericByteArray::<T>::try_new(offsets, Buffer::from_vec(bytes), self.nulls)?))
    }

    fn fixed(self, width: i32) -> Result<ArrayRef, ArrowError> {
        let array =
            self.array.as_fixed_size_binary_opt().filter(|a| a.value_length() == width).ok_or_else(unexpected)?;
        let zeros = vec![0_u8; usize::try_from(width).map_err(|_| unexpected())?];
        let mut bytes = Vec::with_capacity(zeros.len().saturating_mul(array.len()));
        for row in 0..array.len() {
            bytes.extend_from_slice(if self.shows(row) { array.value(row) } else { &zeros });
        }
        Ok(Arc::new(FixedSizeBinaryArray::try_new(width, Buffer::from_vec(bytes), self.nulls)?))
    }

    fn structs(self, fields: &arrow::datatypes::Fields) -> Result<ArrayRef, ArrowError> {
        let array = self.array.as_struct_opt().filter(|a| a.num_columns() == fields.len()).ok_or_else(unexpected)?;
        let children = array.columns().iter().zip(fields).map(|(child, field)| rebuild(child, field, self.shown));
        let children = children.collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), children, self.nulls, array.len())?))
    }

    fn lists(self, element: &FieldRef) -> Result<ArrayRef, ArrowError> {
        let array = self.array.as_list_opt::<i32>().ok_or_else(unexpected)?;
        let (offsets, slots) = self.entries(array.offsets());
        let values = rebuild(&take(array.values(), &slots, None)?, element, None)?;
        Ok(Arc::new(ListArray::try_new(element.clone(), offsets, values, self.nulls)?))
    }

    fn maps(self, entries: &FieldRef, sorted: bool) -> Result<ArrayRef, ArrowError> {
        let array = self.array.as_map_opt().ok_or_else(unexpected)?;
        let (offsets, slots) = self.entries(array.offsets());
        let values: ArrayRef = Arc::new(array.entries().clone());
        let values = rebuild(&take(&values, &slots, None)?, entries, None)?;
        Ok(Arc::new(MapArray::try_new(entries.clone(), offsets, values.as_struct().clone(), self.nulls, sorted)?))
    }

    /// The entries that are shown, and the offsets once only they are left.
    fn entries(&self, offsets: &OffsetBuffer<i32>) -> (OffsetBuffer<i32>, UInt64Array) {
        let shown = |row: usize, len: usize| if self.shows(row) { len } else { 0 };
        let starts = offsets.iter().map(|start| u64::try_from(*start).unwrap_or(0));
        let slots = starts.zip(offsets.lengths()).enumerate();
        let slots = slots.flat_map(|(row, (start, len))| start..start + shown(row, len) as u64);
        let slots = UInt64Array::from_iter_values(slots);
        (OffsetBuffer::from_lengths(offsets.lengths().enumerate().map(|(row, len)| shown(row, len))), slots)
    }
}

#[cfg(test)]
mod tests;
