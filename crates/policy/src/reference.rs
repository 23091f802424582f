//! The slow, obvious reference: what the kernel and the engines are compared with in tests. Never on a request path.

use polder_types::Principal;

use crate::{Effect, NamespaceRef, PolicySnapshot, Privilege, Resource, Securable, SecurableName};

mod rows;

pub use rows::{Row, Scalar, eval, mask_value};

/// Says whether `principal` holds `privilege` on `resource`, by going through everything anew; of one who is acted for,
/// whether both hold it.
#[must_use]
pub fn holds<R: Resource>(
    snapshot: &PolicySnapshot,
    principal: &Principal,
    resource: &R,
    privilege: Privilege,
) -> bool {
    let Some(actor) = &principal.actor else { return holds_alone(snapshot, principal, resource, privilege) };
    (privilege.is_data() || privilege == Privilege::ReadUnrestricted)
        && holds_alone(snapshot, principal, resource, privilege)
        && holds_alone(snapshot, actor, resource, privilege)
}

fn holds_alone<R: Resource>(
    snapshot: &PolicySnapshot,
    principal: &Principal,
    resource: &R,
    privilege: Privilege,
) -> bool {
    if blocked(snapshot, principal, resource) {
        return false;
    }
    if privilege == Privilege::List {
        return knows_alone(snapshot, principal, resource);
    }
    let of_data = privilege.is_data() || privilege == Privilege::ReadUnrestricted;
    !(of_data && quarantined(snapshot, principal, resource)) && granted(snapshot, principal, resource, privilege)
}

/// Says whether `principal` may know that `resource` exists; of one who is acted for, whether both may.
#[must_use]
pub fn knows<R: Resource>(snapshot: &PolicySnapshot, principal: &Principal, resource: &R) -> bool {
    knows_alone(snapshot, principal, resource)
        && principal.actor.as_ref().is_none_or(|actor| knows_alone(snapshot, actor, resource))
}

fn knows_alone<R: Resource>(snapshot: &PolicySnapshot, principal: &Principal, resource: &R) -> bool {
    if blocked(snapshot, principal, resource) || quarantined(snapshot, principal, resource) {
        return false;
    }
    let own = Privilege::ALL.into_iter().filter(|p| p.is_data()).any(|p| granted(snapshot, principal, resource, p));
    let inside = snapshot.grants(principal).any(|grant| {
        grant.effect == Effect::Allow
            && grant.privilege.is_data()
            && resource.chain().first().is_some_and(|own| grant.within.contains(own))
            && !undone(snapshot, principal, grant.on, &grant.within, grant.privilege)
    });
    own || inside
}

/// An allow that a denial takes away again, on the object or on one that it lies in.
fn undone(
    snapshot: &PolicySnapshot,
    principal: &Principal,
    on: Securable,
    within: &[Securable],
    privilege: Privilege,
) -> bool {
    let mut way = within.to_vec();
    way.push(on);
    way.iter().any(|id| {
        snapshot.grants(principal).any(|deny| {
            deny.effect == Effect::Deny
                && [privilege, Privilege::List].contains(&deny.privilege)
                && (deny.on == *id || deny.also_on.contains(id))
        })
    })
}

/// Another tenant, a warehouse that the credential is not for, or a denied `list`.
fn blocked<R: Resource>(snapshot: &PolicySnapshot, principal: &Principal, resource: &R) -> bool {
    let foreign = &principal.tenant != resource.tenant() || snapshot.tenant() != resource.tenant();
    let confined = principal.workspace().is_some_and(|workspace| {
        !resource.names().is_empty()
            && !resource
                .names()
                .iter()
                .any(|name| matches!(name, SecurableName::Warehouse(found) if found == workspace))
    });
    foreign || confined || denied(snapshot, principal, resource, Privilege::List)
}

/// A quarantined table in a namespace where the principal is restricted and not exempt.
fn quarantined<R: Resource>(snapshot: &PolicySnapshot, principal: &Principal, resource: &R) -> bool {
    let Some(table) = resource.as_table() else { return false };
    let namespace: &NamespaceRef = &table.namespace;
    let restricted = snapshot.restrictions().iter().any(|restriction| {
        restriction.table.warehouse == namespace.warehouse.name
            && restriction.table.ident.namespace == namespace.name
            && restriction.audience.includes(&principal.roles)
    });
    let is_exempt = |who: &Principal| {
        !blocked(snapshot, who, namespace) && granted(snapshot, who, namespace, Privilege::ReadUnrestricted)
    };
    let exempt = is_exempt(principal) && principal.actor.as_ref().is_none_or(|actor| is_exempt(actor));
    table.quarantined && restricted && !exempt
}

fn granted<R: Resource>(snapshot: &PolicySnapshot, principal: &Principal, resource: &R, privilege: Privilege) -> bool {
    allowed(snapshot, principal, resource, privilege) && !denied(snapshot, principal, resource, privilege)
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

#[cfg(test)]
mod tests;
