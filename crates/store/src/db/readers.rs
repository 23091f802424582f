//! PostgreSQL connections for single reads. The driver's own pool asks the server before and after each use whether it is
//! still there, which is two more round trips than a warm load has; here one that was used a moment ago is taken as it
//! is, and one that was left in the middle of a statement is never used again.

use std::time::Duration;

use polder_types::Result;
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::Instant;

use super::failure;

/// How long a connection that nobody used is believed to be still there.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long making a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long an idle one may take to say that it is there.
const PING_MAX: Duration = Duration::from_secs(2);
/// When a connection that nobody uses is closed, and when any is, so that a change of the server's address is noticed.
const IDLE_MAX: Duration = Duration::from_secs(600);
const LIFETIME_MAX: Duration = Duration::from_secs(1_800);

/// The connections; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Readers(bb8::Pool<Connector>);

/// One of them, for as long as it is held.
pub(crate) type Reader = bb8::PooledConnection<'static, Connector>;

/// Makes connections.
#[derive(Debug)]
pub(crate) struct Connector(PgConnectOptions);

/// A connection and what is known of it.
pub(crate) struct Kept {
    conn: PgConnection,
    used: Instant,
    /// A statement has begun and its end was not seen.
    busy: bool,
}

impl Readers {
    /// At most `count`, made when they are wanted.
    pub(crate) fn new(options: PgConnectOptions, count: u32, acquire_max: Duration) -> Self {
        let pool = bb8::Pool::builder()
            .max_size(count.max(1))
            // The one that was used last: its server process still has at hand what it needs.
            .queue_strategy(bb8::QueueStrategy::Lifo)
            .connection_timeout(acquire_max)
            .idle_timeout(Some(IDLE_MAX))
            .max_lifetime(Some(LIFETIME_MAX));
        Self(pool.build_unchecked(Connector(options)))
    }

    /// Waits for one.
    ///
    /// # Errors
    /// `Unavailable` if none is free in time, or none can be made.
    pub(crate) async fn get(&self) -> Result<Reader> {
        self.0.get_owned().await.map_err(|error| match error {
            bb8::RunError::User(error) => failure(error),
            bb8::RunError::TimedOut => failure(sqlx::Error::PoolTimedOut),
        })
    }
}

impl Kept {
    /// The connection, for one statement.
    pub(crate) fn begin(&mut self) -> &mut PgConnection {
        self.busy = true;
        &mut self.conn
    }

    /// The statement ended, well or not, and the connection is as it was before.
    pub(crate) fn end(&mut self) {
        (self.busy, self.used) = (false, now());
    }
}

/// Refuses a standby: it tells what was true before. SECURITY: a grant that is revoked on the primary would hold there
/// (R18). Asked once a connection: a primary becomes a standby by a restart, which ends its connections.
pub(crate) async fn require_primary(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    match sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(conn).await? {
        true => Err(sqlx::Error::Protocol("the server is a standby".to_owned())),
        false => Ok(()),
    }
}

impl bb8::ManageConnection for Connector {
    type Connection = Kept;
    type Error = sqlx::Error;

    async fn connect(&self) -> Result<Kept, sqlx::Error> {
        // The pool bounds how long a caller waits, but not this: peers that accept and say nothing would use it up.
        let connect = async {
            let mut conn = self.0.connect().await?;
            require_primary(&mut conn).await?;
            Ok(Kept { conn, used: now(), busy: false })
        };
        tokio::time::timeout(CONNECT_MAX, connect).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    async fn is_valid(&self, kept: &mut Kept) -> Result<(), sqlx::Error> {
        if now().saturating_duration_since(kept.used) < TRUSTED_FOR {
            return Ok(());
        }
        tokio::time::timeout(PING_MAX, kept.begin().ping()).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        kept.end();
        Ok(())
    }

    fn has_broken(&self, kept: &mut Kept) -> bool {
        kept.busy
    }
}

#[allow(clippy::disallowed_methods, reason = "the age of a connection is no part of any decision")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
