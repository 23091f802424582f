//! Ends the work of a query that nobody waits for any more: past its deadline, or its caller is gone.
//!
//! The engine's tasks are cancelled where they yield, and they yield where a batch is handed on by a scan. A join makes
//! any number of batches of a few, and one whose condition no pair meets makes none: `count(*)` over a cross join of five
//! tables kept its thread and its slot for minutes after the answer that it had taken too long. So every node that makes
//! more rows than it gets yields by itself, and every condition of a join looks at the query's own flag.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use datafusion::{
    arrow::datatypes::{DataType, FieldRef},
    common::{
        JoinType, ScalarValue,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    error::Result,
    logical_expr::{
        ColumnarValue, Expr, Join, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, Volatility, expr::ScalarFunction,
    },
    physical_plan::{
        ExecutionPlan,
        coop::CooperativeExec,
        joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PiecewiseMergeJoinExec, SortMergeJoinExec},
        recursive_query::RecursiveQueryExec,
        unnest::UnnestExec,
    },
};

use crate::{
    error::{carry, deadline},
    portion::portioned,
    scan::QueryLocal,
};

/// Stops a query's work when it is dropped, however that comes about.
pub(crate) struct StopOnDrop(pub(crate) Arc<QueryLocal>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A query, to be asked whether anybody still waits for it.
#[derive(Clone, Debug)]
pub(crate) struct Watch(Arc<QueryLocal>);

impl Watch {
    pub(crate) fn new(query: &Arc<QueryLocal>) -> Self {
        Self(query.clone())
    }

    /// Refuses to go on for a query that was stopped.
    ///
    /// # Errors
    /// `Deadline`; nobody reads it.
    pub(crate) fn go_on(&self) -> Result<()> {
        if self.0.is_stopped() { Err(carry(deadline())) } else { Ok(()) }
    }
}

impl PartialEq for Watch {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Watch {}

impl Hash for Watch {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// Makes every node yield that makes more rows than it gets.
pub(crate) fn yielding(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let any: &dyn std::any::Any = node.as_ref();
        if any.is::<UnnestExec>() {
            return Ok(Transformed::yes(Arc::new(CooperativeExec::new(portioned(node)?))));
        }
        let multiplies = any.is::<CrossJoinExec>()
            || any.is::<HashJoinExec>()
            || any.is::<NestedLoopJoinExec>()
            || any.is::<PiecewiseMergeJoinExec>()
            || any.is::<SortMergeJoinExec>()
            || any.is::<RecursiveQueryExec>();
        Ok(if multiplies { Transformed::yes(Arc::new(CooperativeExec::new(node))) } else { Transformed::no(node) })
    })
    .data()
}

/// Makes the conditions of joins look at the query's flag. Runs after the optimiser, which takes conditions apart.
pub(crate) fn watched(plan: LogicalPlan, watch: &Watch) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Join(join) = node else { return Ok(Transformed::no(node)) };
        // The others hand on what they find.
        let silent = matches!(
            join.join_type,
            JoinType::LeftSemi
                | JoinType::RightSemi
                | JoinType::LeftAnti
                | JoinType::RightAnti
                | JoinType::LeftMark
                | JoinType::RightMark
        );
        let filter = match join.filter {
            Some(filter) => Some(look(watch, filter)),
            None if silent && !join.null_aware => {
                Some(look(watch, Expr::Literal(ScalarValue::Boolean(Some(true)), None)))
            }
            None => None,
        };
        Ok(Transformed::yes(LogicalPlan::Join(Join { filter, ..join })))
    })
    .data()
}

fn look(watch: &Watch, condition: Expr) -> Expr {
    let look = Look { watch: watch.clone(), signature: Signature::any(1, Volatility::Volatile) };
    Expr::ScalarFunction(ScalarFunction { func: Arc::new(ScalarUDF::new_from_impl(look)), args: vec![condition] })
}

/// Gives back its argument unless the query was stopped.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Look {
    watch: Watch,
    signature: Signature,
}

impl ScalarUDFImpl for Look {
    fn name(&self) -> &'static str {
        "polder_go_on"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        args.arg_fields.first().cloned().ok_or_else(|| carry(deadline()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.watch.go_on()?;
        args.args.into_iter().next().ok_or_else(|| carry(deadline()))
    }
}

#[cfg(test)]
mod tests;
