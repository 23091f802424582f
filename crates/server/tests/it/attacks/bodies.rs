//! Request bodies that are not what the query door expects: what a lenient reader would take two ways, foreign fields,
//! numbers out of range, bytes that are no text.

use serde_json::json;

use super::{
    fixture::{Fixture, fixture},
    http::{Answer, Request, send},
    judge, runner,
};

/// Bodies that must be refused as they are.
fn refused() -> Vec<(&'static str, Vec<u8>)> {
    let text = |id, body: &str| (id, body.as_bytes().to_vec());
    let mut bodies = vec![
        text("empty", ""),
        text("null", "null"),
        text("array", r#"["SELECT 1"]"#),
        text("string", r#""SELECT 1""#),
        text("bare", "SELECT * FROM hr.salaries"),
        text("no-sql", "{}"),
        text("sql-null", r#"{"sql": null}"#),
        text("sql-number", r#"{"sql": 1}"#),
        text("sql-array", r#"{"sql": ["SELECT 1", "SELECT * FROM hr.salaries"]}"#),
        text("sql-object", r#"{"sql": {"$ne": null}}"#),
        text("twice", r#"{"sql": "SELECT 1", "sql": "SELECT * FROM hr.salaries"}"#),
        text("twice-escaped", r#"{"sql": "SELECT 1", "\u0073ql": "SELECT * FROM hr.salaries"}"#),
        text("tenant", r#"{"sql": "SELECT * FROM pub.x", "tenant": "umbra"}"#),
        text("principal", r#"{"sql": "SELECT * FROM hr.salaries", "principal": "admin"}"#),
        text("policy", r#"{"sql": "SELECT * FROM pub.emp", "apply_policies": false}"#),
        text("rows-negative", r#"{"sql": "SELECT 1", "max_rows": -1}"#),
        text("rows-huge", r#"{"sql": "SELECT 1", "max_rows": 18446744073709551616}"#),
        text("rows-float", r#"{"sql": "SELECT 1", "max_rows": 1e400}"#),
        text("rows-text", r#"{"sql": "SELECT 1", "max_rows": "10"}"#),
        text("timeout-negative", r#"{"sql": "SELECT 1", "timeout_ms": -1}"#),
        text("timeout-float", r#"{"sql": "SELECT 1", "timeout_ms": 0.5}"#),
        text("timeout-huge", r#"{"sql": "SELECT 1", "timeout_ms": 99999999999999999999}"#),
        text("warehouse-array", r#"{"sql": "SELECT 1", "warehouse": ["lake"]}"#),
        text("trailing", r#"{"sql": "SELECT 1"} {"sql": "SELECT * FROM hr.salaries"}"#),
        text("comment", r#"{"sql": "SELECT 1" /* x */}"#),
        text("surrogate", r#"{"sql": "SELECT '\ud800'"}"#),
        text("byte-order-mark", "\u{feff}{\"sql\": \"SELECT 1\"}"),
        text("raw-control", "{\"sql\": \"SELECT\u{0} 1\"}"),
        ("not-utf8", b"{\"sql\": \"SELECT '\xff\xfe'\"}".to_vec()),
        ("overlong", b"{\"sql\": \"SELECT '\xc0\xaf'\"}".to_vec()),
        ("utf16", "{\"sql\": \"SELECT 1\"}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("zeros", vec![0; 1000]),
        ("deep", [vec![b'['; 200_000], vec![b']'; 200_000]].concat()),
        ("deep-member", [br#"{"sql": "SELECT 1", "x": "#.to_vec(), vec![b'['; 200_000], b"}".to_vec()].concat()),
    ];
    bodies.push(("eight-megabytes", [b"{\"sql\": \"".to_vec(), vec![b'x'; 8 << 20], b"\"}".to_vec()].concat()));
    bodies
}

/// Bodies that say something odd but clear: answered or refused, with no more than is due.
fn odd() -> Vec<(&'static str, String)> {
    let sql = "SELECT * FROM pub.emp";
    vec![
        ("rows-0", json!({"sql": sql, "max_rows": 0}).to_string()),
        ("rows-most", json!({"sql": sql, "max_rows": u64::MAX}).to_string()),
        ("timeout-0", json!({"sql": sql, "timeout_ms": 0}).to_string()),
        ("timeout-most", json!({"sql": sql, "timeout_ms": u64::MAX}).to_string()),
        ("warehouse-empty", json!({"sql": sql, "warehouse": ""}).to_string()),
        ("warehouse-path", json!({"sql": sql, "warehouse": "../umbra"}).to_string()),
        ("warehouse-null", json!({"sql": sql, "warehouse": null}).to_string()),
        ("warehouse-long", json!({"sql": sql, "warehouse": "w".repeat(100_000)}).to_string()),
        ("escapes", r#"{"sql": "\u0053ELECT\u0020* FROM pub.emp"}"#.to_owned()),
        ("escaped-cr", r#"{"sql": "SELECT id FROM pub.emp -- x\rUNION ALL SELECT id FROM hr.salaries"}"#.to_owned()),
        ("escaped-null", r#"{"sql": "SELECT id FROM pub.emp\u0000"}"#.to_owned()),
    ]
}

/// Headers that want to be somebody else.
const HEADERS: [(&str, &str); 8] = [
    ("x-tenant-id", "umbra"),
    ("x-workspace-id", "umbra"),
    ("x-forwarded-user", "admin"),
    ("x-trino-user", "admin"),
    ("x-remote-user", "admin"),
    ("x-polder-roles", "admin"),
    ("x-http-method-override", "DELETE"),
    ("x-original-url", "/api/v1/admin/tenants"),
];

async fn post(fixture: &Fixture, path: &str, body: Vec<u8>, headers: &[(&str, &str)]) -> Result<Answer, String> {
    let mut request = Request { body, ..Request::new("POST", path, &fixture.real.probe, None) };
    request.headers.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    send(fixture.server.address, &request).await
}

/// S-010: a body that can be read two ways is read in none; a body that is merely odd gives no more than is due.
pub(super) async fn attack() {
    let fixture = fixture().await;
    let mut failures = Vec::new();
    for path in ["/api/v1/query", "/api/v1/explain"] {
        for (id, body) in refused() {
            failures.extend(match post(fixture, path, body, &[]).await {
                Err(error) => vec![format!("{path} {id}: {error}")],
                Ok(answer) => judged(path, id, &answer, (400..500).contains(&answer.status)),
            });
        }
        for (id, body) in odd() {
            failures.extend(match post(fixture, path, body.into_bytes(), &[]).await {
                Err(error) => vec![format!("{path} {id}: {error}")],
                Ok(answer) => judged(path, id, &answer, answer.status != 500),
            });
        }
    }
    failures.extend(headers(fixture).await);
    failures.extend(warehouses(fixture).await);
    runner::finish(fixture, "bodies", failures).await;
}

fn judged(path: &str, id: &str, answer: &Answer, fine: bool) -> Vec<String> {
    let mut found: Vec<String> =
        judge::complaints(answer, "").into_iter().map(|what| format!("{path} {id}: {what}")).collect();
    if !fine {
        found.push(format!("{path} {id}: expected a refusal, got {}", answer.brief()));
    }
    found
}

/// No header changes who asks, or what.
async fn headers(fixture: &Fixture) -> Vec<String> {
    let body = json!({"sql": "SELECT count(*) FROM pub.emp"}).to_string().into_bytes();
    let plain = post(fixture, "/api/v1/query", body.clone(), &[]).await.unwrap();
    let mut failures = Vec::new();
    for header in HEADERS {
        let answer = post(fixture, "/api/v1/query", body.clone(), &[header]).await.unwrap();
        if judge::stable(answer.json()) != judge::stable(plain.json()) {
            failures.push(format!("the header {header:?} changes the answer: {}", answer.brief()));
        }
    }
    failures
}

/// Another tenant's warehouse is a warehouse that is not there.
async fn warehouses(fixture: &Fixture) -> Vec<String> {
    let body = |warehouse: &str| json!({"sql": "SELECT * FROM pub.x", "warehouse": warehouse}).to_string().into_bytes();
    let foreign = post(fixture, "/api/v1/query", body("vault"), &[]).await.unwrap();
    let absent = post(fixture, "/api/v1/query", body("vaulq"), &[]).await.unwrap();
    let names = [("vault".to_owned(), "vaulq".to_owned())];
    judge::differs_from_absent(&foreign, &absent, &names).into_iter().collect()
}
