//! Listing what carries the names of a namespace: its tables, or its views. The order is that of the names; a page shows only
//! what the permit's visibility lets the caller know.

use polder_policy::{Action, ListPermit, NamespaceRef, actions};
use polder_types::{RelationId, Result, TableIdent};

use super::{TableEntry, place::RelationKind};
use crate::{Page, PageRequest, Store, db::Row, pages::Shown};

impl Store {
    /// Lists the tables of a namespace, by name.
    ///
    /// # Errors
    /// `Invalid` for a page token of another list.
    pub async fn list_tables(
        &self,
        permit: &ListPermit<actions::ListTables>,
        page: &PageRequest,
    ) -> Result<Page<TableEntry>> {
        self.list_relations(permit, RelationKind::Table, page).await
    }

    /// Lists the views of a namespace, by name.
    ///
    /// # Errors
    /// `Invalid` for a page token of another list.
    pub async fn list_views(
        &self,
        permit: &ListPermit<actions::ListViews>,
        page: &PageRequest,
    ) -> Result<Page<TableEntry>> {
        self.list_relations(permit, RelationKind::View, page).await
    }

    async fn list_relations<A: Action<Resource = NamespaceRef>>(
        &self,
        permit: &ListPermit<A>,
        kind: RelationKind,
        page: &PageRequest,
    ) -> Result<Page<TableEntry>> {
        let (namespace, view) = (permit.permit().resource(), permit.visibility());
        let shown = Shown::new(&view.tables, |id: RelationId| id.0, &view.denied_table_names)?;
        let cursor = self.cursor_within(permit, kind.list(), namespace.id().0, page)?;
        let query = sql! {
            sqlite: "SELECT id, name FROM relations \
                WHERE tenant_id = $1 AND namespace_id = $2 AND warehouse_id = $3 AND name > $4 AND kind = $10 \
                    AND (id IN (SELECT unhex(value) FROM json_each($5))) = $6 \
                    AND name NOT IN (SELECT value FROM json_each($7)) \
                    AND NOT (quarantined AND $8) \
                ORDER BY name LIMIT $9",
            postgres: "SELECT id, name FROM relations \
                WHERE tenant_id = $1 AND namespace_id = $2 AND warehouse_id = $3 AND name > $4 AND kind = $10 \
                    AND (id IN (SELECT value::uuid FROM json_array_elements_text($5::json))) = $6 \
                    AND name NOT IN (SELECT value FROM json_array_elements_text($7::json)) \
                    AND NOT (quarantined AND $8) \
                ORDER BY name LIMIT $9",
        };
        let query = query
            .bind(permit.permit().tenant())
            .bind(namespace.id())
            .bind(namespace.warehouse.id)
            .bind(cursor.after.clone().unwrap_or_default())
            .bind(shown.ids.as_str())
            .bind(shown.only)
            .bind(shown.names.as_str())
            .bind(view.hide_quarantined)
            .bind(cursor.limit)
            .bind(kind.as_str());
        let rows = self.read().await?.rows(query).await?;
        let entry = |row: &Row| {
            let ident = TableIdent { namespace: namespace.name.clone(), name: row.text(1)? };
            Ok(TableEntry { id: RelationId(row.uuid(0)?), ident })
        };
        let rows = rows.iter().map(entry).collect::<Result<Vec<_>>>()?;
        self.page(&cursor, rows, |entry| entry.ident.name.clone())
    }
}
