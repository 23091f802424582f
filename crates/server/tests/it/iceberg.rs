//! `/iceberg/v1`.

mod config;
mod idempotency;
mod namespaces;
mod oauth;
mod tables;
mod transactions;
mod views;
