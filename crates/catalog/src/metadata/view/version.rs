//! The versions of a view and its history: a few typed members each, beside the text they came from.

use std::collections::{BTreeMap, BTreeSet};

use polder_types::{Error, Result, Subject};
use serde::Deserialize;
use serde_json::Value;

use super::{
    super::raw::{Raw, decode},
    invalid,
};

/// The type of a representation that holds a statement.
const SQL: &str = "sql";

/// A version: what the view is made of.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) version_id: i32,
    pub(super) timestamp_ms: i64,
    pub(super) schema_id: i32,
    /// The dialects of its statements, in lower case, as often as they are there.
    dialects: Vec<String>,
    representations: usize,
    /// The hash of what it means: equal ones behave alike, whatever their id and time (Java's `sameViewVersion`).
    pub(super) fingerprint: blake3::Hash,
    pub(super) raw: Raw,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WireVersion {
    version_id: i32,
    timestamp_ms: i64,
    schema_id: i32,
    /// Free notes of the engine.
    #[serde(rename = "summary")]
    _summary: BTreeMap<String, String>,
    representations: Vec<WireRepresentation>,
    #[serde(rename = "default-catalog")]
    _default_catalog: Option<String>,
    #[serde(rename = "default-namespace")]
    _default_namespace: Vec<String>,
}

#[derive(Deserialize)]
struct WireRepresentation {
    #[serde(rename = "type")]
    kind: String,
    sql: Option<String>,
    dialect: Option<String>,
}

impl WireRepresentation {
    /// The dialect in lower case; `None` for a representation that is not known.
    fn dialect(self) -> Result<Option<String>> {
        if !self.kind.eq_ignore_ascii_case(SQL) {
            return Ok(None);
        }
        match (self.sql, self.dialect) {
            (Some(_), Some(dialect)) => Ok(Some(dialect.to_lowercase())),
            _ => Err(invalid("the view version is not valid: a SQL representation has `sql` and `dialect`")),
        }
    }
}

impl Version {
    /// Decodes a version.
    ///
    /// # Errors
    /// `Invalid` if a member of the specification is missing or has not the right shape.
    pub(super) fn decode(raw: Raw) -> Result<Self> {
        let wire: WireVersion = decode(&raw, "the view version").map_err(about_a_view)?;
        let representations = wire.representations.len();
        let dialects = wire.representations.into_iter().filter_map(|one| one.dialect().transpose());
        let dialects = dialects.collect::<Result<_>>()?;
        let mut meaning: Value = decode(&raw, "the view version").map_err(about_a_view)?;
        if let Some(object) = meaning.as_object_mut() {
            object.retain(|name, member| name != "version-id" && name != "timestamp-ms" && !member.is_null());
        }
        let fingerprint = blake3::hash(sorted(meaning).to_string().as_bytes());
        let WireVersion { version_id, timestamp_ms, schema_id, .. } = wire;
        Ok(Self { version_id, timestamp_ms, schema_id, dialects, representations, fingerprint, raw })
    }

    /// The dialects that it has a statement in.
    pub(super) fn dialects(&self) -> BTreeSet<&str> {
        self.dialects.iter().map(String::as_str).collect()
    }

    /// Refuses what a version that is added may not be, though a document that holds it can be read.
    ///
    /// # Errors
    /// `Invalid` without a representation, with two statements in one dialect, or with an id below 0.
    pub(super) fn check_new(&self) -> Result<()> {
        if self.representations == 0 {
            return Err(invalid("Invalid view version: it has no representation"));
        }
        if self.version_id < 0 {
            return Err(invalid("Invalid view version: its id is below 0"));
        }
        let mut seen = BTreeSet::new();
        match self.dialects.iter().find(|dialect| !seen.insert(dialect.as_str())) {
            None => Ok(()),
            Some(twice) => {
                let message = format!("Invalid view version: Cannot add multiple queries for dialect {twice}");
                Err(Error::invalid("illegal_argument", message).about(Subject::View))
            }
        }
    }
}

/// The order in which an object's members were written has no meaning.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<String, Value> =
                members.into_iter().map(|(name, member)| (name, sorted(member))).collect();
            Value::Object(members.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}

pub(super) fn about_a_view(error: polder_types::Error) -> polder_types::Error {
    error.about(polder_types::Subject::View)
}

/// One step of the view's history.
#[derive(Clone, Debug)]
pub(super) struct LogEntry {
    pub(super) version_id: i32,
    pub(super) raw: Raw,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WireLogEntry {
    version_id: i32,
    #[serde(rename = "timestamp-ms")]
    _timestamp_ms: i64,
}

impl LogEntry {
    pub(super) fn decode(raw: Raw) -> Result<Self> {
        let WireLogEntry { version_id, .. } = decode(&raw, "the version log entry").map_err(about_a_view)?;
        Ok(Self { version_id, raw })
    }
}
