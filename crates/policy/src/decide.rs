//! The kernel: which privileges a principal holds on a chain of objects. Explicit deny wins, and whoever acts for another
//! holds no more than either of both.

use polder_types::Principal;

use crate::{
    Effect, Grant, NamespaceRef, PolicySnapshot, Privilege, Resource, Securable, SecurableName, privilege::Privileges,
};

/// What a principal holds on one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    effective: Privileges,
    visible: bool,
}

impl Held {
    pub(crate) fn holds(self, privilege: Privilege) -> bool {
        self.effective.holds(privilege)
    }

    /// True if the principal may know that the resource exists.
    pub(crate) fn may_know(self) -> bool {
        self.visible
    }

    /// What both hold, without administration.
    fn and(self, actor: Self) -> Self {
        Self {
            effective: self.effective.intersection(actor.effective).without_administration(),
            visible: self.visible && actor.visible,
        }
    }

    /// The same without knowing the object: only administration is left.
    fn unseen(self) -> Self {
        Self { effective: self.effective.without_data(), visible: false }
    }
}

/// Computes what `principal`, and whoever acts for it, hold on `resource`. `None` for a resource of another tenant,
/// whatever the grants.
pub(crate) fn held<R: Resource>(snapshot: &PolicySnapshot, principal: &Principal, resource: &R) -> Option<Held> {
    let own = held_alone(snapshot, principal, resource)?;
    match &principal.actor {
        None => Some(own),
        // SECURITY: the one place where both are asked: nothing is held that one of them lacks (R38).
        Some(actor) => Some(own.and(held(snapshot, actor, resource)?)),
    }
}

/// What the principal holds by its own roles. The exemption from quarantine is its actor's too, or none.
fn held_alone<R: Resource>(snapshot: &PolicySnapshot, principal: &Principal, resource: &R) -> Option<Held> {
    if &principal.tenant != resource.tenant() || snapshot.tenant() != resource.tenant() {
        return None; // SECURITY: the tenant is part of every decision (R17)
    }
    if !within_workspace(principal, resource) {
        return None; // SECURITY: a confined credential sees one warehouse, whatever its principal is granted
    }
    let chain = resource.chain();
    let own = chain.first();
    let denials: Vec<&Grant> = snapshot.grants(principal).filter(|g| g.effect == Effect::Deny).collect();
    // Only denials look at names, and most principals have none.
    let names = if denials.is_empty() { Vec::new() } else { resource.names() };
    let (mut allowed, mut known_inside) = (Privileges::default(), false);
    for grant in snapshot.grants(principal).filter(|g| g.effect == Effect::Allow) {
        if chain.contains(&grant.on) {
            allowed = allowed.with(grant.privilege);
        } else if !known_inside && own.is_some_and(|own| grant.within.contains(own)) {
            known_inside = opens(grant, &denials);
        }
    }
    let denied = denials
        .into_iter()
        .filter(|grant| denies(grant, &chain, &names))
        .fold(Privileges::default(), |denied, grant| denied.with(grant.privilege));
    let held = conclude(allowed, denied, known_inside);
    let quarantined =
        resource.as_table().is_some_and(|t| t.quarantined && quarantine_holds(snapshot, principal, &t.namespace));
    Some(if quarantined { held.unseen() } else { held })
}

/// True unless the credential is confined to a warehouse that the resource is not, and does not lie in. The tenant lies
/// in none; what may be done to it is `authorize`'s to say.
fn within_workspace<R: Resource>(principal: &Principal, resource: &R) -> bool {
    principal.workspace().is_none_or(|workspace| match resource.names().last() {
        Some(SecurableName::Warehouse(name)) => name == workspace,
        Some(_) => false,
        None => true,
    })
}

/// True if quarantined tables of the namespace do not exist for the principal: a restriction stands there for it,
/// and it is not exempt in the whole namespace (a table's own exemption counts once the table is released). Says nothing of
/// restrictions that hold for its actor only.
pub(crate) fn quarantine_holds(snapshot: &PolicySnapshot, principal: &Principal, namespace: &NamespaceRef) -> bool {
    snapshot.restricted_in_namespace(principal, &namespace.warehouse.name, &namespace.name)
        && !held(snapshot, principal, namespace).is_some_and(|held| held.holds(Privilege::ReadUnrestricted))
}

/// True if an allow on an object lets its containers be known: it is on data, and no denial takes it away again.
pub(crate) fn opens(allow: &Grant, denials: &[&Grant]) -> bool {
    let on_the_way = |id: &Securable| *id == allow.on || allow.within.contains(id);
    allow.privilege.is_data()
        && !denials
            .iter()
            .filter(|deny| deny.privilege == Privilege::List || deny.privilege == allow.privilege)
            .any(|deny| on_the_way(&deny.on) || deny.also_on.iter().any(on_the_way))
}

pub(crate) fn denies(grant: &Grant, chain: &[Securable], names: &[SecurableName]) -> bool {
    chain.contains(&grant.on)
        || grant.also_on.iter().any(|id| chain.contains(id))
        || grant.name.as_ref().is_some_and(|name| names.contains(name))
}

pub(crate) fn conclude(allowed: Privileges, denied: Privileges, known_inside: bool) -> Held {
    // A denied `list` means the object does not exist for them: nothing else can hold on it.
    if denied.holds(Privilege::List) {
        return Held { effective: Privileges::default(), visible: false };
    }
    let mut effective = allowed.without(denied);
    let visible = effective.has_data() || known_inside;
    if visible {
        effective = effective.union(Privileges::default().with(Privilege::List));
    }
    Held { effective, visible }
}

#[cfg(test)]
mod tests;
