//! Answers of keyed requests that were answered before: rendered again, never stored. Whoever asks was authenticated
//! like everybody; what an answer tells is decided again by the catalog (R29).

use axum::response::Response;
use http::StatusCode;
use polder_catalog::{
    OpCtx,
    idempotency::{Outcome, authorize_in, committed_again, created_again},
    namespaces,
};
use polder_types::{Error, Result};

use super::{namespace, warehouse};
use crate::{
    call::Call,
    op::{self, Op},
    render,
};

/// Answers a request of operation `op` by the outcome of the first one.
///
/// # Errors
/// The refusal that was told; what the caller may not be told any more.
pub(crate) async fn answer(op: &Op, ctx: &OpCtx, call: Call, outcome: Outcome) -> Result<Response> {
    let warehouse = warehouse(ctx, &call).await?;
    match outcome {
        Outcome::Table { relation, metadata_location } if op.name == op::CREATE_TABLE.name => {
            render::loaded_table(created_again(ctx, &warehouse, relation, metadata_location).await?)
        }
        Outcome::Table { relation, metadata_location } if op.name == op::UPDATE_TABLE.name => {
            render::committed_table(committed_again(ctx, &warehouse, relation, metadata_location).await?)
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
        Outcome::Refused { kind, subject, message } => {
            authorize_in(ctx, &warehouse).await?;
            Err(Error::new(kind, subject, "refused_before", message))
        }
    }
}
