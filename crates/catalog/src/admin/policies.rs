//! Policies: a row filter, mask or hidden column becomes a typed rule over the table's current schema, bound to the
//! field ids at its columns. The editor needs no right to read the data.

use polder_policy::{Action, Audience, PolicySpec, actions};
use polder_store::{NewPolicy, Page, PageRequest, PolicyRow, PolicyTarget};
use polder_types::{Error, ErrorKind, Result, Scope, Subject, TableIdent, WarehouseName, check_name};

use super::grants;
use crate::{OpCtx, columns, policy_schema};

/// How often a policy is compiled again because a commit moved the table meanwhile.
const RETRIES_MAX: usize = 4;

/// Makes a policy.
///
/// # Errors
/// `NotFound` for a table or role that does not exist; `Invalid` if the policy does not fit the schema;
/// `AlreadyExists`; `Forbidden`.
pub async fn create(ctx: &OpCtx, spec: &PolicySpec) -> Result<PolicyRow> {
    check_name(&spec.name)?;
    let mut last = Error::conflict("table_moved", "the table keeps changing");
    for _ in 0..=RETRIES_MAX {
        match ctx.retrying(|ctx| async move { create_once(&ctx, spec).await }).await {
            Err(error) if error.kind() == ErrorKind::Conflict => last = error,
            outcome => return outcome,
        }
    }
    Err(last)
}

async fn create_once(ctx: &OpCtx, spec: &PolicySpec) -> Result<PolicyRow> {
    let permit = ctx.authorize(actions::ManagePolicies, &ctx.tenant_ref())?;
    let table = spec.table.parse()?;
    let absent = || Error::not_found(Subject::Table, &table.ident.to_string());
    let store = ctx.catalog().store();
    let warehouse = store.resolve_warehouse(ctx.tenant(), &table.warehouse).await?.ok_or_else(absent)?;
    let row = store.resolve_table(&warehouse.warehouse, &table.ident).await?.ok_or_else(absent)?;
    let stored = ctx.catalog().metadata().current(&permit, &row).await?;
    let rule = polder_policy::compile(spec, &policy_schema(stored.doc().current_schema()?))?;
    let target = PolicyTarget {
        relation: row.table.id,
        metadata_location: row.metadata_location.clone(),
        fields: columns::rule_fields(&rule, stored.doc()),
    };
    let new = NewPolicy { spec: spec.clone(), audience: audience(ctx, spec)?, table, rule, target };
    store.create_policy(&permit, new, &ctx.stamp()).await
}

fn audience(ctx: &OpCtx, spec: &PolicySpec) -> Result<Audience> {
    let Some(names) = &spec.applies_to else { return Ok(Audience::Everyone) };
    if names.is_empty() {
        return Err(Error::invalid(
            "invalid_policy",
            "`applies_to` names at least one role; leave it out for everyone",
        )
        .about(Subject::Policy));
    }
    let role = |name: &String| {
        let found = ctx.snapshot().role_named(name);
        found.map(|role| role.id).ok_or_else(|| Error::not_found(Subject::Role, name))
    };
    names.iter().map(role).collect::<Result<_>>().map(Audience::Roles)
}

/// Deletes a policy and says what it was (R23).
///
/// # Errors
/// `NotFound`; `Forbidden`.
pub async fn delete(ctx: &OpCtx, name: &str) -> Result<PolicyRow> {
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManagePolicies, &ctx.tenant_ref())?;
        ctx.catalog().store().delete_policy(&permit, name, &ctx.stamp()).await
    })
    .await
}

/// Shows a policy.
///
/// # Errors
/// `NotFound`; `Forbidden`.
pub async fn show(ctx: &OpCtx, name: &str) -> Result<PolicyRow> {
    let permit = ctx.authorize(actions::ListPolicies, &ctx.tenant_ref())?;
    ctx.catalog().store().show_policy(&permit, name).await
}

/// Lists policies.
///
/// # Errors
/// `Forbidden`.
pub async fn list(ctx: &OpCtx, page: &PageRequest) -> Result<Page<PolicyRow>> {
    let permit = ctx.authorize(actions::ListPolicies, &ctx.tenant_ref())?;
    ctx.catalog().store().list_policies(&permit, page).await
}

/// Ends the quarantine of a table or view that was created where restrictions hold (R35); false if it was in none.
///
/// # Errors
/// `NotFound`; `Forbidden`.
pub async fn release_table(ctx: &OpCtx, warehouse: &WarehouseName, ident: &TableIdent) -> Result<bool> {
    // First, so that an under-scoped credential cannot tell what exists (R22).
    ctx.require_scope(Scope::AdminPolicies, actions::ReleaseTable::NAME, Subject::Table, &ident.to_string())?;
    ctx.retrying(|ctx| async move {
        let absent = || Error::not_found(Subject::Table, &ident.to_string());
        let store = ctx.catalog().store();
        let row = store.resolve_warehouse(ctx.tenant(), warehouse).await?.ok_or_else(absent)?;
        let table = grants::relation(store, &row.warehouse, ident).await?.ok_or_else(absent)?;
        let permit = ctx.authorize(actions::ReleaseTable, &table)?;
        store.release_table(&permit, &ctx.stamp()).await
    })
    .await
}
