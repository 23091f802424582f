//! Steps 6 to 8: the new files, the one transaction, and the answer by what really happened.

use std::sync::Arc;

use polder_store::{CommitOutcome, PointerSwap, TableRow};
use polder_types::{Error, Result};

use super::prepare::{Change, NewFile};
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

/// Writes the files and moves all pointers, or none.
pub(super) async fn publish(ctx: &OpCtx, changes: Vec<Change>) -> Result<Published> {
    let files: Vec<&NewFile> = changes.iter().filter_map(|change| change.next.as_ref()).collect();
    if files.is_empty() {
        let unchanged = changes.iter().map(|change| answer(ctx, &change.row, change));
        return unchanged.collect::<Result<_>>().map(Published::Committed);
    }
    write_all(ctx, &files).await?;
    let outcome = transact(ctx, &changes).await;
    match outcome {
        CommitOutcome::Committed(rows) => committed(ctx, &changes, &rows).await,
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

async fn transact(ctx: &OpCtx, changes: &[Change]) -> CommitOutcome {
    let catalog = ctx.catalog();
    if let Err(planned) = catalog.faults().check(Step::BeforeTransaction) {
        return CommitOutcome::RolledBack(
            Error::unavailable("database_unavailable", "the database is not available").with_source(planned),
        );
    }
    let swaps = changes.iter().filter_map(|change| {
        Some(PointerSwap {
            permit: change.permit.clone(),
            expected_metadata_location: change.row.metadata_location.clone(),
            new_metadata_location: change.next.as_ref()?.place.to_string(),
            bindings: change.bindings.clone(),
        })
    });
    let outcome = catalog.store().commit_tables(swaps.collect(), &ctx.stamp()).await;
    match catalog.faults().check(Step::AfterTransaction) {
        Ok(()) => outcome,
        Err(planned) => CommitOutcome::Unknown(Error::internal(planned)),
    }
}

async fn committed(ctx: &OpCtx, changes: &[Change], rows: &[Arc<TableRow>]) -> Result<Published> {
    let mut tables = Vec::with_capacity(changes.len());
    for change in changes {
        let row = rows.iter().find(|row| row.table.id == change.row.table.id).unwrap_or(&change.row);
        if let Some(file) = &change.next {
            let stored = Arc::clone(&file.stored);
            ctx.catalog().metadata().remember(row.warehouse.warehouse.id, &file.place.to_string(), stored).await;
        }
        tables.push(answer(ctx, row, change)?);
    }
    Ok(Published::Committed(tables))
}

fn answer(ctx: &OpCtx, row: &TableRow, change: &Change) -> Result<LoadedTable> {
    let stored = change.next.as_ref().map_or(&change.base, |file| &file.stored);
    LoadedTable::new(ctx, row, stored, SnapshotsMode::All)
}

/// Writes all files in parallel; if one fails, those that were written are removed again.
///
/// # Errors
/// `Unavailable`: nothing happened, since no transaction has begun.
pub(super) async fn write_all(ctx: &OpCtx, files: &[&NewFile]) -> Result<()> {
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
pub(super) async fn remove_all(ctx: &OpCtx, files: &[&NewFile]) {
    let removals = files.iter().map(|file| ctx.catalog().files().delete(&file.root, &file.place));
    for error in futures::future::join_all(removals).await.into_iter().filter_map(Result::err) {
        tracing::warn!(error = ?error, "a metadata file of a failed commit stays behind");
    }
}
