//! The commit protocol: one or many tables, all or nothing, run to its end on its own task.
//!
//! resolve and authorize all → base by pointer → requirements → updates → every location → new metadata files,
//! create-only → one transaction → answer by what really happened. A lost compare-and-swap starts again from the
//! top; only a sure failure removes the new files (F4).

mod create;
mod prepare;
mod publish;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use polder_types::{
    Error, RelationId, Result, Subject, TableIdent, WarehouseName,
    rest::{CommitTableRequest, WireTableIdent},
};

pub use create::create;
pub(crate) use create::policy_editor;
pub(crate) use prepare::edits_policies;

use crate::{
    OpCtx,
    ids::fresh_uuid,
    locks::CommitTurn,
    metadata::{Requirement, Update},
    properties, resolve,
    tables::LoadedTable,
};
use publish::{Plan, Published};

/// Most tables of one commit.
pub const TABLES_PER_COMMIT_MAX: usize = 100;
/// Most bytes of metadata of all tables of one commit: it holds every document until its transaction is over.
const BASE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How often a commit starts again after losing its compare-and-swap, or after the policy changed.
pub(crate) const RETRIES_MAX: u32 = 4;
/// The longest pause before the first retry; doubled for each further one.
const RETRY_PAUSE_MS: u64 = 10;

/// The changes of one table.
#[derive(Clone, Debug)]
pub struct TableCommit {
    /// The table.
    pub ident: TableIdent,
    /// What must hold.
    pub requirements: Vec<Requirement>,
    /// What to change, in order.
    pub updates: Vec<Update>,
    /// How many bytes all that was written in.
    bytes: usize,
}

impl TableCommit {
    /// Reads the body of `updateTable`; the path names the table, and so may the body (Java leaves it out).
    ///
    /// # Errors
    /// `Invalid` if the two names differ, or for a requirement that is not known; `Unsupported` for an update
    /// that is not known.
    pub fn parse(ident: TableIdent, request: CommitTableRequest) -> Result<Self> {
        // SECURITY: the table that is authorized is the one in the path (R15).
        if let Some(named) = request.identifier.map(WireTableIdent::parse).transpose()?
            && named != ident
        {
            return Err(Error::invalid("identifier_mismatch", "the path and the body name different tables")
                .about(Subject::Table));
        }
        let raws = request.requirements.iter().chain(&request.updates);
        Ok(Self {
            bytes: raws.map(|raw| raw.get().len()).sum(),
            ident,
            requirements: Requirement::parse_all(&request.requirements)?,
            updates: Update::parse_all(&request.updates)?,
        })
    }

    /// Reads one change of `commitTransaction`; its body names the table.
    ///
    /// # Errors
    /// As [`TableCommit::parse`]; `Invalid` if no table is named.
    pub fn parse_named(mut request: CommitTableRequest) -> Result<Self> {
        let named = request.identifier.take().ok_or_else(|| {
            Error::invalid("identifier_missing", "every change of a transaction has the `identifier` of its table")
                .about(Subject::Table)
        })?;
        Self::parse(named.parse()?, request)
    }

    /// True if the commit publishes a table that does not exist yet (a staged create).
    fn creates(&self) -> bool {
        self.requirements.contains(&Requirement::AssertCreate)
    }
}

/// Commits to one or many tables, all or nothing, and returns them as they are then, in the given order.
///
/// # Errors
/// `Conflict` if a requirement does not hold or others were faster; `Invalid`, `Forbidden`, `NotFound`; `TooLarge` for
/// more metadata than one commit may hold;
/// `Unavailable` if nothing happened; `CommitStateUnknown` if nobody knows; `Deadline` if it goes on.
pub async fn commit(ctx: &OpCtx, warehouse: &WarehouseName, mut commits: Vec<TableCommit>) -> Result<Vec<LoadedTable>> {
    check_shape(&commits)?;
    // SECURITY: decided before it may queue for a lock, and again under it.
    let tables = authorize_all(ctx, warehouse, &commits).await?;
    for update in commits.iter_mut().flat_map(|commit| &mut commit.updates) {
        if let Update::SetProperties(set) = update {
            properties::govern(set, ctx.principal())?;
        }
    }
    let commits = commits.into_iter().map(Arc::new).collect();
    let work = Work { ctx: ctx.clone(), warehouse: warehouse.clone(), commits, base_bytes_max: BASE_BYTES_MAX };
    ctx.catalog().run_to_end(ctx.deadline(), work.run(tables)).await
}

fn check_shape(commits: &[TableCommit]) -> Result<()> {
    let distinct: BTreeSet<&TableIdent> = commits.iter().map(|commit| &commit.ident).collect();
    if commits.is_empty() || commits.len() > TABLES_PER_COMMIT_MAX || distinct.len() < commits.len() {
        return Err(Error::invalid(
            "invalid_commit",
            format!("a commit names 1 to {TABLES_PER_COMMIT_MAX} tables, each of them once"),
        ));
    }
    Ok(())
}

/// Resolves and authorizes all tables; those that exist are returned.
async fn authorize_all(ctx: &OpCtx, warehouse: &WarehouseName, commits: &[TableCommit]) -> Result<Vec<RelationId>> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let mut tables = Vec::with_capacity(commits.len());
    for commit in commits {
        match resolve::table_if_any(ctx, &warehouse, &commit.ident).await? {
            Some(row) => tables.push(prepare::permit_commit(ctx, &warehouse, &row.table)?.resource().id),
            None if commit.creates() => drop(create::permit_create(ctx, &warehouse, &commit.ident.namespace).await?),
            None => return Err(resolve::no_such_table(ctx, &warehouse, &commit.ident)),
        }
    }
    Ok(tables)
}

/// A commit on its own task.
struct Work {
    ctx: OpCtx,
    warehouse: WarehouseName,
    commits: Vec<Arc<TableCommit>>,
    base_bytes_max: usize,
}

impl Work {
    async fn run(mut self, tables: Vec<RelationId>) -> Result<Vec<LoadedTable>> {
        let _turns = self.turns(tables).await?;
        for attempt in 0..=RETRIES_MAX {
            if attempt > 0 {
                pause(attempt).await;
            }
            match self.attempt().await? {
                Published::Committed(tables) => return Ok(tables),
                Published::Lost => {}
                Published::StalePolicy => self.ctx = self.ctx.refresh().await?,
            }
        }
        Err(Error::conflict("commit_conflict", "others committed to the table at the same time; read it and retry"))
    }

    /// Waits for all tables, always in the same order, so that two commits never wait for each other.
    async fn turns(&self, mut tables: Vec<RelationId>) -> Result<Vec<CommitTurn>> {
        tables.sort_unstable();
        let mut turns = Vec::with_capacity(tables.len());
        for table in tables {
            turns.push(self.ctx.catalog().locks().turn(table).await?);
        }
        Ok(turns)
    }

    /// Goes through the protocol once.
    async fn attempt(&mut self) -> Result<Published> {
        let warehouse = resolve::warehouse(&self.ctx, &self.warehouse).await?;
        let mut rows = Vec::with_capacity(self.commits.len());
        for commit in &self.commits {
            rows.push(resolve::table_if_any(&self.ctx, &warehouse, &commit.ident).await?);
        }
        // SECURITY: the request may have waited long for its body or its turn. Whatever is told of a document from here
        // on, the text of a conflict too, is told under a policy at least as new as the row that names it (R18).
        self.ctx = self.ctx.newest().await?;
        let (ctx, mut room) = (&self.ctx, self.base_bytes_max);
        let mut plans = Vec::with_capacity(self.commits.len());
        for (commit, row) in self.commits.iter().zip(rows) {
            plans.push(match row {
                Some(row) => Plan::Change(prepare::prepare(ctx, &warehouse, row, commit, &mut room).await?),
                None if commit.creates() => Plan::Make(create::prepare_staged(ctx, &warehouse, commit).await?),
                None => return Err(resolve::no_such_table(ctx, &warehouse, &commit.ident)),
            });
        }
        publish::publish(ctx, plans).await
    }
}

/// Sleeps a random part of a bound that doubles with each attempt.
pub(crate) async fn pause(attempt: u32) {
    let bound = RETRY_PAUSE_MS << attempt.min(RETRIES_MAX);
    let jitter = u64::try_from(fresh_uuid().as_u128() & u128::from(u32::MAX)).unwrap_or_default() % bound;
    tokio::time::sleep(Duration::from_millis(jitter)).await;
}

#[cfg(test)]
mod tests;
