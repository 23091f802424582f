//! Which crate may depend on which: types <- policy <- store <- catalog <- query <- server. A crate sees only those to its
//! left; the test kit is a development dependency and nothing else, and nothing depends on the bench; libraries that a
//! layer must never see are not in its manifest either.

use super::Finding;
use crate::repo::File;
use crate::source::line_of;

/// The crates in the order of their arrows.
pub(super) const ORDER: &[&str] = &["types", "policy", "store", "catalog", "query", "server"];

/// Libraries (by name or by prefix with `*`) that must not be in a crate's `[dependencies]`.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("types", &["tokio*", "sqlx*", "axum*", "hyper*", "reqwest", "datafusion*", "object_store", "rand*", "getrandom"]),
    (
        "policy",
        &[
            "tokio*",
            "sqlx*",
            "axum*",
            "hyper*",
            "reqwest",
            "datafusion*",
            "object_store",
            "rand*",
            "getrandom",
            "futures",
        ],
    ),
    (
        "store",
        &["axum*", "hyper*", "reqwest", "datafusion*", "sqlparser", "object_store", "arrow*", "parquet", "iceberg*"],
    ),
    ("catalog", &["axum*", "hyper*", "sqlx*", "sqlparser", "datafusion*"]),
    ("query", &["axum*", "hyper*", "sqlx*"]),
    ("server", &["sqlx*", "datafusion*", "sqlparser", "object_store"]),
    ("testkit", &["sqlx*", "datafusion*"]),
];

/// Checks every manifest below `crates/`.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files
        .iter()
        .filter_map(|file| Some((file, crate_of_manifest(&file.path)?)))
        .flat_map(|(f, c)| manifest(f, c))
        .collect()
}

fn crate_of_manifest(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")
}

fn manifest(file: &File, name: &str) -> Vec<Finding> {
    let table: toml::Table = match file.text.parse() {
        Ok(table) => table,
        Err(e) => return vec![Finding::new(file, 0, format!("is not TOML: {}", e.message()))],
    };
    let keys = |section: &str| -> Vec<String> {
        table.get(section).and_then(toml::Value::as_table).map_or_else(Vec::new, |t| t.keys().cloned().collect())
    };
    let mut findings = Vec::new();
    let mut report = |key: &str, message: String| {
        let line = file.text.find(&format!("\n{key}")).map_or(0, |at| line_of(&file.text, at + 1));
        findings.push(Finding::new(file, line, message));
    };
    for section in ["dependencies", "build-dependencies"] {
        for key in keys(section) {
            if let Some(message) = forbidden_arrow(name, &key).or_else(|| forbidden_library(name, &key)) {
                report(&key, message);
            }
        }
    }
    for key in keys("dev-dependencies") {
        if key != "polder-testkit"
            && let Some(message) = forbidden_arrow(name, &key)
        {
            report(&key, message);
        }
    }
    findings
}

fn forbidden_arrow(name: &str, dependency: &str) -> Option<String> {
    let target = dependency.strip_prefix("polder-")?;
    let rank = |c: &str| ORDER.iter().position(|o| *o == c);
    match (rank(name), rank(target)) {
        _ if target == "testkit" => Some("`polder-testkit` may only be a development dependency".to_owned()),
        (None, Some(_)) if matches!(name, "testkit" | "bench") => None,
        (Some(from), Some(to)) if to < from => None,
        _ => Some(format!("`{name}` must not depend on `{target}`: the arrows run {}", ORDER.join(" <- "))),
    }
}

fn forbidden_library(name: &str, dependency: &str) -> Option<String> {
    let (_, patterns) = FORBIDDEN.iter().find(|(c, _)| *c == name)?;
    let hit =
        patterns.iter().any(|p| p.strip_suffix('*').map_or(*p == dependency, |prefix| dependency.starts_with(prefix)));
    hit.then(|| format!("`{name}` must never see `{dependency}`"))
}

#[cfg(test)]
mod tests;
