//! The rows of the table, one file a family.

mod commits;
mod history;
mod namespaces;
mod plans;
mod queries;
mod requests;
mod scale;
mod start;
mod tables;
mod transactions;
mod vending;

use crate::{Options, Result, report::Line};

/// One row, by the name that `--row` takes.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) measure: fn(&Options) -> Result<Vec<Line>>,
}

/// Every row.
pub(crate) const ALL: &[Row] = &[
    Row { name: "load-table", measure: requests::load_table },
    Row { name: "load-table-postgres", measure: requests::load_table_postgres },
    Row { name: "token", measure: requests::token },
    Row { name: "commits", measure: commits::commits },
    Row { name: "transactions", measure: transactions::transactions },
    Row { name: "vending", measure: vending::vending },
    Row { name: "plans", measure: plans::plans },
    Row { name: "history", measure: history::history },
    Row { name: "scale", measure: scale::scale },
    Row { name: "scale-postgres", measure: scale::scale_postgres },
    Row { name: "namespaces", measure: namespaces::namespaces },
    Row { name: "queries", measure: queries::queries },
    Row { name: "governance", measure: queries::governance },
    Row { name: "start", measure: start::start },
];
