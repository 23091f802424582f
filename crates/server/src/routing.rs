//! How the lines of `router` become doors: a handler is only ever reached through `op`, and every request is counted.
//! Owns 404 and 405.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use axum::{Router, extract::Request, response::Response, routing::any};
use futures::future::BoxFuture;
use http::Method;
use polder_catalog::OpCtx;
use polder_types::Result;

use crate::{
    app::App,
    call::Call,
    clock::Arrival,
    metrics::{InFlight, RouteMetrics},
    op::{self, Op},
    render::{self, Style},
};

/// Where the Iceberg paths begin.
const ICEBERG: &str = "/iceberg";
/// A path below it with the name of a warehouse.
const PREFIXED: &str = "/iceberg/v1/{prefix}";
/// The same path for the tenant's default warehouse.
const UNPREFIXED: &str = "/iceberg/v1";

/// One route, as tests and `getConfig` see it.
#[derive(Clone, Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, parameters in braces.
    pub path: String,
    /// What it does.
    pub op: &'static Op,
    /// True if it asks for no authentication.
    pub public: bool,
}

impl Route {
    /// The line of `getConfig`'s `endpoints`, if it is one: `GET /v1/{prefix}/namespaces`.
    pub(crate) fn endpoint(&self) -> Option<String> {
        let inside = self.path.strip_prefix(PREFIXED)?;
        Some(format!("{} /v1/{{prefix}}{inside}", self.method))
    }

    /// The fixed word that stands where other paths have the name of a warehouse, if there is one: `namespaces` in
    /// `/iceberg/v1/namespaces/{namespace}`. The router prefers it, so it can name no warehouse.
    pub(crate) fn reserves(&self) -> Option<&str> {
        let word = self.path.strip_prefix(UNPREFIXED)?.strip_prefix('/')?.split('/').next()?;
        (!word.starts_with('{')).then_some(word)
    }
}

type Door = Arc<dyn Fn(Arc<App>, Call) -> BoxFuture<'static, Response> + Send + Sync>;

struct Entry {
    route: Route,
    door: Door,
}

/// A route with the handle of what is counted of it.
struct Counted {
    entry: Entry,
    metrics: Arc<RouteMetrics>,
}

/// Routes whose handlers get an authenticated context, and are reached in no other way.
#[derive(Default)]
pub(crate) struct Protected(Vec<Entry>);

/// Routes for those who have no credential yet.
#[derive(Default)]
pub(crate) struct Public(Vec<Entry>);

impl Protected {
    /// Registers a route.
    pub(crate) fn on<H, F>(self, method: Method, path: &str, op: &'static Op, handler: H) -> Self
    where
        H: Fn(OpCtx, Call) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = Result<Response>> + Send + 'static,
    {
        let door: Door = Arc::new(move |app, call| Box::pin(async move { op::run_op(&app, op, call, handler).await }));
        self.add(method, path, op, door)
    }

    /// Registers a route inside a warehouse, with and without the name of the warehouse.
    pub(crate) fn in_warehouse<H, F>(self, method: Method, path: &str, op: &'static Op, handler: H) -> Self
    where
        H: Fn(OpCtx, Call) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = Result<Response>> + Send + 'static,
    {
        let named = [PREFIXED, path].concat();
        self.on(method.clone(), &named, op, handler).on(method, &[UNPREFIXED, path].concat(), op, handler)
    }

    fn add(mut self, method: Method, path: &str, op: &'static Op, door: Door) -> Self {
        self.0.push(Entry { route: Route { method, path: path.to_owned(), op, public: false }, door });
        self
    }
}

impl Public {
    /// Registers a route.
    pub(crate) fn on<H, F>(mut self, method: Method, path: &str, op: &'static Op, handler: H) -> Self
    where
        H: Fn(Arc<App>, Call) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = Result<Response>> + Send + 'static,
    {
        let door: Door =
            Arc::new(move |app, call| Box::pin(async move { op::run_public(&app, op, call, handler).await }));
        self.0.push(Entry { route: Route { method, path: path.to_owned(), op, public: true }, door });
        self
    }
}

/// The list of both.
pub(crate) fn list(public: &Public, protected: &Protected) -> Vec<Route> {
    public.0.iter().chain(&protected.0).map(|entry| entry.route.clone()).collect()
}

/// Makes the service.
pub(crate) fn build(app: &Arc<App>, public: Public, protected: Protected) -> Router {
    let mut paths: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in public.0.into_iter().chain(protected.0) {
        paths.entry(entry.route.path.clone()).or_default().push(entry);
    }
    let mut router = Router::new();
    for (path, entries) in paths {
        let counted = |entry: Entry| {
            let metrics = app.metrics().route(&entry.route.method, &entry.route.path, entry.route.op);
            Counted { entry, metrics }
        };
        let entries: Arc<Vec<Counted>> = Arc::new(entries.into_iter().map(counted).collect());
        let app = Arc::clone(app);
        let serve = move |request| dispatch(Arc::clone(&app), Arc::clone(&entries), request);
        router = router.route(&path, any(serve));
    }
    let unknown = |style| {
        let app = Arc::clone(app);
        move |request: Request| async move {
            let arrival = Arrival::now();
            let counted = app.metrics().begin_unmatched(request.method(), &arrival);
            end(counted, op::unknown_path(&app, style, &arrival))
        }
    };
    router.route(&[ICEBERG, "/{*rest}"].concat(), any(unknown(Style::Iceberg))).fallback(unknown(Style::Gateway))
}

/// Chooses the route of a path by its method. Each method is served by its own handler: none is derived from another.
async fn dispatch(app: Arc<App>, entries: Arc<Vec<Counted>>, request: Request) -> Response {
    let arrival = Arrival::now();
    let Some(Counted { entry, metrics }) =
        entries.iter().find(|counted| counted.entry.route.method == *request.method())
    else {
        let style = entries.first().map_or(Style::Gateway, |counted| counted.entry.route.op.style);
        let allow: Vec<&str> = entries.iter().map(|counted| counted.entry.route.method.as_str()).collect();
        let counted = app.metrics().begin_unmatched(request.method(), &arrival);
        return end(counted, op::wrong_method(&app, style, &allow.join(", "), request.method(), &arrival));
    };
    let counted = app.metrics().begin(metrics, &arrival);
    let head = entry.route.method == Method::HEAD;
    let response = match Call::new(&app, entry.route.op, request, arrival).await {
        Ok(call) => (entry.door)(Arc::clone(&app), call).await,
        Err(error) => op::malformed(&app, entry.route.op, &error, &arrival),
    };
    counted.end(response.status());
    if head { render::without_body(response) } else { response }
}

/// Counts a request that no route took.
fn end(counted: Option<InFlight<'_>>, response: Response) -> Response {
    if let Some(counted) = counted {
        counted.end(response.status());
    }
    response
}
