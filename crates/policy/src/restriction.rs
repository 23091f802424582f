//! Restrictions: row filters, masks and hidden columns. They bind to ids *and* to the name they were set on (R35).

use std::collections::{BTreeMap, BTreeSet};

use polder_types::{PolicyId, QualifiedName, RelationId, RoleId};
use serde::{Deserialize, Serialize};

use crate::{Mask, Predicate};

/// A column by the names on its way, outermost first.
pub type ColumnPath = Vec<String>;

/// Whom a restriction is for. `read_unrestricted` exempts from all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Every principal of the tenant.
    Everyone,
    /// Holders of one of these roles.
    Roles(Vec<RoleId>),
}

/// What a restriction does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Only rows for which the predicate is true exist.
    RowFilter(Predicate),
    /// The column shows a masked value.
    Mask {
        /// The column.
        column: ColumnPath,
        /// What it shows.
        mask: Mask,
    },
    /// The column does not exist.
    Hide {
        /// The column.
        column: ColumnPath,
    },
}

impl Rule {
    /// Every column that it reads or protects, sorted, without repetition.
    #[must_use]
    pub fn columns(&self) -> BTreeSet<ColumnPath> {
        let mut columns = BTreeSet::new();
        match self {
            Self::RowFilter(predicate) => predicate.collect_columns(&mut columns),
            Self::Mask { column, mask } => {
                columns.insert(column.clone());
                mask.collect_columns(&mut columns);
            }
            Self::Hide { column } => {
                columns.insert(column.clone());
            }
        }
        columns
    }

    /// `row_filter`, `mask` or `hide_column`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RowFilter(_) => "row_filter",
            Self::Mask { .. } => "mask",
            Self::Hide { .. } => "hide_column",
        }
    }
}

/// A stored restriction with everything it is bound to.
#[derive(Clone, Debug, PartialEq)]
pub struct Restriction {
    /// Its id.
    pub id: PolicyId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// The name it was set on. Whatever carries this name is restricted.
    pub table: QualifiedName,
    /// Every relation that ever carried the name since, and for each the field ids that ever stood at a column path.
    pub bound: BTreeMap<RelationId, BTreeMap<ColumnPath, BTreeSet<i32>>>,
    /// Whom it is for.
    pub audience: Audience,
    /// What it does.
    pub rule: Rule,
}

impl Restriction {
    /// True if it covers the relation, by id or by name.
    #[must_use]
    pub fn covers(&self, id: RelationId, name: &QualifiedName) -> bool {
        self.bound.contains_key(&id) || &self.table == name
    }

    /// The field ids bound to a column path on one relation.
    #[must_use]
    pub fn bound_fields(&self, id: RelationId, path: &ColumnPath) -> BTreeSet<i32> {
        self.bound.get(&id).and_then(|columns| columns.get(path)).cloned().unwrap_or_default()
    }
}

/// One restriction that applies to a principal and a table, with its principal attributes still unbound.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// Its id.
    pub id: PolicyId,
    /// Its name.
    pub name: String,
    /// What it does.
    pub rule: Rule,
    /// The field ids bound to each of its column paths on this relation.
    pub fields: BTreeMap<ColumnPath, BTreeSet<i32>>,
}

/// Everything that must be enforced when a principal reads a table. Never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Obligations {
    /// The restrictions, ordered by id.
    pub applied: Vec<Applied>,
    /// The principal's attributes, to bind predicates with.
    pub attributes: std::sync::Arc<BTreeMap<String, polder_types::Attribute>>,
}
