//! Views: relations like tables, in the same name space and under the same restrictions, without data. Resolving, listing
//! and the ways they change. Refuses a name or a place that a table has, and the other way round.

mod change;

use std::sync::{Arc, OnceLock};

use polder_policy::{NamespaceRef, Permit, TableRef, ViewRef, WarehouseRef, actions};
use polder_types::{Error, Location, QualifiedName, RelationId, Result, TableIdent, TenantId};
use uuid::Uuid;

use crate::{
    Site, Stamp, Store, WarehouseRow,
    audit::Trail,
    db::sql,
    fresh, homes, is_stale, jobs,
    namespaces::namespace_of,
    tables::{self, change::refuse_overlap, held, retired},
    tx::Written,
    warehouses::{self, WAREHOUSE_COLUMNS},
};

/// A view.
#[derive(Clone, Debug)]
pub struct ViewRow {
    /// Itself with its parents.
    pub view: ViewRef,
    /// Its warehouse.
    pub warehouse: Arc<WarehouseRow>,
    /// Its location.
    pub location: Location,
    /// Where its current metadata document lies.
    pub metadata_location: String,
    /// The `view-uuid` inside the document.
    pub view_uuid: Uuid,
    /// Grows with every change of the row.
    pub version: i64,
}

/// A view to be made; its metadata document is written already.
#[derive(Clone, Debug)]
pub struct NewView {
    /// Its name.
    pub name: String,
    /// Its location, below a root of its warehouse.
    pub location: Location,
    /// Where its metadata document lies.
    pub metadata_location: String,
    /// The `view-uuid` inside.
    pub view_uuid: Uuid,
    /// A policy editor's permit: the view is not quarantined, and may lie where something dropped lay, or in the home of another
    /// namespace.
    pub released_by: Option<Permit<actions::ManagePolicies>>,
}

/// A view's pointer to be moved, and its location if that changes.
#[derive(Clone, Debug)]
pub struct ViewSwap {
    /// The permit for the view.
    pub permit: Permit<actions::ReplaceView>,
    /// Where the pointer must stand.
    pub expected_metadata_location: String,
    /// Where it moves.
    pub new_metadata_location: String,
    /// Where the view must lie.
    pub expected_location: Location,
    /// Where it lies afterwards.
    pub new_location: Location,
    /// A policy editor's permit: the view may move to where something dropped lay.
    pub released_by: Option<Permit<actions::ManagePolicies>>,
}

/// What became of the creation or the change of a view.
#[derive(Debug)]
pub enum ViewOutcome {
    /// It was made, or its pointer moved.
    Committed(Arc<ViewRow>),
    /// Nothing happened: its pointer or name moved, or it is gone. Resolve again.
    Lost,
    /// Nothing happened: the policy changed since the permit. Authorize again.
    StalePolicy,
    /// Nothing happened.
    RolledBack(Error),
    /// It is not known what happened: delete nothing.
    Unknown(Error),
}

/// Set if the compare-and-swap was lost; told beside the error, which only rolls the job back.
type Lost = Arc<OnceLock<()>>;

impl ViewOutcome {
    fn of(written: Written<Arc<ViewRow>>, lost: &Lost) -> Self {
        match written {
            Written::Done(row) => Self::Committed(row),
            Written::Refused(_) if lost.get().is_some() => Self::Lost,
            Written::Refused(error) if is_stale(&error) => Self::StalePolicy,
            Written::Refused(error) | Written::RolledBack(error) => Self::RolledBack(error),
            Written::Unknown(error) => Self::Unknown(error),
        }
    }
}

impl Store {
    /// Finds a view by name.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn resolve_view(&self, warehouse: &WarehouseRef, ident: &TableIdent) -> Result<Option<Arc<ViewRow>>> {
        let query = sql("SELECT w.tenant_id, w.id, w.name, w.root, w.allowed_locations, w.settings_version, \
                w.is_default, w.created_at, n.path, r.id, r.quarantined, r.location, r.metadata_location, r.table_uuid, \
                r.version, t.version \
             FROM tenants t JOIN warehouses w ON w.tenant_id = t.id \
             JOIN namespaces n ON n.tenant_id = t.id AND n.warehouse_id = w.id \
             JOIN relations r ON r.tenant_id = t.id AND r.namespace_id = n.id \
             WHERE t.id = $1 AND w.id = $2 AND n.name_key = $3 AND r.name = $4 AND r.kind = 'view'");
        let query =
            query.bind(&warehouse.tenant.id).bind(warehouse.id).bind(ident.namespace.key()).bind(ident.name.as_str());
        let Some(row) = self.read().await?.row(query).await? else {
            return Ok(None);
        };
        self.caches().met_version(&warehouse.tenant.id, row.int(15)?);
        let within = Arc::new(warehouses::warehouse_row(&row)?);
        let row = tables::table_row(&row, WAREHOUSE_COLUMNS, within, ident)?;
        Ok(Some(Arc::new(ViewRow {
            view: ViewRef { relation: row.table },
            warehouse: row.warehouse,
            location: row.location,
            metadata_location: row.metadata_location,
            view_uuid: row.table_uuid,
            version: row.version,
        })))
    }

    /// Finds a view by its id, whatever it is called by now.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn resolve_view_by_id(&self, warehouse: &WarehouseRef, id: RelationId) -> Result<Option<Arc<ViewRow>>> {
        let query = sql("SELECT n.name_key, r.name FROM relations r \
             JOIN namespaces n ON n.tenant_id = r.tenant_id AND n.id = r.namespace_id \
             WHERE r.tenant_id = $1 AND r.id = $2 AND r.warehouse_id = $3 AND r.kind = 'view'");
        let query = query.bind(&warehouse.tenant.id).bind(id).bind(warehouse.id);
        let Some(row) = self.read().await?.row(query).await? else {
            return Ok(None);
        };
        let ident = TableIdent::new(namespace_of(&row.text(0)?)?, row.text(1)?)?;
        // Renamed between the two looks: the caller asks again, or takes it for gone.
        Ok(self.resolve_view(warehouse, &ident).await?.filter(|row| row.view.relation.id == id))
    }

    /// Checks that a view may lie at a location, as [`Store::check_free_location`] does for tables. The transaction decides it
    /// for good.
    ///
    /// # Errors
    /// `Invalid` if it does.
    pub async fn check_free_view_location(
        &self,
        permit: &Permit<actions::CreateView>,
        released_by: Option<&Permit<actions::ManagePolicies>>,
        site: Site<'_>,
    ) -> Result<()> {
        self.check_free(permit.tenant(), permit.resource(), released_by, site).await
    }

    /// As [`Store::check_free_view_location`], for a view that moves there.
    ///
    /// # Errors
    /// `Invalid` if it does.
    pub async fn check_free_view_move(
        &self,
        permit: &Permit<actions::ReplaceView>,
        released_by: Option<&Permit<actions::ManagePolicies>>,
        site: Site<'_>,
    ) -> Result<()> {
        self.check_free(permit.tenant(), &permit.resource().relation.namespace, released_by, site).await
    }

    /// As [`Store::check_registrable`], for the metadata file of a view.
    ///
    /// # Errors
    /// `Invalid`; `Conflict` while files around it are still being deleted.
    pub async fn check_registrable_view(
        &self,
        permit: &Permit<actions::RegisterView>,
        name: &QualifiedName,
        released_by: Option<&Permit<actions::ManagePolicies>>,
        file: Site<'_>,
    ) -> Result<()> {
        let (tenant, namespace, place) = (permit.tenant(), permit.resource(), file.location);
        let editor = released_by.is_some_and(|editor| editor.tenant() == tenant);
        let mut session = self.read().await?;
        refuse_overlap(&mut session, tenant, namespace.warehouse.id, place, None).await?;
        jobs::refuse_waiting(&mut session, tenant, place, false).await?;
        held::refuse(&mut session, tenant, place, file.now, None).await?;
        if !retired::refuse_file(&mut session, tenant, name, place, editor).await? && !editor {
            homes::ground(&mut session, namespace, file.warehouse, place).await?;
        }
        Ok(())
    }

    async fn check_free(
        &self,
        tenant: &TenantId,
        namespace: &NamespaceRef,
        released_by: Option<&Permit<actions::ManagePolicies>>,
        site: Site<'_>,
    ) -> Result<()> {
        let (location, mut session) = (site.location, self.read().await?);
        refuse_overlap(&mut session, tenant, namespace.warehouse.id, location, None).await?;
        jobs::refuse_waiting(&mut session, tenant, location, false).await?;
        held::refuse(&mut session, tenant, location, site.now, None).await?;
        if released_by.is_some_and(|permit| permit.tenant() == tenant) {
            return Ok(());
        }
        retired::refuse(&mut session, tenant, location).await?;
        homes::ground(&mut session, namespace, site.warehouse, location).await.map(drop)
    }

    /// Makes a view, if its name and place are free and the policy is still that of the permit.
    pub async fn create_view(&self, permit: &Permit<actions::CreateView>, new: NewView, stamp: &Stamp) -> ViewOutcome {
        self.make_view(Trail::of(permit, stamp), permit.resource().clone(), "create_view", new).await
    }

    /// Makes a view of a document that was there before; see [`Store::create_view`].
    pub async fn register_view(
        &self,
        permit: &Permit<actions::RegisterView>,
        new: NewView,
        stamp: &Stamp,
    ) -> ViewOutcome {
        self.make_view(Trail::of(permit, stamp), permit.resource().clone(), "register_view", new).await
    }

    async fn make_view(
        &self,
        trail: Trail,
        namespace: NamespaceRef,
        action: &'static str,
        new: NewView,
    ) -> ViewOutcome {
        let id = match fresh::uuid(trail.stamp.now) {
            Ok(id) => RelationId(id),
            Err(error) => return ViewOutcome::RolledBack(error),
        };
        let work = self.submit(action, move |tx| {
            Box::pin(async move { change::make(tx, &trail, action, namespace, id, new).await })
        });
        ViewOutcome::of(work.await, &Lost::default())
    }

    /// Moves a view's pointer, if it stands where it is expected and the policy is still that of the permit.
    pub async fn replace_view(&self, permitted: ViewSwap, stamp: &Stamp) -> ViewOutcome {
        let (trail, lost) = (Trail::of(&permitted.permit, stamp), Lost::default());
        let loser = lost.clone();
        let work = self.submit("replace_view", move |tx| {
            Box::pin(async move { change::replace(tx, &trail, &permitted, &loser).await })
        });
        ViewOutcome::of(work.await, &lost)
    }

    /// Drops a view: the row, and the allows that were bound to it. Its metadata files stay.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn drop_view(&self, permit: &Permit<actions::DropView>, stamp: &Stamp) -> Result<()> {
        let (trail, view) = (Trail::of(permit, stamp), permit.resource().clone());
        self.write("drop_view", move |tx| Box::pin(async move { change::delete(tx, &trail, &view).await })).await
    }

    /// Renames a view within its warehouse.
    ///
    /// # Errors
    /// `NotFound` for the view or the namespace, `AlreadyExists` at the destination, `Invalid` across warehouses.
    pub async fn rename_view(
        &self,
        source: &Permit<actions::RenameView>,
        target: &Permit<actions::RenameInto>,
        name: &str,
        stamp: &Stamp,
    ) -> Result<()> {
        let from = source.resource().relation.clone();
        let to = TableRef { namespace: target.resource().clone(), name: name.into(), ..from.clone() };
        if from.namespace.warehouse != to.namespace.warehouse || source.caller() != target.caller() {
            return Err(Error::invalid("rename_across_warehouses", "a view cannot leave its warehouse"));
        }
        let trails = (Trail::of(source, stamp), Trail::of(target, stamp));
        self.write("rename_view", move |tx| {
            Box::pin(async move { change::rename(tx, (&trails.0, &trails.1), &from, to).await })
        })
        .await
    }
}
