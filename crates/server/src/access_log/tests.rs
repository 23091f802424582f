use axum::body::Body;

use super::*;

fn written(path: &Path) -> Vec<serde_json::Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// S-060: a line a request, complete after close; a request whose client went away has its line too.
#[test]
fn every_request_has_its_line() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("access.log");
    let log = AccessLog::open(&Target::File(path.clone())).unwrap();
    let arrival = Arrival::now();
    for _ in 0..100 {
        Line::begin(&log, "load_table", &arrival).end(&Response::new(Body::from("four")));
    }
    drop(Line::begin(&log, "query", &arrival));
    log.close();
    log.close();
    let lines = written(&path);
    assert_eq!(lines.len(), 101);
    assert_eq!(lines[0]["operation"], "load_table");
    assert_eq!(lines[0]["status"], 200);
    assert_eq!(lines[0]["answer_bytes"], 4);
    assert_eq!(lines[0]["request_id"], arrival.request_id.to_string());
    assert_eq!(lines[100]["status"], STATUS_CLIENT_GONE);
}

/// Nobody waits for a log that is closed.
#[test]
fn lines_after_close_are_dropped() {
    let directory = tempfile::TempDir::new().unwrap();
    let log = AccessLog::open(&Target::File(directory.path().join("access.log"))).unwrap();
    log.close();
    let arrival = Arrival::now();
    for _ in 0..QUEUE_LINES + 10 {
        drop(Line::begin(&log, "load_table", &arrival));
    }
    assert!(log.dropped.load(Ordering::Relaxed) > 0);
}

/// A sink that cannot be opened stops the start.
#[test]
fn a_file_that_cannot_be_opened_is_an_error() {
    assert!(AccessLog::open(&Target::File("/nowhere/at/all.log".into())).is_err());
}
