//! What nobody waits for stops, whatever it is at.
#![allow(clippy::disallowed_methods, reason = "tests start clocks of their own")]

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    bench::Bench,
    run::{Caps, Pool},
};

/// S-038, S-070: attacks 63 and 115: work that would go on for minutes without a row gives its slot back soon after its
/// deadline.
#[tokio::test]
async fn silent_work_stops_at_the_deadline() {
    let many = (0..16).map(|i| format!("pub.emp t{i}")).collect::<Vec<_>>().join(", ");
    let series = |name: &str| format!("(SELECT x FROM unnest(range(15000)) s(x)) {name}");
    let few = |name: &str| format!("(SELECT x FROM unnest(range(700)) s(x)) {name}");
    let same = |name: &str| format!("(SELECT a.x * 0 AS k FROM {}, {}) {name}", series("a"), "unnest(range(20)) u(y)");
    for sql in [
        // Makes rows out of a few for as long as it is asked.
        format!("SELECT count(*) FROM {many}"),
        format!("SELECT id FROM pub.emp WHERE CASE WHEN salary = 1 THEN (SELECT count(*) FROM {many}) ELSE 0 END > 0"),
        // No pair meets the condition. Few rows, so that the pairs which the join keeps stay below the memory's limit.
        format!("SELECT count(*) FROM {}, {}, {} WHERE a.x + b.x + c.x < 0", few("a"), few("b"), few("c")),
        format!("SELECT count(*) FROM {} JOIN {} ON a.k = b.k AND a.k + b.k > 5", same("a"), same("b")),
        // Every pair does, and says nothing.
        format!("SELECT count(*) FROM {} WHERE EXISTS (SELECT 1 FROM {} WHERE b.k = a.k)", same("a"), same("b")),
        format!("SELECT count(*) FROM {} WHERE NOT EXISTS (SELECT 1 FROM {} WHERE b.k = a.k)", same("a"), same("b")),
    ] {
        let bench = Bench::new();
        let (planned, _) = bench.planned(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let pool = Pool::new(1, 1).unwrap();
        let tenant = "acme".parse().unwrap();
        let soon = || Instant::now() + Duration::from_secs(20);
        let slot = pool.slot(&tenant, soon()).await.unwrap();
        let caps = Caps { rows_max: 10, bytes_max: 1000 };
        let until = Instant::now() + Duration::from_millis(300);
        let error = pool.run(slot, until, planned.verified, caps).await.unwrap_err();
        assert_eq!(error.code(), "deadline", "{sql}");
        let over = Instant::now();
        assert!(pool.slot(&tenant, soon()).await.is_ok(), "{sql}: still at it 20 s later");
        assert!(over.elapsed() < Duration::from_secs(10), "{sql}: stopped only after {:?}", over.elapsed());
    }
}
