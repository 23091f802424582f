//! Namespace bodies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Namespace;

/// Body of `createNamespace`.
#[derive(Clone, Debug, Deserialize)]
pub struct CreateNamespaceRequest {
    /// The levels.
    pub namespace: Namespace,
    /// Arbitrary properties; `null` counts as none.
    #[serde(default)]
    pub properties: Option<BTreeMap<String, String>>,
}

/// Answer of `createNamespace` and `loadNamespaceMetadata`.
#[derive(Clone, Debug, Serialize)]
pub struct NamespaceResponse {
    /// The levels.
    pub namespace: Namespace,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
}

/// Body of `updateProperties`.
#[derive(Clone, Debug, Deserialize)]
pub struct UpdateNamespacePropertiesRequest {
    /// Keys to remove.
    #[serde(default)]
    pub removals: Option<Vec<String>>,
    /// Keys to set.
    #[serde(default)]
    pub updates: Option<BTreeMap<String, String>>,
}

/// Answer of `updateProperties`; all three lists are always present.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateNamespacePropertiesResponse {
    /// Keys that were set.
    pub updated: Vec<String>,
    /// Keys that were removed.
    pub removed: Vec<String>,
    /// Keys to remove that were not there.
    pub missing: Vec<String>,
}
