//! Every route has its row in the coverage table.
//!
//! The convention is textual: `crates/server/src/router.rs` names each route's operation as `op::NAME`, and
//! `crates/server/tests/it/coverage.rs` (or a file below `tests/it/coverage/`) names the same operation in its row, as
//! `op::NAME` or as the string `"NAME"`. Upper snake case and camel case are the same name (`LOAD_TABLE`, `LoadTable`,
//! `"loadTable"`). A row without a route is refused too, so that the table cannot rot.

use std::collections::BTreeMap;

use super::Finding;
use crate::repo::File;
use crate::source::{line_of, views};

const ROUTER: &str = "crates/server/src/router.rs";
const TABLE: &str = "crates/server/tests/it/coverage";

/// Compares the operations of the router with those of the coverage table.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let Some(router) = files.iter().find(|f| f.path == ROUTER) else { return Vec::new() };
    let tables: Vec<&File> =
        files.iter().filter(|f| f.path == format!("{TABLE}.rs") || f.path.starts_with(&format!("{TABLE}/"))).collect();
    let routes = operations(&views(&router.text).code);
    if routes.is_empty() {
        return vec![Finding::new(router, 0, "names no operation as `op::NAME`: the coverage check would see nothing")];
    }
    let rows: BTreeMap<String, (&File, usize)> = tables
        .iter()
        .flat_map(|f| {
            operations(&views(&f.text).code).into_iter().chain(quoted(&f.text)).map(move |(n, l)| (n, (*f, l)))
        })
        .collect();
    let missing = routes
        .iter()
        .filter(|(name, _)| !rows.contains_key(*name))
        .map(|(name, line)| Finding::new(router, *line, format!("operation `{name}` has no row in {TABLE}.rs")));
    let stale = tables.iter().flat_map(|file| {
        operations(&views(&file.text).code)
            .into_iter()
            .filter(|(name, _)| !routes.contains_key(name))
            .map(|(name, line)| Finding::new(file, line, format!("row `{name}` has no route in {ROUTER}")))
    });
    missing.chain(stale).collect()
}

/// Returns the operations named `op::NAME` in `code`, by their folded name, each with its first line.
fn operations(code: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for (at, marker) in code.match_indices("op::") {
        let preceded =
            code.get(..at).and_then(|t| t.chars().next_back()).is_some_and(|c| c.is_alphanumeric() || c == '_');
        let name: String = code
            .get(at + marker.len()..)
            .unwrap_or_default()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        // `op::run_op` and other functions are lower case: not operations.
        if !preceded && name.starts_with(|c: char| c.is_ascii_uppercase()) {
            found.entry(fold(&name)).or_insert_with(|| line_of(code, at));
        }
    }
    found
}

/// Returns the words that stand alone in double quotes, folded.
fn quoted(text: &str) -> BTreeMap<String, usize> {
    text.lines()
        .enumerate()
        .flat_map(|(index, line)| line.split('"').skip(1).step_by(2).map(move |word| (word, index + 1)))
        .filter(|(word, _)| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        .map(|(word, line)| (fold(word), line))
        .collect()
}

fn fold(name: &str) -> String {
    name.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests;
