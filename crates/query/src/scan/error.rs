//! What a caller is told when a table cannot be read: two texts, neither of them about values, paths or files.

use std::error::Error as StdError;

use parquet::errors::ParquetError;
use polder_types::{Error, ErrorKind, Subject};

/// A file of the table is missing, damaged, or lies where the table may not read. One text for all of them: a
/// caller must not learn which foreign path exists (R10).
pub(crate) fn unreadable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Internal, Subject::Table, "unreadable_table", "the table's files cannot be read")
        .with_source(source)
}

/// What the store said about a file: that it cannot be asked now is told, anything else is the one opaque error.
pub(crate) fn untold(error: Error) -> Error {
    if error.kind() == ErrorKind::Unavailable { error.about(Subject::Table) } else { unreadable(error) }
}

/// True for what our own reading of a file says when it will not go on.
fn is_ours(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Invalid)
}

/// The same for what a Parquet reader passes on.
pub(crate) fn undecoded(error: ParquetError) -> Error {
    match error {
        ParquetError::External(source) => match source.downcast::<Error>() {
            Ok(error) if is_ours(&error) => *error,
            Ok(error) => untold(*error),
            Err(source) => unreadable(source),
        },
        error => unreadable(error),
    }
}

/// The table uses something that this build does not read.
pub(crate) fn unsupported(message: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, Subject::Table, "unsupported_table", message)
}

/// A policy cannot be enforced on what is there. SECURITY: nothing is shown then.
pub(crate) fn unenforceable(source: &'static str) -> Error {
    Error::internal(source).about(Subject::Table)
}
