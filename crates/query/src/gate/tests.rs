//! What passes the gate and what does not; attacks 1, 2, 3, 5, 14, 18, 23, 34, 36, 103–114.

use super::*;

fn code(sql: &str) -> &'static str {
    match check(sql) {
        Ok(_) => "ok",
        Err(error) => error.code(),
    }
}

fn relations(sql: &str) -> Vec<String> {
    check(sql).unwrap().relations.iter().map(|name| name.join("/")).collect()
}

/// S-037: exactly one read-only statement; every other kind is refused by its name.
#[test]
fn statements_that_are_no_queries_are_refused() {
    for sql in [
        "INSERT INTO t SELECT 1",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE",
        "TRUNCATE TABLE t",
        "DROP TABLE t",
        "ALTER TABLE t ADD COLUMN a int",
        "CREATE TABLE t (a int)",
        "CREATE VIEW v AS SELECT 1",
        "GRANT SELECT ON t TO r",
        "REVOKE SELECT ON t FROM r",
        "SET a = 1",
        "RESET ALL",
        "SHOW ALL",
        "SHOW FUNCTIONS",
        "SHOW CREATE TABLE t",
        "COPY (SELECT 1) TO '/tmp/x'",
        "BEGIN",
        "COMMIT",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "KILL 1",
        "USE lake",
        "EXPLAIN DELETE FROM t",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/x'",
        "EXPLAIN EXPLAIN SELECT 1",
        "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
        "SELECT 1; DROP TABLE t",
        "SELECT 1; SELECT 2",
    ] {
        assert!(matches!(code(sql), "refused_statement" | "syntax"), "{sql}: {}", code(sql));
    }
}

/// S-037: what the planner would parse and ignore is refused.
#[test]
fn clauses_that_the_planner_ignores_are_refused() {
    for sql in [
        "SELECT * FROM t TABLESAMPLE BERNOULLI (10)",
        "SELECT * FROM (SELECT * FROM t) TABLESAMPLE (5 ROWS)",
        "SELECT * FROM t FOR UPDATE",
        "SELECT * FROM t FOR SHARE",
        "SELECT * FROM t FETCH FIRST 1 ROW WITH TIES",
        "SELECT * FROM t FETCH FIRST 100 PERCENT ROWS ONLY",
        "SELECT TOP 5 * FROM t",
        "SELECT * INTO x FROM t",
        "SELECT * FROM t LATERAL VIEW explode(a) x",
        "SELECT * FROM t PREWHERE a = 1",
        "SELECT * FROM t SETTINGS a = 1",
        "SELECT * FROM t FORMAT JSON",
        "SELECT a FROM t ORDER BY a WITH FILL",
        "SELECT a FROM t LIMIT 1 BY a",
        "SELECT a FROM t LIMIT 1, 2",
        "SELECT a FROM t CLUSTER BY a",
        "SELECT a FROM t GROUP BY a WITH ROLLUP",
        "SELECT a FROM t START WITH a = 1 CONNECT BY PRIOR a = b",
        "SELECT * FROM t |> WHERE a = 1",
        "FROM t",
        "SELECT * FROM t FOR SYSTEM_TIME AS OF '2020-01-01'",
        "SELECT * FROM t PARTITION (p0)",
        "SELECT * FROM t WITH (NOLOCK)",
        "SELECT * FROM t USE INDEX (i)",
        "SELECT * FROM f(1)",
        "SELECT * FROM TABLE(f(1))",
        "SELECT * FROM LATERAL f(1)",
        "SELECT * FROM t PIVOT (sum(a) FOR b IN (1, 2))",
        "TABLE t",
        "SELECT 1 UNION ALL TABLE t",
        "SELECT * FROM t AS x (a int)",
        "SELECT a COLLATE \"C\" FROM t",
        "SELECT CAST(a AS date FORMAT 'YYYY') FROM t",
        "SELECT abs(a) OVER () FROM t",
        "SELECT abs(a) FILTER (WHERE true) FROM t",
        "SELECT abs(DISTINCT a) FROM t",
        "SELECT sum(a) OVER (w ROWS 1 PRECEDING) FROM t WINDOW w AS (ORDER BY a)",
        "SELECT ?, $1, :a",
        "SELECT @@version",
    ] {
        assert!(matches!(code(sql), "refused_statement" | "syntax"), "{sql}: {}", code(sql));
    }
}

/// Attacks 1, 2, 3, 14: characters and comments that one reader takes for something else.
#[test]
fn characters_that_fool_readers_are_refused_outside_literals() {
    for sql in [
        "SELECT 1 -- x\rUNION ALL SELECT 2",
        "SELECT /* /* */ 1 -- */",
        "SELECT 1 /*! UNION SELECT 2 */",
        "SELECT /*+ hint */ 1",
        "SELECT 1 FROM hr\u{200b}.t",
        "SELECT 1 FROM \"h\u{202e}r\".t",
        "SELECT 1 FROM 'h\u{1f}r'.t",
        "SELECT\u{a0}1",
        "SELECT 1 -- \u{2028} x",
        "SELECT\u{0}1",
        "SELECT\u{b}1",
        "\u{feff}SELECT 1",
    ] {
        assert!(matches!(code(sql), "refused_statement" | "syntax"), "{sql:?}: {}", code(sql));
    }
    for sql in ["SELECT 'a\u{200b}\r\u{0}b'", "SELECT 1 -- fine\r\n, 2", "SELECT /* fine */ 1", "SELECT 'it''s /* -- '"]
    {
        assert_eq!(code(sql), "ok", "{sql:?}");
    }
}

/// Attack 18, S-070: size, tokens, nesting and chains, without a crash.
#[test]
fn oversized_statements_are_refused_before_they_are_parsed() {
    let nested = |n: usize| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n));
    let chain = |op: &str, n: usize| format!("SELECT {}", vec!["1"; n].join(op));
    for sql in [
        "(".repeat(1 << 20),
        format!("SELECT '{}'", "x".repeat(70_000)),
        nested(65),
        nested(30_000),
        chain(" OR ", 502),
        chain(" OR ", 50_000),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(501)),
        "SELECT 1 UNION ".repeat(20_000),
        format!("SELECT {}1", "- ".repeat(2_000)),
        format!("SELECT {}true", "NOT ".repeat(2_000)),
        format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(500), " END".repeat(500)),
        format!("SELECT * FROM {}", vec!["a.t"; 129].join(", ")),
        "[".repeat(5_000),
        format!("{}SELECT 1", "EXPLAIN ".repeat(2_000)),
        format!("{}SELECT 1", "EXPLAIN ANALYZE ".repeat(2_000)),
        format!("{}SELECT 1", "EXPLAIN (ANALYZE) ".repeat(900)),
        "DESCRIBE ".repeat(2_000),
        "DESC ".repeat(4_000),
        format!("SELECT {}'1' DAY", "INTERVAL ".repeat(2_000)),
        format!("SELECT CAST(1 AS {}int{})", "ARRAY<".repeat(1_500), ">".repeat(1_500)),
        format!("SELECT {}1", "~ ".repeat(4_000)),
        "WITH a AS ".repeat(1_300),
        format!("{}SELECT 1", "PREPARE p AS ".repeat(1_300)),
        "CREATE SCHEMA ".repeat(2_000),
        "BEGIN ".repeat(4_000),
        format!("SELECT {}1", "PRIOR ".repeat(4_000)),
        format!("SELECT {}", "INTERVAL - ".repeat(2_000)),
        format!("SELECT {}x", "CAST(ARRAY[INTERVAL ".repeat(60)),
        format!("SELECT * FROM t {}", "JOIN t ".repeat(2_000)),
        format!("SELECT * FROM {}t", "LATERAL ".repeat(4_000)),
        format!("SELECT a{}", "::int".repeat(2_000)),
        format!("SELECT a{}", "[1]".repeat(1_300)),
        format!("SELECT a{}", ".b".repeat(2_000)),
        format!("SELECT a {}", "IS NULL ".repeat(2_000)),
        format!("SELECT a {}", "AT TIME ZONE 'UTC' ".repeat(1_000)),
        format!("SELECT a {}1", "BETWEEN 1 AND ".repeat(1_300)),
        format!("SELECT a {}1", "LIKE ".repeat(4_000)),
        format!("SELECT {}1", "EXISTS ".repeat(4_000)),
        format!("SELECT {}1{}", "SELECT ".repeat(2_000), ""),
        "SHOW ".repeat(4_000),
    ] {
        let code = code(&sql);
        let refused = matches!(code, "limit_exceeded" | "syntax" | "refused_statement" | "unknown_function");
        assert!(refused, "{}…: {code}", sql.chars().take(40).collect::<String>());
    }
    assert_eq!(code(&nested(60)), "ok");
    assert_eq!(code(&chain(" OR ", 501)), "ok");
}

/// Attack 18: WITH queries that double each other stand for too many tables.
#[test]
fn with_queries_that_double_are_bounded() {
    let doubling = |levels: usize| {
        let mut sql = "WITH c0 AS (SELECT 1 AS x)".to_owned();
        for level in 1..levels {
            sql += &format!(", c{level} AS (SELECT a.x FROM c{0} a, c{0} b)", level - 1);
        }
        format!("{sql} SELECT * FROM c{}", levels - 1)
    };
    assert_eq!(code(&doubling(5)), "ok");
    assert_eq!(code(&doubling(30)), "limit_exceeded");
}

/// S-038: names fold as decision 0005 says; every relation is seen, wherever it stands.
#[test]
fn relations_are_collected_wherever_they_stand() {
    assert_eq!(relations("SELECT * FROM Pub.EMP"), ["pub/emp"]);
    assert_eq!(relations("SELECT * FROM \"Pub\".`EMP`"), ["Pub/EMP"]);
    assert_eq!(relations("SELECT * FROM w.a.b.c.t"), ["w/a/b/c/t"]);
    let sql = "WITH x AS (SELECT * FROM a.a) SELECT (SELECT max(i) FROM b.b), CASE WHEN EXISTS (SELECT 1 FROM c.c) THEN 1 END \
        FROM x JOIN d.d ON d.i IN (SELECT i FROM e.e) CROSS JOIN (SELECT * FROM f.f UNION SELECT * FROM g.g) u \
        WHERE i > ALL (SELECT i FROM h.h) GROUP BY (SELECT i FROM i.i) HAVING sum(i) > (SELECT 1 FROM j.j) \
        QUALIFY row_number() OVER (PARTITION BY (SELECT 1 FROM k.k) ORDER BY (SELECT 1 FROM l.l)) = 1 \
        ORDER BY (SELECT 1 FROM m.m) LIMIT (SELECT 1 FROM n.n)";
    let mut found = relations(sql);
    found.sort();
    let expected =
        ["a/a", "b/b", "c/c", "d/d", "e/e", "f/f", "g/g", "h/h", "i/i", "j/j", "k/k", "l/l", "m/m", "n/n", "x"];
    assert_eq!(found, expected);
}

/// Attack 20: a WITH query stands for its own name only, whatever the name looks like; `emp.*` finds its table.
#[test]
fn quoted_names_with_dots_are_one_part() {
    let gated = check("WITH \"hr.t\" AS (SELECT 1 AS a) SELECT emp.* FROM hr.t, pub.emp, \"hr.t\" x").unwrap();
    let Asked::Rows(query) = gated.asked else { panic!("a query") };
    let text = query.to_string();
    assert!(text.contains("\"hr\u{1e}t\" AS (") && text.contains("FROM hr.t, pub.emp, \"hr\u{1e}t\" x"), "{text:?}");
    assert!(text.contains("pub.emp.*"), "{text:?}");
    assert_eq!(gated.relations, [vec!["hr", "t"], vec!["pub", "emp"], vec!["hr.t"]]);
}

/// S-092: the canonical text is the tree's, without comments, and means the same to the gate.
#[test]
fn the_canonical_text_passes_the_gate_again() {
    for sql in
        ["select  a , b from  x.y /* c */ where a = 'it''s' -- d", "SELECT \"A b\", count(*) FROM x.y GROUP BY 1"]
    {
        let gated = check(sql).unwrap();
        assert!(!gated.canonical.contains("/*") && !gated.canonical.contains("--"));
        let again = check(&gated.canonical).unwrap();
        assert_eq!((again.canonical, again.relations), (gated.canonical, gated.relations));
    }
}

/// R34: functions that disclose the engine, read files or differ from call to call do not exist.
#[test]
fn functions_are_an_allow_list() {
    for name in
        ["version", "input_file_name", "arrow_typeof", "arrow_metadata", "random", "uuid", "read_csv", "map", "pub.f"]
    {
        assert_eq!(code(&format!("SELECT {name}()")), "unknown_function", "{name}");
    }
}

/// A syntax error says where.
#[test]
fn errors_carry_their_position() {
    let error = check("SELECT a\nFROM t WHERE )").unwrap_err();
    assert_eq!((error.code(), error.detail().unwrap().position.unwrap().line), ("syntax", 2));
    let error = check("SELECT 1,\n  version()").unwrap_err();
    assert_eq!(error.detail().unwrap().position, Some(Position { line: 2, column: 3 }));
}

/// What recurses in the parser, the walk or the rendering, as what is repeated before and after a core.
const NESTS: [(&str, &str, &str, &str); 33] = [
    ("SELECT ", "(", "1", ")"),
    ("SELECT ", "[", "1", "]"),
    ("SELECT ", "-+", "1", ""),
    ("SELECT ", "NOT ", "true", ""),
    ("SELECT ", "~ ", "1", ""),
    ("SELECT ", "f(", "1", ")"),
    ("SELECT ", "CASE WHEN ", "true", " THEN true END"),
    ("SELECT ", "CASE 1 WHEN 1 THEN ", "1", " ELSE 2 END"),
    ("SELECT ", "CAST(", "1", " AS int)"),
    ("SELECT 1", "", "", "::int"),
    ("SELECT a", "", "", "[1]"),
    ("SELECT a", "", "", ".a"),
    ("SELECT 1", "", "", "+1"),
    ("SELECT 1", "", "", "=1"),
    ("SELECT 1", "", "", " OR 1"),
    ("SELECT 1", "", "", " IS NULL"),
    ("SELECT 1", "", "", " BETWEEN 1 AND 1"),
    ("SELECT ", "1 IN(", "1", ")"),
    ("SELECT ", "1 IN(SELECT ", "1", ")"),
    ("SELECT ", "EXISTS(SELECT ", "1", ")"),
    ("SELECT ", "(SELECT ", "1", ")"),
    ("SELECT ", "{'a':", "1", "}"),
    ("SELECT ", "INTERVAL ", "'1'", ""),
    ("SELECT CAST(1 AS ", "ARRAY<", "int", ">"),
    ("SELECT CAST(1 AS int", "", "", "[]"),
    ("", "SELECT*FROM(", "SELECT 1", ")a"),
    ("", "(", "SELECT 1", ")"),
    ("", "WITH a AS(", "SELECT 1", ")SELECT 1"),
    ("SELECT 1", "", "", " UNION SELECT 1"),
    ("SELECT*FROM ", "(a JOIN ", "a", " ON 1)"),
    ("SELECT*FROM a", "", "", " JOIN a ON 1"),
    ("SELECT sum(1)OVER(ORDER BY ", "sum(1)OVER(ORDER BY ", "1", ")"),
    ("EXPLAIN ", "(", "SELECT 1", ")"),
];

/// Does some work when no more than so many bytes of this thread's stack are left.
fn with_little_left(bytes: usize, work: impl FnOnce()) {
    let frame = [0_u8; 4096];
    if stacker::remaining_stack().unwrap() > bytes {
        with_little_left(bytes, work);
    } else {
        work();
    }
    std::hint::black_box(frame);
}

/// S-010: a statement that is parsed on the stack that is there never outgrows it, whatever its tokens are: the most
/// that pass the checks before the parser, at the bound, on a stack that is just large enough. Outgrowing it ends this process.
#[test]
fn short_statements_fit_the_stack_that_they_are_parsed_on() {
    for bound in [6, 20, 60, 250] {
        for (head, before, core, after) in NESTS {
            let statement = |times: usize| {
                let tail = if head.contains("CAST(1") || head.contains("OVER") { ")" } else { "" };
                format!("{head}{}{core}{}{tail}", before.repeat(times), after.repeat(times))
            };
            let passes = |sql: &str| {
                let tokens = text::tokens(sql).unwrap();
                (tokens.len() <= bound && nesting::check(&tokens).is_ok()).then_some(tokens.len())
            };
            let Some((sql, tokens)) =
                (0..bound).map(statement).map_while(|sql| passes(&sql).map(|tokens| (sql, tokens))).last()
            else {
                assert!(bound <= 20, "`{}` is longer than {bound} tokens", statement(1));
                continue;
            };
            let bytes = tokens * STACK_BYTES_PER_TOKEN;
            let thread = std::thread::Builder::new().stack_size(2 * bytes).spawn(move || {
                with_little_left(bytes + 32 * 1024, || {
                    assert!(fits_here(tokens) && !fits_here(tokens + 1), "{:?}", stacker::remaining_stack());
                    drop(check(&sql));
                });
            });
            thread.unwrap().join().unwrap();
        }
    }
}
