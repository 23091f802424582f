//! Administration, one file a noun, each function: resolve, authorize, act. Never a second way to data: who
//! administers reads nothing by it.

pub mod access;
pub mod audit;
pub mod grants;
pub mod jobs;
pub mod policies;
pub mod reports;
pub mod tenants;
pub mod warehouses;

#[cfg(test)]
mod tests;
