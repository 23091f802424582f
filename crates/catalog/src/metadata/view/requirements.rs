//! The requirement of a view's commit, with Java's text. An unknown one is refused: what cannot be checked does not hold.

use polder_types::{Error, ErrorKind, Result, Subject};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    super::raw::{PART_DEPTH_MAX, check_json, decode},
    ViewDoc, invalid,
    version::about_a_view,
};

/// Most requirements of one commit.
const REQUIREMENTS_MAX: usize = 100;

/// What must hold of the view before a commit (Iceberg REST, `ViewRequirement`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewRequirement {
    /// The view is still this one; compared without regard to case.
    AssertViewUuid(String),
}

#[derive(Deserialize)]
struct Tag {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct AssertViewUuid {
    uuid: String,
}

impl ViewRequirement {
    /// Reads all requirements of a commit; members that are not known are ignored.
    ///
    /// # Errors
    /// `Invalid` for an unknown type, a missing member, JSON beyond the limits, or more than 100.
    pub fn parse_all(raws: &[Box<RawValue>]) -> Result<Vec<Self>> {
        if raws.len() > REQUIREMENTS_MAX {
            return Err(invalid("the commit has too many requirements"));
        }
        raws.iter().map(|raw| Self::parse(raw).map_err(about_a_view)).collect()
    }

    fn parse(raw: &RawValue) -> Result<Self> {
        check_json(raw.get().as_bytes(), PART_DEPTH_MAX)?;
        let Tag { kind } = decode(raw, "the requirement")?;
        if kind != "assert-view-uuid" {
            return Err(Error::invalid(
                "unknown_requirement",
                format!("the requirement `{kind}` is not known of views"),
            ));
        }
        let AssertViewUuid { uuid } = decode(raw, "the requirement `assert-view-uuid`")?;
        Ok(Self::AssertViewUuid(uuid))
    }
}

/// Checks that every requirement holds.
///
/// # Errors
/// `Conflict` with the code `requirement_failed` and Java's text for the first that does not hold.
pub fn check(doc: &ViewDoc, requirements: &[ViewRequirement]) -> Result<()> {
    let actual = doc.view_uuid();
    for ViewRequirement::AssertViewUuid(wanted) in requirements {
        if actual.is_none() || wanted.parse().ok() != actual {
            let actual = actual.map_or_else(|| "null".to_owned(), |actual| actual.to_string());
            let message = format!("Requirement failed: view UUID does not match: expected {actual} != {wanted}");
            return Err(Error::new(ErrorKind::Conflict, Subject::View, "requirement_failed", message));
        }
    }
    Ok(())
}
