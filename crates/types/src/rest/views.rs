//! View bodies. Metadata parts stay raw: the catalog's lossless document decodes them on demand.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::WireTableIdent;

/// Body of `createView`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CreateViewRequest {
    /// Its name.
    pub name: String,
    /// Wanted location, below the warehouse's allowed roots.
    #[serde(default)]
    pub location: Option<String>,
    /// The schema, raw; field ids stay as they are.
    pub schema: Box<RawValue>,
    /// The first version, raw; it gets the id of the schema.
    pub view_version: Box<RawValue>,
    /// View properties; `null` counts as none.
    #[serde(default)]
    pub properties: Option<BTreeMap<String, String>>,
}

/// Body of `replaceView`. Java omits `identifier`.
#[derive(Debug, Deserialize)]
pub struct CommitViewRequest {
    /// The view; the path names it too, and both must agree.
    #[serde(default)]
    pub identifier: Option<WireTableIdent>,
    /// What must hold, raw.
    #[serde(default)]
    pub requirements: Option<Vec<Box<RawValue>>>,
    /// What to change, raw, in order.
    pub updates: Vec<Box<RawValue>>,
}

/// Body of `registerView`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RegisterViewRequest {
    /// Its name.
    pub name: String,
    /// Where its metadata document lies.
    pub metadata_location: String,
}
