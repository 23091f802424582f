//! A small world for tests: a tenant with a warehouse on a real directory and a real store.
#![allow(clippy::disallowed_methods, reason = "tests start clocks and ids of their own")]

use std::{path::PathBuf, time::Duration};

use polder_policy::{Effect, PolicySpec, Privilege};
use polder_store::{NewKey, NewPrincipal, PageRequest, RootKey, Stamp, Store, StoreOptions};
use polder_types::{
    KeyId, Location, Micros, Namespace, PrincipalKind, RequestId, Result, Scopes, TableIdent, TenantId, WarehouseName,
    rest::{CommitTableRequest, CreateNamespaceRequest, CreateTableRequest},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Catalog, CatalogOptions, OpCtx, SnapshotsMode, TableCommit,
    admin::{access, grants, policies, warehouses},
    metadata::TableDoc,
    namespaces,
    tables::{self, LoadedTable},
};

pub(crate) const NOW: Micros = Micros(1_780_000_000_000_000);

pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) catalog: Catalog,
    pub(crate) admin_key: KeyId,
    pub(crate) lake: WarehouseName,
}

pub(crate) fn sales() -> Namespace {
    Namespace::new(vec!["sales".to_owned()]).unwrap()
}

pub(crate) fn ident(name: &str) -> TableIdent {
    TableIdent::new(sales(), name).unwrap()
}

pub(crate) fn everything() -> PageRequest {
    PageRequest { token: None, rows: None }
}

impl World {
    /// Tenant `acme`, warehouse `lake`, namespace `sales`.
    pub(crate) async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let root_key = RootKey::create(&directory.path().join("root.key")).unwrap();
        let store = Store::open(StoreOptions::new(directory.path().join("polder.db"), root_key), NOW).await.unwrap();
        let stamp = Stamp::new(RequestId(ulid::Ulid::nil()), NOW);
        let tenant: TenantId = "acme".parse().unwrap();
        let founded = store.bootstrap(&tenant, "root", &stamp).await.unwrap().unwrap();
        let base = Location::parse(&format!("file://{}/base", directory.path().display())).unwrap();
        let options =
            CatalogOptions { managed_base: Some(base), tenants_bring_directories: true, ..CatalogOptions::default() };
        let catalog = Catalog::new(store, options);
        let lake: WarehouseName = "lake".parse().unwrap();
        let world = Self { directory, catalog, admin_key: founded.key.key.id.clone(), lake };
        let admin = world.admin().await;
        let lake = warehouses::WarehouseRequest {
            name: world.lake.clone(),
            root: None,
            allowed_locations: Vec::new(),
            default: true,
        };
        warehouses::create(&admin, &lake).await.unwrap();
        let request = CreateNamespaceRequest { namespace: sales(), properties: None };
        namespaces::create(&world.admin().await, &world.lake, request).await.unwrap();
        world
    }

    /// A context of the key's principal under the newest policy.
    pub(crate) async fn ctx(&self, key: &KeyId) -> OpCtx {
        self.ctx_of(&self.catalog, key).await
    }

    pub(crate) async fn ctx_of(&self, catalog: &Catalog, key: &KeyId) -> OpCtx {
        let tenant = "acme".parse().unwrap();
        let snapshot = self.catalog.store().policy_snapshot(&tenant).await.unwrap().unwrap();
        let principal = snapshot.authenticate(key, None, NOW).unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        OpCtx::new(catalog.clone(), principal, snapshot, RequestId(ulid::Ulid::new()), NOW, deadline)
    }

    pub(crate) async fn admin(&self) -> OpCtx {
        self.ctx(&self.admin_key).await
    }

    /// A context whose time is over.
    pub(crate) async fn late(&self) -> OpCtx {
        let admin = self.admin().await;
        OpCtx::new(
            self.catalog.clone(),
            admin.principal().clone(),
            admin.snapshot().clone(),
            admin.request_id(),
            NOW,
            tokio::time::Instant::now(),
        )
    }

    /// Makes a principal with a role of the same name and a key, and grants these privileges on an object.
    pub(crate) async fn principal(&self, name: &str, privileges: &[Privilege], on: grants::ObjectName) -> KeyId {
        let admin = self.admin().await;
        let new = NewPrincipal { name: name.to_owned(), kind: PrincipalKind::Service, attributes: Default::default() };
        access::create_principal(&admin, &new).await.unwrap();
        access::create_role(&admin, name).await.unwrap();
        access::assign_role(&admin, name, name).await.unwrap();
        if !privileges.is_empty() {
            self.grant(name, Effect::Allow, privileges, on).await;
        }
        let new = NewKey { principal: name.to_owned(), scopes: Scopes::all(), expires_at: None };
        access::create_key(&self.admin().await, &new).await.unwrap().key.id
    }

    pub(crate) async fn grant(&self, role: &str, effect: Effect, privileges: &[Privilege], on: grants::ObjectName) {
        let request = grants::GrantRequest { role: role.to_owned(), effect, privileges: privileges.to_vec(), on };
        grants::create(&self.admin().await, &request).await.unwrap();
    }

    /// The namespace `sales`, as the object of a grant.
    pub(crate) fn in_sales(&self) -> grants::ObjectName {
        grants::ObjectName { warehouse: Some(self.lake.clone()), namespace: Some(sales()), table: None }
    }

    /// An engineer: reads without restriction and writes in `sales`, edits no policies.
    pub(crate) async fn engineer(&self) -> KeyId {
        use Privilege::{Create, Drop, List, Read, ReadUnrestricted, Write};
        self.principal("engineer", &[List, Read, Write, Create, Drop, ReadUnrestricted], self.in_sales()).await
    }

    pub(crate) async fn policy(&self, policy: Value) {
        let spec: PolicySpec = serde_json::from_value(policy).unwrap();
        policies::create(&self.admin().await, &spec).await.unwrap();
    }

    /// A mask on `email` of `sales.<table>` for `analyst`.
    pub(crate) async fn mask_email(&self, table: &str) {
        self.policy(json!({
            "name": format!("mask-{table}"),
            "table": {"warehouse": "lake", "namespace": ["sales"], "name": table},
            "applies_to": ["analyst"],
            "mask": {"column": "email", "action": "mask-alphanum"},
        }))
        .await;
    }

    pub(crate) async fn create(&self, ctx: &OpCtx, name: &str) -> Result<LoadedTable> {
        tables::create(ctx, &self.lake, &sales(), create_request(name, json!({}))).await
    }

    pub(crate) async fn commit(
        &self,
        ctx: &OpCtx,
        name: &str,
        requirements: Value,
        updates: Value,
    ) -> Result<LoadedTable> {
        let commit = table_commit(name, requirements, updates)?;
        tables::commit(ctx, &self.lake, vec![commit]).await.map(|tables| tables.into_iter().next().unwrap())
    }

    pub(crate) async fn load(&self, ctx: &OpCtx, name: &str) -> Result<TableDoc> {
        let loaded = tables::load(ctx, &self.lake, &ident(name), SnapshotsMode::All).await?;
        Ok(TableDoc::parse(&loaded.metadata).unwrap())
    }

    /// The names of the metadata files of a table.
    pub(crate) async fn files(&self, name: &str) -> Vec<String> {
        let doc = self.load(&self.admin().await, name).await.unwrap();
        let path: PathBuf = doc.location().unwrap().local_path().unwrap();
        let entries = std::fs::read_dir(path.join("metadata")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A table of `id`, `region`, `email`, with further members of the request.
pub(crate) fn create_request(name: &str, more: Value) -> CreateTableRequest {
    let mut request = json!({"name": name, "schema": {"type": "struct", "fields": [
        {"id": 1, "name": "id", "required": true, "type": "long"},
        {"id": 2, "name": "region", "required": false, "type": "string"},
        {"id": 3, "name": "email", "required": false, "type": "string"},
    ]}});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_str(&request.to_string()).unwrap()
}

pub(crate) fn table_commit(name: &str, requirements: Value, updates: Value) -> Result<TableCommit> {
    let body = json!({"requirements": requirements, "updates": updates}).to_string();
    let request: CommitTableRequest = serde_json::from_str(&body).unwrap();
    TableCommit::parse(ident(name), request)
}

pub(crate) fn set(name: &str, text: &str) -> Value {
    json!([{"action": "set-properties", "updates": {name: text}}])
}
