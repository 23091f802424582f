//! What became of access to a table's files that was put on record: one event for each record, counted. Whoever
//! asked may be gone before; then that is the outcome, and no record is left without one but by a process that dies.

use polder_policy::TableRef;
use polder_store::DelegationOf;
use polder_types::{Error, Result};

use crate::OpCtx;

/// The reason on record where the request ended before its access was made.
const ABANDONED: &str = "abandoned";

/// An outcome that is not known yet; dropped without an end it says so. Made before the record is written: one that was
/// not waited for any longer may stand all the same, and has its outcome then.
pub(crate) struct Pending<'a> {
    ctx: &'a OpCtx,
    action: &'static str,
    table: &'a TableRef,
    of: DelegationOf,
    ended: bool,
}

impl<'a> Pending<'a> {
    pub(crate) fn new(ctx: &'a OpCtx, action: &'static str, table: &'a TableRef, of: DelegationOf) -> Self {
        Self { ctx, action, table, of, ended: false }
    }

    /// Counts the outcome and passes it on.
    ///
    /// # Errors
    /// That of the outcome.
    pub(crate) fn end<T>(mut self, outcome: Result<T>) -> Result<T> {
        self.ended = true;
        self.ctx.count_delegation(self.action, self.table, self.of, outcome.as_ref().err().map(Error::code));
        outcome
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.ctx.count_delegation(self.action, self.table, self.of, Some(ABANDONED));
        }
    }
}
