//! Real Iceberg tables in a temporary directory, for the tests of this folder: any data, deletes and history.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, StringArray},
    datatypes::SchemaRef,
    record_batch::RecordBatch,
};
use futures::TryStreamExt;
use iceberg::{
    arrow::schema_to_arrow_schema,
    io::FileIO,
    spec::{
        DataContentType, DataFile, DataFileBuilder, DataFileFormat, ManifestListWriter, ManifestWriterBuilder,
        NestedField, PartitionSpec, PrimitiveType, Schema, Struct, Type,
    },
};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use polder_policy::{BoundPredicate, TablePolicy};
use polder_types::{Error, Location, RelationId};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::govern::Source;

use super::{GovernedSource, PushedPredicate, QueryLocal, TableCache, files::TableFiles, table::SnapshotKey};

/// A table and what is in it.
pub(crate) struct Lake {
    /// Removed with the table.
    _dir: TempDir,
    pub(crate) location: Location,
    /// In order of their ids; the last one is current.
    pub(crate) schemas: Vec<Schema>,
    pub(crate) spec: PartitionSpec,
    pub(crate) properties: HashMap<String, String>,
    /// With their sequence numbers.
    pub(crate) files: Vec<(DataFile, i64)>,
    written: usize,
}

/// A column of a primitive type.
pub(crate) fn column(id: i32, name: &str, ty: PrimitiveType, required: bool) -> Arc<NestedField> {
    Arc::new(NestedField::new(id, name, Type::Primitive(ty), required))
}

/// An optional `long`.
pub(crate) fn long(id: i32, name: &str) -> Arc<NestedField> {
    column(id, name, PrimitiveType::Long, false)
}

/// An optional `string`.
pub(crate) fn string(id: i32, name: &str) -> Arc<NestedField> {
    column(id, name, PrimitiveType::String, false)
}

pub(crate) fn longs(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

pub(crate) fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// A schema of columns.
pub(crate) fn schema(id: i32, fields: Vec<Arc<NestedField>>) -> Schema {
    Schema::builder().with_schema_id(id).with_fields(fields).build().unwrap()
}

/// The Arrow schema that a writer of the schema uses.
pub(crate) fn arrow_of(schema: &Schema) -> SchemaRef {
    Arc::new(schema_to_arrow_schema(schema).unwrap())
}

/// Rows of a schema.
pub(crate) fn rows(schema: &Schema, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(arrow_of(schema), columns).unwrap()
}

/// A policy that takes nothing away.
pub(crate) fn open_policy() -> TablePolicy {
    TablePolicy { filter: BoundPredicate::True, fields: Default::default() }
}

/// A query's shared state.
pub(crate) fn query() -> Arc<QueryLocal> {
    Arc::new(QueryLocal::new([7; 32]))
}

impl Lake {
    pub(crate) fn new(schema: Schema) -> Self {
        let dir = TempDir::new().unwrap();
        let location = Location::parse(&format!("file://{}/table", dir.path().display())).unwrap();
        std::fs::create_dir_all(location.local_path().unwrap().join("data")).unwrap();
        std::fs::create_dir_all(location.local_path().unwrap().join("metadata")).unwrap();
        let spec = PartitionSpec::unpartition_spec();
        Self {
            _dir: dir,
            location,
            schemas: vec![schema],
            spec,
            properties: HashMap::new(),
            files: Vec::new(),
            written: 0,
        }
    }

    /// Writes a Parquet file of the table and returns its path and size.
    pub(crate) fn parquet(&mut self, batch: &RecordBatch, properties: WriterProperties) -> (String, u64) {
        self.written += 1;
        let path = format!("{}/data/{}.parquet", self.location, self.written);
        let local = Location::parse(&path).unwrap().local_path().unwrap();
        let file = std::fs::File::create(&local).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        (path, std::fs::metadata(local).unwrap().len())
    }

    /// A data file of the rows, for changes before it is added.
    pub(crate) fn data(&mut self, batch: &RecordBatch) -> DataFileBuilder {
        let (path, size) = self.parquet(batch, WriterProperties::default());
        described(DataContentType::Data, path, size, batch.num_rows())
    }

    /// Appends rows with a data sequence number.
    pub(crate) fn append(&mut self, batch: &RecordBatch, sequence: i64) -> String {
        let file = self.data(batch).build().unwrap();
        let path = file.file_path().to_owned();
        self.add(file, sequence);
        path
    }

    /// Adds any file.
    pub(crate) fn add(&mut self, file: DataFile, sequence: i64) {
        self.files.push((file, sequence));
    }

    /// Writes the manifests and returns the metadata document, as a value that tests may change.
    pub(crate) async fn document(&self) -> Value {
        let io = FileIO::new_with_fs();
        let current = Arc::new(self.schemas.last().unwrap().clone());
        let sequence = self.files.iter().map(|(_, sequence)| *sequence).max().unwrap_or(0);
        let mut manifests = Vec::new();
        for deletes in [false, true] {
            let mut files = self.files.iter().filter(|(f, _)| (f.content_type() != DataContentType::Data) == deletes);
            let path = format!("{}/metadata/{}-m.avro", self.location, u8::from(deletes));
            let output = io.new_output(path).unwrap();
            let builder = ManifestWriterBuilder::new(output, Some(1), current.clone(), self.spec.clone());
            let mut writer = if deletes { builder.build_v2_deletes() } else { builder.build_v2_data() };
            let added = files.try_fold(0, |count, (file, sequence)| {
                writer.add_existing_file(file.clone(), 1, *sequence, Some(*sequence)).map(|()| count + 1)
            });
            if added.unwrap() > 0 {
                manifests.push(writer.write_manifest_file().await.unwrap());
            }
        }
        let list = format!("{}/metadata/list.avro", self.location);
        let output = io.new_output(&list).unwrap().writer().await.unwrap();
        let mut writer = ManifestListWriter::v2(output, 1, None, sequence);
        writer.add_manifests(manifests.into_iter()).unwrap();
        writer.close().await.unwrap();
        self.json(&list, sequence)
    }

    fn json(&self, list: &str, sequence: i64) -> Value {
        let current = self.schemas.last().unwrap().schema_id();
        json!({
            "format-version": 2, "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1",
            "location": self.location.to_string(), "last-sequence-number": sequence, "last-updated-ms": 1_000,
            "last-column-id": 1_000, "schemas": self.schemas, "current-schema-id": current,
            "partition-specs": [self.spec], "default-spec-id": self.spec.spec_id(), "last-partition-id": 1_100,
            "sort-orders": [{"order-id": 0, "fields": []}], "default-sort-order-id": 0,
            "properties": self.properties, "current-snapshot-id": 1,
            "snapshots": [{
                "snapshot-id": 1, "sequence-number": sequence, "timestamp-ms": 1_000, "manifest-list": list,
                "summary": {"operation": "append"}, "schema-id": current,
            }],
            "refs": {"main": {"snapshot-id": 1, "type": "branch"}}, "snapshot-log": [], "metadata-log": [],
        })
    }

    /// Opens what a document describes.
    pub(crate) fn open(&self, document: &Value, policy: TablePolicy) -> Result<GovernedSource, Error> {
        self.open_at(document, policy, None)
    }

    /// Opens a snapshot by id.
    pub(crate) fn open_at(
        &self,
        document: &Value,
        policy: TablePolicy,
        snapshot: Option<i64>,
    ) -> Result<GovernedSource, Error> {
        let cache = TableCache::new(1 << 20);
        let relation: RelationId = serde_json::from_value(json!("9c12d441-03fe-4693-9a96-a0705ddf69c1")).unwrap();
        let key = SnapshotKey { relation, metadata_location: "m.json".to_owned(), snapshot };
        let files = TableFiles::new(&self.location, None)?;
        let table = cache.open(&key, &files, || serde_json::to_vec(document).unwrap())?;
        GovernedSource::new(cache, key, table, policy)
    }

    /// Opens the table as it is now.
    pub(crate) async fn source(&self, policy: TablePolicy) -> Result<GovernedSource, Error> {
        self.open(&self.document().await, policy)
    }
}

/// A file as manifests describe it.
pub(crate) fn described(content: DataContentType, path: String, size: u64, rows: usize) -> DataFileBuilder {
    let mut builder = DataFileBuilder::default();
    builder
        .content(content)
        .file_path(path)
        .file_format(DataFileFormat::Parquet)
        .file_size_in_bytes(size)
        .record_count(rows as u64)
        .partition(Struct::empty());
    builder
}

/// All batches of a scan, partition by partition.
pub(crate) async fn batches(
    source: &GovernedSource,
    projection: Option<Vec<usize>>,
    pushed: &[PushedPredicate],
    partitions: usize,
) -> Result<Vec<RecordBatch>, Error> {
    let scan = source.prepare(projection.as_ref(), pushed, partitions)?;
    let query = query();
    let mut all = Vec::new();
    for partition in 0..partitions {
        all.extend(scan.execute(partition, query.clone()).try_collect::<Vec<_>>().await?);
    }
    Ok(all)
}

/// All rows of a scan as text, sorted: one line a row.
pub(crate) async fn lines(source: &GovernedSource) -> Result<Vec<String>, Error> {
    Ok(text(&batches(source, None, &[], 2).await?))
}

/// Rows as text, sorted.
pub(crate) fn text(batches: &[RecordBatch]) -> Vec<String> {
    use arrow::util::display::{ArrayFormatter, FormatOptions};
    let options = FormatOptions::default().with_null("null");
    let mut lines: Vec<String> = batches
        .iter()
        .flat_map(|batch| {
            let columns: Vec<_> =
                batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join("|"))
                .collect::<Vec<_>>()
        })
        .collect();
    lines.sort();
    lines
}
