//! A node below `unnest` that hands on as few rows at a time as it takes for what `unnest` makes of them to stay small: it repeats the
//! other columns for each element, so one row of a long text and a long list became gigabytes at once, unaccounted.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::array::{Array, ArrayRef, AsArray, RecordBatch},
    error::Result,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, stream::RecordBatchStreamAdapter,
        unnest::UnnestExec,
    },
};
use futures::{StreamExt, stream};

use crate::functions::{BATCH_BYTES_MAX, too_long, value_bytes};

/// See the module.
#[derive(Debug)]
pub(crate) struct PortionedExec {
    input: Arc<dyn ExecutionPlan>,
    /// The columns that are taken apart.
    lists: Arc<[usize]>,
}

/// Puts the node below an `unnest`.
pub(crate) fn portioned(unnest: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let any: &dyn std::any::Any = unnest.as_ref();
    let Some(exec) = any.downcast_ref::<UnnestExec>() else { return Ok(unnest) };
    let lists = exec.list_column_indices().iter().map(|list| list.index_in_input_schema).collect();
    let input = Arc::new(PortionedExec { input: exec.input().clone(), lists });
    unnest.with_new_children(vec![input])
}

impl DisplayAs for PortionedExec {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PortionedExec")
    }
}

impl ExecutionPlan for PortionedExec {
    fn name(&self) -> &'static str {
        "PortionedExec"
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
            Some(input) => Ok(Arc::new(Self { input, lists: self.lists.clone() })),
            None => Ok(self),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let (schema, lists) = (input.schema(), self.lists.clone());
        let portions = input.flat_map(move |batch| {
            stream::iter(match batch.and_then(|batch| portions(&batch, &lists)) {
                Ok(portions) => portions.into_iter().map(Ok).collect::<Vec<_>>(),
                Err(error) => vec![Err(error)],
            })
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, portions)))
    }
}

fn portions(batch: &RecordBatch, lists: &[usize]) -> Result<Vec<RecordBatch>> {
    let (mut portions, mut from, mut bytes) = (Vec::new(), 0, 0usize);
    for row in 0..batch.num_rows() {
        let makes = makes(batch, lists, row);
        if makes > BATCH_BYTES_MAX {
            return Err(too_long());
        }
        if bytes.saturating_add(makes) > BATCH_BYTES_MAX {
            portions.push(batch.slice(from, row - from));
            (from, bytes) = (row, 0);
        }
        bytes += makes;
    }
    portions.push(batch.slice(from, batch.num_rows() - from));
    Ok(portions)
}

/// The bytes of the rows that one row becomes, at most: each element with all that stands beside it.
fn makes(batch: &RecordBatch, lists: &[usize], row: usize) -> usize {
    let elements = lists.iter().filter_map(|list| batch.columns().get(*list)).map(|list| elements(list, row));
    let elements = elements.max().unwrap_or(1);
    let columns = batch.columns().iter().enumerate();
    let beside: usize = columns
        .filter(|(index, _)| !lists.contains(index))
        .fold(0, |sum, (_, column)| sum.saturating_add(value_bytes(column, row)).saturating_add(1));
    elements.saturating_mul(beside)
}

/// How many elements a list has, those of the lists in it too.
fn elements(array: &ArrayRef, row: usize) -> usize {
    if array.is_null(row) {
        return 0;
    }
    let inside = if let Some(list) = array.as_list_opt::<i32>() {
        list.value(row)
    } else if let Some(list) = array.as_list_opt::<i64>() {
        list.value(row)
    } else if let Some(list) = array.as_fixed_size_list_opt() {
        list.value(row)
    } else {
        return 1;
    };
    if !inside.data_type().is_nested() {
        return inside.len();
    }
    (0..inside.len()).fold(0, |sum: usize, at| sum.saturating_add(elements(&inside, at)))
}
