//! What a caller is told when a table cannot be read: two texts, neither of them about values, paths or files.

use std::error::Error as StdError;

use polder_types::{Error, ErrorKind, Subject};

/// A file of the table is missing, damaged, or lies where the table may not read. One text for all of them: a
/// caller must not learn which foreign path exists (R10).
pub(crate) fn unreadable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Internal, Subject::Table, "unreadable_table", "the table's files cannot be read")
        .with_source(source)
}

/// The table uses something that this build does not read.
pub(crate) fn unsupported(message: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, Subject::Table, "unsupported_table", message)
}

/// A policy cannot be enforced on what is there. SECURITY: nothing is shown then.
pub(crate) fn unenforceable(source: &'static str) -> Error {
    Error::internal(source).about(Subject::Table)
}
