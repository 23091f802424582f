//! The doors of analysts and agents.

pub(crate) mod query;
