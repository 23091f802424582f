//! The last gate before execution: a walk over the finished physical plan, node by node, by concrete type.
//!
//! Refuses every node that is not on the list, every node that passes for another, and every leaf that is not our
//! barrier, made for this very query, or holds values of the statement itself. Only the [`VerifiedQuery`] made
//! here can run (S-003, S-037).

use std::{
    any::{Any, TypeId},
    sync::Arc,
};

use datafusion::{
    datasource::{memory::MemorySourceConfig, source::DataSourceExec},
    execution::TaskContext,
    physical_plan::{
        ExecutionPlan,
        aggregates::AggregateExec,
        coalesce_partitions::CoalescePartitionsExec,
        coop::CooperativeExec,
        empty::EmptyExec,
        filter::FilterExec,
        joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PiecewiseMergeJoinExec, SortMergeJoinExec},
        limit::{GlobalLimitExec, LocalLimitExec},
        placeholder_row::PlaceholderRowExec,
        projection::ProjectionExec,
        recursive_query::RecursiveQueryExec,
        repartition::RepartitionExec,
        scalar_subquery::ScalarSubqueryExec,
        sorts::{partial_sort::PartialSortExec, sort::SortExec, sort_preserving_merge::SortPreservingMergeExec},
        union::{InterleaveExec, UnionExec},
        unnest::UnnestExec,
        windows::{BoundedWindowAggExec, WindowAggExec},
        work_table::WorkTableExec,
    },
};
use polder_types::Error;

use crate::{
    error::{Phase, internal},
    govern::GovernedScanExec,
    meter::MeteredExec,
    portion::PortionedExec,
    scan::QueryLocal,
};

/// Deepest plan; the gate's limits keep real ones far below.
const DEPTH_MAX: usize = 2_000;

/// A plan that was verified. There is no other way to make one.
pub(crate) struct VerifiedQuery {
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    query: Arc<QueryLocal>,
}

impl VerifiedQuery {
    pub(crate) fn plan(&self) -> &Arc<dyn ExecutionPlan> {
        &self.plan
    }

    pub(crate) fn task(&self) -> &Arc<TaskContext> {
        &self.task
    }

    /// The query that it was verified for.
    pub(crate) fn query(&self) -> &Arc<QueryLocal> {
        &self.query
    }
}

/// Verifies a plan for one query.
///
/// # Errors
/// `Internal`: the planner made something that we did not expect, which no caller can mend.
pub(crate) fn verify(
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    query: &Arc<QueryLocal>,
) -> Result<VerifiedQuery, Error> {
    // SECURITY: nothing runs that did not pass here.
    check(plan.as_ref(), query, 0)?;
    Ok(VerifiedQuery { plan, task, query: query.clone() })
}

fn check(node: &dyn ExecutionPlan, query: &Arc<QueryLocal>, depth: usize) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(internal(Phase::Verify, "the plan is deeper than any that the gate lets through"));
    }
    if node.downcast_delegate().is_some() {
        return Err(internal(Phase::Verify, "a plan node passes for another"));
    }
    let children = node.children();
    let known = if children.is_empty() { is_known_leaf(node, query) } else { is_known_inner(node) };
    if !known {
        return Err(internal(Phase::Verify, "a plan node is not on the list"));
    }
    children.into_iter().try_for_each(|child| check(child.as_ref(), query, depth + 1))
}

fn is_known_leaf(node: &dyn ExecutionPlan, query: &Arc<QueryLocal>) -> bool {
    // The concrete type: `ExecutionPlan::is` would follow a delegate.
    let any: &dyn Any = node;
    if let Some(scan) = any.downcast_ref::<GovernedScanExec>() {
        return scan.belongs_to(query);
    }
    if let Some(source) = any.downcast_ref::<DataSourceExec>() {
        let inner: &dyn Any = source.data_source().as_ref();
        return inner.is::<MemorySourceConfig>();
    }
    any.is::<EmptyExec>() || any.is::<PlaceholderRowExec>() || any.is::<WorkTableExec>()
}

fn is_known_inner(node: &dyn ExecutionPlan) -> bool {
    let any: &dyn Any = node;
    let known = [
        TypeId::of::<AggregateExec>(),
        TypeId::of::<BoundedWindowAggExec>(),
        TypeId::of::<CoalescePartitionsExec>(),
        TypeId::of::<CooperativeExec>(),
        TypeId::of::<CrossJoinExec>(),
        TypeId::of::<FilterExec>(),
        TypeId::of::<GlobalLimitExec>(),
        TypeId::of::<HashJoinExec>(),
        TypeId::of::<InterleaveExec>(),
        TypeId::of::<LocalLimitExec>(),
        TypeId::of::<MeteredExec>(),
        TypeId::of::<NestedLoopJoinExec>(),
        TypeId::of::<PartialSortExec>(),
        TypeId::of::<PiecewiseMergeJoinExec>(),
        TypeId::of::<PortionedExec>(),
        TypeId::of::<ProjectionExec>(),
        TypeId::of::<RecursiveQueryExec>(),
        TypeId::of::<RepartitionExec>(),
        TypeId::of::<ScalarSubqueryExec>(),
        TypeId::of::<SortExec>(),
        TypeId::of::<SortMergeJoinExec>(),
        TypeId::of::<SortPreservingMergeExec>(),
        TypeId::of::<UnionExec>(),
        TypeId::of::<UnnestExec>(),
        TypeId::of::<WindowAggExec>(),
    ];
    known.contains(&any.type_id())
}

#[cfg(test)]
mod tests;
