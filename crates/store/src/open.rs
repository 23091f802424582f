//! Opening: the SQLite file that this process alone owns, or a PostgreSQL database shared with other nodes; migrations;
//! the keys of the installation. Refuses a file that another process owns, a root key that is not the database's, a
//! schema that is newer by more than one version, and a server that does not keep what it has committed.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, atomic::AtomicU64},
    thread,
    time::Duration,
};

use polder_types::{Error, Micros, Result, Secret};
use sqlx::{
    ConnectOptions, Connection, PgConnection, SqliteConnection,
    migrate::{Migrate, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::{
    SigningKey, StoreOptions,
    cache::Caches,
    db::{Db, Direct, Readers, Session, failure, require_primary, sql},
    fresh, jobs,
    root_key::Keys,
    store::Writing,
    transactions::Transactions,
    tx::{LastEvent, Lock, Tx},
    writer::Writer,
};

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

/// How long a statement waits for a connection before it is 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for a transaction, whose queue is bounded too; half of a request's usual deadline.
const WRITER_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);
/// Connections that ask what became of transactions; made when there is something to ask.
const SETTLERS_MAX: u32 = 2;
/// Connections that read several statements in one state: policy snapshots, one at a time for each tenant.
const TOGETHER_MAX: u32 = 4;
/// What every PostgreSQL connection is told: no statement, no wait for a lock and no pause inside a transaction is
/// without an end. Statements are planned once a connection, for whatever values come later: all of them look rows up by
/// indexes, and no plan that was made while a table was small may read it whole when it is large.
const POSTGRES_SETTINGS: [(&str, &str); 8] = [
    ("statement_timeout", "10s"),
    ("lock_timeout", "8s"),
    ("idle_in_transaction_session_timeout", "20s"),
    ("default_transaction_isolation", "read committed"),
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

/// An open database.
pub(crate) struct Opened {
    pub(crate) db: Db,
    pub(crate) writing: Writing,
    pub(crate) caches: Arc<Caches>,
    pub(crate) signing_key: SigningKey,
    pub(crate) lock: Option<File>,
}

/// Opens a file and takes it for this process.
pub(crate) async fn sqlite(
    path: &Path,
    options: &StoreOptions,
    keys: &Keys,
    statements: &Arc<AtomicU64>,
    now: Micros,
) -> Result<Opened> {
    let lock = own(path).await?;
    make_private(path)?;
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(ACQUIRE_TIMEOUT)
        .create_if_missing(true);
    let mut conn = connect.connect().await.map_err(|error| unusable(path.display(), error))?;
    migrate_sqlite(&mut conn, path).await?;
    conn.close().await.map_err(|error| unusable(path.display(), error))?;
    let direct = Direct::open(path, ACQUIRE_TIMEOUT).map_err(|error| unusable(path.display(), error))?;
    let mut session = Session::writer(direct, statements.clone());
    jobs::release_all(&mut session).await?;
    let signing_key = signing_key(&mut session, keys, now).await?;
    let pool = SqlitePoolOptions::new()
        .max_connections(options.readers.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(connect.create_if_missing(false).pragma("query_only", "ON"))
        .await
        .map_err(failure)?;
    let caches = Arc::new(Caches::new(false));
    let (writer, work) = Writer::new(Tx::new(session, caches.clone(), LastEvent::default()), options.queue);
    let task = TaskTracker::new();
    let running = task.token();
    let work = move || {
        let _running = running;
        futures::executor::block_on(work);
    };
    // A thread of its own: its statements block, and what it waits for is its queue alone.
    thread::Builder::new().name("polder-writer".to_owned()).spawn(work).map_err(Error::internal)?;
    let writing = Writing::Grouped { writer, task };
    Ok(Opened { db: Db::Sqlite(pool), writing, caches, signing_key, lock: Some(lock) })
}

/// Connects to a database that other nodes may use at the same time.
pub(crate) async fn postgres(
    url: &Secret,
    options: &StoreOptions,
    keys: &Keys,
    statements: &Arc<AtomicU64>,
    now: Micros,
) -> Result<Opened> {
    // SECURITY: what is wrong with the URL is not repeated, since it holds a password.
    let connect = PgConnectOptions::from_str(url.expose())
        .map_err(|_| Error::invalid("database_url", "the database's URL is not one of PostgreSQL"))?
        .application_name("polder")
        .options(POSTGRES_SETTINGS);
    let name = format!("{}/{}", connect.get_host(), connect.get_database().unwrap_or(connect.get_username()));
    let mut conn = connect.connect().await.map_err(|error| unusable(&name, error))?;
    require_primary(&mut conn).await.map_err(|error| unusable(&name, error))?;
    check_durable(&mut conn, &name).await?;
    migrate_postgres(&mut conn, &name).await?;
    drop(conn.close().await); // the server notices by itself
    let writers = pool(options.writers.max(1), WRITER_ACQUIRE_TIMEOUT).connect_lazy_with(connect.clone());
    let settlers = pool(SETTLERS_MAX, ACQUIRE_TIMEOUT).connect_lazy_with(connect.clone());
    let connect = connect.options([("default_transaction_read_only", "on")]);
    let together = pool(TOGETHER_MAX, ACQUIRE_TIMEOUT).connect_lazy_with(connect.clone());
    let readers = Readers::new(connect, options.readers, ACQUIRE_TIMEOUT);
    let caches = Arc::new(Caches::new(true));
    let signing_key = shared_signing_key(&writers, keys, statements, now).await?;
    let pools = (writers, settlers);
    let writing = Writing::Beside(Transactions::new(pools, options.queue, caches.clone(), statements.clone()));
    Ok(Opened { db: Db::Postgres(readers, together), writing, caches, signing_key, lock: None })
}

/// At most `count` connections, each of them to the primary.
fn pool(count: u32, acquire_max: Duration) -> PgPoolOptions {
    let options = PgPoolOptions::new().max_connections(count).acquire_timeout(acquire_max);
    options.after_connect(|conn, _| Box::pin(require_primary(conn)))
}

/// Refuses a server that answers COMMIT before anything is on its disk: an acknowledged change could be lost.
async fn check_durable(conn: &mut PgConnection, name: &str) -> Result<()> {
    let settings = "SELECT current_setting('server_version_num')::bigint, current_setting('fsync'), \
         current_setting('synchronous_commit'), current_setting('full_page_writes')";
    let (version, fsync, synchronous, pages): (i64, String, String, String) =
        sqlx::query_as(settings).fetch_one(conn).await.map_err(failure)?;
    if version < POSTGRES_VERSION_MIN {
        return Err(Error::invalid("database_old", format!("the database `{name}` needs PostgreSQL 13 or newer")));
    }
    let off = [("fsync", fsync), ("synchronous_commit", synchronous), ("full_page_writes", pages)];
    match off.iter().find(|(_, value)| value == "off") {
        None => Ok(()),
        Some((setting, _)) => Err(Error::invalid(
            "database_not_durable",
            format!(
                "the database `{name}` runs with `{setting} = off` and could lose what it has confirmed; turn it on"
            ),
        )),
    }
}

/// `pg_current_xact_id` came with 13.
const POSTGRES_VERSION_MIN: i64 = 130_000;

async fn migrate_sqlite(conn: &mut SqliteConnection, path: &Path) -> Result<()> {
    conn.ensure_migrations_table(TABLE).await.map_err(|error| unusable(path.display(), error))?;
    let applied = conn.list_applied_migrations(TABLE).await.map_err(|error| unusable(path.display(), error))?;
    let migrations = tolerant(&SQLITE_MIGRATIONS, applied.iter().map(|migration| migration.version).max())?;
    migrations.run(conn).await.map_err(|error| unusable(path.display(), error))
}

async fn migrate_postgres(conn: &mut PgConnection, name: &str) -> Result<()> {
    // Two nodes that start at once: the second waits here, and finds everything done.
    conn.lock().await.map_err(|error| unusable(name, error))?;
    conn.ensure_migrations_table(TABLE).await.map_err(|error| unusable(name, error))?;
    let applied = conn.list_applied_migrations(TABLE).await.map_err(|error| unusable(name, error))?;
    let migrations = tolerant(&POSTGRES_MIGRATIONS, applied.iter().map(|migration| migration.version).max())?;
    let done = migrations.run(&mut *conn).await.map_err(|error| unusable(name, error));
    conn.unlock().await.map_err(|error| unusable(name, error))?;
    done
}

/// Where the migrations that were run are noted.
const TABLE: &str = "_sqlx_migrations";

/// The migrations of this binary, if the schema is none or one version ahead of them: every migration leaves what the
/// version before reads and writes as it was, so the two run beside each other while nodes are replaced (F10).
fn tolerant(migrations: &Migrator, applied: Option<i64>) -> Result<Migrator> {
    let newest = migrations.iter().map(|migration| migration.version).max().unwrap_or_default();
    let applied = applied.unwrap_or_default();
    if applied > newest + 1 {
        return Err(Error::invalid(
            "database_newer",
            format!(
                "the database has schema version {applied}, and this program knows versions up to {newest} and runs \
                 beside one more; use a newer program"
            ),
        ));
    }
    let mut tolerant = Migrator::with_migrations(migrations.iter().cloned().collect());
    tolerant.set_ignore_missing(applied > newest);
    Ok(tolerant)
}

/// Reads the signing key of a shared database, or makes it: one of several nodes that start at once.
async fn shared_signing_key(
    pool: &sqlx::PgPool,
    keys: &Keys,
    statements: &Arc<AtomicU64>,
    now: Micros,
) -> Result<SigningKey> {
    let session = Session::postgres(pool.acquire().await.map_err(failure)?, statements.clone());
    let mut tx = Tx::new(session, Arc::new(Caches::new(true)), LastEvent::default());
    tx.control("BEGIN").await?;
    tx.alone(Lock::Installation).await?;
    let key = signing_key(&mut tx, keys, now).await;
    tx.control(if key.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    key
}

/// How often a lock that somebody holds is tried, and the pause between: the last owner may be about to end, and a process
/// that was just forked off holds its parent's locks until it runs its own program.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Takes the file for this process. The lock lies beside the database, since SQLite has locks of its own on it.
async fn own(path: &Path) -> Result<File> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(PathBuf::from(beside))
        .map_err(|error| unusable(path.display(), error))?;
    for _ in 0..LOCK_TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
            Err(TryLockError::Error(error)) => return Err(unusable(path.display(), error)),
        }
    }
    Err(Error::invalid(
        "database_in_use",
        format!("the database `{}` is in use by another process; stop that one first", path.display()),
    ))
}

/// Makes the file if it is absent, readable by its owner only; SQLite gives the files beside it the same mode.
fn make_private(path: &Path) -> Result<()> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| unusable(path.display(), error))
}

fn unusable(database: impl std::fmt::Display, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::invalid("database_unusable", format!("the database `{database}` cannot be used: {error}")).with_source(error)
}

/// Reads the signing key, or makes it in a new database.
async fn signing_key(session: &mut Session, keys: &Keys, now: Micros) -> Result<SigningKey> {
    let newest = sql("SELECT id, sealed FROM signing_keys ORDER BY created_at DESC, id DESC LIMIT 1");
    if let Some(row) = session.row(newest).await? {
        let (id, sealed): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let bytes = keys.stored.open(&signing_key_context(&id), &sealed).ok_or_else(|| {
            Error::invalid("root_key_wrong", "the root key is not the one that this database was made with")
        })?;
        return Ok(SigningKey::new(id, bytes));
    }
    let id = fresh::uuid(now)?.to_string();
    let bytes = Zeroizing::new(fresh::bytes::<32>()?.to_vec());
    let sealed = keys.stored.seal(&signing_key_context(&id), &bytes)?;
    let insert = sql("INSERT INTO signing_keys (id, sealed, created_at) VALUES ($1, $2, $3)");
    session.execute(insert.bind(id.as_str()).bind(sealed).bind(now)).await?;
    Ok(SigningKey::new(id, bytes))
}

/// SECURITY: a sealed secret opens only in the row that it was sealed for.
fn signing_key_context(id: &str) -> Vec<u8> {
    format!("signing_keys/{id}").into_bytes()
}
