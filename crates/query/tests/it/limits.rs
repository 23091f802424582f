//! Caps and the deadline, through the whole gateway; attacks 18, 113, 115, 117, 119.

use polder_query::QueryRequest;

use crate::world::{World, request, visible};

/// S-035, S-070: whatever runs too long, too wide or too deep ends with a plain error, and the next query is answered.
#[tokio::test(flavor = "multi_thread")]
async fn expensive_queries_end_and_others_go_on() {
    let world = World::restricted(&vec![visible("CANARY")]).await;
    let cross = (0..20).map(|i| format!("pub.emp t{i}")).collect::<Vec<_>>().join(", ");
    for (sql, codes) in [
        (
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r".to_owned(),
            &["deadline"][..],
        ),
        (format!("SELECT count(*) FROM {cross}"), &["deadline"]),
        (format!("SELECT count(*) OVER () FROM {cross}"), &["deadline", "memory"]),
        (format!("SELECT DISTINCT * FROM {cross}"), &["deadline", "memory", "ambiguous_column"]),
        ("SELECT repeat('x', 2147483647)".to_owned(), &["limit_exceeded"]),
        (format!("SELECT {}1{}", "(".repeat(1 << 19), ")".repeat(1 << 19)), &["limit_exceeded"]),
        (format!("SELECT 1 WHERE {}", vec!["1 = 1"; 50_000].join(" OR ")), &["limit_exceeded"]),
        (
            format!("SELECT {}", vec!["rank() OVER (ORDER BY salary)"; 300].join(", ")) + " FROM pub.emp",
            &["deadline", "ambiguous_column", "invalid_query", "limit_exceeded"],
        ),
    ] {
        let asked = QueryRequest { timeout_ms: Some(1500), ..request(&sql) };
        let ctx = world.ctx(&world.analyst).await;
        let error = world.gateway.query(&ctx, asked).await.map(|answer| answer.head.metadata).unwrap_err();
        let head: String = sql.chars().take(60).collect();
        assert!(codes.contains(&error.code()), "{head}: {error:?}");
        assert_eq!(world.ask("SELECT count(*) FROM pub.dim").await.unwrap()["rows"][0][0], 3, "after {head}");
    }
    let rows =
        world.ask("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT n FROM r").await.unwrap();
    assert_eq!((&rows["metadata"]["row_count"], &rows["metadata"]["truncated"]), (&1000.into(), &true.into()));
}
