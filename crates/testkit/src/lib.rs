//! What tests of the whole server are made with: a server in this process or the built program, HTTP clients, and a
//! small world of tenants, people and tables. A development dependency only; it goes in by the HTTP doors like
//! everybody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should end")]

mod fault_proxy;
mod http;
pub mod postgres;
mod program;
mod s3;
mod s3_client;
mod server;
pub mod weed;
mod world;

pub use fault_proxy::{Fault, FaultProxy};
pub use http::{Answer, Client, Credential};
pub use program::Program;
pub use s3::S3;
pub use s3_client::S3Client;
pub use server::TestServer;
pub use world::{OPEN, RESTRICTED, SCHEMA, World};
