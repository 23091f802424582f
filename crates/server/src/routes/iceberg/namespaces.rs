//! Namespaces over HTTP: extract, call the catalog, render. Decides nothing.

use axum::response::Response;
use http::StatusCode;
use polder_catalog::{OpCtx, namespaces};
use polder_types::{
    Namespace, Result,
    rest::{NamespaceResponse, UpdateNamespacePropertiesRequest},
};
use serde::{Deserialize, Serialize};

use super::{namespace, paging, warehouse};
use crate::{call::Call, render};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListQuery {
    parent: Option<String>,
    page_token: Option<String>,
    page_size: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ListNamespacesResponse {
    namespaces: Vec<Namespace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// Lists the namespaces at the root, or right inside `parent` (`listNamespaces`).
pub(crate) async fn list_namespaces(ctx: OpCtx, call: Call) -> Result<Response> {
    let query: ListQuery = call.query()?;
    let page = paging::page(query.page_token, query.page_size.as_deref())?;
    // An empty parent counts as absent (specification of `listNamespaces`).
    let parent = query.parent.filter(|parent| !parent.is_empty());
    let parent = parent.map(|parent| Namespace::from_path(&parent)).transpose()?;
    let warehouse = warehouse(&ctx, &call).await?;
    let page = namespaces::list(&ctx, &warehouse, parent.as_ref(), &page).await?;
    let body = ListNamespacesResponse { namespaces: page.items, next_page_token: page.next };
    render::json(StatusCode::OK, &body)
}

/// Makes a namespace (`createNamespace`).
pub(crate) async fn create_namespace(ctx: OpCtx, call: Call) -> Result<Response> {
    let warehouse = warehouse(&ctx, &call).await?;
    let row = namespaces::create(&ctx, &warehouse, call.json().await?).await?;
    let body = NamespaceResponse { namespace: row.namespace.name.clone(), properties: row.properties.clone() };
    render::json(StatusCode::OK, &body)
}

/// Returns a namespace with its properties (`loadNamespaceMetadata`).
pub(crate) async fn load_namespace_metadata(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, name) = (warehouse(&ctx, &call).await?, namespace(&call)?);
    let body = namespaces::describe(&ctx, &warehouse, &name).await?;
    render::json(StatusCode::OK, &body)
}

/// 204 if the namespace exists for the caller (`namespaceExists`).
pub(crate) async fn namespace_exists(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, name) = (warehouse(&ctx, &call).await?, namespace(&call)?);
    namespaces::exists(&ctx, &warehouse, &name).await?;
    Ok(render::no_content())
}

/// Drops an empty namespace (`dropNamespace`).
pub(crate) async fn drop_namespace(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, name) = (warehouse(&ctx, &call).await?, namespace(&call)?);
    namespaces::drop(&ctx, &warehouse, &name).await?;
    Ok(render::no_content())
}

/// Sets and removes properties (`updateProperties`).
pub(crate) async fn update_properties(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, name) = (warehouse(&ctx, &call).await?, namespace(&call)?);
    let request: UpdateNamespacePropertiesRequest = call.json().await?;
    let updated = namespaces::update_properties(&ctx, &warehouse, &name, request).await?;
    render::json(StatusCode::OK, &updated)
}
