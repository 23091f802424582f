//! The server: all that knows HTTP, tokens, rendering and configuration, and the program `polder`. Refuses SQL to the
//! metadata database and query engines. Begin with `router`, then `op`.

mod accept;
pub mod access_log;
mod app;
mod auth;
mod call;
mod cli;
mod client;
mod clock;
pub mod config;
mod demo;
mod idempotency;
mod json;
mod metrics;
pub mod op;
pub mod posture;
mod program;
pub mod render;
pub mod router;
mod routes;
mod routing;
pub mod serve;

pub use program::run;
pub use routing::Route;
