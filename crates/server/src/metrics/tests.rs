#![allow(clippy::disallowed_methods, reason = "tests")]

use std::collections::BTreeSet;

use super::*;

fn series(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// A-037: methods that nobody knows are one label.
#[test]
fn unknown_methods_are_one() {
    for (method, label) in
        [("GET", "GET"), ("get", "OTHER"), ("TRACE", "OTHER"), ("X-ACME", "OTHER"), ("PATCH", "PATCH")]
    {
        assert_eq!(MethodLabel::of(&Method::from_bytes(method.as_bytes()).unwrap()).as_str(), label);
    }
}

/// A-038: buckets are explicit, cumulative, and hold every observation; sums are exact.
#[test]
fn durations_fall_into_explicit_buckets() {
    let metrics = Metrics::default();
    let route = metrics.route(&Method::GET, "/a/{b}", &op::LOAD_TABLE);
    for _ in 0..3 {
        metrics.begin(&route, &Arrival::now()).end(StatusCode::OK);
    }
    drop(metrics.begin(&route, &Arrival::now()));
    let text = metrics.render(Figures::default());
    let line =
        |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text}"));
    assert!(line("polder_http_requests_total{method=\"GET\",route=\"/a/{b}\",status=\"2xx\"}").ends_with(" 3"));
    assert!(line("polder_http_requests_total{method=\"GET\",route=\"/a/{b}\",status=\"client_gone\"}").ends_with(" 1"));
    assert!(
        line("polder_http_request_duration_seconds_bucket{method=\"GET\",route=\"/a/{b}\",le=\"60\"}").ends_with(" 4")
    );
    assert!(
        line("polder_http_request_duration_seconds_bucket{method=\"GET\",route=\"/a/{b}\",le=\"+Inf\"}")
            .ends_with(" 4")
    );
    assert!(line("polder_http_request_duration_seconds_count").ends_with(" 4"));
    assert!(line("polder_http_requests_in_flight").ends_with(" 0"));
    let buckets = text.lines().filter(|line| line.contains("_bucket{"));
    assert_eq!(buckets.count(), BUCKETS_US.len() + 1);
}

/// A-036, A-037: every label is one of a closed set of names, whatever happens.
#[test]
fn labels_are_a_closed_set() {
    let metrics = Metrics::default();
    let route = metrics.route(&Method::POST, "/api/v1/query", &op::QUERY);
    for status in [200, 400, 403, 404, 409, 500, 503, 504] {
        metrics.begin(&route, &Arrival::now()).end(StatusCode::from_u16(status).unwrap());
    }
    for outcome in AuthOutcome::ALL {
        metrics.authenticated(*outcome);
    }
    // What a client calls its counts makes no series.
    let before = series(&metrics.render(Figures::default()));
    let report = r#"{"report-type": "commit-report", "table-name": "secret.table", "snapshot-id": 1, "sequence-number": 1,
        "operation": "x", "metrics": {"chosen-by-a-client": {"unit": "count", "value": 7},
        "added-data-files": {"unit": "count", "value": 9223372036854775807}}}"#;
    for _ in 0..3 {
        metrics.reports().add(&serde_json::from_str(report).unwrap());
    }
    let text = metrics.render(Figures::default());
    assert_eq!(series(&text), before);
    assert!(!text.contains("chosen-by-a-client") && !text.contains("secret"), "{text}");
    // A sum that cannot grow stays where it is.
    let most = format!("polder_reported_total{{report=\"commit\",metric=\"added-data-files\"}} {}", u64::MAX);
    assert!(text.contains(&most), "{text}");
    for name in series(&text) {
        let Some((_, labels)) = name.split_once('{') else { continue };
        for label in labels.trim_end_matches('}').split(",").map(|label| label.split_once('=').unwrap().0) {
            assert!(
                ["method", "route", "status", "le", "outcome", "version", "report", "metric"].contains(&label),
                "{name}"
            );
        }
    }
    assert!(text.contains("polder_queries_total{outcome=\"denied\"} 2"), "{text}");
    assert!(text.contains("polder_queries_total{outcome=\"deadline\"} 1"), "{text}");
}

/// The answer to a commit is its outcome (F3), and the metric says the same.
#[test]
fn outcomes_of_commits_follow_their_answers() {
    for (status, outcome) in [
        (200, CommitOutcome::Committed),
        (204, CommitOutcome::Committed),
        (400, CommitOutcome::Refused),
        (404, CommitOutcome::Refused),
        (409, CommitOutcome::Conflict),
        (500, CommitOutcome::Unknown),
        (503, CommitOutcome::NotDone),
        (504, CommitOutcome::Unknown),
    ] {
        assert_eq!(CommitOutcome::of(StatusCode::from_u16(status).unwrap()), outcome, "{status}");
    }
}
