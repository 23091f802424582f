//! Writes real Iceberg tables through the catalog's commit door: Parquet files, manifests with bounds, one snapshot.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
    compute::{concat_batches, max, max_string, min, min_string},
    datatypes::{DataType, Date32Type, Int64Type, SchemaRef},
};
use iceberg::{
    arrow::schema_to_arrow_schema,
    io::FileIO,
    spec::{
        DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, Literal, ManifestListWriter,
        ManifestWriterBuilder, NestedField, PrimitiveType, Schema, Struct, TableMetadata, Type,
    },
};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use polder_catalog::{OpCtx, TableCommit, tables};
use polder_types::{
    Location, Namespace, TableIdent, WarehouseName,
    rest::{CommitTableRequest, CreateTableRequest},
};
use serde_json::{Value, json};

/// How the same rows lie in files.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Layout {
    /// Rows of a row group; the writer's own default if absent.
    pub(crate) row_group: Option<usize>,
    /// True for a table that is partitioned by its text column `region`; each batch then holds one region.
    pub(crate) by_region: bool,
    /// True if each file begins with a copy of its first row that a position delete takes away, and if rows with
    /// [`DELETED_ID`] in the first column, `id`, are taken away by an equality delete.
    pub(crate) deletes: bool,
}

/// The `id` that an equality delete takes away.
pub(crate) const DELETED_ID: i64 = 77_777;

/// Makes a table and appends the batches, one file each.
pub(crate) async fn table(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    namespace: &Namespace,
    name: &str,
    schema: Value,
    batches: impl FnOnce(&SchemaRef) -> Vec<RecordBatch>,
) {
    laid_out(ctx, (warehouse, namespace, name), schema, Layout::default(), batches).await;
}

/// As [`table`], with the rows laid out in another way.
pub(crate) async fn laid_out(
    ctx: &OpCtx,
    (warehouse, namespace, name): (&WarehouseName, &Namespace, &str),
    schema: Value,
    layout: Layout,
    batches: impl FnOnce(&SchemaRef) -> Vec<RecordBatch>,
) {
    let mut body = json!({"name": name, "schema": schema});
    if layout.by_region {
        body["partition-spec"] =
            json!({"fields": [{"source-id": 3, "field-id": 1000, "name": "region", "transform": "identity"}]});
    }
    let request: CreateTableRequest = serde_json::from_value(body).unwrap();
    let created = tables::create(ctx, warehouse, namespace, request).await.unwrap();
    let metadata: TableMetadata = serde_json::from_slice(&created.metadata).unwrap();
    let schema = metadata.current_schema().clone();
    let arrow: SchemaRef = Arc::new(schema_to_arrow_schema(&schema).unwrap());
    let snapshot = snapshot(&metadata, &schema, layout, batches(&arrow)).await;
    let request: CommitTableRequest = serde_json::from_value(json!({
        "requirements": [{"type": "assert-table-uuid", "uuid": metadata.uuid()}],
        "updates": [
            {"action": "add-snapshot", "snapshot": snapshot},
            {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": 1},
        ],
    }))
    .unwrap();
    let ident = TableIdent::new(namespace.clone(), name).unwrap();
    let commit = TableCommit::parse(ident, request).unwrap();
    tables::commit(ctx, warehouse, vec![commit]).await.unwrap();
}

async fn snapshot(metadata: &TableMetadata, schema: &Arc<Schema>, layout: Layout, batches: Vec<RecordBatch>) -> Value {
    let io = FileIO::new_with_fs();
    let spec = metadata.default_partition_spec().as_ref().clone();
    let manifest = |name: &str| {
        let output = io.new_output(format!("{}/metadata/{name}.avro", metadata.location())).unwrap();
        ManifestWriterBuilder::new(output, Some(1), schema.clone(), spec.clone())
    };
    let mut data = manifest("data").build_v2_data();
    let mut deletes = manifest("deletes").build_v2_deletes();
    let mut records = 0;
    for (index, batch) in batches.iter().enumerate() {
        let begun = layout.deletes.then(|| concat_batches(&batch.schema(), [&batch.slice(0, 1), batch]).unwrap());
        let batch = begun.as_ref().unwrap_or(batch);
        records += batch.num_rows();
        let file = data_file(metadata.location(), index, schema, layout, batch);
        if layout.deletes {
            deletes.add_file(position_delete(metadata.location(), index, &file), 2).unwrap();
        }
        data.add_file(file, 1).unwrap();
    }
    let mut manifests = vec![data.write_manifest_file().await.unwrap()];
    if layout.deletes {
        if !layout.by_region {
            deletes.add_file(equality_delete(metadata.location()), 2).unwrap();
        }
        manifests.push(deletes.write_manifest_file().await.unwrap());
    }
    let list = format!("{}/metadata/list.avro", metadata.location());
    let output = io.new_output(&list).unwrap().writer().await.unwrap();
    let mut writer = ManifestListWriter::v2(output, 1, None, 2);
    writer.add_manifests(manifests.into_iter()).unwrap();
    writer.close().await.unwrap();
    json!({
        "snapshot-id": 1, "sequence-number": 2, "timestamp-ms": 1_780_000_000_000_i64, "manifest-list": list,
        "summary": {"operation": "append", "added-records": records.to_string()}, "schema-id": schema.schema_id(),
    })
}

fn parquet(path: &str, layout: Layout, batch: &RecordBatch) -> u64 {
    let local = Location::parse(path).unwrap().local_path().unwrap();
    std::fs::create_dir_all(local.parent().unwrap()).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(layout.row_group).build();
    let file = std::fs::File::create(&local).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    std::fs::metadata(local).unwrap().len()
}

fn described(content: DataContentType, path: String, batch: &RecordBatch, layout: Layout) -> DataFileBuilder {
    let size = parquet(&path, layout, batch);
    let mut builder = DataFileBuilder::default();
    builder
        .content(content)
        .file_path(path)
        .file_format(DataFileFormat::Parquet)
        .file_size_in_bytes(size)
        .record_count(batch.num_rows() as u64)
        .partition(Struct::empty());
    builder
}

fn data_file(location: &str, index: usize, schema: &Schema, layout: Layout, batch: &RecordBatch) -> DataFile {
    let path = format!("{location}/data/{index}.parquet");
    let (mut lower, mut upper) = (HashMap::new(), HashMap::new());
    for (field, column) in schema.as_struct().fields().iter().zip(batch.columns()) {
        if let Some((least, most)) = bounds(column.as_ref()) {
            lower.insert(field.id, least);
            upper.insert(field.id, most);
        }
    }
    let mut builder = described(DataContentType::Data, path, batch, layout);
    builder.lower_bounds(lower).upper_bounds(upper);
    if layout.by_region {
        let region = batch.column_by_name("region").unwrap().as_string::<i32>().value(0);
        builder.partition(Struct::from_iter([Some(Literal::string(region))]));
    }
    builder.build().unwrap()
}

/// Takes away the first row of a file.
fn position_delete(location: &str, index: usize, file: &DataFile) -> DataFile {
    let field =
        |id: i32, name: &str, ty: PrimitiveType| Arc::new(NestedField::new(id, name, Type::Primitive(ty), true));
    let fields = vec![
        field(2_147_483_546, "file_path", PrimitiveType::String),
        field(2_147_483_545, "pos", PrimitiveType::Long),
    ];
    let schema = Schema::builder().with_fields(fields).build().unwrap();
    let columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(vec![file.file_path()])), Arc::new(Int64Array::from(vec![0]))];
    let batch = RecordBatch::try_new(Arc::new(schema_to_arrow_schema(&schema).unwrap()), columns).unwrap();
    let path = format!("{location}/data/{index}-positions.parquet");
    let mut builder = described(DataContentType::PositionDeletes, path, &batch, Layout::default());
    builder.partition(file.partition().clone()).build().unwrap()
}

/// Takes away every row with [`DELETED_ID`].
fn equality_delete(location: &str) -> DataFile {
    let id = NestedField::new(1, "id", Type::Primitive(PrimitiveType::Long), true);
    let schema = Schema::builder().with_fields(vec![Arc::new(id)]).build().unwrap();
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![DELETED_ID]))];
    let batch = RecordBatch::try_new(Arc::new(schema_to_arrow_schema(&schema).unwrap()), columns).unwrap();
    let path = format!("{location}/data/equalities.parquet");
    let mut builder = described(DataContentType::EqualityDeletes, path, &batch, Layout::default());
    builder.equality_ids(Some(vec![1])).build().unwrap()
}

fn bounds(column: &dyn Array) -> Option<(Datum, Datum)> {
    match column.data_type() {
        DataType::Int64 => {
            let values = column.as_primitive::<Int64Type>();
            Some((Datum::long(min(values)?), Datum::long(max(values)?)))
        }
        DataType::Date32 => {
            let values = column.as_primitive::<Date32Type>();
            Some((Datum::date(min(values)?), Datum::date(max(values)?)))
        }
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            Some((Datum::string(min_string(values)?), Datum::string(max_string(values)?)))
        }
        _ => None,
    }
}
