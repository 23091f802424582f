//! The barrier over real files.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, StringArray},
    datatypes::Int64Type,
    ipc::writer::StreamWriter,
    record_batch::RecordBatch,
};
use futures::TryStreamExt;
use iceberg::spec::{DataContentType, PrimitiveType, Schema};
use parquet::file::properties::WriterProperties;
use polder_policy::{BoundMask, BoundPredicate, Comparison, FieldRule, Literal, MaskAction, TablePolicy};

use crate::{
    govern::Source,
    scan::fixture::{
        Lake, batches, column, described, lines, long, longs, open_policy, query, rows, schema, string, text,
    },
};

fn staff() -> Schema {
    let id = column(1, "id", PrimitiveType::Long, true);
    schema(0, vec![id, string(2, "region"), string(3, "name"), long(4, "salary")])
}

fn lake() -> Lake {
    let mut lake = Lake::new(staff());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, 2, 3, 4])),
        Arc::new(StringArray::from(vec![Some("eu"), Some("us"), None, Some("eu")])),
        Arc::new(StringArray::from(vec![Some("Ann 1"), Some("Bob"), Some("Cy"), None])),
        Arc::new(Int64Array::from(vec![Some(10), Some(20), Some(30), None])),
    ];
    lake.append(&rows(&staff(), columns), 1);
    lake
}

fn policy() -> TablePolicy {
    let filter = BoundPredicate::Compare { column: 2, op: Comparison::Eq, literal: Literal::Text("eu".to_owned()) };
    let mask = |action| FieldRule::Mask(BoundMask::Action(action));
    let fields = [(2, FieldRule::Hide), (3, mask(MaskAction::MaskAlphanum)), (4, mask(MaskAction::MaskToFixedValue))];
    TablePolicy { filter, fields: fields.into() }
}

/// R33: filter, masks and hidden columns at once; the hidden column is read for the filter and not shown.
#[tokio::test]
async fn only_what_the_policy_lets_through_is_shown() {
    let lake = lake();
    let source = lake.source(policy()).await.unwrap();
    let names: Vec<String> = source.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["id", "name", "salary"]);
    assert_eq!(lines(&source).await.unwrap(), ["1|xxxxn|0", "4|null|0"]);
    assert_eq!([0, 1, 2, 3].map(|column| source.masked(column)), [false, true, true, true]);
    assert!(source.schema().fields().iter().all(|field| field.metadata().is_empty()), "no metadata leaves");
}

#[tokio::test]
async fn a_projection_may_reorder_and_be_empty() {
    let lake = lake();
    let source = lake.source(policy()).await.unwrap();
    assert_eq!(text(&batches(&source, Some(vec![2, 0]), &[], 3).await.unwrap()), ["0|1", "0|4"]);
    let counted = batches(&source, Some(vec![]), &[], 2).await.unwrap();
    assert_eq!(counted.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    let whole = lake.source(open_policy()).await.unwrap();
    let counted = batches(&whole, Some(vec![]), &[], 2).await.unwrap();
    assert_eq!(counted.iter().map(RecordBatch::num_rows).sum::<usize>(), 4);
    assert!(source.prepare(Some(&vec![3]), &[], 1).is_err(), "the hidden column has no place");
}

/// R33: a predicate over a masked column must not choose what is read.
#[tokio::test]
async fn a_pushed_predicate_over_a_masked_column_is_refused() {
    let lake = lake();
    let source = lake.source(policy()).await.unwrap();
    let on = |column| BoundPredicate::Not(Box::new(BoundPredicate::IsNull(column)));
    assert!(source.prepare(None, &[BoundPredicate::And(vec![on(0), on(2)])], 1).is_err());
    assert!(source.prepare(None, &[on(7)], 1).is_err());
    assert!(source.prepare(None, &[on(0)], 1).is_ok());
}

/// R39: only what leaves the barrier is counted, never hidden rows or columns.
#[tokio::test]
async fn counters_are_of_what_the_caller_sees() {
    let (lake, mut other) = (lake(), Lake::new(staff()));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, 4])),
        Arc::new(StringArray::from(vec![Some("eu"), Some("eu")])),
        Arc::new(StringArray::from(vec![Some("Zoe 9"), None])),
        Arc::new(Int64Array::from(vec![Some(99), Some(1)])),
    ];
    other.append(&rows(&staff(), columns), 1);
    let mut counts = Vec::new();
    for lake in [&lake, &other] {
        let scan = lake.source(policy()).await.unwrap().prepare(None, &[], 1).unwrap();
        let query = query();
        scan.execute(0, query.clone()).try_collect::<Vec<_>>().await.unwrap();
        counts.push(query.bytes());
    }
    assert_eq!(counts[0], counts[1]);
    assert!(counts[0] > 0);
}

/// R39: what is filtered, hidden or masked is in no byte of what leaves, though it lay in the same Parquet pages and
/// dictionaries.
#[tokio::test]
async fn no_hidden_byte_leaves_the_barrier() {
    const CANARY: &str = "CANARY!!";
    let canary = i64::from_le_bytes(*b"CANARY!!");
    let mut lake = Lake::new(staff());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, canary, canary, 4])),
        Arc::new(StringArray::from(vec![Some("eu"), Some(CANARY), None, Some("eu")])),
        Arc::new(StringArray::from(vec![Some(CANARY), Some(CANARY), Some("x"), None])),
        Arc::new(Int64Array::from(vec![Some(canary), None, Some(canary), Some(canary)])),
    ];
    lake.append(&rows(&staff(), columns), 1);
    let source = lake.source(policy()).await.unwrap();
    let shown = batches(&source, None, &[], 2).await.unwrap();
    assert_eq!(text(&shown), ["1|xxxxxxxx|0", "4|null|0"]);
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &source.schema()).unwrap();
    shown.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    drop(writer);
    for column in shown.iter().flat_map(|batch| batch.columns()) {
        column.to_data().buffers().iter().for_each(|buffer| bytes.extend_from_slice(buffer.as_slice()));
    }
    assert!(!bytes.windows(8).any(|window| window == CANARY.as_bytes()));
}

#[tokio::test]
async fn a_filter_that_is_false_shows_nothing() {
    let lake = lake();
    let source = lake.source(TablePolicy { filter: BoundPredicate::False, ..open_policy() }).await.unwrap();
    assert!(lines(&source).await.unwrap().is_empty());
}

/// A policy made for another schema is refused, not ignored.
#[tokio::test]
async fn rules_that_fit_no_field_are_refused() {
    let lake = lake();
    let of = |id, rule| TablePolicy { filter: BoundPredicate::True, fields: [(id, rule)].into() };
    let act = |action| FieldRule::Mask(BoundMask::Action(action));
    let unlike = BoundPredicate::Compare { column: 1, op: Comparison::Eq, literal: Literal::Bool(true) };
    let refused = [
        of(99, FieldRule::Hide),
        of(1, act(MaskAction::ReplaceWithNull)),
        of(1, act(MaskAction::MaskAlphanum)),
        of(3, act(MaskAction::TruncateToYear)),
        of(1, FieldRule::Mask(BoundMask::Static(Literal::Text("x".to_owned())))),
        TablePolicy { filter: BoundPredicate::IsNull(99), ..open_policy() },
        TablePolicy { filter: unlike, ..open_policy() },
    ];
    for policy in refused {
        assert!(lake.source(policy.clone()).await.is_err(), "{policy:?}");
    }
}

#[tokio::test]
async fn each_row_of_a_split_file_is_read_once() {
    let table = schema(0, vec![long(1, "a")]);
    let mut lake = Lake::new(table.clone());
    let batch = rows(&table, vec![longs(&(0..1_000).map(Some).collect::<Vec<_>>())]);
    let small = WriterProperties::builder().set_max_row_group_row_count(Some(100)).build();
    let (path, size) = lake.parquet(&batch, small);
    // Offsets that lie: beyond the file, in the middle of a row group, negative.
    let mut file = described(DataContentType::Data, path, size, 1_000);
    file.split_offsets(Some(vec![4, 1_500, -3, 80_000_000, 160_000_000, i64::MAX]));
    lake.add(file.build().unwrap(), 1);
    let source = lake.source(open_policy()).await.unwrap();
    for partitions in [1, 2, 5] {
        let all = batches(&source, None, &[], partitions).await.unwrap();
        let values = all.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
        let mut seen: Vec<i64> = values.collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..1_000).collect::<Vec<_>>(), "{partitions} partitions");
    }
}
