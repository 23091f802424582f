//! `POST …/tables/{table}/metrics`.

use polder_testkit::{OPEN, RESTRICTED, World};
use serde_json::{Value, json};

fn path(table: &str) -> String {
    format!("/iceberg/v1/lake/namespaces/pub/tables/{table}/metrics")
}

fn scan() -> Value {
    json!({
        "report-type": "scan-report", "table-name": "lake.pub.cities", "snapshot-id": 7, "schema-id": 0,
        "filter": {"type": "eq", "term": "phone", "value": "hidden-literal"},
        "projected-field-ids": [1, 2], "projected-field-names": ["id", "region"],
        "metrics": {
            "total-planning-duration": {"count": 1, "time-unit": "nanoseconds", "total-duration": 2_644_235},
            "result-data-files": {"unit": "count", "value": 3},
            "total-file-size-in-bytes": {"unit": "bytes", "value": 10},
            "of-a-later-release": {"unit": "count", "value": 1},
        },
        "metadata": {"engine-name": "spark"},
    })
}

fn commit() -> Value {
    json!({
        "report-type": "commit-report", "table-name": "lake.pub.cities", "snapshot-id": 7, "sequence-number": 2,
        "operation": "append", "metrics": {"added-data-files": {"unit": "count", "value": 5}},
    })
}

/// reports are taken, summed under closed names, and shown to who runs the server; nothing of their filters is kept.
#[tokio::test]
async fn reports_are_summed() {
    let world = World::make().await;
    for report in [scan(), scan(), commit()] {
        drop(world.engineer.post(&path(OPEN), &report).await.expect(204));
    }
    let shown = world.server.anonymous().get("/metrics").await.expect(200).text();
    for line in [
        "polder_reports_total{report=\"scan\"} 2",
        "polder_reports_total{report=\"commit\"} 1",
        "polder_reported_total{report=\"scan\",metric=\"result-data-files\"} 6",
        "polder_reported_total{report=\"scan\",metric=\"total-planning-duration\"} 5288470",
        "polder_reported_total{report=\"commit\",metric=\"added-data-files\"} 5",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}");
    }
    let trail = Value::from(world.audit().await).to_string();
    for text in ["hidden-literal", "of-a-later-release"] {
        assert!(!shown.contains(text) && !trail.contains(text), "{text}");
    }
    let records = world.audit().await;
    let reported: Vec<&Value> = records.iter().filter(|record| record["action"] == "report_metrics").collect();
    assert_eq!(reported.iter().map(|record| record["count"].as_u64().unwrap()).sum::<u64>(), 3);
}

/// reports are kept, and shown to who reads the trail: counts under closed names, with who sent them.
#[tokio::test]
async fn reports_are_listed() {
    let world = World::make().await;
    for report in [scan(), commit()] {
        drop(world.engineer.post(&path(OPEN), &report).await.expect(204));
    }
    let shown = world.admin.get("/api/v1/admin/reports").await.expect(200);
    assert!(!shown.text().contains("hidden-literal") && !shown.text().contains("later-release"), "{}", shown.text());
    let reports = shown.json()["reports"].as_array().unwrap().clone();
    assert_eq!(reports.len(), 2);
    let scan = reports.iter().find(|report| report["kind"] == "scan").unwrap();
    assert_eq!((&scan["table"], &scan["snapshot_id"]), (&json!(format!("lake.pub.{OPEN}")), &json!(7)));
    assert_eq!((&scan["metrics"]["result-data-files"], &scan["reported_by"]), (&json!(3), &json!("engineer")));
    let of = format!("/api/v1/admin/reports?table_id={}", scan["table_id"].as_str().unwrap());
    assert_eq!(world.admin.get(&of).await.expect(200).json()["reports"].as_array().unwrap().len(), 2);
    let none = "/api/v1/admin/reports?table_id=0190a5b2-0000-7000-8000-000000000000";
    assert_eq!(world.admin.get(none).await.expect(200).json()["reports"], json!([]));
    drop(world.admin.get("/api/v1/admin/reports?table_id=x").await.expect(400));
    drop(world.engineer.get("/api/v1/admin/reports").await.expect(403));
    assert_eq!(world.stranger.get("/api/v1/admin/reports").await.json()["reports"].as_array().map_or(0, Vec::len), 0);
}

/// a report is authorized like a load of the table, and refused if it is none.
#[tokio::test]
async fn who_may_not_load_reports_nothing() {
    let world = World::make().await;
    let refused = world.analyst.post(&path(RESTRICTED), &scan()).await.expect(403);
    assert!(refused.error("message").contains("/api/v1/query"), "{}", refused.text());
    drop(world.analyst.post(&path(OPEN), &scan()).await.expect(204));
    for caller in [&world.nobody, &world.stranger] {
        drop(caller.post(&path(OPEN), &scan()).await.expect(404));
    }
    drop(world.engineer.post(&path("absent"), &scan()).await.expect(404));
    let mut bad = vec![json!({}), json!([]), json!({"report-type": "other"})];
    for (member, value) in [
        ("metrics", json!({"result-data-files": {"unit": "count", "value": -1}})),
        ("metrics", json!({"result-data-files": "many"})),
        ("metrics", (0..300).map(|n| (n.to_string(), json!({"unit": "count", "value": 1}))).collect()),
        ("snapshot-id", json!("7")),
        ("report-type", json!("commit-report")),
    ] {
        let mut report = scan();
        report[member] = value;
        bad.push(report);
    }
    let mut lacking = scan();
    lacking.as_object_mut().unwrap().remove("filter");
    bad.push(lacking);
    for report in bad {
        let refused = world.engineer.post(&path(OPEN), &report).await;
        assert_eq!((refused.status, refused.error("type").as_str()), (400, "BadRequestException"), "{report}");
    }
}
