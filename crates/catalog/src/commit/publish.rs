//! Steps 6 to 8: the new files, the one transaction, and the answer by what really happened.

use std::sync::Arc;

use polder_policy::actions;
use polder_store::{CommitOutcome, Creation, PointerSwap, TableRow};
use polder_types::{Error, Result};

use super::{
    create::Birth,
    prepare::{Change, NewFile},
};
use crate::{OpCtx, SnapshotsMode, catalog::state_unknown, faults::Step, tables::LoadedTable};

/// What became of one attempt that did not fail.
pub(super) enum Published {
    /// It landed; the tables in the given order.
    Committed(Vec<LoadedTable>),
    /// Nothing happened: somebody else was faster.
    Lost,
    /// Nothing happened: the policy changed.
    StalePolicy,
}

/// What will be done to one table.
pub(super) enum Plan {
    /// Its pointer moves, or must stand still.
    Change(Change),
    /// It is made.
    Make(Birth),
}

impl Plan {
    fn file(&self) -> Option<&NewFile> {
        match self {
            Self::Change(change) => change.next.as_ref(),
            Self::Make(birth) => Some(&birth.file),
        }
    }
}

/// Writes the files, moves all pointers and makes all tables, or nothing.
pub(super) async fn publish(ctx: &OpCtx, plans: Vec<Plan>) -> Result<Published> {
    if let [Plan::Change(change)] = plans.as_slice()
        && change.next.is_none()
        && ctx.stamp().keyed.is_none()
    {
        return unchanged(ctx, change).await;
    }
    let files: Vec<&NewFile> = plans.iter().filter_map(Plan::file).collect();
    write_all(ctx, &files).await?;
    match transact(ctx, &plans).await {
        CommitOutcome::Committed(rows) => committed(ctx, &plans, rows).await,
        CommitOutcome::Lost(_) => {
            remove_all(ctx, &files).await;
            Ok(Published::Lost)
        }
        CommitOutcome::StalePolicy => {
            remove_all(ctx, &files).await;
            Ok(Published::StalePolicy)
        }
        CommitOutcome::RolledBack(error) => {
            remove_all(ctx, &files).await;
            Err(error)
        }
        // SECURITY: not one file is removed; the transaction may have landed, or land later (F4, F18).
        CommitOutcome::Unknown(error) => Err(state_unknown(error)),
    }
}

/// The answer of a commit that changes nothing, and needs no transaction.
async fn unchanged(ctx: &OpCtx, change: &Change) -> Result<Published> {
    // SECURITY: what the transaction would refuse is refused here: the answer is the whole document (R18).
    if ctx.newest().await?.snapshot().version() != change.permit.version() {
        return Ok(Published::StalePolicy);
    }
    ctx.count_allowed::<actions::CommitTable>(change.permit.resource());
    Ok(Published::Committed(vec![LoadedTable::new(ctx, &change.row, &change.base, SnapshotsMode::All)?]))
}

async fn transact(ctx: &OpCtx, plans: &[Plan]) -> CommitOutcome {
    let catalog = ctx.catalog();
    if let Err(planned) = catalog.faults().check(Step::BeforeTransaction) {
        return CommitOutcome::RolledBack(
            Error::unavailable("database_unavailable", "the database is not available").with_source(planned),
        );
    }
    let (mut swaps, mut creations) = (Vec::new(), Vec::new());
    for plan in plans {
        match plan {
            Plan::Change(change) => swaps.push(PointerSwap {
                permit: change.permit.clone(),
                expected_metadata_location: change.row.metadata_location.clone(),
                new_metadata_location: change.next.as_ref().map(|file| file.place.to_string()),
                bindings: change.bindings.clone(),
                fallen: change.fallen.clone(),
                registers: false,
            }),
            Plan::Make(birth) => {
                creations.push(Creation { permit: birth.permit.clone(), new: birth.new.clone() });
            }
        }
    }
    let outcome = catalog.store().commit_tables(swaps, creations, &ctx.stamp()).await;
    match catalog.faults().check(Step::AfterTransaction) {
        Ok(()) => outcome,
        Err(planned) => CommitOutcome::Unknown(Error::internal(planned)),
    }
}

/// The answer of a commit that landed: the tables in the order of the plans. The store's rows are the changed ones
/// first, then the new ones.
async fn committed(ctx: &OpCtx, plans: &[Plan], rows: Vec<Arc<TableRow>>) -> Result<Published> {
    let changed = plans.iter().filter(|plan| matches!(plan, Plan::Change(_))).count();
    let (mut moved, mut made) = (rows.iter().take(changed), rows.iter().skip(changed));
    let mut tables = Vec::with_capacity(plans.len());
    for plan in plans {
        let (row, stored) = match plan {
            Plan::Change(Change { next: Some(file), .. }) => (moved.next(), &file.stored),
            Plan::Change(change) => {
                // The store has a record of what moved only.
                ctx.count_allowed::<actions::CommitTable>(change.permit.resource());
                (moved.next(), &change.base)
            }
            Plan::Make(birth) => (made.next(), &birth.file.stored),
        };
        let row = row.ok_or_else(|| state_unknown(Error::internal("a commit returned too few rows")))?;
        let warehouse = row.warehouse.warehouse.id;
        ctx.catalog().metadata().remember(warehouse, &row.metadata_location, Arc::clone(stored)).await;
        tables.push(LoadedTable::new(ctx, row, stored, SnapshotsMode::All)?);
    }
    Ok(Published::Committed(tables))
}

/// Writes all files in parallel; if one fails, those that were written are removed again.
///
/// # Errors
/// `Unavailable`: nothing happened, since no transaction has begun.
async fn write_all(ctx: &OpCtx, files: &[&NewFile]) -> Result<()> {
    let writes = files.iter().map(|file| ctx.catalog().files().put_new(&file.root, &file.place, file.bytes.clone()));
    let written = futures::future::join_all(writes).await;
    match written.into_iter().find_map(Result::err) {
        None => Ok(()),
        Some(error) => {
            remove_all(ctx, files).await;
            Err(error)
        }
    }
}

/// Removes files that nothing names. One that stays is a small leak, never a wrong answer.
async fn remove_all(ctx: &OpCtx, files: &[&NewFile]) {
    let removals = files.iter().map(|file| ctx.catalog().files().delete(&file.root, &file.place));
    for error in futures::future::join_all(removals).await.into_iter().filter_map(Result::err) {
        tracing::warn!(error = ?error, "a metadata file of a failed commit stays behind");
    }
}
