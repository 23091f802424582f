//! Rows that were deleted: by their position in a file, or by the values of some fields.
//!
//! Two nulls are equal here, and a value is equal to itself bit by bit. Source: Iceberg specification, "Delete
//! Formats".

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{AsArray, BooleanArray},
    compute::filter_record_batch,
    datatypes::{DataType, Field, FieldRef, Int64Type, SchemaRef},
    record_batch::RecordBatch,
    row::{RowConverter, SortField},
};
use futures::TryStreamExt;
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use polder_policy::BoundPredicate;
use polder_types::Error;
use tokio::sync::OnceCell;

use super::{
    error::{unreadable, unsupported},
    evolve::Constants,
    files::spelling,
    inventory::{DataFile, DeleteFile, DeleteKind},
    read::{Batches, ParquetFile, Request, schema_of},
    table::OpenTable,
    values::field_id,
};

/// Most rows of one delete file.
pub(super) const DELETES_MAX: usize = 10_000_000;
/// Reserved field ids of a position delete file.
const FILE_PATH_ID: i32 = 2_147_483_546;
const POSITION_ID: i32 = 2_147_483_545;

/// The delete files of one scan, each read once.
#[derive(Debug, Default)]
pub(crate) struct Deletes {
    read: Mutex<HashMap<String, Arc<OnceCell<Arc<Contents>>>>>,
}

#[derive(Debug)]
enum Contents {
    /// Positions by data file.
    Positions(HashMap<String, Vec<u64>>),
    Equality(Arc<EqualitySet>),
}

/// What is deleted of one data file.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    /// Places in the file, in order, each once.
    pub(crate) positions: Vec<u64>,
    /// Rows by value.
    pub(crate) sets: Vec<Arc<EqualitySet>>,
}

impl Deletes {
    /// Gathers what is deleted of a file.
    ///
    /// # Errors
    /// As [`ParquetFile::read`]; `Unsupported` beyond the limits and for nested fields.
    pub(crate) async fn of(&self, table: &OpenTable, file: &DataFile) -> Result<Deleted, Error> {
        let mut deleted = Deleted::default();
        for delete in &file.deletes {
            match self.contents(table, delete).await?.as_ref() {
                Contents::Positions(by_file) => {
                    deleted.positions.extend(by_file.get(&spelling(&file.path)).into_iter().flatten());
                }
                Contents::Equality(set) => deleted.sets.push(set.clone()),
            }
        }
        deleted.positions.sort_unstable();
        deleted.positions.dedup();
        Ok(deleted)
    }

    async fn contents(&self, table: &OpenTable, delete: &DeleteFile) -> Result<Arc<Contents>, Error> {
        let cell = {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            read.entry(delete.path.clone()).or_default().clone()
        };
        let contents = cell.get_or_try_init(|| async {
            Ok::<_, Error>(Arc::new(match &delete.kind {
                DeleteKind::Position => Contents::Positions(positions(table, delete).await?),
                DeleteKind::Equality { ids } => {
                    Contents::Equality(Arc::new(EqualitySet::read(table, delete, ids).await?))
                }
            }))
        });
        contents.await.cloned()
    }
}

async fn rows(table: &OpenTable, delete: &DeleteFile, wanted: &SchemaRef) -> Result<Batches, Error> {
    let file = ParquetFile::open(&table.files, &delete.path, table.mapping.as_ref()).await?;
    let constants = Constants::new();
    file.read(&Request { wanted, constants, hint: &BoundPredicate::True, bytes: 0..u64::MAX, deleted: &[] })
}

fn reserved(name: &str, ty: DataType, id: i32) -> FieldRef {
    let metadata = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())]);
    Arc::new(Field::new(name, ty, false).with_metadata(metadata))
}

async fn positions(table: &OpenTable, delete: &DeleteFile) -> Result<HashMap<String, Vec<u64>>, Error> {
    let wanted =
        schema_of([reserved("file_path", DataType::Utf8, FILE_PATH_ID), reserved("pos", DataType::Int64, POSITION_ID)]);
    let mut batches = rows(table, delete, &wanted).await?;
    let mut by_file: HashMap<String, Vec<u64>> = HashMap::new();
    let mut count = 0_usize;
    while let Some(batch) = batches.try_next().await? {
        count = bounded(count, &batch)?;
        let (paths, places) = (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
        for (path, place) in paths.iter().zip(places).filter_map(|(path, place)| Some((path?, place?))) {
            let place = u64::try_from(place).map_err(unreadable)?;
            match by_file.get_mut(path) {
                Some(places) => places.push(place),
                None => {
                    by_file.insert(path.to_owned(), vec![place]);
                }
            }
        }
    }
    let mut spelled: HashMap<String, Vec<u64>> = HashMap::with_capacity(by_file.len());
    by_file.into_iter().for_each(|(path, places)| spelled.entry(spelling(&path)).or_default().extend(places));
    Ok(spelled)
}

fn bounded(count: usize, batch: &RecordBatch) -> Result<usize, Error> {
    let count = count + batch.num_rows();
    if count > DELETES_MAX { Err(too_many_deletes()) } else { Ok(count) }
}

pub(super) fn too_many_deletes() -> Error {
    unsupported("a delete file has more rows than can be applied")
}

/// Rows that are deleted by their values.
#[derive(Debug)]
pub(crate) struct EqualitySet {
    /// The fields that are compared, with their ids.
    pub(crate) fields: Vec<FieldRef>,
    converter: RowConverter,
    keys: HashSet<Box<[u8]>>,
}

impl EqualitySet {
    async fn read(table: &OpenTable, delete: &DeleteFile, ids: &[i32]) -> Result<Self, Error> {
        let ids: BTreeSet<i32> = ids.iter().copied().collect();
        let fields = ids.into_iter().map(|id| table.compared_field(id)).collect::<Result<Vec<_>, _>>()?;
        let sorts = fields.iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let mut set = Self { converter: RowConverter::new(sorts).map_err(unreadable)?, keys: HashSet::new(), fields };
        let mut batches = rows(table, delete, &schema_of(set.fields.iter().cloned())).await?;
        let mut count = 0_usize;
        while let Some(batch) = batches.try_next().await? {
            count = bounded(count, &batch)?;
            let keys = set.converter.convert_columns(batch.columns()).map_err(unreadable)?;
            set.keys.extend(keys.iter().map(|key| Box::from(key.as_ref())));
        }
        Ok(set)
    }

    /// Leaves out the rows of a batch that are in the set.
    ///
    /// # Errors
    /// The opaque error if the batch lacks a field that is compared.
    pub(crate) fn without(&self, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        let column = |field: &FieldRef| {
            let place = batch.schema_ref().fields().iter().position(|f| field_id(f) == field_id(field))?;
            batch.columns().get(place).cloned()
        };
        let columns = self.fields.iter().map(column).collect::<Option<Vec<_>>>();
        let columns = columns.ok_or_else(|| unreadable("an equality delete's field was not read"))?;
        let keys = self.converter.convert_columns(&columns).map_err(unreadable)?;
        let kept: BooleanArray = keys.iter().map(|key| Some(!self.keys.contains(key.as_ref()))).collect();
        filter_record_batch(batch, &kept).map_err(unreadable)
    }
}

#[cfg(test)]
mod tests;
