//! The visible attack corpus as data, mutated by case, quoting, comments, WITH and subquery wrapping.
//!
//! The oracle of what is permitted is a mirror: a world that holds exactly the rows and values the analyst may see, without
//! any policy. An answer or error of the restricted world must be the mirror's.

use polder_types::Error;
use serde_json::Value;

use crate::world::{World, hidden, holds, rows, told, visible};

/// In every hidden row and every original of a masked cell.
const CANARY: &str = "CANARY";

/// What must happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// As if the object did not exist.
    Denied,
    /// Refused before names are looked at.
    Refused,
    /// Denied or refused.
    Neither,
    /// Answered or failed exactly as in the mirror.
    Mirror,
}
use Expect::{Denied, Mirror, Neither, Refused};

const CORPUS: &[(u32, &str, Expect)] = &[
    (1, "SELECT id FROM pub.emp -- x\rUNION ALL SELECT id FROM hr.salaries", Refused),
    (2, "SELECT id /* /* */ , ssn FROM hr.salaries -- */ FROM pub.emp", Neither),
    (3, "SELECT * FROM pub.emp /*!50000 LIMIT 10 */", Refused),
    (3, "SELECT /*+ no_mask */ * FROM pub.emp", Refused),
    (5, "SELECT 1; DROP TABLE pub.emp", Refused),
    (5, "SELECT 1; SELECT 2", Refused),
    (11, r#"SELECT * FROM "HR"."SALARIES""#, Denied),
    (11, r#"SELECT * FROM hr."Salaries""#, Denied),
    (11, "SELECT * FROM Hr.sAlArIeS", Denied),
    (11, "SELECT * FROM `hr`.`salaries`", Denied),
    (11, "SELECT * FROM lake.hr.salaries", Denied),
    (11, "SELECT * FROM priv.secrets", Denied),
    (12, "SELECT * FROM umbra.pub.x", Denied),
    (12, "SELECT * FROM umbra.umbra.pub.x", Denied),
    (14, "SELECT * FROM h\u{0433}.salaries", Denied),
    (14, "SELECT * FROM \u{ff48}\u{ff52}.salaries", Denied),
    (14, "SELECT * FROM hr\u{200b}.salaries", Refused),
    (14, "SELECT * FROM \"hr\u{200b}\".salaries", Refused),
    (14, "SELECT * FROM hr.\u{202e}salaries", Refused),
    (14, "SELECT\u{a0}* FROM hr.salaries", Refused),
    (20, "WITH hr AS (SELECT 1) SELECT * FROM hr.salaries", Denied),
    (22, "WITH region AS (SELECT 'us' region) SELECT * FROM pub.emp", Mirror),
    (22, "WITH emp AS (SELECT 1 AS id) SELECT * FROM pub.emp", Mirror),
    (23, "SELECT * FROM pub.emp UNION ALL TABLE hr.salaries", Neither),
    (23, "TABLE pub.emp", Refused),
    (26, "SELECT * FROM pub.emp WHERE EXISTS (SELECT 1 FROM hr.salaries s WHERE s.id = emp.id)", Denied),
    (29, "SELECT count(*) FROM pub.emp GROUP BY (SELECT max(id) FROM hr.salaries)", Denied),
    (29, "SELECT dept FROM pub.emp GROUP BY dept HAVING max(id) > (SELECT max(id) FROM hr.salaries)", Denied),
    (29, "SELECT CASE WHEN id = (SELECT max(id) FROM hr.salaries) THEN 1 END FROM pub.emp", Denied),
    (29, "SELECT e.id FROM pub.emp e JOIN pub.dim d ON e.id = (SELECT max(id) FROM hr.salaries)", Denied),
    (29, "SELECT rank() OVER (ORDER BY (SELECT max(id) FROM hr.salaries)) FROM pub.emp", Denied),
    (29, "SELECT count(*) FILTER (WHERE id IN (SELECT id FROM hr.salaries)) FROM pub.emp", Denied),
    (29, "SELECT array_agg(id ORDER BY (SELECT max(id) FROM hr.salaries)) FROM pub.emp", Denied),
    (29, "VALUES ((SELECT max(id) FROM hr.salaries))", Denied),
    (29, "SELECT * FROM unnest((SELECT array_agg(id) FROM hr.salaries))", Neither),
    (29, "SELECT id FROM pub.emp ORDER BY (SELECT max(id) FROM hr.salaries)", Denied),
    (29, "SELECT id FROM pub.emp LIMIT (SELECT max(id) FROM hr.salaries)", Neither),
    (29, "SELECT DISTINCT ON ((SELECT max(id) FROM hr.salaries)) id FROM pub.emp", Denied),
    (29, "SELECT id FROM pub.emp QUALIFY row_number() OVER () > (SELECT max(id) FROM hr.salaries)", Denied),
    (29, "SELECT id FROM pub.emp WHERE id = ANY (SELECT id FROM hr.salaries)", Denied),
    (29, "SELECT * FROM pub.emp, LATERAL (SELECT * FROM hr.salaries s WHERE s.id = emp.id) x", Denied),
    (34, "SELECT * FROM 's3://bucket/acme/emp/data/*.parquet'", Denied),
    (34, "SELECT * FROM '/etc/passwd'", Denied),
    (34, "SELECT * FROM \"file:///etc/passwd\"", Denied),
    (34, "SELECT * FROM read_parquet('/etc/passwd')", Refused),
    (34, "SELECT * FROM generate_series(1, 3)", Refused),
    (36, "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'", Refused),
    (36, "COPY (SELECT * FROM pub.emp) TO '/tmp/x.csv'", Refused),
    (37, "SELECT * FROM pub.v_def", Denied),
    (40, "SELECT * FROM pub.emp FOR SYSTEM_TIME AS OF '2020-01-01'", Refused),
    (40, "SELECT * FROM pub.emp VERSION AS OF 1", Neither),
    (40, "SELECT * FROM pub.\"emp@1\"", Denied),
    (40, "SELECT * FROM pub.emp.branch_main", Denied),
    (44, "SELECT * FROM pub.\"emp$files\"", Denied),
    (44, "SELECT * FROM pub.\"emp$snapshots\"", Denied),
    (44, "SELECT * FROM pub.emp.files", Denied),
    (44, "SELECT * FROM pub.emp.partitions", Denied),
    (44, "SELECT * FROM pub.emp$manifests", Denied),
    (45, "SELECT input_file_name() FROM pub.emp", Refused),
    (45, "SELECT version()", Refused),
    (45, "SELECT arrow_typeof(id) FROM pub.emp", Refused),
    (45, "SELECT current_user", Mirror),
    (45, "SELECT \"$path\" FROM pub.emp", Mirror),
    (45, "SELECT _file, _pos FROM pub.emp", Mirror),
    (45, "SELECT secret FROM pub.emp", Mirror),
    (45, "SELECT id FROM pub.emp WHERE secret = 'x'", Mirror),
    (45, "SELECT @@version", Refused),
    (48, "SELECT table_schema, table_name FROM information_schema.tables", Mirror),
    (48, "SELECT table_name, column_name, data_type FROM information_schema.columns", Mirror),
    (48, "SELECT * FROM information_schema.views", Denied),
    (48, "SELECT * FROM information_schema.df_settings", Denied),
    (48, "SELECT * FROM pg_catalog.pg_class", Denied),
    (48, "SELECT * FROM system.tables", Denied),
    (48, "SHOW TABLES", Mirror),
    (48, "SHOW ALL", Refused),
    (48, "SHOW FUNCTIONS", Refused),
    (48, "SHOW CREATE TABLE pub.emp", Refused),
    (50, "SELECT * FROM pub.empp", Denied),
    (50, "SELECT * FROM hr.salaries", Denied),
    (50, "SELECT * FROM hr.nope", Denied),
    (52, "DESCRIBE hr.salaries", Denied),
    (55, "SELECT count(*) FROM pub.emp WHERE 1/(salary-50501) >= 0", Mirror),
    (55, "SELECT count(*) FROM pub.emp WHERE 1/(salary-400) >= 0", Mirror),
    (56, "SELECT count(*) FROM pub.emp WHERE CAST(CASE WHEN salary=50501 THEN ssn ELSE '1' END AS int) = 1", Mirror),
    (56, "SELECT CAST(ssn AS int) FROM pub.emp", Mirror),
    (56, "SELECT to_timestamp(ssn) FROM pub.emp", Mirror),
    (56, "SELECT CAST(email AS date) FROM pub.emp", Mirror),
    (59, "SELECT count(*) FROM pub.dim LEFT JOIN pub.emp v ON v.id = k AND 1/(v.salary-50501) >= 0", Mirror),
    (59, "SELECT count(*) FROM pub.emp v RIGHT JOIN pub.dim ON v.id = k AND 1/(v.salary-50501) >= 0", Mirror),
    (
        59,
        "SELECT count(*) FROM pub.dim WHERE EXISTS (SELECT 1 FROM pub.emp v WHERE v.id = k AND 1/(v.salary-50501) >= 0)",
        Mirror,
    ),
    (
        63,
        "SELECT count(*) FROM pub.emp WHERE length(repeat('x', CASE WHEN salary=50501 THEN 2147483647 ELSE 1 END)) > 0",
        Mirror,
    ),
    (
        63,
        "SELECT count(*) FROM pub.emp WHERE length(repeat('x', CASE WHEN salary=400 THEN 2147483647 ELSE 1 END)) > 0",
        Mirror,
    ),
    (68, "EXPLAIN ANALYZE INSERT INTO pub.emp SELECT * FROM pub.emp", Refused),
    (70, "SELECT count(*), min(salary), max(salary) FROM pub.emp", Mirror),
    (70, "SELECT count(*) FROM pub.emp", Mirror),
    (70, "SELECT count(1), count(mgr), sum(salary), avg(salary), median(salary) FROM pub.emp", Mirror),
    (70, "SELECT min(ts), max(ts), min(id), max(id) FROM pub.emp", Mirror),
    (70, "SELECT approx_distinct(region), count(DISTINCT region) FROM pub.emp", Mirror),
    (72, "SELECT rank() OVER (ORDER BY salary) FROM pub.emp", Mirror),
    (
        72,
        "SELECT id, lag(salary) OVER (ORDER BY id), lead(name) OVER (ORDER BY id), ntile(3) OVER (ORDER BY id) FROM pub.emp",
        Mirror,
    ),
    (
        72,
        "SELECT id, first_value(name) OVER (ORDER BY id DESC), sum(salary) OVER (PARTITION BY dept ORDER BY id) FROM pub.emp",
        Mirror,
    ),
    (72, "SELECT id, percent_rank() OVER (ORDER BY salary), cume_dist() OVER (ORDER BY salary) FROM pub.emp", Mirror),
    (81, "SELECT * FROM pub.emp", Mirror),
    (81, "SELECT emp.* FROM pub.emp", Mirror),
    (81, "SELECT e.* FROM pub.emp AS e", Mirror),
    (81, "SELECT (SELECT emp FROM pub.emp)", Mirror),
    (81, "SELECT ROW(emp.*) FROM pub.emp", Refused),
    (81, "SELECT struct(id, ssn, email) FROM pub.emp", Mirror),
    (81, "SELECT * EXCLUDE (id) FROM pub.emp", Mirror),
    (81, "SELECT named_struct('a', ssn) FROM pub.emp", Mirror),
    (83, "SELECT * FROM pub.emp WHERE ssn = '666-66-6666'", Mirror),
    (83, "SELECT * FROM pub.emp WHERE ssn LIKE '6%'", Mirror),
    (83, "SELECT * FROM pub.emp WHERE ssn LIKE 'CANARY%'", Mirror),
    (83, "SELECT id FROM pub.emp WHERE ssn = 'CANARY-ssn-1' OR email = 'CANARY-mail-3'", Mirror),
    (83, "SELECT id FROM pub.emp WHERE email <> '***'", Mirror),
    (83, "SELECT id FROM pub.emp WHERE ssn IN ('CANARY-ssn-1', '***')", Mirror),
    (83, "SELECT id FROM pub.emp WHERE regexp_like(ssn, 'C.*')", Mirror),
    (83, "SELECT id FROM pub.emp WHERE ssn BETWEEN 'A' AND 'Z'", Mirror),
    (83, "SELECT id FROM pub.emp WHERE ssn IS NULL OR length(ssn) > 3", Mirror),
    (83, "SELECT id FROM pub.emp WHERE region = 'eu'", Mirror),
    (83, "SELECT id FROM pub.emp WHERE region <> 'us' OR true", Mirror),
    (83, "SELECT id FROM pub.emp WHERE NOT (region = 'us')", Mirror),
    (85, "SELECT ssn, count(*) FROM pub.emp GROUP BY ssn", Mirror),
    (85, "SELECT count(DISTINCT ssn), count(DISTINCT email) FROM pub.emp", Mirror),
    (85, "SELECT dept FROM pub.emp GROUP BY dept HAVING max(ssn) > '5'", Mirror),
    (85, "SELECT max(email), min(ssn), string_agg(ssn, ',') FROM pub.emp", Mirror),
    (85, "SELECT DISTINCT ssn, email FROM pub.emp", Mirror),
    (85, "SELECT id FROM pub.emp ORDER BY ssn, email, id", Mirror),
    (85, "SELECT md5(ssn), sha256(email) FROM pub.emp", Mirror),
    (87, "SELECT count(*) FROM pub.emp a JOIN pub.emp b ON a.ssn = b.ssn", Mirror),
    (87, "SELECT count(*) FROM pub.emp a JOIN pub.emp b USING (ssn)", Mirror),
    (87, "SELECT count(*) FROM pub.emp a NATURAL JOIN pub.emp b", Mirror),
    (87, "SELECT a.id, b.id FROM pub.emp a JOIN pub.emp b ON a.email = b.email AND a.id < b.id", Mirror),
    (90, "SELECT name AS ssn, ssn AS name FROM pub.emp", Mirror),
    (90, "SELECT ssn AS id FROM pub.emp", Mirror),
    (93, "SELECT info.phone, info['phone'], info FROM pub.emp", Mirror),
    (93, "SELECT get_field(info, 'phone'), info.city FROM pub.emp", Mirror),
    (93, "SELECT CAST(info AS varchar) FROM pub.emp", Mirror),
    (93, "SELECT id FROM pub.emp WHERE info.phone IS NOT NULL", Mirror),
    (93, "SELECT e.info.phone FROM pub.emp e WHERE e.info['phone'] LIKE 'C%'", Mirror),
    (93, "SELECT tags[1], cardinality(tags), unnest(tags) FROM pub.emp", Mirror),
    (103, "INSERT INTO pub.emp SELECT * FROM pub.emp", Refused),
    (103, "UPDATE pub.emp SET salary = 1", Refused),
    (103, "DELETE FROM pub.emp", Refused),
    (103, "MERGE INTO pub.emp USING pub.dim ON id = k WHEN MATCHED THEN DELETE", Refused),
    (103, "TRUNCATE TABLE pub.emp", Refused),
    (103, "DROP TABLE pub.emp", Refused),
    (103, "ALTER TABLE pub.emp ADD COLUMN x int", Refused),
    (103, "GRANT SELECT ON pub.emp TO analyst", Refused),
    (103, "ANALYZE TABLE pub.emp", Refused),
    (103, "CREATE TABLE x AS SELECT * FROM pub.emp", Refused),
    (103, "CREATE VIEW v AS SELECT * FROM pub.emp", Refused),
    (103, "CALL system.x()", Refused),
    (103, "VACUUM pub.emp", Refused),
    (103, "SELECT * INTO x FROM pub.emp", Refused),
    (105, "WITH d AS (DELETE FROM pub.emp RETURNING *) SELECT * FROM d", Refused),
    (105, "WITH d AS (INSERT INTO pub.emp SELECT * FROM pub.emp RETURNING *) SELECT * FROM d", Refused),
    (106, "EXPLAIN ANALYZE COPY (SELECT * FROM pub.emp) TO '/tmp/x'", Refused),
    (106, "EXPLAIN EXPLAIN SELECT 1", Refused),
    (110, "SET datafusion.catalog.information_schema = true", Refused),
    (110, "RESET ALL", Refused),
    (110, "SET ROLE admin", Refused),
    (110, "SET SESSION AUTHORIZATION root", Refused),
    (110, "USE lake", Refused),
    (110, "BEGIN", Refused),
    (110, "PREPARE p AS SELECT 1", Refused),
    (110, "EXECUTE p", Refused),
    (110, "DEALLOCATE p", Refused),
    (113, "SELECT * FROM pub.emp LIMIT 999999999", Mirror),
    (113, "SELECT * FROM pub.emp LIMIT ALL", Mirror),
    (113, "SELECT * FROM pub.emp LIMIT NULL", Mirror),
    (113, "SELECT * FROM pub.emp ORDER BY id FETCH FIRST 2 ROWS WITH TIES", Refused),
    (113, "SELECT * FROM pub.emp FETCH FIRST 100 PERCENT ROWS ONLY", Refused),
    (113, "SELECT TOP 10 * FROM pub.emp", Refused),
    (114, "SELECT * FROM pub.emp TABLESAMPLE BERNOULLI (10)", Refused),
    (114, "SELECT * FROM pub.emp FOR UPDATE", Refused),
    (114, "SELECT * FROM pub.emp SETTINGS x = 1", Refused),
    (114, "SELECT * FROM pub.emp FORMAT JSON", Refused),
    (114, "SELECT id FROM pub.emp |> WHERE id = 1", Refused),
    (114, "FROM pub.emp SELECT id", Refused),
    (114, "SELECT $1", Refused),
    (114, "SELECT abs(salary) OVER () FROM pub.emp", Refused),
    (114, "SELECT random(), uuid()", Refused),
    (127, "SELECT doc FROM pub.emp", Mirror),
];

/// Says whether an error is of the expected class.
fn is(expect: Expect, outcome: &Result<Value, Error>) -> bool {
    let code = outcome.as_ref().err().map(Error::code);
    let denied = code == Some("unknown_table");
    let refused = matches!(code, Some("refused_statement" | "syntax" | "unknown_function" | "limit_exceeded"));
    match expect {
        Denied => denied,
        Refused => refused,
        Neither => denied || refused,
        Mirror => true,
    }
}

/// Everything a caller gets, as bytes to be searched.
fn raw(outcome: &Result<Value, Error>) -> String {
    match outcome {
        Ok(answer) => answer.to_string(),
        Err(error) => told(error),
    }
}

/// The answer without what may differ between two worlds: ids, times, provenance and policies; the error as it is.
fn comparable(outcome: &Result<Value, Error>) -> String {
    match outcome {
        Ok(answer) => {
            let columns: Vec<_> =
                answer["columns"].as_array().unwrap().iter().map(|c| (c["name"].clone(), c["type"].clone())).collect();
            let meta = &answer["metadata"];
            format!("{columns:?} {:?} {} {}", rows(answer), meta["row_count"], meta["truncated"])
        }
        Err(error) => told(error),
    }
}

/// The same statement written in other ways.
fn mutations(sql: &str, expect: Expect) -> Vec<String> {
    let mut all = vec![sql.to_owned()];
    if sql.contains('\r') || sql.contains("--") {
        return all;
    }
    all.push(format!("  {}  ", sql.replace(' ', "\n")).replace("\n\n", "\n"));
    all.push(format!("/* a */ {sql} -- b"));
    all.push(swap_case(sql));
    if sql.starts_with("SELECT") && expect != Refused && !sql.contains("count(*) FROM pub.emp a NATURAL") {
        all.push(format!("SELECT * FROM ({sql}) wrapped"));
        all.push(format!("WITH wrapped AS ({sql}) SELECT * FROM wrapped"));
    }
    all
}

/// Swaps the case of everything outside quotes.
fn swap_case(sql: &str) -> String {
    let mut quote = None;
    sql.chars()
        .map(|c| match (quote, c) {
            (None, '\'' | '"' | '`') => {
                quote = Some(c);
                c
            }
            (Some(open), c) if c == open => {
                quote = None;
                c
            }
            (None, c) if c.is_ascii_lowercase() => c.to_ascii_uppercase(),
            (_, c) => c,
        })
        .collect()
}

/// S-033, S-034, S-037, R22, R33, R34, R37, R39: every visible line of the corpus, mutated.
#[tokio::test(flavor = "multi_thread")]
async fn the_attack_corpus_gets_nothing_that_is_not_permitted() {
    let mut emp = visible(CANARY);
    emp.extend(hidden(CANARY, 10..40));
    let world = World::restricted(&emp.chunks(9).map(<[_]>::to_vec).collect()).await;
    let mirror = World::mirror(&emp).await;
    let mut failures = Vec::new();
    for (number, sql, expect) in CORPUS {
        for mutated in mutations(sql, *expect) {
            let outcome = world.ask(&mutated).await;
            let text = raw(&outcome);
            let asked = mutated.contains(CANARY) || mutated.contains("666-66");
            let leaked = text.replace(&mutated, "").contains(CANARY) && !asked;
            if leaked || holds(&text, "424242") || (!mutated.contains("50501") && holds(&text, "50501")) {
                failures.push(format!("{number} LEAK `{mutated}`: {text}"));
            }
            if !is(*expect, &outcome) {
                failures.push(format!("{number} {expect:?} `{mutated}`: {}", comparable(&outcome)));
            }
            if *expect == Mirror {
                let expected = comparable(&mirror.ask(&mutated).await);
                let found = comparable(&outcome);
                if found != expected {
                    failures.push(format!("{number} `{mutated}`:\n  {found}\n  {expected}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// R22, attack 50: absent, blocked and invisible objects are one case.
#[tokio::test]
async fn absent_blocked_and_invisible_tables_are_told_alike() {
    let world = World::restricted(&vec![visible(CANARY)]).await;
    let mut texts = Vec::new();
    for name in ["pub.empp", "hr.salaries", "hr.nope", "priv.secrets", "nope.nope", "lake.hr.salaries"] {
        let error = world.ask(&format!("SELECT * FROM {name}")).await.unwrap_err();
        texts.push(told(&error).replace(name, "NAME"));
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    let again = told(&world.ask("DESCRIBE hr.salaries").await.unwrap_err()).replace("hr.salaries", "NAME");
    assert_eq!(again, texts[0]);
}

/// Attack 77: an attribute is a literal whatever is in it; missing or of another type, no row is there.
#[tokio::test]
async fn attributes_of_the_principal_are_literals() {
    use polder_types::Attribute;
    let world = World::restricted(&vec![visible(CANARY)]).await;
    let attribute = |value: Option<Attribute>| {
        let admin = &world;
        async move {
            let attributes = value.map(|value| ("dept".to_owned(), value)).into_iter().collect();
            let ctx = admin.ctx(&admin.admin).await;
            polder_catalog::admin::access::update_principal(&ctx, "analyst", None, Some(attributes)).await.unwrap();
            rows(&admin.ask("SELECT email FROM pub.emp").await.unwrap())
        }
    };
    let all_masked = vec!["[\"***\"]".to_owned(); 5];
    for value in [
        None,
        Some(Attribute::Text("eng' OR '1'='1".to_owned())),
        Some(Attribute::Int(1)),
        Some(Attribute::Bool(true)),
        Some(Attribute::List(vec!["eng".to_owned(), "ops".to_owned()])),
    ] {
        assert_eq!(attribute(value.clone()).await, all_masked, "{value:?}");
    }
    assert_ne!(attribute(Some(Attribute::Text("eng".to_owned()))).await, all_masked);
}
