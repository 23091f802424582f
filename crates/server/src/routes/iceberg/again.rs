//! Answers of keyed requests that were answered before: rendered again, never stored. Whoever asks was authenticated
//! like everybody; what an answer tells is decided again by the catalog (R29).

use axum::response::Response;
use http::StatusCode;
use polder_catalog::{
    OpCtx, TableCommit,
    idempotency::{Outcome, authorize_in, committed_again, created_again, landed, refused_again, unregistered_again},
    metadata::Requirement,
    namespaces, views,
};
use polder_types::{Error, Result, TableIdent};
use serde::Deserialize;

use super::{access, namespace, table, warehouse};
use crate::{
    call::Call,
    op::{self, Op},
    render,
};

/// Answers a request of operation `op` by the outcome of the first one.
///
/// # Errors
/// The refusal that was told; what the caller may not be told any more, but only `CommitStateUnknown` of a commit that
/// landed.
pub(crate) async fn answer(op: &Op, ctx: &OpCtx, call: Call, outcome: Outcome) -> Result<Response> {
    let refused = matches!(outcome, Outcome::Refused(_));
    // The one place for it: whatever stands in the way, from the warehouse's name to the document (F8).
    told(op, ctx, call, outcome).await.map_err(|error| if refused { error } else { untold(op, error) })
}

/// The error of a request that has an outcome which cannot be told.
pub(crate) fn untold(op: &Op, error: Error) -> Error {
    match [op::UPDATE_TABLE.name, op::COMMIT_TRANSACTION.name, op::REPLACE_VIEW.name].contains(&op.name) {
        true => landed(error),
        false => error,
    }
}

async fn told(op: &Op, ctx: &OpCtx, call: Call, outcome: Outcome) -> Result<Response> {
    let warehouse = warehouse(ctx, &call).await?;
    match outcome {
        Outcome::Table { relation, metadata_location }
            if [op::CREATE_TABLE.name, op::REGISTER_TABLE.name].contains(&op.name) =>
        {
            let made = created_again(ctx, &warehouse, relation, metadata_location).await?;
            let (namespace, wanted) = (namespace(&call)?, access::wanted(call.headers()));
            let Named { name } = call.json().await?;
            access::made(ctx, &warehouse, &TableIdent::new(namespace, name)?, made, wanted).await
        }
        Outcome::Table { relation, metadata_location } if op.name == op::UNREGISTER_TABLE.name => {
            let ident = table(&call)?;
            let last = unregistered_again(ctx, &warehouse, &ident, relation, metadata_location).await?;
            render::committed_table(last)
        }
        Outcome::Table { relation, metadata_location } if op.name == op::UPDATE_TABLE.name => {
            let made = published(call).await?;
            let table = match made {
                true => created_again(ctx, &warehouse, relation, metadata_location).await?,
                false => committed_again(ctx, &warehouse, relation, metadata_location).await?,
            };
            render::committed_table(table)
        }
        Outcome::Table { relation, metadata_location }
            if [op::CREATE_VIEW.name, op::REGISTER_VIEW.name].contains(&op.name) =>
        {
            render::loaded_view(&views::created_again(ctx, &warehouse, relation, metadata_location).await?)
        }
        Outcome::Table { relation, metadata_location } if op.name == op::REPLACE_VIEW.name => {
            render::loaded_view(&views::replaced_again(ctx, &warehouse, relation, metadata_location).await?)
        }
        Outcome::Properties(updated) => {
            namespaces::may_update(ctx, &warehouse, &namespace(&call)?).await?;
            render::json(StatusCode::OK, &updated)
        }
        Outcome::Done if op.name == op::CREATE_NAMESPACE.name => {
            let created = namespaces::created_again(ctx, &warehouse, call.json().await?).await?;
            render::json(StatusCode::OK, &created)
        }
        Outcome::Done | Outcome::Table { .. } => {
            authorize_in(ctx, &warehouse).await?;
            Ok(render::no_content())
        }
        Outcome::Refused(refusal) => Err(refused_again(ctx, &warehouse, refusal).await?),
    }
}

/// What the bodies of `createTable` and `registerTable` have in common.
#[derive(Deserialize)]
struct Named {
    name: String,
}

/// True if an `updateTable` that was done has made its table: with this requirement it could do nothing else.
async fn published(call: Call) -> Result<bool> {
    let ident = table(&call)?;
    let commit = TableCommit::parse(ident, call.json().await?)?;
    Ok(commit.requirements.contains(&Requirement::AssertCreate))
}
