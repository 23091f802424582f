//! The store from outside: real files, real permits (made by the policy kernel from the store's own snapshots).
#![allow(clippy::disallowed_methods, reason = "tests start tasks of their own")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod audit;
mod budgets;
mod concurrency;
mod idempotency;
mod isolation;
mod locations;
mod pages;
mod restrictions;
mod tables;
mod world;
