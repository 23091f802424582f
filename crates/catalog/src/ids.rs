//! Fresh ids of the catalog: table UUIDs and the names of metadata files.

use uuid::Uuid;

/// Makes a new UUIDv7.
#[allow(clippy::disallowed_methods, reason = "the catalog's one source of fresh ids")]
pub(crate) fn fresh_uuid() -> Uuid {
    Uuid::now_v7()
}
