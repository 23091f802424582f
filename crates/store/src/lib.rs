//! The metadata database: one file a noun, SQL and nothing else. Every list and every mutation asks for the
//! permit of its action and writes its audit rows in the same transaction. Refuses HTTP, engines and decisions.
//!
//! Functions that take no permit, and why (`xtask tidy` holds this list):
//! - `open`, `close`, `bootstrap`, `statements`: the life of the process; `bootstrap` works on an empty database only.
//! - `resolve_tenant`, `resolve_warehouse`, `default_warehouse`, `resolve_namespace`, `resolve_table`, `resolve_relation`, `resolve_view`, `resolve_view_by_id`: what a decision is about.
//! - `verify_key`, `policy_snapshot`, `newest_snapshot`, `glance`, `signing_key`: what a decision is made from.
//! - `outcome_of`, `keep_refusal`: what became of the caller's own request, before its objects are looked for again.
//! - `record_strict`, `count`, `flush_counted`: writing the audit trail.
//! - `reports_dropped`: a count of the process.
//! - `claim_job`, `renew_job`, `release_job`, `finish_job`, `put_job_off`: work that a permitted change has asked for.
//!
//! A mutation whose permit was made under an older policy version changes nothing and answers with the code
//! `stale_policy` ([`is_stale`]): authorize again with a fresh snapshot, and retry.

#[macro_use]
mod db;

mod audit;
mod cache;
mod counted;
mod found;
mod fresh;
mod glance;
mod grants;
mod homes;
mod idempotency;
mod impersonations;
mod jobs;
mod keys;
mod locations;
mod namespaces;
mod open;
mod pages;
mod plans;
mod policies;
mod principals;
mod redact;
mod reports;
mod roles;
mod root_key;
mod snapshot;
mod store;
mod tables;
mod tenants;
mod transactions;
mod tx;
mod views;
mod warehouses;
mod writer;

pub use audit::{AuditDetail, AuditFilter, AuditObject, AuditRecord, AuditRow, Decision};
pub use counted::{CountedDetail, CountedEvent, DelegationOf, HandedOut};
pub use found::Founded;
pub use glance::{Glance, Named};
pub use grants::{GrantRow, GrantTarget, NewGrants};
pub use idempotency::{IdempotencyKey, KEY_LIFETIME_SECONDS, Outcome, Refusal, is_answered};
pub use jobs::{
    Claim, ClaimedJob, JOB_ATTEMPTS_MAX, JOB_LEASE_SECONDS, JobProblem, JobRow, JobState, JobWork, OLD_METADATA_SECONDS,
};
pub use keys::{IssuedKey, KeyRow, NewKey};
pub use namespaces::NamespaceRow;
pub use pages::{PAGE_ROWS_MAX, Page, PageRequest};
pub use plans::PlanToken;
pub use policies::{NewPolicy, PolicyRow, PolicyTarget};
pub use principals::{NewPrincipal, PrincipalRow};
pub use reports::{NewReport, ReportRow};
pub use roles::RoleRow;
pub use root_key::{RootKey, SigningKey};
pub use store::{Database, Stamp, Store, StoreOptions, is_stale};
pub use tables::{
    ColumnBinding, CommitOutcome, Creation, Hold, NewTable, PointerSwap, Purge, Registrar, Replaced, Site, TableEntry,
    TableRow,
};
pub use tenants::TenantRow;
pub use views::{NewView, ViewOutcome, ViewRow, ViewSwap};
pub use warehouses::{NewWarehouse, WarehouseRow};
