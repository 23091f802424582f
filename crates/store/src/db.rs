//! The database behind the store: one enum arm a database, one SQL text for all, values bound by `$n`.
//! Owns connections, the statement counter and the reading of rows; nothing outside this file names a driver,
//! but the opening of the file and the classes of its errors in `store` and `writer`.

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use polder_types::{Error, KeyId, Micros, NamespaceId, PolicyId, PrincipalId, RelationId, Result, RoleId, TenantId};
use polder_types::{WarehouseId, WarehouseName};
use serde::de::DeserializeOwned;
use sqlx::{
    Connection, Decode, Row as _, Sqlite, SqliteConnection, SqlitePool, Transaction, Type,
    pool::PoolConnection,
    sqlite::{SqliteArguments, SqliteRow},
};
use uuid::Uuid;

/// Read connections.
#[derive(Clone)]
pub(crate) enum Db {
    /// A SQLite file that this process owns.
    Sqlite(SqlitePool),
}

impl Db {
    /// A connection for one statement.
    pub(crate) async fn read(&self, statements: &Arc<AtomicU64>) -> Result<Session> {
        let Self::Sqlite(pool) = self;
        let conn = Conn::SqlitePooled(pool.acquire().await.map_err(failure)?);
        Ok(Session { conn, statements: statements.clone() })
    }

    /// A connection on which several statements see one state. It rolls back when dropped.
    pub(crate) async fn read_together(&self, statements: &Arc<AtomicU64>) -> Result<Session> {
        let Self::Sqlite(pool) = self;
        let conn = Conn::SqliteTogether(pool.begin().await.map_err(failure)?);
        Ok(Session { conn, statements: statements.clone() })
    }

    /// Closes every connection.
    pub(crate) async fn close(&self) {
        let Self::Sqlite(pool) = self;
        pool.close().await;
    }
}

pub(crate) enum Conn {
    /// The writer's own.
    Sqlite(SqliteConnection),
    SqlitePooled(PoolConnection<Sqlite>),
    SqliteTogether(Transaction<'static, Sqlite>),
}

/// A connection that counts its statements.
pub(crate) struct Session {
    conn: Conn,
    statements: Arc<AtomicU64>,
}

impl Session {
    pub(crate) fn writer(conn: SqliteConnection, statements: Arc<AtomicU64>) -> Self {
        Self { conn: Conn::Sqlite(conn), statements }
    }

    fn sqlite(&mut self) -> &mut SqliteConnection {
        match &mut self.conn {
            Conn::Sqlite(conn) => conn,
            Conn::SqlitePooled(conn) => conn,
            Conn::SqliteTogether(conn) => conn,
        }
    }

    /// Runs a statement; the number of rows it changed.
    pub(crate) async fn execute(&mut self, query: Query) -> Result<u64> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let done = query.sqlite().execute(self.sqlite()).await.map_err(failure)?;
        Ok(done.rows_affected())
    }

    /// Every row of a statement.
    pub(crate) async fn rows(&mut self, query: Query) -> Result<Vec<Row>> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let rows = query.sqlite().fetch_all(self.sqlite()).await.map_err(failure)?;
        Ok(rows.into_iter().map(Row::Sqlite).collect())
    }

    /// The only row of a statement, if there is one.
    pub(crate) async fn row(&mut self, query: Query) -> Result<Option<Row>> {
        Ok(self.rows(query).await?.into_iter().next())
    }

    /// BEGIN, SAVEPOINT, COMMIT and the like: not counted.
    pub(crate) async fn control(&mut self, text: &'static str) -> Result<()> {
        sqlx::query(text).execute(self.sqlite()).await.map_err(failure)?;
        Ok(())
    }

    /// Closes the writer's connection.
    pub(crate) async fn close(self) {
        if let Conn::Sqlite(conn) = self.conn
            && let Err(error) = conn.close().await
        {
            tracing::error!(error = %error, "the database did not close cleanly");
        }
    }
}

/// A statement with its values.
pub(crate) struct Query {
    text: &'static str,
    values: Vec<Value>,
}

/// Begins a statement.
pub(crate) fn sql(text: &'static str) -> Query {
    Query { text, values: Vec::new() }
}

impl Query {
    /// The value of the next `$n`.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    fn sqlite(self) -> sqlx::query::Query<'static, Sqlite, SqliteArguments> {
        self.values.into_iter().fold(sqlx::query(self.text), |query, value| match value {
            Value::Null => query.bind(None::<i64>),
            Value::Int(value) => query.bind(value),
            Value::Bool(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Blob(value) => query.bind(value),
            Value::Uuid(value) => query.bind(value),
        })
    }
}

/// A value to bind.
pub(crate) enum Value {
    Null,
    Int(i64),
    Bool(bool),
    Text(String),
    Blob(Vec<u8>),
    Uuid(Uuid),
}

macro_rules! values {
    ($($type:ty => |$value:ident| $made:expr;)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        })*
    };
}

values! {
    i64 => |value| Self::Int(value);
    i32 => |value| Self::Int(value.into());
    bool => |value| Self::Bool(value);
    String => |value| Self::Text(value);
    &str => |value| Self::Text(value.to_owned());
    Vec<u8> => |value| Self::Blob(value);
    &[u8] => |value| Self::Blob(value.to_vec());
    Uuid => |value| Self::Uuid(value);
    Micros => |value| Self::Int(value.0);
    WarehouseId => |value| Self::Uuid(value.0);
    NamespaceId => |value| Self::Uuid(value.0);
    RelationId => |value| Self::Uuid(value.0);
    PrincipalId => |value| Self::Uuid(value.0);
    RoleId => |value| Self::Uuid(value.0);
    PolicyId => |value| Self::Uuid(value.0);
    &TenantId => |value| Self::Text(value.as_str().to_owned());
    &WarehouseName => |value| Self::Text(value.as_str().to_owned());
    &KeyId => |value| Self::Text(value.as_str().to_owned());
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row read.
pub(crate) enum Row {
    Sqlite(SqliteRow),
}

impl Row {
    /// The value of a column, counted from 0.
    pub(crate) fn get<T>(&self, column: usize) -> Result<T>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite>,
    {
        let Self::Sqlite(row) = self;
        row.try_get(column).map_err(Error::internal)
    }

    pub(crate) fn text(&self, column: usize) -> Result<String> {
        self.get(column)
    }

    pub(crate) fn int(&self, column: usize) -> Result<i64> {
        self.get(column)
    }

    pub(crate) fn micros(&self, column: usize) -> Result<Micros> {
        self.get(column).map(Micros)
    }

    pub(crate) fn uuid(&self, column: usize) -> Result<Uuid> {
        self.get(column)
    }

    /// A value with a grammar of its own. What was stored was valid; anything else is a broken database.
    pub(crate) fn parse<T: FromStr<Err = Error>>(&self, column: usize) -> Result<T> {
        self.text(column)?.parse().map_err(|error: Error| Error::internal(error))
    }

    /// A value stored as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T> {
        serde_json::from_str(&self.text(column)?).map_err(Error::internal)
    }
}

/// A value as JSON text.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

/// The code of an error after which nothing may be written any more.
pub(crate) const IO: &str = "database_io";

/// Turns a driver's error into ours: what may pass with time is `Unavailable`, everything else a bug.
pub(crate) fn failure(error: sqlx::Error) -> Error {
    // SQLite result codes, https://www.sqlite.org/rescode.html; the low byte is the class.
    let class = match &error {
        sqlx::Error::Database(error) => error.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff),
        _ => None,
    };
    match (class, &error) {
        // READONLY, IOERR, CORRUPT, CANTOPEN, NOTADB
        (Some(8 | 10 | 11 | 14 | 26), _) | (_, sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed) => {
            Error::unavailable(IO, "the metadata database cannot be used").with_source(error)
        }
        (Some(13), _) => Error::unavailable("database_full", "the metadata database is full").with_source(error),
        (Some(5 | 6), _) | (_, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => {
            Error::unavailable("database_busy", "the metadata database is busy").with_source(error)
        }
        _ => Error::internal(error),
    }
}
