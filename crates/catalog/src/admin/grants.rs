//! Grants: names of objects become ids with their parents; an allow dies with the object, a deny stays with the name.

use polder_policy::{Effect, Privilege, TableRef, WarehouseRef, actions};
use polder_store::{GrantRow, GrantTarget, NewGrants, Page, PageRequest, Store};
use polder_types::{Error, Namespace, Result, Subject, TableIdent, WarehouseName};
use uuid::Uuid;

use crate::OpCtx;

/// What a grant is set on, by name: each part narrows the one before.
#[derive(Clone, Debug, Default)]
pub struct ObjectName {
    /// The warehouse; `None`: the whole tenant.
    pub warehouse: Option<WarehouseName>,
    /// The namespace.
    pub namespace: Option<Namespace>,
    /// The table or view.
    pub table: Option<String>,
}

/// Grants as an administrator asks for them.
#[derive(Clone, Debug)]
pub struct GrantRequest {
    /// The role's name.
    pub role: String,
    /// Allow or deny.
    pub effect: Effect,
    /// The privileges.
    pub privileges: Vec<Privilege>,
    /// The object.
    pub on: ObjectName,
}

/// Makes grants, one for each privilege.
///
/// # Errors
/// `NotFound` for the role or the object; `Invalid` if a part of the name is missing, or a privilege only makes
/// sense on the tenant; `Forbidden`.
pub async fn create(ctx: &OpCtx, request: &GrantRequest) -> Result<Vec<GrantRow>> {
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageAccess, &ctx.tenant_ref())?;
        let on = resolve(&ctx, &request.on).await?;
        check_privileges(&request.privileges, &on)?;
        let new = NewGrants {
            role: request.role.clone(),
            effect: request.effect,
            privileges: request.privileges.clone(),
            on,
        };
        ctx.catalog().store().add_grants(&permit, new, &ctx.stamp()).await
    })
    .await
}

fn check_privileges(privileges: &[Privilege], on: &GrantTarget) -> Result<()> {
    if privileges.is_empty() {
        return Err(Error::invalid("missing_privilege", "a grant names at least one privilege").about(Subject::Grant));
    }
    match privileges.iter().find(|privilege| privilege.is_tenant_wide()) {
        Some(privilege) if !matches!(on, GrantTarget::Tenant) => Err(Error::invalid(
            "tenant_wide_privilege",
            format!("the privilege `{}` is granted on the whole tenant only", privilege.as_str()),
        )
        .about(Subject::Grant)),
        _ => Ok(()),
    }
}

/// Finds the object. An administrator of access knows what exists; nothing of its content is shown.
async fn resolve(ctx: &OpCtx, name: &ObjectName) -> Result<GrantTarget> {
    let store = ctx.catalog().store();
    let Some(warehouse_name) = &name.warehouse else {
        return match (&name.namespace, &name.table) {
            (None, None) => Ok(GrantTarget::Tenant),
            _ => Err(incomplete("a namespace or table needs its warehouse")),
        };
    };
    let warehouse = store.resolve_warehouse(ctx.tenant(), warehouse_name).await?;
    let warehouse = warehouse.ok_or_else(|| Error::not_found(Subject::Warehouse, warehouse_name.as_str()))?;
    let Some(namespace) = &name.namespace else {
        return match &name.table {
            None => Ok(GrantTarget::Warehouse(warehouse.warehouse.clone())),
            Some(_) => Err(incomplete("a table needs its namespace")),
        };
    };
    if let Some(table) = &name.table {
        let ident = TableIdent::new(namespace.clone(), table.clone())?;
        let found = relation(store, &warehouse.warehouse, &ident).await?;
        let found = found.ok_or_else(|| Error::not_found(Subject::Table, &ident.to_string()))?;
        return Ok(GrantTarget::Table(found));
    }
    let row = store.resolve_namespace(&warehouse.warehouse, namespace).await?;
    let row = row.ok_or_else(|| Error::not_found(Subject::Namespace, &namespace.to_string()))?;
    Ok(GrantTarget::Namespace(row.namespace.clone()))
}

/// Finds what carries a name: tables and views share one name space, and everything that can stand on a name.
pub(super) async fn relation(store: &Store, warehouse: &WarehouseRef, ident: &TableIdent) -> Result<Option<TableRef>> {
    if let Some(row) = store.resolve_table(warehouse, ident).await? {
        return Ok(Some(row.table.clone()));
    }
    let view = store.resolve_view(warehouse, ident).await?;
    Ok(view.map(|row| row.view.relation.clone()))
}

fn incomplete(why: &'static str) -> Error {
    Error::invalid("incomplete_object", why).about(Subject::Grant)
}

/// Removes a grant and says what it was (R23).
///
/// # Errors
/// `NotFound`; `Forbidden`.
pub async fn delete(ctx: &OpCtx, id: Uuid) -> Result<GrantRow> {
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageAccess, &ctx.tenant_ref())?;
        ctx.catalog().store().remove_grant(&permit, id, &ctx.stamp()).await
    })
    .await
}

/// Lists grants.
///
/// # Errors
/// `Forbidden`.
pub async fn list(ctx: &OpCtx, page: &PageRequest) -> Result<Page<GrantRow>> {
    let permit = ctx.authorize(actions::ListAccess, &ctx.tenant_ref())?;
    ctx.catalog().store().list_grants(&permit, page).await
}
