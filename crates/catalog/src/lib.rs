//! The Iceberg domain: tables, their metadata and how they change. Resolve, authorize, act. Refuses HTTP and SQL
//! text, and any payload without a permit.
//!
//! A clock is read nowhere: `now` and the deadline come with [`OpCtx`]. Tasks run in the catalog's registry
//! ([`Catalog::close`] waits for them); fresh ids come from `ids`, and the jitter between retries from the same.

pub mod admin;
mod aws;
mod bucket;
mod cache;
mod catalog;
mod columns;
mod commit;
pub mod credentials;
mod ctx;
mod faults;
mod heavy;
pub mod idempotency;
mod ids;
mod information;
mod io;
pub mod jobs;
mod locks;
pub mod metadata;
pub mod namespaces;
mod outcome;
mod places;
mod policy_schema;
mod properties;
mod resolve;
mod s3_url;
pub mod scans;
mod sign;
mod storage;
pub mod tables;
#[cfg(test)]
mod testing;
mod vend;
mod view;
pub mod views;
pub mod warehouses;
mod writer;

pub use bucket::{OpenObject, TableObjects};
pub use catalog::{Catalog, CatalogOptions, METADATA_CACHE_BYTES_DEFAULT};
pub use commit::{TABLES_PER_COMMIT_MAX, TableCommit};
pub use ctx::OpCtx;
pub use information::{VisibleTables, visible_tables};
pub use policy_schema::policy_schema;
pub use sign::sign_request;
pub use storage::{AssumeRole, S3Profile, Storage};
pub use vend::{Access, LIFE_DEFAULT_SECONDS};
pub use view::SnapshotsMode;
pub use views::ViewCommit;
