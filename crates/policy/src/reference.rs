//! The slow, obvious reference: what the kernel and the engines are compared with in tests. Never on a request path.

use polder_types::Principal;

use crate::{Effect, PolicySnapshot, Privilege, Resource};

/// Says whether `principal` holds `privilege` on `resource`, by going through everything anew.
#[must_use]
pub fn holds<R: Resource>(
    snapshot: &PolicySnapshot,
    principal: &Principal,
    resource: &R,
    privilege: Privilege,
) -> bool {
    if !knows(snapshot, principal, resource) && privilege.is_data() {
        return false;
    }
    if blocked(snapshot, principal, resource) {
        return false;
    }
    privilege == Privilege::List
        || (allowed(snapshot, principal, resource, privilege) && !denied(snapshot, principal, resource, privilege))
}

/// Says whether `principal` may know that `resource` exists.
#[must_use]
pub fn knows<R: Resource>(snapshot: &PolicySnapshot, principal: &Principal, resource: &R) -> bool {
    if blocked(snapshot, principal, resource) {
        return false;
    }
    let own = Privilege::ALL
        .into_iter()
        .filter(|p| p.is_data())
        .any(|p| allowed(snapshot, principal, resource, p) && !denied(snapshot, principal, resource, p));
    let inside = snapshot.grants(principal).any(|grant| {
        grant.effect == Effect::Allow
            && grant.privilege.is_data()
            && resource.chain().first().is_some_and(|own| grant.within.contains(own))
    });
    own || inside
}

/// Another tenant, a denied `list`, or a quarantined table where the principal is restricted.
fn blocked<R: Resource>(snapshot: &PolicySnapshot, principal: &Principal, resource: &R) -> bool {
    let foreign = &principal.tenant != resource.tenant() || snapshot.tenant() != resource.tenant();
    let quarantined = resource.as_table().is_some_and(|table| {
        let exempt = allowed(snapshot, principal, resource, Privilege::ReadUnrestricted)
            && !denied(snapshot, principal, resource, Privilege::ReadUnrestricted);
        let restricted = snapshot.restrictions().iter().any(|restriction| {
            restriction.table.warehouse == table.namespace.warehouse.name
                && restriction.table.ident.namespace == table.namespace.name
                && restriction.audience.includes(&principal.roles)
        });
        table.quarantined && restricted && !exempt
    });
    foreign || quarantined || denied(snapshot, principal, resource, Privilege::List)
}

fn allowed<R: Resource>(snapshot: &PolicySnapshot, principal: &Principal, resource: &R, privilege: Privilege) -> bool {
    snapshot
        .grants(principal)
        .any(|g| g.effect == Effect::Allow && g.privilege == privilege && resource.chain().contains(&g.on))
}

fn denied<R: Resource>(snapshot: &PolicySnapshot, principal: &Principal, resource: &R, privilege: Privilege) -> bool {
    snapshot.grants(principal).any(|g| {
        g.effect == Effect::Deny
            && g.privilege == privilege
            && (resource.chain().contains(&g.on)
                || g.also_on.iter().any(|id| resource.chain().contains(id))
                || g.name.as_ref().is_some_and(|name| resource.names().contains(name)))
    })
}
