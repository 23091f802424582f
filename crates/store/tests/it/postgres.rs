//! The same suite over PostgreSQL, and what only happens where several nodes share a database.

use std::path::Path;

use polder_store::Database;
use polder_types::Secret;

/// True if other processes may use the database at the same time.
pub(crate) const SHARED: bool = true;

pub(crate) fn database(_dir: &Path) -> Database {
    Database::Postgres(Secret::new(crate::cluster::fresh_database()))
}

/// Everything that is stored; columns of bytes as hex digits.
pub(crate) fn contents(home: &world::Home) -> Vec<Vec<u8>> {
    let Database::Postgres(url) = &home.database else { panic!("not PostgreSQL") };
    let dump = crate::cluster::dump(url.expose());
    assert!(dump.windows(6).any(|window| window == b"tenant"), "the dump has rows");
    vec![dump, std::fs::read(home.path().join("root.key")).unwrap()]
}

#[path = "access.rs"]
mod access;
#[path = "audit.rs"]
mod audit;
#[path = "budgets.rs"]
mod budgets;
#[path = "concurrency.rs"]
mod concurrency;
#[path = "homes.rs"]
mod homes;
#[path = "idempotency.rs"]
mod idempotency;
#[path = "impersonations.rs"]
mod impersonations;
#[path = "isolation.rs"]
mod isolation;
#[path = "jobs.rs"]
mod jobs;
#[path = "locations.rs"]
mod locations;
#[path = "nodes.rs"]
mod nodes;
#[path = "outcome.rs"]
mod outcome;
#[path = "pages.rs"]
mod pages;
#[path = "plans.rs"]
mod plans;
#[path = "proxy.rs"]
mod proxy;
#[path = "reports.rs"]
mod reports;
#[path = "restrictions.rs"]
mod restrictions;
#[path = "schema.rs"]
mod schema;
#[path = "tables.rs"]
mod tables;
#[path = "views.rs"]
mod views;
#[path = "world.rs"]
mod world;
