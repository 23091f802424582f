//! What stands at a name: whether its namespace is there, whether it is taken, and which restrictions whatever
//! comes to carry the name takes over (R35).

use polder_policy::NamespaceRef;
use polder_types::{Error, ErrorKind, QualifiedName, RelationId, Result, Subject, TableIdent, TenantId};

use super::ColumnBinding;
use crate::{
    audit::Trail,
    grants, policies,
    tenants::{bump, stale},
    tx::Tx,
};

/// What carries a name: tables and views share one name space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RelationKind {
    Table,
    View,
}

impl RelationKind {
    fn of(text: &str) -> Self {
        if text == "view" { Self::View } else { Self::Table }
    }

    /// The word in the column `kind`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
        }
    }

    /// What a page token calls their list.
    pub(super) fn list(self) -> &'static str {
        match self {
            Self::Table => "tables",
            Self::View => "views",
        }
    }

    fn subject(self) -> Subject {
        match self {
            Self::Table => Subject::Table,
            Self::View => Subject::View,
        }
    }

    /// The refusal of a name that `self` was to get and `there` carries, in Java's words.
    fn taken_by(self, there: Self, ident: &TableIdent) -> Error {
        let plain = Error::already_exists(there.subject(), &ident.to_string());
        if self == there {
            return plain;
        }
        let message = format!("{} with same name already exists: {ident}", there.noun());
        Error::new(plain.kind(), there.subject(), plain.code(), message)
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Table => "Table",
            Self::View => "View",
        }
    }
}

/// The refusal of a rename onto a name that is taken, in Java's words.
pub(crate) fn rename_refused(error: Error, from: &TableIdent, to: &TableIdent) -> Error {
    if error.kind() != ErrorKind::AlreadyExists {
        return error;
    }
    let there = if error.subject() == Subject::View { RelationKind::View } else { RelationKind::Table };
    let message = format!("Cannot rename {from} to {to}. {} already exists: {to}", there.noun());
    Error::new(error.kind(), error.subject(), error.code(), message)
}

pub(crate) struct Place {
    name: QualifiedName,
    /// Policies that stand on the name itself.
    policies: i64,
    /// Denies that stand on the name itself.
    denies: i64,
    /// New tables beside restricted ones are hidden, and there are some.
    hides_new: bool,
}

impl Place {
    /// Looks at a name in one statement. `check`: permits whose policy version must be the one in force.
    ///
    /// # Errors
    /// `stale_policy`, `NotFound` for the namespace, `AlreadyExists` for the name.
    pub(crate) async fn look(tx: &mut Tx, check: &[&Trail], namespace: &NamespaceRef, name: &str) -> Result<Self> {
        Self::look_for(tx, check, namespace, name, RelationKind::Table).await
    }

    /// As [`Place::look`], for a relation of this kind.
    pub(crate) async fn look_for(
        tx: &mut Tx,
        check: &[&Trail],
        namespace: &NamespaceRef,
        name: &str,
        kind: RelationKind,
    ) -> Result<Self> {
        let (tenant, warehouse) = (&namespace.warehouse.tenant.id, &namespace.warehouse);
        let query = sql! {
            sqlite: "SELECT t.version, \
                    EXISTS (SELECT 1 FROM namespaces \
                        WHERE tenant_id = $1 AND id = $2 AND warehouse_id = $3 AND name_key = $6), \
                    (SELECT kind FROM relations WHERE tenant_id = $1 AND namespace_id = $2 AND name = $4), \
                    t.quarantine AND EXISTS (SELECT 1 FROM policies \
                        WHERE tenant_id = $1 AND warehouse = $5 AND namespace_key = $6), \
                    (SELECT count(*) FROM policies \
                        WHERE tenant_id = $1 AND warehouse = $5 AND namespace_key = $6 AND table_name = $4), \
                    (SELECT count(*) FROM grants WHERE tenant_id = $1 AND on_warehouse = $5 \
                        AND on_namespace = $6 AND on_table = $4 AND effect = 'deny') \
                 FROM tenants t WHERE t.id = $1",
            postgres: "SELECT t.version, \
                    EXISTS (SELECT 1 FROM namespaces \
                        WHERE tenant_id = $1 AND id = $2 AND warehouse_id = $3 AND name_key = $6), \
                    (SELECT kind FROM relations WHERE tenant_id = $1 AND namespace_id = $2 AND name = $4), \
                    t.quarantine AND EXISTS (SELECT 1 FROM policies \
                        WHERE tenant_id = $1 AND warehouse = $5 AND namespace_key = $6), \
                    (SELECT count(*) FROM policies \
                        WHERE tenant_id = $1 AND warehouse = $5 AND namespace_key = $6 AND table_name = $4), \
                    (SELECT count(*) FROM grants WHERE tenant_id = $1 AND on_warehouse = $5 \
                        AND on_namespace = $6 AND on_table = $4 AND effect = 'deny') \
                 FROM tenants t WHERE t.id = $1 \
                    AND pg_advisory_xact_lock_shared(hashtextextended($1, 0)) IS NOT NULL FOR SHARE OF t",
        };
        let query = query
            .bind(tenant)
            .bind(namespace.id())
            .bind(warehouse.id)
            .bind(name)
            .bind(&warehouse.name)
            .bind(namespace.name.key());
        let row = tx.row(query).await?.ok_or_else(stale)?;
        let version = row.int(0)?;
        // SECURITY: nothing is written under a permit whose policy version is not the one in force.
        if check.iter().any(|trail| trail.policy_version != version || &trail.tenant != tenant) {
            return Err(stale());
        }
        let ident = TableIdent::new(namespace.name.clone(), name)?;
        if !row.get::<bool>(1)? {
            return Err(Error::not_found(Subject::Namespace, &namespace.name.to_string()));
        }
        if let Some(there) = row.get::<Option<String>>(2)? {
            return Err(kind.taken_by(RelationKind::of(&there), &ident));
        }
        let name = QualifiedName { warehouse: warehouse.name.clone(), ident };
        Ok(Self { name, policies: row.int(4)?, denies: row.int(5)?, hides_new: row.get(3)? })
    }

    /// The name that was looked at.
    pub(crate) fn name(&self) -> &QualifiedName {
        &self.name
    }

    /// True if a policy stands on the name: whatever carries it is restricted, and need not be hidden.
    pub(crate) fn is_restricted(&self) -> bool {
        self.policies > 0
    }

    /// True if a table that comes here is to be hidden from restricted principals until it is released.
    pub(crate) fn quarantines(&self) -> bool {
        self.hides_new && !self.is_restricted()
    }

    /// Binds every restriction on the name to the table that now carries it. The number of restrictions.
    pub(crate) async fn take_over(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        id: RelationId,
        bindings: &[ColumnBinding],
    ) -> Result<u64> {
        let mut taken = 0;
        if self.policies > 0 {
            taken += policies::take_over(tx, tenant, id, &self.name).await?;
        }
        if self.denies > 0 {
            let (namespace, name) = (self.name.ident.namespace.key(), self.name.ident.name.as_str());
            let on = Some((namespace.as_str(), Some(name)));
            taken += grants::take_over(tx, tenant, "table", id.0, &self.name.warehouse, on).await?;
        }
        let bound = policies::bind_columns(tx, tenant, id, bindings).await?;
        if taken + bound > 0 {
            bump(tx, tenant).await?;
        }
        Ok(taken)
    }
}
