//! `information_schema.tables`, `information_schema.columns` and `SHOW TABLES`, made for each caller from what it may see:
//! invisible tables and hidden columns are not in them.

use std::sync::Arc;

use datafusion::arrow::{
    array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use polder_types::{Error, TableIdent};

use crate::{
    error::{Phase, internal},
    json::type_name,
};

/// The name of the schema.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// A visible table with its governed schema.
pub(crate) struct Described {
    pub(crate) warehouse: String,
    pub(crate) ident: TableIdent,
    /// `None` where only the name is asked for, or where this build cannot read the table.
    pub(crate) columns: Option<(SchemaRef, Vec<bool>)>,
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, Error> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), false)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|_| internal(Phase::Resolve, "an information table does not fit its schema"))
}

fn texts(values: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// `information_schema.tables`.
pub(crate) fn tables(described: &[Described]) -> Result<RecordBatch, Error> {
    batch(vec![
        ("table_catalog", texts(described.iter().map(|table| table.warehouse.clone()))),
        ("table_schema", texts(described.iter().map(|table| table.ident.namespace.to_string()))),
        ("table_name", texts(described.iter().map(|table| table.ident.name.clone()))),
        ("table_type", texts(described.iter().map(|_| "BASE TABLE".to_owned()))),
    ])
}

/// `information_schema.columns`.
pub(crate) fn columns(described: &[Described]) -> Result<RecordBatch, Error> {
    let rows: Vec<(&Described, usize, &Arc<Field>, bool)> = described
        .iter()
        .filter_map(|table| table.columns.as_ref().map(|(schema, masked)| (table, schema, masked)))
        .flat_map(|(table, schema, masked)| {
            schema.fields().iter().zip(masked).enumerate().map(move |(i, (field, masked))| (table, i, field, *masked))
        })
        .collect();
    batch(vec![
        ("table_catalog", texts(rows.iter().map(|(table, ..)| table.warehouse.clone()))),
        ("table_schema", texts(rows.iter().map(|(table, ..)| table.ident.namespace.to_string()))),
        ("table_name", texts(rows.iter().map(|(table, ..)| table.ident.name.clone()))),
        ("column_name", texts(rows.iter().map(|(_, _, field, _)| field.name().clone()))),
        (
            "ordinal_position",
            Arc::new(rows.iter().map(|(_, i, ..)| i64::try_from(i + 1).unwrap_or(i64::MAX)).collect::<Int64Array>()),
        ),
        ("data_type", texts(rows.iter().map(|(_, _, field, _)| type_name(field)))),
        ("is_nullable", texts(rows.iter().map(|(_, _, field, _)| yes_no(field.is_nullable())))),
        ("is_masked", texts(rows.iter().map(|(.., masked)| yes_no(*masked)))),
    ])
}

fn yes_no(yes: bool) -> String {
    if yes { "YES" } else { "NO" }.to_owned()
}

/// The answer of `DESCRIBE`.
pub(crate) fn describe(schema: &SchemaRef, masked: impl Fn(usize) -> bool) -> Result<RecordBatch, Error> {
    let fields = schema.fields();
    batch(vec![
        ("column_name", texts(fields.iter().map(|field| field.name().clone()))),
        ("data_type", texts(fields.iter().map(|field| type_name(field)))),
        ("nullable", Arc::new(fields.iter().map(|field| Some(field.is_nullable())).collect::<BooleanArray>())),
        ("masked", Arc::new((0..fields.len()).map(|column| Some(masked(column))).collect::<BooleanArray>())),
    ])
}

/// The answer of `EXPLAIN`.
pub(crate) fn plan(lines: &[String]) -> Result<RecordBatch, Error> {
    let schema = Arc::new(Schema::new(vec![Field::new("plan", DataType::Utf8, false)]));
    RecordBatch::try_new(schema, vec![texts(lines.iter().cloned())])
        .map_err(|_| internal(Phase::Resolve, "a plan does not fit its schema"))
}
