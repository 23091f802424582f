//! The gateway over a real catalog, real Parquet and Iceberg files, and policies made through the administration.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod answers;
mod attacks;
mod canary;
mod limits;
mod load;
mod purge;
mod two_worlds;
mod world;
