//! Schemas: add, make current, forget.

use std::{collections::HashSet, sync::Arc};

use polder_types::Result;

use super::{
    super::{
        raw::{Raw, invalid, with_member},
        schema::{Schema, check_version},
    },
    Draft,
};

/// Most columns of a schema that is added, those at every depth counted; more than any engine plans with.
const COLUMNS_MAX: usize = 10_000;

impl Draft {
    /// Adds a schema under the next id, or names the equal one that exists (Java's `reuseOrCreateNewSchemaId`).
    pub(super) fn add_schema(&mut self, raw: Raw) -> Result<()> {
        let added = Schema::decode(raw)?;
        if added.fields_count() > COLUMNS_MAX {
            return Err(invalid(format!("the schema has more than {COLUMNS_MAX} columns, nested ones included")));
        }
        check_version(&added.view, self.doc.format_version())?;
        let highest = added.highest_field_id();
        if highest > self.doc.last_column_id() {
            self.doc.set("last-column-id", &highest)?;
        }
        let schemas = self.doc.list_mut::<Schema>()?;
        if let Some(equal) = schemas.iter().find(|schema| schema.fingerprint == added.fingerprint) {
            self.last_added_schema = Some(equal.view.schema_id);
            return Ok(());
        }
        let id = next_id(schemas.iter().map(|schema| schema.view.schema_id), 0)?;
        schemas.push(Arc::new(Schema::decode(with_member(&added.raw, "schema-id", &id)?)?));
        self.last_added_schema = Some(id);
        Ok(())
    }

    /// Makes a schema current; -1: the one added last.
    pub(super) fn set_current_schema(&mut self, id: i32) -> Result<()> {
        let id = resolve(id, self.last_added_schema, "schema")?;
        if self.doc.schema_by_id(id).is_none() {
            return Err(invalid(format!("cannot set current schema to unknown schema: {id}")));
        }
        self.doc.set("current-schema-id", &id)
    }

    /// Forgets schemas; the current one stays.
    pub(super) fn remove_schemas(&mut self, ids: &[i32]) -> Result<()> {
        let ids: HashSet<i32> = ids.iter().copied().collect();
        if ids.contains(&self.doc.current_schema_id()) {
            return Err(invalid("cannot remove the current schema"));
        }
        self.doc.list_mut::<Schema>()?.retain(|schema| !ids.contains(&schema.view.schema_id));
        self.removed_schemas.extend(ids);
        Ok(())
    }

    /// A schema that a remaining snapshot was written with cannot go: time travel reads it.
    pub(super) fn check_removed_schemas(&self) -> Result<()> {
        let used = self.doc.snapshots().iter().find_map(|snapshot| {
            let id = snapshot.schema_id.filter(|id| self.removed_schemas.contains(id))?;
            Some((id, snapshot.snapshot_id))
        });
        match used {
            Some((id, snapshot)) => {
                Err(invalid(format!("cannot remove schema {id}: snapshot {snapshot} was written with it")))
            }
            None => Ok(()),
        }
    }
}

/// The id after the highest, at least `first`.
pub(super) fn next_id(ids: impl Iterator<Item = i32>, first: i32) -> Result<i32> {
    let next = ids.max().map_or(Some(first), |highest| highest.checked_add(1));
    next.map(|id| id.max(first)).ok_or_else(|| invalid("the table has no ids left"))
}

/// Resolves -1 to what this commit added last.
pub(super) fn resolve(id: i32, last_added: Option<i32>, what: &str) -> Result<i32> {
    match (id, last_added) {
        (-1, Some(added)) => Ok(added),
        (-1, None) => Err(invalid(format!("cannot set last added {what}: no {what} has been added"))),
        (id, _) => Ok(id),
    }
}
