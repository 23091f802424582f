//! Permits: proof that a decision was made. Only [`crate::authorize`] makes them; they are owned and `Send`.

use std::{collections::BTreeSet, marker::PhantomData, sync::Arc};

use polder_types::{Caller, NamespaceId, PrincipalId, RelationId, TenantId};

use crate::{Action, Obligations};

/// Proof that `principal` may do `A` to `resource`, as of policy `version`.
///
/// Nobody outside of this crate can make one, and one for an action is none for another:
/// ```compile_fail,E0451
/// use polder_policy::{Permit, actions::DropTable};
/// fn forge(of: &Permit<DropTable>) -> Permit<DropTable> {
///     Permit { version: 1, ..of.clone() }
/// }
/// ```
/// ```compile_fail,E0624
/// use polder_policy::{Permit, TenantRef, actions::ManageTenants};
/// fn forge(tenant: TenantRef, of: &Permit<ManageTenants>) -> Permit<ManageTenants> {
///     Permit::new(tenant, of.tenant().clone(), of.caller().clone(), 1, None)
/// }
/// ```
/// ```compile_fail,E0308
/// use polder_policy::{Permit, actions::{DropTable, LoadTable}};
/// fn drop_table(_permit: &Permit<DropTable>) {}
/// fn load(permit: &Permit<LoadTable>) {
///     drop_table(permit);
/// }
/// ```
pub struct Permit<A: Action> {
    resource: A::Resource,
    tenant: TenantId,
    caller: Caller,
    version: i64,
    obligations: Option<Arc<Obligations>>,
    action: PhantomData<fn() -> A>,
}

impl<A: Action> Permit<A> {
    pub(crate) fn new(
        resource: A::Resource,
        tenant: TenantId,
        caller: Caller,
        version: i64,
        obligations: Option<Arc<Obligations>>,
    ) -> Self {
        Self { resource, tenant, caller, version, obligations, action: PhantomData }
    }

    /// The resource it is for.
    #[must_use]
    pub fn resource(&self) -> &A::Resource {
        &self.resource
    }

    /// The tenant it is for.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// On whose behalf it is held.
    #[must_use]
    pub fn principal(&self) -> PrincipalId {
        self.caller.principal.id
    }

    /// Who holds it: on whose behalf, and who acts.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The tenant's policy version of the decision; a commit's compare-and-swap includes it.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// What must be enforced; `None` if the principal reads the object whole.
    #[must_use]
    pub fn obligations(&self) -> Option<&Arc<Obligations>> {
        self.obligations.as_ref()
    }

    /// The action's name, for the audit record.
    #[must_use]
    pub fn action_name(&self) -> &'static str {
        A::NAME
    }
}

impl<A: Action> Clone for Permit<A> {
    fn clone(&self) -> Self {
        Self {
            resource: self.resource.clone(),
            tenant: self.tenant.clone(),
            caller: self.caller.clone(),
            version: self.version,
            obligations: self.obligations.clone(),
            action: PhantomData,
        }
    }
}

// The obligations stay out: they hold the policy's literals and the principal's attributes (A-002).
impl<A: Action> std::fmt::Debug for Permit<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Permit<{}>({:?})", A::NAME, self.resource)
    }
}

/// Which children of a container a principal may know; the store turns it into SQL, so pages are never short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visibility {
    /// Child namespaces.
    pub namespaces: Visible<NamespaceId>,
    /// Child tables and views.
    pub tables: Visible<RelationId>,
    /// Names of tables that are denied by name, whatever their id.
    pub denied_table_names: BTreeSet<String>,
    /// Leaf names of child namespaces that are denied by name.
    pub denied_namespace_names: BTreeSet<String>,
    /// True if quarantined tables must be left out.
    pub hide_quarantined: bool,
}

impl Visibility {
    /// What both show.
    pub(crate) fn and(self, other: Self) -> Self {
        let union = |mut names: BTreeSet<String>, others| {
            names.extend(others);
            names
        };
        Self {
            namespaces: self.namespaces.and(other.namespaces),
            tables: self.tables.and(other.tables),
            denied_table_names: union(self.denied_table_names, other.denied_table_names),
            denied_namespace_names: union(self.denied_namespace_names, other.denied_namespace_names),
            hide_quarantined: self.hide_quarantined || other.hide_quarantined,
        }
    }

    /// Says whether a child table may be known: what the store's SQL must mean.
    #[must_use]
    pub fn shows_table(&self, id: RelationId, name: &str, quarantined: bool) -> bool {
        self.tables.holds(&id) && !self.denied_table_names.contains(name) && !(quarantined && self.hide_quarantined)
    }

    /// Says whether a child namespace may be known, by its id and innermost level.
    #[must_use]
    pub fn shows_namespace(&self, id: NamespaceId, leaf: &str) -> bool {
        self.namespaces.holds(&id) && !self.denied_namespace_names.contains(leaf)
    }
}

/// A set of children, by what is cheaper to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visible<T: Ord> {
    /// All but these.
    Except(BTreeSet<T>),
    /// Only these.
    Only(BTreeSet<T>),
}

impl<T: Ord> Visible<T> {
    /// What is in both.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Only(mut ids), other) | (other, Self::Only(mut ids)) => {
                ids.retain(|id| other.holds(id));
                Self::Only(ids)
            }
            (Self::Except(mut ids), Self::Except(others)) => {
                ids.extend(others);
                Self::Except(ids)
            }
        }
    }

    /// True if the child is in the set.
    #[must_use]
    pub fn holds(&self, id: &T) -> bool {
        match self {
            Self::Except(ids) => !ids.contains(id),
            Self::Only(ids) => ids.contains(id),
        }
    }
}

/// Proof that `principal` may list the children of `resource`, with what it may see of them.
///
/// ```compile_fail,E0624
/// use polder_policy::{ListPermit, actions::ListTables};
/// fn forge(of: &ListPermit<ListTables>) -> ListPermit<ListTables> {
///     ListPermit::new(of.permit().clone(), of.visibility().clone())
/// }
/// ```
pub struct ListPermit<A: Action> {
    permit: Permit<A>,
    visibility: Visibility,
}

impl<A: Action> ListPermit<A> {
    pub(crate) fn new(permit: Permit<A>, visibility: Visibility) -> Self {
        Self { permit, visibility }
    }

    /// The permit for the container.
    #[must_use]
    pub fn permit(&self) -> &Permit<A> {
        &self.permit
    }

    /// What may be seen inside.
    #[must_use]
    pub fn visibility(&self) -> &Visibility {
        &self.visibility
    }
}

impl<A: Action> std::fmt::Debug for ListPermit<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "List{:?}", self.permit)
    }
}

#[cfg(test)]
mod tests;
