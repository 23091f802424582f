//! Registering a table whose files are there already, and giving one up as it is. Refuses a place where a table lies, where
//! files are still to be deleted, and where a dropped table lay whose restrictions the name does not have.

use std::sync::Arc;

use polder_policy::{Permit, actions};
use polder_types::{Error, Location, QualifiedName, RelationId, Result};

use super::{
    NewTable, TableRow,
    change::{self, Leaving},
    place::Place,
    retired,
};
use crate::{
    Outcome, Stamp, Store,
    audit::Trail,
    fresh, jobs, tenants,
    tx::{Lock, Tx},
};

/// Who registers what under which name.
#[derive(Clone, Copy, Debug)]
pub struct Registrar<'a> {
    /// The permit for the namespace.
    pub permit: &'a Permit<actions::RegisterTable>,
    /// The name.
    pub name: &'a QualifiedName,
    /// A policy editor's permit, if the caller has one.
    pub editor: Option<&'a Permit<actions::ManagePolicies>>,
    /// The table that stands at the name, if it is to be replaced.
    pub replaces: Option<RelationId>,
}

/// A table that a registered one takes the name of.
#[derive(Clone, Debug)]
pub struct Replaced {
    /// The permit to drop it.
    pub permit: Permit<actions::DropTable>,
    /// Where its pointer must stand.
    pub expected_metadata_location: String,
}

impl Store {
    /// Refuses a metadata file that may not be registered, before it is read. [`Store::register_table`] decides it for
    /// good, about the location that the file names.
    ///
    /// # Errors
    /// `Invalid`; `Conflict` while files around it are still being deleted.
    // SECURITY: nothing in another table's directory is opened for whoever names it (R10, R35).
    pub async fn check_registrable(&self, permitted: Registrar<'_>, file: &Location) -> Result<()> {
        let (tenant, warehouse) = (permitted.permit.tenant(), permitted.permit.resource().warehouse.id);
        let editor = permitted.editor.is_some_and(|editor| editor.tenant() == tenant);
        let mut session = self.read().await?;
        change::refuse_overlap(&mut session, tenant, warehouse, file, permitted.replaces).await?;
        jobs::refuse_waiting(&mut session, tenant, file, true).await?;
        retired::refuse_file(&mut session, tenant, permitted.name, file, editor).await
    }

    /// Makes a table of files that are there already, in place of another one if that is said.
    ///
    /// # Errors
    /// `stale_policy` ([`crate::is_stale`]), also if the other table changed; `AlreadyExists`, `NotFound` for the
    /// namespace; `Invalid` and `Conflict` for its place.
    pub async fn register_table(
        &self,
        permit: &Permit<actions::RegisterTable>,
        new: NewTable,
        replaced: Option<Replaced>,
        stamp: &Stamp,
    ) -> Result<Arc<TableRow>> {
        let (permit, trail) = (permit.clone(), Trail::of(permit, stamp));
        // SECURITY: one transaction, one tenant, one caller.
        let foreign = |replaced: &Replaced| {
            replaced.permit.tenant() != permit.tenant()
                || replaced.permit.caller() != permit.caller()
                || replaced.permit.resource().namespace != *permit.resource()
                || replaced.permit.resource().name.as_ref() != new.name
        };
        if replaced.as_ref().is_some_and(foreign) {
            return Err(Error::internal("a registration over two tenants, callers or names"));
        }
        self.write("register_table", move |tx| {
            Box::pin(async move { register(tx, &trail, &permit, new, replaced).await })
        })
        .await
    }

    /// Drops a table whose last document the caller is told. Its files stay.
    ///
    /// # Errors
    /// `stale_policy` ([`crate::is_stale`]), also if the pointer moved; `NotFound`.
    pub async fn unregister_table(
        &self,
        permit: &Permit<actions::DropTable>,
        seen_metadata_location: &str,
        stamp: &Stamp,
    ) -> Result<()> {
        let (trail, table) = (Trail::of(permit, stamp), permit.resource().clone());
        let leaving = Leaving::Document(seen_metadata_location.to_owned());
        self.write("unregister_table", move |tx| {
            Box::pin(async move { change::delete(tx, &trail, &table, leaving).await })
        })
        .await
    }
}

async fn register(
    tx: &mut Tx,
    trail: &Trail,
    permit: &Permit<actions::RegisterTable>,
    new: NewTable,
    replaced: Option<Replaced>,
) -> Result<Arc<TableRow>> {
    let namespace = permit.resource().clone();
    tx.alone(Lock::Warehouse(namespace.warehouse.id)).await?;
    let place = match replaced {
        None => Place::look(tx, &[trail], &namespace, &new.name).await?,
        Some(Replaced { permit, expected_metadata_location }) => {
            let old = Trail::of(&permit, &trail.stamp);
            tenants::check_version(tx, trail).await?;
            tenants::check_version(tx, &old).await?;
            let leaving = Leaving::Document(expected_metadata_location);
            change::take_away(tx, &old, permit.resource(), leaving).await?;
            // The version was compared above, and the grants that died with the old table have moved it on.
            Place::look(tx, &[], &namespace, &new.name).await?
        }
    };
    let id = RelationId(fresh::uuid(trail.stamp.now)?);
    let row = change::make(tx, trail, place, namespace, id, new).await?;
    let outcome = Outcome::Table { relation: row.table.id, metadata_location: row.metadata_location.clone() };
    trail.answered(tx, &outcome).await?;
    Ok(row)
}
