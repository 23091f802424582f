//! Every route of the router, against everybody: no credential, another tenant, no grant, a restricted principal, and
//! the one who may; and the record that this leaves. A route without a row fails, and so does a row without a route.

use polder_policy::AuditClass;
use polder_server::{
    op::{self, Op},
    router,
};
use polder_testkit::{Answer, Client, SCHEMA, World};
use reqwest::Method;
use serde_json::{Value, json};

/// Operations that ask for no credential, and why. This list only shrinks.
const PUBLIC: [&Op; 4] = [
    &op::GET_TOKEN,    // it is where credentials become tokens; tested in `iceberg/oauth.rs`
    &op::LIVEZ,        // says nothing but "live"
    &op::READYZ,       // says nothing but "ready"
    &op::SHOW_METRICS, // figures without names; tested in `metrics.rs`
];

/// Operations that a warehouse of files has nothing for: on record as refused, whoever asks (A-048).
const REFUSED_HERE: [&Op; 2] = [&op::LOAD_CREDENTIALS, &op::SIGN_REQUEST];

/// One operation and what each caller is answered.
struct Row {
    op: &'static Op,
    method: Method,
    path: String,
    body: Option<Value>,
    /// An administrator of another tenant.
    stranger: u16,
    /// Every scope, no privilege.
    nobody: u16,
    /// Restricted on the table, reader of the namespace, scope `catalog`.
    analyst: u16,
    /// Who may, and what is answered.
    allowed: (Who, u16),
    /// The action in the audit trail.
    action: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Engineer,
    Analyst,
    Admin,
    Operator,
}

/// A row: `METHOD path`, a body, then stranger, nobody, analyst, the one who may, and the action on record.
fn row(
    op: &'static Op,
    request: &str,
    body: Value,
    others: [u16; 3],
    allowed: (Who, u16),
    action: &'static str,
) -> Row {
    let (method, path) = request.split_once(' ').unwrap();
    let body = (!body.is_null()).then_some(body);
    let [stranger, nobody, analyst] = others;
    Row { op, method: method.parse().unwrap(), path: path.to_owned(), body, stranger, nobody, analyst, allowed, action }
}

fn view(name: &str) -> Value {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    json!({"name": name, "schema": schema, "properties": {}, "view-version": {
        "version-id": 1, "timestamp-ms": 1, "schema-id": 0, "summary": {}, "default-namespace": ["pub"],
        "representations": [{"type": "sql", "sql": "select id from people", "dialect": "spark"}],
    }})
}

/// Puts a view's metadata where nothing lies yet, and says where.
fn bring(made: &Value) -> String {
    let mut metadata = made["metadata"].clone();
    let root = metadata["location"].as_str().unwrap().rsplit_once('/').unwrap().0.to_owned();
    let location = format!("{root}/brought");
    metadata["location"] = json!(location);
    let directory = format!("{}/metadata", location.strip_prefix("file://").unwrap());
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(format!("{directory}/v.metadata.json"), metadata.to_string()).unwrap();
    format!("{location}/metadata/v.metadata.json")
}

#[rustfmt::skip]
fn iceberg_rows(file: &str, view_file: &str) -> Vec<Row> {
    use Who::Engineer;
    let no = Value::Null;
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let people = "/iceberg/v1/lake/namespaces/pub/tables/people";
    let commit = json!({"requirements": [], "updates": [{"action": "set-properties", "updates": {"k": "v"}}]});
    let change = |name: &str| json!({
        "identifier": {"namespace": ["pub"], "name": name},
        "requirements": [], "updates": [{"action": "set-properties", "updates": {"k": "w"}}],
    });
    let transaction = json!({"table-changes": [change("cities"), change("people")]});
    let report = json!({"report-type": "commit-report", "table-name": "x", "snapshot-id": 1, "sequence-number": 1,
        "operation": "append", "metrics": {}});
    let register = json!({"name": "brought", "metadata-location": file});
    let rename = json!({
        "source": {"namespace": ["pub"], "name": "people"}, "destination": {"namespace": ["pub"], "name": "moved"}
    });
    let rename_view = json!({
        "source": {"namespace": ["pub"], "name": "seen"}, "destination": {"namespace": ["pub"], "name": "seen2"}
    });
    let set_property = json!({"updates": [{"action": "set-properties", "updates": {"k": "v"}}]});
    let at = |method: &str, rest: &str| format!("{method} /iceberg/v1/lake{rest}");
    let sign = json!({"region": "r", "uri": "https://lake.s3.r.amazonaws.com/a", "method": "GET", "headers": {}});
    vec![
        row(&op::GET_CONFIG, "GET /iceberg/v1/config?warehouse=lake", no.clone(), [404, 404, 200], (Engineer, 200), "get_config"),
        row(&op::LIST_NAMESPACES, &at("GET", "/namespaces"), no.clone(), [404, 404, 200], (Engineer, 200), "list_namespaces"),
        row(&op::CREATE_NAMESPACE, &at("POST", "/namespaces"), json!({"namespace": ["spare"]}), [404, 404, 403], (Engineer, 200), "create_namespace"),
        row(&op::LOAD_NAMESPACE_METADATA, &at("GET", "/namespaces/pub"), no.clone(), [404, 404, 200], (Engineer, 200), "load_namespace"),
        row(&op::NAMESPACE_EXISTS, &at("HEAD", "/namespaces/pub"), no.clone(), [404, 404, 204], (Engineer, 204), "load_namespace"),
        row(&op::UPDATE_PROPERTIES, &at("POST", "/namespaces/pub/properties"), json!({"updates": {"k": "v"}}), [404, 404, 403], (Engineer, 200), "update_namespace"),
        row(&op::LIST_TABLES, &at("GET", "/namespaces/pub/tables"), no.clone(), [404, 404, 200], (Engineer, 200), "list_tables"),
        row(&op::CREATE_TABLE, &at("POST", "/namespaces/pub/tables"), json!({"name": "fresh", "schema": schema}), [404, 404, 403], (Engineer, 200), "create_table"),
        row(&op::LOAD_TABLE, &format!("GET {people}"), no.clone(), [404, 404, 403], (Engineer, 200), "load_table"),
        row(&op::TABLE_EXISTS, &format!("HEAD {people}"), no.clone(), [404, 404, 204], (Engineer, 204), "table_exists"),
        row(&op::UPDATE_TABLE, &format!("POST {people}"), commit, [404, 404, 403], (Engineer, 200), "commit_table"),
        row(&op::REGISTER_TABLE, &at("POST", "/namespaces/pub/register"), register, [404, 404, 403], (Engineer, 200), "register_table"),
        row(&op::UNREGISTER_TABLE, &at("POST", "/namespaces/pub/tables/brought/unregister"), no.clone(), [404, 404, 404], (Engineer, 200), "unregister_table"),
        row(&op::REPORT_METRICS, &format!("POST {people}/metrics"), report.clone(), [404, 404, 403], (Engineer, 204), "report_metrics"),
        row(&op::LOAD_CREDENTIALS, &format!("GET {people}/credentials"), no.clone(), [404, 404, 403], (Engineer, 200), "vend_credentials"),
        // A warehouse of files signs nothing, and says so to whoever may ask.
        row(&op::SIGN_REQUEST, &format!("POST {people}/sign"), sign, [404, 404, 403], (Engineer, 400), "sign_request"),
        row(&op::COMMIT_TRANSACTION, &at("POST", "/transactions/commit"), transaction, [404, 404, 403], (Engineer, 204), "commit_transaction"),
        row(&op::PLAN_TABLE_SCAN, &format!("POST {people}/plan"), json!({}), [404, 404, 403], (Engineer, 200), "plan_table"),
        row(&op::FETCH_PLANNING_RESULT, &format!("GET {people}/plan/made-up"), no.clone(), [404, 404, 403], (Engineer, 404), "plan_table"),
        row(&op::CANCEL_PLANNING, &format!("DELETE {people}/plan/made-up"), no.clone(), [404, 404, 403], (Engineer, 404), "plan_table"),
        row(&op::FETCH_SCAN_TASKS, &format!("POST {people}/tasks"), json!({"plan-task": "made-up"}), [404, 404, 403], (Engineer, 404), "plan_table"),
        row(&op::RENAME_TABLE, &at("POST", "/tables/rename"), rename, [404, 404, 403], (Engineer, 204), "rename_table"),
        row(&op::DROP_TABLE, &at("DELETE", "/namespaces/pub/tables/cities"), no.clone(), [404, 404, 403], (Engineer, 204), "drop_table"),
        row(&op::LIST_VIEWS, &at("GET", "/namespaces/pub/views"), no.clone(), [404, 404, 200], (Engineer, 200), "list_views"),
        row(&op::CREATE_VIEW, &at("POST", "/namespaces/pub/views"), view("made"), [404, 404, 403], (Engineer, 200), "create_view"),
        row(&op::LOAD_VIEW, &at("GET", "/namespaces/pub/views/seen"), no.clone(), [404, 404, 200], (Engineer, 200), "load_view"),
        row(&op::VIEW_EXISTS, &at("HEAD", "/namespaces/pub/views/seen"), no.clone(), [404, 404, 204], (Engineer, 204), "view_exists"),
        row(&op::REPLACE_VIEW, &at("POST", "/namespaces/pub/views/seen"), set_property, [404, 404, 403], (Engineer, 200), "replace_view"),
        row(&op::RENAME_VIEW, &at("POST", "/views/rename"), rename_view, [404, 404, 403], (Engineer, 204), "rename_view"),
        row(&op::DROP_VIEW, &at("DELETE", "/namespaces/pub/views/doomed"), no.clone(), [404, 404, 403], (Engineer, 204), "drop_view"),
        row(&op::REGISTER_VIEW, &at("POST", "/namespaces/pub/register-view"), json!({"name": "brought_view", "metadata-location": view_file}), [404, 404, 403], (Engineer, 200), "register_view"),
        row(&op::DROP_NAMESPACE, &at("DELETE", "/namespaces/spare"), no, [404, 404, 404], (Engineer, 204), "drop_namespace"),
    ]
}

#[rustfmt::skip]
fn query_rows() -> Vec<Row> {
    let body = json!({"sql": "SELECT id FROM pub.people"});
    vec![
        row(&op::QUERY, "POST /api/v1/query", body.clone(), [404, 404, 200], (Who::Analyst, 200), "query"),
        row(&op::EXPLAIN, "POST /api/v1/explain", body, [404, 404, 200], (Who::Analyst, 200), "explain"),
    ]
}

#[rustfmt::skip]
fn admin_rows(grant: &str, key: &str) -> Vec<Row> {
    use Who::{Admin, Operator};
    let no = Value::Null;
    let at = |method: &str, rest: &str| format!("{method} /api/v1/admin/{rest}");
    let table = json!({"warehouse": "lake", "namespace": ["pub"], "name": "moved"});
    let policy = json!({"name": "temp", "table": table, "hide_column": "phone"});
    let release = json!({"warehouse": "lake", "namespace": ["pub"], "table": "fresh"});
    let on_lake = json!({"role": "engineer", "privileges": ["list"], "on": {}});
    vec![
        row(&op::CREATE_TENANT, &at("POST", "tenants"), json!({"id": "third", "admin": "a"}), [403, 403, 403], (Operator, 201), "create_tenant"),
        row(&op::LIST_TENANTS, &at("GET", "tenants"), no.clone(), [403, 403, 403], (Operator, 200), "list_tenants"),
        row(&op::CREATE_WAREHOUSE, &at("POST", "warehouses"), json!({"name": "second"}), [201, 403, 403], (Admin, 201), "create_warehouse"),
        row(&op::LIST_WAREHOUSES, &at("GET", "warehouses"), no.clone(), [200, 403, 403], (Admin, 200), "list_warehouses"),
        row(&op::SHOW_WAREHOUSE, &at("GET", "warehouses/lake"), no.clone(), [404, 403, 403], (Admin, 200), "list_warehouses"),
        row(&op::DELETE_WAREHOUSE, &at("DELETE", "warehouses/extra"), no.clone(), [404, 403, 403], (Admin, 204), "delete_warehouse"),
        row(&op::CREATE_PRINCIPAL, &at("POST", "principals"), json!({"name": "temp"}), [201, 403, 403], (Admin, 201), "create_principal"),
        row(&op::LIST_PRINCIPALS, &at("GET", "principals"), no.clone(), [200, 403, 403], (Admin, 200), "list_access"),
        row(&op::SHOW_PRINCIPAL, &at("GET", "principals/engineer"), no.clone(), [404, 403, 403], (Admin, 200), "list_access"),
        row(&op::UPDATE_PRINCIPAL, &at("PATCH", "principals/engineer"), json!({"attributes": {"a": 1}}), [404, 403, 403], (Admin, 200), "update_principal"),
        row(&op::CREATE_KEY, &at("POST", "keys"), json!({"principal": "engineer"}), [404, 403, 403], (Admin, 201), "create_key"),
        row(&op::LIST_KEYS, &at("GET", "keys"), no.clone(), [200, 403, 403], (Admin, 200), "list_access"),
        row(&op::REVOKE_KEY, &at("DELETE", &format!("keys/{key}")), no.clone(), [404, 403, 403], (Admin, 204), "revoke_key"),
        row(&op::CREATE_ROLE, &at("POST", "roles"), json!({"name": "temp"}), [201, 403, 403], (Admin, 201), "create_role"),
        row(&op::LIST_ROLES, &at("GET", "roles"), no.clone(), [200, 403, 403], (Admin, 200), "list_access"),
        row(&op::ASSIGN_ROLE, &at("PUT", "roles/leaver/principals/engineer"), json!({}), [404, 403, 403], (Admin, 200), "assign_role"),
        row(&op::UNASSIGN_ROLE, &at("DELETE", "roles/leaver/principals/engineer"), no.clone(), [404, 403, 403], (Admin, 204), "unassign_role"),
        row(&op::ALLOW_IMPERSONATION, &at("PUT", "roles/leaver/impersonates/engineer"), json!({}), [404, 403, 403], (Admin, 200), "allow_impersonation"),
        row(&op::REVOKE_IMPERSONATION, &at("DELETE", "roles/leaver/impersonates/engineer"), no.clone(), [404, 403, 403], (Admin, 204), "revoke_impersonation"),
        row(&op::DELETE_ROLE, &at("DELETE", "roles/leaver"), no.clone(), [404, 403, 403], (Admin, 204), "delete_role"),
        row(&op::DELETE_PRINCIPAL, &at("DELETE", "principals/leaver"), no.clone(), [404, 403, 403], (Admin, 204), "delete_principal"),
        row(&op::CREATE_GRANT, &at("POST", "grants"), on_lake, [404, 403, 403], (Admin, 201), "add_grant"),
        row(&op::LIST_GRANTS, &at("GET", "grants"), no.clone(), [200, 403, 403], (Admin, 200), "list_access"),
        row(&op::DELETE_GRANT, &at("DELETE", &format!("grants/{grant}")), no.clone(), [404, 403, 403], (Admin, 204), "remove_grant"),
        row(&op::CREATE_POLICY, &at("POST", "policies"), policy, [404, 403, 403], (Admin, 201), "create_policy"),
        row(&op::LIST_POLICIES, &at("GET", "policies"), no.clone(), [200, 403, 403], (Admin, 200), "list_policies"),
        row(&op::SHOW_POLICY, &at("GET", "policies/no-phone"), no.clone(), [404, 403, 403], (Admin, 200), "list_policies"),
        row(&op::DELETE_POLICY, &at("DELETE", "policies/no-phone"), no.clone(), [404, 403, 403], (Admin, 204), "delete_policy"),
        row(&op::RELEASE_TABLE, &at("POST", "tables/release"), release, [404, 404, 403], (Admin, 200), "release_table"),
        row(&op::LIST_REPORTS, &at("GET", "reports"), no.clone(), [200, 403, 403], (Admin, 200), "list_reports"),
        row(&op::LIST_JOBS, &at("GET", "jobs"), no.clone(), [200, 403, 403], (Admin, 200), "list_jobs"),
        row(&op::LIST_AUDIT, &at("GET", "audit"), no, [200, 403, 403], (Admin, 200), "read_audit"),
    ]
}

/// What the rows speak of beyond the world itself.
async fn prepared() -> (World, Vec<Row>) {
    let world = World::make().await;
    let (_, key) = world.person("leaver", "catalog").await;
    drop(world.admin.post("/api/v1/admin/warehouses", &json!({"name": "extra"})).await.expect(201));
    drop(world.admin.post("/api/v1/admin/roles", &json!({"name": "spare"})).await.expect(201));
    let grant = json!({"role": "spare", "privileges": ["list"], "on": {"warehouse": "lake"}});
    let grant = world.admin.post("/api/v1/admin/grants", &grant).await.expect(201).json();
    let grant = grant["grants"][0]["id"].as_str().unwrap().to_owned();
    // Of somebody who edits policies, so that it is not hidden from the analyst.
    let seen = world.admin.post("/iceberg/v1/lake/namespaces/pub/views", &view("seen")).await.expect(200).json();
    drop(world.admin.post("/iceberg/v1/lake/namespaces/pub/views", &view("doomed")).await.expect(200));
    let mut rows = query_rows();
    rows.extend(iceberg_rows(&registrable(&world).await, &bring(&seen)));
    rows.extend(admin_rows(&grant, &key.id));
    (world, rows)
}

/// Where the metadata file of a table lies that no catalog knows.
async fn registrable(world: &World) -> String {
    let loaded = world.engineer.get("/iceberg/v1/lake/namespaces/pub/tables/cities").await.expect(200).json();
    let mut document = loaded["metadata"].clone();
    let place = format!("{}-brought", document["location"].as_str().unwrap());
    document["location"] = json!(place);
    let directory = std::path::PathBuf::from(place.strip_prefix("file://").unwrap()).join("metadata");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("v1.metadata.json"), document.to_string()).unwrap();
    format!("{place}/metadata/v1.metadata.json")
}

async fn ask(caller: &Client, row: &Row) -> Answer {
    caller.request(row.method.clone(), &row.path, row.body.as_ref()).await
}

#[track_caller]
fn check(answer: &Answer, status: u16, who: &str, row: &Row) {
    let said = answer.text();
    assert_eq!(answer.status, status, "{who}: {} {} {}: {said}", row.op.name, row.method, row.path);
}

/// A-075, R14: each route has its row, each row its route.
#[tokio::test]
async fn every_route_has_its_row() {
    let rows: Vec<Row> = [iceberg_rows("", ""), query_rows(), admin_rows("", "")].into_iter().flatten().collect();
    for route in router::routes() {
        let public = PUBLIC.iter().any(|op| op.name == route.op.name);
        assert_eq!(route.public, public, "{} {}", route.method, route.path);
        let found = rows.iter().filter(|row| row.op.name == route.op.name && row.method == route.method).count();
        assert_eq!(found, usize::from(!public), "{} {} has {found} rows", route.method, route.path);
    }
    for row in rows {
        assert!(router::routes().iter().any(|route| route.op.name == row.op.name), "`{}` has no route", row.op.name);
    }
}

/// A-001, A-003, A-040, A-042, A-077, R14, R22: everybody at every door, and the records of those who came in.
#[tokio::test]
async fn everybody_at_every_door() {
    let (world, rows) = prepared().await;
    let anonymous = world.server.anonymous();
    for row in &rows {
        check(&ask(&anonymous, row).await, 401, "nobody at all", row);
        let foreign = ask(&world.stranger, row).await;
        check(&foreign, row.stranger, "stranger", row);
        for name in ["engineer", "\"lake\"", "own-region"] {
            assert!(row.stranger >= 400 || !foreign.text().contains(name), "{} shows `{name}`", row.op.name);
        }
        check(&ask(&world.nobody, row).await, row.nobody, "no grant", row);
        check(&ask(&world.analyst, row).await, row.analyst, "restricted", row);
    }
    let operator = world.server.operator();
    for row in &rows {
        let (caller, name, auditor) = match row.allowed.0 {
            Who::Engineer => (&world.engineer, "engineer", &world.admin),
            Who::Analyst => (&world.analyst, "analyst", &world.admin),
            Who::Admin => (&world.admin, "admin", &world.admin),
            Who::Operator => (&operator, "root", &operator),
        };
        let answer = ask(caller, row).await;
        check(&answer, row.allowed.1, name, row);
        let request = answer.header("x-request-id").unwrap();
        assert!(recorded(auditor, row, name, request).await, "no record of `{}` by {name}", row.op.name);
    }
}

/// True if the trail holds the action of this principal; of a mutation or a query, the very request (A-003, A-050).
async fn recorded(auditor: &Client, row: &Row, name: &str, request: &str) -> bool {
    let decision = if REFUSED_HERE.iter().any(|op| op.name == row.op.name) { "deny" } else { "allow" };
    let mut path = format!("/api/v1/admin/audit?page_size=1000&decision={decision}&action={}", row.action);
    if row.op.audit != AuditClass::Counted {
        path = format!("{path}&request_id={request}");
    }
    let listed = auditor.get(&path).await.expect(200).json();
    listed["records"].as_array().unwrap().iter().any(|record| record["principal"] == name)
}

/// A path without `{prefix}` is the same door to the default warehouse: nothing is shown there that is hidden here.
#[tokio::test]
async fn everybody_at_the_doors_without_a_prefix() {
    let (world, mut rows) = prepared().await;
    for row in rows.iter_mut().filter(|row| row.path.contains("/v1/lake/")) {
        row.path = row.path.replace("/v1/lake/", "/v1/");
        check(&ask(&world.server.anonymous(), row).await, 401, "nobody at all", row);
        check(&ask(&world.nobody, row).await, 400, "no grant", row);
        check(&ask(&world.analyst, row).await, row.analyst, "restricted", row);
        let own = [&op::LIST_NAMESPACES, &op::CREATE_NAMESPACE, &op::DROP_NAMESPACE];
        if own.iter().any(|op| op.name == row.op.name) {
            continue; // the stranger's own warehouse, as it may be
        }
        check(&ask(&world.stranger, row).await, 404, "stranger", row);
    }
}
