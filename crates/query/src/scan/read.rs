//! One Parquet file: which of its row groups, rows and columns are read, and their way into the table's schema.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use arrow::{
    array::RecordBatchOptions,
    datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit},
    record_batch::RecordBatch,
};
use futures::{StreamExt, stream::BoxStream};
use iceberg::spec::NameMapping;
use parquet::{
    arrow::{
        ParquetRecordBatchStreamBuilder, ProjectionMask,
        arrow_reader::{ArrowReaderOptions, RowSelection, RowSelector},
    },
    file::{metadata::RowGroupMetaData, statistics::Statistics},
};
use polder_policy::{FieldPredicate, Literal};
use polder_types::Error;

use super::{
    error::{undecoded, unreadable},
    evolve::{Constants, absent, conformed, identified},
    files::{TableFile, TableFiles},
    inventory::Bounds,
    prune::may_match,
    values::field_id,
};

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// Batches of one file, in the table's schema.
pub(crate) type Batches = BoxStream<'static, Result<RecordBatch, Error>>;

/// An opened file.
pub(crate) struct ParquetFile {
    builder: ParquetRecordBatchStreamBuilder<TableFile>,
    /// Its columns with their ids.
    fields: Fields,
}

/// What to read of a file.
pub(crate) struct Request<'a> {
    /// The table's columns that are wanted, with their ids.
    pub(crate) wanted: &'a SchemaRef,
    /// Values for those that the file lacks.
    pub(crate) constants: Constants,
    /// Rows for which it is not true need not be read. A hint.
    pub(crate) hint: &'a FieldPredicate,
    /// Row groups that begin within these bytes.
    pub(crate) bytes: Range<u64>,
    /// Rows that are deleted, by their place in the file, in order.
    pub(crate) deleted: &'a [u64],
}

impl ParquetFile {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// The opaque error; `Unsupported` for columns without ids that no name mapping knows.
    pub(crate) async fn open(files: &TableFiles, path: &str, mapping: Option<&NameMapping>) -> Result<Self, Error> {
        // The Arrow schema that writers embed is a hint about types that we do not follow: without it a column has
        // one type, neither dictionary nor view.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let file = files.open(path).await?;
        let builder = ParquetRecordBatchStreamBuilder::new_with_options(file, options).await.map_err(undecoded)?;
        let (columns, roots) = (builder.schema().fields(), builder.parquet_schema().root_schema().get_fields());
        // A group without columns has no Arrow field; places would shift.
        if columns.len() != roots.len() || columns.iter().zip(roots).any(|(column, root)| column.name() != root.name())
        {
            return Err(unreadable("a data file's columns cannot be told apart"));
        }
        let fields = identified(columns, mapping)?;
        Ok(Self { builder, fields })
    }

    /// Reads rows in the wanted schema.
    ///
    /// # Errors
    /// As [`conformed`]; also as an item of the stream.
    pub(crate) fn read(self, request: &Request<'_>) -> Result<Batches, Error> {
        let groups = self.groups(request);
        let sizes = self.builder.metadata().row_groups().iter().map(|group| u64::try_from(group.num_rows()));
        let sizes = sizes.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        let selection = selection(&sizes, &groups, request.deleted)?;
        let layout = Layout::new(&self.fields, request);
        let mask = ProjectionMask::roots(self.builder.parquet_schema(), layout.roots.iter().copied());
        let mut builder = self.builder.with_batch_size(BATCH_ROWS).with_projection(mask).with_row_groups(groups);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let batches = builder.build().map_err(unreadable)?;
        Ok(batches.map(move |batch| layout.conform(&batch.map_err(undecoded)?)).boxed())
    }

    /// The row groups that begin within the bytes and may hold a wanted row.
    fn groups(&self, request: &Request<'_>) -> Vec<usize> {
        let groups = self.builder.metadata().row_groups().iter().enumerate();
        let owned = groups.filter(|(_, group)| request.bytes.contains(&begin(group)));
        owned.filter(|(_, group)| self.may_match(group, request)).map(|(index, _)| index).collect()
    }

    fn may_match(&self, group: &RowGroupMetaData, request: &Request<'_>) -> bool {
        let known: Vec<(i32, Bounds)> = request.wanted.fields().iter().filter_map(|f| self.bounds(group, f)).collect();
        may_match(request.hint, &|id| known.iter().find(|(known, _)| *known == id).map(|(_, bounds)| bounds))
    }

    /// What the row group's statistics say about a column.
    fn bounds(&self, group: &RowGroupMetaData, wanted: &Field) -> Option<(i32, Bounds)> {
        let id = field_id(wanted)?;
        let root = self.fields.iter().position(|field| field_id(field) == Some(id))?;
        let have = self.fields.get(root).filter(|field| !field.data_type().is_nested())?;
        let schema = self.builder.parquet_schema();
        let leaf = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == root)?;
        let statistics = group.columns().get(leaf)?.statistics()?;
        let (lower, upper) = extremes(statistics, have.data_type());
        let values = u64::try_from(group.num_rows()).ok();
        Some((id, Bounds { lower, upper, nulls: statistics.null_count_opt(), values }))
    }
}

/// Where the row group's first page lies. Splits of one file share their borders, so each group is in one of them.
fn begin(group: &RowGroupMetaData) -> u64 {
    let first = |column: &parquet::file::metadata::ColumnChunkMetaData| {
        column.dictionary_page_offset().unwrap_or(i64::MAX).min(column.data_page_offset())
    };
    group.columns().first().map_or(0, |column| u64::try_from(first(column)).unwrap_or(0))
}

fn extremes(statistics: &Statistics, ty: &DataType) -> (Option<Literal>, Option<Literal>) {
    fn both<T: Copy>(
        min: Option<&T>,
        max: Option<&T>,
        make: impl Fn(T) -> Literal,
    ) -> (Option<Literal>, Option<Literal>) {
        (min.map(|value| make(*value)), max.map(|value| make(*value)))
    }
    match (statistics, ty) {
        (Statistics::Boolean(s), DataType::Boolean) => both(s.min_opt(), s.max_opt(), Literal::Bool),
        (Statistics::Int32(s), DataType::Int32) => both(s.min_opt(), s.max_opt(), |v| Literal::Long(i64::from(v))),
        (Statistics::Int32(s), DataType::Date32) => both(s.min_opt(), s.max_opt(), Literal::Date),
        (Statistics::Int64(s), DataType::Int64) => both(s.min_opt(), s.max_opt(), Literal::Long),
        (Statistics::Int64(s), DataType::Timestamp(TimeUnit::Microsecond, _)) => {
            both(s.min_opt(), s.max_opt(), Literal::Timestamp)
        }
        (Statistics::Int64(s), DataType::Timestamp(TimeUnit::Nanosecond, _)) => {
            both(s.min_opt(), s.max_opt(), Literal::TimestampNs)
        }
        // Old writers compared bytes as signed numbers.
        (Statistics::ByteArray(s), DataType::Utf8) if !statistics.is_min_max_deprecated() => {
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(|text| Literal::Text(text.to_owned()));
            (s.min_bytes_opt().and_then(text), s.max_bytes_opt().and_then(text))
        }
        _ => (None, None),
    }
}

/// The rows of the chosen row groups that are not deleted; `None` if none of the file's is. `sizes` are the rows of all
/// row groups, `deleted` is in order and has each place once.
fn selection(sizes: &[u64], chosen: &[usize], deleted: &[u64]) -> Result<Option<RowSelection>, Error> {
    if deleted.is_empty() {
        return Ok(None);
    }
    let mut selectors = Vec::new();
    let mut first = 0_u64;
    for (index, rows) in sizes.iter().enumerate() {
        let end = first.checked_add(*rows).ok_or_else(|| unreadable("a data file has more rows than can be"))?;
        if chosen.contains(&index) {
            let from = deleted.partition_point(|row| *row < first);
            let to = deleted.partition_point(|row| *row < end);
            let mut next = first;
            for row in deleted.get(from..to).unwrap_or_default() {
                selectors.push(RowSelector::select(usize::try_from(*row - next).map_err(unreadable)?));
                selectors.push(RowSelector::skip(1));
                next = row + 1;
            }
            selectors.push(RowSelector::select(usize::try_from(end - next).map_err(unreadable)?));
        }
        first = end;
    }
    Ok(Some(selectors.into()))
}

/// How the columns of a file's batches become the wanted ones.
struct Layout {
    wanted: SchemaRef,
    constants: Constants,
    /// The file's columns that are read, in order.
    roots: BTreeSet<usize>,
    /// For each wanted column its place in a batch and how the file describes it.
    sources: Vec<Option<(usize, Arc<Field>)>>,
}

impl Layout {
    fn new(fields: &Fields, request: &Request<'_>) -> Self {
        let root =
            |wanted: &Field| fields.iter().position(|f| field_id(f).is_some() && field_id(f) == field_id(wanted));
        let found: Vec<Option<usize>> = request.wanted.fields().iter().map(|field| root(field)).collect();
        let roots: BTreeSet<usize> = found.iter().flatten().copied().collect();
        let source = |root: usize| Some((roots.iter().position(|r| *r == root)?, fields.get(root)?.clone()));
        let sources = found.into_iter().map(|root| root.and_then(source)).collect();
        Self { wanted: request.wanted.clone(), constants: request.constants.clone(), roots, sources }
    }

    fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        let columns = self.wanted.fields().iter().zip(&self.sources).map(|(field, source)| match source {
            Some((place, from)) => {
                let column = batch.columns().get(*place).ok_or_else(|| unreadable("a batch lacks a column"))?;
                conformed(column, from, field, &self.constants)
            }
            None => absent(field, &self.constants, batch.num_rows()),
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.wanted.clone(), columns, &options).map_err(unreadable)
    }
}

/// A schema of these fields.
pub(crate) fn schema_of(fields: impl IntoIterator<Item = Arc<Field>>) -> SchemaRef {
    Arc::new(Schema::new(fields.into_iter().collect::<Fields>()))
}

#[cfg(test)]
mod tests;
