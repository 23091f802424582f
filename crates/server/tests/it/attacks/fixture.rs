//! Builds the worlds through the HTTP doors: three tenants with the same names and policies. What differs is what the
//! attacker may not learn.

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{
    loader::{self, Loader},
    rows::{self, World},
    server::Server,
};

/// Name of the warehouse in each tenant of the fixture.
const WAREHOUSE: &str = "lake";
/// The attacker's name and role.
const PROBE: &str = "probe";

/// One tenant as the attacker and its administrator meet it.
pub(super) struct Tenant {
    /// The administrator's credential.
    pub(super) admin: String,
    /// The attacker's credential.
    pub(super) probe: String,
    /// A snapshot of `pub.emp` from before the policies.
    pub(super) old_snapshot: i64,
}

/// Everything.
pub(super) struct Fixture {
    pub(super) server: Server,
    pub(super) real: Tenant,
    pub(super) shadow: Tenant,
    pub(super) mirror: Tenant,
}

static FIXTURE: OnceCell<Fixture> = OnceCell::const_new();

/// The fixture that all tests of this process share; the first builds it.
pub(super) async fn fixture() -> &'static Fixture {
    FIXTURE.get_or_init(build).await
}

async fn build() -> Fixture {
    let server = Server::start();
    let operator = server.operator();
    let mut admins = vec![server.credential("admin")];
    for tenant in ["shadow", "mirror"] {
        let body = json!({"id": tenant, "admin": "admin"});
        let made = server.must("POST", "/api/v1/admin/tenants", &operator, &body).await;
        admins.push(made["key"]["credential"].as_str().unwrap().to_owned());
        let body = json!({"name": WAREHOUSE, "default": true});
        server.must("POST", "/api/v1/admin/warehouses", admins.last().unwrap(), &body).await;
    }
    let real = tenant(&server, World::Real, &admins[0]).await;
    let shadow = tenant(&server, World::Shadow, &admins[1]).await;
    let mirror = tenant(&server, World::Mirror, &admins[2]).await;
    other_tenant(&server).await;
    Fixture { server, real, shadow, mirror }
}

async fn tenant(server: &Server, world: World, admin: &str) -> Tenant {
    let all = json!(["list", "read", "write", "create", "drop", "read_unrestricted"]);
    let builder = person(server, admin, "builder", &json!({})).await;
    grant(server, admin, "builder", &all, &json!({"warehouse": WAREHOUSE})).await;
    let loader = Loader::connect(&format!("http://{}/iceberg", server.address), WAREHOUSE, &builder).await;
    for namespace in ["pub", "hr"] {
        loader.namespace(namespace).await;
    }
    for (namespace, name, schema, rows) in [
        ("pub", "dim", loader::keys(), rows::dim()),
        ("pub", "notes", loader::notes(), rows::notes()),
        ("hr", "open", loader::keys(), rows::dim()),
        ("hr", "salaries", loader::salaries(), rows::salaries(world)),
    ] {
        if (world, name) != (World::Mirror, "salaries") {
            loader.table(namespace, name, schema).await;
            loader.append(namespace, name, &rows).await;
        }
    }
    let probe = person(server, admin, PROBE, &json!({"dept": "eng", "region": "us"})).await;
    for namespace in ["pub", "hr"] {
        grant(
            server,
            admin,
            PROBE,
            &json!(["list", "read"]),
            &json!({"warehouse": WAREHOUSE, "namespace": [namespace]}),
        )
        .await;
    }
    deny_salaries(server, admin).await;
    let old_snapshot = employees(server, admin, &loader, world).await;
    Tenant { admin: admin.to_owned(), probe, old_snapshot }
}

/// Fills `pub.emp`; the policies come after the first portions. Returns a snapshot from before.
async fn employees(server: &Server, admin: &str, loader: &Loader, world: World) -> i64 {
    loader.table("pub", "emp", loader::emp()).await;
    let (mut latest, mut old) = (0, 0);
    for portion in rows::employees(world) {
        match portion {
            Some(rows) => latest = loader.append("pub", "emp", &rows).await,
            None => {
                old = latest;
                if world != World::Mirror {
                    policies(server, admin).await;
                }
            }
        }
    }
    old
}

/// A principal with a role of the same name. Returns its credential.
pub(super) async fn person(server: &Server, admin: &str, name: &str, attributes: &Value) -> String {
    let body = json!({"name": name, "kind": "user", "attributes": attributes});
    server.must("POST", "/api/v1/admin/principals", admin, &body).await;
    server.must("POST", "/api/v1/admin/roles", admin, &json!({"name": name})).await;
    server.must("PUT", &format!("/api/v1/admin/roles/{name}/principals/{name}"), admin, &json!({})).await;
    let body = json!({"principal": name, "scopes": "catalog"});
    let key = server.must("POST", "/api/v1/admin/keys", admin, &body).await;
    key["credential"].as_str().unwrap().to_owned()
}

/// Grants privileges to a role.
pub(super) async fn grant(server: &Server, admin: &str, role: &str, privileges: &Value, on: &Value) {
    let body = json!({"role": role, "privileges": privileges, "on": on});
    server.must("POST", "/api/v1/admin/grants", admin, &body).await;
}

/// The blocked table; in the mirror the name is blocked, the table is not there.
async fn deny_salaries(server: &Server, admin: &str) {
    let on = json!({"warehouse": WAREHOUSE, "namespace": ["hr"], "table": "salaries"});
    let body = json!({"role": PROBE, "privileges": ["list"], "on": on, "effect": "deny"});
    let answer = server.ask("POST", "/api/v1/admin/grants", admin, Some(&body)).await;
    // Whether a name that is not there can be denied is not this suite's question.
    assert!([200, 201, 404].contains(&answer.status), "{}", answer.brief());
}

async fn policies(server: &Server, admin: &str) {
    let dept = json!({"type": "eq", "term": "dept", "attribute": "dept"});
    let policies = [
        json!({"name": "us-rows", "row_filter": {"type": "eq", "term": "region", "value": "us"}}),
        json!({"name": "no-ssn", "mask": {"column": "ssn", "value": "***"}}),
        json!({"name": "own-dept-email", "mask": {
            "column": "email", "when": dept, "then": {"action": "show"}, "else": {"value": "-"},
        }}),
        json!({"name": "no-phone", "mask": {"column": "info.phone", "action": "replace-with-null"}}),
    ];
    for mut policy in policies {
        policy["table"] = json!({"warehouse": WAREHOUSE, "namespace": ["pub"], "name": "emp"});
        policy["applies_to"] = json!([PROBE]);
        server.must("POST", "/api/v1/admin/policies", admin, &policy).await;
    }
}

/// `pub.x` of the demo's other tenant.
async fn other_tenant(server: &Server) {
    let admin = server.credential("stranger");
    let builder = person(server, &admin, "builder", &json!({})).await;
    grant(server, &admin, "builder", &json!(["list", "read", "write", "create"]), &json!({})).await;
    let loader = Loader::connect(&format!("http://{}/iceberg", server.address), "vault", &builder).await;
    loader.namespace("pub").await;
    loader.table("pub", "x", loader::salaries()).await;
    loader.append("pub", "x", &rows::salaries(World::Real)).await;
}
