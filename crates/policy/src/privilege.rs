//! Privileges: what a grant can allow or deny on the hierarchy tenant → warehouse → namespace → table.

use std::str::FromStr;

use polder_types::{Error, Subject};
use serde::{Deserialize, Serialize};

/// One privilege. Any allowed data privilege lets its holder know that the object exists, unless `list` is denied;
/// a denied `list` denies everything below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privilege {
    /// Know that it exists; list it; read namespace properties.
    List,
    /// Read tables: load, plan, query, describe.
    Read,
    /// Commit to tables, change namespace properties.
    Write,
    /// Create namespaces and tables inside.
    Create,
    /// Drop it, or rename it away.
    Drop,
    /// Be exempt from row filters, masks and hidden columns.
    ReadUnrestricted,
    /// Create and change warehouses.
    ManageWarehouses,
    /// Create and change principals, keys, roles and grants.
    ManageAccess,
    /// Create and delete policies; release quarantined tables; drop columns that a policy reads.
    ManagePolicies,
    /// Read the audit trail.
    ReadAudit,
    /// Create tenants. Honoured in the operator's tenant only.
    ManageTenants,
}

impl Privilege {
    /// Every privilege.
    pub const ALL: [Self; 11] = [
        Self::List,
        Self::Read,
        Self::Write,
        Self::Create,
        Self::Drop,
        Self::ReadUnrestricted,
        Self::ManageWarehouses,
        Self::ManageAccess,
        Self::ManagePolicies,
        Self::ReadAudit,
        Self::ManageTenants,
    ];

    /// The word in the API, the CLI and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::Drop => "drop",
            Self::ReadUnrestricted => "read_unrestricted",
            Self::ManageWarehouses => "manage_warehouses",
            Self::ManageAccess => "manage_access",
            Self::ManagePolicies => "manage_policies",
            Self::ReadAudit => "read_audit",
            Self::ManageTenants => "manage_tenants",
        }
    }

    /// True for privileges on data objects; holding one means knowing that the object exists.
    #[must_use]
    pub fn is_data(self) -> bool {
        matches!(self, Self::List | Self::Read | Self::Write | Self::Create | Self::Drop)
    }

    /// True for privileges that only make sense on the whole tenant.
    #[must_use]
    pub fn is_tenant_wide(self) -> bool {
        matches!(self, Self::ManageWarehouses | Self::ManageAccess | Self::ReadAudit | Self::ManageTenants)
    }

    /// True for privileges that administer: nobody who is acted for has one.
    #[must_use]
    pub fn is_administration(self) -> bool {
        !self.is_data() && self != Self::ReadUnrestricted
    }

    /// The bit in a [`Privileges`] set.
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl FromStr for Privilege {
    type Err = Error;

    /// # Errors
    /// `Invalid` for an unknown word.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|p| p.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|p| p.as_str()).collect();
            Error::invalid("unknown_privilege", format!("unknown privilege; known are {}", known.join(", ")))
                .about(Subject::Grant)
        })
    }
}

/// A set of privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Privileges(u16);

impl Privileges {
    pub(crate) fn with(self, privilege: Privilege) -> Self {
        Self(self.0 | privilege.bit())
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn holds(self, privilege: Privilege) -> bool {
        self.0 & privilege.bit() != 0
    }

    /// What is left for somebody who is acted for.
    pub(crate) fn without_administration(self) -> Self {
        let administration = Privilege::ALL.into_iter().filter(|p| p.is_administration());
        self.without(administration.fold(Self::default(), Self::with))
    }

    /// What is left for someone to whom the object does not exist.
    pub(crate) fn without_data(self) -> Self {
        let data = Privilege::ALL.into_iter().filter(|p| p.is_data() || *p == Privilege::ReadUnrestricted);
        self.without(data.fold(Self::default(), Self::with))
    }

    pub(crate) fn has_data(self) -> bool {
        Privilege::ALL.into_iter().any(|p| p.is_data() && self.holds(p))
    }
}

#[cfg(test)]
mod tests;
