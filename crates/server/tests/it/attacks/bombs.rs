//! Statements too long to write down: nesting, chains, lists. Each is refused or answered in time; none ends the process.

use super::corpus::{Case, Expect, QUERY};

fn chain(term: &str, operator: &str, times: usize) -> String {
    vec![term; times].join(operator)
}

/// All of them, by what they are made of.
#[allow(clippy::too_many_lines, reason = "a list of cases, not a flow")]
pub(super) fn cases() -> Vec<Case> {
    let mut made = Vec::new();
    let mut add = |id: &str, expect: Expect, sql: String| {
        made.push(Case { id: id.to_owned(), dress: None, expect, path: QUERY, sql });
    };
    add("18-parentheses", Expect::Refused, format!("SELECT {}1{}", "(".repeat(500_000), ")".repeat(500_000)));
    add("18-open-parentheses", Expect::Refused, format!("SELECT {}", "(".repeat(60_000)));
    add("18-brackets", Expect::Refused, format!("SELECT {}1{}", "[".repeat(30_000), "]".repeat(30_000)));
    add("18-or", Expect::Refused, format!("SELECT id FROM pub.emp WHERE {}", chain("id = 1", " OR ", 50_000)));
    add("18-or-short", Expect::Refused, format!("SELECT 1 WHERE {}", chain("true", " OR ", 6_000)));
    add("18-union", Expect::Refused, chain("SELECT 1", " UNION ALL ", 20_000));
    add("18-union-short", Expect::Refused, chain("SELECT 1", " UNION ", 3_000));
    add("18-plus", Expect::Refused, format!("SELECT {}", chain("1", "+", 30_000)));
    add("18-not", Expect::Bounded, format!("SELECT {} true", "NOT ".repeat(3_000)));
    add("18-minus", Expect::Bounded, format!("SELECT {}1", "- ".repeat(4_000)));
    add("18-case", Expect::Refused, format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(900), " END".repeat(900)));
    add("18-subqueries", Expect::Refused, format!("{}SELECT 1{}", "SELECT * FROM (".repeat(900), ") x".repeat(900)));
    add("18-depth-60", Expect::Bounded, format!("{}SELECT 1 AS a{}", "SELECT * FROM (".repeat(60), ") x".repeat(60)));
    add("18-parentheses-60", Expect::Bounded, format!("SELECT {}1{}", "(".repeat(60), ")".repeat(60)));
    add("18-functions", Expect::Bounded, format!("SELECT {}'x'{}", "upper(".repeat(60), ")".repeat(60)));
    add("18-casts", Expect::Bounded, format!("SELECT 1{}", "::bigint".repeat(1_900)));
    add("18-subscripts", Expect::Bounded, format!("SELECT tags{} FROM pub.emp", "[1]".repeat(1_300)));
    add("18-dots", Expect::Bounded, format!("SELECT {} FROM pub.emp", chain("info", ".", 2_000)));
    add("18-long-name", Expect::Denied, format!("SELECT * FROM pub.{}", "a".repeat(60_000)));
    add("18-name-parts", Expect::RefusedOrDenied, format!("SELECT * FROM {}", chain("a", ".", 2_000)));
    add("18-in-list", Expect::Refused, format!("SELECT id FROM pub.emp WHERE id IN ({})", chain("1", ",", 30_000)));
    add(
        "18-in-list-short",
        Expect::Bounded,
        format!("SELECT id FROM pub.emp WHERE id IN ({})", chain("1", ",", 2_000)),
    );
    add("18-columns", Expect::Bounded, format!("SELECT {} FROM pub.emp", chain("id + 1", ",", 900)));
    add("18-group-by", Expect::Bounded, format!("SELECT 1 FROM pub.emp GROUP BY {}", chain("id", ",", 1_900)));
    add("18-cube", Expect::Bounded, format!("SELECT 1 FROM pub.emp GROUP BY CUBE ({})", numbered("id + ", 40, ",")));
    add(
        "18-rollup",
        Expect::Bounded,
        format!("SELECT 1 FROM pub.emp GROUP BY ROLLUP ({})", numbered("id + ", 900, ",")),
    );
    add("18-joins", Expect::Bounded, format!("SELECT 1 FROM pub.dim {}", numbered_joins(126)));
    add("18-relations", Expect::Refused, format!("SELECT 1 FROM {}", numbered("pub.dim t", 1_000, ",")));
    add("18-values", Expect::Bounded, format!("VALUES {}", chain("(1)", ",", 1_000)));
    add("18-or-500", Expect::Bounded, format!("SELECT id FROM pub.emp WHERE {}", numbered_terms(490)));
    add("18-like", Expect::Bounded, format!("SELECT id FROM pub.emp WHERE doc LIKE '{}'", "%a_".repeat(10_000)));
    add("18-regex", Expect::Bounded, format!("SELECT 'aaaa' ~ '{}'", "(a?){50}".repeat(2_000)));
    add("18-regex-depth", Expect::Bounded, format!("SELECT 'a' ~ '{}a{}'", "(".repeat(20_000), ")".repeat(20_000)));
    add("18-literal", Expect::Bounded, format!("SELECT '{}'", "x".repeat(60_000)));
    add("18-literal-1m", Expect::Refused, format!("SELECT '{}'", "x".repeat(1_000_000)));
    add("18-spaces", Expect::Refused, format!("SELECT{}1", " ".repeat(1_000_000)));
    add("18-comment", Expect::Refused, format!("SELECT /*{}*/ 1", "x".repeat(1_000_000)));
    add("18-digits", Expect::Bounded, format!("SELECT {}", "9".repeat(60_000)));
    add("18-fraction", Expect::Bounded, format!("SELECT 0.{}", "3".repeat(60_000)));
    add("18-semicolons", Expect::Refused, ";".repeat(60_000));
    add("18-explain", Expect::Refused, format!("{}SELECT 1", "EXPLAIN ".repeat(900)));
    for (id, prefix) in [
        ("explain-analyze", "EXPLAIN ANALYZE "),
        ("explain-options", "EXPLAIN (ANALYZE) "),
        ("describe", "DESCRIBE "),
        ("desc", "DESC "),
        ("prepare", "PREPARE a AS "),
        ("from", "FROM "),
        ("with", "WITH a AS "),
        ("case", "SELECT CASE WHEN "),
    ] {
        add(&format!("18-repeated-{id}"), Expect::Refused, format!("{}SELECT 1", prefix.repeat(900)));
    }
    for (id, prefix) in [
        ("interval", "INTERVAL "),
        ("array-type", "ARRAY<"),
        ("struct-type", "STRUCT<a "),
        ("prior", "PRIOR "),
        ("tilde", "~ "),
        ("bang", "! "),
        ("binary", "BINARY "),
        ("exists", "EXISTS "),
    ] {
        add(&format!("18-repeated-{id}"), Expect::Refused, format!("SELECT {}1", prefix.repeat(1_900)));
    }
    let nested = format!("SELECT CAST([1] AS {}int{})", "ARRAY<".repeat(1_300), ">".repeat(1_300));
    add("18-repeated-cast-type", Expect::Refused, nested);
    add("18-repeated-suffix-type", Expect::Refused, format!("SELECT CAST(1 AS int{})", "[]".repeat(1_900)));
    add("18-ctes", Expect::Bounded, doubling_ctes(30));
    add("18-cte-unions", Expect::Bounded, doubling_unions(30));
    add(
        "18-windows",
        Expect::Bounded,
        format!("SELECT {} FROM pub.emp", numbered("rank() OVER (ORDER BY salary + ", 200, "), ") + ")"),
    );
    add("18-array", Expect::Bounded, format!("SELECT [{}]", chain("1", ",", 1_900)));
    add("18-pipes", Expect::Bounded, format!("SELECT id FROM pub.emp {}", "|> WHERE id > 0 ".repeat(600)));
    made
}

fn numbered(prefix: &str, count: usize, separator: &str) -> String {
    (0..count).map(|i| format!("{prefix}{i}")).collect::<Vec<_>>().join(separator)
}

fn numbered_terms(count: usize) -> String {
    (0..count).map(|i| format!("id = {i}")).collect::<Vec<_>>().join(" OR ")
}

fn numbered_joins(count: usize) -> String {
    (0..count).map(|i| format!("JOIN pub.dim t{i} ON t{i}.k = dim.k ")).collect()
}

/// Each query stands for twice the one before it.
fn doubling_ctes(count: usize) -> String {
    let steps = (1..=count).map(|i| format!(", a{i} AS (SELECT x.k FROM a{p} x, a{p} y)", p = i - 1));
    format!("WITH a0 AS (SELECT k FROM pub.dim){} SELECT count(*) FROM a{count}", steps.collect::<String>())
}

fn doubling_unions(count: usize) -> String {
    let steps = (1..=count).map(|i| format!(", a{i} AS (SELECT * FROM a{p} UNION ALL SELECT * FROM a{p})", p = i - 1));
    format!("WITH a0 AS (SELECT k FROM pub.dim){} SELECT count(*) FROM a{count}", steps.collect::<String>())
}
