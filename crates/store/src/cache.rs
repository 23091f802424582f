//! Rows that the process keeps, where it owns the database: the writer replaces them after COMMIT and before the answer,
//! so the next read sees them. Bounded; what is absent is never remembered. A row read from the database enters only if
//! nothing that could concern it was committed since the read began. Where other nodes write too, no row is kept, only
//! the newest policy version seen of each tenant.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use moka::sync::Cache;
use polder_policy::{NamespaceRef, TableRef};
use polder_types::{KeyId, Namespace, TableIdent, TenantId, WarehouseId, WarehouseName};

use crate::{NamespaceRow, TableRow, TenantRow, WarehouseRow, keys::StoredKey};

const TENANTS_MAX: u64 = 10_000;
const WAREHOUSES_MAX: u64 = 10_000;
const NAMESPACES_MAX: u64 = 50_000;
const TABLES_MAX: u64 = 200_000;
const KEYS_MAX: u64 = 50_000;
/// Shards of the change counters: two keys of one shard disturb each other's filling, nothing worse.
const SHARDS: usize = 256;

/// The tenant is part of every key: a reference with another tenant's id finds nothing.
pub(crate) type WarehouseKey = (TenantId, WarehouseName);
pub(crate) type NamespaceKey = (TenantId, WarehouseId, Namespace);
pub(crate) type TableKey = (TenantId, WarehouseId, TableIdent);

/// The key of a namespace.
pub(crate) fn namespace_key(namespace: &NamespaceRef) -> NamespaceKey {
    (namespace.warehouse.tenant.id.clone(), namespace.warehouse.id, namespace.name.clone())
}

/// The key of a table.
pub(crate) fn table_key(table: &TableRef) -> TableKey {
    let warehouse = &table.namespace.warehouse;
    (warehouse.tenant.id.clone(), warehouse.id, table.ident())
}

/// What a job changed; applied after COMMIT.
pub(crate) enum Change {
    TenantVersion(TenantId, i64),
    /// Something about warehouses, which happens rarely: everything that holds one is forgotten.
    Warehouses,
    Namespace(Arc<NamespaceRow>),
    NamespaceGone(NamespaceKey),
    Table(Arc<TableRow>),
    TableGone(TableKey),
    Key(KeyId),
}

pub(crate) struct Caches {
    /// Other nodes write to the same database.
    shared: bool,
    /// On a shared database as last met: a bound from below for the policy version, and nothing to be answered.
    pub(crate) tenants: Cache<TenantId, Arc<TenantRow>>,
    pub(crate) warehouses: Cache<WarehouseKey, Arc<WarehouseRow>>,
    pub(crate) default_warehouses: Cache<TenantId, Arc<WarehouseRow>>,
    pub(crate) namespaces: Cache<NamespaceKey, Arc<NamespaceRow>>,
    tables: Cache<TableKey, Arc<TableRow>>,
    pub(crate) keys: Cache<KeyId, Arc<StoredKey>>,
    gate: RwLock<()>,
    hasher: RandomState,
    changes: Vec<AtomicU64>,
    /// How many tables of each shard are withdrawn: none of them is kept again until that is over.
    withdrawn: Vec<AtomicU64>,
}

/// The state of a key's change counter when a read began.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    shard: usize,
    changes: u64,
}

/// The shards of tables that are withdrawn.
#[derive(Default)]
#[must_use = "it ends by `Caches::release`"]
pub(crate) struct Withdrawn(Vec<usize>);

impl Caches {
    pub(crate) fn new(shared: bool) -> Self {
        Self {
            shared,
            tenants: Cache::new(TENANTS_MAX),
            warehouses: Cache::new(WAREHOUSES_MAX),
            default_warehouses: Cache::new(TENANTS_MAX),
            namespaces: Cache::new(NAMESPACES_MAX),
            tables: Cache::new(TABLES_MAX),
            keys: Cache::new(KEYS_MAX),
            gate: RwLock::new(()),
            hasher: RandomState::new(),
            changes: (0..SHARDS).map(|_| AtomicU64::new(0)).collect(),
            withdrawn: (0..SHARDS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn shard(&self, key: &impl Hash) -> usize {
        usize::try_from(self.hasher.hash_one(key)).unwrap_or_default() % SHARDS
    }

    /// The row of a table, if it is kept: never one of a transaction of which another table is still as it was before.
    pub(crate) fn table(&self, key: &TableKey) -> Option<Arc<TableRow>> {
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        self.tables.get(key)
    }

    /// Notes the state of a key before it is read from the database.
    pub(crate) fn seen(&self, key: &impl Hash) -> Seen {
        let shard = self.shard(key);
        Seen { shard, changes: self.changes.get(shard).map_or(0, |count| count.load(Ordering::Acquire)) }
    }

    /// Keeps a table that was read, as [`Caches::fill`].
    pub(crate) fn fill_table(&self, seen: Seen, key: TableKey, row: Arc<TableRow>) {
        self.fill(&self.tables, seen, key, row);
    }

    /// Keeps what was read, unless its key may have changed meanwhile.
    pub(crate) fn fill<K, V>(&self, cache: &Cache<K, V>, seen: Seen, key: K, value: V)
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        if self.shared {
            return;
        }
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let is_withdrawn = self.withdrawn.get(seen.shard).is_none_or(|count| count.load(Ordering::Acquire) > 0);
        let is_as_seen =
            self.changes.get(seen.shard).is_some_and(|count| count.load(Ordering::Acquire) == seen.changes);
        if is_as_seen && !is_withdrawn {
            cache.insert(key, value);
        }
    }

    /// Notes a tenant as some statement found it, where rows are not kept. An older one never replaces a newer one.
    pub(crate) fn met(&self, row: &Arc<TenantRow>) {
        if !self.shared {
            return;
        }
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        if self.tenants.get(&row.tenant.id).is_none_or(|kept| kept.version < row.version) {
            self.tenants.insert(row.tenant.id.clone(), row.clone());
        }
    }

    /// Notes a tenant's policy version as some statement found it.
    pub(crate) fn met_version(&self, tenant: &TenantId, version: i64) {
        if !self.shared || self.tenants.get(tenant).is_some_and(|kept| kept.version >= version) {
            return;
        }
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.raise(tenant.clone(), version);
    }

    /// Moves a known tenant's version on; never back.
    fn raise(&self, id: TenantId, version: i64) {
        if let Some(row) = self.tenants.get(&id).filter(|row| row.version < version) {
            self.tenants.insert(id, Arc::new(TenantRow { version, ..row.as_ref().clone() }));
        }
    }

    /// Before the COMMIT of a transaction that changes several tables: none of them is kept from here until
    /// [`Caches::release`], so that everybody reads all of them from the database, which changes them at once. Otherwise one
    /// that is not kept would be seen as it is after, and then another, kept, as it was before.
    pub(crate) fn withdraw(&self, changes: &[Change]) -> Withdrawn {
        let keys = changes.iter().filter_map(|change| match change {
            Change::Table(row) => Some(table_key(&row.table)),
            Change::TableGone(key) => Some(key.clone()),
            _ => None,
        });
        let keys: Vec<TableKey> = keys.collect();
        if self.shared || keys.len() < 2 {
            return Withdrawn(Vec::new());
        }
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let withdrawn = keys.iter().map(|key| {
            let shard = self.shard(key);
            if let Some(count) = self.withdrawn.get(shard) {
                count.fetch_add(1, Ordering::AcqRel);
            }
            self.tables.invalidate(key);
            shard
        });
        Withdrawn(withdrawn.collect())
    }

    /// After the transaction, and after its changes were published if it was committed.
    pub(crate) fn release(&self, withdrawn: Withdrawn) {
        for count in withdrawn.0.into_iter().filter_map(|shard| self.withdrawn.get(shard)) {
            count.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Makes committed changes visible.
    pub(crate) fn publish(&self, changes: Vec<Change>) {
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            if self.shared && !matches!(change, Change::TenantVersion(..)) {
                continue;
            }
            match change {
                Change::TenantVersion(id, version) => {
                    self.touch(&id);
                    self.raise(id, version);
                }
                Change::Warehouses => {
                    for count in &self.changes {
                        count.fetch_add(1, Ordering::AcqRel);
                    }
                    self.warehouses.invalidate_all();
                    self.default_warehouses.invalidate_all();
                    self.tables.invalidate_all();
                }
                Change::Namespace(row) => {
                    let key = namespace_key(&row.namespace);
                    self.touch(&key);
                    self.namespaces.insert(key, row);
                }
                Change::NamespaceGone(key) => {
                    self.touch(&key);
                    self.namespaces.invalidate(&key);
                }
                Change::Table(row) => {
                    let key = table_key(&row.table);
                    self.touch(&key);
                    self.tables.insert(key, row);
                }
                Change::TableGone(key) => {
                    self.touch(&key);
                    self.tables.invalidate(&key);
                }
                Change::Key(id) => {
                    self.touch(&id);
                    self.keys.invalidate(&id);
                }
            }
        }
    }

    fn touch(&self, key: &impl Hash) {
        if let Some(count) = self.changes.get(self.shard(key)) {
            count.fetch_add(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests;
