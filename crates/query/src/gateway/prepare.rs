//! From the text to the verified plan, on one thread as far as that goes: handing over to another one costs more than most
//! of what is done on it.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::Query;
use futures::FutureExt;
use polder_types::{Error, Micros};
use tokio::runtime::Handle;

use super::{Attempt, Gateway, salt};
use crate::{
    gate::{self, Asked, Gated, RelationName},
    plan::{LazyEngine, PlanInput, Planned, plan},
    resolve::{Locating, Resolved, Resolver},
    scan::QueryLocal,
};

/// The statement as its tree renders it, and what its output columns are called.
pub(super) struct Text {
    pub(super) canonical: String,
    pub(super) labels: Option<Vec<Option<String>>>,
}

/// What is to be done for a statement.
pub(super) enum Prepared {
    /// Its plan is to be run.
    Rows(Box<Ready>),
    /// Its plan is to be told.
    Plan(Box<Ready>),
    /// The columns of a table.
    Columns(RelationName),
    /// The tables that the caller may see.
    Tables(Option<RelationName>),
}

/// A verified plan, and what it stands on.
pub(super) struct Ready {
    pub(super) planned: Planned,
    pub(super) local: Arc<QueryLocal>,
    pub(super) resolved: Resolved,
}

/// How far a statement came on the first thread.
enum Way {
    Prepared(Prepared),
    /// Its names are still looked for: somebody else has to answer first.
    Waiting {
        query: Box<Query>,
        is_run: bool,
        locating: Locating,
    },
}

/// What planning needs.
#[derive(Clone)]
struct Planner {
    engine: LazyEngine,
    resolver: Resolver,
    /// The runtime of the request, whose connections the search for names may wait for.
    home: Handle,
    /// The runtime of the gateway.
    own: Handle,
    now: Micros,
    rows_max: usize,
    memory_bytes: usize,
    explains: bool,
}

impl Gateway {
    /// Gates, resolves, plans and verifies, on threads with big stacks. The logical plan is kept if `explains`, or if the
    /// statement asks for it.
    pub(super) async fn prepare(&self, attempt: &Attempt<'_>, explains: bool) -> Result<(Text, Prepared), Error> {
        let planner = Planner {
            engine: self.engine.clone(),
            resolver: attempt.resolver(self),
            home: Handle::current(),
            own: self.pool.handle(),
            now: attempt.ctx.now(),
            rows_max: attempt.rows_max,
            memory_bytes: self.config.memory_bytes_max,
            explains,
        };
        let (sql, first) = (attempt.request.sql.clone(), planner.clone());
        let begin = move || first.begin(&sql);
        let (text, way) = self.pool.think(&attempt.slot, attempt.until, begin).await?;
        let prepared = match way {
            Way::Prepared(prepared) => prepared,
            Way::Waiting { query, is_run, locating } => {
                let located = locating.await?;
                let go_on = move || planner.finish(*query, is_run, planner.resolver.govern(located)?);
                self.pool.think(&attempt.slot, attempt.until, go_on).await?
            }
        };
        Ok((text, prepared))
    }
}

impl Planner {
    /// From the text as far as nobody has to be waited for. Blocks.
    fn begin(&self, sql: &str) -> Result<(Text, Way), Error> {
        let Gated { asked, relations, canonical, labels } = gate::check(sql)?;
        let text = Text { canonical, labels };
        let (query, is_run) = match asked {
            Asked::Rows(query) => (query, true),
            Asked::Plan(query) => (query, false),
            Asked::Columns(name) => return Ok((text, Way::Prepared(Prepared::Columns(name)))),
            Asked::Tables(within) => return Ok((text, Way::Prepared(Prepared::Tables(within)))),
        };
        let mut locating = self.resolver.locate(relations);
        // What the process has at hand is found at once. Anything else is waited for elsewhere: nobody who waits holds one
        // of the few threads that plan.
        let at_once = {
            let _home = self.home.enter();
            (&mut locating).now_or_never()
        };
        let way = match at_once {
            Some(located) => Way::Prepared(self.finish(*query, is_run, self.resolver.govern(located?)?)?),
            None => Way::Waiting { query, is_run, locating },
        };
        Ok((text, way))
    }

    /// Plans and verifies. Blocks.
    fn finish(&self, query: Query, is_run: bool, resolved: Resolved) -> Result<Prepared, Error> {
        let local = Arc::new(QueryLocal::new(salt()?));
        let engine = self.engine.get()?;
        let tables = resolved.governed(&local, engine.partitions());
        let (now, rows_max, memory_bytes) = (self.now, self.rows_max, self.memory_bytes);
        let explains = self.explains || !is_run;
        let input = PlanInput { query, tables: &tables, local: &local, now, rows_max, memory_bytes, explains };
        let planned = self.own.block_on(plan(engine, input))?;
        let ready = Box::new(Ready { planned, local, resolved });
        Ok(if is_run { Prepared::Rows(ready) } else { Prepared::Plan(ready) })
    }
}
