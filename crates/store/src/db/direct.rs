//! The connection of SQLite's one writer, used on the writer's own thread: a statement ends before its call returns, with no
//! hop to a thread of the driver and back. Runs the same [`Query`] as every other connection.

use std::{path::Path, time::Duration};

use rusqlite::{
    Connection, OpenFlags, Result, Row as Current, ToSql,
    types::{ToSqlOutput, Value as Cell, ValueRef},
};

use super::values::{Query, Row, Value};

/// More than there are statements of the writer: each is prepared once.
const STATEMENTS_MAX: usize = 512;

/// SQLite's writer, alone on its file.
// The connection may move between threads but is not to be shared, which a lock that nobody waits for tells the compiler.
pub(crate) struct Direct(std::sync::Mutex<Connection>);

impl Direct {
    /// Opens a file that exists and has its tables.
    ///
    /// # Errors
    /// The driver's.
    pub(crate) fn open(path: &Path, busy: Duration) -> Result<Self> {
        let connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(busy)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Ok(Self(std::sync::Mutex::new(connection)))
    }

    /// Runs a statement to its end; the number of rows it changed.
    pub(super) fn execute(&mut self, query: Query) -> Result<u64> {
        let connection = self.connection();
        step(connection, query, |_| Ok(()))?;
        Ok(connection.changes())
    }

    /// Every row of a statement.
    pub(super) fn rows(&mut self, query: Query) -> Result<Vec<Row>> {
        step(self.connection(), query, |row| {
            let cells = (0..row.as_ref().column_count()).map(|column| row.get::<_, Cell>(column));
            cells.collect::<Result<_>>().map(Row::Direct)
        })
    }

    /// Closes the file.
    pub(super) fn close(self) -> Result<()> {
        self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).close().map_err(|(_, error)| error)
    }

    fn connection(&mut self) -> &mut Connection {
        self.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Steps through a statement's rows.
fn step<T>(connection: &Connection, query: Query, mut read: impl FnMut(&Current<'_>) -> Result<T>) -> Result<Vec<T>> {
    let (text, values) = query.direct();
    let mut statement = connection.prepare_cached(text)?;
    for index in 1..=statement.parameter_count() {
        // SQLite numbers `$n` by where they first stand, whatever `n` is.
        let number = statement.parameter_name(index).and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let value = number.and_then(|number| values.get(number.checked_sub(1)?));
        let value = value.ok_or(rusqlite::Error::InvalidParameterCount(values.len(), index))?;
        statement.raw_bind_parameter(index, value)?;
    }
    let (mut rows, mut found) = (statement.raw_query(), Vec::new());
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

impl ToSql for Value {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Int(value) => value.map(ValueRef::Integer),
            Self::Bool(value) => value.map(|value| ValueRef::Integer(value.into())),
            Self::Text(value) => value.as_ref().map(|value| ValueRef::Text(value.as_bytes())),
            Self::Blob(value) => value.as_deref().map(ValueRef::Blob),
            Self::Uuid(value) => value.as_ref().map(|value| ValueRef::Blob(value.as_bytes())),
        };
        Ok(ToSqlOutput::Borrowed(value.unwrap_or(ValueRef::Null)))
    }
}
