//! Where the columns of a plan come from, and how large its expressions grow once the optimiser puts them into one another.
//!
//! Owns the mark `masked` of an output column and the bound on nested expressions: `SELECT a + a AS a FROM (SELECT a + a
//! AS a FROM …)` doubles at each level when a filter is pushed down, and planning cannot be cancelled.

use std::collections::BTreeSet;

use datafusion::{
    catalog::cte_worktable::CteWorkTable,
    common::{
        Column, DFSchemaRef,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    datasource::source_as_provider,
    error::Result as EngineResult,
    logical_expr::{
        Aggregate, Distinct, Expr, Join, JoinType, LogicalPlan, RecursiveQuery, TableScan,
        utils::grouping_set_to_exprlist,
    },
};
use polder_types::Error;

use crate::{
    error::{Phase, limit, planned},
    govern::{GovernedTable, TableKey},
};

/// Most nodes that the expressions of one plan node stand for, once put into one another.
pub(crate) const EXPRESSION_NODES_MAX: u64 = 50_000;

/// Most rounds through a recursive term.
const RECURSION_ROUNDS_MAX: usize = 32;

/// Where one column comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The governed columns that its value may depend on.
    pub(crate) sources: BTreeSet<(TableKey, String)>,
    /// True if one of them is masked.
    pub(crate) masked: bool,
    /// Nodes of the expression.
    weight: u64,
}

impl Origin {
    fn leaf() -> Self {
        Self { weight: 1, ..Self::default() }
    }

    /// True if both say the same of where a value comes from.
    fn says_as(&self, other: &Self) -> bool {
        self.masked == other.masked && self.sources == other.sources
    }

    fn join(&mut self, other: &Self) {
        self.sources.extend(other.sources.iter().cloned());
        self.masked |= other.masked;
        self.weight = self.weight.saturating_add(other.weight);
    }
}

/// Traces a plan as the planner made it, before any optimisation: one origin for each output column.
///
/// # Errors
/// `Invalid` with code `limit_exceeded` if its expressions grow beyond the bound.
pub(crate) fn trace(plan: &LogicalPlan) -> Result<Vec<Origin>, Error> {
    Tracer::default().node(plan)
}

#[derive(Default)]
struct Tracer {
    /// The columns that correlated subqueries may refer to, innermost last.
    outer: Vec<(DFSchemaRef, Vec<Origin>)>,
    /// What the recursive queries around a node have made so far, innermost last.
    working: Vec<(String, Vec<Origin>)>,
}

impl Tracer {
    fn node(&mut self, plan: &LogicalPlan) -> Result<Vec<Origin>, Error> {
        let width = plan.schema().fields().len();
        let mut outputs = match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan)?,
            LogicalPlan::Projection(node) => self.exprs(&node.expr, &node.input)?,
            LogicalPlan::Filter(node) => {
                let input = self.node(&node.input)?;
                self.weigh(std::slice::from_ref(&node.predicate), node.input.schema(), &input)?;
                input
            }
            LogicalPlan::Window(node) => {
                let input = self.node(&node.input)?;
                let windows = self.weigh(&node.window_expr, node.input.schema(), &input)?;
                [input, windows].concat()
            }
            LogicalPlan::Aggregate(node) => self.aggregate(node)?,
            LogicalPlan::Join(join) => self.join(join)?,
            LogicalPlan::Sort(node) => {
                let input = self.node(&node.input)?;
                let keys: Vec<Expr> = node.expr.iter().map(|sort| sort.expr.clone()).collect();
                self.weigh(&keys, node.input.schema(), &input)?;
                input
            }
            LogicalPlan::Distinct(Distinct::On(on)) => {
                let input = self.node(&on.input)?;
                // What makes rows alike and which of them comes first may read tables of their own.
                let sorts = on.sort_expr.iter().flatten().map(|sort| sort.expr.clone());
                let keys: Vec<Expr> = on.on_expr.iter().cloned().chain(sorts).collect();
                self.weigh(&keys, on.input.schema(), &input)?;
                self.weigh(&on.select_expr, on.input.schema(), &input)?
            }
            LogicalPlan::Unnest(node) => {
                let input = self.node(&node.input)?;
                node.dependency_indices.iter().map(|index| input.get(*index).cloned().unwrap_or_default()).collect()
            }
            LogicalPlan::Union(node) => self.merged(&node.inputs.iter().map(AsRef::as_ref).collect::<Vec<_>>())?,
            LogicalPlan::RecursiveQuery(node) => self.recursive(node)?,
            other => match other.inputs().as_slice() {
                [] => Vec::new(),
                [one] => self.node(one)?,
                // No such node is known; whatever it is, its columns may come from everywhere below.
                many => {
                    let mut all = Origin::leaf();
                    for input in many {
                        self.node(input)?.iter().for_each(|origin| all.join(origin));
                    }
                    vec![all; width]
                }
            },
        };
        outputs.resize_with(width, Origin::leaf);
        Ok(outputs)
    }

    fn scan(&mut self, scan: &TableScan) -> Result<Vec<Origin>, Error> {
        let width = scan.projected_schema.fields().len();
        let Ok(provider) = source_as_provider(&scan.source) else { return Ok(vec![Origin::leaf(); width]) };
        let any: &dyn std::any::Any = provider.as_ref();
        if any.is::<CteWorkTable>() {
            let made = self.working.iter().rev().find(|(name, _)| name == scan.table_name.table());
            return Ok(made.map_or_else(|| vec![Origin::leaf(); width], |(_, origins)| origins.clone()));
        }
        let Some(table) = any.downcast_ref::<GovernedTable>() else { return Ok(vec![Origin::leaf(); width]) };
        let schema = table.source().schema();
        let shown = scan.projection.clone().unwrap_or_else(|| (0..schema.fields().len()).collect());
        Ok(shown
            .into_iter()
            .map(|index| {
                let name = schema.fields().get(index).map(|field| field.name().clone()).unwrap_or_default();
                Origin {
                    sources: BTreeSet::from([(table.key().clone(), name)]),
                    masked: table.source().masked(index),
                    weight: 1,
                }
            })
            .collect())
    }

    fn exprs(&mut self, exprs: &[Expr], input: &LogicalPlan) -> Result<Vec<Origin>, Error> {
        let origins = self.node(input)?;
        self.weigh(exprs, input.schema(), &origins)
    }

    fn aggregate(&mut self, node: &Aggregate) -> Result<Vec<Origin>, Error> {
        let input = self.node(&node.input)?;
        let groups: Vec<Expr> = planned(grouping_set_to_exprlist(&node.group_expr))?.into_iter().cloned().collect();
        let mut outputs = self.weigh(&groups, node.input.schema(), &input)?;
        let aggregates = self.weigh(&node.aggr_expr, node.input.schema(), &input)?;
        // Grouping sets add their id between the groups and the aggregates.
        outputs.resize_with(node.schema.fields().len().saturating_sub(aggregates.len()), Origin::leaf);
        outputs.extend(aggregates);
        Ok(outputs)
    }

    fn join(&mut self, join: &Join) -> Result<Vec<Origin>, Error> {
        let left = self.node(&join.left)?;
        let right = self.beside(&join.right, join.left.schema(), &left)?;
        if let Some(filter) = &join.filter {
            let both = planned(join.left.schema().join(join.right.schema()))?;
            let origins = [left.clone(), right.clone()].concat();
            self.weigh(std::slice::from_ref(filter), &both.into(), &origins)?;
        }
        Ok(match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => left,
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => right,
            _ => [left, right].concat(),
        })
    }

    /// The right side of a join; a lateral one refers to the columns of the left.
    fn beside(&mut self, right: &LogicalPlan, schema: &DFSchemaRef, left: &[Origin]) -> Result<Vec<Origin>, Error> {
        match right {
            LogicalPlan::SubqueryAlias(alias) => self.beside(&alias.input, schema, left),
            LogicalPlan::Subquery(lateral) => {
                self.outer.push((schema.clone(), left.to_vec()));
                let outputs = self.node(&lateral.subquery);
                self.outer.pop();
                outputs
            }
            other => self.node(other),
        }
    }

    /// Goes through the recursive term until it adds nothing: a value may move on by one column in each round.
    fn recursive(&mut self, node: &RecursiveQuery) -> Result<Vec<Origin>, Error> {
        let first = self.node(&node.static_term)?;
        let mut known = first.clone();
        for _ in 0..RECURSION_ROUNDS_MAX {
            let made = known.iter().map(|origin| Origin { weight: 1, ..origin.clone() }).collect();
            self.working.push((node.name.clone(), made));
            let step = self.node(&node.recursive_term);
            self.working.pop();
            let mut next = first.clone();
            let step = step?;
            next.resize_with(next.len().max(step.len()), Origin::default);
            next.iter_mut().zip(&step).for_each(|(origin, more)| origin.join(more));
            let settled = next.len() == known.len() && next.iter().zip(&known).all(|(new, old)| new.says_as(old));
            known = next;
            if settled {
                return Ok(known);
            }
        }
        // Nobody has followed it to its end: any column may come from any other.
        let mut all = Origin::leaf();
        known.iter().for_each(|origin| all.join(origin));
        Ok(vec![all; known.len()])
    }

    fn merged(&mut self, inputs: &[&LogicalPlan]) -> Result<Vec<Origin>, Error> {
        let mut outputs: Vec<Origin> = Vec::new();
        for input in inputs {
            let origins = self.node(input)?;
            outputs.resize_with(outputs.len().max(origins.len()), Origin::default);
            outputs.iter_mut().zip(&origins).for_each(|(output, origin)| output.join(origin));
        }
        Ok(outputs)
    }

    /// Traces expressions over an input and bounds what they stand for together.
    fn weigh(&mut self, exprs: &[Expr], schema: &DFSchemaRef, input: &[Origin]) -> Result<Vec<Origin>, Error> {
        let mut outputs = Vec::with_capacity(exprs.len());
        let mut total = 0u64;
        for expr in exprs {
            let origin = self.expr(expr, schema, input)?;
            total = total.saturating_add(origin.weight);
            outputs.push(origin);
        }
        if total > EXPRESSION_NODES_MAX {
            return Err(limit(
                Phase::Plan,
                format!("the expressions of a query stand for at most {EXPRESSION_NODES_MAX} operations"),
            ));
        }
        Ok(outputs)
    }

    fn expr(&mut self, expr: &Expr, schema: &DFSchemaRef, input: &[Origin]) -> Result<Origin, Error> {
        let mut origin = Origin::default();
        let mut failure = None;
        let walked: EngineResult<_> = expr.apply(|node| {
            let part = match node {
                Expr::Column(column) => Ok(column_origin(column, schema, input)),
                Expr::OuterReferenceColumn(_, column) => Ok(self.outer_origin(column)),
                Expr::ScalarSubquery(subquery) => self.subquery(&subquery.subquery, schema, input),
                Expr::Exists(exists) => self.subquery(&exists.subquery.subquery, schema, input),
                Expr::InSubquery(within) => self.subquery(&within.subquery.subquery, schema, input),
                Expr::SetComparison(compared) => self.subquery(&compared.subquery.subquery, schema, input),
                _ => Ok(Origin::leaf()),
            };
            match part {
                Ok(part) => {
                    origin.join(&part);
                    Ok(TreeNodeRecursion::Continue)
                }
                Err(error) => {
                    failure = Some(error);
                    Ok(TreeNodeRecursion::Stop)
                }
            }
        });
        planned(walked)?;
        failure.map_or(Ok(origin), Err)
    }

    fn subquery(&mut self, plan: &LogicalPlan, schema: &DFSchemaRef, input: &[Origin]) -> Result<Origin, Error> {
        self.outer.push((schema.clone(), input.to_vec()));
        let outputs = self.node(plan);
        self.outer.pop();
        let mut all = Origin::leaf();
        outputs?.iter().for_each(|origin| all.join(origin));
        Ok(all)
    }

    fn outer_origin(&self, column: &Column) -> Origin {
        self.outer
            .iter()
            .rev()
            .find_map(|(schema, origins)| schema.maybe_index_of_column(column).and_then(|i| origins.get(i)).cloned())
            .unwrap_or_else(Origin::leaf)
    }
}

fn column_origin(column: &Column, schema: &DFSchemaRef, input: &[Origin]) -> Origin {
    schema.maybe_index_of_column(column).and_then(|index| input.get(index)).cloned().unwrap_or_else(Origin::leaf)
}

#[cfg(test)]
mod tests;
