//! Rows as an Arrow IPC stream: plain types only, every buffer rebuilt.
//!
//! Engines slice, share and dictionary-encode; what a client gets holds the bytes of its rows and zeros, nothing that a
//! value was cut from and nothing beneath a null (R39). Refuses types that have no plain form.

use std::{collections::HashMap, sync::Arc};

use datafusion::arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
    error::ArrowError,
    ipc::writer::StreamWriter,
};

use crate::{functions::value_bytes, scan::rebuilt};

/// The key of the schema's metadata that holds what an answer says beside its rows, as JSON.
pub const HEAD_KEY: &str = "polder";
/// What a value is counted as beside its bytes: its offset and its validity.
const VALUE_OVERHEAD_BYTES: usize = 8;

/// Why rows could not be written: a type that has no plain Arrow form.
#[derive(Debug)]
pub(crate) struct NoArrowForm;

/// Rows that share nothing with what they were cut from.
pub(crate) struct PlainRows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// How many rows.
    pub(crate) count: usize,
    /// True if the bound on bytes cut rows off.
    pub(crate) truncated: bool,
}

/// Rebuilds rows, as many as take at most `bytes_max` bytes. `schema` names the columns.
pub(crate) fn plain(batches: &[RecordBatch], schema: &Schema, bytes_max: usize) -> Result<PlainRows, NoArrowForm> {
    let mut kept = Vec::with_capacity(batches.len());
    let (mut left, mut count, mut truncated) = (bytes_max, 0, false);
    for batch in batches {
        let rows = (0..batch.num_rows()).take_while(|row| take_bytes(&mut left, row_bytes(batch, *row))).count();
        count += rows;
        kept.push(batch.slice(0, rows));
        if rows < batch.num_rows() {
            truncated = true;
            break;
        }
    }
    let fields = schema.fields().iter().enumerate().map(|(column, field)| {
        // A plan may promise what its rows do not hold.
        let nullable = field.is_nullable() || kept.iter().any(|batch| has_nulls(batch, column));
        Ok(Arc::new(plain_field(field)?.with_nullable(nullable)))
    });
    let schema = Arc::new(Schema::new(fields.collect::<Result<Vec<FieldRef>, NoArrowForm>>()?));
    let batches = kept.iter().map(|batch| rebuild(batch, &schema)).collect::<Result<_, _>>();
    Ok(PlainRows { batches: batches.map_err(|_| NoArrowForm)?, schema, count, truncated })
}

fn take_bytes(left: &mut usize, bytes: usize) -> bool {
    let enough = bytes <= *left;
    *left = left.saturating_sub(bytes);
    enough
}

fn row_bytes(batch: &RecordBatch, row: usize) -> usize {
    batch.columns().iter().fold(0, |sum, column| sum.saturating_add(value_bytes(column, row) + VALUE_OVERHEAD_BYTES))
}

fn has_nulls(batch: &RecordBatch, column: usize) -> bool {
    batch.columns().get(column).is_some_and(|array| array.logical_null_count() > 0)
}

fn rebuild(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(array, field)| rebuilt(array, field));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns.collect::<Result<_, _>>()?, &options)
}

/// The field with neither dictionary, view, fixed list nor metadata.
fn plain_field(field: &Field) -> Result<Field, NoArrowForm> {
    Ok(Field::new(field.name(), plain_type(field.data_type())?, true))
}

fn plain_type(ty: &DataType) -> Result<DataType, NoArrowForm> {
    Ok(match ty {
        DataType::Dictionary(_, value) => plain_type(value)?,
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            DataType::List(Arc::new(plain_field(item)?))
        }
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| plain_field(field)).collect::<Result<_, _>>()?)
        }
        DataType::Map(entries, sorted) => {
            let DataType::Struct(pair) = entries.data_type() else { return Err(NoArrowForm) };
            let [key, value] = pair.as_ref() else { return Err(NoArrowForm) };
            let pair = vec![plain_field(key)?.with_nullable(false), plain_field(value)?];
            let entries = Field::new(entries.name(), DataType::Struct(pair.into()), false);
            DataType::Map(Arc::new(entries), *sorted)
        }
        DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::Decimal32(..)
        | DataType::Decimal64(..) => return Err(NoArrowForm),
        flat => flat.clone(),
    })
}

/// Writes a whole stream; `head` goes into the schema's metadata.
///
/// # Errors
/// Those of the writer, which writes to memory.
pub(crate) fn stream(rows: &PlainRows, head: String) -> Result<Vec<u8>, ArrowError> {
    let metadata = HashMap::from([(HEAD_KEY.to_owned(), head)]);
    let schema = rows.schema.as_ref().clone().with_metadata(metadata);
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    for batch in rows.batches.iter().filter(|batch| batch.num_rows() > 0) {
        writer.write(batch)?;
    }
    writer.finish()?;
    writer.into_inner()
}

#[cfg(test)]
mod tests;
