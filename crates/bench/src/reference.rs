//! The reference servers, each a process of its own: an axum router that answers bytes it holds, the same after one
//! indexed SELECT, and an ungoverned engine.

use std::{collections::HashMap, net::SocketAddr, path::Path, process::Command, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{Path as PathSegments, State},
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::ListenerExt,
};
use http::{StatusCode, header};
use sqlx::{PgPool, Row, postgres::PgPoolOptions};

use crate::{
    Result, engine,
    subject::{Server, free_address},
};

const LOAD_TABLE: &str = "/iceberg/v1/{prefix}/namespaces/{namespace}/tables/{table}";
const TOKENS: &str = "/iceberg/v1/oauth/tokens";
/// What each table's load is answered.
pub(crate) type Bodies = HashMap<String, Bytes>;

const JSON: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

/// Starts a server that answers these bytes to every request for a token.
///
/// # Errors
/// It does not start.
pub(crate) fn token(directory: &Path, body: &[u8]) -> Result<Server> {
    let file = directory.join("reference-token");
    std::fs::write(&file, body)?;
    start(&["token", &file.display().to_string()])
}

/// Starts a server that answers each table's own bytes.
///
/// # Errors
/// It does not start.
pub(crate) fn bytes(directory: &Path, bodies: &Bodies) -> Result<Server> {
    start(&["bytes", &written(directory, bodies)?])
}

/// The same, after one SELECT by a unique index of PostgreSQL.
///
/// # Errors
/// It does not start.
pub(crate) fn select(directory: &Path, bodies: &Bodies, url: &str) -> Result<Server> {
    start(&["select", &written(directory, bodies)?, url])
}

/// Writes one file a table; the folder.
fn written(directory: &Path, bodies: &Bodies) -> Result<String> {
    let folder = directory.join("reference-bodies");
    std::fs::create_dir(&folder)?;
    bodies.iter().try_for_each(|(table, body)| std::fs::write(folder.join(table), body))?;
    Ok(folder.display().to_string())
}

fn read(folder: &str) -> Result<Arc<Bodies>> {
    let mut bodies = Bodies::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let table = entry.file_name().into_string().map_err(|_| "a table's name is text")?;
        bodies.insert(table, std::fs::read(entry.path())?.into());
    }
    Ok(Arc::new(bodies))
}

/// Starts a server that runs SQL over the tables whose metadata files are named (`name=location`).
///
/// # Errors
/// It does not start.
pub(crate) fn sql(tables: &[String]) -> Result<Server> {
    let mut args = vec!["sql"];
    args.extend(tables.iter().map(String::as_str));
    start(&args)
}

fn start(args: &[&str]) -> Result<Server> {
    let address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("reference").arg(address.to_string()).args(args);
    Server::start(command, address)
}

/// Runs a reference server until it is killed.
///
/// # Errors
/// Bad arguments, a port that is taken.
pub(crate) fn serve(args: &[String]) -> Result<()> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let (address, router) = match args.as_slice() {
            [address, "token", file] => {
                let body = Bytes::from(std::fs::read(file)?);
                // A token request has a body, which any server must read.
                let answer = move |_: Bytes| std::future::ready((JSON, body.clone()));
                (address, Router::new().route(TOKENS, post(answer)))
            }
            [address, "bytes", folder] => {
                (address, Router::new().route(LOAD_TABLE, get(plain)).with_state(read(folder)?))
            }
            [address, "select", folder, url] => {
                let pool = PgPoolOptions::new().max_connections(8).connect(url).await?;
                (address, Router::new().route(LOAD_TABLE, get(selected)).with_state((pool, read(folder)?)))
            }
            [address, "sql", tables @ ..] => {
                let engine = Arc::new(engine::Engine::open(tables).await?);
                (address, Router::new().route("/query", post(query)).with_state(engine))
            }
            _ => return Err("usage: reference ADDRESS bytes FILE | select FILE URL | sql NAME=LOCATION…".into()),
        };
        let address: SocketAddr = address.parse()?;
        let listener = tokio::net::TcpListener::bind(address).await?;
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, router).await?;
        Ok(())
    })
}

async fn plain(
    State(bodies): State<Arc<Bodies>>,
    PathSegments((_, _, table)): PathSegments<(String, String, String)>,
) -> Response {
    match bodies.get(&table) {
        Some(body) => (JSON, body.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn selected(
    State((pool, bodies)): State<(PgPool, Arc<Bodies>)>,
    PathSegments((_, namespace, table)): PathSegments<(String, String, String)>,
) -> Response {
    let query = sqlx::query("SELECT pointer, version FROM bare WHERE tenant = $1 AND namespace = $2 AND name = $3");
    let row = query.bind("acme").bind(namespace).bind(&table).fetch_one(&pool).await;
    match row.and_then(|row| row.try_get::<String, _>(0)) {
        Ok(_) => (JSON, bodies.get(&table).cloned().unwrap_or_default()).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn query(State(engine): State<Arc<engine::Engine>>, sql: String) -> Response {
    match engine.json(&sql).await {
        Ok(rows) => (JSON, rows).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}
