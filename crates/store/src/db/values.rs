//! Statements with their values, and rows read back, for both databases. A value knows its type even when it is null:
//! PostgreSQL prepares a statement once, for the types it was first sent with.

use std::str::FromStr;

use polder_types::{
    Error, JobId, KeyId, Micros, NamespaceId, PolicyId, PrincipalId, RelationId, Result, RoleId, TenantId,
};
use polder_types::{WarehouseId, WarehouseName};
use rusqlite::types::{FromSql, Value as Cell};
use serde::de::DeserializeOwned;
use sqlx::{
    Decode, Postgres, Row as _, Sqlite, Type,
    postgres::{PgArguments, PgRow},
    query,
    sqlite::{SqliteArguments, SqliteRow},
};
use uuid::Uuid;

/// A statement with its values.
pub(crate) struct Query {
    sqlite: &'static str,
    postgres: &'static str,
    values: Vec<Value>,
}

/// Begins a statement that both databases understand.
pub(crate) fn sql(text: &'static str) -> Query {
    Query::new(text, text)
}

/// Begins a statement whose text differs: `sql! { sqlite: "…", postgres: "…" }`. Tidy counts these.
macro_rules! sql {
    (sqlite: $sqlite:expr, postgres: $postgres:expr $(,)?) => {
        $crate::db::Query::new($sqlite, $postgres)
    };
}

impl Query {
    pub(crate) fn new(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres, values: Vec::new() }
    }

    /// The value of the next `$n`.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    pub(super) fn sqlite(self) -> query::Query<'static, Sqlite, SqliteArguments> {
        self.values.into_iter().fold(sqlx::query(self.sqlite), |query, value| match value {
            Value::Int(value) => query.bind(value),
            Value::Bool(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Blob(value) => query.bind(value),
            Value::Uuid(value) => query.bind(value),
        })
    }

    /// The text and the values for a connection of [`super::Direct`].
    pub(super) fn direct(self) -> (&'static str, Vec<Value>) {
        (self.sqlite, self.values)
    }

    pub(super) fn postgres(self) -> query::Query<'static, Postgres, PgArguments> {
        self.values.into_iter().fold(sqlx::query(self.postgres), |query, value| match value {
            Value::Int(value) => query.bind(value),
            Value::Bool(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Blob(value) => query.bind(value),
            Value::Uuid(value) => query.bind(value),
        })
    }
}

/// A value to bind; `None` is NULL.
pub(crate) enum Value {
    Int(Option<i64>),
    Bool(Option<bool>),
    Text(Option<String>),
    Blob(Option<Vec<u8>>),
    Uuid(Option<Uuid>),
}

/// What can be bound: a value or its absence, always of one type.
pub(crate) trait Bind: Sized {
    fn value(value: Option<Self>) -> Value;
}

macro_rules! values {
    ($($type:ty => $variant:ident |$value:ident| $made:expr;)*) => {
        $(
            impl Bind for $type {
                fn value(value: Option<Self>) -> Value {
                    Value::$variant(value.map(|$value| $made))
                }
            }
            impl From<$type> for Value {
                fn from(value: $type) -> Self {
                    Bind::value(Some(value))
                }
            }
        )*
    };
}

values! {
    i64 => Int |value| value;
    i32 => Int |value| value.into();
    bool => Bool |value| value;
    String => Text |value| value;
    &str => Text |value| value.to_owned();
    Vec<u8> => Blob |value| value;
    &[u8] => Blob |value| value.to_vec();
    Uuid => Uuid |value| value;
    Micros => Int |value| value.0;
    WarehouseId => Uuid |value| value.0;
    NamespaceId => Uuid |value| value.0;
    RelationId => Uuid |value| value.0;
    PrincipalId => Uuid |value| value.0;
    RoleId => Uuid |value| value.0;
    PolicyId => Uuid |value| value.0;
    JobId => Uuid |value| value.0;
    &TenantId => Text |value| value.as_str().to_owned();
    &WarehouseName => Text |value| value.as_str().to_owned();
    &KeyId => Text |value| value.as_str().to_owned();
}

impl<T: Bind> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        T::value(value)
    }
}

/// A row read.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    /// Of SQLite's writer.
    Direct(Vec<Cell>),
    Postgres(PgRow),
}

impl Row {
    /// The value of a column, counted from 0.
    pub(crate) fn get<T>(&self, column: usize) -> Result<T>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> + FromSql,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column).map_err(Error::internal),
            Self::Direct(cells) => {
                let cell = cells.get(column).ok_or_else(|| Error::internal("a row has fewer columns"))?;
                T::column_result(cell.into()).map_err(Error::internal)
            }
            Self::Postgres(row) => row.try_get(column).map_err(Error::internal),
        }
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
