//! The suite over SQLite.

use std::path::Path;

use polder_store::Database;

/// True if other processes may use the database at the same time.
pub(crate) const SHARED: bool = false;

pub(crate) fn database(dir: &Path) -> Database {
    Database::Sqlite(dir.join("polder.db"))
}

/// Everything that is stored.
pub(crate) fn contents(home: &world::Home) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(home.path()).unwrap();
    files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
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
#[path = "pages.rs"]
mod pages;
#[path = "plans.rs"]
mod plans;
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
