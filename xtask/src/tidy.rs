//! The house rules, one file a family. Each check takes the repository's files and returns findings; none changes
//! anything. Also a test: `cargo test -p xtask` runs all of them over the repository.

mod arrows;
mod dialects;
mod files;
mod imports;
mod permits;
mod routes;

use crate::repo::{self, File};

/// One broken rule at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// Counted from 1; 0 when the whole file is meant.
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Finding {
    fn new(file: &File, line: usize, message: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, message: message.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Runs every check over the repository and prints what it finds; true when nothing was found.
///
/// # Errors
/// Files that cannot be read.
pub(crate) fn command() -> Result<bool, String> {
    let files = repo::files()?;
    let findings = check(&files);
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} files, {} findings", files.len(), findings.len());
    Ok(findings.is_empty())
}

/// Runs every check over `files`.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(arrows::check(files));
    findings.extend(imports::check(files));
    findings.extend(files::check(files));
    findings.extend(routes::check(files));
    findings.extend(permits::check(files));
    findings.extend(dialects::check(files));
    findings.sort();
    findings.dedup();
    findings
}

#[cfg(test)]
mod tests;
