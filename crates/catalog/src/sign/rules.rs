//! The requests that are signed: the few that Iceberg's file clients send, by method and parameters. Refuses the rest of
//! S3: policies, ACLs, tags, versions, locks, listings of other places, copies.

use polder_types::{Location, rest::RemoteSignMethod};

use crate::{
    places::DOCUMENT_END,
    s3_url::{S3Target, check_key, is_below},
};

/// What kind of request it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// About one object below the table.
    Object,
    /// A list of what is below a prefix, which is below the table.
    List(String),
    /// A deletion of the objects that its body names.
    DeleteObjects,
}

/// Parameters that change nothing but what is logged, or which part is read.
const OF_READS: &[&str] = &["partNumber", "x-id"];
const OF_LISTS: &[&str] = &[
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "list-type",
    "marker",
    "max-keys",
    "prefix",
    "start-after",
];

/// Says which kind a request is.
///
/// # Errors
/// Why it is none.
// SECURITY: a list of what is allowed. S3 tells its operations apart by parameters, so one that is not listed could make
// any request another one.
pub(super) fn kind(method: RemoteSignMethod, target: &S3Target, place: &Location) -> Result<Kind, &'static str> {
    use RemoteSignMethod::{Delete, Get, Head, Post, Put};
    let names: Vec<&str> = target.query.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "x-id").collect();
    if target.key.is_empty() {
        return match method {
            Get if names.iter().all(|name| OF_LISTS.contains(name)) => list(target, place),
            Post if names == ["delete"] && value(target, "delete") == Some("") => Ok(Kind::DeleteObjects),
            _ => Err(NOT_LISTED),
        };
    }
    if !is_below(&target.key, place) {
        return Err(OUTSIDE);
    }
    // SECURITY: only the catalog writes the documents that its pointers name (R4, R12).
    if matches!(method, Put | Post) && target.key.ends_with(DOCUMENT_END) {
        return Err(OF_THE_CATALOG);
    }
    match method {
        Get | Head if names.iter().all(|name| OF_READS.contains(name)) => Ok(Kind::Object),
        Put | Delete if names.is_empty() => Ok(Kind::Object),
        // The parts of a large object: begin, add, complete, give up.
        Post if names == ["uploads"] && value(target, "uploads") == Some("") => Ok(Kind::Object),
        Put if names == ["partNumber", "uploadId"] => Ok(Kind::Object),
        Post | Delete if names == ["uploadId"] => Ok(Kind::Object),
        _ => Err(NOT_LISTED),
    }
}

/// Checks that every key is below the table.
///
/// # Errors
/// If one is not.
pub(super) fn all_below(keys: &[String], place: &Location) -> Result<(), &'static str> {
    match keys.iter().all(|key| check_key(key).is_ok() && is_below(key, place)) {
        true => Ok(()),
        false => Err(OUTSIDE),
    }
}

const OUTSIDE: &str = "it names something outside the table's location";
const OF_THE_CATALOG: &str = "only the catalog writes metadata files";
const NOT_LISTED: &str = "it is none of the requests that a table's files need";

fn list(target: &S3Target, place: &Location) -> Result<Kind, &'static str> {
    let prefix = value(target, "prefix").unwrap_or_default();
    // SECURITY: the slash that ends the table's location is part of it: without it neighbours would be listed (R7).
    if prefix.is_empty() || check_key(prefix).is_err() || !is_below(prefix, place) {
        return Err(OUTSIDE);
    }
    Ok(Kind::List(prefix.to_owned()))
}

fn value<'a>(target: &'a S3Target, name: &str) -> Option<&'a str> {
    target.query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests;
