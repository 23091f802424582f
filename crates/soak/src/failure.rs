//! What went wrong, in words: a harness has nobody who could handle more than that.

use std::fmt::Display;

/// A result, or what went wrong.
pub(crate) type Outcome<T> = Result<T, String>;

/// Says what was tried when something failed.
pub(crate) trait Why<T> {
    fn why(self, tried: impl Display) -> Outcome<T>;
}

impl<T, E: Display> Why<T> for Result<T, E> {
    fn why(self, tried: impl Display) -> Outcome<T> {
        self.map_err(|error| format!("{tried}: {error}"))
    }
}

impl<T> Why<T> for Option<T> {
    fn why(self, tried: impl Display) -> Outcome<T> {
        self.ok_or_else(|| format!("{tried}: absent"))
    }
}
