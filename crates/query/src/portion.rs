//! A node that hands on few rows at a time where the engine makes much of each, unaccounted: below `unnest`, which repeats the
//! other columns for each element, so that one row of a long text and a long list became gigabytes at once; and below
//! whatever computes with functions that make long values.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions},
        datatypes::{DataType, FieldRef},
    },
    common::tree_node::{Transformed, TransformedResult, TreeNode},
    error::Result,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
        aggregates::AggregateExec,
        filter::FilterExec,
        joins::{HashJoinExec, NestedLoopJoinExec, PiecewiseMergeJoinExec, SortMergeJoinExec},
        projection::ProjectionExec,
        repartition::RepartitionExec,
        sorts::{partial_sort::PartialSortExec, sort::SortExec},
        stream::RecordBatchStreamAdapter,
        unnest::UnnestExec,
        windows::{BoundedWindowAggExec, WindowAggExec},
    },
};
use futures::{StreamExt, stream};

use crate::{
    error::{Phase, carry, limit},
    functions::value_bytes,
    scan::rebuilt,
};

/// Most bytes that `unnest` makes of one row, and about as many of one batch.
const UNNESTED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct PortionedExec {
    input: Arc<dyn ExecutionPlan>,
    cut: Cut,
}

/// Where a batch is cut.
#[derive(Clone, Debug)]
enum Cut {
    /// By what becomes of the rows when these columns are taken apart.
    Lists(Arc<[usize]>),
    /// After so many rows.
    Rows(usize),
}

/// Puts the node below an `unnest`.
pub(crate) fn portioned(unnest: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let any: &dyn std::any::Any = unnest.as_ref();
    let Some(exec) = any.downcast_ref::<UnnestExec>() else { return Ok(unnest) };
    let lists = exec.list_column_indices().iter().map(|list| list.index_in_input_schema).collect();
    let input = Arc::new(PortionedExec { input: exec.input().clone(), cut: Cut::Lists(lists) });
    unnest.with_new_children(vec![input])
}

/// Puts the node, for so many rows, below every node that computes with expressions.
pub(crate) fn short(plan: Arc<dyn ExecutionPlan>, rows: usize) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        if !computes(node.as_ref()) {
            return Ok(Transformed::no(node));
        }
        let cut = |child: &Arc<dyn ExecutionPlan>| {
            Arc::new(PortionedExec { input: child.clone(), cut: Cut::Rows(rows.max(1)) }) as Arc<dyn ExecutionPlan>
        };
        let children = node.children().into_iter().map(cut).collect();
        node.with_new_children(children).map(Transformed::yes)
    })
    .data()
}

fn computes(node: &dyn ExecutionPlan) -> bool {
    let any: &dyn std::any::Any = node;
    any.is::<AggregateExec>()
        || any.is::<BoundedWindowAggExec>()
        || any.is::<FilterExec>()
        || any.is::<HashJoinExec>()
        || any.is::<NestedLoopJoinExec>()
        || any.is::<PartialSortExec>()
        || any.is::<PiecewiseMergeJoinExec>()
        || any.is::<ProjectionExec>()
        || any.is::<RepartitionExec>()
        || any.is::<SortExec>()
        || any.is::<SortMergeJoinExec>()
        || any.is::<WindowAggExec>()
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
            Some(input) => Ok(Arc::new(Self { input, cut: self.cut.clone() })),
            None => Ok(self),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let (schema, cut) = (input.schema(), self.cut.clone());
        let portions = input.flat_map(move |batch| {
            let portions = batch.and_then(|batch| match &cut {
                Cut::Lists(lists) => by_lists(&batch, lists),
                Cut::Rows(rows) => by_rows(batch, *rows),
            });
            stream::iter(match portions {
                Ok(portions) => portions.into_iter().map(Ok).collect::<Vec<_>>(),
                Err(error) => vec![Err(error)],
            })
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, portions)))
    }
}

fn by_lists(batch: &RecordBatch, lists: &[usize]) -> Result<Vec<RecordBatch>> {
    let (mut portions, mut from, mut bytes) = (Vec::new(), 0, 0usize);
    for row in 0..batch.num_rows() {
        let makes = makes(batch, lists, row);
        if makes > UNNESTED_BYTES_MAX {
            let message = format!("`unnest` makes at most {UNNESTED_BYTES_MAX} bytes of one row");
            return Err(carry(limit(Phase::Run, message)));
        }
        if bytes.saturating_add(makes) > UNNESTED_BYTES_MAX {
            portions.push(batch.slice(from, row - from));
            (from, bytes) = (row, 0);
        }
        bytes += makes;
    }
    portions.push(batch.slice(from, batch.num_rows() - from));
    Ok(portions)
}

fn by_rows(batch: RecordBatch, rows: usize) -> Result<Vec<RecordBatch>> {
    if batch.num_rows() <= rows {
        return Ok(vec![batch]);
    }
    // Copied: whoever keeps a portion is charged for all that it holds on to, and that would be the whole batch.
    let portion = |from: usize| copied(&batch.slice(from, rows.min(batch.num_rows() - from)));
    Ok((0..batch.num_rows()).step_by(rows).map(portion).collect())
}

/// The rows without what else their buffers hold.
pub(crate) fn copied(batch: &RecordBatch) -> RecordBatch {
    let copy = |(column, field): (&ArrayRef, &FieldRef)| -> ArrayRef {
        match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()),
            DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
            // What has a type that only the engine has between its nodes stays as it is.
            _ => rebuilt(column, field).unwrap_or_else(|_| column.clone()),
        }
    };
    let columns = batch.columns().iter().zip(batch.schema_ref().fields()).map(copy).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options).unwrap_or_else(|_| batch.clone())
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
