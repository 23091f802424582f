//! The allow-list is real, and what is on it is bounded; attacks 45, 63, 119.

use super::*;
use crate::bench::Bench;

/// Every name on the list exists in this engine, or is a form of its planner.
#[test]
fn the_list_names_only_what_exists() {
    for name in SCALAR.iter().filter(|name| **name != "unnest") {
        assert!(FUNCTIONS.scalar.contains_key(*name), "{name}");
    }
    for name in ROWS {
        assert!(FUNCTIONS.aggregate.contains_key(*name) || FUNCTIONS.window.contains_key(*name), "{name}");
    }
}

/// R37: nothing that discloses or reads is registered, under any name.
#[test]
fn disclosing_functions_are_not_registered() {
    let names = FUNCTIONS.scalar.keys().chain(FUNCTIONS.aggregate.keys()).chain(FUNCTIONS.window.keys());
    for name in names {
        assert!(!name.starts_with("arrow_") && !name.contains("version") && !name.contains("file"), "{name}");
    }
    assert!(!FUNCTIONS.scalar.contains_key("random") && !FUNCTIONS.scalar.contains_key("uuid"));
}

/// Attacks 63, 119: functions that take a length are refused before they allocate.
#[tokio::test]
async fn long_values_are_refused() {
    let bench = Bench::new();
    for sql in [
        "SELECT repeat('x', 2147483647)",
        "SELECT lpad('x', 2147483647), rpad('x', 2147483647, 'ab')",
        "SELECT repeat(repeat('x', 1000), 1000)",
        "SELECT range(0, 2000000000)",
        "SELECT generate_series(-9223372036854775807, 9223372036854775807)",
        "SELECT range(TIMESTAMP '2000-01-01', TIMESTAMP '2100-01-01', INTERVAL '1' SECOND)",
        "SELECT array_repeat(1, 2000000000)",
        "SELECT array_resize([1], 2000000000, 0)",
        "SELECT replace(repeat('a', 100000), 'a', repeat('b', 100000))",
        "SELECT regexp_replace(repeat('a', 100000), 'a', repeat('b', 1000), 'g')",
        "SELECT array_to_string(range(10000), repeat('y', 10000))",
        "SELECT concat(repeat('x', 100000), repeat('x', 100000))",
        "SELECT repeat('x', 100000) || repeat('y', 100000) || 'z'",
        "SELECT make_array(repeat('x', 100000), repeat('x', 100000))",
        "SELECT regexp_like('a', repeat('a', 1001))",
        "SELECT length(repeat(name, 1000000)) FROM pub.emp",
        "SELECT regexp_like(name, '((a{100}){100}){100}') FROM pub.emp",
        "SELECT id FROM pub.emp WHERE name ~ '(a{1,100}){1,100}'",
        "SELECT id FROM pub.emp WHERE name !~* '(a{1,100}){1,100}'",
        "SELECT id FROM pub.emp WHERE name SIMILAR TO '(a{1,100}){1,100}'",
        "SELECT id FROM pub.emp WHERE name LIKE repeat('%a_', 400)",
        "SELECT levenshtein(repeat(name, 20000), repeat('b', 100000)) FROM pub.emp",
        "SELECT rtrim(repeat(name, 20000), repeat('b', 100000)) FROM pub.emp",
        "SELECT array_has_all(range(16000), range(16000)), to_char(TIMESTAMP '2024-01-01', repeat('%c', 60000))",
        "SELECT repeat('x', 100000) AS s, unnest(range(0, 16000)) AS n",
        "SELECT name || repeat(name, 100000) FROM pub.emp",
        "SELECT CASE WHEN id = 1 THEN repeat('x', 2147483647) END FROM pub.emp",
    ] {
        let error = bench.rows(sql).await.unwrap_err();
        assert_eq!(error.code(), "limit_exceeded", "{sql}: {error}");
    }
    for sql in [
        "SELECT repeat('x', 100)",
        "SELECT lpad(name, 10) FROM pub.emp",
        "SELECT range(100)",
        "SELECT name || ssn FROM pub.emp",
        "SELECT name ~ '^[a-z]+@\\w+\\.(com|org)$' FROM pub.emp",
        "SELECT count(*) FROM (SELECT repeat('x', 1000) AS s, unnest(range(0, 16000)) AS n) t",
    ] {
        assert!(bench.rows(sql).await.is_ok(), "{sql}");
    }
}

/// R34: whether a query fails tells nothing about how many visible rows lie together: each row is bounded for itself, and a
/// batch of many is done bit by bit.
#[tokio::test]
async fn limits_are_by_row_and_not_by_batch() {
    let mut bench = Bench::new();
    bench.patience = std::time::Duration::from_secs(120);
    let many = |rows: usize| format!("(SELECT unnest(range(0, {rows})) AS id) t");
    for (call, rows) in [
        // The pairs of 22 rows were as many as a batch could have.
        ("length(array_has_all(range(id, id+556), range(0, 556))::varchar)", 60),
        ("length(repeat('x', 100000 + id))", 2000),
        ("length(lpad('x', 25000 + id))", 4000),
        ("length(replace(repeat('a', 300 + id), 'a', 'bbbbbbbbbb'))", 4000),
        ("length(repeat('x', 60000 + id) || repeat('y', 60000 + id))", 1000),
        ("length(upper(repeat('x', 60000 + id)))", 2000),
        ("array_length(range(0, 10000 + id))", 2000),
    ] {
        let sql = format!("SELECT count({call}), count(*) FROM {} WHERE {call} >= 0", many(rows));
        let answer = bench.rows(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let text = crate::json::rows(&answer.batches, 1000).unwrap().text;
        assert_eq!(text, format!("[[{rows},{rows}]]"), "{sql}");
    }
}

/// A statement that makes long values does so in short batches, and means what it meant.
#[tokio::test]
async fn short_batches_change_no_answer() {
    let mut bench = Bench::new();
    bench.rows_max = 10_000;
    let ids = "(SELECT unnest(range(0, 3000)) AS id) t";
    for (sql, expected) in [
        (format!("SELECT sum(length(repeat('ab', id))) FROM {ids}"), "[[8997000]]"),
        (format!("SELECT count(DISTINCT concat('a', id % 7)) FROM {ids}"), "[[7]]"),
        (
            format!("SELECT n, count(*) FROM (SELECT id % 3 || 'x' AS n FROM {ids}) u GROUP BY n ORDER BY n"),
            "[[\"0x\",1000],[\"1x\",1000],[\"2x\",1000]]",
        ),
        (
            format!(
                "SELECT max(s) FROM (SELECT lpad(id::varchar, 5, '0') AS s, count(*) OVER () AS c FROM {ids}) u WHERE c = 3000"
            ),
            "[[\"02999\"]]",
        ),
        (
            format!(
                "SELECT count(*) FROM {ids} JOIN (SELECT unnest(range(0, 3000)) AS k) u ON concat('k', id) = concat('k', k) AND length(repeat('x', id)) >= 0"
            ),
            "[[3000]]",
        ),
        (
            format!(
                "SELECT s FROM (SELECT repeat('x', id) AS s, id FROM {ids}) u ORDER BY length(s) DESC, id LIMIT 1 OFFSET 2999"
            ),
            "[[\"\"]]",
        ),
        (
            "SELECT concat(name, region), info['city'] || '!' FROM pub.emp WHERE upper(name) = 'BOB'".to_owned(),
            "[[\"bobus\",\"y!\"]]",
        ),
    ] {
        let answer = bench.rows(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert_eq!(crate::json::rows(&answer.batches, 100_000).unwrap().text, expected, "{sql}");
    }
    let (planned, _) = bench.planned(&format!("SELECT repeat('x', id) FROM {ids}")).await.unwrap();
    assert_eq!(planned.verified.task().session_config().batch_size(), 512);
    let (planned, _) = bench.planned(&format!("SELECT id + 1 FROM {ids}")).await.unwrap();
    assert_eq!(planned.verified.task().session_config().batch_size(), 4096);
}

/// Attack 18: expressions that double at each level are refused before they are put into one another.
#[tokio::test]
async fn doubling_expressions_are_refused() {
    let bench = Bench::new();
    for (column, double) in
        [("salary", "a + a"), ("name", "a || a"), ("name", "concat(a, a)"), ("name", "make_array(a, a)")]
    {
        let nested = (0..25).fold(format!("SELECT {column} AS a FROM pub.emp"), |inner, level| {
            format!("SELECT {double} AS a FROM ({inner}) t{level}")
        });
        let error = bench.rows(&nested).await.unwrap_err();
        assert!(matches!(error.code(), "limit_exceeded" | "type_mismatch"), "{double}: {error}");
    }
}

/// The bound around `||` shows neither in names nor in values.
#[tokio::test]
async fn bounds_are_invisible() {
    let rows = Bench::new().rows("SELECT name || '-' || ssn FROM pub.emp WHERE id = 1").await.unwrap();
    let batch = rows.batches.first().unwrap();
    assert!(!batch.schema().field(0).name().contains("polder"), "{}", batch.schema().field(0).name());
    let (text, _) = (crate::json::rows(&rows.batches, 1000).unwrap().text, ());
    assert_eq!(text, "[[\"ann-***\"]]");
}

/// Patterns mean what they meant, whichever function stands for them, and their columns keep their names.
#[tokio::test]
async fn patterns_mean_what_they_say() {
    let bench = Bench::new();
    let long = "(SELECT name || repeat(' x', 40000) AS name FROM pub.emp)";
    for (sql, expected) in [
        ("SELECT id FROM pub.emp WHERE name ~ '^[ab]' ORDER BY id", "[[1],[2]]"),
        ("SELECT id FROM pub.emp WHERE name !~ '^[ab]' ORDER BY id", "[[3],[4]]"),
        ("SELECT id FROM pub.emp WHERE name ~* '^[AB]' ORDER BY id", "[[1],[2]]"),
        ("SELECT id FROM pub.emp WHERE name !~* '^[AB]' ORDER BY id", "[[3],[4]]"),
        ("SELECT id FROM pub.emp WHERE name LIKE '%_%_%' ORDER BY id", "[[1],[2],[3],[4]]"),
        ("SELECT id FROM pub.emp WHERE name NOT LIKE '%a%_%_' ORDER BY id", "[[2],[3],[4]]"),
        ("SELECT id FROM pub.emp WHERE name ILIKE 'A_N%%%%' ORDER BY id", "[[1]]"),
        ("SELECT id FROM pub.emp WHERE name LIKE substr(name, 1, 2) || '_' ORDER BY id", "[[1],[2],[3],[4]]"),
        ("SELECT NULL LIKE '%_%_%', 'a' ~ NULL, 'a_c' LIKE '%\\_%%%'", "[[null,null,true]]"),
        ("SELECT max(CASE WHEN name ~ 'n' THEN id END) FROM pub.emp GROUP BY name ~ 'n' ORDER BY 1", "[[1],[null]]"),
    ] {
        let rows = bench.rows(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(crate::json::rows(&rows.batches, 1000).unwrap().text, expected, "{sql}");
    }
    let sql = format!("SELECT regexp_like(name, '^(ann|bob)'), name LIKE '%d%e%_%_%' FROM {long} t ORDER BY 1, 2");
    let rows = bench.rows(&sql).await.unwrap();
    let text = crate::json::rows(&rows.batches, 1000).unwrap().text;
    assert_eq!(text, "[[false,false],[false,true],[true,false],[true,false]]");
    assert!(rows.batches[0].schema().field(1).name().contains("LIKE"), "{}", rows.batches[0].schema().field(1).name());
}
