//! The store from outside, one suite over both databases: real files, real servers, real permits (made by the policy kernel from the store's own snapshots).
#![allow(clippy::disallowed_methods, reason = "tests start tasks of their own")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::duplicate_mod, reason = "the same tests over each database")]

#[path = "../../../testkit/src/postgres.rs"]
mod cluster;
mod postgres;
mod sqlite;
