//! Tables over HTTP: extract, call the catalog, render. Decides nothing, and parses no metadata.

use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use polder_catalog::{
    OpCtx, TableCommit,
    tables::{self, LoadedTable, SnapshotsMode},
    views,
};
use polder_types::{
    Error, Result, TableIdent,
    rest::{CreateTableRequest, RegisterTableRequest, RenameTableRequest, WireTableIdent},
};
use serde::{Deserialize, Serialize};

use super::{access, chain, namespace, paging, table, warehouse};
use crate::{call::Call, render};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListQuery {
    page_token: Option<String>,
    page_size: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ListTablesResponse {
    identifiers: Vec<WireTableIdent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// Lists the tables of a namespace (`listTables`).
pub(crate) async fn list_tables(ctx: OpCtx, call: Call) -> Result<Response> {
    let query: ListQuery = call.query()?;
    let page = paging::page(query.page_token, query.page_size.as_deref())?;
    let (warehouse, namespace) = (warehouse(&ctx, &call).await?, namespace(&call)?);
    let page = tables::list(&ctx, &warehouse, &namespace, &page).await?;
    let identifiers = page.items.into_iter().map(|entry| entry.ident.into()).collect();
    render::json(StatusCode::OK, &ListTablesResponse { identifiers, next_page_token: page.next })
}

/// Creates a table, or prepares one if the body says `stage-create` (`createTable`).
pub(crate) async fn create_table(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, namespace) = (warehouse(&ctx, &call).await?, namespace(&call)?);
    let (wanted, request) = (access::wanted(call.headers()), call.json::<CreateTableRequest>().await?);
    let name = request.name.clone();
    let created = tables::create(&ctx, &warehouse, &namespace, request).await?;
    access::made(&ctx, &warehouse, &TableIdent::new(namespace, name)?, created, wanted).await
}

#[derive(Deserialize)]
struct LoadQuery {
    snapshots: Option<String>,
}

/// Returns a table's metadata as it is stored (`loadTable`), with the access to its files that was asked for. 304 if the
/// caller's copy is still current, and no access goes with it.
pub(crate) async fn load_table(ctx: OpCtx, call: Call) -> Result<Response> {
    let query: LoadQuery = call.query()?;
    let through = chain::referenced_by(&call)?;
    let (warehouse, ident) = (warehouse(&ctx, &call).await?, table(&call)?);
    views::may_load_through(&ctx, &warehouse, &through).await?;
    let loaded = tables::load(&ctx, &warehouse, &ident, snapshots(query.snapshots.as_deref())?).await?;
    let access = access::delegate(&ctx, &warehouse, &ident, loaded.table_uuid, access::wanted(call.headers())).await?;
    match (&loaded.etag, access) {
        // SECURITY: only here, after the load was authorized (R30).
        (Some(etag), None) if still_current(call.headers(), etag) => render::not_modified(etag),
        (_, access) => render::delegated_table(loaded, access),
    }
}

fn snapshots(text: Option<&str>) -> Result<SnapshotsMode> {
    match text {
        None | Some("all") => Ok(SnapshotsMode::All),
        Some("refs") => Ok(SnapshotsMode::Refs),
        Some(_) => Err(Error::invalid("invalid_snapshots", "`snapshots` is `all` or `refs`")),
    }
}

/// `If-None-Match` (RFC 9110 §13.1.2), compared weakly; our tags hold no comma.
fn still_current(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// 204 if the table exists for the caller (`tableExists`).
pub(crate) async fn table_exists(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, ident) = (warehouse(&ctx, &call).await?, table(&call)?);
    tables::exists(&ctx, &warehouse, &ident).await?;
    Ok(render::no_content())
}

/// Commits to a table (`updateTable`).
pub(crate) async fn update_table(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, ident) = (warehouse(&ctx, &call).await?, table(&call)?);
    let commit = TableCommit::parse(ident, call.json().await?)?;
    let committed = tables::commit(&ctx, &warehouse, vec![commit]).await?;
    let table = committed.into_iter().next().ok_or_else(|| Error::internal("a commit of one table returned none"))?;
    render::committed_table(table)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DropQuery {
    purge_requested: Option<String>,
}

/// Drops a table (`dropTable`). Python writes `purgeRequested=False`.
pub(crate) async fn drop_table(ctx: OpCtx, call: Call) -> Result<Response> {
    let purge = match call.query::<DropQuery>()?.purge_requested {
        None => false,
        Some(text) if text.eq_ignore_ascii_case("false") => false,
        Some(text) if text.eq_ignore_ascii_case("true") => true,
        Some(_) => return Err(Error::invalid("invalid_purge", "`purgeRequested` is `true` or `false`")),
    };
    let (warehouse, ident) = (warehouse(&ctx, &call).await?, table(&call)?);
    tables::drop(&ctx, &warehouse, &ident, purge).await?;
    Ok(render::no_content())
}

/// Registers a table by its metadata file (`registerTable`).
pub(crate) async fn register_table(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, namespace) = (warehouse(&ctx, &call).await?, namespace(&call)?);
    let (wanted, request) = (access::wanted(call.headers()), call.json::<RegisterTableRequest>().await?);
    let registered = tables::register(&ctx, &warehouse, &namespace, &request).await?;
    access::made(&ctx, &warehouse, &TableIdent::new(namespace, request.name)?, registered, wanted).await
}

/// Gives a table up as it is, and returns its last document (`unregisterTable`).
pub(crate) async fn unregister_table(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, ident) = (warehouse(&ctx, &call).await?, table(&call)?);
    let table = tables::unregister(&ctx, &warehouse, &ident).await?;
    render::committed_table(LoadedTable { etag: None, ..table })
}

/// Renames a table within its warehouse (`renameTable`).
pub(crate) async fn rename_table(ctx: OpCtx, call: Call) -> Result<Response> {
    let warehouse = warehouse(&ctx, &call).await?;
    let RenameTableRequest { source, destination } = call.json().await?;
    tables::rename(&ctx, &warehouse, &source.parse()?, &destination.parse()?).await?;
    Ok(render::no_content())
}

#[cfg(test)]
mod tests;
