//! The rewriting keeps SQL's three-valued logic.

use datafusion::physical_plan::displayable;

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

/// R34: what is taken to be safe is: no value that a column can hold makes it fail.
#[tokio::test]
async fn safe_functions_fail_on_no_value() {
    let bench = Bench::new();
    let calls = [
        "ascii(t)",
        "character_length(t)",
        "octet_length(t)",
        "md5(t)",
        "sha256(t)",
        "strpos(t, 'a')",
        "strpos('a', t)",
        "contains(t, t)",
        "starts_with(t, 'a')",
        "ends_with(t, t)",
        "coalesce(t, 'x')",
        "nullif(t, t)",
        "nvl(n, 1)",
        "greatest(n, 1)",
        "least(n, n)",
        "array_length([n])",
        "cardinality([n, n])",
        "get_field(named_struct('a', n), 'a')",
        "date_part('year', d)",
        "date_part('week', d)",
        "date_part('dow', d)",
        "date_part('epoch', d)",
        "date_part('year', ts)",
        "date_part('doy', ts)",
        "date_part('hour', ts)",
        "date_part('epoch', ts)",
        "n + n",
        "n - 1",
        "n * n",
        "CAST(n AS varchar)",
        "CAST(n AS double)",
        "d > DATE '2020-01-01'",
        "t LIKE '%a_'",
    ];
    for call in calls {
        let answer = bench.rows(&format!("SELECT {call} FROM pub.edge")).await;
        assert_eq!(answer.map(|rows| rows.count).map_err(|error| format!("{error:?}")), Ok(4), "{call}");
    }
    for name in super::SAFE_FUNCTIONS {
        assert!(calls.iter().any(|call| call.starts_with(&format!("{name}("))), "{name} is not tried");
    }
}

/// R34: what the scan may leave out by a hint reaches nothing that can fail, though the engine computes what is common to two
/// conditions below both. The scan of this bench leaves nothing out.
#[tokio::test]
async fn hints_of_a_scan_are_decided_before_anything_else() {
    let bench = Bench::new();
    for condition in [
        "1/(salary-100) BETWEEN 0 AND 5 AND salary > 9000",
        "1/(salary-100) IN (0, 1) AND salary > 9000",
        "1/(salary-100) >= 0 AND 1/(salary-100) < 5 AND salary > 9000",
        "coalesce(1/(salary-100), 0) BETWEEN 0 AND 5 AND region > 'ut'",
        "1/(salary-100) BETWEEN 0 AND 5 AND id IN (SELECT k FROM pub.dim) AND salary > 9000",
        "substr(name, 1, salary-200) = 'x' AND salary > 9000",
    ] {
        let answer = bench.rows(&format!("SELECT id FROM pub.emp WHERE {condition}")).await;
        assert_eq!(answer.map(|rows| rows.count).map_err(|error| format!("{error:?}")), Ok(0), "{condition}");
        let twice =
            format!("SELECT 1/(salary-100), 1/(salary-100) + 1 FROM pub.emp WHERE salary > 9000 AND {condition}");
        assert_eq!(bench.rows(&twice).await.map(|rows| rows.count).map_err(|error| format!("{error:?}")), Ok(0));
    }
    // One filter where one is enough.
    let (planned, _) = bench.planned("SELECT id FROM pub.emp WHERE salary > 9000 AND length(name) > 2").await.unwrap();
    let text = displayable(planned.verified.plan().as_ref()).indent(false).to_string();
    assert_eq!(text.matches("FilterExec").count(), 1, "{text}");
}
