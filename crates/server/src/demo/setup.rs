//! Makes the demo's tenants, people, data and policies through the HTTP doors. Every step can be repeated, so a
//! demo that was interrupted goes on where it stopped.

use polder_types::{Error, Result, Secret};
use serde_json::{Value, json};

use super::{Progress, load::Loader, state::State, tpch};
use crate::client::{Client, ClientError};

/// Holder of the operator's credential in the state file.
pub(super) const OPERATOR: &str = "operator";
/// The demo's tenant.
pub(super) const TENANT: &str = "acme";
/// The other tenant.
pub(super) const OTHER_TENANT: &str = "umbra";
/// The warehouse of the demo's tenant.
pub(super) const WAREHOUSE: &str = "lake";
/// The namespace of the tables.
pub(super) const NAMESPACE: &str = "tpch";
/// The table that is restricted for the analyst.
pub(super) const RESTRICTED_TABLE: &str = "customer";

/// The server that the demo talks to.
pub(super) struct Target<'a> {
    pub(super) base_url: &'a str,
    pub(super) iceberg_uri: &'a str,
}

fn failed(what: &str, error: &ClientError) -> Error {
    Error::internal(format!("{what}: {error}"))
}

/// Posts, taking "it is already there" for done.
async fn ensure(client: &Client, path: &str, body: &Value) -> Result<Option<Value>> {
    match client.post(path, body).await {
        Ok(answer) => Ok(Some(answer)),
        Err(ClientError::Refused { status, .. }) if status.as_u16() == 409 => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

fn client(target: &Target<'_>, state: &State, holder: &str) -> Result<Client> {
    let credential = state.credential(holder).ok_or_else(|| {
        Error::invalid(
            "demo_state",
            format!("the credential of `{holder}` was lost in an interrupted start; remove the data directory"),
        )
    })?;
    Client::new(target.base_url, None, &credential).map_err(|error| failed("client", &error))
}

/// Makes everything that is not there yet.
pub(super) async fn run(target: &Target<'_>, state: &mut State, scale: f64, progress: &Progress) -> Result<()> {
    let operator = client(target, state, OPERATOR)?;
    for (tenant, holder) in [(TENANT, "admin"), (OTHER_TENANT, "stranger")] {
        progress.step(&format!("tenant {tenant}"));
        let body = json!({"id": tenant, "admin": holder});
        if let Some(answer) = ensure(&operator, "/api/v1/admin/tenants", &body).await? {
            state.remember(holder, &credential_of(answer.get("key"))?)?;
        }
    }
    let stranger = client(target, state, "stranger")?;
    ensure(&stranger, "/api/v1/admin/warehouses", &json!({"name": "vault", "default": true})).await?;
    let admin = client(target, state, "admin")?;
    progress.step("warehouse, people, roles and keys");
    ensure(&admin, "/api/v1/admin/warehouses", &json!({"name": WAREHOUSE, "default": true})).await?;
    people(&admin, state).await?;
    load(target, state, scale, progress).await?;
    progress.step("policies");
    grants_on_tables(&admin).await?;
    policies(&admin).await
}

fn credential_of(key: Option<&Value>) -> Result<Secret> {
    key.and_then(|key| key.get("credential"))
        .and_then(Value::as_str)
        .map(|text| Secret::new(text.to_owned()))
        .ok_or_else(|| Error::internal("the answer holds no credential"))
}

async fn people(admin: &Client, state: &mut State) -> Result<()> {
    for (name, kind, attributes) in
        [("engineer", "service", json!({})), ("analyst", "user", json!({"segment": "BUILDING"}))]
    {
        let body = json!({"name": name, "kind": kind, "attributes": attributes});
        ensure(admin, "/api/v1/admin/principals", &body).await?;
        ensure(admin, "/api/v1/admin/roles", &json!({"name": name})).await?;
        let member = format!("/api/v1/admin/roles/{name}/principals/{name}");
        admin.put(&member, &json!({})).await.map_err(|error| failed(&member, &error))?;
        if state.credential(name).is_none() {
            let body = json!({"principal": name, "scopes": "catalog"});
            let key = admin.post("/api/v1/admin/keys", &body).await.map_err(|error| failed("keys", &error))?;
            state.remember(name, &credential_of(Some(&key))?)?;
        }
    }
    let body = json!({
        "role": "engineer",
        "privileges": ["list", "read", "write", "create", "drop", "read_unrestricted"],
        "on": {"warehouse": WAREHOUSE},
    });
    ensure(admin, "/api/v1/admin/grants", &body).await?;
    Ok(())
}

async fn load(target: &Target<'_>, state: &State, scale: f64, progress: &Progress) -> Result<()> {
    let credential = state.credential("engineer").ok_or_else(|| Error::internal("the engineer has no key"))?;
    let loader = Loader::connect(target.iceberg_uri, WAREHOUSE, NAMESPACE, &credential, scale).await?;
    loader.ensure_namespace().await?;
    for table in &tpch::TABLES {
        progress.step(&format!("table {NAMESPACE}.{}", table.name));
        loader.ensure_table(table).await?;
    }
    Ok(())
}

async fn grants_on_tables(admin: &Client) -> Result<()> {
    let body = json!({
        "role": "analyst",
        "privileges": ["list", "read"],
        "on": {"warehouse": WAREHOUSE, "namespace": [NAMESPACE]},
    });
    ensure(admin, "/api/v1/admin/grants", &body).await?;
    Ok(())
}

/// One row filter, two masks and a hidden column, all on one table, for the analyst's role.
async fn policies(admin: &Client) -> Result<()> {
    let table = json!({"warehouse": WAREHOUSE, "namespace": [NAMESPACE], "name": RESTRICTED_TABLE});
    let policies = [
        json!({
            "name": "own-segment",
            "row_filter": {"type": "eq", "term": "c_mktsegment", "attribute": "segment"},
        }),
        json!({"name": "phone-last-4", "mask": {"column": "c_phone", "action": "show-last-4"}}),
        json!({"name": "no-balance", "mask": {"column": "c_acctbal", "action": "replace-with-null"}}),
        json!({"name": "no-address", "hide_column": "c_address"}),
    ];
    for mut policy in policies {
        if let Some(members) = policy.as_object_mut() {
            members.insert("table".to_owned(), table.clone());
            members.insert("applies_to".to_owned(), json!(["analyst"]));
        }
        ensure(admin, "/api/v1/admin/policies", &policy).await?;
    }
    Ok(())
}
