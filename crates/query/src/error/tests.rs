//! Errors tell where and what to mend, never a value.

use datafusion::arrow::error::ArrowError;

use super::*;
use crate::bench::Bench;

/// R34: every failure on a value is one code and one text.
#[test]
fn runtime_failures_look_alike() {
    let shown = |error: DataFusionError| running(&error).to_string();
    let texts: Vec<String> = [
        DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None),
        DataFusionError::ArrowError(Box::new(ArrowError::CastError("cannot cast `secret` to int".to_owned())), None),
        DataFusionError::Execution("regex secret".to_owned()),
        DataFusionError::Internal("secret".to_owned()),
        DataFusionError::External("secret".into()),
    ]
    .into_iter()
    .map(shown)
    .collect();
    assert!(texts.iter().all(|text| *text == texts[0] && !text.contains("secret")), "{texts:?}");
}

/// Our own errors come back as they went in, however deep the engine wrapped them.
#[test]
fn our_errors_survive_the_engine() {
    let wrapped = DataFusionError::Context("scan".to_owned(), Box::new(carry(unknown_table("a.b"))));
    assert_eq!(running(&wrapped).code(), "unknown_table");
    let shared = DataFusionError::Shared(std::sync::Arc::new(carry(deadline())));
    assert_eq!(planning(&shared).code(), "deadline");
}

/// S-092: a planning error has a code, a place and visible candidates.
#[tokio::test]
async fn planning_errors_can_be_repaired() {
    let bench = Bench::new();
    let error = bench.rows("SELECT id,\n nmae FROM pub.emp").await.unwrap_err();
    let detail = error.detail().unwrap();
    assert_eq!((error.code(), detail.phase), ("unknown_column", Some("plan")));
    assert_eq!(detail.position, Some(Position { line: 2, column: 2 }));
    assert_eq!(detail.candidates.first().map(String::as_str), Some("pub.emp.name"));
    assert_eq!(detail.candidates.len(), 5);
    for (sql, code) in [
        ("SELECT id FROM pub.emp a, pub.emp b", "ambiguous_column"),
        ("SELECT name + region FROM pub.emp", "type_mismatch"),
        ("SELECT id FROM pub.emp GROUP BY region", "invalid_query"),
        ("SELECT 1/0", "runtime_error"),
        ("SELECT CAST('x' AS int)", "runtime_error"),
        ("SELECT * FROM pub.nope", "unknown_table"),
    ] {
        let error = bench.rows(sql).await.unwrap_err();
        assert_eq!(error.code(), code, "{sql}: {error}");
        assert!(!error.message().contains("Utf8") && !error.message().contains("DataFusion"), "{error}");
    }
}

#[test]
fn distances_are_edits() {
    for (a, b, expected) in [("", "", 0), ("abc", "abc", 0), ("abc", "abd", 1), ("kitten", "sitting", 3), ("", "ab", 2)]
    {
        assert_eq!(distance(a, b), expected, "{a} {b}");
    }
}

/// R34: an error that an optimiser rule raises is the same whatever ran before, and names nothing that the rule made up.
#[tokio::test]
async fn made_up_names_are_not_told() {
    let bench = Bench::new();
    let sql = "SELECT a.id FROM pub.emp a JOIN (SELECT id AS n, name FROM pub.emp) b ON a.name = b.name \
        AND NOT EXISTS (SELECT 1 FROM pub.emp s WHERE s.id = b.n AND s.salary > 1)";
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(match bench.planned(sql).await {
            Ok(_) => "planned".to_owned(),
            Err(error) => format!("{} {:?}", error.message(), error.detail()),
        });
    }
    assert!(told.iter().all(|text| *text == told[0] && !text.contains("__")), "{told:?}");
}

/// A-002, R39: what the engine writes of its own structures is not told: functions hold the query's secrets.
#[tokio::test]
async fn structures_of_the_engine_are_not_told() {
    let sql = "SELECT count(*) FROM pub.emp t CROSS JOIN pub.dim d GROUP BY GROUPING SETS ((CASE WHEN t.ssn ILIKE '%_-%_-%' THEN t.region END, 'x'), ())";
    let bench = crate::bench::Bench::new();
    if let Err(error) = bench.rows(sql).await {
        assert!(!error.message().contains(['{', '[']), "{}", error.message());
    }
    let local = crate::scan::QueryLocal::new([77; 32]);
    assert_eq!(format!("{local:?}"), "QueryLocal");
    for (told, kept) in [
        (
            "Physical plan does not support logical expression GroupingSet(GroupingSets([[Case(Case { expr: None, salt: [1, 2] }",
            "physical plan does not support logical expression",
        ),
        ("No such thing", "no such thing"),
    ] {
        assert_eq!(super::plain(told), kept);
    }
}
