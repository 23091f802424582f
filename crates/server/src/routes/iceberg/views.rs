//! Views over HTTP: extract, call the catalog, render. Decides nothing, and parses no metadata.

use axum::response::Response;
use http::StatusCode;
use polder_catalog::{OpCtx, ViewCommit, views};
use polder_types::{
    Result, Subject, TableIdent,
    rest::{RenameTableRequest, WireTableIdent},
};
use serde::{Deserialize, Serialize};

use super::{chain, namespace, paging, warehouse};
use crate::{call::Call, render};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListQuery {
    page_token: Option<String>,
    page_size: Option<String>,
}

/// `ListTablesResponse`, which the specification also uses for views.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ListViewsResponse {
    identifiers: Vec<WireTableIdent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// The view in the path.
pub(super) fn view(call: &Call) -> Result<TableIdent> {
    TableIdent::new(namespace(call)?, call.required("view")?).map_err(|error| error.about(Subject::View))
}

/// Lists the views of a namespace (`listViews`).
pub(crate) async fn list_views(ctx: OpCtx, call: Call) -> Result<Response> {
    let query: ListQuery = call.query()?;
    let page = paging::page(query.page_token, query.page_size.as_deref())?;
    let (warehouse, namespace) = (warehouse(&ctx, &call).await?, namespace(&call)?);
    let page = views::list(&ctx, &warehouse, &namespace, &page).await?;
    let identifiers = page.items.into_iter().map(|entry| entry.ident.into()).collect();
    render::json(StatusCode::OK, &ListViewsResponse { identifiers, next_page_token: page.next })
}

/// Creates a view (`createView`).
pub(crate) async fn create_view(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, namespace) = (warehouse(&ctx, &call).await?, namespace(&call)?);
    let created = views::create(&ctx, &warehouse, &namespace, call.json().await?).await?;
    render::loaded_view(&created)
}

/// Makes a view of a metadata file that is there already (`registerView`).
pub(crate) async fn register_view(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, namespace) = (warehouse(&ctx, &call).await?, namespace(&call)?);
    let registered = views::register(&ctx, &warehouse, &namespace, call.json().await?).await?;
    render::loaded_view(&registered)
}

/// Returns a view's metadata as it is stored (`loadView`).
pub(crate) async fn load_view(ctx: OpCtx, call: Call) -> Result<Response> {
    let through = chain::referenced_by(&call)?;
    let (warehouse, ident) = (warehouse(&ctx, &call).await?, view(&call)?);
    views::may_load_through(&ctx, &warehouse, &through).await?;
    render::loaded_view(&views::load(&ctx, &warehouse, &ident).await?)
}

/// 204 if the view exists for the caller (`viewExists`).
pub(crate) async fn view_exists(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, ident) = (warehouse(&ctx, &call).await?, view(&call)?);
    views::exists(&ctx, &warehouse, &ident).await?;
    Ok(render::no_content())
}

/// Commits to a view (`replaceView`).
pub(crate) async fn replace_view(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, ident) = (warehouse(&ctx, &call).await?, view(&call)?);
    let commit = ViewCommit::parse(ident, call.json().await?)?;
    render::loaded_view(&views::replace(&ctx, &warehouse, commit).await?)
}

/// Drops a view (`dropView`).
pub(crate) async fn drop_view(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, ident) = (warehouse(&ctx, &call).await?, view(&call)?);
    views::drop(&ctx, &warehouse, &ident).await?;
    Ok(render::no_content())
}

/// Renames a view within its warehouse (`renameView`).
pub(crate) async fn rename_view(ctx: OpCtx, call: Call) -> Result<Response> {
    let warehouse = warehouse(&ctx, &call).await?;
    let RenameTableRequest { source, destination } = call.json().await?;
    views::rename(&ctx, &warehouse, &source.parse()?, &destination.parse()?).await?;
    Ok(render::no_content())
}
