//! What an answer says, and what it does not.

use polder_catalog::admin::audit;
use polder_store::{AuditFilter, PageRequest};
use serde_json::{Value, json};

use crate::world::{Files, World, hidden, request, rows, visible};

fn files() -> Files {
    vec![visible("CANARY"), hidden("CANARY", 10..20)]
}

/// S-080, S-092: rows, columns, metadata, provenance and the policies by name.
#[tokio::test]
async fn an_answer_carries_everything() {
    let world = World::restricted(&files()).await;
    let answer = world.ask("select e.id, upper(ssn) from PUB.emp e where id < 3 order by 1 -- c").await.unwrap();
    assert_eq!(answer["sql"], "SELECT e.id, upper(ssn) FROM PUB.emp e WHERE id < 3 ORDER BY 1");
    assert_eq!(answer["rows"], json!([[1, "***"], [2, "***"]]));
    let column = |name: &str, ty: &str, nullable: bool, masked: bool| json!({"name": name, "type": ty, "nullable": nullable, "masked": masked});
    assert_eq!(
        answer["columns"],
        json!([column("id", "bigint", false, false), column("upper(ssn)", "varchar", true, true)])
    );
    let meta = &answer["metadata"];
    assert_eq!(
        (&meta["engine"], &meta["catalog"], &meta["routed_reason"]),
        (&json!("datafusion"), &json!("lake"), &json!("table_resolved"))
    );
    assert_eq!((&meta["row_count"], &meta["truncated"], &meta["row_limit"]), (&json!(2), &json!(false), &json!(1000)));
    assert!(meta["bytes_scanned"].is_u64() && meta["duration_ms"].is_u64());
    assert_eq!(meta["query_id"].as_str().unwrap().len(), 26);
    assert_eq!(answer["provenance"]["columns"], json!(["lake.pub.emp.id", "lake.pub.emp.ssn"]));
    assert_eq!(answer["provenance"]["documents"], json!([]));
    let table = &answer["provenance"]["tables"][0];
    assert_eq!(
        (&table["warehouse"], &table["namespace"], &table["name"], &table["snapshot_id"]),
        (&json!("lake"), &json!(["pub"]), &json!("emp"), &json!(1))
    );
    let policies: Vec<(&str, &str, Option<&str>)> = answer["policies_applied"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["name"].as_str().unwrap(), p["kind"].as_str().unwrap(), p["column"].as_str()))
        .collect();
    assert_eq!(
        policies,
        [
            ("account", "mask", Some("account")),
            ("badge", "mask", Some("badge")),
            ("bonus", "mask", Some("bonus")),
            ("born", "mask", Some("born")),
            ("code", "mask", Some("code")),
            ("email", "mask", Some("email")),
            ("grade", "mask", Some("grade")),
            ("no-secret", "hide_column", None),
            ("own-region", "row_filter", None),
            ("phone", "mask", Some("info.phone")),
            ("ssn", "mask", Some("ssn")),
            ("token", "mask", Some("token")),
        ]
    );
    let text = answer.to_string();
    assert!(!text.contains("'us'") && !text.contains("666-66") && !text.contains("pub.emp.secret"), "{text}");
}

/// S-034: whoever may read everything is under no policy, and the answer says so.
#[tokio::test]
async fn an_unrestricted_reader_sees_the_whole_table() {
    let world = World::restricted(&files()).await;
    let answer = world.ask_as(&world.admin, "SELECT count(*), max(secret) FROM pub.emp").await.unwrap();
    assert_eq!(answer["rows"], json!([[15, "CANARY-secret-5"]]));
    assert_eq!(answer["policies_applied"], json!([]));
}

/// Attack 68, R34, R37: a plan is words, without statistics, files, predicates of policies or hidden columns.
#[tokio::test]
async fn explain_tells_words() {
    let world = World::restricted(&files()).await;
    let sql =
        "SELECT dept, count(*) AS n, max(ssn) FROM pub.emp WHERE salary = 50501 GROUP BY dept ORDER BY n DESC LIMIT 3";
    let ctx = world.ctx(&world.analyst).await;
    let told = world.gateway.explain(&ctx, request(sql)).await.unwrap();
    let mut found = Vec::new();
    for prefix in ["EXPLAIN", "EXPLAIN ANALYZE", "EXPLAIN VERBOSE", "EXPLAIN ANALYZE VERBOSE"] {
        let answer = world.ask(&format!("{prefix} {sql}")).await.unwrap();
        found.push(
            answer["rows"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row[0].as_str().unwrap().to_owned())
                .collect::<Vec<_>>(),
        );
    }
    assert!(found.iter().all(|lines| *lines == told.plan), "{found:?}");
    let text = told.plan.join("\n");
    for wanted in [
        "read table lake.pub.emp at snapshot 1",
        "policy own-region",
        "column ssn masked by policy ssn",
        "sort by n descending",
        "at most 1000 rows",
    ] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    for unwanted in ["us", "statistics", "file", "partition", "Exec", "Utf8", "Int64", "metrics", "bytes_scanned"] {
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        assert!(!words.contains(&unwanted.trim()), "{unwanted} in {text}");
    }
}

/// Attacks 48, 52: SHOW, DESCRIBE and the information schema hold what the caller may see.
#[tokio::test]
async fn descriptions_hold_only_what_may_be_seen() {
    let world = World::restricted(&files()).await;
    let tables = world.ask("SHOW TABLES").await.unwrap();
    let names: Vec<&Value> = tables["rows"].as_array().unwrap().iter().map(|row| &row[2]).collect();
    assert_eq!(names, [&json!("dim"), &json!("emp")]);
    assert_eq!(rows(&tables), rows(&world.ask("SELECT * FROM information_schema.tables").await.unwrap()));
    for sql in
        ["DESCRIBE pub.emp", "DESC pub.emp", "SHOW COLUMNS FROM pub.emp", "SELECT * FROM information_schema.columns"]
    {
        let text = world.ask(sql).await.unwrap()["rows"].to_string();
        assert!(text.contains("ssn") && !text.contains("secret") && !text.contains("CANARY"), "{sql}: {text}");
    }
    let own = world
        .ask("SELECT table_name FROM lake.information_schema.tables WHERE table_schema = 'pub' ORDER BY 1")
        .await
        .unwrap();
    assert_eq!(own["rows"], json!([["dim"], ["emp"]]));
    assert!(world.ask_as(&world.admin, "SHOW TABLES").await.unwrap()["rows"].to_string().contains("salaries"));
}

/// S-038, decision 0005: how names resolve.
#[tokio::test]
async fn names_resolve_as_decided() {
    let world = World::restricted(&files()).await;
    for sql in [
        "SELECT count(*) FROM pub.dim",
        "SELECT count(*) FROM PUB.DIM",
        "SELECT count(*) FROM lake.pub.dim",
        "SELECT count(*) FROM \"lake\".\"pub\".\"dim\"",
    ] {
        assert_eq!(world.ask(sql).await.unwrap()["rows"], json!([[3]]), "{sql}");
    }
    for sql in [
        "SELECT * FROM dim",
        "SELECT * FROM \"PUB\".dim",
        "SELECT * FROM other.pub.dim",
        "SELECT * FROM lake.lake.pub.dim",
        "SELECT * FROM \"pub.dim\"",
    ] {
        assert_eq!(world.ask(sql).await.unwrap_err().code(), "unknown_table", "{sql}");
    }
    let asked = |warehouse: &str| polder_query::QueryRequest {
        warehouse: Some(warehouse.parse().unwrap()),
        ..request("SELECT k FROM pub.dim")
    };
    assert!(world.gateway.query(&world.ctx(&world.analyst).await, asked("lake")).await.is_ok());
    assert_eq!(
        world.gateway.query(&world.ctx(&world.analyst).await, asked("umbra")).await.unwrap_err().code(),
        "unknown_table"
    );
}

/// A-042, S-060: a query that ran left a record before its answer, with tables, policies and counts, without a literal.
#[tokio::test]
async fn every_query_is_recorded() {
    let world = World::restricted(&files()).await;
    let sql = "SELECT id FROM pub.emp WHERE name = 'literal-canary' OR id > 2";
    let answer = world.ask(sql).await.unwrap();
    world.ask("SELECT * FROM hr.salaries").await.unwrap_err();
    world.ask("DROP TABLE pub.emp").await.unwrap_err();
    let ctx = world.ctx(&world.admin).await;
    let page = PageRequest { token: None, rows: None };
    let filter = AuditFilter { action: Some("query".to_owned()), ..AuditFilter::default() };
    let records = audit::list(&ctx, &filter, &page).await.unwrap().items;
    let ran: Vec<_> = records.iter().filter(|record| record.decision == "allow").collect();
    assert_eq!(ran.len(), 1);
    assert_eq!(ran[0].object_id.as_deref(), answer["metadata"]["query_id"].as_str());
    assert_eq!(ran[0].principal_name.as_deref(), Some("analyst"));
    let detail = &ran[0].detail;
    assert_eq!(
        (&detail["tables"], &detail["rows"], &detail["truncated"]),
        (&json!(["lake.pub.emp"]), &json!(3), &json!(false))
    );
    assert_eq!(detail["policies"].as_array().unwrap().len(), 12);
    let mut denied: Vec<_> =
        records.iter().filter(|r| r.decision == "deny").filter_map(|r| r.reason.as_deref()).collect();
    denied.sort_unstable();
    assert_eq!(denied, ["refused_statement", "unknown_table"]);
    assert!(!format!("{records:?}").contains("literal-canary"));
}

/// S-091: the row limit is the least of what is asked for, configured and hard.
#[tokio::test]
async fn the_least_row_limit_holds() {
    let world = World::restricted(&files()).await;
    for (wanted, limit, count, truncated) in [
        (Some(2), 2, 2, true),
        (Some(5), 5, 5, false),
        (Some(1_000_000), 1000, 5, false),
        (None, 1000, 5, false),
        (Some(0), 0, 0, true),
    ] {
        let asked =
            polder_query::QueryRequest { max_rows: wanted, ..request("SELECT id FROM pub.emp LIMIT 999999999") };
        let answer = world.gateway.query(&world.ctx(&world.analyst).await, asked).await.unwrap();
        let meta = &answer.head.metadata;
        assert_eq!((meta.row_limit, meta.row_count, meta.truncated), (limit, count, truncated), "{wanted:?}");
    }
}

/// S-030: a credential without the scope does not enter.
#[tokio::test]
async fn the_scope_is_needed() {
    use polder_catalog::admin::access;
    use polder_store::NewKey;
    use polder_types::Scopes;
    let world = World::restricted(&files()).await;
    let key = |scopes: &str| NewKey {
        principal: "analyst".to_owned(),
        scopes: scopes.parse::<Scopes>().unwrap(),
        expires_at: None,
    };
    for (scopes, may) in [("query", true), ("catalog", true), ("describe", false), ("find", false)] {
        let issued = access::create_key(&world.ctx(&world.admin).await, &key(scopes)).await.unwrap();
        let answer = world.ask_as(&issued.key.id, "SELECT id FROM pub.emp").await;
        assert_eq!(answer.is_ok(), may, "{scopes}: {answer:?}");
    }
}
