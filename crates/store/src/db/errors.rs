//! The drivers' errors as ours: what may pass with time is `Unavailable`, what the caller sent is `Invalid`,
//! everything else is a bug.

use polder_types::Error;
use sqlx::postgres::PgDatabaseError;

/// The code of an error of the connection or the file: after it, SQLite's writer stops.
pub(crate) const IO: &str = "database_io";
/// The code of an error after which PostgreSQL has rolled back and the same transaction may be tried again.
pub(crate) const AGAIN: &str = "database_conflict";

/// Turns a driver's error into ours.
pub(crate) fn failure(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            broken(error)
        }
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => busy(error),
        sqlx::Error::Database(database) => match database.try_downcast_ref::<PgDatabaseError>() {
            Some(postgres) => {
                let state = postgres.code().to_owned();
                of_sqlstate(&state, error)
            }
            None => {
                let code = database.code().and_then(|code| code.parse::<u32>().ok());
                of_sqlite_code(code, error)
            }
        },
        _ => Error::internal(error),
    }
}

/// Turns an error of SQLite's writer into ours.
pub(crate) fn direct_failure(error: rusqlite::Error) -> Error {
    let code = error.sqlite_error().and_then(|error| u32::try_from(error.extended_code).ok());
    of_sqlite_code(code, error)
}

/// SQLite result codes, <https://www.sqlite.org/rescode.html>; the low byte is the class.
fn of_sqlite_code(code: Option<u32>, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    match code.map(|code| code & 0xff) {
        // NOMEM, READONLY, IOERR, CORRUPT, CANTOPEN, NOTADB: after them nobody knows how far SQLite has come
        Some(7 | 8 | 10 | 11 | 14 | 26) => broken(error),
        Some(13) => full(error),
        Some(5 | 6) => busy(error),
        _ => Error::internal(error),
    }
}

/// SQLSTATE, <https://www.postgresql.org/docs/current/errcodes-appendix.html>; the first two characters are the class.
fn of_sqlstate(state: &str, error: sqlx::Error) -> Error {
    match (state.get(..2).unwrap_or_default(), state) {
        // serialization_failure, deadlock_detected
        (_, "40001" | "40P01") => {
            Error::unavailable(AGAIN, "others changed the same at once; try again").with_source(error)
        }
        (_, "53100") => full(error),
        // connections, resources, shutdown and cancelling, a standby or read-only server, a transaction idle too long
        ("08" | "57", _) | (_, "25006" | "25P03") => broken(error),
        // too many connections, out of memory; lock_not_available
        ("53", _) | (_, "55P03") => busy(error),
        // A text with U+0000, which no name can hold and PostgreSQL cannot store.
        (_, "22021" | "22P05") => Error::invalid("invalid_text", "a text holds a character that cannot be stored"),
        _ => Error::internal(error),
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable(IO, "the metadata database cannot be used").with_source(error)
}

fn full(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable("database_full", "the metadata database is full").with_source(error)
}

fn busy(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable("database_busy", "the metadata database is busy").with_source(error)
}

/// The server did not answer in time: nothing is known about the connection any more.
pub(crate) fn silent() -> Error {
    Error::unavailable(IO, "the metadata database does not answer")
}
