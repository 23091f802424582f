//! Two tenants, five people and two tables, made through the doors: what most tests begin with.

use serde_json::{Value, json};

use crate::{Client, Credential, TestServer};

/// A table that is restricted for the analyst: a row filter and a hidden column.
pub const RESTRICTED: &str = "people";
/// A table that is restricted for nobody.
pub const OPEN: &str = "cities";
/// The columns of both, as `createTable` wants them.
pub const SCHEMA: &str = r#"{"type": "struct", "schema-id": 0, "fields": [
    {"id": 1, "name": "id", "type": "long", "required": false},
    {"id": 2, "name": "region", "type": "string", "required": false},
    {"id": 3, "name": "phone", "type": "string", "required": false}]}"#;

/// A running server with tenant `acme` (warehouse `lake`, namespace `pub`) and tenant `umbra` (warehouse `vault`).
pub struct World {
    /// The server.
    pub server: TestServer,
    /// Administrator of `acme`; every scope.
    pub admin: Client,
    /// Reads and writes in `lake` without restriction; scope `catalog`.
    pub engineer: Client,
    /// May list and read in `pub`, restricted on `people`; scope `catalog`.
    pub analyst: Client,
    /// The analyst's key.
    pub analyst_key: Credential,
    /// The engineer's key.
    pub engineer_key: Credential,
    /// Every scope that `acme` can give, no privilege.
    pub nobody: Client,
    /// Administrator of `umbra`; every scope.
    pub stranger: Client,
}

impl World {
    /// Makes it.
    pub async fn make() -> Self {
        Self::make_on(TestServer::start().await).await
    }

    /// Makes it on a fresh server.
    pub async fn make_on(server: TestServer) -> Self {
        let operator = server.operator();
        let admin = found(&server, &operator, "acme").await;
        let stranger = found(&server, &operator, "umbra").await;
        let warehouse = json!({"name": "vault", "default": true});
        drop(stranger.post("/api/v1/admin/warehouses", &warehouse).await.expect(201));
        drop(admin.post("/api/v1/admin/warehouses", &json!({"name": "lake", "default": true})).await.expect(201));
        let engineer_key = person(&admin, "engineer", "catalog").await;
        let analyst_key = person(&admin, "analyst", "catalog").await;
        let nobody = person(&admin, "nobody", "catalog admin:warehouses admin:access admin:policies admin:audit").await;
        let all = ["list", "read", "write", "create", "drop", "read_unrestricted"];
        grant(&admin, "engineer", &all, &json!({"warehouse": "lake"})).await;
        let client = |key: &Credential| server.anonymous().with_key(key);
        let world = Self {
            admin,
            engineer: client(&engineer_key),
            analyst: client(&analyst_key),
            nobody: client(&nobody),
            stranger,
            analyst_key,
            engineer_key,
            server,
        };
        world.tables().await;
        world
    }

    async fn tables(&self) {
        let namespaces = "/iceberg/v1/lake/namespaces";
        drop(self.engineer.post(namespaces, &json!({"namespace": ["pub"]})).await.expect(200));
        self.create_table("pub", RESTRICTED).await;
        self.create_table("pub", OPEN).await;
        grant(&self.admin, "analyst", &["list", "read"], &json!({"warehouse": "lake", "namespace": ["pub"]})).await;
        let table = json!({"warehouse": "lake", "namespace": ["pub"], "name": RESTRICTED});
        for (name, rule, value) in [
            ("own-region", "row_filter", json!({"type": "eq", "term": "region", "value": "eu"})),
            ("no-phone", "hide_column", json!("phone")),
        ] {
            let policy = json!({"name": name, "table": table, "applies_to": ["analyst"], rule: value});
            drop(self.admin.post("/api/v1/admin/policies", &policy).await.expect(201));
        }
    }

    /// Makes a table as the engineer, and returns what `createTable` answers.
    pub async fn create_table(&self, namespace: &str, name: &str) -> Value {
        let schema: Value = serde_json::from_str(SCHEMA).expect("a schema");
        let body = json!({"name": name, "schema": schema});
        let path = format!("/iceberg/v1/lake/namespaces/{namespace}/tables");
        self.engineer.post(&path, &body).await.expect(200).json()
    }

    /// Makes a principal of `acme` with a role of the same name and a key.
    pub async fn person(&self, name: &str, scopes: &str) -> (Client, Credential) {
        let key = person(&self.admin, name, scopes).await;
        (self.server.anonymous().with_key(&key), key)
    }

    /// Allows privileges to a role of `acme`.
    pub async fn grant(&self, role: &str, privileges: &[&str], on: &Value) {
        grant(&self.admin, role, privileges, on).await;
    }

    /// The audit records of `acme`, newest first, at most a thousand.
    pub async fn audit(&self) -> Vec<Value> {
        let answer = self.admin.get("/api/v1/admin/audit?page_size=1000").await.expect(200).json();
        answer["records"].as_array().expect("records").clone()
    }
}

async fn found(server: &TestServer, operator: &Client, tenant: &str) -> Client {
    let body = json!({"id": tenant, "admin": "admin"});
    let answer = operator.post("/api/v1/admin/tenants", &body).await.expect(201).json();
    let credential = answer["key"]["credential"].as_str().expect("a credential");
    server.anonymous().with_key(&Credential::parse(credential))
}

async fn person(admin: &Client, name: &str, scopes: &str) -> Credential {
    let principal = json!({"name": name, "kind": "service"});
    drop(admin.post("/api/v1/admin/principals", &principal).await.expect(201));
    drop(admin.post("/api/v1/admin/roles", &json!({"name": name})).await.expect(201));
    drop(admin.put(&format!("/api/v1/admin/roles/{name}/principals/{name}"), &json!({})).await.expect(200));
    let key = json!({"principal": name, "scopes": scopes});
    let answer = admin.post("/api/v1/admin/keys", &key).await.expect(201).json();
    Credential::parse(answer["credential"].as_str().expect("a credential"))
}

async fn grant(admin: &Client, role: &str, privileges: &[&str], on: &Value) {
    let body = json!({"role": role, "privileges": privileges, "on": on});
    drop(admin.post("/api/v1/admin/grants", &body).await.expect(201));
}
