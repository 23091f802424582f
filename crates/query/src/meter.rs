//! A node that accounts what passes through it: put below the engine's nodes that keep rows without telling the memory
//! pool (windows), so that `count(*) OVER ()` above a cross join ends at the limit and not at the machine's.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::array::RecordBatch,
    common::tree_node::{Transformed, TransformedResult, TreeNode},
    error::Result,
    execution::{SendableRecordBatchStream, TaskContext, memory_pool::MemoryConsumer},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
        stream::RecordBatchStreamAdapter,
        windows::{BoundedWindowAggExec, WindowAggExec},
    },
};
use futures::StreamExt;

/// What a row is counted as beside its values: a window keeps something for rows without columns too.
const ROW_BYTES: usize = 16;

/// See the module.
#[derive(Debug)]
pub(crate) struct MeteredExec {
    input: Arc<dyn ExecutionPlan>,
}

/// Puts a meter below every node that needs one.
pub(crate) fn meter(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let any: &dyn std::any::Any = node.as_ref();
        if !any.is::<WindowAggExec>() && !any.is::<BoundedWindowAggExec>() {
            return Ok(Transformed::no(node));
        }
        let metered = node
            .children()
            .into_iter()
            .map(|child| Arc::new(MeteredExec { input: child.clone() }) as Arc<dyn ExecutionPlan>)
            .collect();
        node.with_new_children(metered).map(Transformed::yes)
    })
    .data()
}

impl DisplayAs for MeteredExec {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeteredExec")
    }
}

impl ExecutionPlan for MeteredExec {
    fn name(&self) -> &'static str {
        "MeteredExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match children.into_iter().next() {
            Some(input) => Ok(Arc::new(Self { input })),
            None => Ok(self),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let reservation = MemoryConsumer::new("window input").register(context.memory_pool());
        let input = self.input.execute(partition, context)?;
        let schema = input.schema();
        let metered = input.map(move |batch| {
            let batch: RecordBatch = batch?;
            reservation.try_grow(batch.get_array_memory_size().saturating_add(batch.num_rows() * ROW_BYTES))?;
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, metered)))
    }
}
