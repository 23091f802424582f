//! Writes real Iceberg tables through the catalog's commit door: Parquet files, manifests with bounds, one snapshot.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::{max, max_string, min, min_string},
    datatypes::{DataType, Int64Type, SchemaRef},
};
use iceberg::{
    arrow::schema_to_arrow_schema,
    io::FileIO,
    spec::{
        DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, ManifestListWriter, ManifestWriterBuilder,
        Schema, Struct, TableMetadata,
    },
};
use parquet::arrow::ArrowWriter;
use polder_catalog::{OpCtx, TableCommit, tables};
use polder_types::{
    Location, Namespace, TableIdent, WarehouseName,
    rest::{CommitTableRequest, CreateTableRequest},
};
use serde_json::{Value, json};

/// Makes a table and appends the batches, one file each.
pub(crate) async fn table(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    namespace: &Namespace,
    name: &str,
    schema: Value,
    batches: impl FnOnce(&SchemaRef) -> Vec<RecordBatch>,
) {
    let request: CreateTableRequest = serde_json::from_value(json!({"name": name, "schema": schema})).unwrap();
    let created = tables::create(ctx, warehouse, namespace, request).await.unwrap();
    let metadata: TableMetadata = serde_json::from_slice(&created.metadata).unwrap();
    let schema = metadata.current_schema().clone();
    let arrow: SchemaRef = Arc::new(schema_to_arrow_schema(&schema).unwrap());
    let snapshot = snapshot(&metadata, &schema, batches(&arrow)).await;
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

async fn snapshot(metadata: &TableMetadata, schema: &Arc<Schema>, batches: Vec<RecordBatch>) -> Value {
    let io = FileIO::new_with_fs();
    let output = io.new_output(format!("{}/metadata/m.avro", metadata.location())).unwrap();
    let spec = metadata.default_partition_spec().as_ref().clone();
    let mut writer = ManifestWriterBuilder::new(output, Some(1), schema.clone(), spec).build_v2_data();
    let mut records = 0;
    for (index, batch) in batches.iter().enumerate() {
        records += batch.num_rows();
        writer.add_file(data_file(metadata.location(), index, schema, batch), 1).unwrap();
    }
    let manifest = writer.write_manifest_file().await.unwrap();
    let list = format!("{}/metadata/list.avro", metadata.location());
    let output = io.new_output(&list).unwrap().writer().await.unwrap();
    let mut writer = ManifestListWriter::v2(output, 1, None, 1);
    writer.add_manifests(std::iter::once(manifest)).unwrap();
    writer.close().await.unwrap();
    json!({
        "snapshot-id": 1, "sequence-number": 1, "timestamp-ms": 1_780_000_000_000_i64, "manifest-list": list,
        "summary": {"operation": "append", "added-records": records.to_string()}, "schema-id": schema.schema_id(),
    })
}

fn data_file(location: &str, index: usize, schema: &Schema, batch: &RecordBatch) -> DataFile {
    let path = format!("{location}/data/{index}.parquet");
    let local = Location::parse(&path).unwrap().local_path().unwrap();
    std::fs::create_dir_all(local.parent().unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&local).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    let (mut lower, mut upper) = (HashMap::new(), HashMap::new());
    for (field, column) in schema.as_struct().fields().iter().zip(batch.columns()) {
        if let Some((least, most)) = bounds(column.as_ref()) {
            lower.insert(field.id, least);
            upper.insert(field.id, most);
        }
    }
    let mut builder = DataFileBuilder::default();
    builder
        .content(DataContentType::Data)
        .file_path(path)
        .file_format(DataFileFormat::Parquet)
        .file_size_in_bytes(std::fs::metadata(local).unwrap().len())
        .record_count(batch.num_rows() as u64)
        .lower_bounds(lower)
        .upper_bounds(upper)
        .partition(Struct::empty());
    builder.build().unwrap()
}

fn bounds(column: &dyn Array) -> Option<(Datum, Datum)> {
    match column.data_type() {
        DataType::Int64 => {
            let values = column.as_primitive::<Int64Type>();
            Some((Datum::long(min(values)?), Datum::long(max(values)?)))
        }
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            Some((Datum::string(min_string(values)?), Datum::string(max_string(values)?)))
        }
        _ => None,
    }
}
