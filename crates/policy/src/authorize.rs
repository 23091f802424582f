//! The one way to a [`Permit`], and the one place that turns a denial into 404 or 403.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use polder_types::{Error, ErrorKind, Namespace, Principal, Subject, WarehouseName};

use crate::{
    Action, Effect, Grant, ListPermit, NamespaceRef, ObligationMode, Obligations, Permit, PolicySnapshot, Privilege,
    Resource, Securable, SecurableName, Visibility,
    decide::{self, Held, conclude, denies, held, opens, quarantine_holds},
    permit::Visible,
    privilege::Privileges,
};

/// Why an action was denied; goes into the audit record, never to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DenialReason {
    /// The credential's scopes do not reach this door.
    Scope,
    /// The caller may not know that the object exists.
    Invisible,
    /// The caller may know it, but lacks the privilege.
    Privilege,
    /// A row filter, mask or hidden column holds for the caller, and this door cannot enforce it.
    Restricted,
    /// One holds for whoever acts for the caller, and no door enforces those of two.
    ActorRestricted,
}

impl DenialReason {
    /// The word in the audit record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::Invisible => "invisible",
            Self::Privilege => "privilege",
            Self::Restricted => "restricted",
            Self::ActorRestricted => "actor_restricted",
        }
    }
}

/// A denial.
#[derive(Clone, Debug)]
pub struct Denial {
    /// Why.
    pub reason: DenialReason,
    /// What was wanted.
    pub action: &'static str,
    /// The kind of the object.
    pub subject: Subject,
    /// Its name.
    pub object: String,
}

/// Decides; the only maker of permits.
///
/// # Errors
/// A [`Denial`]; [`denied`] turns it into what the caller is told.
pub fn authorize<A: Action>(
    snapshot: &PolicySnapshot,
    principal: &Principal,
    _action: A,
    resource: &A::Resource,
) -> Result<Permit<A>, Denial> {
    let denial = |reason| Denial {
        reason,
        action: A::NAME,
        subject: <A::Resource as Resource>::SUBJECT,
        object: resource.display(),
    };
    let held = held(snapshot, principal, resource).ok_or_else(|| denial(DenialReason::Invisible))?;
    check_privilege::<A>(snapshot, principal, held).map_err(denial)?;
    // After the privilege: what the holder may not know must look absent to each of its credentials (R22).
    if !principal.scopes.allows(A::SCOPE) {
        return Err(denial(DenialReason::Scope));
    }
    let obligations = obligations::<A>(snapshot, principal, held, resource).map_err(denial)?;
    let (tenant, caller) = (principal.tenant.clone(), principal.caller());
    Ok(Permit::new(resource.clone(), tenant, caller, snapshot.version(), obligations.map(Arc::new)))
}

/// What must be enforced for the principal; an error where the action cannot.
fn obligations<A: Action>(
    snapshot: &PolicySnapshot,
    principal: &Principal,
    held: Held,
    resource: &A::Resource,
) -> Result<Option<Obligations>, DenialReason> {
    let Some(table) = resource.as_table().filter(|_| A::OBLIGATIONS != ObligationMode::Indifferent) else {
        return Ok(None);
    };
    // The exemption of one who is acted for is what both hold.
    let exempt = held.holds(Privilege::ReadUnrestricted);
    let own = if exempt { None } else { snapshot.obligations(principal, table) };
    if own.is_some() && A::OBLIGATIONS == ObligationMode::Refuse {
        return Err(DenialReason::Restricted); // SECURITY: a door that cannot enforce must refuse
    }
    let restricted = |actor: &Principal| {
        !decide::held(snapshot, actor, resource).is_some_and(|held| held.holds(Privilege::ReadUnrestricted))
            && snapshot.obligations(actor, table).is_some()
    };
    // SECURITY: obligations are one principal's: its attributes, its joins of masks. Those of two are enforced nowhere.
    if principal.acting().skip(1).any(restricted) {
        return Err(DenialReason::ActorRestricted);
    }
    Ok(own)
}

fn check_privilege<A: Action>(
    snapshot: &PolicySnapshot,
    principal: &Principal,
    held: Held,
) -> Result<(), DenialReason> {
    // Creating tenants is the operator's alone; a grant in another tenant means nothing.
    if A::PRIVILEGE == Privilege::ManageTenants && !snapshot.is_operator() {
        return Err(DenialReason::Privilege);
    }
    if <A::Resource as Resource>::SUBJECT == Subject::Tenant {
        // One's own tenant is no secret, and every principal of it may knock.
        let open = A::PRIVILEGE == Privilege::List;
        // SECURITY: administration reaches every warehouse, so a credential for one of them has none; and nobody
        // administers in the name of another.
        let holds = held.holds(A::PRIVILEGE) && principal.workspace().is_none() && principal.actor.is_none();
        return if open || holds { Ok(()) } else { Err(DenialReason::Privilege) };
    }
    if held.holds(A::PRIVILEGE) {
        // Administration of an object that one may not otherwise know is still administration.
        return Ok(());
    }
    Err(if held.may_know() { DenialReason::Privilege } else { DenialReason::Invisible })
}

/// Decides on listing the children of a namespace.
///
/// # Errors
/// As [`authorize`].
pub fn authorize_list<A: Action<Resource = NamespaceRef>>(
    snapshot: &PolicySnapshot,
    principal: &Principal,
    action: A,
    resource: &NamespaceRef,
) -> Result<ListPermit<A>, Denial> {
    let permit = authorize(snapshot, principal, action, resource)?;
    let mut visibility = visibility(snapshot, principal, resource, &resource.warehouse.name, Some(&resource.name));
    visibility.hide_quarantined = principal.acting().any(|who| quarantine_holds(snapshot, who, resource));
    Ok(ListPermit::new(permit, visibility))
}

/// Decides on listing the namespaces at the root of a warehouse.
///
/// # Errors
/// As [`authorize`].
pub fn authorize_root_list<A: Action<Resource = crate::WarehouseRef>>(
    snapshot: &PolicySnapshot,
    principal: &Principal,
    action: A,
    resource: &crate::WarehouseRef,
) -> Result<ListPermit<A>, Denial> {
    let permit = authorize(snapshot, principal, action, resource)?;
    let visibility = visibility(snapshot, principal, resource, &resource.name, None);
    Ok(ListPermit::new(permit, visibility))
}

/// What of a container's children the principal, and whoever acts for it, may know: the set form of [`held`] for every child.
fn visibility<R: Resource>(
    snapshot: &PolicySnapshot,
    principal: &Principal,
    container: &R,
    warehouse: &WarehouseName,
    namespace: Option<&Namespace>,
) -> Visibility {
    let alone = |who| visibility_alone(snapshot, who, container, warehouse, namespace);
    principal.acting().skip(1).map(alone).fold(alone(principal), Visibility::and)
}

/// The same by the principal's own roles.
///
/// Privileges of different grants add up by id; a denied name hides whatever carries it beyond the ids that its
/// grant is bound to (the store binds each new bearer of the name in the same transaction).
fn visibility_alone<R: Resource>(
    snapshot: &PolicySnapshot,
    principal: &Principal,
    container: &R,
    warehouse: &WarehouseName,
    namespace: Option<&Namespace>,
) -> Visibility {
    let (chain, names) = (container.chain(), container.names());
    let mut base = Tally::default();
    let mut children: BTreeMap<Securable, Tally> = BTreeMap::new();
    let mut named: BTreeMap<&SecurableName, (Privileges, BTreeSet<Securable>)> = BTreeMap::new();
    let denials: Vec<&Grant> = snapshot.grants(principal).filter(|g| g.effect == Effect::Deny).collect();
    for grant in snapshot.grants(principal).filter(|g| g.effect == Effect::Allow) {
        if chain.contains(&grant.on) {
            base.allowed = base.allowed.with(grant.privilege);
            continue;
        }
        if opens(grant, &denials) {
            grant.within.iter().for_each(|id| children.entry(*id).or_default().known_inside = true);
        }
        let child = children.entry(grant.on).or_default();
        child.allowed = child.allowed.with(grant.privilege);
    }
    for grant in denials {
        if denies(grant, &chain, &names) {
            base.denied = base.denied.with(grant.privilege);
            continue;
        }
        let ids = grant.also_on.iter().chain([&grant.on]).copied();
        for id in ids.clone() {
            let child = children.entry(id).or_default();
            child.denied = child.denied.with(grant.privilege);
        }
        if let Some(name) = &grant.name {
            let (denied, bound) = named.entry(name).or_default();
            *denied = denied.with(grant.privilege);
            bound.extend(ids);
        }
    }
    let mut shown = Visibility::split(base, &children);
    for (name, (denied, bound)) in named {
        let shown_by_id = bound.iter().any(|id| children.get(id).is_some_and(|child| base.conclude_with(*child)));
        if !shown_by_id && !base.conclude_with(Tally { denied, ..Tally::default() }) {
            shown.hide_name(name, warehouse, namespace);
        }
    }
    shown
}

/// Privileges collected for one object.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    allowed: Privileges,
    denied: Privileges,
    known_inside: bool,
}

impl Tally {
    /// True if a child with these own privileges can be known, given its container's.
    fn conclude_with(self, child: Self) -> bool {
        let (allowed, denied) = (self.allowed.union(child.allowed), self.denied.union(child.denied));
        conclude(allowed, denied, child.known_inside).may_know()
    }
}

impl Visibility {
    fn split(base: Tally, children: &BTreeMap<Securable, Tally>) -> Self {
        let usual = base.conclude_with(Tally::default());
        let (mut namespaces, mut tables) = (BTreeSet::new(), BTreeSet::new());
        for (id, child) in children {
            if base.conclude_with(*child) == usual {
                continue;
            }
            match id {
                Securable::Namespace(id) => drop(namespaces.insert(*id)),
                Securable::Table(id) => drop(tables.insert(*id)),
                Securable::Tenant | Securable::Warehouse(_) => {}
            }
        }
        Self {
            namespaces: if usual { Visible::Except(namespaces) } else { Visible::Only(namespaces) },
            tables: if usual { Visible::Except(tables) } else { Visible::Only(tables) },
            denied_table_names: BTreeSet::new(),
            denied_namespace_names: BTreeSet::new(),
            hide_quarantined: false,
        }
    }

    /// Hides a name if it is a child's.
    fn hide_name(&mut self, name: &SecurableName, warehouse: &WarehouseName, namespace: Option<&Namespace>) {
        match name {
            SecurableName::Table(name) if &name.warehouse == warehouse && Some(&name.ident.namespace) == namespace => {
                self.denied_table_names.insert(name.ident.name.clone());
            }
            SecurableName::Namespace(of, name) if of == warehouse && name.parent().as_ref() == namespace => {
                self.denied_namespace_names.insert(name.leaf().to_owned());
            }
            _ => {}
        }
    }
}

/// Says what the caller is told: 404 with the body of an absent object where it may not know that the object
/// exists, 403 where it may. The one function that decides that (R22).
#[must_use]
pub fn denied(denial: &Denial) -> Error {
    match denial.reason {
        DenialReason::Invisible => Error::not_found(denial.subject, &denial.object),
        DenialReason::Scope => Error::new(
            ErrorKind::Forbidden,
            denial.subject,
            "insufficient_scope",
            "the credential's scopes do not allow this",
        ),
        DenialReason::Privilege => Error::forbidden(
            denial.subject,
            format!("not allowed: {} on {} `{}`", denial.action, denial.subject.noun(), denial.object),
        ),
        DenialReason::ActorRestricted => Error::new(
            ErrorKind::Forbidden,
            denial.subject,
            "restricted",
            format!(
                "{} `{}` has a row filter or column mask for whoever acts for you",
                denial.subject.noun(),
                denial.object
            ),
        ),
        DenialReason::Restricted => Error::new(
            ErrorKind::Forbidden,
            denial.subject,
            "restricted",
            match denial.subject {
                // Nothing reads it for them: the gateway knows no views.
                Subject::View => {
                    format!("view `{}` has a name with a row filter or column mask for you", denial.object)
                }
                _ => format!(
                    "table `{}` has a row filter or column mask for you; read it with POST /api/v1/query",
                    denial.object
                ),
            },
        ),
    }
}

#[cfg(test)]
mod tests;
