//! The governed query gateway: gate → resolve → govern → plan → optimise → verify → run → answer.
//!
//! Owns SQL. Refuses HTTP, SQL to the metadata database, and every way to data but the barrier in `govern`.

#![allow(dead_code)]
mod context;
mod error;
mod functions;
mod gate;
mod govern;
mod meter;
mod plan;
mod pushdown;
mod run;
mod scan;
mod trace;
mod verify;

#[cfg(test)]
mod bench;
