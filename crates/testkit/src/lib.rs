//! What tests of the whole server are made with: a server in this process or the built program, HTTP clients, and a
//! small world of tenants, people and tables. A development dependency only; it goes in by the HTTP doors like
//! everybody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should end")]

mod http;
pub mod postgres;
mod program;
mod server;
mod world;

pub use http::{Answer, Client, Credential};
pub use program::Program;
pub use server::TestServer;
pub use world::{OPEN, RESTRICTED, SCHEMA, World};
