//! `/api/v1`.

mod query;
