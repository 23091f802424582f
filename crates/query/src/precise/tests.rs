//! The rewriting keeps SQL's three-valued logic.

use crate::bench::Bench;

/// R34: what can fail goes behind a CASE, and the answer stays what it was.
#[tokio::test]
async fn rewritten_conditions_mean_the_same() {
    let bench = Bench::new();
    // `1/x` can fail, so every right side is rewritten; here nothing does, and all nine combinations occur.
    let values = "(VALUES (true, 1), (true, -1), (true, NULL), (false, 1), (false, -1), (false, NULL), (NULL, 1), (NULL, -1), (NULL, NULL)) v(a, x)";
    let rows = bench.rows(&format!("SELECT a AND 1/x > 0, a OR 1/x > 0 FROM {values}")).await.unwrap();
    let text = crate::json::rows(&rows.batches, 10_000).unwrap().text;
    let expected = "[[true,true],[false,true],[null,true],[false,true],[false,false],[false,null],[null,true],[false,null],[null,null]]";
    assert_eq!(text, expected);
    for (condition, count) in [
        ("a AND 1/x > 0", 1),
        ("1/x > 0 AND a", 1),
        ("a OR 1/x > 0", 5),
        ("NOT (a AND 1/x > 0)", 5),
        ("NOT (a OR 1/x > 0)", 1),
        ("x IN (1, 1/x)", 6),
        ("x NOT IN (5, 1/x)", 0),
        ("a IS NULL AND 1/x > 0 AND 1/x < 5", 1),
    ] {
        let rows = bench.rows(&format!("SELECT * FROM {values} WHERE {condition}")).await.unwrap();
        assert_eq!(rows.count, count, "{condition}");
    }
}
