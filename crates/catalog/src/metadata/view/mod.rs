//! View metadata: a lossless document of our own, like the table's (Iceberg view specification, format version 1).
//! A representation that is not known is kept and handed back. Refuses what no reader of the view could use, and whatever
//! is larger than [`VIEW_BYTES_MAX`].

mod create;
mod doc;
mod requirements;
mod updates;
mod version;

pub use create::create;
pub use doc::ViewDoc;
pub use requirements::{ViewRequirement, check};
pub use updates::{ViewUpdate, apply};

use polder_types::{Error, Subject};

/// Most bytes of a view's document; its versions are few, and each is a statement with its schema.
pub const VIEW_BYTES_MAX: usize = 16 * 1024 * 1024;

/// An error about the document or about a piece of it.
fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::invalid("invalid_metadata", message).about(Subject::View)
}

/// An error for what would take more than [`VIEW_BYTES_MAX`] bytes.
pub(crate) fn too_large() -> Error {
    Error::new(
        polder_types::ErrorKind::TooLarge,
        Subject::View,
        "metadata_too_large",
        "the view's metadata would be larger than 16 MiB; keep fewer versions (`version.history.num-entries`)",
    )
}

#[cfg(test)]
mod tests;
