//! Commits to several tables over HTTP: extract, call the catalog, render. Decides nothing, and parses no metadata.

use axum::response::Response;
use polder_catalog::{OpCtx, TableCommit, tables};
use polder_types::{Result, rest::CommitTransactionRequest};

use super::warehouse;
use crate::{call::Call, render};

/// Commits to up to a hundred tables, all or nothing; a change with `assert-create` makes its table
/// (`commitTransaction`).
pub(crate) async fn commit_transaction(ctx: OpCtx, call: Call) -> Result<Response> {
    let warehouse = warehouse(&ctx, &call).await?;
    let request: CommitTransactionRequest = call.json().await?;
    let commits = request.table_changes.into_iter().map(TableCommit::parse_named).collect::<Result<Vec<_>>>()?;
    tables::commit(&ctx, &warehouse, commits).await?;
    Ok(render::no_content())
}
