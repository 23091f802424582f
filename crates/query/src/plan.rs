//! From a gated statement and governed tables to a verified plan: plan, bound, trace, optimise, verify.
//!
//! Never `SessionContext::sql`, which would bring SHOW, SET, COPY and file formats. Runs on a big stack; sees no data.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use datafusion::{
    arrow::{datatypes::SchemaRef, temporal_conversions::timestamp_us_to_datetime},
    error::Result as EngineResult,
    execution::{
        SessionState, SessionStateBuilder, SessionStateDefaults, TaskContext,
        context::ExecutionProps,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::GreedyMemoryPool,
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
    logical_expr::{LogicalPlan, LogicalPlanBuilder},
    physical_optimizer::optimizer::PhysicalOptimizer,
    physical_plan::ExecutionPlan,
    prelude::SessionConfig,
    sql::{
        planner::{NullOrdering, ParserOptions, SqlToRel},
        sqlparser::ast::{Query, Statement},
    },
};
use polder_types::{Error, Micros};

use crate::{
    context::StatementContext,
    error::{Phase, internal, planned},
    functions,
    gate::RelationName,
    govern::GovernedTable,
    meter::meter,
    portion::short,
    precise::precise,
    scan::QueryLocal,
    trace::{Origin, trace},
    verify::{VerifiedQuery, verify},
    watch::{Watch, watched, yielding},
};

/// Rows that operators hand to each other at once; bounds what one step can make.
const BATCH_ROWS: usize = 4096;

/// What an optimiser rule makes `DISTINCT ON` of.
const CALLED_BY_RULES: &str = "first_value";

/// What the physical optimiser calls its rules that move conditions towards scans; the logical one has done that.
const MERGES_CONDITIONS: &str = "FilterPushdown";

/// The engine, built once: optimiser rules, functions, options. Holds no table and no catalog.
pub(crate) struct Engine {
    state: SessionState,
    runtime: RuntimeEnv,
    partitions: usize,
}

/// A statement's plan in its two forms.
pub(crate) struct Planned {
    /// As the planner made it, if it is to be explained.
    pub(crate) logical: Option<LogicalPlan>,
    /// What may run.
    pub(crate) verified: VerifiedQuery,
    /// Where the output comes from, one for each column.
    pub(crate) origins: Vec<Origin>,
    /// The output columns.
    pub(crate) schema: SchemaRef,
}

/// The engine, made for the first statement: a catalog that is never asked one spends nothing on it.
#[derive(Clone)]
pub(crate) struct LazyEngine {
    partitions: usize,
    made: Arc<OnceLock<Engine>>,
}

impl LazyEngine {
    pub(crate) fn new(partitions: usize) -> Self {
        Self { partitions, made: Arc::default() }
    }

    /// # Errors
    /// As [`Engine::new`].
    pub(crate) fn get(&self) -> Result<&Engine, Error> {
        if let Some(engine) = self.made.get() {
            return Ok(engine);
        }
        // Two that come first at once make it twice; one of them is kept.
        let engine = Engine::new(self.partitions)?;
        Ok(self.made.get_or_init(|| engine))
    }
}

impl Engine {
    /// # Errors
    /// `Internal` if the engine cannot be set up.
    pub(crate) fn new(partitions: usize) -> Result<Self, Error> {
        let config = SessionConfig::new()
            .with_target_partitions(partitions)
            .with_batch_size(BATCH_ROWS)
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(false)
            .with_collect_statistics(false)
            // Nothing that one side of a join holds may reach the scan of the other.
            .set_bool("datafusion.optimizer.enable_dynamic_filter_pushdown", false)
            .set_bool("datafusion.optimizer.enable_join_dynamic_filter_pushdown", false)
            .set_bool("datafusion.optimizer.enable_topk_dynamic_filter_pushdown", false)
            .set_bool("datafusion.optimizer.enable_aggregate_dynamic_filter_pushdown", false);
        // SECURITY: below that rule's name the engine would put conditions into one another again, after `precise` has put
        // those that can fail behind the others.
        let physical = PhysicalOptimizer::new()
            .rules
            .into_iter()
            .filter(|rule| !rule.name().starts_with(MERGES_CONDITIONS))
            .collect();
        // What a statement may call comes from `StatementContext`; a state with all functions would be copied for each query.
        let by_rules = functions::FUNCTIONS.aggregate.get(CALLED_BY_RULES).cloned();
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_expr_planners(SessionStateDefaults::default_expr_planners())
            .with_aggregate_functions(by_rules.into_iter().collect())
            .with_physical_optimizer_rules(physical)
            .build();
        let runtime = RuntimeEnvBuilder::new()
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .build()
            .map_err(Error::internal)?;
        Ok(Self { state, runtime, partitions })
    }

    pub(crate) fn partitions(&self) -> usize {
        self.partitions
    }

    /// The state that a query is planned with: its clock.
    fn state(&self, now: Micros) -> SessionState {
        let mut state = self.state.clone();
        // SECURITY: fresh, since it counts the names that rules make up, and a shared count would tell of other queries.
        let props = state.execution_props_mut();
        *props = ExecutionProps::new();
        props.query_execution_start_time = timestamp_us_to_datetime(now.0).map(|time| time.and_utc());
        state
    }

    /// What a query runs with: its memory, how many rows nodes hand on at once, and no registry to look anything up in.
    fn task(&self, state: &SessionState, memory_bytes: usize, rows: Option<usize>) -> TaskContext {
        let memory_pool = Arc::new(GreedyMemoryPool::new(memory_bytes));
        let runtime = Arc::new(RuntimeEnv { memory_pool, ..self.runtime.clone() });
        let session = state.session_id().to_owned();
        let config = state.config().clone().with_batch_size(rows.unwrap_or(BATCH_ROWS).min(BATCH_ROWS));
        let (scalar, higher, aggregate, window) = Default::default();
        TaskContext::new(None, session, config, scalar, higher, aggregate, window, runtime)
    }
}

/// What a plan is made for.
pub(crate) struct PlanInput<'a> {
    /// The statement.
    pub(crate) query: Query,
    /// What its names stand for.
    pub(crate) tables: &'a HashMap<RelationName, Arc<GovernedTable>>,
    /// The query that the scans belong to.
    pub(crate) local: &'a Arc<QueryLocal>,
    /// What `now()` is.
    pub(crate) now: Micros,
    /// Most rows of the answer; one more is asked for, to know whether there are more.
    pub(crate) rows_max: usize,
    /// Most bytes of memory.
    pub(crate) memory_bytes: usize,
    /// It is to be explained.
    pub(crate) explains: bool,
}

/// Plans and verifies.
///
/// # Errors
/// What the caller can mend in its statement, scrubbed; `Internal` if verification fails.
pub(crate) async fn plan(engine: &Engine, input: PlanInput<'_>) -> Result<Planned, Error> {
    let state = engine.state(input.now);
    let logical = logical(&state, input.query, input.tables)?;
    let origins = trace(&logical)?;
    let watch = Watch::new(input.local);
    let kept = input.explains.then(|| logical.clone());
    let bounded = planned(functions::bound_plan(logical, &watch))?;
    let limited = planned(limited(bounded, input.rows_max))?;
    let optimised = planned(state.optimize(&limited))?;
    // SECURITY: an optimiser rule may have made calls of its own.
    if !planned(functions::only_known(&optimised))? {
        return Err(internal(Phase::Verify, "the plan calls a function that is not on the list"));
    }
    let watched = planned(watched(planned(precise(optimised))?, &watch))?;
    let physical = planned(state.query_planner().create_physical_plan(&watched, &state).await)?;
    let physical: Arc<dyn ExecutionPlan> = planned(meter(planned(yielding(physical))?))?;
    let rows = planned(functions::rows_at_once(&watched))?;
    let physical = rows.map_or(Ok(physical.clone()), |rows| planned(short(physical, rows)))?;
    let schema = physical.schema();
    let task = Arc::new(engine.task(&state, input.memory_bytes, rows));
    let verified = verify(physical, task, input.local)?;
    Ok(Planned { logical: kept, verified, origins, schema })
}

fn logical(
    state: &SessionState,
    query: Query,
    tables: &HashMap<RelationName, Arc<GovernedTable>>,
) -> Result<LogicalPlan, Error> {
    let context = StatementContext { state, tables };
    let options = ParserOptions::new()
        .with_enable_ident_normalization(true)
        .with_support_varchar_with_length(false)
        .with_map_string_types_to_utf8view(false)
        .with_default_null_ordering(NullOrdering::NullsMax)
        .with_collect_spans(true);
    let planner = SqlToRel::new_with_options(&context, options);
    planned(planner.sql_statement_to_plan(Statement::Query(Box::new(query))))
}

fn limited(plan: LogicalPlan, rows_max: usize) -> EngineResult<LogicalPlan> {
    LogicalPlanBuilder::from(plan).limit(0, Some(rows_max.saturating_add(1)))?.build()
}

/// The origins of the output, one for each column.
pub(crate) fn is_masked(origins: &[Origin], column: usize) -> bool {
    // A column that nobody can account for counts as masked.
    origins.get(column).is_none_or(|origin| origin.masked)
}
