//! secrets are planted, every route is called, error paths included, and everything that was captured is
//! searched: answers, logs, audit, the database's own bytes.

use std::path::Path;

use polder_testkit::{Client, Credential, Program};
use reqwest::Method;
use serde_json::{Value, json};

/// What a caller types where it does not belong: must not come back, and must not be kept.
const TYPED: &str = "canary-7f3a9d-typed";
/// A literal of a query: must be in no log and no record.
const LITERAL: &str = "canary-52c1e8-literal";

/// R24: no secret in logs, errors, audit or the database.
#[tokio::test]
async fn planted_secrets_are_found_nowhere() {
    let mut program = Program::install(Path::new(env!("CARGO_BIN_EXE_polder")));
    let output = program.run(&["init", "--config", "polder.toml"]);
    let operator_key = Credential::parse(String::from_utf8(output.stdout).unwrap().trim());
    program.serve();
    let anonymous = Client::anonymous(&program.base_url());
    let operator = anonymous.with_key(&operator_key);
    let founded = operator.post("/api/v1/admin/tenants", &json!({"id": "acme", "admin": "admin"})).await.expect(201);
    let key = Credential::parse(founded.json()["key"]["credential"].as_str().unwrap());
    let admin = anonymous.with_key(&key);
    let issued = anonymous
        .with_key(&key)
        .form("/iceberg/v1/oauth/tokens", &[("grant_type", "client_credentials")])
        .await
        .expect(200);
    let token = issued.json()["access_token"].as_str().unwrap().to_owned();
    let bearer = anonymous.with_authorization(&format!("Bearer {token}"));
    let mut answers = data(&admin).await;
    for caller in [&admin, &bearer, &anonymous, &anonymous.with_authorization(&format!("Bearer {TYPED}"))] {
        answers.extend(every_route(caller).await);
    }
    answers.extend(wrong_tokens(&anonymous, &key, &token).await);
    let audit = admin.get("/api/v1/admin/audit?page_size=1000").await.expect(200).text();
    let audit_of_operator = operator.get("/api/v1/admin/audit?page_size=1000").await.expect(200).text();
    assert!(program.stop().success(), "{}", program.log());
    let secrets = [operator_key.secret.as_str(), key.secret.as_str(), token.as_str()];
    // The tail of a secret, too: nobody may shorten one and call it safe.
    let tails: Vec<&str> = secrets.iter().map(|secret| &secret[secret.len() - 24..]).collect();
    let search = |place: &str, bytes: &[u8], more: &[&str]| {
        for secret in secrets.iter().chain(&tails).chain(more) {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a secret is in {place}");
        }
    };
    let log = program.log();
    assert!(log.contains("\"operation\":\"query\"") && log.contains("\"tenant\":\"acme\""), "{log}");
    assert!(log.contains("\"query_id\":") && log.contains("\"routed_reason\":"), "S-060: {log}");
    search("the log", log.as_bytes(), &[TYPED, LITERAL]);
    search("the audit", (audit + &audit_of_operator).as_bytes(), &[TYPED, LITERAL]);
    for answer in &answers {
        search("an answer", answer.as_bytes(), &[]);
    }
    for file in files(&program.directory().join("data")) {
        search(&file.display().to_string(), &std::fs::read(&file).unwrap(), &[]);
    }
}

async fn data(admin: &Client) -> Vec<String> {
    drop(admin.post("/api/v1/admin/warehouses", &json!({"name": "lake", "default": true})).await.expect(201));
    drop(admin.post("/api/v1/admin/roles", &json!({"name": "all"})).await.expect(201));
    drop(admin.put("/api/v1/admin/roles/all/principals/admin", &json!({})).await);
    let privileges = ["list", "read", "write", "create", "drop"];
    let grant = json!({"role": "all", "privileges": privileges, "on": {}});
    drop(admin.post("/api/v1/admin/grants", &grant).await);
    let namespaces = "/iceberg/v1/lake/namespaces";
    let schema: Value = serde_json::from_str(polder_testkit::SCHEMA).unwrap();
    drop(admin.post(namespaces, &json!({"namespace": ["pub"]})).await.expect(200));
    let table = json!({"name": "t", "schema": schema});
    drop(admin.post(&format!("{namespaces}/pub/tables"), &table).await.expect(200));
    let mut answers = Vec::new();
    for sql in [
        format!("SELECT * FROM pub.t WHERE region = '{LITERAL}'"),
        format!("SELECT CAST('{LITERAL}' AS BIGINT) FROM pub.t"),
        format!("SELEC '{LITERAL}'"),
        format!("SELECT '{LITERAL}' FROM pub.absent"),
    ] {
        answers.push(admin.post("/api/v1/query", &json!({"sql": sql})).await.text());
        answers.push(admin.post("/api/v1/explain", &json!({"sql": sql})).await.text());
    }
    answers
}

/// Every route with something secret in its path, its query, its headers and its body. Nothing is created by it.
async fn every_route(caller: &Client) -> Vec<String> {
    let mut answers = Vec::new();
    let bodies = [
        format!("{{\"{TYPED}\": 1}}"),
        format!("{{\"sql\": {{\"x\": \"{TYPED}\"}}, \"name\": [\"{TYPED}\"], \"principal\": 3}}"),
        TYPED.to_owned(),
    ];
    for route in polder_server::router::routes() {
        let path: String = route
            .path
            .split('/')
            .map(|segment| match segment {
                "{prefix}" => "lake",
                parameter if parameter.starts_with('{') => TYPED,
                plain => plain,
            })
            .collect::<Vec<_>>()
            .join("/");
        let headers = [("x-tenant-id", TYPED), ("cookie", TYPED), ("x-amz-security-token", TYPED)];
        for body in &bodies {
            let body = (route.method != Method::GET && route.method != Method::HEAD).then(|| body.clone().into_bytes());
            let with_query = format!("{path}?pageToken={TYPED}&access_token={TYPED}");
            answers.push(caller.send(route.method.clone(), &with_query, &headers, body).await.text());
        }
    }
    answers
}

async fn wrong_tokens(anonymous: &Client, key: &Credential, token: &str) -> Vec<String> {
    let door = "/iceberg/v1/oauth/tokens";
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    let cut = &token[..token.len() - 1];
    let mut answers = Vec::new();
    for fields in [
        vec![("grant_type", "client_credentials"), ("client_id", key.id.as_str()), ("client_secret", TYPED)],
        vec![("grant_type", "client_credentials"), ("client_id", TYPED), ("client_secret", key.secret.as_str())],
        vec![("grant_type", key.secret.as_str())],
        vec![("grant_type", exchange), ("subject_token", cut), ("subject_token_type", token)],
        vec![("grant_type", exchange), ("subject_token", token), ("audience", key.secret.as_str())],
        vec![("scope", token), ("scope", token)],
    ] {
        answers.push(anonymous.form(door, &fields).await.text());
    }
    let almost = anonymous.with_authorization(&format!("Bearer {cut}"));
    answers.push(almost.get("/iceberg/v1/config").await.text());
    answers
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
