//! The kernel: which privileges a principal holds on a chain of objects. Explicit deny wins.

use polder_types::Principal;

use crate::{Effect, Grant, PolicySnapshot, Privilege, Resource, Securable, SecurableName, privilege::Privileges};

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
}

/// Computes what `principal` holds on `resource`. A resource of another tenant is unknown, whatever the grants.
pub(crate) fn held<R: Resource>(snapshot: &PolicySnapshot, principal: &Principal, resource: &R) -> Held {
    let nothing = Held { effective: Privileges::default(), visible: false };
    if &principal.tenant != resource.tenant() || snapshot.tenant() != resource.tenant() {
        return nothing; // SECURITY: the tenant is part of every decision (R17)
    }
    if let Some(table) = resource.as_table()
        && table.quarantined
        && snapshot.restricted_in_namespace(principal, &table.namespace.warehouse.name, &table.namespace.name)
        && !reads_unrestricted(snapshot, principal, resource)
    {
        return nothing;
    }
    let (chain, names) = (resource.chain(), resource.names());
    let own = chain.first().copied();
    let (mut allowed, mut denied, mut known_inside) = (Privileges::default(), Privileges::default(), false);
    for grant in snapshot.grants(principal) {
        match grant.effect {
            Effect::Allow if chain.contains(&grant.on) => allowed = allowed.with(grant.privilege),
            Effect::Allow => {
                known_inside |= grant.privilege.is_data() && own.is_some_and(|own| grant.within.contains(&own));
            }
            Effect::Deny if denies(grant, &chain, &names) => denied = denied.with(grant.privilege),
            Effect::Deny => {}
        }
    }
    conclude(allowed, denied, known_inside)
}

/// True if the principal is exempt from restrictions on the resource.
fn reads_unrestricted<R: Resource>(snapshot: &PolicySnapshot, principal: &Principal, resource: &R) -> bool {
    let (chain, names) = (resource.chain(), resource.names());
    let mut allowed = false;
    for grant in snapshot.grants(principal).filter(|g| g.privilege == Privilege::ReadUnrestricted) {
        match grant.effect {
            Effect::Allow => allowed |= chain.contains(&grant.on),
            Effect::Deny if denies(grant, &chain, &names) => return false,
            Effect::Deny => {}
        }
    }
    allowed
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
