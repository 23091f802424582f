//! Tests of the commit protocol, against a real store and real files, with planned faults.

mod creates;
mod faults;
mod keyed;
mod places;
mod races;
mod transactions;
mod unchanged;
