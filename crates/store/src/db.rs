//! The database behind the store: one enum arm a database, one SQL text for both where it can be, values bound by
//! `$n`. Owns connections and the statement counter; nothing outside this directory names a driver, but the opening
//! of the database and its migrations in `open`.

mod direct;
mod errors;
mod readers;
#[macro_use]
mod values;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use polder_types::Result;
use sqlx::{PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction, pool::PoolConnection};

pub(crate) use direct::Direct;
use errors::direct_failure;
pub(crate) use errors::{AGAIN, IO, failure};
use readers::Reader;
pub(crate) use readers::{Readers, require_primary};
pub(crate) use values::{Query, Row, json, sql};

/// How long PostgreSQL may take to answer one statement before the connection counts as dead; longer than the limit
/// that the server itself puts on statements.
const ANSWER_MAX: Duration = Duration::from_secs(12);

/// Read connections.
#[derive(Clone)]
pub(crate) enum Db {
    /// A SQLite file that this process owns.
    Sqlite(SqlitePool),
    /// A PostgreSQL database that other nodes use too: connections for single statements, and for several together.
    Postgres(Readers, PgPool),
}

impl Db {
    /// A connection for one statement.
    pub(crate) async fn read(&self, statements: &Arc<AtomicU64>) -> Result<Session> {
        let conn = match self {
            Self::Sqlite(pool) => Conn::SqlitePooled(pool.acquire().await.map_err(failure)?),
            Self::Postgres(readers, _) => Conn::PostgresReader(Box::pin(readers.get()).await?),
        };
        Ok(Session::new(conn, statements.clone()))
    }

    /// A connection on which several statements see one state. It rolls back when dropped.
    pub(crate) async fn read_together(&self, statements: &Arc<AtomicU64>) -> Result<Session> {
        let conn = match self {
            Self::Sqlite(pool) => Conn::SqliteTogether(pool.begin().await.map_err(failure)?),
            Self::Postgres(_, pool) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                Conn::PostgresTogether(Box::pin(pool.begin_with(begin)).await.map_err(failure)?)
            }
        };
        Ok(Session::new(conn, statements.clone()))
    }

    /// Closes every connection.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            // The connections of `Readers` end with the last of their clones.
            Self::Postgres(_, pool) => pool.close().await,
        }
    }
}

enum Conn {
    /// The writer's own.
    Direct(Direct),
    SqlitePooled(PoolConnection<Sqlite>),
    SqliteTogether(Transaction<'static, Sqlite>),
    Postgres(PoolConnection<Postgres>),
    PostgresReader(Reader),
    PostgresTogether(Transaction<'static, Postgres>),
}

enum Backend<'c> {
    Direct(&'c mut Direct),
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// A connection that counts its statements.
pub(crate) struct Session {
    conn: Conn,
    statements: Arc<AtomicU64>,
    /// A statement failed: a PostgreSQL transaction can only be rolled back after that.
    failed: bool,
}

impl Session {
    fn new(conn: Conn, statements: Arc<AtomicU64>) -> Self {
        Self { conn, statements, failed: false }
    }

    /// The session of SQLite's writer. Its statements block, so it belongs on a thread of its own.
    pub(crate) fn writer(conn: Direct, statements: Arc<AtomicU64>) -> Self {
        Self::new(Conn::Direct(conn), statements)
    }

    pub(crate) fn postgres(conn: PoolConnection<Postgres>, statements: Arc<AtomicU64>) -> Self {
        Self::new(Conn::Postgres(conn), statements)
    }

    fn backend(&mut self) -> Backend<'_> {
        match &mut self.conn {
            Conn::Direct(conn) => Backend::Direct(conn),
            Conn::SqlitePooled(conn) => Backend::Sqlite(conn),
            Conn::SqliteTogether(conn) => Backend::Sqlite(conn),
            Conn::Postgres(conn) => Backend::Postgres(conn),
            Conn::PostgresReader(kept) => Backend::Postgres(kept.begin()),
            Conn::PostgresTogether(conn) => Backend::Postgres(conn),
        }
    }

    /// True where other nodes write to the same database.
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self.conn, Conn::Direct(_) | Conn::SqlitePooled(_) | Conn::SqliteTogether(_))
    }

    /// True once a statement failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Runs a statement; the number of rows it changed.
    pub(crate) async fn execute(&mut self, query: Query) -> Result<u64> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let done = match self.backend() {
            Backend::Direct(conn) => conn.execute(query).map_err(direct_failure),
            Backend::Sqlite(conn) => {
                query.sqlite().execute(conn).await.map(|done| done.rows_affected()).map_err(failure)
            }
            Backend::Postgres(conn) => {
                answered(async { Ok(query.postgres().execute(conn).await?.rows_affected()) }).await
            }
        };
        self.noted(done)
    }

    /// Every row of a statement.
    pub(crate) async fn rows(&mut self, query: Query) -> Result<Vec<Row>> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let rows = match self.backend() {
            Backend::Direct(conn) => conn.rows(query).map_err(direct_failure),
            Backend::Sqlite(conn) => {
                let rows = Box::pin(query.sqlite().fetch_all(conn)).await.map_err(failure);
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
            Backend::Postgres(conn) => {
                // The driver's futures are kilobytes each, and would be part of the state of every request.
                let rows = Box::pin(answered(query.postgres().fetch_all(conn))).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
        };
        self.noted(rows)
    }

    /// The only row of a statement, if there is one.
    pub(crate) async fn row(&mut self, query: Query) -> Result<Option<Row>> {
        Ok(self.rows(query).await?.into_iter().next())
    }

    /// BEGIN, SAVEPOINT, COMMIT and the like: not counted.
    pub(crate) async fn control(&mut self, text: &'static str) -> Result<()> {
        self.control_row(text).await.map(drop)
    }

    /// As [`Session::control`]; the row that it answers, if any.
    pub(crate) async fn control_row(&mut self, text: &'static str) -> Result<Option<Row>> {
        let done = match self.backend() {
            Backend::Direct(conn) => conn.rows(sql(text)).map(|rows| rows.into_iter().next()).map_err(direct_failure),
            Backend::Sqlite(conn) => {
                let row = sqlx::query(text).fetch_optional(conn).await.map_err(failure);
                row.map(|row| row.map(Row::Sqlite))
            }
            Backend::Postgres(conn) => {
                let row = answered(sqlx::raw_sql(text).fetch_optional(conn)).await;
                row.map(|row| row.map(Row::Postgres))
            }
        };
        self.noted(done)
    }

    fn noted<T>(&mut self, done: Result<T>) -> Result<T> {
        let lost = done.as_ref().is_err_and(|error| error.code() == IO);
        self.failed |= done.is_err();
        match &mut self.conn {
            // What is not ended here is never used again.
            Conn::PostgresReader(kept) if !lost => kept.end(),
            _ if lost => self.abandon(),
            _ => {}
        }
        done
    }

    /// Keeps a PostgreSQL connection, whose state is unknown, from ever being used again.
    pub(crate) fn abandon(&mut self) {
        if let Conn::Postgres(conn) = &mut self.conn {
            conn.close_on_drop();
        }
    }

    /// Closes the writer's connection.
    pub(crate) fn close(self) {
        if let Conn::Direct(conn) = self.conn
            && let Err(error) = conn.close()
        {
            tracing::error!(error = %error, "the database did not close cleanly");
        }
    }
}

/// Waits for an answer, but not for ever: behind a broken network there may be nobody.
async fn answered<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T> {
    match tokio::time::timeout(ANSWER_MAX, answer).await {
        Ok(answer) => answer.map_err(failure),
        Err(_) => Err(errors::silent()),
    }
}
