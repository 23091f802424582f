//! What actions are about: resolved objects with their whole chain of parents, cheap to clone.

use std::sync::Arc;

use polder_types::{
    Namespace, NamespaceId, QualifiedName, RelationId, Subject, TableIdent, TenantId, WarehouseId, WarehouseName,
};

use crate::{Securable, SecurableName};

/// A tenant. Every other resource holds one, so no decision can lack it (R17).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TenantRef {
    /// Its id.
    pub id: TenantId,
}

/// A warehouse.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WarehouseRef {
    /// Its tenant.
    pub tenant: TenantRef,
    /// Its id.
    pub id: WarehouseId,
    /// Its name.
    pub name: WarehouseName,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamespaceRef {
    /// Its warehouse.
    pub warehouse: WarehouseRef,
    /// The ids of its levels, outermost first; the last is its own.
    pub chain: Arc<[NamespaceId]>,
    /// Its name.
    pub name: Namespace,
}

impl NamespaceRef {
    /// Its own id. The chain is never empty for a namespace that was resolved.
    #[must_use]
    pub fn id(&self) -> NamespaceId {
        self.chain.last().copied().unwrap_or(NamespaceId(uuid::Uuid::nil()))
    }
}

/// A table or view.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableRef {
    /// Its namespace.
    pub namespace: NamespaceRef,
    /// Its id.
    pub id: RelationId,
    /// Its name.
    pub name: Arc<str>,
    /// Created where restrictions hold and not yet released: invisible to those restricted in its namespace (R35).
    pub quarantined: bool,
}

impl TableRef {
    /// Its namespace and name.
    #[must_use]
    pub fn ident(&self) -> TableIdent {
        TableIdent { namespace: self.namespace.name.clone(), name: self.name.as_ref().to_owned() }
    }

    /// Its name with the warehouse.
    #[must_use]
    pub fn qualified(&self) -> QualifiedName {
        QualifiedName { warehouse: self.namespace.warehouse.name.clone(), ident: self.ident() }
    }
}

/// A view: for every decision a relation like a table, under the same names and ids, so that no grant, denial or
/// restriction is lost when the one takes the other's name (R35). Only what callers are told of it differs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ViewRef {
    /// What grants and restrictions stand on.
    pub relation: TableRef,
}

/// What a decision needs of a resource.
pub trait Resource: Clone + Send + Sync + std::fmt::Debug + 'static {
    /// The kind, for errors.
    const SUBJECT: Subject;
    /// The tenant it belongs to.
    fn tenant(&self) -> &TenantId;
    /// The object and its parents by id, innermost first, ending with the tenant.
    fn chain(&self) -> Vec<Securable>;
    /// The object and its parents by name, innermost first (without the tenant).
    fn names(&self) -> Vec<SecurableName>;
    /// The name for messages.
    fn display(&self) -> String;
    /// What restrictions and quarantine hold for, if it is a table or view.
    fn as_table(&self) -> Option<&TableRef> {
        None
    }
}

impl Resource for TenantRef {
    const SUBJECT: Subject = Subject::Tenant;
    fn tenant(&self) -> &TenantId {
        &self.id
    }
    fn chain(&self) -> Vec<Securable> {
        vec![Securable::Tenant]
    }
    fn names(&self) -> Vec<SecurableName> {
        Vec::new()
    }
    fn display(&self) -> String {
        self.id.to_string()
    }
}

impl Resource for WarehouseRef {
    const SUBJECT: Subject = Subject::Warehouse;
    fn tenant(&self) -> &TenantId {
        &self.tenant.id
    }
    fn chain(&self) -> Vec<Securable> {
        vec![Securable::Warehouse(self.id), Securable::Tenant]
    }
    fn names(&self) -> Vec<SecurableName> {
        vec![SecurableName::Warehouse(self.name.clone())]
    }
    fn display(&self) -> String {
        self.name.to_string()
    }
}

impl Resource for NamespaceRef {
    const SUBJECT: Subject = Subject::Namespace;
    fn tenant(&self) -> &TenantId {
        &self.warehouse.tenant.id
    }
    fn chain(&self) -> Vec<Securable> {
        let mut chain: Vec<Securable> = self.chain.iter().rev().copied().map(Securable::Namespace).collect();
        chain.extend(self.warehouse.chain());
        chain
    }
    fn names(&self) -> Vec<SecurableName> {
        let mut names = Vec::with_capacity(self.chain.len() + 1);
        let mut current = Some(self.name.clone());
        while let Some(namespace) = current {
            current = namespace.parent();
            names.push(SecurableName::Namespace(self.warehouse.name.clone(), namespace));
        }
        names.extend(self.warehouse.names());
        names
    }
    fn display(&self) -> String {
        self.name.to_string()
    }
}

impl Resource for TableRef {
    const SUBJECT: Subject = Subject::Table;
    fn tenant(&self) -> &TenantId {
        self.namespace.tenant()
    }
    fn chain(&self) -> Vec<Securable> {
        let mut chain = vec![Securable::Table(self.id)];
        chain.extend(self.namespace.chain());
        chain
    }
    fn names(&self) -> Vec<SecurableName> {
        let mut names = vec![SecurableName::Table(self.qualified())];
        names.extend(self.namespace.names());
        names
    }
    fn display(&self) -> String {
        self.ident().to_string()
    }
    fn as_table(&self) -> Option<&TableRef> {
        Some(self)
    }
}

impl Resource for ViewRef {
    const SUBJECT: Subject = Subject::View;
    fn tenant(&self) -> &TenantId {
        self.relation.tenant()
    }
    fn chain(&self) -> Vec<Securable> {
        self.relation.chain()
    }
    fn names(&self) -> Vec<SecurableName> {
        self.relation.names()
    }
    fn display(&self) -> String {
        self.relation.display()
    }
    fn as_table(&self) -> Option<&TableRef> {
        Some(&self.relation)
    }
}
