//! What a layer's source may not name, whatever its manifest says: a library through another crate's re-export, a clock,
//! asynchrony in the kernel, the Iceberg libraries in the server outside the demo. Comments, strings and tests are not
//! looked at; the words are whole words of code.

use super::Finding;
use crate::repo::File;
use crate::source::{line_of, views, word_positions};

/// Crates (as the root of a path) that a layer's source must not name.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("types", &["tokio", "sqlx", "axum", "hyper", "reqwest", "datafusion", "object_store", "rand", "getrandom"]),
    (
        "policy",
        &["tokio", "sqlx", "axum", "hyper", "reqwest", "datafusion", "object_store", "rand", "getrandom", "futures"],
    ),
    ("store", &["axum", "hyper", "reqwest", "datafusion", "sqlparser", "object_store", "arrow", "parquet"]),
    ("catalog", &["axum", "hyper", "sqlx", "sqlparser", "datafusion"]),
    ("query", &["axum", "hyper", "sqlx"]),
    ("server", &["sqlx", "datafusion", "sqlparser", "object_store"]),
];

/// Words that must not stand in a layer's code at all.
const WORDS: &[(&str, &[&str])] = &[
    ("types", &["SystemTime", "Instant", "async", "await"]),
    ("policy", &["SystemTime", "Instant", "async", "await"]),
];

/// Paths of the standard library that must not stand in a layer's code.
const STD_PATHS: &[(&str, &[&str])] = &[
    ("types", &["std::time::SystemTime", "std::fs", "std::thread", "std::env"]),
    ("policy", &["std::time", "std::fs", "std::net", "std::io", "std::thread", "std::env", "std::process"]),
];

/// Libraries that the server may use below its demo only, where it acts as its own first client.
const DEMO_ONLY: &[&str] = &["iceberg", "iceberg_catalog_rest", "parquet", "arrow", "tpchgen"];
/// Modules and types at the root of the `iceberg` crate. The server has modules of that name too, so there a bare
/// `iceberg::` says nothing; one of these after it does.
const ICEBERG_ROOT: &[&str] = &[
    "spec",
    "io",
    "arrow",
    "writer",
    "transaction",
    "table",
    "scan",
    "Catalog",
    "CatalogBuilder",
    "TableIdent",
    "NamespaceIdent",
];

/// Checks every source file below `crates/*/src` that is not a test.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().filter(|f| f.is_rust() && !f.is_test()).flat_map(source).collect()
}

fn source(file: &File) -> Vec<Finding> {
    let Some((layer, inside)) = file.path.strip_prefix("crates/").and_then(|rest| rest.split_once("/src/")) else {
        return Vec::new();
    };
    let code = views(&file.text).code;
    let listed = |table: &[(&str, &'static [&'static str])]| {
        table.iter().find(|(l, _)| *l == layer).map_or(&[][..], |(_, list)| *list)
    };
    let mut findings = Vec::new();
    let mut report = |at: usize, what: &str| {
        findings.push(Finding::new(file, line_of(&code, at), format!("`{layer}` must never name `{what}`")));
    };
    for library in listed(LIBRARIES) {
        crate_uses(&code, library).for_each(|at| report(at, library));
    }
    for word in listed(WORDS) {
        word_positions(&code, word).for_each(|at| report(at, word));
    }
    for path in listed(STD_PATHS) {
        word_positions(&code, path).for_each(|at| report(at, path));
    }
    if layer == "server" && !inside.starts_with("demo/") && inside != "demo.rs" {
        for library in DEMO_ONLY {
            let uses = crate_uses(&code, library).filter(|at| *library != "iceberg" || is_iceberg_library(&code, *at));
            uses.for_each(|at| report(at, library));
        }
    }
    findings
}

/// Returns where `library` stands as the root of a path (`library::…`, `use library;`).
fn crate_uses<'a>(code: &'a str, library: &'a str) -> impl Iterator<Item = usize> + 'a {
    word_positions(code, library).filter(move |&at| {
        let before = code.get(..at).unwrap_or_default();
        let after = code.get(at + library.len()..).unwrap_or_default();
        let absolute = before.ends_with(" ::") || before.ends_with("(::") || before.ends_with("<::");
        (!before.ends_with("::") || absolute) && (after.starts_with("::") || before.ends_with("use "))
    })
}

fn is_iceberg_library(code: &str, at: usize) -> bool {
    let before = code.get(..at).unwrap_or_default();
    let after = code.get(at + "iceberg::".len()..).unwrap_or_default();
    let next = after.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    before.ends_with("use ") || before.ends_with("::") || ICEBERG_ROOT.contains(&next)
}

#[cfg(test)]
mod tests;
