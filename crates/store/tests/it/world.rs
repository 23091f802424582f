//! A database with tenants in it, and permits made the way the server makes them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use polder_policy::{
    Action, Audience, ColumnPath, Denial, Effect, ListPermit, Mask, MaskAction, NamespaceRef, Permit, PolicySpec,
    Privilege, Rule, TableRef, TableSpec, TenantRef, WarehouseRef, actions, authorize, authorize_list,
    authorize_root_list,
};
use polder_store::{
    AuditFilter, AuditRow, ColumnBinding, CommitOutcome, Creation, Database, Founded, GrantTarget, NewGrants, NewKey,
    NewPolicy, NewPrincipal, NewTable, NewWarehouse, PageRequest, PointerSwap, PolicyTarget, RootKey, Stamp, Store,
    StoreOptions, TableRow, WarehouseRow,
};
use polder_types::{
    KeyId, Location, Micros, Namespace, Principal, PrincipalKind, RequestId, Scopes, Secret, TableIdent, TenantId,
};
use uuid::Uuid;

pub(crate) const NOW: Micros = Micros(1_800_000_000_000_000);

static REQUESTS: AtomicU64 = AtomicU64::new(1);

/// A fresh request at a fixed time.
pub(crate) fn stamp() -> Stamp {
    let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
    Stamp::new(RequestId(ulid::Ulid::from_parts(1_800_000_000_000, number.into())), NOW)
}

/// Makes one table.
pub(crate) async fn make_table(
    store: &Store,
    permit: Permit<actions::CreateTable>,
    new: NewTable,
) -> polder_types::Result<Arc<TableRow>> {
    match store.commit_tables(Vec::new(), vec![Creation { permit, new }], &stamp()).await {
        CommitOutcome::Committed(rows) => Ok(rows[0].clone()),
        CommitOutcome::RolledBack(error) | CommitOutcome::Unknown(error) => Err(error),
        outcome => panic!("{outcome:?}"),
    }
}

pub(crate) fn namespace(levels: &[&str]) -> Namespace {
    Namespace::new(levels.iter().map(|level| (*level).to_owned()).collect()).unwrap()
}

pub(crate) fn page(rows: u32, token: Option<String>) -> PageRequest {
    PageRequest { token, rows: Some(rows) }
}

/// Someone with a key.
#[derive(Clone)]
pub(crate) struct Who {
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
    pub(crate) key: KeyId,
    pub(crate) secret: Secret,
}

impl Who {
    fn of(store: &Store, founded: &Founded) -> Self {
        let key = founded.key.key.id.clone();
        Self { store: store.clone(), tenant: founded.tenant.clone(), key, secret: founded.key.secret.clone() }
    }

    pub(crate) async fn principal(&self) -> Principal {
        let snapshot = self.store.policy_snapshot(&self.tenant).await.unwrap().unwrap();
        snapshot.authenticate(&self.key, None, NOW).unwrap()
    }

    pub(crate) async fn try_permit<A: Action>(&self, action: A, on: &A::Resource) -> Result<Permit<A>, Denial> {
        let snapshot = self.store.policy_snapshot(&self.tenant).await.unwrap().unwrap();
        let principal = snapshot.authenticate(&self.key, None, NOW).unwrap();
        authorize(&snapshot, &principal, action, on)
    }

    pub(crate) async fn permit<A: Action>(&self, action: A, on: &A::Resource) -> Permit<A> {
        self.try_permit(action, on).await.unwrap()
    }

    pub(crate) async fn admin<A: Action<Resource = TenantRef>>(&self, action: A) -> Permit<A> {
        self.permit(action, &TenantRef { id: self.tenant.clone() }).await
    }

    pub(crate) async fn list<A: Action<Resource = NamespaceRef>>(&self, action: A, on: &NamespaceRef) -> ListPermit<A> {
        let snapshot = self.store.policy_snapshot(&self.tenant).await.unwrap().unwrap();
        authorize_list(&snapshot, &self.principal().await, action, on).unwrap()
    }

    pub(crate) async fn list_root(&self, on: &WarehouseRef) -> ListPermit<actions::ListRootNamespaces> {
        let snapshot = self.store.policy_snapshot(&self.tenant).await.unwrap().unwrap();
        authorize_root_list(&snapshot, &self.principal().await, actions::ListRootNamespaces, on).unwrap()
    }

    pub(crate) async fn warehouse(&self, name: &str) -> Arc<WarehouseRow> {
        let new = NewWarehouse {
            name: name.parse().unwrap(),
            root: Location::parse(&format!("s3://lake/{}/{name}", self.tenant)).unwrap(),
            allowed_locations: Vec::new(),
            default: false,
        };
        self.store.create_warehouse(&self.admin(actions::ManageWarehouses).await, new, &stamp()).await.unwrap()
    }

    pub(crate) async fn namespace(&self, warehouse: &WarehouseRow, name: &str) -> NamespaceRef {
        let permit = self.permit(actions::CreateRootNamespace, &warehouse.warehouse).await;
        let name = namespace(&[name]);
        self.store.create_root_namespace(&permit, &name, BTreeMap::new(), &stamp()).await.unwrap().namespace.clone()
    }

    pub(crate) async fn namespace_in(&self, parent: &NamespaceRef, leaf: &str) -> NamespaceRef {
        let permit = self.permit(actions::CreateNamespace, parent).await;
        let levels: Vec<&str> = parent.name.levels().iter().map(String::as_str).chain([leaf]).collect();
        let name = namespace(&levels);
        self.store.create_namespace(&permit, &name, BTreeMap::new(), &stamp()).await.unwrap().namespace.clone()
    }

    pub(crate) async fn try_table(
        &self,
        namespace: &NamespaceRef,
        new: NewTable,
    ) -> polder_types::Result<Arc<TableRow>> {
        let permit = self.permit(actions::CreateTable, namespace).await;
        make_table(&self.store, permit, new).await
    }

    pub(crate) async fn table(&self, namespace: &NamespaceRef, name: &str) -> Arc<TableRow> {
        self.try_table(namespace, self.new_table(namespace, name)).await.unwrap()
    }

    /// A table at a fresh place of its own.
    pub(crate) fn new_table(&self, namespace: &NamespaceRef, name: &str) -> NewTable {
        let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let root = format!("s3://lake/{}/{}/{number}", self.tenant, namespace.warehouse.name);
        NewTable {
            name: name.to_owned(),
            location: Location::parse(&root).unwrap(),
            metadata_location: format!("{root}/metadata/0.json"),
            table_uuid: Uuid::from_u128(number.into()),
            bindings: Vec::new(),
            released_by: None,
            registered: false,
        }
    }

    pub(crate) async fn resolve(&self, namespace: &NamespaceRef, name: &str) -> Option<Arc<TableRow>> {
        let ident = TableIdent::new(namespace.name.clone(), name).unwrap();
        self.store.resolve_table(&namespace.warehouse, &ident).await.unwrap()
    }

    pub(crate) async fn drop(&self, table: &TableRef) -> polder_types::Result<()> {
        let permit = self.permit(actions::DropTable, table).await;
        self.store.drop_table(&permit, None, &stamp()).await
    }

    pub(crate) async fn rename(
        &self,
        table: &TableRef,
        to: &NamespaceRef,
        name: &str,
    ) -> polder_types::Result<Arc<TableRow>> {
        let source = self.permit(actions::RenameTable, table).await;
        let target = self.permit(actions::RenameInto, to).await;
        let seen = self
            .resolve(&table.namespace, &table.name)
            .await
            .map_or_else(String::new, |row| row.metadata_location.clone());
        self.store.rename_table(&source, &target, name, &seen, Vec::new(), &stamp()).await
    }

    pub(crate) async fn swap(&self, row: &TableRow, to: &str, bindings: Vec<ColumnBinding>) -> PointerSwap {
        PointerSwap {
            permit: self.permit(actions::CommitTable, &row.table).await,
            expected_metadata_location: row.metadata_location.clone(),
            new_metadata_location: Some(to.to_owned()),
            bindings,
            fallen: Vec::new(),
            registers: false,
        }
    }

    pub(crate) async fn commit(&self, row: &TableRow, to: &str, bindings: Vec<ColumnBinding>) -> CommitOutcome {
        let swap = self.swap(row, to, bindings).await;
        self.store.commit_tables(vec![swap], Vec::new(), &stamp()).await
    }

    /// A principal with a role of its own name and a key for everything.
    pub(crate) async fn person(&self, name: &str) -> Who {
        let store = &self.store;
        let new = NewPrincipal { name: name.to_owned(), kind: PrincipalKind::User, attributes: BTreeMap::new() };
        store.create_principal(&self.admin(actions::ManageAccess).await, new, &stamp()).await.unwrap();
        store.create_role(&self.admin(actions::ManageAccess).await, name, &stamp()).await.unwrap();
        store.assign_role(&self.admin(actions::ManageAccess).await, name, name, &stamp()).await.unwrap();
        let new = NewKey { principal: name.to_owned(), scopes: Scopes::all(), expires_at: None };
        let issued = store.create_key(&self.admin(actions::ManageKeys).await, new, &stamp()).await.unwrap();
        Who { store: store.clone(), tenant: self.tenant.clone(), key: issued.key.id, secret: issued.secret }
    }

    pub(crate) async fn grant(
        &self,
        role: &str,
        effect: Effect,
        privileges: &[Privilege],
        on: GrantTarget,
    ) -> Vec<Uuid> {
        let new = NewGrants { role: role.to_owned(), effect, privileges: privileges.to_vec(), on };
        let permit = self.admin(actions::ManageAccess).await;
        let rows = self.store.add_grants(&permit, new, &stamp()).await.unwrap();
        rows.iter().map(|row| row.id).collect()
    }

    /// A mask on column `secret`, field 7, for everyone.
    pub(crate) async fn mask(&self, row: &TableRow, name: &str) -> polder_types::Result<polder_store::PolicyRow> {
        let (permit, new) = (self.admin(actions::ManagePolicies).await, mask_of(row, name, Audience::Everyone));
        self.store.create_policy(&permit, new, &stamp()).await
    }

    pub(crate) async fn audit(&self) -> Vec<AuditRow> {
        let permit = self.admin(actions::ReadAudit).await;
        let all = PageRequest::default();
        self.store.list_audit(&permit, &AuditFilter::default(), &all).await.unwrap().items
    }
}

pub(crate) fn mask_of(row: &TableRow, name: &str, audience: Audience) -> NewPolicy {
    let table = row.table.qualified();
    let spec = serde_json::json!({
        "name": name,
        "table": {"warehouse": "x", "namespace": ["x"], "name": "x"},
        "mask": {"column": "secret", "action": "mask-alphanum"},
    });
    let mut spec: PolicySpec = serde_json::from_value(spec).unwrap();
    spec.table = TableSpec {
        warehouse: table.warehouse.to_string(),
        namespace: table.ident.namespace.levels().to_vec(),
        name: table.ident.name.clone(),
    };
    let column: ColumnPath = vec!["secret".to_owned()];
    let target = PolicyTarget {
        relation: row.table.id,
        metadata_location: row.metadata_location.clone(),
        fields: vec![(column.clone(), 7)],
    };
    NewPolicy {
        spec,
        table,
        rule: Rule::Mask { column, mask: Mask::Action(MaskAction::MaskAlphanum) },
        audience,
        target,
    }
}

/// Where a store is: its database, and the directory with its root key.
pub(crate) struct Home {
    dir: tempfile::TempDir,
    pub(crate) database: Database,
}

impl Home {
    pub(crate) fn path(&self) -> &std::path::Path {
        self.dir.path()
    }
}

pub(crate) struct World {
    pub(crate) dir: Home,
    pub(crate) store: Store,
    pub(crate) operator: Who,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::over(super::database).await
    }

    /// As [`World::new`], in another empty database, which may be a file in the directory.
    pub(crate) async fn over(database: impl FnOnce(&std::path::Path) -> Database) -> Self {
        let dir = tempfile::tempdir().unwrap();
        RootKey::create(&dir.path().join("root.key")).unwrap();
        let database = database(dir.path());
        let dir = Home { dir, database };
        let store = Self::open(&dir).await.unwrap();
        let founded = store.bootstrap(&"operator".parse().unwrap(), "admin", &stamp()).await.unwrap().unwrap();
        let operator = Who::of(&store, &founded);
        Self { dir, store, operator }
    }

    /// Opens the database once more: after a restart, or as a further node.
    pub(crate) async fn open(home: &Home) -> polder_types::Result<Store> {
        Store::open(Self::options(home, home.database.clone()), NOW).await
    }

    pub(crate) fn options(home: &Home, database: Database) -> StoreOptions {
        let root_key = RootKey::load(&home.path().join("root.key")).unwrap();
        match database {
            Database::Sqlite(path) => StoreOptions::new(path, root_key),
            Database::Postgres(url) => StoreOptions { readers: 4, writers: 4, ..StoreOptions::postgres(url, root_key) },
        }
    }

    pub(crate) async fn tenant(&self, id: &str) -> Who {
        let permit = self.operator.admin(actions::ManageTenants).await;
        let founded = self.store.create_tenant(&permit, &id.parse().unwrap(), "admin", &stamp()).await.unwrap();
        Who::of(&self.store, &founded)
    }

    /// A tenant `acme` with warehouse `lake` and namespace `ns`.
    pub(crate) async fn acme(&self) -> (Who, Arc<WarehouseRow>, NamespaceRef) {
        let acme = self.tenant("acme").await;
        let lake = acme.warehouse("lake").await;
        let ns = acme.namespace(&lake, "ns").await;
        (acme, lake, ns)
    }
}
