//! Every public function of the store asks for a permit, or stands in `xtask/store-without-permit.txt`.
//!
//! The check reads signatures as text: a `pub fn` or `pub async fn` of `crates/store/src` that is a method of the store or
//! takes one (`Store`, or a transaction `Tx`) mentions a permit, or is listed as `file.rs::function`. What is `pub(crate)` is
//! reached through public functions only. A listed function that is gone is refused too.

use std::collections::BTreeSet;

use super::Finding;
use crate::repo::File;
use crate::source::{line_of, views, word_positions};

const STORE: &str = "crates/store/src/";
/// The types through which the database is reached.
const DOORS: &[&str] = &["Store", "Tx"];
const LIST: &str = "xtask/store-without-permit.txt";

/// Compares the store's public functions with the list.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let list = files.iter().find(|f| f.path == LIST);
    let listed: BTreeSet<&str> = list.map(|f| entries(&f.text).map(|(_, name)| name).collect()).unwrap_or_default();
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for file in files.iter().filter(|f| f.path.starts_with(STORE) && f.is_rust() && !f.is_test()) {
        let code = views(&file.text).code;
        for (line, name) in without_permit(&code) {
            let entry = format!("{}::{name}", file.path.strip_prefix(STORE).unwrap_or(&file.path));
            if !listed.contains(entry.as_str()) {
                findings.push(Finding::new(
                    file,
                    line,
                    format!("`{name}` takes no permit; if it must not, list `{entry}` in {LIST}"),
                ));
            }
            seen.insert(entry);
        }
    }
    if let Some(list) = list {
        let stale = entries(&list.text).filter(|(_, name)| !seen.contains(*name));
        findings.extend(stale.map(|(line, name)| {
            Finding::new(list, line, format!("`{name}` is gone or takes a permit now: remove the line"))
        }));
    }
    findings
}

fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.split('#').next().unwrap_or_default().trim()))
        .filter(|(_, line)| !line.is_empty())
}

/// Returns line and name of each public function over the store whose signature mentions no permit.
fn without_permit(code: &str) -> Vec<(usize, String)> {
    let names_door = |text: &str| DOORS.iter().any(|door| word_positions(text, door).next().is_some());
    let is_public = |at: &usize| {
        let before = code.get(..*at).unwrap_or_default().trim_end();
        let before = before.strip_suffix("async").unwrap_or(before).trim_end();
        before.ends_with("pub") || before.ends_with("pub const")
    };
    word_positions(code, "fn")
        .filter(is_public)
        .filter_map(|at| {
            let rest = code.get(at + 2..)?.trim_start();
            let signature = rest.split(['{', ';']).next().unwrap_or(rest);
            let parameters = signature.rsplit_once("->").map_or(signature, |(parameters, _)| parameters);
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let is_method = word_positions(parameters, "self").next().is_some() && names_door(impl_header(code, at));
            let permitted = signature.to_ascii_lowercase().contains("permit");
            ((is_method || names_door(parameters)) && !permitted).then(|| (line_of(code, at), name))
        })
        .collect()
}

/// Returns the header of the `impl` block around a position, as rustfmt lays it out; empty outside of one.
fn impl_header(code: &str, at: usize) -> &str {
    let before = code.get(..at).unwrap_or_default();
    let start = before.rfind("\nimpl").map_or(if before.starts_with("impl") { Some(0) } else { None }, Some);
    let block = start.and_then(|start| before.get(start..)).unwrap_or_default();
    if block.contains("\n}") { "" } else { block.split('{').next().unwrap_or(block) }
}

#[cfg(test)]
mod tests;
