//! Caps, slots, panics and cancellation.
#![allow(clippy::disallowed_methods, reason = "tests start clocks of their own")]

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::*;
use crate::bench::Bench;

fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// S-070: a panic while planning is an opaque error, and its slot comes back.
#[tokio::test]
async fn a_panic_is_opaque() {
    let pool = Pool::new(1, 1).unwrap();
    for _ in 0..3 {
        let slot = pool.slot(&tenant(), soon()).await.unwrap();
        let error = pool.think(&slot, soon(), || -> Result<(), Error> { panic!("secret value") }).await.unwrap_err();
        assert_eq!((error.code(), error.message()), ("internal", "internal error"));
        assert!(!format!("{error:?}").contains("secret value"));
    }
}

/// S-035: a tenant's slots bound it and nobody else.
#[tokio::test]
async fn slots_are_by_tenant() {
    let pool = Pool::new(1, 1).unwrap();
    let held = pool.slot(&tenant(), soon()).await.unwrap();
    let error = pool.slot(&tenant(), Instant::now()).await.unwrap_err();
    assert_eq!(error.code(), "too_many_queries");
    assert!(pool.slot(&"other".parse().unwrap(), Instant::now()).await.is_ok());
    drop(held);
    assert!(pool.slot(&tenant(), Instant::now()).await.is_ok());
}

/// Attack 18: planning that does not end is left behind at the deadline, with its slot.
#[tokio::test]
async fn planning_past_the_deadline_keeps_its_slot() {
    let pool = Pool::new(1, 1).unwrap();
    let (stop, waiting) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let slot = pool.slot(&tenant(), soon()).await.unwrap();
    let (stopped, waits) = (stop.clone(), waiting.clone());
    let work = move || {
        waits.store(true, Ordering::SeqCst);
        while !stopped.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        Ok(())
    };
    let error = pool.think(&slot, Instant::now() + Duration::from_millis(50), work).await.unwrap_err();
    assert_eq!(error.code(), "deadline");
    drop(slot);
    assert!(!waiting.load(Ordering::SeqCst) || pool.slot(&tenant(), Instant::now()).await.is_err());
    stop.store(true, Ordering::SeqCst);
    assert!(pool.slot(&tenant(), soon()).await.is_ok());
}

/// S-038: a query whose caller went away stops, and gives its slot back.
#[tokio::test]
async fn a_dropped_query_stops() {
    let bench = Bench::new();
    let endless = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r";
    let (planned, _) = bench.planned(endless).await.unwrap();
    let pool = Pool::new(1, 1).unwrap();
    let slot = pool.slot(&tenant(), soon()).await.unwrap();
    let caps = Caps { rows_max: 10, bytes_max: 1000 };
    let running = pool.run(slot, soon(), planned.verified, caps);
    assert!(tokio::time::timeout(Duration::from_millis(100), running).await.is_err());
    assert!(pool.slot(&tenant(), soon()).await.is_ok());
}

/// S-035, S-091: rows are cut at the cap and the answer says so, exactly.
#[tokio::test]
async fn rows_are_cut_at_the_cap() {
    let mut bench = Bench::new();
    bench.rows_max = 4;
    let all = bench.rows("SELECT id FROM pub.emp").await.unwrap();
    assert_eq!((all.count, all.truncated), (4, false));
    bench.rows_max = 3;
    let cut = bench.rows("SELECT id FROM pub.emp LIMIT 999999999").await.unwrap();
    assert_eq!((cut.count, cut.truncated), (3, true));
    bench.rows_max = 0;
    let none = bench.rows("SELECT id FROM pub.emp").await.unwrap();
    assert_eq!((none.count, none.truncated), (0, true));
}

/// Where an answer is cut follows from its values: not from how many batches they came in, nor from what lies beside them in
/// memory.
#[test]
fn rows_are_cut_by_their_values() {
    use datafusion::arrow::array::{ArrayRef, StringArray};
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..1000).map(|row| "x".repeat(row % 50))));
    let whole = RecordBatch::try_from_iter([("a", texts)]).unwrap();
    for bytes_max in [0, 1, 48, 1000, 24_499, 24_500, 1 << 20] {
        let counts = [1000, 333, 7, 1].map(|rows| {
            let (mut left, mut count) = (bytes_max, 0);
            for from in (0..1000).step_by(rows) {
                let batch = whole.slice(from, rows.min(1000 - from));
                let fits = fitting(&batch, 990 - count, &mut left);
                count += fits;
                if fits < batch.num_rows() {
                    break;
                }
            }
            count
        });
        assert!(counts.iter().all(|count| *count == counts[0]), "{bytes_max}: {counts:?}");
    }
    let cut = copied(&whole.slice(10, 1));
    assert!(cut.get_array_memory_size() < 1000, "{}", cut.get_array_memory_size());
}

/// Attacks 115, 119: memory that the engine does not account for ends at the limit too.
#[tokio::test]
async fn memory_ends_at_its_limit() {
    let mut bench = Bench::new();
    bench.memory_bytes = 8 << 20;
    // The machine may have other tests to run.
    bench.patience = Duration::from_secs(120);
    let many = (0..10).map(|i| format!("pub.emp t{i}")).collect::<Vec<_>>().join(", ");
    for sql in [
        format!("SELECT count(*) OVER () FROM {many}"),
        format!(
            "SELECT count(DISTINCT concat({})) FROM {many}",
            (0..10).map(|i| format!("t{i}.id")).collect::<Vec<_>>().join(", ")
        ),
        "SELECT array_agg(repeat('x', 100000)) FROM unnest(range(15000))".to_owned(),
        "SELECT string_agg(repeat('x', 100000), '') FROM unnest(range(15000))".to_owned(),
    ] {
        assert_eq!(bench.rows(&sql).await.unwrap_err().code(), "memory", "{sql}");
    }
}
