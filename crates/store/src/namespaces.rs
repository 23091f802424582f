//! Namespaces: nested, empty before they can be dropped, with arbitrary properties.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use polder_policy::{ListPermit, NamespaceRef, Permit, WarehouseRef, actions};
use polder_types::{
    Error, ErrorKind, Location, Namespace, NamespaceId, Result, Subject, rest::UpdateNamespacePropertiesResponse,
};
use uuid::Uuid;

use crate::{
    AuditDetail, AuditObject, Outcome, Page, PageRequest, Stamp, Store,
    audit::Trail,
    cache::{Change, namespace_key},
    db::{self, Row, Session, sql},
    fresh, grants, homes,
    pages::Shown,
    tenants,
    tx::{Lock, Tx},
};

/// The property that names where the tables of a namespace are put by clients that choose a place.
const LOCATION: &str = "location";
/// Most bytes of a namespace's properties, as JSON: the row is kept in memory and read whole.
const PROPERTIES_BYTES_MAX: usize = 1024 * 1024;

/// A namespace.
#[derive(Clone, Debug)]
pub struct NamespaceRow {
    /// Itself with its parents.
    pub namespace: NamespaceRef,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
    /// Grows with every change of the row.
    pub version: i64,
}

impl Store {
    /// Finds a namespace by name.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn resolve_namespace(
        &self,
        warehouse: &WarehouseRef,
        name: &Namespace,
    ) -> Result<Option<Arc<NamespaceRow>>> {
        let key = (warehouse.tenant.id.clone(), warehouse.id, name.clone());
        if let Some(row) = self.caches().namespaces.get(&key) {
            return Ok(Some(row));
        }
        let seen = self.caches().seen(&key);
        let row = select_now(self, warehouse, name).await?.map(Arc::new);
        if let Some(row) = &row {
            self.caches().fill(&self.caches().namespaces, seen, key, row.clone());
        }
        Ok(row)
    }

    /// Makes a namespace of one level.
    ///
    /// # Errors
    /// `Invalid` if the name is nested, `TooLarge`, `AlreadyExists`, `NotFound` if the warehouse is gone.
    pub async fn create_root_namespace(
        &self,
        permit: &Permit<actions::CreateRootNamespace>,
        name: &Namespace,
        properties: BTreeMap<String, String>,
        stamp: &Stamp,
    ) -> Result<Arc<NamespaceRow>> {
        let birth = Birth::new(permit.resource().clone(), &[], None, name, properties, stamp)?;
        let trail = Trail::of(permit, stamp);
        self.write("create_namespace", move |tx| Box::pin(async move { create(tx, &trail, birth).await })).await
    }

    /// Makes a namespace right inside the permit's.
    ///
    /// # Errors
    /// `Invalid` if it would lie elsewhere, `TooLarge`, `AlreadyExists`, `NotFound` if the parent is gone.
    pub async fn create_namespace(
        &self,
        permit: &Permit<actions::CreateNamespace>,
        name: &Namespace,
        properties: BTreeMap<String, String>,
        stamp: &Stamp,
    ) -> Result<Arc<NamespaceRow>> {
        let parent = permit.resource();
        let birth = Birth::new(parent.warehouse.clone(), &parent.chain, Some(&parent.name), name, properties, stamp)?;
        let trail = Trail::of(permit, stamp);
        self.write("create_namespace", move |tx| Box::pin(async move { create(tx, &trail, birth).await })).await
    }

    /// Drops an empty namespace.
    ///
    /// # Errors
    /// `NotFound`; `NotEmpty` while it has tables, views or namespaces.
    pub async fn drop_namespace(&self, permit: &Permit<actions::DropNamespace>, stamp: &Stamp) -> Result<()> {
        let (trail, namespace) = (Trail::of(permit, stamp), permit.resource().clone());
        self.write("drop_namespace", move |tx| Box::pin(async move { delete(tx, &trail, &namespace).await })).await
    }

    /// Removes and sets properties. The answer lists keys in order.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn update_namespace_properties(
        &self,
        permit: &Permit<actions::UpdateNamespace>,
        removals: Vec<String>,
        updates: BTreeMap<String, String>,
        stamp: &Stamp,
    ) -> Result<UpdateNamespacePropertiesResponse> {
        let (trail, namespace) = (Trail::of(permit, stamp), permit.resource().clone());
        self.write("update_namespace", move |tx| {
            Box::pin(async move { update(tx, &trail, namespace, removals, updates).await })
        })
        .await
    }

    /// Lists the namespaces of one level, by name.
    ///
    /// # Errors
    /// `Invalid` for a page token of another list.
    pub async fn list_root_namespaces(
        &self,
        permit: &ListPermit<actions::ListRootNamespaces>,
        page: &PageRequest,
    ) -> Result<Page<Namespace>> {
        self.list_children(permit, permit.permit().resource(), Uuid::nil(), page).await
    }

    /// Lists the namespaces right inside the permit's, by name.
    ///
    /// # Errors
    /// `Invalid` for a page token of another list.
    pub async fn list_namespaces(
        &self,
        permit: &ListPermit<actions::ListNamespaces>,
        page: &PageRequest,
    ) -> Result<Page<Namespace>> {
        let parent = permit.permit().resource();
        self.list_children(permit, &parent.warehouse, parent.id().0, page).await
    }

    async fn list_children<A: polder_policy::Action>(
        &self,
        permit: &ListPermit<A>,
        warehouse: &WarehouseRef,
        parent: Uuid,
        page: &PageRequest,
    ) -> Result<Page<Namespace>> {
        let view = permit.visibility();
        let shown = Shown::new(&view.namespaces, |id: NamespaceId| id.0, &view.denied_namespace_names)?;
        let list = format!("namespaces {}", warehouse.id);
        let cursor = self.cursor_within(permit, &list, parent, page)?;
        let query = sql! {
            sqlite: "SELECT name_key FROM namespaces \
                WHERE tenant_id = $1 AND warehouse_id = $2 AND parent_id = $3 AND leaf > $4 \
                    AND (id IN (SELECT unhex(value) FROM json_each($5))) = $6 \
                    AND leaf NOT IN (SELECT value FROM json_each($7)) \
                ORDER BY leaf LIMIT $8",
            postgres: "SELECT name_key FROM namespaces \
                WHERE tenant_id = $1 AND warehouse_id = $2 AND parent_id = $3 AND leaf > $4 \
                    AND (id IN (SELECT value::uuid FROM json_array_elements_text($5::json))) = $6 \
                    AND leaf NOT IN (SELECT value FROM json_array_elements_text($7::json)) \
                ORDER BY leaf LIMIT $8",
        };
        let query = query
            .bind(permit.permit().tenant())
            .bind(warehouse.id)
            .bind(parent)
            .bind(cursor.after.clone().unwrap_or_default())
            .bind(shown.ids.as_str())
            .bind(shown.only)
            .bind(shown.names.as_str())
            .bind(cursor.limit);
        let rows = self.read().await?.rows(query).await?;
        let rows = rows.iter().map(|row| namespace_of(&row.text(0)?)).collect::<Result<Vec<_>>>()?;
        self.page(&cursor, rows, |namespace| namespace.leaf().to_owned())
    }
}

/// Reads a namespace back from its key.
pub(crate) fn namespace_of(key: &str) -> Result<Namespace> {
    Namespace::from_path(key).map_err(Error::internal)
}

/// Reads the ids of a namespace's levels back, outermost first.
pub(crate) fn path_of(path: &[u8]) -> Vec<NamespaceId> {
    path.chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok()).map(NamespaceId).collect()
}

/// The ids of a namespace's levels as stored.
pub(crate) fn path_bytes(chain: &[NamespaceId]) -> Vec<u8> {
    chain.iter().flat_map(|id| *id.0.as_bytes()).collect()
}

/// Finds a namespace, and notes the policy version of the same moment.
async fn select_now(store: &Store, warehouse: &WarehouseRef, name: &Namespace) -> Result<Option<NamespaceRow>> {
    let query = sql("SELECT n.path, n.properties, n.version, t.version \
         FROM tenants t JOIN namespaces n ON n.tenant_id = t.id \
         WHERE t.id = $1 AND n.warehouse_id = $2 AND n.name_key = $3");
    let query = query.bind(&warehouse.tenant.id).bind(warehouse.id).bind(name.key());
    let Some(row) = store.read().await?.row(query).await? else { return Ok(None) };
    store.caches().met_version(&warehouse.tenant.id, row.int(3)?);
    namespace_row(&row, 0, warehouse, name).map(Some)
}

/// Reads path, properties and version from neighbouring columns.
pub(crate) fn namespace_row(
    row: &Row,
    column: usize,
    warehouse: &WarehouseRef,
    name: &Namespace,
) -> Result<NamespaceRow> {
    let chain = path_of(&row.get::<Vec<u8>>(column)?).into();
    let namespace = NamespaceRef { warehouse: warehouse.clone(), chain, name: name.clone() };
    Ok(NamespaceRow { namespace, properties: row.json(column + 1)?, version: row.int(column + 2)? })
}

async fn select(session: &mut Session, warehouse: &WarehouseRef, name: &Namespace) -> Result<Option<NamespaceRow>> {
    let query = sql("SELECT path, properties, version FROM namespaces \
         WHERE tenant_id = $1 AND warehouse_id = $2 AND name_key = $3");
    let row = session.row(query.bind(&warehouse.tenant.id).bind(warehouse.id).bind(name.key())).await?;
    row.map(|row| namespace_row(&row, 0, warehouse, name)).transpose()
}

fn properties_json(properties: &BTreeMap<String, String>) -> Result<String> {
    let text = db::json(properties)?;
    if text.len() <= PROPERTIES_BYTES_MAX {
        return Ok(text);
    }
    let message = "the properties of a namespace are at most 1 MiB together";
    Err(Error::new(ErrorKind::TooLarge, Subject::Namespace, "properties_too_large", message))
}

/// A namespace to be made.
#[derive(Clone)]
struct Birth {
    row: NamespaceRow,
    parent: Option<NamespaceId>,
}

impl Birth {
    fn new(
        warehouse: WarehouseRef,
        chain: &[NamespaceId],
        parent: Option<&Namespace>,
        name: &Namespace,
        properties: BTreeMap<String, String>,
        stamp: &Stamp,
    ) -> Result<Self> {
        if name.parent().as_ref() != parent {
            return Err(Error::invalid("invalid_namespace", format!("namespace `{name}` does not lie there"))
                .about(Subject::Namespace));
        }
        let id = NamespaceId(fresh::uuid(stamp.now)?);
        let path = chain.iter().copied().chain([id]).collect();
        let namespace = NamespaceRef { warehouse, chain: path, name: name.clone() };
        Ok(Self { row: NamespaceRow { namespace, properties, version: 1 }, parent: chain.last().copied() })
    }
}

/// The place that a namespace's properties name.
fn home(properties: &BTreeMap<String, String>) -> Result<Option<Location>> {
    let named = properties.get(LOCATION).map(|text| Location::parse(text));
    named.transpose().map_err(|error| error.about(Subject::Namespace))
}

async fn create(tx: &mut Tx, trail: &Trail, birth: Birth) -> Result<Arc<NamespaceRow>> {
    tx.alone(Lock::Warehouse(birth.row.namespace.warehouse.id)).await?;
    tenants::check_version(tx, trail).await?;
    let Birth { row, parent } = birth;
    let (namespace, warehouse) = (&row.namespace, &row.namespace.warehouse);
    let within = tx.warehouse(warehouse).await?;
    let home = home(&row.properties)?;
    if let Some(parent) = parent {
        let parent_name = namespace.name.parent();
        let query = sql("SELECT 1 FROM namespaces WHERE tenant_id = $1 AND id = $2 AND warehouse_id = $3");
        if tx.row(query.bind(&trail.tenant).bind(parent).bind(warehouse.id)).await?.is_none() {
            let name = parent_name.map(|name| name.to_string()).unwrap_or_default();
            return Err(Error::not_found(Subject::Namespace, &name));
        }
    }
    let query = sql("INSERT INTO namespaces \
             (tenant_id, id, warehouse_id, parent_id, path, name_key, leaf, properties, version, created_at, location) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING");
    let query = query
        .bind(&trail.tenant)
        .bind(namespace.id())
        .bind(warehouse.id)
        .bind(parent.map_or(Uuid::nil(), |parent| parent.0))
        .bind(path_bytes(&namespace.chain))
        .bind(namespace.name.key())
        .bind(namespace.name.leaf())
        .bind(properties_json(&row.properties)?)
        .bind(row.version)
        .bind(trail.stamp.now)
        .bind(home.as_ref().map(|home| home.to_string()));
    if tx.execute(query).await? == 0 {
        return Err(Error::already_exists(Subject::Namespace, &namespace.name.to_string()));
    }
    // After the name: a namespace that is there already is there already, whatever place it names.
    if let Some(home) = &home {
        homes::refuse_claim(tx, namespace, &within, home).await?;
    }
    let (id, key) = (namespace.id().0, namespace.name.key());
    let taken_over =
        grants::take_over(tx, &trail.tenant, "namespace", id, &warehouse.name, Some((key.as_str(), None))).await?;
    if taken_over > 0 {
        tenants::bump(tx, &trail.tenant).await?;
    }
    let object = AuditObject::new(Subject::Namespace, namespace.id(), namespace.name.to_string(), row.version);
    let detail = AuditDetail::Properties { removed: 0, updated: row.properties.len() };
    trail.answered(tx, &Outcome::Done).await?;
    trail.note(tx, "create_namespace", object, detail).await?;
    let row = Arc::new(row);
    tx.changed(Change::Namespace(row.clone()));
    Ok(row)
}

async fn delete(tx: &mut Tx, trail: &Trail, namespace: &NamespaceRef) -> Result<()> {
    tx.alone(Lock::Warehouse(namespace.warehouse.id)).await?;
    tenants::check_version(tx, trail).await?;
    let query = sql("SELECT EXISTS (SELECT 1 FROM relations WHERE tenant_id = $1 AND namespace_id = $2), \
                EXISTS (SELECT 1 FROM namespaces WHERE tenant_id = $1 AND warehouse_id = $3 AND parent_id = $2)");
    let row = tx.row(query.bind(&trail.tenant).bind(namespace.id()).bind(namespace.warehouse.id)).await?;
    let (tables, children): (bool, bool) =
        row.map_or(Ok((false, false)), |row| Ok::<_, Error>((row.get(0)?, row.get(1)?)))?;
    if tables || children {
        let what = if tables { "tables or views" } else { "namespaces" };
        let message = format!("namespace `{}` is not empty: it has {what}", namespace.name);
        return Err(Error::new(ErrorKind::NotEmpty, Subject::Namespace, "not_empty", message));
    }
    let query = sql("DELETE FROM namespaces WHERE tenant_id = $1 AND id = $2 AND warehouse_id = $3 AND name_key = $4 \
         RETURNING version");
    let query = query.bind(&trail.tenant).bind(namespace.id()).bind(namespace.warehouse.id).bind(namespace.name.key());
    let Some(row) = tx.row(query).await? else {
        return Err(Error::not_found(Subject::Namespace, &namespace.name.to_string()));
    };
    if grants::die_with(tx, trail, "namespace", namespace.id().0, Subject::Namespace).await? > 0 {
        tenants::bump(tx, &trail.tenant).await?;
    }
    tx.changed(Change::NamespaceGone(namespace_key(namespace)));
    trail.answered(tx, &Outcome::Done).await?;
    let object = AuditObject::new(Subject::Namespace, namespace.id(), namespace.name.to_string(), row.int(0)? + 1);
    trail.note(tx, "drop_namespace", object, AuditDetail::None).await
}

async fn update(
    tx: &mut Tx,
    trail: &Trail,
    namespace: NamespaceRef,
    removals: Vec<String>,
    updates: BTreeMap<String, String>,
) -> Result<UpdateNamespacePropertiesResponse> {
    tx.alone(Lock::Warehouse(namespace.warehouse.id)).await?;
    tenants::check_version(tx, trail).await?;
    let absent = || Error::not_found(Subject::Namespace, &namespace.name.to_string());
    let mut row = select(tx, &namespace.warehouse, &namespace.name).await?.ok_or_else(absent)?;
    if row.namespace.id() != namespace.id() {
        return Err(absent());
    }
    let earlier = row.properties.get(LOCATION).cloned();
    let mut answer = UpdateNamespacePropertiesResponse::default();
    for key in removals.into_iter().collect::<BTreeSet<_>>() {
        let there = row.properties.remove(&key).is_some();
        if there { answer.removed.push(key) } else { answer.missing.push(key) }
    }
    answer.updated = updates.keys().cloned().collect();
    row.properties.extend(updates);
    row.version += 1;
    let home = home(&row.properties)?;
    if let Some(home) = &home
        && row.properties.get(LOCATION) != earlier.as_ref()
    {
        let warehouse = tx.warehouse(&namespace.warehouse).await?;
        homes::refuse_claim(tx, &namespace, &warehouse, home).await?;
    }
    let query =
        sql("UPDATE namespaces SET properties = $1, version = $2, location = $5 WHERE tenant_id = $3 AND id = $4");
    let query = query.bind(properties_json(&row.properties)?).bind(row.version);
    let query = query.bind(&trail.tenant).bind(namespace.id()).bind(home.map(|home| home.to_string()));
    tx.execute(query).await?;
    let object = AuditObject::new(Subject::Namespace, namespace.id(), namespace.name.to_string(), row.version);
    let detail = AuditDetail::Properties { removed: answer.removed.len(), updated: answer.updated.len() };
    trail.answered(tx, &Outcome::Properties(answer.clone())).await?;
    trail.note(tx, "update_namespace", object, detail).await?;
    tx.changed(Change::Namespace(Arc::new(row)));
    Ok(answer)
}
