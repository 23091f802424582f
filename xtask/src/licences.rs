//! What may enter the dependency tree, held on every run: licences, bans and sources of `deny.toml`, over what
//! `cargo metadata` says. Reads licence expressions as SPDX writes them; an expression it cannot read is refused.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::process::{cargo, output};
use crate::repo;

const RULES: &str = "deny.toml";
/// The end of the default registry's source, as cargo writes it.
const DEFAULT_REGISTRY: &str = "github.com/rust-lang/crates.io-index";

/// Checks the whole tree, all platforms; true when every package may be in it.
///
/// # Errors
/// Rules or metadata that cannot be read.
pub(crate) fn command() -> Result<bool, String> {
    let text = fs::read_to_string(repo::root().join(RULES)).map_err(|e| format!("cannot read `{RULES}`: {e}"))?;
    let rules = Rules::parse(&text)?;
    let metadata = output(cargo(&["metadata", "--format-version", "1"]))?;
    let packages = packages(&metadata)?;
    let problems = rules.check(&packages);
    for problem in &problems {
        println!("licences: {problem}");
    }
    println!("licences: {} packages, {} problems", packages.len(), problems.len());
    Ok(problems.is_empty())
}

/// One package of the tree.
#[derive(Debug)]
struct Package {
    name: String,
    licence: String,
    /// `None` for a package of this repository.
    source: Option<String>,
}

fn packages(metadata: &str) -> Result<Vec<Package>, String> {
    let metadata: Value = serde_json::from_str(metadata).map_err(|e| format!("cannot read cargo's metadata: {e}"))?;
    let text = |package: &Value, key: &str| package.get(key).and_then(Value::as_str).map(str::to_owned);
    let list = metadata.get("packages").and_then(Value::as_array).ok_or("cargo's metadata lists no packages")?;
    Ok(list
        .iter()
        .map(|p| Package {
            name: text(p, "name").unwrap_or_default(),
            licence: text(p, "license").unwrap_or_default(),
            source: text(p, "source"),
        })
        .collect())
}

#[derive(Debug)]
struct Rules {
    allowed: BTreeSet<String>,
    banned: BTreeSet<String>,
}

impl Rules {
    fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table =
            text.parse().map_err(|e: toml::de::Error| format!("`{RULES}` is not TOML: {}", e.message()))?;
        let list = |section: &str, key: &str| {
            let found = table.get(section).and_then(|s| s.get(key)).and_then(toml::Value::as_array);
            found.cloned().ok_or_else(|| format!("`{RULES}` has no `{section}.{key}`"))
        };
        let allowed = list("licenses", "allow")?.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
        let banned = list("bans", "deny")?.iter().filter_map(|v| v.get("crate")?.as_str().map(str::to_owned)).collect();
        Ok(Self { allowed, banned })
    }

    fn check(&self, packages: &[Package]) -> Vec<String> {
        let mut problems = Vec::new();
        for package in packages {
            let name = &package.name;
            if !satisfied(&package.licence, &self.allowed) {
                problems.push(format!("`{name}` has the licence `{}`, which is not allowed", package.licence));
            }
            if self.banned.contains(name) {
                problems.push(format!("`{name}` is banned"));
            }
            if package.source.as_ref().is_some_and(|s| !s.starts_with("registry+") || !s.ends_with(DEFAULT_REGISTRY)) {
                problems.push(format!("`{name}` does not come from the default registry"));
            }
        }
        for licence in &self.allowed {
            let others: BTreeSet<String> = self.allowed.iter().filter(|l| *l != licence).cloned().collect();
            if packages.iter().all(|p| satisfied(&p.licence, &others)) {
                problems.push(format!("`{licence}` is allowed but nothing needs it: remove it from {RULES}"));
            }
        }
        problems
    }
}

/// Tells whether a licence expression can be satisfied with the allowed licences.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { tokens: &tokens, allowed };
    reader.any() == Some(true) && reader.tokens.is_empty()
}

/// A reader of SPDX expressions: OR of ANDs of licences, with parentheses; `None` when it cannot be read.
struct Reader<'a> {
    tokens: &'a [&'a str],
    allowed: &'a BTreeSet<String>,
}

impl Reader<'_> {
    fn any(&mut self) -> Option<bool> {
        let mut value = self.all()?;
        while self.accept("OR") {
            value |= self.all()?;
        }
        Some(value)
    }

    fn all(&mut self) -> Option<bool> {
        let mut value = self.licence()?;
        while self.accept("AND") {
            value &= self.licence()?;
        }
        Some(value)
    }

    fn licence(&mut self) -> Option<bool> {
        if self.accept("(") {
            let value = self.any()?;
            return self.accept(")").then_some(value);
        }
        let mut name = self.next().filter(|t| !matches!(*t, "AND" | "OR" | "WITH" | ")"))?.to_owned();
        if self.accept("WITH") {
            name = format!("{name} WITH {}", self.next()?);
        }
        Some(self.allowed.contains(&name))
    }

    fn next(&mut self) -> Option<&str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn accept(&mut self, token: &str) -> bool {
        let found = self.tokens.first() == Some(&token);
        if found {
            self.tokens = self.tokens.get(1..).unwrap_or_default();
        }
        found
    }
}

#[cfg(test)]
mod tests;
