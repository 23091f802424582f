//! The handlers, one file a noun: extract, call, render. They decide nothing.

pub(crate) mod admin;
pub(crate) mod api;
pub(crate) mod iceberg;
pub(crate) mod metrics;
pub(crate) mod oauth;
pub(crate) mod probes;
