//! A plan in words: what is read, which policies hold by name, what happens to the rows, which caps apply.
//!
//! Told from the statement's own plan, before optimisation, so that nothing of statistics, files or policy predicates
//! can show.

use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan, SortExpr};

use crate::{answer::PolicyApplied, trace::Origin};

/// Most lines.
const LINES_MAX: usize = 500;
/// Most characters of one line.
const LINE_CHARS_MAX: usize = 400;

/// What is told about one table.
pub(crate) struct Told<'a> {
    pub(crate) table: String,
    pub(crate) snapshot_id: Option<i64>,
    pub(crate) policies: &'a [PolicyApplied],
}

/// Tells a plan.
pub(crate) fn tell(plan: &LogicalPlan, origins: &[Origin], tables: &[Told<'_>], caps: &str) -> Vec<String> {
    let mut lines: Vec<String> = tables.iter().flat_map(told_table).collect();
    steps(plan, &mut lines);
    if origins.iter().any(|output| output.masked) {
        let names = plan.schema().fields().iter().map(|field| field.name().as_str());
        let masked: Vec<&str> = names.zip(origins).filter(|(_, output)| output.masked).map(|(name, _)| name).collect();
        lines.push(format!("masked in the answer: {}", masked.join(", ")));
    }
    lines.truncate(LINES_MAX);
    lines.push(caps.to_owned());
    lines.into_iter().map(|line| line.chars().take(LINE_CHARS_MAX).collect()).collect()
}

fn told_table(told: &Told<'_>) -> Vec<String> {
    let snapshot = match told.snapshot_id {
        Some(id) => format!(" at snapshot {id}"),
        None => ", which is empty".to_owned(),
    };
    let mut lines = vec![format!("read table {}{snapshot}", told.table)];
    for policy in told.policies {
        let effect = match (policy.kind, &policy.column) {
            ("row_filter", _) => "only rows let through by".to_owned(),
            ("mask", Some(column)) => format!("column {column} masked by"),
            _ => "columns hidden by".to_owned(),
        };
        lines.push(format!("  {effect} policy {}", policy.name));
    }
    lines
}

/// The steps of a plan, inputs first.
fn steps(plan: &LogicalPlan, lines: &mut Vec<String>) {
    if lines.len() >= LINES_MAX {
        return;
    }
    for input in plan.inputs() {
        steps(input, lines);
    }
    let list =
        |items: &[Expr]| items.iter().map(|item| item.human_display().to_string()).collect::<Vec<_>>().join(", ");
    let line = match plan {
        LogicalPlan::Projection(node) => format!("compute {}", list(&node.expr)),
        LogicalPlan::Filter(node) => format!("keep rows where {}", node.predicate.human_display()),
        LogicalPlan::Window(node) => format!("compute over windows {}", list(&node.window_expr)),
        LogicalPlan::Aggregate(node) if node.group_expr.is_empty() => format!("aggregate {}", list(&node.aggr_expr)),
        LogicalPlan::Aggregate(node) => {
            format!("group by {} and aggregate {}", list(&node.group_expr), list(&node.aggr_expr))
        }
        LogicalPlan::Sort(node) => {
            let key =
                |sort: &SortExpr| format!("{}{}", sort.expr.human_display(), if sort.asc { "" } else { " descending" });
            format!("sort by {}", node.expr.iter().map(key).collect::<Vec<_>>().join(", "))
        }
        LogicalPlan::Join(node) => {
            let pair = |(left, right): &(Expr, Expr)| format!("{} = {}", left.human_display(), right.human_display());
            let mut on: Vec<String> = node.on.iter().map(pair).collect();
            on.extend(node.filter.as_ref().map(|filter| filter.human_display().to_string()));
            match on.is_empty() {
                true => "join every row with every row".to_owned(),
                false => format!("join ({}) on {}", join_word(node.join_type), on.join(" and ")),
            }
        }
        LogicalPlan::Union(node) => format!("put the rows of {} inputs together", node.inputs.len()),
        LogicalPlan::Distinct(Distinct::All(_)) => "remove duplicate rows".to_owned(),
        LogicalPlan::Distinct(Distinct::On(node)) => format!("keep one row for each {}", list(&node.on_expr)),
        LogicalPlan::Limit(_) => "keep only the first rows that LIMIT and OFFSET name".to_owned(),
        LogicalPlan::Unnest(_) => "make a row for each element of a list".to_owned(),
        LogicalPlan::RecursiveQuery(node) => format!("repeat query {} until it gives no new rows", node.name),
        LogicalPlan::Values(node) => format!("take {} rows from the statement", node.values.len()),
        _ => return,
    };
    lines.push(line);
}

fn join_word(join: JoinType) -> &'static str {
    match join {
        JoinType::Inner => "inner",
        JoinType::Left => "left",
        JoinType::Right => "right",
        JoinType::Full => "full",
        JoinType::LeftSemi | JoinType::RightSemi => "semi",
        JoinType::LeftAnti | JoinType::RightAnti => "anti",
        JoinType::LeftMark | JoinType::RightMark => "mark",
    }
}
