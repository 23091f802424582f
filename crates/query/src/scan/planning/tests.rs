//! Plans of real manifests.

use std::collections::HashMap;

use iceberg::spec::{
    DataContentType, DataFile, DataFileFormat, Datum, Literal, ManifestEntry, ManifestFile, ManifestStatus,
    PartitionSpec, PrimitiveType, Struct, Transform,
};
use serde_json::{Value as Json, json};

use super::*;
use crate::scan::fixture::{Lake, column, described, long, schema, string};

const TABLE: &str = "9c12d441-03fe-4693-9a96-a0705ddf69c1";

/// Columns `id`, `region` and `at`, partitioned by region and month.
fn lake() -> Lake {
    let schema = schema(0, vec![long(1, "id"), string(2, "region"), column(3, "at", PrimitiveType::Timestamp, false)]);
    let mut lake = Lake::new(schema.clone());
    lake.spec = PartitionSpec::builder(schema)
        .with_spec_id(0)
        .add_partition_field("region", "region", Transform::Identity)
        .and_then(|builder| builder.add_partition_field("at", "month", Transform::Month))
        .and_then(|builder| builder.build())
        .unwrap();
    lake
}

fn partition(region: Option<&str>, month: i32) -> Struct {
    Struct::from_iter([region.map(Literal::string), Some(Literal::int(month))])
}

/// A file of ten rows with ids from `first` on. Nothing is there: plans read no data.
fn file(lake: &Lake, name: &str, (region, month): (Option<&str>, i32), first: i64) -> DataFile {
    described(DataContentType::Data, format!("{}/data/{name}", lake.location), 1_000, 10)
        .partition(partition(region, month))
        .lower_bounds(HashMap::from([(1, Datum::long(first))]))
        .upper_bounds(HashMap::from([(1, Datum::long(first + 9))]))
        .null_value_counts(HashMap::from([(1, 0)]))
        .value_counts(HashMap::from([(1, 10), (2, 10)]))
        .column_sizes(HashMap::from([(1, 80)]))
        .split_offsets(Some(vec![4]))
        .build()
        .unwrap()
}

fn planning(lake: &Lake, document: &Json) -> Planning {
    Planning {
        cache: PlanCache::new(1 << 24),
        table: serde_json::from_value(json!(TABLE)).unwrap(),
        metadata_location: "m.json".to_owned(),
        doc: Arc::new(TableDoc::parse(&serde_json::to_vec(document).unwrap()).unwrap()),
        files: TableFiles::new(&lake.location, None).unwrap(),
        stop: CancellationToken::new(),
    }
}

async fn plan(lake: &Lake, request: Json) -> Result<(Plan, Page)> {
    let request = serde_json::from_value(request).unwrap();
    planning(lake, &lake.document().await).begin(&request, ("id".to_owned(), 0)).await
}

fn json_of(values: &[Box<serde_json::value::RawValue>]) -> Vec<Json> {
    values.iter().map(|value| serde_json::from_str(value.get()).unwrap()).collect()
}

/// The names of the data files of an answer.
fn names(page: &Page) -> Vec<String> {
    let name = |task: &Json| task["data-file"]["file-path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    json_of(&page.files).iter().map(name).collect()
}

fn three() -> Lake {
    let mut lake = lake();
    for (name, place, first) in [("a", (Some("eu"), 600), 0), ("b", (Some("us"), 600), 100), ("c", (None, 601), 200)] {
        let file = file(&lake, name, place, first);
        lake.add(file, 1);
    }
    lake
}

/// files are left out by partition, through its transform, and by their bounds; a filter that holds of a whole file
/// leaves nothing to do there, any other is told with it.
#[tokio::test]
async fn files_are_left_out_by_what_is_known_of_them() {
    let lake = three();
    let of_ids = json!({"type": "lt", "term": "id", "value": 105});
    let in_january = json!({"type": "lt", "term": "at", "value": "2020-02-01T00:00:00"});
    for (filter, left) in [
        (json!(true), vec![("a", json!(true)), ("b", json!(true)), ("c", json!(true))]),
        (json!(false), vec![]),
        (json!({"type": "eq", "term": "region", "value": "eu"}), vec![("a", json!(true))]),
        (json!({"type": "is-null", "term": "region"}), vec![("c", json!(true))]),
        (of_ids.clone(), vec![("a", json!(true)), ("b", of_ids)]),
        (in_january.clone(), vec![("a", json!(true)), ("b", json!(true))]),
        (
            json!({"type": "and", "left": {"type": "not-null", "term": "region"}, "right": {"type": "gt", "term": "id", "value": 109}}),
            vec![],
        ),
    ] {
        let (_, page) = plan(&lake, json!({"filter": filter})).await.unwrap();
        let residuals = json_of(&page.files).iter().map(|task| task["residual-filter"].clone()).collect::<Vec<_>>();
        let told: Vec<(String, Json)> = names(&page).into_iter().zip(residuals).collect();
        let left: Vec<(String, Json)> = left.into_iter().map(|(name, filter)| (name.to_owned(), filter)).collect();
        assert_eq!(told, left, "{filter}");
        assert!(page.further.is_empty() && page.deletes.is_empty());
    }
}

/// a data file as the specification writes it; statistics of the columns that were asked for only.
#[tokio::test]
async fn a_file_is_told_whole() {
    let mut lake = lake();
    let only = file(&lake, "a", (Some("eu"), 600), 0);
    lake.add(only, 1);
    let mut wanted = json!({
        "data-file": {
            "content": "data", "file-path": format!("{}/data/a", lake.location), "file-format": "parquet", "spec-id": 0,
            "partition": ["eu", 600], "file-size-in-bytes": 1_000, "record-count": 10, "split-offsets": [4],
        },
        "residual-filter": true,
    });
    let (_, page) = plan(&lake, json!({"select": ["id", "_file"]})).await.unwrap();
    assert_eq!(json_of(&page.files), [wanted.clone()]);
    let (_, page) = plan(&lake, json!({"stats-fields": ["id", "at"]})).await.unwrap();
    let statistics = json!({
        "column-sizes": {"keys": [1], "values": [80]}, "value-counts": {"keys": [1], "values": [10]},
        "null-value-counts": {"keys": [1], "values": [0]}, "nan-value-counts": {"keys": [], "values": []},
        "lower-bounds": {"keys": [1], "values": ["0000000000000000"]},
        "upper-bounds": {"keys": [1], "values": ["0900000000000000"]},
    });
    wanted["data-file"].as_object_mut().unwrap().extend(statistics.as_object().unwrap().clone());
    assert_eq!(json_of(&page.files), [wanted]);
}

/// deletes go to the data files of their partition, by sequence number; each is told once.
#[tokio::test]
async fn deletes_are_told_with_the_files_that_they_are_for() {
    let mut lake = lake();
    for (name, place, sequence) in [
        ("old", (Some("eu"), 600), 1),
        ("same", (Some("eu"), 600), 2),
        ("new", (Some("eu"), 600), 3),
        ("us", (Some("us"), 600), 1),
    ] {
        let file = file(&lake, name, place, 0);
        lake.add(file, sequence);
    }
    let delete = |content, name: &str| {
        let mut file = described(content, format!("{}/data/{name}", lake.location), 10, 1);
        file.partition(partition(Some("eu"), 600));
        file
    };
    let position = delete(DataContentType::PositionDeletes, "position").build().unwrap();
    let equality = delete(DataContentType::EqualityDeletes, "equality").equality_ids(Some(vec![1])).build().unwrap();
    let of_new = delete(DataContentType::PositionDeletes, "of-new")
        .referenced_data_file(Some(format!("{}/data/new", lake.location)))
        .build()
        .unwrap();
    for (file, sequence) in [(position, 2), (equality, 2), (of_new, 4)] {
        lake.add(file, sequence);
    }
    let (_, page) = plan(&lake, json!({})).await.unwrap();
    let deletes = json_of(&page.deletes);
    let name_of = |index: &Json| {
        deletes[index.as_u64().unwrap() as usize]["file-path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    };
    let of =
        |task: &Json| task["delete-file-references"].as_array().into_iter().flatten().map(name_of).collect::<Vec<_>>();
    let told: Vec<Vec<String>> = json_of(&page.files).iter().map(of).collect();
    assert_eq!(names(&page), ["old", "same", "new", "us"]);
    assert_eq!(told, [vec!["equality", "position"], vec!["position"], vec!["of-new"], vec![]]);
    assert_eq!(deletes.len(), 3);
    let equality = deletes.iter().find(|file| file["content"] == "equality-deletes").unwrap();
    assert_eq!((&equality["equality-ids"], &equality["partition"]), (&json!([1]), &json!(["eu", 600])));
    let of_new = deletes.iter().find(|file| !file["referenced-data-file"].is_null()).unwrap();
    assert_eq!(of_new["content"], "position-deletes");
    // A filter that leaves out a partition leaves out its deletes.
    let (_, page) = plan(&lake, json!({"filter": {"type": "eq", "term": "region", "value": "us"}})).await.unwrap();
    assert_eq!((names(&page), page.deletes.len()), (vec!["us".to_owned()], 0));
}

/// a deletion vector takes the place of the position deletes of its file, and is told with its place in its own file.
#[tokio::test]
async fn a_deletion_vector_stands_for_the_position_deletes() {
    let lake = lake();
    let document = lake.document().await;
    let metadata: TableMetadata = serde_json::from_value(document).unwrap();
    let data = file(&lake, "a", (Some("eu"), 600), 0);
    let vector = described(DataContentType::PositionDeletes, format!("{}/data/v.puffin", lake.location), 100, 1)
        .file_format(DataFileFormat::Puffin)
        .partition(partition(Some("eu"), 600))
        .referenced_data_file(Some(data.file_path().to_owned()))
        .content_offset(Some(4))
        .content_size_in_bytes(Some(40))
        .build()
        .unwrap();
    let position = described(DataContentType::PositionDeletes, format!("{}/data/p", lake.location), 10, 1)
        .partition(partition(Some("eu"), 600))
        .build()
        .unwrap();
    let manifest: ManifestFile = manifest_of(&lake).await;
    let entry = |file: DataFile, sequence: i64| {
        let entry = ManifestEntry::builder().status(ManifestStatus::Added).snapshot_id(1).sequence_number(sequence);
        Arc::new(entry.file_sequence_number(sequence).data_file(file).build())
    };
    let mut deletes = Deletes::default();
    deletes.add(&metadata, &manifest, &entry(position, 2)).unwrap();
    assert_eq!(deletes.of(0, &data, 1).0.len(), 1);
    deletes.add(&metadata, &manifest, &entry(vector.clone(), 3)).unwrap();
    let told: Vec<&str> = deletes.of(0, &data, 1).0.iter().map(|delete| delete.file().file_path()).collect();
    assert_eq!(told, [vector.file_path()]);
    let written = content::Writer::new(&metadata, []).delete(0, &vector).unwrap();
    let written: Json = serde_json::from_str(written.get()).unwrap();
    let (offset, size) = (&written["content-offset"], &written["content-size-in-bytes"]);
    assert_eq!((offset, size, &written["file-format"]), (&json!(4), &json!(40), &json!("puffin")));
    let nameless = described(DataContentType::PositionDeletes, "x".to_owned(), 1, 1)
        .file_format(DataFileFormat::Puffin)
        .partition(partition(None, 0))
        .build()
        .unwrap();
    assert!(deletes.add(&metadata, &manifest, &entry(nameless, 3)).is_err());
}

async fn manifest_of(lake: &Lake) -> ManifestFile {
    let mut lake_with_one = self::lake();
    let one = file(lake, "x", (None, 0), 0);
    lake_with_one.add(one, 1);
    let document = lake_with_one.document().await;
    let planning = planning(&lake_with_one, &document);
    let metadata = planning.metadata().unwrap();
    let list = planning.reader(&metadata).list(metadata.current_snapshot().unwrap()).await.unwrap();
    list[0].clone()
}

/// a large plan comes in bounded parts, each file in one of them; a part is told again as it was, and what was read
/// is kept.
#[tokio::test]
async fn a_large_plan_comes_in_parts() {
    let mut lake = lake();
    for index in 0..4_500_i64 {
        let file = file(&lake, &index.to_string(), (Some("eu"), 600), index);
        lake.add(file, 1);
    }
    let request = serde_json::from_value(json!({"filter": {"type": "gt-eq", "term": "id", "value": 10}})).unwrap();
    let planning = planning(&lake, &lake.document().await);
    let (_, first) = planning.begin(&request, ("id".to_owned(), 0)).await.unwrap();
    let (mut told, mut tasks) = (names(&first), first.further.clone());
    assert_eq!((told.len(), tasks.len()), (2_000, 1));
    while let Some(task) = tasks.pop() {
        let task: Task = unpacked(&packed(&task).unwrap()).unwrap();
        let page = planning.go_on(&task).await.unwrap();
        assert_eq!(names(&planning.go_on(&task).await.unwrap()), names(&page));
        assert!(page.files.len() <= 2_000);
        told.extend(names(&page));
        tasks.extend(page.further);
    }
    told.sort_by_key(|name| name.parse::<i64>().unwrap());
    let wanted: Vec<String> = (1..4_500).map(|index| index.to_string()).collect();
    assert_eq!(told, wanted);
    let metadata = planning.metadata().unwrap();
    assert_eq!(planning.reader(&metadata).kept(), 2, "one list, one manifest");
}

/// rows that are surely there, without deletes and without a filter left to apply, end a plan that wants no more.
#[tokio::test]
async fn enough_rows_are_enough() {
    let lake = three();
    let told = |request| {
        let lake = &lake;
        async move { names(&plan(lake, request).await.unwrap().1).len() }
    };
    assert_eq!(told(json!({"min-rows-requested": 10})).await, 1);
    assert_eq!(told(json!({"min-rows-requested": 11})).await, 2);
    assert_eq!(told(json!({"min-rows-requested": 0})).await, 3);
    assert_eq!(told(json!({"min-rows-requested": 1, "filter": {"type": "gt", "term": "id", "value": 5}})).await, 2);
    assert_eq!(plan(&lake, json!({"min-rows-requested": -1})).await.unwrap_err().code(), "invalid_scan");
}

/// R4, R10, A-004: a path outside of the table's location ends the plan, and is not repeated.
#[tokio::test]
async fn no_path_outside_of_the_table_is_told() {
    for path in ["/data/../../secret", "2/data/f", "/../t/f"] {
        let mut lake = lake();
        let foreign = described(DataContentType::Data, format!("{}{path}", lake.location), 1, 1)
            .partition(partition(None, 0))
            .build()
            .unwrap();
        lake.add(foreign, 1);
        let error = plan(&lake, json!({})).await.unwrap_err();
        assert_eq!(error.code(), "unreadable_table", "{path}");
        assert!(!error.message().contains("secret"));
    }
    let mut lake = lake();
    let data = file(&lake, "a", (None, 0), 0);
    lake.add(data, 1);
    let elsewhere = described(DataContentType::PositionDeletes, "file:///etc/passwd".to_owned(), 1, 1)
        .partition(partition(None, 0))
        .build()
        .unwrap();
    lake.add(elsewhere, 2);
    assert_eq!(plan(&lake, json!({})).await.unwrap_err().code(), "unreadable_table");
}

/// members that do not go together, and names that are not there.
#[tokio::test]
async fn requests_that_fit_nothing_are_refused() {
    let lake = three();
    for request in [
        json!({"snapshot-id": 2}),
        json!({"snapshot-id": 1, "start-snapshot-id": 1, "end-snapshot-id": 1}),
        json!({"start-snapshot-id": 1}),
        json!({"end-snapshot-id": 1}),
        json!({"start-snapshot-id": 7, "end-snapshot-id": 1}),
        json!({"select": ["nothing"]}),
        json!({"select": ["ID"]}),
        json!({"stats-fields": ["nothing"]}),
        json!({"stats-fields": vec!["id"; 1_001]}),
        json!({"filter": {"type": "eq", "term": "ID", "value": 1}}),
    ] {
        let error = plan(&lake, request.clone()).await.unwrap_err();
        assert_eq!(error.kind(), polder_types::ErrorKind::Invalid, "{request}: {error:?}");
    }
    let request = json!({"select": ["ID"], "stats-fields": ["Id"], "case-sensitive": false, "snapshot-id": 1});
    assert_eq!(plan(&lake, request).await.unwrap().1.files.len(), 3);
    let nothing = plan(&lake, json!({"start-snapshot-id": 1, "end-snapshot-id": 1})).await.unwrap().1;
    assert!(nothing.files.is_empty());
}

/// What was planned may be gone when the rest is asked for: absent, never another table's state.
#[tokio::test]
async fn a_plan_of_an_expired_snapshot_is_gone() {
    let lake = three();
    let (planned, _) = plan(&lake, json!({"snapshot-id": 1})).await.unwrap();
    let mut document = lake.document().await;
    for (member, value) in [("snapshots", json!([])), ("refs", json!({})), ("current-snapshot-id", json!(-1))] {
        document[member] = value;
    }
    let error = planning(&lake, &document).again(&planned).await.unwrap_err();
    assert_eq!((error.kind(), error.subject()), (polder_types::ErrorKind::NotFound, Subject::Plan));
    let bare = planning(&lake, &lake.document().await).again(&planned.bare()).await.unwrap();
    assert_eq!(json_of(&bare.files)[0]["residual-filter"], json!(true), "there was no filter to leave out");
}

/// Nobody waits: the next manifest is not read.
#[tokio::test]
async fn a_plan_that_nobody_waits_for_stops() {
    let lake = three();
    let planning = planning(&lake, &lake.document().await);
    planning.stop.cancel();
    let request = serde_json::from_value(json!({})).unwrap();
    let error = planning.begin(&request, ("id".to_owned(), 0)).await.unwrap_err();
    assert_eq!(error.kind(), polder_types::ErrorKind::Deadline);
}
