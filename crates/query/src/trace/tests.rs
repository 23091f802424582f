//! The mark `masked` follows values wherever they go.

use crate::{bench::Bench, plan::is_masked};

async fn masked(sql: &str) -> Vec<bool> {
    let (planned, _) = Bench::new().planned(sql).await.unwrap();
    (0..planned.schema.fields().len()).map(|column| is_masked(&planned.origins, column)).collect()
}

/// S-092: an output that may depend on a masked column says so.
#[tokio::test]
async fn masks_are_traced_through_every_node() {
    for (sql, expected) in [
        ("SELECT ssn AS a, id, name AS ssn FROM pub.emp", vec![true, false, false]),
        ("SELECT x FROM (SELECT upper(ssn) || name AS x FROM pub.emp) t", vec![true]),
        ("SELECT region, max(ssn), count(*) FROM pub.emp GROUP BY region", vec![false, true, false]),
        ("SELECT ssn, count(*) FROM pub.emp GROUP BY ROLLUP (ssn)", vec![true, false]),
        ("SELECT a.id, b.ssn FROM pub.emp a JOIN pub.emp b ON a.id = b.id", vec![false, true]),
        ("SELECT id FROM pub.emp UNION ALL SELECT length(ssn) FROM pub.emp", vec![true]),
        ("SELECT id, lag(ssn) OVER (ORDER BY id) FROM pub.emp", vec![false, true]),
        ("WITH w AS (SELECT ssn AS s, id FROM pub.emp) SELECT s, id FROM w ORDER BY 1", vec![true, false]),
        ("SELECT (SELECT max(ssn) FROM pub.emp), 1", vec![true, false]),
        ("SELECT (SELECT max(x.ssn) FROM pub.emp x WHERE x.id = e.id) FROM pub.emp e", vec![true]),
        ("SELECT CASE WHEN ssn = 'x' THEN 1 END, id FROM pub.emp", vec![true, false]),
        ("SELECT unnest([ssn]), id FROM pub.emp", vec![true, false]),
        (
            "SELECT s, i FROM pub.emp e, LATERAL (SELECT b.ssn AS s, b.id AS i FROM pub.emp b WHERE b.id = e.id) l",
            vec![true, false],
        ),
        (
            "WITH RECURSIVE r AS (SELECT ssn a, CAST(NULL AS varchar) b, id c FROM pub.emp \
                UNION ALL SELECT NULL, a, c FROM r WHERE a IS NOT NULL) SELECT a, b, c FROM r",
            vec![true, true, false],
        ),
        (
            "WITH RECURSIVE r AS (SELECT 1 n, name a FROM pub.emp UNION ALL SELECT n + 1, a FROM r WHERE n < 3) SELECT n, a FROM r",
            vec![false, false],
        ),
        ("SELECT * EXCEPT (SSN, \"info\") FROM pub.emp", vec![false; 4]),
        ("SELECT * EXCLUDE SSN FROM pub.emp", vec![false; 5]),
        ("SELECT * FROM pub.emp WHERE ssn = 'x'", vec![false, false, false, false, true, false]),
    ] {
        assert_eq!(masked(sql).await, expected, "{sql}");
    }
}
