//! The Iceberg table metadata document, lossless: what a member means is decoded, what is not known is
//! kept as it was written. Owns parsing, validation, requirements, updates, creation and the metadata log;
//! refuses I/O, clocks and any opinion on who may do what.

mod create;
mod doc;
mod entries;
mod locations;
mod log;
mod raw;
mod requirements;
mod schema;
mod updates;
mod validate;
pub mod view;

pub use create::{NewTable, create};
pub use doc::TableDoc;
pub use entries::{
    EncryptionKey, MetadataLogEntry, PartitionField, PartitionSpec, PartitionStatisticsFile, RefKind, Snapshot,
    SnapshotLogEntry, SnapshotRef, SortOrder, StatisticsFile,
};
pub use locations::LocationUse;
pub use raw::{DOCUMENT_BYTES_MAX, JSON_DEPTH_MAX, Raw};
pub use requirements::{Requirement, check};
pub use schema::{FieldView, NestedField, SchemaView, TypeView};
pub use updates::{Update, apply};

/// The name of the branch that `current-snapshot-id` follows.
pub const MAIN_BRANCH: &str = "main";

#[cfg(test)]
mod tests;
