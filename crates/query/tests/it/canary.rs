//! R39: a search over the raw bytes of answers and errors finds nothing that a caller may not see.

use crate::world::{World, hidden, holds, request, told, visible};

/// R24, R34, R39: neither answers, explanations nor errors hold a hidden byte; the open parts are there.
#[tokio::test(flavor = "multi_thread")]
async fn no_canary_is_in_any_answer_or_error() {
    let mut rows = visible("CANARY");
    rows.extend(hidden("CANARY", 10..60));
    rows.sort_by_key(|row| row.id % 7);
    let world = World::restricted(&rows.chunks(11).map(<[_]>::to_vec).collect()).await;
    let directory = world.directory.path().display().to_string();
    let mut seen = String::new();
    for sql in [
        "SELECT * FROM pub.emp",
        "SELECT * FROM pub.emp ORDER BY id LIMIT 2",
        "SELECT name, email, ssn, info, tags, doc FROM pub.emp WHERE id <> 3",
        "SELECT array_agg(ssn), array_agg(info), string_agg(email, ';'), max(doc) FROM pub.emp",
        "SELECT DISTINCT region, dept, city FROM (SELECT region, dept, info.city AS city FROM pub.emp) t",
        "SELECT min(name), max(name), first_value(name ORDER BY id DESC) FROM pub.emp",
        "SELECT a.name, b.email FROM pub.emp a FULL JOIN pub.emp b ON a.mgr = b.id",
        "SELECT lag(ssn) OVER (ORDER BY id), name FROM pub.emp",
        "SELECT CAST(doc AS int) FROM pub.emp",
        "SELECT CAST(name AS date) FROM pub.emp",
        "SELECT to_timestamp(email) FROM pub.emp",
        "SELECT regexp_like(name, '(' || dept) FROM pub.emp",
        "SELECT 1/(salary - 100) FROM pub.emp",
        "SELECT id FROM pub.emp WHERE nope = 1",
        "SELECT secret FROM pub.emp",
        "EXPLAIN SELECT * FROM pub.emp WHERE ssn = 'x'",
        "DESCRIBE pub.emp",
        "SELECT * FROM information_schema.columns",
        "SELECT * FROM hr.salaries",
    ] {
        let ctx = world.ctx(&world.analyst).await;
        let bytes = match world.gateway.query(&ctx, request(sql)).await {
            Ok(answer) => serde_json::to_vec(&answer).unwrap(),
            Err(error) => told(&error).into_bytes(),
        };
        let text = String::from_utf8(bytes).unwrap();
        for canary in ["CANARY", "666-66", "secret-", "token-", &directory, ".parquet", "/data/"] {
            assert!(!text.contains(canary), "{canary} in the answer to {sql}: {text}");
        }
        for number in ["50501", "424242"] {
            assert!(!holds(&text, number), "{number} in the answer to {sql}: {text}");
        }
        seen += &text;
    }
    assert!(seen.contains("ann@us.example") && seen.contains("***") && seen.contains("boston"));
}
