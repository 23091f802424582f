//! The policy snapshot of one tenant at one version: everything a decision reads, indexed once, immutable.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use polder_types::{
    Assertion, Attribute, CredentialId, KeyId, Micros, Principal, PrincipalId, PrincipalKind, QualifiedName,
    RelationId, RoleId, Scopes, TenantId, Who,
};

use crate::{Grant, Obligations, Restriction, TableRef, restriction::Applied};

mod impersonation;

pub use impersonation::ImpersonationDenial;

/// The attribute that says under which subject the tenant's identity provider knows a principal.
pub const EXTERNAL_SUBJECT: &str = "external_subject";
/// The attribute that a token's groups are read by.
const GROUPS: &str = "groups";
/// The principal that requests with debug headers act as, if the tenant has one.
const DEBUG: &str = "debug";

/// A principal as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalRecord {
    /// Its id.
    pub id: PrincipalId,
    /// Its name.
    pub name: Arc<str>,
    /// Person or program.
    pub kind: PrincipalKind,
    /// Disabled principals cannot authenticate.
    pub enabled: bool,
    /// Its roles.
    pub roles: Vec<RoleId>,
    /// Its attributes.
    pub attributes: Arc<BTreeMap<String, Attribute>>,
}

/// An API key as stored, without its hash.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    pub principal: PrincipalId,
    /// What it may do at all.
    pub scopes: Scopes,
    /// When it ends, if ever.
    pub expires_at: Option<Micros>,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRecord {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: Arc<str>,
}

/// What the store loads to make a snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotParts {
    /// The tenant.
    pub tenant: TenantId,
    /// `tenants.version`.
    pub version: i64,
    /// True for the operator's tenant, whose administrators may create tenants.
    pub operator: bool,
    /// Principals.
    pub principals: Vec<PrincipalRecord>,
    /// Keys that are not revoked.
    pub keys: Vec<KeyRecord>,
    /// Roles.
    pub roles: Vec<RoleRecord>,
    /// Roles whose holders may act for the holders of another role, which stands second.
    pub impersonations: Vec<(RoleId, RoleId)>,
    /// Grants, allows and denies.
    pub grants: Vec<Grant>,
    /// Row filters, masks, hidden columns.
    pub restrictions: Vec<Restriction>,
}

/// An indexed, immutable policy snapshot.
#[derive(Debug)]
pub struct PolicySnapshot {
    tenant: TenantId,
    version: i64,
    operator: bool,
    principals: HashMap<PrincipalId, PrincipalRecord>,
    /// `None` where two principals claim one subject.
    by_subject: HashMap<String, Option<PrincipalId>>,
    keys: HashMap<KeyId, KeyRecord>,
    roles: HashMap<RoleId, RoleRecord>,
    impersonations: HashMap<RoleId, Vec<RoleId>>,
    grants_by_role: HashMap<RoleId, Vec<Grant>>,
    restrictions: Vec<Restriction>,
    restrictions_by_id: HashMap<RelationId, Vec<usize>>,
    restrictions_by_name: HashMap<QualifiedName, Vec<usize>>,
}

impl PolicySnapshot {
    /// Indexes the parts.
    #[must_use]
    pub fn new(parts: SnapshotParts) -> Self {
        let mut grants_by_role: HashMap<RoleId, Vec<Grant>> = HashMap::new();
        for grant in parts.grants {
            grants_by_role.entry(grant.role).or_default().push(grant);
        }
        let mut impersonations: HashMap<RoleId, Vec<RoleId>> = HashMap::new();
        for (actor, subject) in parts.impersonations {
            impersonations.entry(actor).or_default().push(subject);
        }
        let mut restrictions = parts.restrictions;
        restrictions.sort_by_key(|r| r.id);
        let mut restrictions_by_id: HashMap<RelationId, Vec<usize>> = HashMap::new();
        let mut restrictions_by_name: HashMap<QualifiedName, Vec<usize>> = HashMap::new();
        for (index, restriction) in restrictions.iter().enumerate() {
            for id in restriction.bound.keys() {
                restrictions_by_id.entry(*id).or_default().push(index);
            }
            restrictions_by_name.entry(restriction.table.clone()).or_default().push(index);
        }
        let mut by_subject: HashMap<String, Option<PrincipalId>> = HashMap::new();
        for principal in &parts.principals {
            let subject = match principal.attributes.get(EXTERNAL_SUBJECT) {
                Some(Attribute::Text(subject)) => subject.clone(),
                // Written as a number, since some issuers number their users.
                Some(Attribute::Int(number)) => number.to_string(),
                _ => continue,
            };
            // SECURITY: a subject that two principals claim is nobody's.
            by_subject.entry(subject).and_modify(|id| *id = None).or_insert(Some(principal.id));
        }
        Self {
            by_subject,
            tenant: parts.tenant,
            version: parts.version,
            operator: parts.operator,
            principals: parts.principals.into_iter().map(|p| (p.id, p)).collect(),
            keys: parts.keys.into_iter().map(|k| (k.id.clone(), k)).collect(),
            roles: parts.roles.into_iter().map(|r| (r.id, r)).collect(),
            impersonations,
            grants_by_role,
            restrictions,
            restrictions_by_id,
            restrictions_by_name,
        }
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// `tenants.version` it was read at.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// True for the operator's tenant.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        self.operator
    }

    /// Makes the principal that a live key stands for, its scopes cut to `scopes` if given. `None` if the key is
    /// unknown, revoked or expired, or its principal disabled. The key's secret was checked before.
    #[must_use]
    pub fn authenticate(&self, key: &KeyId, scopes: Option<Scopes>, now: Micros) -> Option<Principal> {
        let key = self.keys.get(key)?;
        if key.expires_at.is_some_and(|end| end <= now) {
            return None;
        }
        let record = self.principals.get(&key.principal).filter(|p| p.enabled)?;
        let scopes = match scopes {
            Some(wanted) if wanted.within(key.scopes) => wanted,
            Some(_) => return None,
            None => key.scopes,
        };
        Some(self.principal(record, CredentialId::Key(key.id.clone()), scopes))
    }

    /// Makes the principal that a verified credential stands for, its scopes cut to `scopes` if given. `None` as for
    /// [`PolicySnapshot::authenticate`]; also if an assertion means nobody, or somebody disabled: none is ever made up.
    #[must_use]
    pub fn admit(&self, credential: &CredentialId, scopes: Option<Scopes>, now: Micros) -> Option<Principal> {
        let assertion = match credential {
            CredentialId::Key(key) => return self.authenticate(key, scopes, now),
            CredentialId::Impersonated(of) => return self.impersonated(of, credential, scopes, now),
            CredentialId::Asserted(assertion) => assertion,
        };
        let record = self.meant(assertion).filter(|record| record.enabled)?;
        let scopes = scopes.unwrap_or(assertion.scopes);
        if !scopes.within(assertion.scopes) {
            return None;
        }
        let mut principal = self.principal(record, credential.clone(), scopes);
        if let Some(groups) = &assertion.groups {
            // What the tenant's own administrator wrote wins over what an issuer says.
            let mut attributes = (*principal.attributes).clone();
            attributes.entry(GROUPS.to_owned()).or_insert_with(|| Attribute::List(groups.clone()));
            principal.attributes = attributes.into();
        }
        Some(principal)
    }

    fn meant(&self, assertion: &Assertion) -> Option<&PrincipalRecord> {
        match &assertion.who {
            Who::Subject(subject) => self.principals.get(&(*self.by_subject.get(subject)?)?),
            Who::Debug => self.principals.values().find(|record| record.name.as_ref() == DEBUG),
        }
    }

    fn principal(&self, record: &PrincipalRecord, credential: CredentialId, scopes: Scopes) -> Principal {
        let mut roles = record.roles.clone();
        roles.sort_unstable();
        roles.dedup();
        Principal {
            tenant: self.tenant.clone(),
            id: record.id,
            name: record.name.clone(),
            kind: record.kind,
            credential,
            scopes,
            roles: roles.into(),
            attributes: record.attributes.clone(),
            actor: None,
        }
    }

    /// A key that is not revoked.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<&KeyRecord> {
        self.keys.get(id)
    }

    /// A role.
    #[must_use]
    pub fn role(&self, id: RoleId) -> Option<&RoleRecord> {
        self.roles.get(&id)
    }

    /// A role by its name, which is unique in the tenant.
    #[must_use]
    pub fn role_named(&self, name: &str) -> Option<&RoleRecord> {
        self.roles.values().find(|role| role.name.as_ref() == name)
    }

    /// Every restriction, ordered by id.
    #[must_use]
    pub fn restrictions(&self) -> &[Restriction] {
        &self.restrictions
    }

    /// Every restriction that covers a relation, by id or by name, whoever it is for.
    pub fn restrictions_on<'a>(
        &'a self,
        id: RelationId,
        name: &QualifiedName,
    ) -> impl Iterator<Item = &'a Restriction> + use<'a> {
        let by_id = self.restrictions_by_id.get(&id).map(Vec::as_slice).unwrap_or_default();
        let by_name = self.restrictions_by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        let mut all: Vec<usize> = by_id.iter().chain(by_name).copied().collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter().filter_map(|index| self.restrictions.get(index))
    }

    pub(crate) fn grants(&self, principal: &Principal) -> impl Iterator<Item = &Grant> {
        principal.roles.iter().filter_map(|role| self.grants_by_role.get(role)).flatten()
    }

    /// The restrictions that hold for this principal on this table; `None` if there is none.
    /// The exemption `read_unrestricted` is the caller's to check.
    pub(crate) fn obligations(&self, principal: &Principal, table: &TableRef) -> Option<Obligations> {
        if self.restrictions.is_empty() {
            return None;
        }
        let applied: Vec<Applied> = self
            .restrictions_on(table.id, &table.qualified())
            .filter(|restriction| restriction.audience.includes(&principal.roles))
            .map(|restriction| Applied {
                id: restriction.id,
                name: restriction.name.clone(),
                rule: restriction.rule.clone(),
                fields: restriction.bound.get(&table.id).cloned().unwrap_or_default(),
            })
            .collect();
        (!applied.is_empty()).then(|| Obligations { applied, attributes: principal.attributes.clone() })
    }

    /// True if some restriction for this principal stands in the namespace that holds `table`: tables that were
    /// created there since and not released are invisible to it.
    pub(crate) fn restricted_in_namespace(
        &self,
        principal: &Principal,
        warehouse: &polder_types::WarehouseName,
        namespace: &polder_types::Namespace,
    ) -> bool {
        self.restrictions.iter().any(|restriction| {
            &restriction.table.warehouse == warehouse
                && &restriction.table.ident.namespace == namespace
                && restriction.audience.includes(&principal.roles)
        })
    }
}

impl crate::Audience {
    /// True if a holder of these roles is meant.
    pub(crate) fn includes(&self, roles: &[RoleId]) -> bool {
        match self {
            Self::Everyone => true,
            Self::Roles(wanted) => wanted.iter().any(|role| roles.contains(role)),
        }
    }
}

#[cfg(test)]
mod tests;
