//! The barrier: how a table enters a plan. A [`GovernedTable`] yields a [`GovernedScanExec`], a leaf whose inner work
//! (Iceberg scan, row filter, masks) is private and invisible to every optimiser rule.
//!
//! Refuses to tell the engine anything that hidden rows, masked cells or the file layout could show: no statistics, no
//! ordering, no constraints, no metrics, and always the same count of partitions. What is inside: `scan/bind.rs` lowers
//! the policy, `scan/barrier.rs` filters and masks each batch; `memory.rs` is the other [`Source`].

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    arrow::{
        array::RecordBatch,
        datatypes::{Schema, SchemaRef},
    },
    catalog::{Session, TableProvider},
    error::{DataFusionError, Result as EngineResult},
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_expr::EquivalenceProperties,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
        execution_plan::{Boundedness, EmissionType, SchedulingType},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, stream::BoxStream};
use polder_types::Error;

use crate::{
    error::carry,
    pushdown,
    scan::{PushedPredicate, QueryLocal},
};

/// A table as one caller may see it, at one snapshot.
pub(crate) trait Source: fmt::Debug + Send + Sync {
    /// The columns that exist for the caller, with the types and nullability of what they show.
    fn schema(&self) -> SchemaRef;

    /// True if the column, or something in it, is masked.
    fn masked(&self, column: usize) -> bool;

    /// Makes a scan. Nothing is read before [`Prepared::execute`].
    ///
    /// # Errors
    /// `Unsupported` for what this build cannot read.
    fn prepare(
        &self,
        projection: Option<&Vec<usize>>,
        pushed: &[PushedPredicate],
        partitions: usize,
    ) -> Result<Arc<dyn Prepared>, Error>;
}

/// A scan, ready to run.
pub(crate) trait Prepared: Send + Sync {
    /// Runs one partition. Batches come rebuilt: no buffer holds a hidden byte (R39).
    fn execute(&self, partition: usize, query: Arc<QueryLocal>) -> BoxStream<'static, Result<RecordBatch, Error>>;
}

/// What a table is called in plans and answers; never a location.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TableKey(pub(crate) Arc<str>);

/// A table in a plan. See the module.
pub(crate) struct GovernedTable {
    key: TableKey,
    source: Arc<dyn Source>,
    query: Arc<QueryLocal>,
    partitions: usize,
}

impl GovernedTable {
    pub(crate) fn new(key: TableKey, source: Arc<dyn Source>, query: Arc<QueryLocal>, partitions: usize) -> Self {
        Self { key, source, query, partitions }
    }

    pub(crate) fn key(&self) -> &TableKey {
        &self.key
    }

    pub(crate) fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }
}

impl fmt::Debug for GovernedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GovernedTable({})", self.key.0)
    }
}

#[async_trait]
impl TableProvider for GovernedTable {
    fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let schema = self.source.schema();
        let pushed: Vec<PushedPredicate> =
            filters.iter().filter_map(|filter| pushdown::leakproof(filter, &schema, self.source.as_ref())).collect();
        let inner = self.source.prepare(projection, &pushed, self.partitions).map_err(carry)?;
        let shown = match projection {
            Some(columns) => Arc::new(schema.project(columns)?),
            None => schema,
        };
        Ok(Arc::new(GovernedScanExec {
            key: self.key.clone(),
            filtered: !pushed.is_empty(),
            limit,
            inner,
            query: self.query.clone(),
            properties: Arc::new(properties(shown, self.partitions)),
        }))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        let schema = self.source.schema();
        // SECURITY: never `Exact`: the engine keeps every filter above the barrier, and only predicates that cannot
        // fail and touch no masked column enter it.
        Ok(filters
            .iter()
            .map(|filter| match pushdown::leakproof(filter, &schema, self.source.as_ref()) {
                Some(_) => TableProviderFilterPushDown::Inexact,
                None => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }
}

fn properties(schema: Arc<Schema>, partitions: usize) -> PlanProperties {
    PlanProperties::new(
        EquivalenceProperties::new(schema),
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Incremental,
        Boundedness::Bounded,
    )
    .with_scheduling_type(SchedulingType::Cooperative)
}

/// The barrier in a physical plan. A leaf; all hooks of push-down keep their safe defaults.
pub(crate) struct GovernedScanExec {
    key: TableKey,
    filtered: bool,
    limit: Option<usize>,
    inner: Arc<dyn Prepared>,
    query: Arc<QueryLocal>,
    properties: Arc<PlanProperties>,
}

impl GovernedScanExec {
    /// True if the scan was made for this query, and for no other one.
    pub(crate) fn belongs_to(&self, query: &Arc<QueryLocal>) -> bool {
        Arc::ptr_eq(&self.query, query)
    }
}

impl fmt::Debug for GovernedScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GovernedScanExec({})", self.key.0)
    }
}

impl DisplayAs for GovernedScanExec {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GovernedScanExec: table={}, filtered={}", self.key.0, self.filtered)
    }
}

impl ExecutionPlan for GovernedScanExec {
    fn name(&self) -> &'static str {
        "GovernedScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    // SECURITY: a leaf; what is inside is not for the engine to see, move or rewrite.
    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        match children.is_empty() {
            true => Ok(self),
            false => Err(DataFusionError::Internal("a governed scan has no children".to_owned())),
        }
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> EngineResult<SendableRecordBatchStream> {
        let batches = self.inner.execute(partition, self.query.clone()).map(|batch| batch.map_err(carry));
        let shown = match self.limit {
            Some(limit) => cut(batches.boxed(), limit),
            None => batches.boxed(),
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.properties.eq_properties.schema().clone(), shown)))
    }
}

/// Stops after `limit` rows; the count is of rows that the caller may see.
fn cut(
    batches: BoxStream<'static, EngineResult<RecordBatch>>,
    limit: usize,
) -> BoxStream<'static, EngineResult<RecordBatch>> {
    batches
        .scan(limit, |left, batch| {
            let shown = match batch {
                _ if *left == 0 => None,
                Ok(batch) if batch.num_rows() <= *left => {
                    *left -= batch.num_rows();
                    Some(Ok(batch))
                }
                Ok(batch) => Some(Ok(batch.slice(0, std::mem::take(left)))),
                Err(error) => Some(Err(error)),
            };
            futures::future::ready(shown)
        })
        .boxed()
}
