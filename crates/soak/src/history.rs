//! What every client did and was told: the log that the final chains are compared with.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// The number of an operation; the product stores it verbatim in the tables that the operation changes.
pub(crate) type OpId = usize;

/// The property that names the operation which made a version.
pub(crate) const LAST: &str = "soak.last";

/// The property that holds a writer's last operation on a table.
pub(crate) fn writer_property(writer: usize) -> String {
    format!("soak.w{writer}")
}

/// What a commit does to each of its tables, besides naming itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Sets the writer's property; asks nothing of what was there.
    Set,
    /// Makes `snapshot` the head of `main`, which must be `parent` until then.
    Append { snapshot: i64, parent: Option<i64> },
}

/// What its caller was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing, or that nobody knows.
    Unknown,
    /// It took place; the new metadata location of each table, where the answer says it.
    Done(Vec<String>),
    /// It did not take place.
    Refused(u16),
}

/// A commit to one table, or to several as one.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) writer: usize,
    pub(crate) tables: Vec<usize>,
    pub(crate) effect: Effect,
    /// Microseconds of the harness's clock.
    pub(crate) started: u64,
    pub(crate) ended: Option<u64>,
    pub(crate) fate: Fate,
}

/// A load of one table that was answered.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) table: usize,
    pub(crate) started: u64,
    pub(crate) ended: u64,
    pub(crate) location: String,
    /// The operation named in the document that was answered.
    pub(crate) last: Option<OpId>,
}

/// An answer to a mutation: how many records of new object versions the audit must hold for it.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) request: String,
    pub(crate) records: usize,
}

/// Everything so far.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) ops: Vec<Op>,
    pub(crate) reads: Vec<Read>,
    pub(crate) answered: Vec<Answered>,
    /// Operations that were answered since the last check.
    pub(crate) settled: Vec<OpId>,
    /// The values that a writer wrote to a namespace's property, in order, with what it was told.
    pub(crate) registers: HashMap<(usize, usize), Vec<(OpId, Fate)>>,
    /// Mutations that took effect, of all kinds.
    pub(crate) done: u64,
    /// What there was of the rarer kinds: a run without them has not tested them.
    pub(crate) rare: Rare,
}

/// Counts of the rarer kinds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rare {
    pub(crate) reads: u64,
    /// Commits to several tables that were answered.
    pub(crate) transactions: u64,
    /// Answers under idempotency keys.
    pub(crate) keyed: u64,
    /// Those of them that were sent twice at the same time.
    pub(crate) twice: u64,
    /// Those of them that were sent again after a kill.
    pub(crate) again: u64,
}

/// The history, shared by all clients, with its clock.
pub(crate) struct Log {
    began: Instant,
    history: Mutex<History>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), history: Mutex::default() }
    }

    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a commit begins.
    pub(crate) fn begin(&self, writer: usize, tables: Vec<usize>, effect: Effect) -> OpId {
        let op = Op { writer, tables, effect, started: self.now(), ended: None, fate: Fate::Unknown };
        let mut history = self.history();
        history.ops.push(op);
        history.ops.len() - 1
    }

    /// Notes what became of it. `request` is the answer's id, if the audit must know it.
    pub(crate) fn end(&self, op: OpId, fate: Fate, request: Option<String>) {
        let now = self.now();
        let mut history = self.history();
        let Some(entry) = history.ops.get_mut(op) else { return };
        entry.ended = Some(now);
        let records = if matches!(fate, Fate::Done(_)) { entry.tables.len() } else { 0 };
        entry.fate = fate;
        history.rare.transactions += u64::from(records > 1);
        history.settled.push(op);
        history.done += u64::from(records > 0);
        if let Some(request) = request {
            history.answered.push(Answered { request, records });
        }
    }

    /// Notes an answer to a mutation of another kind.
    pub(crate) fn answered(&self, request: String, records: usize) {
        let mut history = self.history();
        history.done += u64::from(records > 0);
        history.answered.push(Answered { request, records });
    }
}
