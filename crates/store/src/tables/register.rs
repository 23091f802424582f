//! Registering a table whose files are there already, and giving one up as it is. Refuses a place where a table lies, where
//! files are still to be deleted, and where a dropped table lay whose restrictions the name does not have.

use std::sync::Arc;

use polder_policy::{Permit, actions};
use polder_types::{Error, Location, QualifiedName, RelationId, Result};

use super::{
    NewTable, Site, TableRow,
    change::{self, Leaving},
    held,
    place::Place,
    retired,
};
use crate::{
    Outcome, Stamp, Store,
    audit::Trail,
    fresh, homes, jobs, tenants,
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
    /// The table that stands at the name and where it lies, if it is to be replaced.
    pub replaces: Option<(RelationId, &'a Location)>,
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
    /// good, about the location that the file names. True if the file lies where the table of this name lies or lay, so
    /// that it is no news to the catalog.
    ///
    /// # Errors
    /// `Invalid`; `Conflict` while files around it are still being deleted.
    // SECURITY: nothing in another table's directory, or another namespace's, is opened for whoever names it (R10, R35).
    pub async fn check_registrable(&self, permitted: Registrar<'_>, file: Site<'_>) -> Result<bool> {
        let (tenant, namespace) = (permitted.permit.tenant(), permitted.permit.resource());
        let editor = permitted.editor.is_some_and(|editor| editor.tenant() == tenant);
        let (replaced, place) = (permitted.replaces.map(|(id, _)| id), file.location);
        let mut session = self.read().await?;
        change::refuse_overlap(&mut session, tenant, namespace.warehouse.id, place, replaced).await?;
        jobs::refuse_waiting(&mut session, tenant, place, true).await?;
        held::refuse(&mut session, tenant, place, file.now, None).await?;
        let known = retired::refuse_file(&mut session, tenant, permitted.name, place, editor).await?
            || permitted.replaces.is_some_and(|(_, location)| place.is_within(location));
        if !known && !editor {
            homes::ground(&mut session, namespace, file.warehouse, place).await?;
        }
        Ok(known)
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
