//! A policy as people write it (JSON or TOML): names instead of ids, Iceberg's expression JSON for predicates.

use polder_types::QualifiedName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::MaskAction;

/// A policy file: exactly one of `row_filter`, `mask` and `hide_column`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    /// Its name, unique in the tenant.
    pub name: String,
    /// The table, `{"warehouse", "namespace": […], "name"}`.
    pub table: TableSpec,
    /// Role names; absent means everyone without `read_unrestricted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applies_to: Option<Vec<String>>,
    /// An Iceberg expression (`{"type": "eq", "term": "region", "value": "us"}`); instead of `value` an
    /// `"attribute": "name"` stands for an attribute of the principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_filter: Option<Value>,
    /// A mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<ColumnMaskSpec>,
    /// A column to hide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hide_column: Option<ColumnSpec>,
}

/// A table by name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSpec {
    /// The warehouse.
    pub warehouse: String,
    /// The levels of the namespace.
    pub namespace: Vec<String>,
    /// Its name.
    pub name: String,
}

impl TableSpec {
    /// Checks the names.
    ///
    /// # Errors
    /// `Invalid` for a bad name.
    pub fn parse(&self) -> polder_types::Result<QualifiedName> {
        let namespace = polder_types::Namespace::new(self.namespace.clone())?;
        Ok(QualifiedName {
            warehouse: self.warehouse.parse()?,
            ident: polder_types::TableIdent::new(namespace, self.name.clone())?,
        })
    }
}

/// A column: `"info.phone"`, or `["info", "phone"]` where a name holds a dot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a column is a name, names joined by dots, or a list of names")]
pub enum ColumnSpec {
    /// Names joined by dots.
    Dotted(String),
    /// Names one by one.
    Path(Vec<String>),
}

impl ColumnSpec {
    /// The names on the way.
    #[must_use]
    pub fn path(&self) -> Vec<String> {
        match self {
            Self::Dotted(text) => text.split('.').map(str::to_owned).collect(),
            Self::Path(path) => path.clone(),
        }
    }
}

/// A mask on a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawColumnMask")]
pub struct ColumnMaskSpec {
    /// The column.
    pub column: ColumnSpec,
    /// What it shows.
    #[serde(flatten)]
    pub mask: MaskSpec,
}

/// `{"action": "mask-alphanum"}`, `{"value": "***"}`, `{"action": "show"}` or `{"when": …, "then": …, "else": …}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, try_from = "RawMask")]
pub enum MaskSpec {
    /// A choice by predicate.
    Choice {
        /// The predicate.
        when: Value,
        /// Where it is true.
        then: Box<MaskSpec>,
        /// Where it is false; where it is unknown, the stricter of both.
        #[serde(rename = "else")]
        otherwise: Box<MaskSpec>,
    },
    /// `show` or one of Iceberg's nine actions.
    Action {
        /// The action.
        action: ActionSpec,
    },
    /// Always this value.
    Static {
        /// The value, of the column's type.
        value: Value,
    },
}

/// `show` or an Iceberg action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "an action is `show` (inside a choice), `mask-alphanum`, `mask-to-fixed-value`, `replace-with-null`, \
                 `show-first-4`, `show-last-4`, `truncate-to-year`, `truncate-to-month`, `sha-256-global` or \
                 `sha-256-query-local`"
)]
pub enum ActionSpec {
    /// The value itself; only inside a choice.
    Show(Show),
    /// One of the nine.
    Mask(MaskAction),
}

/// The word `show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Show {
    /// The value itself.
    Show,
}

// The shapes as written. `flatten` and `untagged` would swallow unknown and contradictory keys; these do not.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMask {
    action: Option<ActionSpec>,
    value: Option<Value>,
    when: Option<Value>,
    then: Option<Box<MaskSpec>>,
    #[serde(rename = "else")]
    otherwise: Option<Box<MaskSpec>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawColumnMask {
    column: ColumnSpec,
    action: Option<ActionSpec>,
    value: Option<Value>,
    when: Option<Value>,
    then: Option<Box<MaskSpec>>,
    #[serde(rename = "else")]
    otherwise: Option<Box<MaskSpec>>,
}

impl TryFrom<RawColumnMask> for ColumnMaskSpec {
    type Error = &'static str;

    fn try_from(raw: RawColumnMask) -> Result<Self, Self::Error> {
        let RawColumnMask { column, action, value, when, then, otherwise } = raw;
        Ok(Self { column, mask: RawMask { action, value, when, then, otherwise }.try_into()? })
    }
}

impl TryFrom<RawMask> for MaskSpec {
    type Error = &'static str;

    fn try_from(raw: RawMask) -> Result<Self, Self::Error> {
        match raw {
            RawMask { action: Some(action), value: None, when: None, then: None, otherwise: None } => {
                Ok(Self::Action { action })
            }
            RawMask { action: None, value: Some(value), when: None, then: None, otherwise: None } => {
                Ok(Self::Static { value })
            }
            RawMask { action: None, value: None, when: Some(when), then: Some(then), otherwise: Some(otherwise) } => {
                Ok(Self::Choice { when, then, otherwise })
            }
            _ => Err("a mask has either `action`, or `value` (not null), or all of `when`, `then` and `else`"),
        }
    }
}

#[cfg(test)]
mod tests;
