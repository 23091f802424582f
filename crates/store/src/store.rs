//! The store as a whole: opening and closing the one database file that this process owns, and what every noun
//! shares. Refuses a file that another process owns, and a root key that is not the database's.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use polder_types::{Error, Micros, RequestId, Result};
use sqlx::{
    ConnectOptions,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::{
    IdempotencyKey, RootKey, SigningKey,
    cache::Caches,
    counted::Counted,
    db::{Db, Session, failure, sql},
    fresh,
    root_key::Keys,
    snapshot::Snapshots,
    writer::{Tx, Writer, Written},
};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a read waits for a connection before it is 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Which request a change belongs to, and when it happens: time is a value.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The request.
    pub request: RequestId,
    /// Now.
    pub now: Micros,
    /// The key of a request that must have one outcome, however often it comes.
    pub keyed: Option<IdempotencyKey>,
}

impl Stamp {
    /// A request without an `Idempotency-Key`.
    #[must_use]
    pub fn new(request: RequestId, now: Micros) -> Self {
        Self { request, now, keyed: None }
    }
}

/// What a store is opened with.
#[derive(Debug)]
pub struct StoreOptions {
    /// The database file; made if absent.
    pub path: PathBuf,
    /// The root key.
    pub root_key: RootKey,
    /// Read connections.
    pub readers: u32,
    /// Most writes waiting; one more is answered 503.
    pub queue: usize,
}

impl StoreOptions {
    /// The usual sizes.
    #[must_use]
    pub fn new(path: PathBuf, root_key: RootKey) -> Self {
        Self { path, root_key, readers: 4, queue: 1_024 }
    }
}

/// The metadata database. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    db: Db,
    writer: Writer,
    /// The writer.
    writing: TaskTracker,
    /// Counts on their way to the writer.
    flushes: TaskTracker,
    caches: Arc<Caches>,
    snapshots: Snapshots,
    counted: Counted,
    keys: Keys,
    signing_key: SigningKey,
    statements: Arc<AtomicU64>,
    /// Held as long as the store lives.
    _lock: File,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

/// True if nothing happened because the permit was made under an older policy: authorize again and retry.
#[must_use]
pub fn is_stale(error: &Error) -> bool {
    error.code() == "stale_policy"
}

impl Store {
    /// Opens the database, makes it if absent, and brings its schema up to date.
    ///
    /// # Errors
    /// `Invalid` if another process owns the file, if it is no database, if it is newer than this binary, or if
    /// the root key is not the one that it was made with.
    pub async fn open(options: StoreOptions, now: Micros) -> Result<Self> {
        let lock = own(&options.path)?;
        make_private(&options.path)?;
        let keys = Keys::derive(&options.root_key)?;
        let statements = Arc::new(AtomicU64::new(0));
        let connect = SqliteConnectOptions::new()
            .filename(&options.path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(ACQUIRE_TIMEOUT)
            .create_if_missing(true);
        let mut conn = connect.connect().await.map_err(|error| unusable(&options.path, error))?;
        MIGRATIONS.run(&mut conn).await.map_err(|error| unusable(&options.path, error))?;
        let mut session = Session::writer(conn, statements.clone());
        let signing_key = signing_key(&mut session, &keys, now).await?;
        let pool = SqlitePoolOptions::new()
            .max_connections(options.readers.max(1))
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(connect.create_if_missing(false).pragma("query_only", "ON"))
            .await
            .map_err(failure)?;
        let caches = Arc::new(Caches::new());
        let (writer, work) = Writer::new(Tx::new(session, caches.clone()), options.queue);
        let writing = TaskTracker::new();
        writing.spawn(work);
        Ok(Self(Arc::new(Inner {
            db: Db::Sqlite(pool),
            writer,
            writing,
            flushes: TaskTracker::new(),
            caches,
            snapshots: Snapshots::new(),
            counted: Counted::new(),
            keys,
            signing_key,
            statements,
            _lock: lock,
        })))
    }

    /// Writes what was counted, refuses new writes, finishes those accepted, and closes the file.
    pub async fn close(&self) {
        self.0.flushes.close();
        self.0.flushes.wait().await;
        if let Err(error) = self.write_counted().await {
            tracing::error!(error = ?error, "events that were counted could not be written");
        }
        self.0.writer.close();
        self.0.writing.close();
        self.0.writing.wait().await;
        self.0.db.close().await;
    }

    /// How many statements ran so far, without BEGIN, SAVEPOINT, COMMIT and the like.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.0.statements.load(Ordering::Relaxed)
    }

    /// The key that signs our tokens.
    #[must_use]
    pub fn signing_key(&self) -> &SigningKey {
        &self.0.signing_key
    }

    pub(crate) fn caches(&self) -> &Caches {
        &self.0.caches
    }

    pub(crate) fn snapshots(&self) -> &Snapshots {
        &self.0.snapshots
    }

    pub(crate) fn counted(&self) -> &Counted {
        &self.0.counted
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn flushes(&self) -> &TaskTracker {
        &self.0.flushes
    }

    pub(crate) async fn read(&self) -> Result<Session> {
        self.0.db.read(&self.0.statements).await
    }

    pub(crate) async fn read_together(&self) -> Result<Session> {
        self.0.db.read_together(&self.0.statements).await
    }

    /// Runs a job on the writer and waits for its COMMIT.
    pub(crate) async fn write<T, F>(&self, name: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T>> + Send + 'static,
    {
        self.submit(name, work).await.into_result()
    }

    /// Hands a job to the writer. It runs even if the future that this returns is dropped.
    pub(crate) fn submit<T, F>(
        &self,
        name: &'static str,
        work: F,
    ) -> impl Future<Output = Written<T>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T>> + Send + 'static,
    {
        self.0.writer.submit(name, work)
    }
}

/// Takes the file for this process. The lock lies beside the database, since SQLite has locks of its own on it.
fn own(path: &Path) -> Result<File> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(PathBuf::from(beside))
        .map_err(|error| unusable(path, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::invalid(
            "database_in_use",
            format!("the database `{}` is in use by another process; stop that one first", path.display()),
        )),
        Err(TryLockError::Error(error)) => Err(unusable(path, error)),
    }
}

/// Makes the file if it is absent, readable by its owner only; SQLite gives the files beside it the same mode.
fn make_private(path: &Path) -> Result<()> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::invalid("database_unusable", format!("the database `{}` cannot be used: {error}", path.display()))
        .with_source(error)
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

#[cfg(test)]
mod tests;
