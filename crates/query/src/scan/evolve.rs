//! From a file's columns to the table's: by field id at every depth, never by position or name.
//!
//! SECURITY: a mask holds for a field id. A nested field that was renamed, moved or added since the file was written
//! must not show up under another's id, so files without ids need the table's name mapping, and what does not fit
//! exactly is refused. Source: Iceberg specification, "Schema Evolution" and "Column Projection".

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Decimal128Array, ListArray, MapArray, StructArray, new_null_array},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, Fields, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType},
    error::ArrowError,
};
use iceberg::spec::{MappedField, NameMapping};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use polder_policy::Literal;
use polder_types::Error;

use super::{
    error::{unreadable, unsupported},
    values::{field_id, repeated},
};

/// Values for fields that a file lacks, by field id: a partition's, or a default.
pub(crate) type Constants = BTreeMap<i32, Literal>;

/// Gives a file's fields their ids: its own, or those of the name mapping if it has none at all.
///
/// # Errors
/// `Unsupported` for a file without ids in a table without a name mapping; the opaque error if two fields of one
/// struct share an id.
pub(crate) fn identified(fields: &Fields, mapping: Option<&NameMapping>) -> Result<Fields, Error> {
    let fields = if fields.iter().any(|field| has_id(field)) {
        fields.clone()
    } else {
        let mapping = mapping
            .ok_or_else(|| unsupported("a data file has no field ids, and the table has no name mapping for it"))?;
        mapped(fields, &mapping.fields().iter().collect::<Vec<_>>())
    };
    if unambiguous(&fields) { Ok(fields) } else { Err(unreadable("a data file repeats a field id")) }
}

fn has_id(field: &Field) -> bool {
    field_id(field).is_some() || inner(field.data_type()).iter().any(|child| has_id(child))
}

/// The fields directly inside; a map's are its key and value.
fn inner(ty: &DataType) -> Fields {
    match ty {
        DataType::Struct(fields) => fields.clone(),
        DataType::List(element) => Fields::from(vec![element.clone()]),
        DataType::Map(entries, _) => inner(entries.data_type()),
        _ => Fields::empty(),
    }
}

fn unambiguous(fields: &Fields) -> bool {
    let mut ids: Vec<i32> = fields.iter().filter_map(|field| field_id(field)).collect();
    ids.sort_unstable();
    let distinct = ids.windows(2).all(|pair| matches!(pair, [a, b] if a != b));
    distinct && fields.iter().all(|field| unambiguous(&inner(field.data_type())))
}

fn mapped(fields: &Fields, mapping: &[&MappedField]) -> Fields {
    fields.iter().map(|field| mapped_field(field, field.name(), mapping)).collect()
}

/// `name` is the field's in the mapping: `element`, `key` and `value` inside lists and maps.
fn mapped_field(field: &Field, name: &str, mapping: &[&MappedField]) -> Field {
    let entry = mapping.iter().find(|entry| entry.names().iter().any(|known| known == name));
    let below: Vec<&MappedField> =
        entry.map(|entry| entry.fields().iter().map(AsRef::as_ref).collect()).unwrap_or_default();
    let ty = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(mapped(fields, &below)),
        DataType::List(element) => DataType::List(Arc::new(mapped_field(element, "element", &below))),
        DataType::Map(entries, sorted) => {
            let names = ["key", "value"];
            let fields = inner(entries.data_type());
            let fields: Fields =
                fields.iter().zip(names).map(|(field, name)| mapped_field(field, name, &below)).collect();
            let entries = entries.as_ref().clone().with_data_type(DataType::Struct(fields));
            DataType::Map(Arc::new(entries), *sorted)
        }
        other => other.clone(),
    };
    let id = entry.and_then(|entry| entry.field_id());
    let metadata = id.map(|id| (PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())).into_iter().collect();
    field.clone().with_data_type(ty).with_metadata(metadata)
}

/// Fills a field that the file does not have: a constant, else null.
///
/// # Errors
/// The opaque error if it is required.
pub(crate) fn absent(field: &Field, constants: &Constants, length: usize) -> Result<ArrayRef, Error> {
    let constant = field_id(field).and_then(|id| constants.get(&id));
    match constant {
        Some(value) => repeated(value, field.data_type(), length)
            .ok_or_else(|| unsupported("the table has a default value of a kind that cannot be read yet")),
        None if field.is_nullable() => Ok(new_null_array(field.data_type(), length)),
        None => Err(unreadable("a data file lacks a required field")),
    }
}

/// Turns a column of a file, described by `from`, into the table's field `to`.
///
/// # Errors
/// `Unsupported` for a change of type that Iceberg does not know; the opaque error for what contradicts the schema.
pub(crate) fn conformed(array: &ArrayRef, from: &Field, to: &Field, constants: &Constants) -> Result<ArrayRef, Error> {
    match (from.data_type(), to.data_type()) {
        (DataType::Struct(have), DataType::Struct(want)) => {
            let parent = array.as_struct_opt().ok_or_else(mismatch)?;
            structs(parent, have, want, constants).map(|array| Arc::new(array) as ArrayRef)
        }
        (DataType::List(have), DataType::List(want)) => {
            let list = array.as_list_opt::<i32>().ok_or_else(mismatch)?;
            same(have, want)?;
            let values = conformed(list.values(), have, want, constants)?;
            let made = ListArray::try_new(want.clone(), list.offsets().clone(), values, list.nulls().cloned());
            Ok(Arc::new(made.map_err(unreadable)?))
        }
        (DataType::Map(..), DataType::Map(want, sorted)) => {
            let map = array.as_map_opt().ok_or_else(mismatch)?;
            let entries = entries(map.entries(), &inner(from.data_type()), &inner(to.data_type()), constants)?;
            let made = MapArray::try_new(want.clone(), map.offsets().clone(), entries, map.nulls().cloned(), *sorted);
            Ok(Arc::new(made.map_err(unreadable)?))
        }
        (_, want) => promoted(array, want),
    }
}

fn mismatch() -> Error {
    unreadable("a data file's column is not what its schema says")
}

/// An element, key or value stands in its place; if both sides have ids they must agree.
fn same(have: &Field, want: &Field) -> Result<(), Error> {
    if field_id(have) == field_id(want) {
        Ok(())
    } else {
        Err(unsupported("a nested field of a data file has another id"))
    }
}

fn structs(parent: &StructArray, have: &Fields, want: &Fields, constants: &Constants) -> Result<StructArray, Error> {
    if parent.num_columns() != have.len() {
        return Err(mismatch());
    }
    let columns = want
        .iter()
        .map(|field| {
            let id = field_id(field).ok_or_else(mismatch)?;
            match have.iter().position(|candidate| field_id(candidate) == Some(id)) {
                Some(place) => {
                    let (Some(from), Some(column)) = (have.get(place), parent.columns().get(place)) else {
                        return Err(mismatch());
                    };
                    conformed(column, from, field, constants)
                }
                None => absent(field, constants, parent.len()),
            }
        })
        .collect::<Result<Vec<_>, Error>>()?;
    StructArray::try_new_with_length(want.clone(), columns, parent.nulls().cloned(), parent.len()).map_err(unreadable)
}

fn entries(parent: &StructArray, have: &Fields, want: &Fields, constants: &Constants) -> Result<StructArray, Error> {
    if parent.num_columns() != 2 || have.len() != 2 || want.len() != 2 {
        return Err(mismatch());
    }
    let fields = have.iter().zip(want);
    let columns = fields.zip(parent.columns()).map(|((have, want), column)| {
        same(have, want)?;
        conformed(column, have, want, constants)
    });
    let columns = columns.collect::<Result<Vec<_>, Error>>()?;
    StructArray::try_new(want.clone(), columns, parent.nulls().cloned()).map_err(unreadable)
}

/// The promotions of the specification, and the spellings that other writers give one type.
fn promoted(array: &ArrayRef, want: &DataType) -> Result<ArrayRef, Error> {
    let have = array.data_type();
    if have == want {
        return Ok(array.clone());
    }
    let made = match (have, want) {
        (DataType::Int8 | DataType::Int16 | DataType::Int32, DataType::Int32 | DataType::Int64)
        | (DataType::Float32, DataType::Float64)
        | (DataType::Binary, DataType::LargeBinary | DataType::Utf8)
        | (DataType::Date32, DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, None)) => {
            exact(array, want)
        }
        (DataType::Decimal128(p, s), DataType::Decimal128(precision, scale)) if s == scale && p <= precision => {
            retyped(array, want)
        }
        (DataType::Timestamp(TimeUnit::Millisecond, _), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            exact(array, &DataType::Timestamp(TimeUnit::Microsecond, None)).and_then(|micros| zoned(&micros, zone))
        }
        (DataType::Timestamp(have, _), DataType::Timestamp(want, zone)) if have == want => zoned(array, zone),
        (DataType::Time32(TimeUnit::Millisecond), DataType::Time64(TimeUnit::Microsecond)) => exact(array, want),
        _ => return Err(unsupported("a data file holds a column in a type that the table's cannot be read from")),
    };
    made.map_err(unreadable)
}

fn exact(array: &ArrayRef, want: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, want, &CastOptions { safe: false, ..CastOptions::default() })
}

fn retyped(array: &ArrayRef, want: &DataType) -> Result<ArrayRef, ArrowError> {
    let decimals: &Decimal128Array = array.as_primitive();
    Ok(Arc::new(decimals.clone().with_data_type(want.clone())))
}

/// The same instants with the zone's name that the table's type has.
fn zoned(array: &ArrayRef, zone: &Option<Arc<str>>) -> Result<ArrayRef, ArrowError> {
    let unexpected = || ArrowError::SchemaError("not a timestamp".to_owned());
    Ok(match array.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let instants = array.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(unexpected)?;
            Arc::new(instants.clone().with_timezone_opt(zone.clone()))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let instants = array.as_primitive_opt::<TimestampNanosecondType>().ok_or_else(unexpected)?;
            Arc::new(instants.clone().with_timezone_opt(zone.clone()))
        }
        _ => return Err(unexpected()),
    })
}

#[cfg(test)]
mod tests;
