//! The small world of a run: one tenant, one warehouse, one engineer, some shared tables and namespaces, made through
//! the doors.

use serde_json::{Value, json};

use crate::{
    Database, Options,
    client::Client,
    failure::{Outcome, Why},
    postgres::Cluster,
    program::Program,
};

/// Where the shared tables are.
pub(crate) const SHARED: &str = "shared";
/// Where each writer has tables of its own.
pub(crate) const OWN: &str = "own";
/// The route of the warehouse.
pub(crate) const LAKE: &str = "/iceberg/v1/lake";
/// How many earlier files each metadata file names: few, so that long runs are not about this list.
const PREVIOUS_VERSIONS: &str = "5";

/// A table that many write to.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) location: String,
}

impl Table {
    pub(crate) fn path(&self) -> String {
        table_path(SHARED, &self.name)
    }
}

/// The route of a table.
pub(crate) fn table_path(namespace: &str, name: &str) -> String {
    format!("{LAKE}/namespaces/{namespace}/tables/{name}")
}

/// A program with a world in it.
pub(crate) struct World {
    pub(crate) program: Program,
    /// Reads the audit trail.
    pub(crate) admin: Client,
    /// Writes, with a token.
    pub(crate) engineer: Client,
    /// The engineer's key, which tokens are asked with.
    key: Client,
    pub(crate) tables: Vec<Table>,
    /// Namespaces whose properties many write to.
    pub(crate) namespaces: Vec<String>,
    /// Commits to several tables are served.
    pub(crate) transactions: bool,
    /// `Idempotency-Key` is served.
    pub(crate) idempotency: bool,
    /// Stopped after the program.
    _cluster: Option<Cluster>,
}

impl World {
    /// Installs, starts and fills it.
    pub(crate) async fn found(options: &Options, seed: u64, tables: usize) -> Outcome<Self> {
        let cluster = match options.database {
            Database::Sqlite => None,
            Database::Postgres => Some(Cluster::start(seed)?),
        };
        let settings = cluster.as_ref().map(|cluster| format!("[database]\nurl = \"{}\"\n", cluster.url()));
        let mut program = Program::install(&options.bin, seed, &settings.unwrap_or_default())?;
        let credential = program.init()?;
        let operator = Client::basic(&program.base_url(), &credential)?;
        program.serve(&operator, "/api/v1/admin/tenants").await?;
        let founded = operator.post("/api/v1/admin/tenants", &json!({"id": "acme", "admin": "admin"})).await;
        let founded = founded.expect(201)?.json()?;
        let key = founded["key"]["credential"].as_str().why("the administrator's key")?;
        let admin = Client::basic(&program.base_url(), key)?;
        let key = engineer(&admin).await?;
        let key = Client::basic(&program.base_url(), &key)?;
        let engineer = key.with_token().await?;
        let config = engineer.get("/iceberg/v1/config?warehouse=lake").await.expect(200)?.json()?;
        let endpoints = config["endpoints"].as_array().cloned().unwrap_or_default();
        let transactions = endpoints.iter().any(|e| e.as_str().is_some_and(|e| e.ends_with("/transactions/commit")));
        let idempotency = config["idempotency-key-lifetime"].is_string();
        let (tables_of, namespaces, _cluster) = (Vec::new(), Vec::new(), cluster);
        let mut world =
            Self { program, admin, engineer, key, tables: tables_of, namespaces, transactions, idempotency, _cluster };
        world.fill(tables).await?;
        Ok(world)
    }

    async fn fill(&mut self, tables: usize) -> Outcome<()> {
        for namespace in [SHARED, OWN, "props"] {
            let body = json!({"namespace": [namespace]});
            self.engineer.post(&format!("{LAKE}/namespaces"), &body).await.expect(200)?;
        }
        self.namespaces = vec![SHARED.to_owned(), "props".to_owned()];
        for number in 0..tables {
            let name = format!("t{number}");
            let body = new_table(&name);
            let answer = self.engineer.post(&format!("{LAKE}/namespaces/{SHARED}/tables"), &body).await.expect(200)?;
            let answer = answer.json()?;
            let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned).why(pointer);
            self.tables.push(Table {
                name,
                uuid: text("/metadata/table-uuid")?,
                location: text("/metadata/location")?,
            });
        }
        Ok(())
    }

    /// Gets a new token.
    pub(crate) async fn renew(&mut self) -> Outcome<()> {
        self.engineer = self.key.with_token().await?;
        Ok(())
    }

    /// Ends the run: the directory stays if it is wanted or if something is wrong.
    pub(crate) fn end<T>(mut self, options: &Options, outcome: Outcome<T>) -> Outcome<T> {
        if options.keep || outcome.is_err() {
            println!("kept: {}", self.program.keep().display());
        }
        outcome
    }
}

/// The body that creates a table.
pub(crate) fn new_table(name: &str) -> Value {
    json!({
        "name": name,
        "schema": {"type": "struct", "schema-id": 0, "fields": [
            {"id": 1, "name": "id", "type": "long", "required": false},
            {"id": 2, "name": "region", "type": "string", "required": false}]},
        "properties": {"write.metadata.previous-versions-max": PREVIOUS_VERSIONS},
    })
}

async fn engineer(admin: &Client) -> Outcome<String> {
    admin.post("/api/v1/admin/warehouses", &json!({"name": "lake", "default": true})).await.expect(201)?;
    admin.post("/api/v1/admin/principals", &json!({"name": "engineer", "kind": "service"})).await.expect(201)?;
    admin.post("/api/v1/admin/roles", &json!({"name": "engineer"})).await.expect(201)?;
    admin.put("/api/v1/admin/roles/engineer/principals/engineer", &json!({})).await.expect(200)?;
    let privileges = ["list", "read", "write", "create", "drop", "read_unrestricted"];
    let grant = json!({"role": "engineer", "privileges": privileges, "on": {"warehouse": "lake"}});
    admin.post("/api/v1/admin/grants", &grant).await.expect(201)?;
    let key = json!({"principal": "engineer", "scopes": "catalog"});
    let answer = admin.post("/api/v1/admin/keys", &key).await.expect(201)?.json()?;
    Ok(answer["credential"].as_str().why("the engineer's key")?.to_owned())
}
