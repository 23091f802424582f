//! Principals, their keys and their roles.

use std::collections::BTreeMap;

use polder_policy::actions;
use polder_store::{IssuedKey, KeyRow, NewKey, NewPrincipal, Page, PageRequest, PrincipalRow, RoleRow};
use polder_types::{Attribute, Error, KeyId, Result, Subject, check_name};

use crate::OpCtx;

/// Makes a principal.
///
/// # Errors
/// `AlreadyExists`; `Invalid` for a bad name; `Forbidden`.
pub async fn create_principal(ctx: &OpCtx, new: &NewPrincipal) -> Result<PrincipalRow> {
    check_name(&new.name)?;
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageAccess, &ctx.tenant_ref())?;
        ctx.catalog().store().create_principal(&permit, new.clone(), &ctx.stamp()).await
    })
    .await
}

/// Enables or disables a principal, or replaces its attributes; `None` leaves a part as it is.
///
/// # Errors
/// `NotFound`; `Forbidden`.
pub async fn update_principal(
    ctx: &OpCtx,
    name: &str,
    enabled: Option<bool>,
    attributes: Option<BTreeMap<String, Attribute>>,
) -> Result<PrincipalRow> {
    let attributes = &attributes;
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageAccess, &ctx.tenant_ref())?;
        ctx.catalog().store().update_principal(&permit, name, enabled, attributes.clone(), &ctx.stamp()).await
    })
    .await
}

/// Deletes a principal with its keys.
///
/// # Errors
/// `NotFound`; `Forbidden`.
pub async fn delete_principal(ctx: &OpCtx, name: &str) -> Result<()> {
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageAccess, &ctx.tenant_ref())?;
        ctx.catalog().store().delete_principal(&permit, name, &ctx.stamp()).await
    })
    .await
}

/// Shows a principal.
///
/// # Errors
/// `NotFound`; `Forbidden`.
pub async fn show_principal(ctx: &OpCtx, name: &str) -> Result<PrincipalRow> {
    let permit = ctx.authorize(actions::ListAccess, &ctx.tenant_ref())?;
    ctx.catalog().store().show_principal(&permit, name).await
}

/// Lists principals.
///
/// # Errors
/// `Forbidden`.
pub async fn list_principals(ctx: &OpCtx, page: &PageRequest) -> Result<Page<PrincipalRow>> {
    let permit = ctx.authorize(actions::ListAccess, &ctx.tenant_ref())?;
    ctx.catalog().store().list_principals(&permit, page).await
}

/// Makes an API key, whose secret is shown this once.
///
/// # Errors
/// `NotFound` for the principal; `Invalid` if the key would be born expired; `Forbidden`, also for scopes that the
/// caller's own credential does not hold.
pub async fn create_key(ctx: &OpCtx, new: &NewKey) -> Result<IssuedKey> {
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageKeys, &ctx.tenant_ref())?;
        // SECURITY: a credential cannot make one that can do more than itself.
        if !new.scopes.within(ctx.principal().scopes) {
            return Err(Error::forbidden(Subject::ApiKey, "a key cannot have scopes that your credential lacks"));
        }
        if new.expires_at.is_some_and(|end| end <= ctx.now()) {
            return Err(Error::invalid("invalid_expiry", "the key would be expired already").about(Subject::ApiKey));
        }
        ctx.catalog().store().create_key(&permit, new.clone(), &ctx.stamp()).await
    })
    .await
}

/// Revokes a key: the next decision refuses it.
///
/// # Errors
/// `NotFound`; `Forbidden`.
pub async fn revoke_key(ctx: &OpCtx, id: &KeyId) -> Result<()> {
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageKeys, &ctx.tenant_ref())?;
        ctx.catalog().store().revoke_key(&permit, id, &ctx.stamp()).await
    })
    .await
}

/// Lists keys, without secrets.
///
/// # Errors
/// `Forbidden`.
pub async fn list_keys(ctx: &OpCtx, page: &PageRequest) -> Result<Page<KeyRow>> {
    let permit = ctx.authorize(actions::ListAccess, &ctx.tenant_ref())?;
    ctx.catalog().store().list_keys(&permit, page).await
}

/// Makes a role.
///
/// # Errors
/// `AlreadyExists`; `Invalid` for a bad name; `Forbidden`.
pub async fn create_role(ctx: &OpCtx, name: &str) -> Result<RoleRow> {
    check_name(name)?;
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageAccess, &ctx.tenant_ref())?;
        ctx.catalog().store().create_role(&permit, name, &ctx.stamp()).await
    })
    .await
}

/// Deletes a role with its grants.
///
/// # Errors
/// `NotFound`; `Forbidden`.
pub async fn delete_role(ctx: &OpCtx, name: &str) -> Result<()> {
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageAccess, &ctx.tenant_ref())?;
        ctx.catalog().store().delete_role(&permit, name, &ctx.stamp()).await
    })
    .await
}

/// Gives a role to a principal; false if it had it already.
///
/// # Errors
/// `NotFound` for either; `Forbidden`.
pub async fn assign_role(ctx: &OpCtx, role: &str, principal: &str) -> Result<bool> {
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageAccess, &ctx.tenant_ref())?;
        ctx.catalog().store().assign_role(&permit, role, principal, &ctx.stamp()).await
    })
    .await
}

/// Takes a role from a principal.
///
/// # Errors
/// `NotFound` if it does not hold it; `Forbidden`.
pub async fn unassign_role(ctx: &OpCtx, role: &str, principal: &str) -> Result<()> {
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageAccess, &ctx.tenant_ref())?;
        ctx.catalog().store().unassign_role(&permit, role, principal, &ctx.stamp()).await
    })
    .await
}

/// Lets the holders of a role act for those of another; false if they might already.
///
/// # Errors
/// `NotFound` for either; `Forbidden`.
pub async fn allow_impersonation(ctx: &OpCtx, role: &str, subject: &str) -> Result<bool> {
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageAccess, &ctx.tenant_ref())?;
        ctx.catalog().store().allow_impersonation(&permit, role, subject, &ctx.stamp()).await
    })
    .await
}

/// Takes that back; it ends at the next request.
///
/// # Errors
/// `NotFound` if there is nothing to take back; `Forbidden`.
pub async fn revoke_impersonation(ctx: &OpCtx, role: &str, subject: &str) -> Result<()> {
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageAccess, &ctx.tenant_ref())?;
        ctx.catalog().store().revoke_impersonation(&permit, role, subject, &ctx.stamp()).await
    })
    .await
}

/// Lists roles.
///
/// # Errors
/// `Forbidden`.
pub async fn list_roles(ctx: &OpCtx, page: &PageRequest) -> Result<Page<RoleRow>> {
    let permit = ctx.authorize(actions::ListAccess, &ctx.tenant_ref())?;
    ctx.catalog().store().list_roles(&permit, page).await
}
