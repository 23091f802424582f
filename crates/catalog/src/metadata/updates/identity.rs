//! What a table is: its UUID, its format version, its location.

use polder_types::{Error, Location, Result};
use uuid::Uuid;

use super::{
    super::{raw::invalid, validate::FORMAT_VERSION_MAX},
    Draft,
};

/// Checks an asked-for format version.
pub(super) fn checked_version(version: i64) -> Result<u8> {
    u8::try_from(version).ok().filter(|version| (1..=FORMAT_VERSION_MAX).contains(version)).ok_or_else(|| {
        invalid(format!("format version {version} is not supported, the newest is {FORMAT_VERSION_MAX}"))
    })
}

impl Draft {
    /// Gives the table its UUID; only a table without one, or with this one, takes it.
    // SECURITY: a changed UUID would make one table pass for another (`assert-table-uuid`).
    pub(super) fn assign_uuid(&mut self, uuid: &str) -> Result<()> {
        let uuid: Uuid = uuid.parse().map_err(|_| invalid("the table's uuid is not valid"))?;
        match self.doc.table_uuid() {
            None => self.doc.set("table-uuid", &uuid),
            Some(existing) if existing == uuid => Ok(()),
            Some(_) => Err(Error::invalid("uuid_reassigned", "a table's uuid cannot be reassigned")),
        }
    }

    /// Moves to a newer format version.
    pub(super) fn upgrade_format_version(&mut self, version: i64) -> Result<()> {
        let (wanted, present) = (checked_version(version)?, self.doc.format_version());
        if wanted < present {
            return Err(Error::invalid(
                "format_version_downgrade",
                format!("cannot downgrade v{present} table to v{wanted}"),
            ));
        }
        if present == 1 && wanted > 1 {
            self.doc.members.shift_remove("schema");
            self.doc.members.shift_remove("partition-spec");
            let last = self.doc.last_sequence_number();
            self.doc.set("last-sequence-number", &last)?;
        }
        if present < 3 && wanted > 2 && self.doc.next_row_id().is_none() {
            self.doc.set("next-row-id", &0)?;
        }
        if wanted > present { self.doc.set("format-version", &wanted) } else { Ok(()) }
    }

    /// Sets the location; a trailing slash is dropped.
    pub(super) fn set_location(&mut self, location: &str) -> Result<()> {
        Location::parse(location)?;
        self.doc.set("location", location.strip_suffix('/').unwrap_or(location))
    }
}
