//! From the catalog's table to a governed source: the one place that knows both.

use polder_catalog::{policy_schema, tables::QueryTable};
use polder_policy::{BoundPredicate, TablePolicy, lower};
use polder_types::Error;

use super::{GovernedSource, TableCache, error::unsupported, files::TableFiles, table::SnapshotKey};

impl GovernedSource {
    /// Opens an authorized table for the principal of its permit: the current snapshot, or one by id.
    ///
    /// # Errors
    /// `Unsupported` for what this build cannot read; `NotFound` for a snapshot that is not there.
    pub(crate) fn open(cache: &TableCache, table: &QueryTable, snapshot: Option<i64>) -> Result<Self, Error> {
        let key = SnapshotKey {
            relation: table.row.table.id,
            metadata_location: table.row.metadata_location.clone(),
            snapshot,
        };
        // SECURITY: the catalog's location bounds what is read, never the one that the document names.
        let files = TableFiles::new(&table.row.location, table.objects.clone())?;
        let opened = cache.open(&key, &files, || table.doc.to_bytes())?;
        let policy = match table.permit.obligations() {
            None => TablePolicy { filter: BoundPredicate::True, fields: Default::default() },
            Some(obligations) => {
                let schema = table.doc.schema_by_id(opened.schema_id());
                let schema = schema.ok_or_else(|| unsupported("the table's schema cannot be governed"))?;
                lower(obligations, &policy_schema(schema))
            }
        };
        Self::new(cache.clone(), key, opened, policy)
    }
}
