//! `/iceberg/v1/{prefix}/namespaces/{namespace}/tables/{table}/plan` and `…/tasks`, over manifests as a client writes them.

use std::{collections::HashMap, path::Path, sync::Arc};

use iceberg::{
    io::FileIO,
    spec::{
        DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, FormatVersion, Literal, ManifestList,
        ManifestListWriter, ManifestWriterBuilder, Struct, TableMetadata,
    },
};
use polder_testkit::{Answer, Client, OPEN, World};
use reqwest::Method;
use serde_json::{Value, json};

const TABLES: &str = "/iceberg/v1/lake/namespaces/pub/tables";

/// A table `events` (id, region, phone), partitioned by region.
async fn events(world: &World, name: &str) -> String {
    let schema: Value = serde_json::from_str(polder_testkit::SCHEMA).unwrap();
    let spec = json!({"spec-id": 0, "fields": [{"source-id": 2, "field-id": 1000, "name": "region", "transform": "identity"}]});
    let body = json!({"name": name, "schema": schema, "partition-spec": spec});
    drop(world.engineer.post(TABLES, &body).await.expect(200));
    format!("{TABLES}/{name}")
}

/// A file of ten rows with ids from `first` on. Nothing is there: plans read no data.
fn file(location: &str, name: &str, region: &str, first: i64) -> DataFile {
    DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(format!("{location}/data/{name}"))
        .file_format(DataFileFormat::Parquet)
        .file_size_in_bytes(100)
        .record_count(10)
        .partition(Struct::from_iter([Some(Literal::string(region))]))
        .lower_bounds(HashMap::from([(1, Datum::long(first))]))
        .upper_bounds(HashMap::from([(1, Datum::long(first + 9))]))
        .null_value_counts(HashMap::from([(1, 0)]))
        .value_counts(HashMap::from([(1, 10)]))
        .build()
        .unwrap()
}

/// Appends files (name, region, first id) as a client does: manifest, list, commit. Returns the snapshot's id.
async fn append(world: &World, table: &str, files: &[(String, &str, i64)]) -> i64 {
    append_at(world, table, |location, (name, region, first)| file(location, name, region, *first), files).await
}

async fn append_at<T>(world: &World, table: &str, file: impl Fn(&str, &T) -> DataFile, files: &[T]) -> i64 {
    let loaded = world.engineer.get(table).await.expect(200).json();
    let metadata: TableMetadata = serde_json::from_value(loaded["metadata"].clone()).unwrap();
    let (location, parent) = (metadata.location().to_owned(), metadata.current_snapshot().cloned());
    let sequence = metadata.next_sequence_number();
    let (id, io) = (1_000 + sequence, FileIO::new_with_fs());
    let manifest = io.new_output(format!("{location}/metadata/{id}-m.avro")).unwrap();
    let spec = metadata.default_partition_spec().as_ref().clone();
    let builder = ManifestWriterBuilder::new(manifest, Some(id), metadata.current_schema().clone(), spec);
    let mut writer = builder.build_v2_data();
    for one in files {
        writer.add_file(file(&location, one), sequence).unwrap();
    }
    let mut manifests = vec![writer.write_manifest_file().await.unwrap()];
    if let Some(parent) = &parent {
        let path = parent.manifest_list().strip_prefix("file://").unwrap();
        let list = ManifestList::parse_with_version(&std::fs::read(path).unwrap(), FormatVersion::V2).unwrap();
        manifests.extend(list.entries().iter().cloned());
    }
    let list = format!("{location}/metadata/{id}-list.avro");
    let output = io.new_output(&list).unwrap().writer().await.unwrap();
    let mut writer = ManifestListWriter::v2(output, id, parent.as_ref().map(|p| p.snapshot_id()), sequence);
    writer.add_manifests(manifests.into_iter()).unwrap();
    writer.close().await.unwrap();
    let mut snapshot = json!({
        "snapshot-id": id, "sequence-number": sequence, "timestamp-ms": metadata.last_updated_ms() + 1, "manifest-list": list,
        "summary": {"operation": "append"}, "schema-id": metadata.current_schema_id(),
    });
    if let Some(parent) = &parent {
        snapshot["parent-snapshot-id"] = json!(parent.snapshot_id());
    }
    let main = json!({"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": id});
    commit(world, table, json!([{"action": "add-snapshot", "snapshot": snapshot}, main])).await;
    id
}

async fn commit(world: &World, table: &str, updates: Value) {
    drop(world.engineer.post(table, &json!({"requirements": [], "updates": updates})).await.expect(200));
}

async fn plan(client: &Client, table: &str, request: Value) -> Answer {
    client.post(&format!("{table}/plan"), &request).await
}

async fn tasks(client: &Client, table: &str, task: &str) -> Answer {
    client.post(&format!("{table}/tasks"), &json!({"plan-task": task})).await
}

/// The names of the data files of an answer.
fn names(answer: &Value) -> Vec<String> {
    let name = |task: &Value| {
        let path = Path::new(task["data-file"]["file-path"].as_str().unwrap()).file_name().unwrap();
        path.to_str().unwrap().to_owned()
    };
    answer["file-scan-tasks"].as_array().unwrap().iter().map(name).collect()
}

fn few() -> Vec<(String, &'static str, i64)> {
    vec![("a".to_owned(), "eu", 0), ("b".to_owned(), "us", 100)]
}

fn many(count: i64) -> Vec<(String, &'static str, i64)> {
    (0..count).map(|index| (index.to_string(), "eu", index)).collect()
}

/// `completed` with a plan id and tasks, also for a table that holds nothing.
#[tokio::test]
async fn a_scan_is_planned_at_once() {
    let world = World::make().await;
    let table = events(&world, "events").await;
    let empty = plan(&world.engineer, &table, json!({})).await.expect(200).json();
    assert_eq!((&empty["status"], &empty["file-scan-tasks"]), (&json!("completed"), &json!([])));
    append(&world, &table, &few()).await;
    let answer = plan(&world.engineer, &table, json!({})).await.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let answer = answer.json();
    assert_eq!((answer["status"].as_str(), names(&answer)), (Some("completed"), vec!["a".to_owned(), "b".to_owned()]));
    let filter = json!({"type": "eq", "term": "region", "value": "us"});
    let answer = plan(&world.engineer, &table, json!({"filter": filter, "select": ["id"]})).await.expect(200).json();
    assert_eq!(names(&answer), ["b"]);
    assert_eq!(answer["file-scan-tasks"][0]["data-file"]["partition"], json!(["us"]));
    assert_eq!(answer["file-scan-tasks"][0]["residual-filter"], json!(true));
    let id = answer["plan-id"].as_str().unwrap();
    let again = world.engineer.get(&format!("{table}/plan/{id}")).await.expect(200).json();
    assert_eq!((again["status"].as_str(), names(&again)), (Some("completed"), vec!["b".to_owned()]));
    assert_eq!(again.get("plan-id"), None);
}

/// clients find the four doors where they look for them.
#[tokio::test]
async fn the_doors_are_advertised() {
    let world = World::make().await;
    let config = world.engineer.get("/iceberg/v1/config?warehouse=lake").await.expect(200).json();
    let endpoints: Vec<&str> = config["endpoints"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for endpoint in ["POST {}/plan", "GET {}/plan/{plan-id}", "DELETE {}/plan/{plan-id}", "POST {}/tasks"] {
        let endpoint = endpoint.replacen("{}", "/v1/{prefix}/namespaces/{namespace}/tables/{table}", 1);
        assert!(endpoints.contains(&endpoint.as_str()), "{endpoint}");
    }
}

/// each member of the request says what is planned.
#[tokio::test]
async fn every_member_of_the_request_is_read() {
    let world = World::make().await;
    let table = events(&world, "events").await;
    let first = append(&world, &table, &few()).await;
    let second = append(&world, &table, &[("c".to_owned(), "eu", 200)]).await;
    let third = append(&world, &table, &[("d".to_owned(), "eu", 300)]).await;
    let renamed = json!({"type": "struct", "schema-id": 1, "fields": [
        {"id": 1, "name": "key", "type": "long", "required": false}, {"id": 2, "name": "region", "type": "string", "required": false},
        {"id": 3, "name": "phone", "type": "string", "required": false}]});
    let updates = json!([{"action": "add-schema", "schema": renamed, "last-column-id": 3}, {"action": "set-current-schema", "schema-id": -1}]);
    commit(&world, &table, updates).await;
    let by = |column: &str| json!({"type": "lt", "term": column, "value": 150});
    for (request, wanted) in [
        (json!({}), vec!["d", "c", "a", "b"]),
        (json!({"snapshot-id": first}), vec!["a", "b"]),
        (json!({"snapshot-id": second}), vec!["c", "a", "b"]),
        (json!({"start-snapshot-id": first, "end-snapshot-id": third}), vec!["c", "d"]),
        (json!({"start-snapshot-id": second, "end-snapshot-id": third}), vec!["d"]),
        (json!({"snapshot-id": second, "filter": by("key")}), vec!["a", "b"]),
        (json!({"snapshot-id": second, "filter": by("id"), "use-snapshot-schema": true}), vec!["a", "b"]),
        (json!({"filter": by("KEY"), "case-sensitive": false}), vec!["a", "b"]),
        (json!({"min-rows-requested": 10}), vec!["d"]),
        (json!({"select": ["key", "region"]}), vec!["d", "c", "a", "b"]),
    ] {
        let answer = plan(&world.engineer, &table, request.clone()).await.expect(200).json();
        assert_eq!(names(&answer), wanted, "{request}");
    }
    let answer = plan(&world.engineer, &table, json!({"stats-fields": ["key"]})).await.expect(200).json();
    let file = &answer["file-scan-tasks"][0]["data-file"];
    assert_eq!(
        (&file["value-counts"], &file["lower-bounds"]["keys"]),
        (&json!({"keys": [1], "values": [10]}), &json!([1]))
    );
    for request in [
        json!({"snapshot-id": 7}),
        json!({"snapshot-id": "first"}),
        json!({"snapshot-id": first, "start-snapshot-id": first, "end-snapshot-id": third}),
        json!({"start-snapshot-id": first}),
        json!({"start-snapshot-id": third, "end-snapshot-id": first}),
        json!({"filter": by("id")}),
        json!({"filter": by("KEY")}),
        json!({"filter": {"type": "lt", "term": "key", "value": "x"}}),
        json!({"select": ["id"]}),
        json!({"stats-fields": ["id"]}),
        json!({"min-rows-requested": -1}),
        json!({"case-sensitive": "no"}),
    ] {
        let answer = plan(&world.engineer, &table, request.clone()).await;
        assert_eq!(
            (answer.status, answer.error("type").as_str()),
            (400, "BadRequestException"),
            "{request}: {}",
            answer.text()
        );
    }
}

/// more than an answer holds comes by tasks, each file once; after a cancellation no more is told.
#[tokio::test]
async fn a_large_plan_is_fetched_and_cancelled() {
    let world = World::make().await;
    let table = events(&world, "events").await;
    append(&world, &table, &many(2_500)).await;
    append(&world, &table, &many(1_200)).await;
    let first = plan(&world.engineer, &table, json!({})).await.expect(200).json();
    let mut told = names(&first);
    let mut left: Vec<String> = serde_json::from_value(first["plan-tasks"].clone()).unwrap();
    let spare = left[0].clone();
    while let Some(task) = left.pop() {
        let answer = tasks(&world.engineer, &table, &task).await.expect(200).json();
        assert_eq!(answer.get("status"), None);
        told.extend(names(&answer));
        left.extend(
            serde_json::from_value::<Option<Vec<String>>>(answer["plan-tasks"].clone()).unwrap().unwrap_or_default(),
        );
    }
    assert_eq!(told.len(), 3_700);
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 2_500);
    let id = first["plan-id"].as_str().unwrap();
    let path = format!("{table}/plan/{id}");
    for _ in 0..2 {
        drop(world.engineer.delete(&path).await.expect(204));
    }
    assert_eq!(world.engineer.get(&path).await.expect(200).json(), json!({"status": "cancelled"}));
    let gone = tasks(&world.engineer, &table, &spare).await.expect(404);
    assert_eq!(gone.error("type"), "NoSuchPlanTaskException");
}

/// keys for a plan are told to whom the plan is; this warehouse of files has none to tell.
#[tokio::test]
async fn keys_are_asked_for_a_plan() {
    let world = World::make().await;
    let (table, other) = (events(&world, "events").await, events(&world, "others").await);
    append(&world, &table, &few()).await;
    let planned = plan(&world.engineer, &table, json!({})).await.expect(200).json();
    let id = planned["plan-id"].as_str().unwrap();
    let keys = |table: &str, id: &str| format!("{table}/credentials?planId={id}");
    let told = world.engineer.get(&keys(&table, id)).await.expect(200).json();
    assert_eq!(told, json!({"storage-credentials": []}));
    for path in [keys(&table, "made-up"), keys(&table, ""), keys(&other, id)] {
        let answer = world.engineer.get(&path).await;
        assert_eq!((answer.status, answer.error("type").as_str()), (404, "NoSuchPlanIdException"), "{path}");
    }
    drop(world.engineer.delete(&format!("{table}/plan/{id}")).await.expect(204));
    drop(world.engineer.get(&keys(&table, id)).await.expect(404));
}

/// where plans are made, gone on with and given up the specification declares an `Idempotency-Key`: what is no key is
/// refused, and under a key the request is carried out as often as it comes, since it changes nothing.
#[tokio::test]
async fn keys_of_plans_are_read_and_not_kept() {
    let world = World::make().await;
    let table = events(&world, "events").await;
    append(&world, &table, &many(2_100)).await;
    let planned = plan(&world.engineer, &table, json!({})).await.expect(200).json();
    let task = json!({"plan-task": planned["plan-tasks"][0]});
    let id = format!("{table}/plan/{}", planned["plan-id"].as_str().unwrap());
    let send = async |method: Method, path: &str, body: &Value, key: &str| {
        let headers = [("idempotency-key", key), ("content-type", "application/json")];
        let body = (!body.is_null()).then(|| body.to_string().into_bytes());
        world.engineer.send(method, path, &headers, body).await.status
    };
    let (plans, tasks) = (format!("{table}/plan"), format!("{table}/tasks"));
    for (method, path, body, done) in [
        (Method::POST, &plans, &json!({}), 200),
        (Method::POST, &tasks, &task, 200),
        (Method::DELETE, &id, &Value::Null, 204),
    ] {
        for bad in ["", "once", "0198c2f0-0000-7000-8000-00000000000g"] {
            assert_eq!(send(method.clone(), path, body, bad).await, 400, "{method} {path} {bad}");
        }
        let key = "0198c2f0-0000-7000-8000-000000000001";
        for _ in 0..2 {
            assert_eq!(send(method.clone(), path, body, key).await, done, "{method} {path}");
        }
    }
    let other = json!({"select": ["id"]});
    assert_eq!(send(Method::POST, &plans, &other, "0198c2f0-0000-7000-8000-000000000001").await, 200);
}

/// a plan goes on as it began, whatever is committed in between.
#[tokio::test]
async fn a_plan_does_not_see_later_commits() {
    let world = World::make().await;
    let table = events(&world, "events").await;
    append(&world, &table, &many(2_100)).await;
    let filter = json!({"type": "gt-eq", "term": "id", "value": 1_000});
    let first = plan(&world.engineer, &table, json!({"filter": filter})).await.expect(200).json();
    let told = names(&first).len();
    append(&world, &table, &[("later".to_owned(), "eu", 9_000)]).await;
    let again =
        world.engineer.get(&format!("{table}/plan/{}", first["plan-id"].as_str().unwrap())).await.expect(200).json();
    assert_eq!((told, names(&again)), (1_109, names(&first)));
}

/// A-001, R22: ids and tasks are good for the one who got them, on the table that they are of, as what they are; and what is
/// made up, cut or turned looks all the same.
#[tokio::test]
async fn plans_are_bound_to_their_holder_and_table() {
    let world = World::make().await;
    let (table, other) = (events(&world, "events").await, events(&world, "others").await);
    append(&world, &table, &many(2_100)).await;
    append(&world, &other, &many(1)).await;
    let (reader, _) = world.person("reader", "catalog").await;
    world.grant("reader", &["list", "read"], &json!({"warehouse": "lake"})).await;
    let own = plan(&world.engineer, &table, json!({})).await.expect(200).json();
    let (id, task) = (own["plan-id"].as_str().unwrap().to_owned(), own["plan-tasks"][0].as_str().unwrap().to_owned());
    drop(plan(&reader, &table, json!({})).await.expect(200));
    let turned = |text: &str| text.chars().rev().collect::<String>();
    let at = |table: &str, id: &str| format!("{table}/plan/{id}");
    for (who, table, id) in [
        (&reader, &table, id.clone()),
        (&world.engineer, &other, id.clone()),
        (&world.engineer, &table, task.clone()),
        (&world.engineer, &table, turned(&id)),
        (&world.engineer, &table, id[..id.len() - 1].to_owned()),
        (&world.engineer, &table, "1".to_owned()),
    ] {
        for answer in [who.get(&at(table, &id)).await, who.delete(&at(table, &id)).await] {
            assert_eq!((answer.status, answer.error("type").as_str()), (404, "NoSuchPlanIdException"), "{id}");
        }
    }
    for (who, table, task) in [
        (&reader, &table, task.clone()),
        (&world.engineer, &other, task.clone()),
        (&world.engineer, &table, id.clone()),
        (&world.engineer, &table, turned(&task)),
        (&world.engineer, &table, String::new()),
    ] {
        let answer = tasks(who, table, &task).await;
        assert_eq!((answer.status, answer.error("type").as_str()), (404, "NoSuchPlanTaskException"), "{task}");
    }
    drop(world.stranger.get(&at(&table, &id)).await.expect(404));
    drop(tasks(&world.engineer, &table, &task).await.expect(200));
    drop(world.engineer.get(&at(&table, &id)).await.expect(200));
}

/// whoever is restricted, since before the plan or since after it, gets nothing more of it.
#[tokio::test]
async fn a_restriction_ends_a_plan() {
    let world = World::make().await;
    let table = events(&world, "events").await;
    append(&world, &table, &many(2_100)).await;
    let (reader, _) = world.person("reader", "catalog").await;
    world.grant("reader", &["list", "read"], &json!({"warehouse": "lake"})).await;
    let own = plan(&reader, &table, json!({})).await.expect(200).json();
    let policy = json!({
        "name": "no-phones", "table": {"warehouse": "lake", "namespace": ["pub"], "name": "events"}, "applies_to": ["reader"],
        "hide_column": "phone",
    });
    drop(world.admin.post("/api/v1/admin/policies", &policy).await.expect(201));
    // Made while the namespace held a restriction, it is out of sight for whoever is restricted there.
    drop(tasks(&reader, &table, own["plan-tasks"][0].as_str().unwrap()).await.expect(404));
    let release = json!({"warehouse": "lake", "namespace": ["pub"], "table": "events"});
    drop(world.admin.post("/api/v1/admin/tables/release", &release).await.expect(200));
    let id = format!("{table}/plan/{}", own["plan-id"].as_str().unwrap());
    let refused = [
        plan(&reader, &table, json!({})).await,
        plan(&reader, &table, json!({"filter": "nonsense"})).await,
        reader.get(&id).await,
        reader.delete(&id).await,
        tasks(&reader, &table, own["plan-tasks"][0].as_str().unwrap()).await,
    ];
    for answer in refused {
        let answer = answer.expect(403);
        assert_eq!(answer.error("type"), "ForbiddenException");
        assert!(
            answer.error("message").contains("/api/v1/query") && !answer.text().contains("phone"),
            "{}",
            answer.text()
        );
    }
}

/// R4, R10, R24: a manifest that names a file elsewhere ends the plan; neither path is told.
#[tokio::test]
async fn a_manifest_cannot_point_elsewhere() {
    let world = World::make().await;
    let table = events(&world, "events").await;
    let cities = world.engineer.get(&format!("{TABLES}/{OPEN}")).await.expect(200).json();
    let foreign = cities["metadata"]["location"].as_str().unwrap().to_owned();
    append_at(&world, &table, |_, name: &&str| file(&foreign, name, "eu", 0), &["stolen"]).await;
    let answer = plan(&world.engineer, &table, json!({})).await.expect(500);
    assert!(!answer.text().contains("stolen") && !answer.text().contains(&foreign), "{}", answer.text());
}

/// plans are counted as loads are, and their denials.
#[tokio::test]
async fn plans_leave_records() {
    let world = World::make().await;
    let table = events(&world, "events").await;
    drop(plan(&world.engineer, &table, json!({})).await.expect(200));
    drop(plan(&world.nobody, &table, json!({})).await.expect(404));
    let records: Vec<Value> =
        world.audit().await.into_iter().filter(|record| record["action"] == "plan_table").collect();
    let of = |who: &str, decision: &str| {
        records.iter().any(|record| record["principal"] == who && record["decision"] == decision)
    };
    assert!(of("engineer", "allow") && of("nobody", "deny"), "{records:?}");
}

/// A long filter travels in the tasks, not in the id, which is part of a path: the plan can be asked for again all the same,
/// without a residual, so that clients apply their own filter.
#[tokio::test]
async fn a_plan_with_a_long_filter_has_a_short_id() {
    let world = World::make().await;
    let table = events(&world, "events").await;
    append(&world, &table, &few()).await;
    let mut seed = 7_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{seed:016x}")
    };
    let mut values: Vec<String> = (0..5_000).map(|_| random()).collect();
    values.push("eu".to_owned());
    let filter = json!({"type": "in", "term": "region", "values": values});
    let own = plan(&world.engineer, &table, json!({"filter": filter})).await.expect(200).json();
    assert_eq!(names(&own), ["a"]);
    let id = own["plan-id"].as_str().unwrap();
    assert!(id.len() <= 4_096, "{}", id.len());
    let again = world.engineer.get(&format!("{table}/plan/{id}")).await.expect(200).json();
    assert_eq!(names(&again), ["a", "b"]);
    assert_eq!(again["file-scan-tasks"][0].get("residual-filter"), None);
}

/// Many plans at once are all answered, or told to come again; the others' doors stay open.
#[tokio::test]
async fn many_plans_at_once_are_bounded() {
    let world = Arc::new(World::make().await);
    let table = events(&world, "events").await;
    append(&world, &table, &many(500)).await;
    let plans = (0..60).map(|_| plan(&world.engineer, &table, json!({})));
    let (answers, load) = tokio::join!(futures::future::join_all(plans), world.engineer.get(&table));
    drop(load.expect(200));
    for answer in answers {
        match answer.status {
            200 => assert_eq!(names(&answer.json()).len(), 500),
            503 => assert!(answer.header("retry-after").is_some()),
            other => panic!("{other}: {}", answer.text()),
        }
    }
    drop(plan(&world.engineer, &table, json!({})).await.expect(200));
}
