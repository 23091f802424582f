//! The life of the server: start, accept, stop. A stop finishes what was begun: requests, commits, counted audit
//! events, the access log. Used by `polder serve`, the demo and the tests alike.

mod idle;
mod jobs;
mod listen;
mod operations;
mod peers;
mod stall;
pub(crate) mod tls;

use std::{net::SocketAddr, os::unix::fs::DirBuilderExt, path::Path, sync::Arc, time::Duration};

use polder_catalog::{Catalog, CatalogOptions};
use polder_query::{Gateway, GatewayConfig};
use polder_store::{RootKey, Stamp, Store, StoreOptions};
use polder_types::{Error, Location, Result, Secret, TenantId};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access_log::AccessLog,
    app::App,
    auth::Authenticator,
    clock::Arrival,
    config::{Config, Database},
    metrics::Metrics,
    router,
};
use listen::{Listening, Waits};

/// How often counted audit events are written.
const FLUSH_EVERY: Duration = Duration::from_secs(10);
/// Most connections of the operations listener, of all and of each address.
const OPERATIONS_CONNECTIONS_MAX: usize = 16;
const OPERATIONS_PER_ADDRESS_MAX: usize = 8;
/// The database below the data directory.
const DATABASE: &str = "polder.db";
/// Managed warehouses below the data directory.
const WAREHOUSES: &str = "warehouses";

/// A server that runs until it is shut down.
pub struct RunningServer {
    address: SocketAddr,
    operations: Option<SocketAddr>,
    app: Arc<App>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Starts the server; it is ready when this returns.
///
/// # Errors
/// `Invalid` for settings that cannot be used (no root key, a database in use, an address that is taken).
pub async fn start(config: &Config) -> Result<RunningServer> {
    config.check()?;
    let app = assemble(config).await?;
    let tls = config.listener.tls.as_ref().map(tls::acceptor).transpose()?;
    let (listener, address) = bind("listen", config.listener.address).await?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let doors = Listening {
        listener,
        router: router::router(&app),
        tls: tls.clone(),
        connections_max: config.limits.connections_max,
        // All that a proxy passes on comes from its own address.
        per_address_max: (!config.listener.behind_proxy).then_some(config.limits.connections_per_address_max),
        waits: Waits::default(),
    };
    tasks.spawn(listen::accept(doors, stop.clone(), tasks.clone()));
    let operations = match config.operations.listen {
        Some(wanted) => {
            let (listener, address) = bind("operations.listen", wanted).await?;
            let inside = Listening {
                listener,
                router: operations::router(&app, config.operations.token.as_ref()),
                // On loopback nobody else listens, and no certificate is for it.
                tls: tls.filter(|_| !wanted.ip().is_loopback()),
                connections_max: OPERATIONS_CONNECTIONS_MAX,
                per_address_max: Some(OPERATIONS_PER_ADDRESS_MAX),
                waits: Waits::default(),
            };
            tasks.spawn(listen::accept(inside, stop.clone(), tasks.clone()));
            Some(address)
        }
        None => None,
    };
    tasks.spawn(flush_counted(app.catalog().store().clone(), stop.clone()));
    for _ in 0..jobs::WORKERS {
        tasks.spawn(jobs::work(Arc::clone(&app), stop.clone()));
    }
    tasks.spawn(prove_vending(app.catalog().clone(), stop.clone()));
    tracing::info!(%address, "serving");
    Ok(RunningServer { address, operations, app, stop, tasks })
}

async fn bind(setting: &'static str, wanted: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let bound = TcpListener::bind(wanted).await;
    let listener =
        bound.map_err(|error| Error::invalid(setting, format!("`{setting}`: cannot listen on {wanted}: {error}")))?;
    let address = listener.local_addr().map_err(Error::internal)?;
    Ok((listener, address))
}

/// Starts the server with everything below one directory, which is made with a root key if need be.
///
/// # Errors
/// As [`start`].
pub async fn start_embedded(data: &Path, listen: SocketAddr) -> Result<RunningServer> {
    if !listen.ip().is_loopback() {
        return Err(Error::invalid("listen", "the demo listens on loopback addresses only; use `polder serve`"));
    }
    make_data_dir(data)?;
    let config = Config::embedded(data, listen);
    if !config.root_key_file.exists() {
        RootKey::create(&config.root_key_file)?;
    }
    start(&config).await
}

/// Makes the data directory, the root key and the operator's tenant; returns the credential `id:secret` of its first
/// administrator, or `None` if the database has a tenant already.
///
/// # Errors
/// As [`start`].
pub async fn init(config: &Config, tenant: &str, admin: &str) -> Result<Option<Secret>> {
    make_data_dir(&config.data_dir)?;
    if !config.root_key_file.exists() {
        RootKey::create(&config.root_key_file)?;
    }
    let catalog = open(config).await?;
    let credential = bootstrap(catalog.store(), tenant, admin).await;
    catalog.store().close().await;
    credential
}

impl RunningServer {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the operations listener is, if there is one.
    #[must_use]
    pub fn operations(&self) -> Option<SocketAddr> {
        self.operations
    }

    /// Makes the operator's tenant if the database has no tenant yet; the credential `id:secret` of its first
    /// administrator, else `None`.
    ///
    /// # Errors
    /// `Invalid` for a bad name; the store's own.
    pub async fn bootstrap(&self, tenant: &str, admin: &str) -> Result<Option<Secret>> {
        bootstrap(self.app.catalog().store(), tenant, admin).await
    }

    /// How many statements the store has run so far, for tests of budgets.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.app.catalog().store().statements()
    }

    /// Stops accepting, finishes requests and commits, writes what is still in memory, closes the database.
    pub async fn shutdown(self) {
        let within = self.app.limits().shutdown_max;
        self.app.stop();
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(within, self.tasks.wait()).await.is_err() {
            tracing::warn!("requests were still running when the time to stop was over");
        }
        if !self.app.catalog().close(within).await {
            tracing::warn!("commits were still running when the time to stop was over");
        }
        let store = self.app.catalog().store();
        if let Err(error) = store.flush_counted(Arrival::now().now).await {
            tracing::error!(code = error.code(), "counted audit events could not be written");
        }
        store.close().await;
        self.app.access_log().close();
        tracing::info!("stopped");
    }
}

/// Returns when the process is asked to stop (SIGINT, SIGTERM).
pub async fn until_stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        // Without handlers the signals end the process themselves.
        _ => std::future::pending().await,
    }
}

/// Puts the server's parts together, without a listener.
///
/// # Errors
/// As [`start`].
pub(crate) async fn assemble(config: &Config) -> Result<Arc<App>> {
    let catalog = open(config).await?;
    let gateway = Gateway::new(GatewayConfig::default())?;
    let metrics = Arc::new(Metrics::default());
    let auth = Authenticator::new(catalog.store().clone(), &config.auth, Arc::clone(&metrics))?;
    let access_log = AccessLog::open(&config.access_log)?;
    Ok(Arc::new(App::new(catalog, gateway, auth, access_log, metrics, (config.posture, config.limits))))
}

async fn open(config: &Config) -> Result<Catalog> {
    let data_dir = config.data_dir.canonicalize().map_err(|error| {
        Error::invalid(
            "data_dir",
            format!("the data directory `{}`: {error}; run `polder init`", config.data_dir.display()),
        )
    })?;
    let root_key = RootKey::load(&config.root_key_file)?;
    let store = Store::open(store_options(config, &data_dir, root_key), Arrival::now().now).await?;
    let options = CatalogOptions {
        managed_base: Some(managed_base(config, &data_dir)?),
        metadata_cache_bytes: config.limits.metadata_cache_bytes_max,
        storage: config.storage.storage()?,
        tenants_bring_directories: config.posture.lets_tenants_bring_directories(),
    };
    Ok(Catalog::new(store, options))
}

fn store_options(config: &Config, data_dir: &Path, root_key: RootKey) -> StoreOptions {
    match &config.database {
        Database::Embedded => StoreOptions::new(data_dir.join(DATABASE), root_key),
        Database::Postgres(url) => StoreOptions::postgres(url.clone(), root_key),
    }
}

fn managed_base(config: &Config, data_dir: &Path) -> Result<Location> {
    if let Some(base) = &config.storage.managed_base {
        return Ok(base.clone());
    }
    Location::parse(&format!("file://{}", data_dir.join(WAREHOUSES).display())).map_err(|_| {
        Error::invalid("data_dir", format!("`{}` holds a character that locations cannot hold", data_dir.display()))
    })
}

async fn bootstrap(store: &Store, tenant: &str, admin: &str) -> Result<Option<Secret>> {
    let tenant: TenantId = tenant.parse()?;
    let Arrival { request_id, now, .. } = Arrival::now();
    let founded = store.bootstrap(&tenant, admin, &Stamp::new(request_id, now)).await?;
    Ok(founded.map(|founded| Secret::new([founded.key.key.id.as_str(), ":", founded.key.secret.expose()].concat())))
}

fn make_data_dir(path: &Path) -> Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| {
        Error::invalid("data_dir", format!("the data directory `{}` cannot be made: {error}", path.display()))
    })
}

/// Finds out whether vended credentials work and are narrow, beside the start: a store that is down must not hold it up,
/// and the first credential waits for the proof anyway.
async fn prove_vending(catalog: Catalog, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = catalog.prove_vending(Arrival::now().now) => {}
    }
}

/// Writes counted events until the server stops; the last ones are written by the shutdown itself.
async fn flush_counted(store: Store, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FLUSH_EVERY) => {}
        }
        if let Err(error) = store.flush_counted(Arrival::now().now).await {
            tracing::error!(code = error.code(), "counted audit events could not be written; they stay in memory");
        }
    }
}
