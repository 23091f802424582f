//! `/iceberg/v1`.

mod config;
mod files;
mod idempotency;
mod impersonation;
mod namespaces;
mod oauth;
mod pages;
mod plans;
mod purge;
mod register;
mod reports;
mod tables;
mod transactions;
mod views;
