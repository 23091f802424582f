//! Tests of tables as principals meet them.

mod doors;
mod escapes;
mod links;
mod registered;
mod restrictions;
