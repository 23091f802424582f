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
