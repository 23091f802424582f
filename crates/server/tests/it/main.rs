//! The server through its doors: one binary, folders as in the URL tree.
#![allow(clippy::disallowed_methods, reason = "tests start processes and threads of their own")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod admin;
mod api;
mod attacks;
mod canary;
mod cli;
mod coverage;
mod iceberg;
mod limits;
mod metrics;
mod postgres;
mod posture;
mod program;
mod routes;
mod s3;
mod tls;
mod traces;
mod user_tokens;
