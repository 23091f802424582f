//! Grants: a role is allowed or denied a privilege on an object and everything below it.

use polder_types::{Namespace, NamespaceId, QualifiedName, RelationId, RoleId, WarehouseId, WarehouseName};
use serde::{Deserialize, Serialize};

use crate::Privilege;

/// An object by id. Ids are unique in the tenant whose snapshot holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Securable {
    /// The whole tenant.
    Tenant,
    /// A warehouse.
    Warehouse(WarehouseId),
    /// A namespace and what is nested in it.
    Namespace(NamespaceId),
    /// A table or view.
    Table(RelationId),
}

/// An object by name, for what must survive a change of the object under the name (R35).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum SecurableName {
    /// A warehouse.
    Warehouse(WarehouseName),
    /// A namespace.
    Namespace(WarehouseName, Namespace),
    /// A table or view.
    Table(QualifiedName),
}

/// Allow or deny; deny wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Adds the privilege.
    Allow,
    /// Takes it away, whatever else allows it.
    Deny,
}

impl Effect {
    /// The word stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// One grant. An allow binds to the id and dies with the object (R19); a deny binds to every id that ever
/// held the name it was set on, and to that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The role.
    pub role: RoleId,
    /// Allow or deny.
    pub effect: Effect,
    /// The privilege.
    pub privilege: Privilege,
    /// The object it was set on.
    pub on: Securable,
    /// The object's parents by id (so that containers of something granted can be seen).
    pub within: Vec<Securable>,
    /// Deny only: further ids that took the name over.
    pub also_on: Vec<Securable>,
    /// Deny only: the name it was set on (`None` for the tenant).
    pub name: Option<SecurableName>,
}
