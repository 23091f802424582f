//! Which manifests are read, which deletes belong to which file, and what is refused before any filter is looked at.

use std::{pin::pin, sync::Arc};

use arrow::{
    array::{ArrayRef, Int32Array, Int64Array, StringArray},
    record_batch::RecordBatch,
};
use iceberg::{
    io::FileIO,
    spec::{
        DataContentType, ListType, Literal, ManifestListWriter, NestedField, PartitionSpec, PrimitiveType, Schema,
        Transform, Type,
    },
};
use parquet::file::properties::WriterProperties;
use polder_policy::BoundPredicate;
use polder_types::ErrorKind;

use super::*;
use crate::scan::fixture::{Lake, batches, column, described, lines, long, longs, open_policy, rows, schema};

fn small() -> Schema {
    schema(0, vec![long(1, "a")])
}

async fn read(lake: &Lake) -> Result<Inventory, Error> {
    let metadata: TableMetadata = serde_json::from_value(lake.document().await).unwrap();
    let files = TableFiles::new(&lake.location, None).unwrap();
    Inventory::read(&files, &metadata, metadata.current_snapshot().unwrap()).await
}

/// Reading a local table never waits for anything; a query that nobody waits for ends all the same.
#[tokio::test]
async fn reading_gives_way_before_each_manifest() {
    let mut lake = Lake::new(small());
    lake.append(&rows(&small(), vec![longs(&[Some(1)])]), 1);
    let path = format!("{}/data/absent", lake.location);
    lake.add(described(DataContentType::PositionDeletes, path, 1, 1).build().unwrap(), 2);
    let metadata: TableMetadata = serde_json::from_value(lake.document().await).unwrap();
    let files = TableFiles::new(&lake.location, None).unwrap();
    let mut reading = pin!(Inventory::read(&files, &metadata, metadata.current_snapshot().unwrap()));
    // Before each of the two, and before files and deletes are put together.
    for _ in 0..3 {
        assert!(futures::poll!(reading.as_mut()).is_pending());
    }
    assert_eq!(reading.await.unwrap().files.len(), 1);
}

/// A list that names one manifest ten thousand times is no table of ten thousand manifests.
#[tokio::test]
async fn a_manifest_is_named_once() {
    let mut lake = Lake::new(small());
    lake.append(&rows(&small(), vec![longs(&[Some(1)])]), 1);
    let document = lake.document().await;
    let path = format!("{}/metadata/list.avro", lake.location);
    let bytes = std::fs::read(lake.location.local_path().unwrap().join("metadata/list.avro")).unwrap();
    let listed = ManifestList::parse_with_version(&bytes, FormatVersion::V2).unwrap().entries()[0].clone();
    for (times, spelled) in [(1, listed.manifest_path.clone()), (2, listed.manifest_path.replace("file://", "file:"))] {
        let output = FileIO::new_with_fs().new_output(&path).unwrap().writer().await.unwrap();
        let mut writer = ManifestListWriter::v2(output, 1, None, 1);
        let other = ManifestFile { manifest_path: spelled, ..listed.clone() };
        writer.add_manifests([listed.clone(), other].into_iter().take(times)).unwrap();
        writer.close().await.unwrap();
        let answer = lines(&lake.open(&document, open_policy()).unwrap()).await;
        assert_eq!(
            answer.map_err(|error| error.code()),
            if times == 1 { Ok(vec!["1".to_owned()]) } else { Err("unreadable_table") }
        );
    }
}

/// A row that was deleted does not come back when its partition's column becomes wider: each manifest has the values in
/// the types of its own time.
#[tokio::test]
async fn deletes_hold_in_partitions_of_a_widened_column() {
    for (narrow, wide) in [(PrimitiveType::Int, PrimitiveType::Long), (PrimitiveType::Float, PrimitiveType::Double)] {
        let old = schema(0, vec![long(1, "a"), column(2, "p", narrow.clone(), false)]);
        let new = schema(1, vec![long(1, "a"), column(2, "p", wide.clone(), false)]);
        let value = |ty: &PrimitiveType| match ty {
            PrimitiveType::Int => Literal::int(7),
            PrimitiveType::Long => Literal::long(7),
            PrimitiveType::Float => Literal::float(0.1_f32),
            _ => Literal::double(f64::from(0.1_f32)),
        };
        let in_partition = |ty: &PrimitiveType| Struct::from_iter([Some(value(ty))]);
        let mut lake = Lake::new(old.clone());
        let spec = PartitionSpec::builder(old).with_spec_id(1);
        lake.spec = spec.add_partition_field("p", "p", Transform::Identity).unwrap().build().unwrap();
        let mut data = lake.data(&rows(&small(), vec![longs(&[Some(1), Some(2)])]));
        lake.add(data.partition(in_partition(&narrow)).partition_spec_id(1).build().unwrap(), 1);
        lake.document().await;
        let manifest = lake.location.local_path().unwrap().join("metadata/0-m.avro");
        let written_before = std::fs::read(&manifest).unwrap();

        lake.schemas.push(new);
        lake.files.clear();
        lake.add(data.partition(in_partition(&wide)).build().unwrap(), 1);
        let (path, size) = lake.parquet(&rows(&small(), vec![longs(&[Some(1)])]), WriterProperties::default());
        let mut delete = described(DataContentType::EqualityDeletes, path, size, 1);
        delete.equality_ids(Some(vec![1])).partition(in_partition(&wide)).partition_spec_id(1);
        lake.add(delete.build().unwrap(), 2);
        let document = lake.document().await;
        std::fs::write(&manifest, written_before).unwrap();
        let shown = lines(&lake.open(&document, open_policy()).unwrap()).await.unwrap();
        assert_eq!(shown.len(), 1, "{narrow} {shown:?}");
        assert!(shown[0].starts_with("2|"), "{shown:?}");
    }
}

/// A delete file that names its one data file names it, however it spells it; and no other.
#[tokio::test]
async fn deletes_name_their_file_in_any_spelling() {
    let mut lake = Lake::new(small());
    let first = lake.append(&rows(&small(), vec![longs(&[Some(1), Some(2)])]), 1);
    let other = lake.append(&rows(&small(), vec![longs(&[Some(10), Some(20)])]), 1);
    let one_slash = first.replace("file://", "file:");
    let fields = [("file_path", 2_147_483_546), ("pos", 2_147_483_545)];
    let types = [PrimitiveType::String, PrimitiveType::Long];
    let described_as = fields.iter().zip(types).map(|((name, id), ty)| column(*id, name, ty, true)).collect();
    let paths: ArrayRef = Arc::new(StringArray::from(vec![first.as_str(), other.as_str()]));
    let batch: RecordBatch = rows(&schema(0, described_as), vec![paths, Arc::new(Int64Array::from(vec![0, 0]))]);
    let (path, size) = lake.parquet(&batch, WriterProperties::default());
    let mut delete = described(DataContentType::PositionDeletes, path, size, 2);
    lake.add(delete.referenced_data_file(Some(one_slash)).build().unwrap(), 2);
    assert_eq!(lines(&lake.source(open_policy()).await.unwrap()).await.unwrap(), ["10", "2", "20"]);
}

/// Whether a table can be read is not for a filter to decide: refused even if no file is wanted.
#[tokio::test]
async fn what_cannot_be_read_is_refused_whatever_is_asked() {
    let element = Arc::new(NestedField::list_element(5, Type::Primitive(PrimitiveType::Int), false));
    let list = Arc::new(NestedField::optional(4, "l", Type::List(ListType::new(element))));
    let table = schema(0, vec![long(1, "a"), list]);
    let lake_with = |change: &dyn Fn(&mut Lake)| {
        let mut lake = Lake::new(table.clone());
        lake.append(&rows(&small(), vec![longs(&[Some(1)])]), 1);
        change(&mut lake);
        lake
    };
    let equality = |lake: &mut Lake, ids: Vec<i32>, rows: usize| {
        let path = format!("{}/data/absent", lake.location);
        let mut delete = described(DataContentType::EqualityDeletes, path, 1, rows);
        lake.add(delete.equality_ids(Some(ids)).build().unwrap(), 2);
    };
    let nested = lake_with(&|lake| equality(lake, vec![1, 5], 1));
    let whole_list = lake_with(&|lake| equality(lake, vec![4], 1));
    let unknown = lake_with(&|lake| equality(lake, vec![99], 1));
    let none = lake_with(&|lake| equality(lake, vec![], 1));
    let many = lake_with(&|lake| equality(lake, vec![1], 10_000_001));
    let outside = lake_with(&|lake| {
        let file = described(DataContentType::Data, "file:///etc/passwd".to_owned(), 1, 1);
        lake.add({ file }.build().unwrap(), 1);
    });
    for (lake, kind) in [
        (nested, ErrorKind::Unsupported),
        (whole_list, ErrorKind::Unsupported),
        (many, ErrorKind::Unsupported),
        (unknown, ErrorKind::Internal),
        (none, ErrorKind::Internal),
        (outside, ErrorKind::Internal),
    ] {
        let source = lake.source(open_policy()).await.unwrap();
        let error = batches(&source, Some(vec![]), &[BoundPredicate::False], 1).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
    }
}

/// A column that was dropped is compared still; what is known of fields that the table never had is not kept.
#[tokio::test]
async fn only_columns_of_the_table_are_known() {
    let old = schema(0, vec![long(1, "a"), column(2, "b", PrimitiveType::Int, false)]);
    let mut lake = Lake::new(old.clone());
    let ints: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let mut file = lake.data(&rows(&old, vec![longs(&[Some(1)]), ints]));
    file.null_value_counts([(1, 0), (2, 0), (77, 0)].into());
    lake.add(file.build().unwrap(), 1);
    lake.schemas.push(schema(1, vec![long(1, "a")]));
    let inventory = read(&lake).await.unwrap();
    assert_eq!(inventory.files[0].bounds.keys().copied().collect::<Vec<_>>(), [1, 2]);
}
