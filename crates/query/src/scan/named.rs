//! Which files a table's manifests name, by nothing but their paths: a table is purged whatever types and versions it has,
//! also where this build could not read a row of it. Refuses what `avro` refuses.

use apache_avro::{Reader, types::Value};
use polder_types::Error;

use super::{
    avro::{self, Kept},
    error::unreadable,
};

/// The manifests that a list names.
///
/// # Errors
/// The opaque error for whatever is no list of manifests.
pub(crate) fn manifests_of(list: &[u8]) -> Result<Vec<String>, Error> {
    texts(list, Kept::Values, &["manifest_path"])
}

/// The data and delete files that a manifest names, those too that it says are gone: what an earlier snapshot still had.
///
/// # Errors
/// The opaque error for whatever is no manifest.
pub(crate) fn files_of(manifest: &[u8]) -> Result<Vec<String>, Error> {
    texts(manifest, Kept::Entries, &["data_file", "file_path"])
}

/// The text at a path of members in every record.
fn texts(container: &[u8], kept: Kept, members: &[&str]) -> Result<Vec<String>, Error> {
    let opened = avro::opened(container, kept)?;
    let mut found = Vec::with_capacity(opened.records.min(4_096));
    for record in Reader::new(opened.bytes.as_slice()).map_err(unreadable)? {
        let record = record.map_err(unreadable)?;
        let text = members.iter().try_fold(&record, |value, member| child(value, member));
        match text {
            Some(Value::String(text)) => found.push(text.clone()),
            _ => return Err(unreadable("a record of a manifest names no file")),
        }
    }
    Ok(found)
}

fn child<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Record(members) => members.iter().find(|(member, _)| member == name).map(|(_, value)| value),
        Value::Union(_, inner) => child(inner, name),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
