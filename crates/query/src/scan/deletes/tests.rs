use arrow::{
    array::{ArrayRef, Int64Array, StringArray},
    datatypes::Schema as ArrowSchema,
};
use iceberg::spec::{DataContentType, Datum, Literal as IcebergLiteral, PartitionSpec, Schema, Struct, Transform};
use parquet::file::properties::WriterProperties;
use polder_policy::{Comparison, Literal, TablePolicy};

use super::*;
use crate::scan::fixture::{
    Lake, batches, described, lines, long, longs, open_policy, rows, schema, string, strings, text,
};

fn delete_schema() -> Arc<ArrowSchema> {
    schema_of([reserved("file_path", DataType::Utf8, FILE_PATH_ID), reserved("pos", DataType::Int64, POSITION_ID)])
}

fn position_deletes(lake: &mut Lake, deleted: &[(&str, i64)], sequence: i64) {
    let paths: StringArray = deleted.iter().map(|(path, _)| Some(*path)).collect();
    let places = Int64Array::from_iter_values(deleted.iter().map(|(_, place)| *place));
    let batch = RecordBatch::try_new(delete_schema(), vec![Arc::new(paths), Arc::new(places)]).unwrap();
    let (path, size) = lake.parquet(&batch, WriterProperties::default());
    lake.add(described(DataContentType::PositionDeletes, path, size, deleted.len()).build().unwrap(), sequence);
}

fn equality_deletes(lake: &mut Lake, schema: &Schema, columns: Vec<ArrayRef>, ids: Vec<i32>, sequence: i64) {
    let batch = rows(schema, columns);
    let (path, size) = lake.parquet(&batch, WriterProperties::default());
    let mut file = described(DataContentType::EqualityDeletes, path, size, batch.num_rows());
    lake.add(file.equality_ids(Some(ids)).build().unwrap(), sequence);
}

#[tokio::test]
async fn rows_deleted_by_position_are_gone_from_their_file_only() {
    let table = schema(0, vec![long(1, "a")]);
    let mut lake = Lake::new(table.clone());
    let first = lake.append(&rows(&table, vec![longs(&[Some(0), Some(1), Some(2), Some(3)])]), 1);
    lake.append(&rows(&table, vec![longs(&[Some(10), Some(11)])]), 1);
    let late = lake.append(&rows(&table, vec![longs(&[Some(20)])]), 3);
    let other_spelling = first.replace("file://", "file:");
    position_deletes(&mut lake, &[(&first, 3), (&other_spelling, 1), (&first, 1), (&late, 0)], 2);
    let source = lake.source(open_policy()).await.unwrap();
    assert_eq!(lines(&source).await.unwrap(), ["0", "10", "11", "2", "20"]);
}

/// With row groups of two rows, some of them pruned away, positions still count from the start of the file.
#[tokio::test]
async fn positions_count_over_row_groups_that_are_not_read() {
    let table = schema(0, vec![long(1, "a")]);
    let mut lake = Lake::new(table.clone());
    let batch = rows(&table, vec![longs(&(0..10).map(Some).collect::<Vec<_>>())]);
    let small = WriterProperties::builder().set_max_row_group_row_count(Some(2)).build();
    let (path, size) = lake.parquet(&batch, small);
    lake.add(described(DataContentType::Data, path.clone(), size, 10).build().unwrap(), 1);
    position_deletes(&mut lake, &[(&path, 0), (&path, 7), (&path, 8), (&path, 999)], 2);
    let source = lake.source(open_policy()).await.unwrap();
    assert_eq!(lines(&source).await.unwrap(), ["1", "2", "3", "4", "5", "6", "9"]);
    let late = BoundPredicate::Compare { column: 0, op: Comparison::GtEq, literal: Literal::Long(6) };
    assert_eq!(text(&batches(&source, None, &[late], 1).await.unwrap()), ["6", "9"]);
}

#[tokio::test]
async fn a_negative_position_is_an_error() {
    let table = schema(0, vec![long(1, "a")]);
    let mut lake = Lake::new(table.clone());
    let path = lake.append(&rows(&table, vec![longs(&[Some(0)])]), 1);
    position_deletes(&mut lake, &[(&path, -1)], 2);
    assert!(lines(&lake.source(open_policy()).await.unwrap()).await.is_err());
}

/// Nulls are equal to nulls and to nothing else; rows with a null elsewhere stay; newer rows stay.
#[tokio::test]
async fn rows_deleted_by_value_are_gone_from_older_files_only() {
    let table = schema(0, vec![long(1, "a"), string(2, "b")]);
    let mut lake = Lake::new(table.clone());
    let columns = || {
        let texts = strings(&[Some("x"), None, Some("x"), None, Some("x")]);
        vec![longs(&[Some(1), Some(1), None, None, Some(2)]), texts]
    };
    lake.append(&rows(&table, columns()), 1);
    lake.append(&rows(&table, columns()), 2); // as old as the deletes: not older
    equality_deletes(&mut lake, &table, vec![longs(&[Some(1), None]), strings(&[Some("x"), None])], vec![1, 2], 2);
    let source = lake.source(open_policy()).await.unwrap();
    let expected = ["1|null", "1|null", "1|x", "2|x", "2|x", "null|null", "null|x", "null|x"];
    assert_eq!(lines(&source).await.unwrap(), expected);
    // The columns that deletes compare are read though nobody asked for them.
    let none = batches(&source, Some(vec![]), &[], 1).await.unwrap();
    assert_eq!(none.iter().map(RecordBatch::num_rows).sum::<usize>(), 8);
}

/// A delete by a column that was dropped, or that old files lack, still holds.
#[tokio::test]
async fn deletes_by_value_outlive_their_column() {
    let old = schema(0, vec![long(1, "a")]);
    let middle = schema(1, vec![long(1, "a"), long(2, "gone")]);
    let mut lake = Lake::new(old.clone());
    lake.append(&rows(&old, vec![longs(&[Some(1)])]), 1);
    lake.append(&rows(&middle, vec![longs(&[Some(2), Some(3)]), longs(&[Some(7), None])]), 2);
    equality_deletes(&mut lake, &schema(0, vec![long(2, "gone")]), vec![longs(&[None])], vec![2], 3);
    lake.schemas.extend([middle, schema(2, vec![long(1, "a")])]);
    let source = lake.source(open_policy()).await.unwrap();
    assert_eq!(lines(&source).await.unwrap(), ["2"]);
}

/// Deletes of a partition hold there only.
#[tokio::test]
async fn deletes_by_value_stay_in_their_partition() {
    let table = schema(0, vec![long(1, "a"), string(2, "p")]);
    let mut lake = Lake::new(table.clone());
    let spec = PartitionSpec::builder(table.clone()).with_spec_id(1);
    lake.spec = spec.add_partition_field("p", "p", Transform::Identity).unwrap().build().unwrap();
    let partition = |name: &str| Struct::from_iter([Some(IcebergLiteral::string(name))]);
    for name in ["n", "s"] {
        let mut file = lake.data(&rows(&table, vec![longs(&[Some(1), Some(2)]), strings(&[Some(name), Some(name)])]));
        lake.add(file.partition(partition(name)).partition_spec_id(1).build().unwrap(), 1);
    }
    let batch = rows(&schema(0, vec![long(1, "a")]), vec![longs(&[Some(1)])]);
    let (path, size) = lake.parquet(&batch, WriterProperties::default());
    let mut file = described(DataContentType::EqualityDeletes, path, size, 1);
    file.equality_ids(Some(vec![1])).partition(partition("n")).partition_spec_id(1);
    lake.add(file.build().unwrap(), 2);
    let source = lake.source(open_policy()).await.unwrap();
    assert_eq!(lines(&source).await.unwrap(), ["1|s", "2|n", "2|s"]);
}

#[tokio::test]
async fn files_whose_bounds_exclude_the_filter_are_not_opened() {
    let table = schema(0, vec![long(1, "a")]);
    let mut lake = Lake::new(table.clone());
    lake.append(&rows(&table, vec![longs(&[Some(5)])]), 1);
    let path = format!("{}/data/absent.parquet", lake.location);
    let mut absent = described(DataContentType::Data, path, 1, 1);
    absent.lower_bounds([(1, Datum::long(100))].into()).upper_bounds([(1, Datum::long(200))].into());
    lake.add(absent.build().unwrap(), 1);
    let small = BoundPredicate::Compare { column: 1, op: Comparison::Lt, literal: Literal::Long(50) };
    let policy = TablePolicy { filter: small, fields: Default::default() };
    assert_eq!(lines(&lake.source(policy).await.unwrap()).await.unwrap(), ["5"]);
    assert!(lines(&lake.source(open_policy()).await.unwrap()).await.is_err());
}
