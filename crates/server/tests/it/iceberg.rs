//! `/iceberg/v1`.

mod config;
mod namespaces;
mod oauth;
mod tables;
