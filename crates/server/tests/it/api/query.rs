//! `/api/v1/query` and `/api/v1/explain`: the door itself; what the gateway answers is tested with the gateway.

use polder_testkit::World;
use serde_json::{Value, json};

const QUERY: &str = "/api/v1/query";
const EXPLAIN: &str = "/api/v1/explain";

/// S-092: every answer carries its sql, columns, rows, metadata, provenance and the policies that applied.
#[tokio::test]
async fn an_answer_carries_everything() {
    let world = World::make().await;
    let sql = "SELECT * FROM pub.people";
    let answer = world.analyst.post(QUERY, &json!({"sql": sql, "max_rows": 5, "warehouse": "lake"})).await.expect(200);
    let body = answer.json();
    let columns: Vec<&str> =
        body["columns"].as_array().unwrap().iter().filter_map(|column| column["name"].as_str()).collect();
    assert_eq!(columns, ["id", "region"], "the hidden column does not exist");
    assert_eq!(body["rows"], json!([]));
    for member in ["engine", "catalog", "routed_reason", "row_count", "bytes_scanned", "query_id"] {
        assert!(body["metadata"].get(member).is_some(), "no metadata.{member} in {body}");
    }
    assert!(body["sql"].is_string());
    assert!(body["provenance"]["tables"].is_array(), "{body}");
    let mut policies: Vec<&str> =
        body["policies_applied"].as_array().unwrap().iter().filter_map(|policy| policy["name"].as_str()).collect();
    policies.sort_unstable();
    assert_eq!(policies, ["no-phone", "own-region"]);
}

/// A query is recorded before its answer leaves, with its principal and its request.
#[tokio::test]
async fn a_query_is_on_record() {
    let world = World::make().await;
    let answer = world.analyst.post(QUERY, &json!({"sql": "SELECT 4711 FROM pub.people"})).await.expect(200);
    let request = answer.header("x-request-id").unwrap();
    let path = format!("/api/v1/admin/audit?request_id={request}");
    let records = world.admin.get(&path).await.expect(200);
    let listed = records.json();
    let record = listed["records"].as_array().unwrap().iter().find(|record| record["action"] == "query");
    let record: &Value = record.expect("a record of the query");
    assert_eq!((&record["principal"], &record["decision"]), (&json!("analyst"), &json!("allow")));
    assert!(!records.text().contains("4711"), "a literal is in the audit: {}", records.text());
}

/// Explaining says the plan in words and runs nothing.
#[tokio::test]
async fn explaining_says_the_plan_in_words() {
    let world = World::make().await;
    let body = world.analyst.post(EXPLAIN, &json!({"sql": "SELECT id FROM pub.people"})).await.expect(200).json();
    let plan = body["plan"].as_array().unwrap();
    assert!(!plan.is_empty() && plan.iter().all(Value::is_string), "{body}");
}

/// S-070: bodies that are not as they should be are 400; errors carry code and request id.
#[tokio::test]
async fn wrong_bodies_are_refused() {
    let world = World::make().await;
    for body in [
        json!({}),
        json!({"sql": 1}),
        json!({"sql": "SELECT 1", "limit": 3}),
        json!({"sql": "SELECT 1", "warehouse": "No!"}),
        json!({"sql": "SELECT 1", "max_rows": -1}),
        json!([]),
    ] {
        for door in [QUERY, EXPLAIN] {
            let refused = world.analyst.post(door, &body).await.expect(400);
            assert!(!refused.error("code").is_empty(), "{}", refused.text());
            assert_eq!(refused.error("request_id"), refused.header("x-request-id").unwrap());
        }
    }
    let refused = world.analyst.post(QUERY, &json!({"sql": "SELEC 1"})).await.expect(400);
    assert!(!refused.error("phase").is_empty(), "{}", refused.text());
}

/// a table of another tenant is a table that does not exist, by whatever name.
#[tokio::test]
async fn foreign_tables_do_not_exist() {
    let world = World::make().await;
    for name in ["pub.people", "lake.pub.people"] {
        let sql = format!("SELECT * FROM {name}");
        let foreign = world.stranger.post(QUERY, &json!({"sql": sql})).await.expect(404);
        let absent = world.stranger.post(QUERY, &json!({"sql": sql.replace("people", "absent")})).await.expect(404);
        assert_eq!(foreign.error("message").replace("people", "absent"), absent.error("message"));
        drop(world.nobody.post(QUERY, &json!({"sql": sql})).await.expect(404));
    }
}

const ARROW: &str = "application/vnd.apache.arrow.stream";

async fn asked_for(world: &World, accept: &str, sql: &str) -> polder_testkit::Answer {
    let body = json!({"sql": sql}).to_string().into_bytes();
    let headers = [("content-type", "application/json"), ("accept", accept)];
    world.analyst.send(reqwest::Method::POST, QUERY, &headers, Some(body)).await
}

/// S-092: asked for an Arrow stream, the same answer comes as one; what JSON says beside the rows is in its schema.
#[tokio::test]
async fn an_arrow_stream_says_what_json_says() {
    let world = World::make().await;
    let sql = "SELECT id, region, 1.5 AS half, 'x' AS text FROM pub.people UNION ALL SELECT 1, NULL, 2.5, ''";
    let json = asked_for(&world, "application/json", sql).await.expect(200);
    let arrow = asked_for(&world, ARROW, sql).await.expect(200);
    assert_eq!((json.header("content-type"), arrow.header("content-type")), (Some("application/json"), Some(ARROW)));
    assert_eq!((arrow.header("polder-row-count"), arrow.header("polder-truncated")), (Some("1"), Some("false")));
    let reader = arrow::ipc::reader::StreamReader::try_new(arrow.body.as_slice(), None).unwrap();
    let schema = reader.schema();
    let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
    let mut head: Value = serde_json::from_str(&schema.metadata()["polder"]).unwrap();
    let mut body = json.json();
    for member in ["query_id", "duration_ms"] {
        assert!(head["metadata"][member] != Value::Null);
        (head["metadata"][member], body["metadata"][member]) = (Value::Null, Value::Null);
    }
    assert_eq!(body["rows"].as_array().map(Vec::len), Some(rows));
    body.as_object_mut().unwrap().remove("rows");
    assert_eq!(head, body);
    assert_eq!(head["policies_applied"].as_array().map(Vec::len), Some(2), "{head}");
    assert_eq!(arrow.header("x-request-id").map(str::len), json.header("x-request-id").map(str::len));
}

/// an Arrow answer is on record like any other, before it leaves.
#[tokio::test]
async fn an_arrow_answer_is_on_record() {
    let world = World::make().await;
    let answer = asked_for(&world, ARROW, "SELECT id FROM pub.people").await.expect(200);
    let request = answer.header("x-request-id").unwrap();
    let records = world.admin.get(&format!("/api/v1/admin/audit?request_id={request}")).await.expect(200).json();
    let found = records["records"].as_array().unwrap().iter().any(|record| record["action"] == "query");
    assert!(found, "{records}");
}

/// The client's weights decide; what takes neither form is 406 and runs nothing; errors are JSON in every case.
#[tokio::test]
async fn the_form_is_negotiated() {
    let world = World::make().await;
    let sql = "SELECT id FROM pub.people";
    for (accept, form) in [
        ("*/*", "application/json"),
        ("application/vnd.apache.arrow.stream;q=0.2, application/json;q=0.8", "application/json"),
        ("application/vnd.apache.arrow.stream, */*;q=0.1", ARROW),
    ] {
        let answer = asked_for(&world, accept, sql).await.expect(200);
        assert_eq!(answer.header("content-type"), Some(form), "{accept}");
    }
    let refused = asked_for(&world, "text/csv", sql).await.expect(406);
    assert_eq!(
        (refused.error("code").as_str(), refused.header("content-type")),
        ("not_acceptable", Some("application/json"))
    );
    let request = refused.header("x-request-id").unwrap();
    let records = world.admin.get(&format!("/api/v1/admin/audit?request_id={request}")).await.expect(200).json();
    assert!(records["records"].as_array().unwrap().iter().all(|record| record["action"] != "query"), "{records}");
    for (sql, status) in [("SELECT nope FROM pub.people", 400), ("SELECT * FROM hr.salaries", 404), ("SELECT 1/0", 400)]
    {
        let failed = asked_for(&world, ARROW, sql).await.expect(status);
        assert_eq!(failed.header("content-type"), Some("application/json"));
        assert!(failed.json()["error"]["code"].is_string());
    }
}
