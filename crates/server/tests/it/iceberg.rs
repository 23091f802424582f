//! `/iceberg/v1`.

mod config;
mod idempotency;
mod namespaces;
mod oauth;
mod plans;
mod tables;
mod transactions;
