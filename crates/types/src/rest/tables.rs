//! Table bodies. Metadata parts stay raw: the catalog's lossless document decodes them on demand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Namespace, Result, TableIdent};

/// A table's name on the wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WireTableIdent {
    /// The levels of its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: String,
}

impl WireTableIdent {
    /// Checks the name.
    ///
    /// # Errors
    /// `Invalid` as [`TableIdent::new`].
    pub fn parse(self) -> Result<TableIdent> {
        TableIdent::new(self.namespace, self.name)
    }
}

impl From<TableIdent> for WireTableIdent {
    fn from(ident: TableIdent) -> Self {
        Self { namespace: ident.namespace, name: ident.name }
    }
}

/// Body of `createTable`. Java sends `location: null` and `write-order: null`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CreateTableRequest {
    /// Its name.
    pub name: String,
    /// Wanted location, below the warehouse's allowed roots.
    #[serde(default)]
    pub location: Option<String>,
    /// The schema, raw; field ids are assigned afresh.
    pub schema: Box<RawValue>,
    /// The partition spec, raw.
    #[serde(default)]
    pub partition_spec: Option<Box<RawValue>>,
    /// The sort order, raw.
    #[serde(default)]
    pub write_order: Option<Box<RawValue>>,
    /// True: prepare only, publish by a commit with `assert-create`.
    #[serde(default)]
    pub stage_create: Option<bool>,
    /// Table properties.
    #[serde(default)]
    pub properties: Option<BTreeMap<String, String>>,
}

/// Body of `updateTable`. Java omits `identifier`; iceberg-rust sends empty requirements.
#[derive(Debug, Deserialize)]
pub struct CommitTableRequest {
    /// The table; in `updateTable` the path names it too, and both must agree.
    #[serde(default)]
    pub identifier: Option<WireTableIdent>,
    /// What must hold, raw.
    pub requirements: Vec<Box<RawValue>>,
    /// What to change, raw, in order.
    pub updates: Vec<Box<RawValue>>,
}

/// Body of `registerTable`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RegisterTableRequest {
    /// The name, in the path's namespace.
    pub name: String,
    /// Where the table's metadata file lies.
    pub metadata_location: String,
    /// True: in place of the table of that name, if there is one.
    pub overwrite: Option<bool>,
}

/// Body of `commitTransaction`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CommitTransactionRequest {
    /// The changes, of each table once.
    pub table_changes: Vec<CommitTableRequest>,
}

/// Body of `renameTable`.
#[derive(Clone, Debug, Deserialize)]
pub struct RenameTableRequest {
    /// From.
    pub source: WireTableIdent,
    /// To.
    pub destination: WireTableIdent,
}
