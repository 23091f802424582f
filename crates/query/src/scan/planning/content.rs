//! Files as an answer describes them: `DataFile`, `PositionDeleteFile` and `EqualityDeleteFile` of the REST specification.
//!
//! Beside it stand the members that Java writes and needs to read a table: `data-sequence-number` for row lineage and
//! `referenced-data-file` for deletion vectors. Bounds are in Iceberg's binary form (decision 0026).

use std::collections::{BTreeSet, HashMap};

use iceberg::spec::{
    DataContentType, DataFile, DataFileFormat, Datum, Literal, PrimitiveLiteral, PrimitiveType, TableMetadata, Type,
};
use polder_types::Result;
use serde::Serialize;
use serde_json::{
    Value as Json,
    value::{RawValue, to_raw_value},
};

use super::{
    literal::{hex, written},
    manifests::source_type,
};
use crate::scan::error::unreadable;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ContentFile<'a> {
    content: &'static str,
    file_path: &'a str,
    file_format: &'static str,
    spec_id: i32,
    partition: Vec<Json>,
    file_size_in_bytes: u64,
    record_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_metadata: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    split_offsets: Option<&'a [i64]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sort_order_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    equality_ids: Option<Vec<i32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referenced_data_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_offset: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_size_in_bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_row_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_sequence_number: Option<i64>,
    #[serde(flatten)]
    statistics: Option<Statistics>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Statistics {
    column_sizes: ByColumn<u64>,
    value_counts: ByColumn<u64>,
    null_value_counts: ByColumn<u64>,
    nan_value_counts: ByColumn<u64>,
    lower_bounds: ByColumn<String>,
    upper_bounds: ByColumn<String>,
}

/// `CountMap` and `ValueMap`.
#[derive(Default, Serialize)]
struct ByColumn<T> {
    keys: Vec<i32>,
    values: Vec<T>,
}

/// Where a data file's rows stand in the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) first_row_id: Option<i64>,
    pub(super) sequence: i64,
}

/// Writes files of one table.
pub(super) struct Writer {
    /// The columns whose statistics are wanted.
    statistics: BTreeSet<i32>,
    /// The types of the partition's fields, by spec.
    types: HashMap<i32, Vec<Option<PrimitiveType>>>,
}

impl Writer {
    pub(super) fn new(metadata: &TableMetadata, statistics: impl IntoIterator<Item = i32>) -> Self {
        let types = metadata.partition_specs_iter().map(|spec| {
            let result = |field: &iceberg::spec::PartitionField| {
                let source = Type::Primitive(source_type(metadata, field.source_id)?);
                field.transform.result_type(&source).ok()?.as_primitive_type().cloned()
            };
            (spec.spec_id(), spec.fields().iter().map(result).collect())
        });
        Self { statistics: statistics.into_iter().collect(), types: types.collect() }
    }

    /// A data file.
    ///
    /// # Errors
    /// The opaque error for a partition that is none of the spec.
    pub(super) fn data(&self, spec_id: i32, file: &DataFile, place: Place) -> Result<Box<RawValue>> {
        let mut content = self.content(spec_id, file)?;
        content.first_row_id = place.first_row_id;
        content.data_sequence_number = place.first_row_id.map(|_| place.sequence);
        if !self.statistics.is_empty() {
            content.statistics = Some(self.statistics(file)?);
        }
        to_raw_value(&content).map_err(unreadable)
    }

    /// A delete file.
    ///
    /// # Errors
    /// As [`Writer::data`].
    pub(super) fn delete(&self, spec_id: i32, file: &DataFile) -> Result<Box<RawValue>> {
        let mut content = self.content(spec_id, file)?;
        match file.content_type() {
            DataContentType::EqualityDeletes => content.equality_ids = file.equality_ids(),
            _ => {
                content.referenced_data_file = file.referenced_data_file();
                content.content_offset = file.content_offset();
                content.content_size_in_bytes = file.content_size_in_bytes();
            }
        }
        to_raw_value(&content).map_err(unreadable)
    }

    fn content<'f>(&self, spec_id: i32, file: &'f DataFile) -> Result<ContentFile<'f>> {
        Ok(ContentFile {
            content: match file.content_type() {
                DataContentType::Data => "data",
                DataContentType::PositionDeletes => "position-deletes",
                DataContentType::EqualityDeletes => "equality-deletes",
            },
            file_path: file.file_path(),
            file_format: match file.file_format() {
                DataFileFormat::Avro => "avro",
                DataFileFormat::Orc => "orc",
                DataFileFormat::Parquet => "parquet",
                DataFileFormat::Puffin => "puffin",
            },
            spec_id,
            partition: self.partition(spec_id, file)?,
            file_size_in_bytes: file.file_size_in_bytes(),
            record_count: file.record_count(),
            key_metadata: file.key_metadata().map(hex),
            split_offsets: file.split_offsets().filter(|offsets| !offsets.is_empty()),
            sort_order_id: file.sort_order_id(),
            equality_ids: None,
            referenced_data_file: None,
            content_offset: None,
            content_size_in_bytes: None,
            first_row_id: None,
            data_sequence_number: None,
            statistics: None,
        })
    }

    fn partition(&self, spec_id: i32, file: &DataFile) -> Result<Vec<Json>> {
        let types = self.types.get(&spec_id);
        let types = types.ok_or_else(|| unreadable("a manifest names a partition spec that is not there"))?;
        let fields = file.partition().fields();
        if fields.len() != types.len() {
            return Err(unreadable("a file's partition is none of its spec"));
        }
        let value = |(value, ty): (&Option<Literal>, &Option<PrimitiveType>)| match value {
            None => Ok(Json::Null),
            Some(Literal::Primitive(value)) => {
                let json = ty.as_ref().or(plain_type(value).as_ref()).and_then(|ty| written(value, ty));
                json.ok_or_else(|| unreadable("a file's partition has a value of another type than its spec"))
            }
            Some(_) => Err(unreadable("a file's partition has a value that is not primitive")),
        };
        fields.iter().zip(types).map(value).collect()
    }

    fn statistics(&self, file: &DataFile) -> Result<Statistics> {
        let counts = |counts: &HashMap<i32, u64>| self.chosen(counts, |count| Ok(*count));
        let bounds = |bounds: &HashMap<i32, Datum>| {
            self.chosen(bounds, |bound| Ok(hex(&bound.to_bytes().map_err(unreadable)?)))
        };
        Ok(Statistics {
            column_sizes: counts(file.column_sizes())?,
            value_counts: counts(file.value_counts())?,
            null_value_counts: counts(file.null_value_counts())?,
            nan_value_counts: counts(file.nan_value_counts())?,
            lower_bounds: bounds(file.lower_bounds())?,
            upper_bounds: bounds(file.upper_bounds())?,
        })
    }

    fn chosen<T, U>(&self, all: &HashMap<i32, T>, value: impl Fn(&T) -> Result<U>) -> Result<ByColumn<U>> {
        let mut chosen = ByColumn { keys: Vec::new(), values: Vec::new() };
        for (id, found) in self.statistics.iter().filter_map(|id| Some((*id, all.get(id)?))) {
            chosen.keys.push(id);
            chosen.values.push(value(found)?);
        }
        Ok(chosen)
    }
}

/// The type that a value is written in where its column is gone.
fn plain_type(value: &PrimitiveLiteral) -> Option<PrimitiveType> {
    Some(match value {
        PrimitiveLiteral::Boolean(_) => PrimitiveType::Boolean,
        PrimitiveLiteral::Int(_) => PrimitiveType::Int,
        PrimitiveLiteral::Long(_) => PrimitiveType::Long,
        PrimitiveLiteral::Float(_) => PrimitiveType::Float,
        PrimitiveLiteral::Double(_) => PrimitiveType::Double,
        PrimitiveLiteral::String(_) => PrimitiveType::String,
        PrimitiveLiteral::Binary(_) => PrimitiveType::Binary,
        PrimitiveLiteral::UInt128(_) => PrimitiveType::Uuid,
        _ => return None,
    })
}
