//! Chains of metadata files, read from the disk behind the server's back: from the pointer back to a known version.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    check::Version,
    failure::{Outcome, Why},
    history::LAST,
};

/// Properties that the checker knows.
const OURS: &str = "soak.";

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    table_uuid: String,
    #[serde(default)]
    properties: BTreeMap<String, String>,
    #[serde(default)]
    current_snapshot_id: Option<i64>,
    #[serde(default)]
    refs: BTreeMap<String, Head>,
    #[serde(default)]
    metadata_log: Vec<LogEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Head {
    snapshot_id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct LogEntry {
    metadata_file: String,
}

/// Reads one metadata file of the table: the version, and the location of the one before.
///
/// # Errors
/// A file that is missing or not whole, or that of another table.
pub(crate) fn read(location: &str, uuid: &str) -> Outcome<(Version, Option<String>)> {
    let path = path(location)?;
    let bytes = std::fs::read(&path).why(format!("a pointer to `{location}`"))?;
    let document: Document = serde_json::from_slice(&bytes).why(format!("the metadata file `{location}`"))?;
    if document.table_uuid != uuid {
        return Err(format!("`{location}` is of table {}, not {uuid}", document.table_uuid));
    }
    let main = document.refs.get("main").map(|head| head.snapshot_id);
    let current = document.current_snapshot_id.filter(|id| *id >= 0);
    if main != current {
        return Err(format!("`{location}`: main is {main:?}, but the current snapshot is {current:?}"));
    }
    let before = document.metadata_log.last().map(|entry| entry.metadata_file.clone());
    let properties = document.properties.into_iter().filter(|(name, _)| name.starts_with(OURS)).collect();
    Ok((Version { location: location.to_owned(), properties, main }, before))
}

/// Reads the versions from `head` back to `known`, which is left out; oldest first.
///
/// # Errors
/// As [`read`]; a chain that does not lead to `known`: what was there is gone.
pub(crate) fn read_back(head: &str, known: &str, uuid: &str) -> Outcome<Vec<Version>> {
    let mut versions = Vec::new();
    let mut location = head.to_owned();
    while location != known {
        let (version, before) = read(&location, uuid)?;
        versions.push(version);
        location =
            before.why(format!("Lost: the chain from `{head}` does not lead to `{known}`, it begins after it"))?;
    }
    versions.reverse();
    Ok(versions)
}

/// The operation that a document names, as a client sees it.
pub(crate) fn last_in(metadata: &serde_json::Value) -> Option<usize> {
    metadata["properties"][LAST].as_str()?.parse().ok()
}

/// The path of a `file` location.
pub(crate) fn path(location: &str) -> Outcome<PathBuf> {
    location.strip_prefix("file://").map(PathBuf::from).why(format!("a path in `{location}`"))
}

/// What lies in a table's metadata directory.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    /// Metadata files, as locations.
    pub(crate) documents: Vec<String>,
    /// Temporary files of writes that never ended.
    pub(crate) temporary: usize,
}

/// Lists a table's metadata directory.
pub(crate) fn leftovers(table_location: &str) -> Outcome<Leftovers> {
    let directory = path(table_location)?.join("metadata");
    let mut found = Leftovers::default();
    for entry in std::fs::read_dir(&directory).why(format!("the directory `{}`", directory.display()))? {
        let path: PathBuf = entry.why("a directory entry")?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            found.documents.push(as_location(&path));
        } else {
            found.temporary += 1;
        }
    }
    Ok(found)
}

fn as_location(path: &Path) -> String {
    format!("file://{}", path.display())
}
