//! What every request works with: one catalog, one gateway, one authenticator, one access log.

use std::sync::atomic::{AtomicBool, Ordering};

use polder_catalog::Catalog;
use polder_query::Gateway;

use crate::{access_log::AccessLog, auth::Authenticator, config::Limits, idempotency::InFlight};

/// The server's parts.
pub(crate) struct App {
    catalog: Catalog,
    gateway: Gateway,
    auth: Authenticator,
    access_log: AccessLog,
    limits: Limits,
    in_flight: InFlight,
    stopping: AtomicBool,
}

impl App {
    /// Puts the parts together.
    pub(crate) fn new(
        catalog: Catalog,
        gateway: Gateway,
        auth: Authenticator,
        access_log: AccessLog,
        limits: Limits,
    ) -> Self {
        Self {
            catalog,
            gateway,
            auth,
            access_log,
            limits,
            in_flight: InFlight::new(),
            stopping: AtomicBool::new(false),
        }
    }

    /// The catalog.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The query gateway.
    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Who is asking.
    pub(crate) fn auth(&self) -> &Authenticator {
        &self.auth
    }

    /// The access log.
    pub(crate) fn access_log(&self) -> &AccessLog {
        &self.access_log
    }

    /// Keyed requests that run now.
    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// Bounds of the process.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Says that no new work should be sent here.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// True once the server is stopping.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
