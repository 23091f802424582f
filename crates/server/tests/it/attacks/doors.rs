//! The attacker at the other doors: the catalog, where a governed table is listed but not opened; page tokens; and
//! principals whose attributes want to be code.

use serde_json::{Value, json};

use super::{
    fixture::{self, Fixture, Tenant, fixture},
    http::Answer,
    judge,
    loader::{self, Loader},
    rows::leaks,
    runner,
};

/// Words of the schema that a refusal must not say.
const SCHEMA_WORDS: [&str; 6] = ["salary", "ssn", "region", "phone", "email", "dept"];

/// Requests that would open the governed table, below `/iceberg/v1/lake`; what is not served is not found.
fn openings() -> Vec<(&'static str, String, Option<Value>)> {
    let commit = json!({"requirements": [], "updates": [{"action": "set-properties", "updates": {"x": "y"}}]});
    let identifier = json!({"namespace": ["pub"], "name": "emp"});
    let change =
        json!({"identifier": identifier, "requirements": commit["requirements"], "updates": commit["updates"]});
    let table = "/namespaces/pub/tables/emp";
    let report = json!({"report-type": "scan-report", "table-name": "emp", "snapshot-id": 1, "schema-id": 0,
        "filter": true, "projected-field-ids": [], "projected-field-names": [], "metrics": {}});
    let register =
        json!({"name": "emp", "metadata-location": "file:///x/metadata/v1.metadata.json", "overwrite": true});
    vec![
        ("GET", table.to_owned(), None),
        ("GET", format!("{table}?snapshots=all"), None),
        ("GET", format!("{table}?snapshots=refs"), None),
        ("POST", table.to_owned(), Some(commit)),
        ("POST", "/transactions/commit".to_owned(), Some(json!({"table-changes": [change]}))),
        ("GET", format!("{table}/credentials"), None),
        ("POST", format!("{table}/plan"), Some(json!({"select": ["ssn"]}))),
        ("POST", format!("{table}/tasks"), Some(json!({"plan-task": "x"}))),
        (
            "POST",
            format!("{table}/sign"),
            Some(json!({"region": "x", "uri": "file:///x", "method": "GET", "headers": {}})),
        ),
        ("POST", format!("{table}/metrics"), Some(report)),
        ("POST", "/namespaces/pub/register".to_owned(), Some(register)),
        ("DELETE", table.to_owned(), None),
        ("DELETE", format!("{table}?purgeRequested=true"), None),
        (
            "POST",
            "/tables/rename".to_owned(),
            Some(json!({"source": identifier, "destination": {"namespace": ["pub"], "name": "e2"}})),
        ),
        ("GET", format!("{table}$files"), None),
        ("GET", format!("{table}%24partitions"), None),
        ("GET", "/namespaces/pub%1Femp/tables/files".to_owned(), None),
        ("GET", "/namespaces/pub/views/v_def".to_owned(), None),
    ]
}

async fn at_catalog(
    fixture: &Fixture,
    tenant: &Tenant,
    method: &'static str,
    path: &str,
    body: Option<&Value>,
) -> Answer {
    fixture.server.ask(method, &format!("/iceberg/v1/lake{path}"), &tenant.probe, body).await
}

/// A-077, R33: the governed table opens at no path of the catalog, and the refusal says nothing about it.
pub(super) async fn the_governed_table_stays_shut() {
    let fixture = fixture().await;
    let mut failures = Vec::new();
    for (method, path, body) in openings() {
        let real = at_catalog(fixture, &fixture.real, method, &path, body.as_ref()).await;
        let shadow = at_catalog(fixture, &fixture.shadow, method, &path, body.as_ref()).await;
        let text = String::from_utf8_lossy(&real.body).to_lowercase();
        let told: Vec<&&str> = SCHEMA_WORDS.iter().filter(|word| text.contains(**word)).collect();
        if !(400..500).contains(&real.status) || !told.is_empty() {
            failures.push(format!("{method} {path}: expected a refusal without the schema, got {}", real.brief()));
        }
        failures.extend(leaks(&real.raw, "").into_iter().map(|mark| format!("{method} {path} leaks `{mark}`")));
        failures.extend(judge::differs_from_shadow(&real, &shadow).map(|what| format!("{method} {path} {what}")));
    }
    let load = at_catalog(fixture, &fixture.real, "GET", "/namespaces/pub/tables/emp", None).await;
    if load.status != 403 || !String::from_utf8_lossy(&load.body).contains("/api/v1/query") {
        failures.push(format!("load: expected 403 that names the query door, got {}", load.brief()));
    }
    let head = at_catalog(fixture, &fixture.real, "HEAD", "/namespaces/pub/tables/emp", None).await;
    let list = at_catalog(fixture, &fixture.real, "GET", "/namespaces/pub/tables", None).await;
    if head.status != 204 || !String::from_utf8_lossy(&list.body).contains("\"emp\"") {
        failures.push(format!("the table should be listed: HEAD {}, list {}", head.status, list.brief()));
    }
    runner::finish(fixture, "catalog", failures).await;
}

/// R22, A-077: a blocked table answers at the catalog as one that never was, and no list names it.
pub(super) async fn the_blocked_table_is_absent() {
    let fixture = fixture().await;
    let mut failures = Vec::new();
    let names = [("salaries".to_owned(), "salariez".to_owned())];
    let commit = json!({"requirements": [], "updates": []});
    for (method, tail) in
        [("GET", ""), ("HEAD", ""), ("POST", ""), ("DELETE", ""), ("GET", "/credentials"), ("POST", "/metrics")]
    {
        let body = Some(&commit).filter(|_| method == "POST");
        let path = |name: &str| format!("/namespaces/hr/tables/{name}{tail}");
        let blocked = at_catalog(fixture, &fixture.real, method, &path("salaries"), body).await;
        let absent = at_catalog(fixture, &fixture.real, method, &path("salariez"), body).await;
        if !(400..500).contains(&blocked.status) {
            failures.push(format!("{method} hr.salaries{tail}: {}", blocked.brief()));
        }
        failures
            .extend(judge::differs_from_absent(&blocked, &absent, &names).map(|what| format!("{method}{tail} {what}")));
    }
    for path in ["/namespaces/hr/tables", "/namespaces", "/namespaces/hr", "/namespaces/hr/views"] {
        let list = at_catalog(fixture, &fixture.real, "GET", path, None).await;
        let text = String::from_utf8_lossy(&list.raw).to_lowercase();
        if text.contains("salaries") || text.contains("tpch") || text.contains("umbra") {
            failures.push(format!("GET {path} names what it must not: {}", list.brief()));
        }
    }
    runner::finish(fixture, "blocked at the catalog", failures).await;
}

/// 132: a page token that was changed, that another principal was given, or whose list its holder may not read any more,
/// is refused. What it may still read, it reads by the rights of now (`iceberg/pages.rs`).
pub(super) async fn page_tokens_are_refused() {
    let fixture = fixture().await;
    let real = &fixture.real;
    let page = |token: &str| format!("/iceberg/v1/lake/namespaces/pub/tables?pageSize=1&pageToken={token}");
    let first = fixture.server.ask("GET", &page(""), &real.probe, None).await;
    let token = first.json()["next-page-token"].as_str().unwrap_or_default().to_owned();
    let mut failures = Vec::new();
    if first.status != 200 || token.is_empty() {
        failures.push(format!("the first page has no token: {}", first.brief()));
    }
    let middle = token.len() / 2;
    let flipped = if token[middle..].starts_with('A') { "B" } else { "A" };
    let mut changed = token.clone();
    changed.replace_range(middle..=middle, flipped);
    let pub_at_hr = format!("/iceberg/v1/lake/namespaces/hr/tables?pageSize=1&pageToken={token}");
    let reader = fixture::person(&fixture.server, &real.admin, "reader", &json!({})).await;
    let on = json!({"warehouse": "lake", "namespace": ["pub"]});
    fixture::grant(&fixture.server, &real.admin, "reader", &json!(["list"]), &on).await;
    for (what, path, credential) in [
        ("changed", page(&changed), &real.probe),
        ("cut", page(&token[..middle]), &real.probe),
        ("made up", page("AAAA"), &real.probe),
        ("of another list", pub_at_hr, &real.probe),
        ("of another principal", page(&token), &reader),
        ("of another tenant", page(&token), &fixture.shadow.probe),
    ] {
        let answer = fixture.server.ask("GET", &path, credential, None).await;
        if answer.status != 400 {
            failures.push(format!("a page token {what}: expected 400, got {}", answer.brief()));
        }
    }
    failures.extend(token_after_revocation(fixture, &page(""), &reader).await);
    runner::finish(fixture, "page tokens", failures).await;
}

/// The reader's own token, once the reader may no longer list.
async fn token_after_revocation(fixture: &Fixture, first: &str, reader: &str) -> Vec<String> {
    let answer = fixture.server.ask("GET", first, reader, None).await;
    let token = answer.json()["next-page-token"].as_str().unwrap_or_default().to_owned();
    let leave = "/api/v1/admin/roles/reader/principals/reader";
    let left = fixture.server.ask("DELETE", leave, &fixture.real.admin, None).await;
    let path = format!("/iceberg/v1/lake/namespaces/pub/tables?pageSize=1&pageToken={token}");
    let after = fixture.server.ask("GET", &path, reader, None).await;
    let fine = !token.is_empty() && left.status == 204 && (400..500).contains(&after.status);
    if fine {
        vec![]
    } else {
        vec![format!("a page token after revocation: {} {} {}", answer.status, left.status, after.brief())]
    }
}

/// 77, S-034: an attribute is a literal of the column's type or no row; it is never SQL.
pub(super) async fn attributes_are_literals() {
    let fixture = fixture().await;
    let (server, admin) = (&fixture.server, &fixture.real.admin);
    let on = json!({"warehouse": "lake", "namespace": ["attr"]});
    let builder = fixture::person(server, admin, "attr-builder", &json!({})).await;
    let all = json!(["list", "read", "write", "create", "read_unrestricted"]);
    fixture::grant(server, admin, "attr-builder", &all, &json!({"warehouse": "lake"})).await;
    let loader = Loader::connect(&format!("http://{}/iceberg", server.address), "lake", &builder).await;
    loader.namespace("attr").await;
    loader.table("attr", "emp", loader::emp()).await;
    let rows = ["us", "eu", "us' OR '1'='1", "%", "1", "null", "true"];
    let rows: Vec<Value> = rows.iter().enumerate().map(|(i, region)| json!({"id": i, "region": region})).collect();
    loader.append("attr", "emp", &rows).await;
    let policy = json!({
        "name": "attr-rows", "table": {"warehouse": "lake", "namespace": ["attr"], "name": "emp"},
        "row_filter": {"type": "eq", "term": "region", "attribute": "region"},
    });
    server.must("POST", "/api/v1/admin/policies", admin, &policy).await;
    let mut failures = Vec::new();
    for (i, (attributes, expected)) in attributes().into_iter().enumerate() {
        let name = format!("attr-{i}");
        // Some of these may be refused when the principal is made, which is as good.
        let body = json!({"name": format!("{name}-tried"), "kind": "user", "attributes": attributes});
        let made = server.ask("POST", "/api/v1/admin/principals", admin, Some(&body)).await;
        if made.status == 400 && expected.is_empty() {
            continue;
        }
        let credential = fixture::person(server, admin, &name, &attributes).await;
        fixture::grant(server, admin, &name, &json!(["list", "read"]), &on).await;
        let body = json!({"sql": "SELECT id FROM attr.emp ORDER BY id"});
        let answer = server.ask("POST", "/api/v1/query", &credential, Some(&body)).await;
        let expected: Vec<Value> = expected.iter().map(|id| json!([id])).collect();
        if answer.json()["rows"] != json!(expected) {
            failures.push(format!("{attributes}: expected rows {expected:?}, got {}", answer.brief()));
        }
    }
    runner::finish(fixture, "attributes", failures).await;
}

/// Attributes and the rows that their holder may see.
fn attributes() -> Vec<(Value, Vec<i64>)> {
    vec![
        (json!({"region": "us"}), vec![0]),
        (json!({"region": "us' OR '1'='1"}), vec![2]),
        (json!({"region": "%"}), vec![3]),
        (json!({"region": "US"}), vec![]),
        (json!({"region": "us "}), vec![]),
        (json!({"region": ""}), vec![]),
        (json!({}), vec![]),
        (json!({"Region": "us"}), vec![]),
        (json!({"region": null}), vec![]),
        (json!({"region": ["us", "eu"]}), vec![]),
        (json!({"region": 1}), vec![]),
        (json!({"region": true}), vec![]),
        (json!({"region": {"$ne": "us"}}), vec![]),
    ]
}
