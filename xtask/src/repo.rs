//! The repository as the checks see it: its root, its text files, its target directory. Reads only; skips what git
//! ignores (build output, virtual environments, caches).

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that are never the project's own text.
const SKIPPED: &[&str] = &["target", "node_modules", "__pycache__"];
/// Hidden folders that are.
const HIDDEN_KEPT: &[&str] = &[".ci", ".cargo"];

/// One text file: its path from the repository's root with `/` between segments, and its content.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// Returns the last segment of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Tells whether the file holds tests: `tests.rs`, or anything below a folder named `tests`.
    pub(crate) fn is_test(&self) -> bool {
        self.name() == "tests.rs" || self.path.split('/').any(|segment| segment == "tests")
    }

    /// Tells whether the file is Rust source.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Returns the root of the repository: the folder above this crate. Asked of cargo as it runs this program: checkouts may
/// share a build directory, and a program that was built in another one would look there.
pub(crate) fn root() -> PathBuf {
    let built_in = || env!("CARGO_MANIFEST_DIR").into();
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(built_in));
    package.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Returns where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// Returns cargo's arguments to build every program, always with one set of features: of fewer packages, cargo makes
/// other dependencies.
pub(crate) fn build_bins(release: bool) -> Vec<&'static str> {
    let mut arguments = vec!["build", "--workspace", "--bins"];
    if release {
        arguments.push("--release");
    }
    arguments
}

/// Reads every text file of the repository, sorted by path. Files that are not UTF-8 are left out.
///
/// # Errors
/// A folder or file that cannot be read.
pub(crate) fn files() -> Result<Vec<File>, String> {
    let root = root();
    let mut found = Vec::new();
    walk(&root, "", &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<File>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("cannot list `{}`: {e}", folder.display()))?;
    for entry in entries {
        let entry = entry.map_err(|e| format!("cannot list `{}`: {e}", folder.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(|e| format!("cannot read `{path}`: {e}"))?;
        if kind.is_dir() {
            let hidden = name.starts_with('.') && !HIDDEN_KEPT.contains(&name.as_str());
            if !hidden && !SKIPPED.contains(&name.as_str()) {
                walk(&entry.path(), &format!("{path}/"), found)?;
            }
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).map_err(|e| format!("cannot read `{path}`: {e}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                found.push(File { path, text });
            }
        }
    }
    Ok(())
}
