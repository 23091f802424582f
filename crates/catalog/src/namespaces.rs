//! Namespaces as users know them: resolve, authorize, act. No HTTP, no SQL.

use std::{collections::BTreeMap, sync::Arc};

use polder_policy::{ListPermit, actions};
use polder_store::{NamespaceRow, Page, PageRequest, WarehouseRow};
use polder_types::{
    Error, ErrorKind, Location, Namespace, Result, Subject, WarehouseName,
    rest::{
        CreateNamespaceRequest, NamespaceResponse, UpdateNamespacePropertiesRequest, UpdateNamespacePropertiesResponse,
    },
};

use crate::{OpCtx, places, properties, resolve};

/// The namespace property that names a place.
const LOCATION: &str = "location";

/// Lists the namespaces right inside `parent`, or at the root, that the caller may know.
///
/// # Errors
/// `NotFound` for an absent or invisible parent; `Invalid` for a page token that is not ours.
pub async fn list(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    parent: Option<&Namespace>,
    page: &PageRequest,
) -> Result<Page<Namespace>> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let store = ctx.catalog().store();
    let Some(parent) = parent else {
        let ctx = &ctx.newest().await?;
        let permit = ctx.authorize_root_list(actions::ListRootNamespaces, &warehouse.warehouse)?;
        return store.list_root_namespaces(&permit, page).await;
    };
    let parent = resolve::namespace(ctx, &warehouse, parent).await?;
    let ctx = &ctx.newest().await?;
    let permit: ListPermit<_> = ctx
        .authorize_list(actions::ListNamespaces, &parent.namespace)
        .map_err(|error| resolve::hidden(ctx, &warehouse, error))?;
    store.list_namespaces(&permit, page).await
}

/// Makes a namespace; its parent must exist.
///
/// # Errors
/// `AlreadyExists`; `NotFound` for an absent or invisible parent; `Invalid` for a property that is not allowed.
pub async fn create(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    request: CreateNamespaceRequest,
) -> Result<Arc<NamespaceRow>> {
    let request = &request;
    ctx.retrying(|ctx| async move {
        let warehouse = resolve::warehouse(&ctx, warehouse).await?;
        let (name, store, stamp) = (&request.namespace, ctx.catalog().store(), ctx.stamp());
        match name.parent() {
            None => {
                let permit = ctx.authorize(actions::CreateRootNamespace, &warehouse.warehouse)?;
                let properties = governed(&warehouse, request.properties.clone().unwrap_or_default())?;
                store.create_root_namespace(&permit, name, properties, &stamp).await
            }
            Some(parent) => {
                let parent = resolve::namespace(&ctx, &warehouse, &parent).await?;
                let permit = resolve::permit(&ctx, &warehouse, actions::CreateNamespace, &parent.namespace)?;
                let properties = governed(&warehouse, request.properties.clone().unwrap_or_default())?;
                store.create_namespace(&permit, name, properties, &stamp).await
            }
        }
    })
    .await
}

/// The answer of a [`create`] that was done before: what the request says, decided again.
///
/// # Errors
/// As [`create`], but for `AlreadyExists`.
pub async fn created_again(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    request: CreateNamespaceRequest,
) -> Result<NamespaceResponse> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    match request.namespace.parent() {
        None => {
            ctx.authorize(actions::CreateRootNamespace, &warehouse.warehouse)?;
        }
        Some(parent) => {
            let parent = resolve::namespace(ctx, &warehouse, &parent).await?;
            resolve::permit(ctx, &warehouse, actions::CreateNamespace, &parent.namespace)?;
        }
    }
    let properties = governed(&warehouse, request.properties.unwrap_or_default())?;
    Ok(NamespaceResponse { namespace: request.namespace, properties })
}

/// Refuses whoever may not update the namespace (any more).
///
/// # Errors
/// `NotFound`, `Forbidden`.
pub async fn may_update(ctx: &OpCtx, warehouse: &WarehouseName, name: &Namespace) -> Result<()> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = resolve::namespace(ctx, &warehouse, name).await?;
    resolve::permit(ctx, &warehouse, actions::UpdateNamespace, &row.namespace).map(|_| ())
}

/// Returns a namespace with its properties.
///
/// # Errors
/// `NotFound` if it does not exist or the caller may not know.
pub async fn load(ctx: &OpCtx, warehouse: &WarehouseName, name: &Namespace) -> Result<Arc<NamespaceRow>> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = resolve::namespace(ctx, &warehouse, name).await?;
    let ctx = &ctx.newest().await?;
    resolve::permit(ctx, &warehouse, actions::LoadNamespace, &row.namespace)?;
    Ok(row)
}

/// Describes a namespace to a client: its properties, and a `location` for its tables to whoever may create them.
///
/// Trino makes the location of a table from that of its namespace. Without one it creates the table first, and then
/// refuses to use a place where a metadata file lies. The default is opaque, so that a rename leaves no old name in it.
///
/// # Errors
/// As [`load`].
pub async fn describe(ctx: &OpCtx, warehouse: &WarehouseName, name: &Namespace) -> Result<NamespaceResponse> {
    let row = load(ctx, warehouse, name).await?;
    let mut properties = row.properties.clone();
    // Nothing is done on the strength of this answer, so it is no decision to be counted.
    let creates =
        polder_policy::authorize(ctx.snapshot(), ctx.principal(), actions::CreateTable, &row.namespace).is_ok();
    if creates && !properties.contains_key(LOCATION) {
        let warehouse = resolve::warehouse(ctx, warehouse).await?;
        properties.insert(LOCATION.to_owned(), location(&row, &warehouse)?.to_string());
    }
    Ok(NamespaceResponse { namespace: row.namespace.name.clone(), properties })
}

/// Where the tables of a namespace are put by clients that choose a place.
///
/// # Errors
/// `Invalid` if its property is no location.
fn location(row: &NamespaceRow, warehouse: &WarehouseRow) -> Result<Location> {
    match row.properties.get(LOCATION) {
        Some(text) => Location::parse(text),
        None => warehouse.root.join(&row.namespace.id().0.to_string()),
    }
}

/// Says whether a namespace exists for the caller.
///
/// # Errors
/// `NotFound` if it does not exist or the caller may not know.
pub async fn exists(ctx: &OpCtx, warehouse: &WarehouseName, name: &Namespace) -> Result<()> {
    load(ctx, warehouse, name).await.map(|_| ())
}

/// Drops an empty namespace.
///
/// # Errors
/// `NotEmpty` (409) if anything is in it; `NotFound`, `Forbidden`.
pub async fn drop(ctx: &OpCtx, warehouse: &WarehouseName, name: &Namespace) -> Result<()> {
    ctx.retrying(|ctx| async move {
        let warehouse = resolve::warehouse(&ctx, warehouse).await?;
        let row = resolve::namespace(&ctx, &warehouse, name).await?;
        let permit = resolve::permit(&ctx, &warehouse, actions::DropNamespace, &row.namespace)?;
        ctx.catalog().store().drop_namespace(&permit, &ctx.stamp()).await
    })
    .await
}

/// Sets and removes properties, and says what became of each key.
///
/// # Errors
/// `Unprocessable` if a key is both set and removed; `Invalid` for a property that is not allowed.
pub async fn update_properties(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    name: &Namespace,
    request: UpdateNamespacePropertiesRequest,
) -> Result<UpdateNamespacePropertiesResponse> {
    let (removals, updates) = (request.removals.unwrap_or_default(), request.updates.unwrap_or_default());
    let (removals, updates) = (&removals, &updates);
    ctx.retrying(|ctx| async move {
        let warehouse = resolve::warehouse(&ctx, warehouse).await?;
        let row = resolve::namespace(&ctx, &warehouse, name).await?;
        let permit = resolve::permit(&ctx, &warehouse, actions::UpdateNamespace, &row.namespace)?;
        refuse_overlap(removals, updates)?;
        let updates = governed(&warehouse, updates.clone())?;
        let store = ctx.catalog().store();
        store.update_namespace_properties(&permit, removals.clone(), updates, &ctx.stamp()).await
    })
    .await
}

fn refuse_overlap(removals: &[String], updates: &BTreeMap<String, String>) -> Result<()> {
    match removals.iter().find(|key| updates.contains_key(*key)) {
        None => Ok(()),
        Some(key) => Err(Error::new(
            ErrorKind::Unprocessable,
            Subject::Namespace,
            "overlapping_properties",
            format!("the property `{key}` is both updated and removed"),
        )),
    }
}

fn governed(warehouse: &WarehouseRow, wanted: BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    properties::check(wanted.iter().map(|(name, text)| (name.as_str(), text.as_str())))?;
    if let Some(location) = wanted.get(LOCATION) {
        places::check_home(warehouse, location).map_err(|error| error.about(Subject::Namespace))?;
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests;
