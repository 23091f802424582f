//! The gateway, top-down: gate → resolve → govern → plan → verify → run → record → answer.
//!
//! Nothing is released before its audit record is durable. Refuses to run anything but what `verify` let through.

mod plans;
mod prepare;
mod release;

use std::{sync::Arc, time::Duration};

use datafusion::arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
};
use polder_catalog::OpCtx;
use polder_policy::actions;
use polder_types::{Error, ErrorKind, Subject, WarehouseName};
use tokio::time::Instant;

use crate::{
    answer::{ArrowAnswer, Explanation, PolicyApplied, Provenance, QueryAnswer},
    error::{Phase, internal, unknown_table},
    explain::{Told, tell},
    gate::RelationName,
    govern::TableKey,
    information, json,
    plan::{LazyEngine, Planned, is_masked},
    record::{self, Ran},
    resolve::{Resolved, Resolver},
    run::{Caps, Pool, Rows, Slot},
    scan::TableCache,
    trace::Origin,
};

use plans::Plans;
pub use plans::ScanTasks;
use prepare::{Prepared, Ready, Text};

/// Most rows of an answer, whatever is configured or asked for (S-091).
pub const ROWS_MAX: usize = 10_000;

/// The settings of a gateway.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Threads that run queries.
    pub threads: usize,
    /// Queries of one tenant at once; others wait.
    pub queries_per_tenant_max: usize,
    /// Most rows of an answer.
    pub rows_max: usize,
    /// Most bytes of an answer's rows.
    pub bytes_max: usize,
    /// Most bytes of memory of one query.
    pub memory_bytes_max: usize,
    /// How long a query may take.
    pub time_max: Duration,
    /// Memory for open tables.
    pub table_cache_bytes: u64,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            threads: 4,
            queries_per_tenant_max: 8,
            rows_max: ROWS_MAX,
            bytes_max: 32 * 1024 * 1024,
            memory_bytes_max: 256 * 1024 * 1024,
            time_max: Duration::from_secs(30),
            table_cache_bytes: 256 * 1024 * 1024,
        }
    }
}

/// What a caller asks.
#[derive(Clone, Debug)]
pub struct QueryRequest {
    /// The statement.
    pub sql: String,
    /// Most rows wanted; the caps hold all the same.
    pub max_rows: Option<u64>,
    /// Most milliseconds wanted; the caps hold all the same.
    pub timeout_ms: Option<u64>,
    /// The warehouse that names without one refer to; the tenant's default one if absent.
    pub warehouse: Option<WarehouseName>,
}

/// The governed query gateway.
pub struct Gateway {
    pool: Pool,
    engine: LazyEngine,
    cache: TableCache,
    plans: Plans,
    config: GatewayConfig,
}

/// One query on its way.
struct Attempt<'a> {
    ctx: &'a OpCtx,
    request: &'a QueryRequest,
    slot: Slot,
    started: Instant,
    until: Instant,
    rows_max: usize,
}

/// What a query gave, before it is recorded and told.
struct Outcome {
    rows: Rows,
    schema: SchemaRef,
    masked: Vec<bool>,
    bytes: u64,
    provenance: Provenance,
    policies: Vec<PolicyApplied>,
}

impl Gateway {
    /// Starts the gateway's threads.
    ///
    /// # Errors
    /// `Internal` if the system gives none.
    pub fn new(config: GatewayConfig) -> Result<Self, Error> {
        Ok(Self {
            pool: Pool::new(config.threads.max(1), config.queries_per_tenant_max.max(1))?,
            engine: LazyEngine::new(config.threads.max(1)),
            cache: TableCache::new(config.table_cache_bytes),
            plans: Plans::new(),
            config,
        })
    }

    /// Answers one statement under the caller's policies.
    ///
    /// # Errors
    /// What the caller can mend, with code, phase, position and candidates; never a data value (R34).
    pub async fn query(&self, ctx: &OpCtx, request: QueryRequest) -> Result<QueryAnswer, Error> {
        let answered = async {
            let attempt = self.admit(ctx, &request).await?;
            let (canonical, outcome) = self.outcome(&attempt).await?;
            self.release_json(&attempt, canonical, outcome).await
        };
        answered.await.inspect_err(|error| record::refused(ctx, error))
    }

    /// As [`Gateway::query`], the answer as an Arrow IPC stream: the same rows within the same caps.
    ///
    /// # Errors
    /// As [`Gateway::query`].
    pub async fn query_arrow(&self, ctx: &OpCtx, request: QueryRequest) -> Result<ArrowAnswer, Error> {
        let answered = async {
            let attempt = self.admit(ctx, &request).await?;
            let (canonical, outcome) = self.outcome(&attempt).await?;
            self.release_arrow(&attempt, canonical, outcome).await
        };
        answered.await.inspect_err(|error| record::refused(ctx, error))
    }

    /// Says in words how a statement would be governed. Runs nothing.
    ///
    /// # Errors
    /// As [`Gateway::query`].
    pub async fn explain(&self, ctx: &OpCtx, request: QueryRequest) -> Result<Explanation, Error> {
        let explained = self.explanation(ctx, &request).await;
        explained.inspect_err(|error| record::refused(ctx, error))
    }

    /// Goes from a statement's text to its verified plan, and runs nothing: what `cargo xtask bench` measures.
    ///
    /// # Errors
    /// As [`Gateway::query`].
    pub async fn verify(&self, ctx: &OpCtx, request: &QueryRequest) -> Result<(), Error> {
        let attempt = self.admit(ctx, request).await?;
        let (Prepared::Rows(ready) | Prepared::Plan(ready)) = self.prepare(&attempt, false).await?.1 else {
            return Err(crate::error::refused("a plan of anything but a query", None));
        };
        self.pool.discard(&attempt.slot, ready);
        Ok(())
    }

    /// Gates, plans and runs; the statement as its tree renders it, and what came of it.
    async fn outcome(&self, attempt: &Attempt<'_>) -> Result<(String, Outcome), Error> {
        let (Text { canonical, labels }, prepared) = self.prepare(attempt, false).await?;
        let mut outcome = match prepared {
            Prepared::Rows(ready) => self.run(attempt, *ready).await?,
            Prepared::Plan(ready) => {
                let (lines, facts) = self.told(attempt, *ready).await?;
                Outcome::of_batch(information::plan(&lines)?, facts)
            }
            Prepared::Columns(name) => self.columns(attempt, name).await?,
            Prepared::Tables(within) => self.tables(attempt, within).await?,
        };
        outcome.label(labels);
        Ok((canonical, outcome))
    }

    async fn explanation(&self, ctx: &OpCtx, request: &QueryRequest) -> Result<Explanation, Error> {
        let attempt = self.admit(ctx, request).await?;
        let (Text { canonical, .. }, prepared) = self.prepare(&attempt, true).await?;
        let (Prepared::Rows(ready) | Prepared::Plan(ready)) = prepared else {
            return Err(crate::error::refused("an explanation of anything but a query", None));
        };
        let (plan, facts) = self.told(&attempt, *ready).await?;
        let told = Ran {
            action: "explain",
            canonical: &canonical,
            provenance: &facts.provenance,
            policies: &facts.policies,
            rows: 0,
            truncated: false,
        };
        record::ran(ctx, told).await?;
        Ok(Explanation { sql: canonical, plan, provenance: facts.provenance, policies_applied: facts.policies })
    }

    /// Authorizes the query as a whole and takes a slot of the tenant.
    async fn admit<'a>(&self, ctx: &'a OpCtx, request: &'a QueryRequest) -> Result<Attempt<'a>, Error> {
        ctx.authorize(actions::Query, &ctx.tenant_ref())?;
        #[allow(
            clippy::disallowed_methods,
            reason = "the one clock of the gateway: how long a query took and may take"
        )]
        let started = Instant::now();
        let wanted = request.timeout_ms.map_or(Duration::MAX, Duration::from_millis);
        let until = ctx.deadline().min(started + self.config.time_max.min(wanted));
        let rows = request.max_rows.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(usize::MAX);
        let rows_max = rows.min(self.config.rows_max).min(ROWS_MAX);
        let slot = self.pool.slot(ctx.tenant(), until).await?;
        Ok(Attempt { ctx, request, slot, started, until, rows_max })
    }

    async fn run(&self, attempt: &Attempt<'_>, ready: Ready) -> Result<Outcome, Error> {
        let Ready { planned: Planned { verified, origins, schema, .. }, local, resolved } = ready;
        let caps = Caps { rows_max: attempt.rows_max, bytes_max: self.config.bytes_max };
        let rows = self.pool.run(attempt.slot.clone(), attempt.until, verified, caps).await?;
        let facts = Facts::new(&origins, &resolved);
        // SECURITY: how much left the barrier depends on files and on how early the engine stops. Whoever is restricted
        // on a table gets a figure of the answer alone.
        let bytes = if facts.policies.is_empty() { local.bytes() } else { json::bytes(&rows.batches) };
        Ok(Outcome {
            masked: (0..schema.fields().len()).map(|column| is_masked(&origins, column)).collect(),
            bytes,
            rows,
            schema,
            provenance: facts.provenance,
            policies: facts.policies,
        })
    }

    /// The plan of a query in words.
    async fn told(&self, attempt: &Attempt<'_>, ready: Ready) -> Result<(Vec<String>, Facts), Error> {
        let Ready { planned, resolved, .. } = ready;
        let facts = Facts::new(&planned.origins, &resolved);
        let (rows_max, bytes_max) = (attempt.rows_max, self.config.bytes_max);
        let caps = format!(
            "answer at most {rows_max} rows and {bytes_max} bytes, within {} ms and {} bytes of memory",
            self.config.time_max.as_millis(),
            self.config.memory_bytes_max
        );
        let work = move || {
            let Planned { logical, origins, .. } = planned;
            let logical = logical.ok_or_else(|| internal(Phase::Plan, "the plan to be told was not kept"))?;
            let tables = resolved.by_key();
            let told: Vec<Told<'_>> = tables
                .iter()
                .map(|(key, table)| Told {
                    table: key.0.to_string(),
                    snapshot_id: table.provenance.as_ref().and_then(|provenance| provenance.snapshot_id),
                    policies: &table.policies,
                })
                .collect();
            Ok(tell(&logical, &origins, &told, &caps))
        };
        Ok((self.pool.think(&attempt.slot, attempt.until, work).await?, facts))
    }

    async fn columns(&self, attempt: &Attempt<'_>, name: RelationName) -> Result<Outcome, Error> {
        let resolver = attempt.resolver(self);
        let located = resolver.locate(vec![name.clone()]).await?;
        let govern = move || resolver.govern(located);
        let resolved = self.pool.think(&attempt.slot, attempt.until, govern).await?;
        let table = resolved.names.get(&name).ok_or_else(|| unknown_table(&name.join(".")))?;
        let batch = information::describe(&table.source.schema(), |column| table.source.masked(column))?;
        let facts = Facts {
            provenance: Provenance { tables: table.provenance.clone().into_iter().collect(), ..Provenance::default() },
            policies: table.policies.clone(),
        };
        Ok(Outcome::of_batch(batch, facts))
    }

    async fn tables(&self, attempt: &Attempt<'_>, within: Option<RelationName>) -> Result<Outcome, Error> {
        let mut described = attempt.resolver(self).described(attempt.request.warehouse.as_ref(), false).await?;
        if let Some(within) = within {
            described.retain(|table| table.ident.namespace.levels() == within.as_slice());
        }
        Ok(Outcome::of_batch(information::tables(&described)?, Facts::default()))
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gateway")
    }
}

impl Attempt<'_> {
    fn resolver(&self, gateway: &Gateway) -> Resolver {
        let warehouse = self.request.warehouse.clone();
        Resolver { ctx: self.ctx.clone(), cache: gateway.cache.clone(), warehouse }
    }
}

impl Outcome {
    /// Calls unnamed expressions what the statement calls them; `unnest` of a struct makes more columns than are listed.
    fn label(&mut self, labels: Option<Vec<Option<String>>>) {
        let Some(labels) = labels.filter(|labels| labels.len() == self.schema.fields().len()) else { return };
        let fields = self.schema.fields().iter().zip(labels).map(|(field, label)| match label {
            Some(label) => Arc::new(field.as_ref().clone().with_name(label)),
            None => field.clone(),
        });
        self.schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    }

    fn of_batch(batch: RecordBatch, facts: Facts) -> Self {
        Self {
            schema: batch.schema(),
            masked: vec![false; batch.num_columns()],
            rows: Rows { count: batch.num_rows(), batches: vec![batch], truncated: false },
            bytes: 0,
            provenance: facts.provenance,
            policies: facts.policies,
        }
    }
}

/// What an answer says about the tables of a plan.
#[derive(Default)]
struct Facts {
    provenance: Provenance,
    policies: Vec<PolicyApplied>,
}

impl Facts {
    /// SECURITY: every table that the statement names and that resolved, wherever it stands: a record, or the rule about
    /// bytes, that followed the plan could miss one.
    fn new(origins: &[Origin], resolved: &Resolved) -> Self {
        let tables = resolved.by_key();
        let mut columns: Vec<(TableKey, String)> =
            origins.iter().flat_map(|output| output.sources.iter().cloned()).collect();
        columns.sort();
        columns.dedup();
        Self {
            provenance: Provenance {
                tables: tables.values().filter_map(|table| table.provenance.clone()).collect(),
                columns: columns.into_iter().map(|(table, column)| format!("{}.{column}", table.0)).collect(),
                documents: Vec::new(),
            },
            policies: tables.values().flat_map(|table| table.policies.iter().cloned()).collect(),
        }
    }
}

/// Fresh bytes for `sha-256-query-local`.
fn salt() -> Result<[u8; 32], Error> {
    let mut salt = [0; 32];
    #[allow(clippy::disallowed_methods, reason = "the salt of a query is key material")]
    getrandom::fill(&mut salt).map_err(|_| {
        Error::new(ErrorKind::Unavailable, Subject::Query, "no_randomness", "the system gives no random bytes")
    })?;
    Ok(salt)
}
