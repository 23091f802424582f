#![allow(clippy::disallowed_methods, reason = "tests")]

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
    drop(Line::begin(&log, "load_table", &arrival));
    assert_eq!(log.dropped.load(Ordering::Relaxed), 1);
}

/// A sink that stands still costs memory up to a bound and then lines, never a request.
#[test]
fn a_sink_that_stands_still_costs_lines_only() {
    struct Stuck(std::sync::mpsc::Receiver<()>);
    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (release, stuck) = std::sync::mpsc::channel();
    let log = AccessLog::over(Box::new(Stuck(stuck))).unwrap();
    let arrival = Arrival::now();
    for _ in 0..100_000 {
        drop(Line::begin(&log, "load_table", &arrival));
    }
    assert!(log.dropped.load(Ordering::Relaxed) > 0);
    assert!(log.shared.waiting().lines.len() <= WAITING_BYTES_MAX);
    drop(release);
    log.close();
}

/// Lines are there soon, also while the server runs on.
#[test]
fn lines_are_written_without_a_close() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("access.log");
    let log = AccessLog::open(&Target::File(path.clone())).unwrap();
    drop(Line::begin(&log, "load_table", &Arrival::now()));
    let begun = std::time::Instant::now();
    while written(&path).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(30), "no line");
        std::thread::yield_now();
    }
}

/// A sink that cannot be opened stops the start.
#[test]
fn a_file_that_cannot_be_opened_is_an_error() {
    assert!(AccessLog::open(&Target::File("/nowhere/at/all.log".into())).is_err());
}
