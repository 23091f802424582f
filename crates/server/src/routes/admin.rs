//! The administration doors, one file a noun. JSON in and out; unknown fields are refused; lists are pages.

pub(crate) mod audit;
pub(crate) mod grants;
pub(crate) mod jobs;
pub(crate) mod keys;
mod paging;
pub(crate) mod policies;
pub(crate) mod principals;
pub(crate) mod reports;
pub(crate) mod roles;
pub(crate) mod tables;
pub(crate) mod tenants;
pub(crate) mod warehouses;
