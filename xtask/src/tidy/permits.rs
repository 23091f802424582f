//! Every public function of the store asks for a permit, or stands in `xtask/store-without-permit.txt`.
//!
//! The check reads signatures as text: a `pub fn` or `pub async fn` of `crates/store/src` whose parameters take the store
//! or a transaction (`&self`, `&mut self`, `Tx`) mentions a permit, or is listed as `file.rs::function`. Private
//! (`pub(crate)`) functions are reached through public ones only. A listed function that is gone is refused too.

use std::collections::BTreeSet;

use super::Finding;
use crate::repo::File;
use crate::source::{line_of, views, word_positions};

const STORE: &str = "crates/store/src/";
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
                findings.push(Finding::new(file, line, format!("`{name}` takes no permit; if it must not, list `{entry}` in {LIST}")));
            }
            seen.insert(entry);
        }
    }
    if let Some(list) = list {
        let stale = entries(&list.text).filter(|(_, name)| !seen.contains(*name));
        findings.extend(stale.map(|(line, name)| Finding::new(list, line, format!("`{name}` is gone or takes a permit now: remove the line"))));
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
    let starts = word_positions(code, "fn").filter(|&at| {
        let before = code.get(..at).unwrap_or_default().trim_end();
        let before = before.strip_suffix("async").unwrap_or(before).trim_end();
        before.ends_with("pub") || before.ends_with("pub const")
    });
    starts
        .filter_map(|at| {
            let rest = code.get(at + 2..)?.trim_start();
            let signature = rest.split(['{', ';']).next().unwrap_or(rest);
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let over_store = signature.contains("self") || word_positions(signature, "Tx").next().is_some();
            let permitted = signature.to_ascii_lowercase().contains("permit");
            (over_store && !permitted).then(|| (line_of(code, at), name))
        })
        .collect()
}

#[cfg(test)]
mod tests;
