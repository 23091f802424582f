//! The eight requirements of a commit, with the texts of Java's `UpdateRequirement`. An unknown one is
//! refused: what cannot be checked does not hold.

use polder_types::{Error, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    TableDoc,
    raw::{PART_DEPTH_MAX, check_json, decode, invalid},
};

/// What must hold of the table before a commit (Iceberg REST, `TableRequirement`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Requirement {
    /// The table does not exist yet.
    AssertCreate,
    /// The table is still this one.
    AssertTableUuid {
        /// Its UUID, compared without regard to case.
        uuid: String,
    },
    /// The branch or tag still points there.
    AssertRefSnapshotId {
        /// Its name.
        #[serde(rename = "ref")]
        name: String,
        /// The snapshot; `None`: it does not exist. ClickHouse leaves the member out for that.
        #[serde(default)]
        snapshot_id: Option<i64>,
    },
    /// No field was added.
    AssertLastAssignedFieldId {
        /// The id.
        last_assigned_field_id: i32,
    },
    /// The current schema is still this one.
    AssertCurrentSchemaId {
        /// The id.
        current_schema_id: i32,
    },
    /// No partition field was added.
    AssertLastAssignedPartitionId {
        /// The id.
        last_assigned_partition_id: i32,
    },
    /// The default partition spec is still this one.
    AssertDefaultSpecId {
        /// The id.
        default_spec_id: i32,
    },
    /// The default sort order is still this one.
    AssertDefaultSortOrderId {
        /// The id.
        default_sort_order_id: i32,
    },
}

#[derive(Deserialize)]
struct Tag {
    #[serde(rename = "type")]
    kind: String,
}

const KNOWN: [&str; 8] = [
    "assert-create",
    "assert-table-uuid",
    "assert-ref-snapshot-id",
    "assert-last-assigned-field-id",
    "assert-current-schema-id",
    "assert-last-assigned-partition-id",
    "assert-default-spec-id",
    "assert-default-sort-order-id",
];

impl Requirement {
    /// Reads a requirement; members that are not known are ignored.
    ///
    /// # Errors
    /// `Invalid` for an unknown type, a missing member, or JSON beyond the limits.
    pub fn parse(raw: &RawValue) -> Result<Self> {
        check_json(raw.get().as_bytes(), PART_DEPTH_MAX)?;
        let Tag { kind } = decode(raw, "the requirement")?;
        if !KNOWN.contains(&kind.as_str()) {
            return Err(Error::invalid("unknown_requirement", format!("the requirement `{kind}` is not known")));
        }
        decode(raw, &format!("the requirement `{kind}`"))
    }

    /// Reads all requirements of a commit.
    ///
    /// # Errors
    /// As [`Requirement::parse`]; `Invalid` if there are more than 10 000.
    pub fn parse_all(raws: &[Box<RawValue>]) -> Result<Vec<Self>> {
        if raws.len() > super::updates::UPDATES_MAX {
            return Err(invalid("the commit has too many requirements"));
        }
        raws.iter().map(|raw| Self::parse(raw)).collect()
    }
}

/// Checks that every requirement holds; `doc` is `None` if the table does not exist.
///
/// # Errors
/// `Conflict` with the code `requirement_failed` and Java's text for the first that does not hold.
pub fn check(doc: Option<&TableDoc>, requirements: &[Requirement]) -> Result<()> {
    requirements.iter().try_for_each(|requirement| {
        let held = match doc {
            Some(doc) => holds(doc, requirement),
            None => holds_of_nothing(requirement),
        };
        held.map_err(|why| Error::conflict("requirement_failed", format!("Requirement failed: {why}")))
    })
}

fn holds_of_nothing(requirement: &Requirement) -> Result<(), String> {
    match requirement {
        Requirement::AssertCreate | Requirement::AssertRefSnapshotId { snapshot_id: None, .. } => Ok(()),
        Requirement::AssertRefSnapshotId { name, snapshot_id: Some(id) } => Err(missing_ref(name, *id)),
        _ => Err("table does not exist".to_owned()),
    }
}

fn holds(doc: &TableDoc, requirement: &Requirement) -> Result<(), String> {
    match requirement {
        Requirement::AssertCreate => Err("table already exists".to_owned()),
        Requirement::AssertTableUuid { uuid } => {
            let actual = doc.table_uuid();
            if actual.is_some() && actual == uuid.parse().ok() {
                return Ok(());
            }
            let actual = actual.map_or_else(|| "null".to_owned(), |actual| actual.to_string());
            Err(format!("UUID does not match: expected {actual} != {uuid}"))
        }
        Requirement::AssertRefSnapshotId { name, snapshot_id } => holds_ref(doc, name, *snapshot_id),
        Requirement::AssertLastAssignedFieldId { last_assigned_field_id } => {
            same("last assigned field id", *last_assigned_field_id, doc.last_column_id())
        }
        Requirement::AssertCurrentSchemaId { current_schema_id } => {
            same("current schema", *current_schema_id, doc.current_schema_id())
        }
        Requirement::AssertLastAssignedPartitionId { last_assigned_partition_id } => {
            same("last assigned partition id", *last_assigned_partition_id, doc.last_partition_id())
        }
        Requirement::AssertDefaultSpecId { default_spec_id } => {
            same("default partition spec", *default_spec_id, doc.default_spec_id())
        }
        Requirement::AssertDefaultSortOrderId { default_sort_order_id } => {
            same("default sort order", *default_sort_order_id, doc.default_sort_order_id())
        }
    }
}

fn holds_ref(doc: &TableDoc, name: &str, wanted: Option<i64>) -> Result<(), String> {
    match (doc.snapshot_ref(name), wanted) {
        (None, None) => Ok(()),
        (Some(actual), None) => Err(format!("{} {name} was created concurrently", actual.kind.as_str())),
        (None, Some(id)) => Err(missing_ref(name, id)),
        (Some(actual), Some(id)) if actual.snapshot_id == id => Ok(()),
        (Some(actual), Some(id)) => {
            let kind = actual.kind.as_str();
            Err(format!("{kind} {name} has changed: expected id {id} != {}", actual.snapshot_id))
        }
    }
}

fn missing_ref(name: &str, id: i64) -> String {
    format!("branch or tag {name} is missing, expected {id}")
}

fn same(what: &str, wanted: i32, actual: i32) -> Result<(), String> {
    if wanted == actual { Ok(()) } else { Err(format!("{what} changed: expected id {wanted} != {actual}")) }
}
