//! The reference servers, each a process of its own: an axum router that answers fixed bytes, the same after one
//! indexed SELECT, and an ungoverned engine.

use std::{net::SocketAddr, path::Path, process::Command, sync::Arc};

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
const JSON: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

/// Starts a server that answers these bytes to every load of a table and every request for a token.
///
/// # Errors
/// It does not start.
pub(crate) fn bytes(directory: &Path, body: &[u8]) -> Result<Server> {
    let file = directory.join("reference-body");
    std::fs::write(&file, body)?;
    start(&["bytes", &file.display().to_string()])
}

/// The same, after one SELECT by a unique index of PostgreSQL.
///
/// # Errors
/// It does not start.
pub(crate) fn select(directory: &Path, body: &[u8], url: &str) -> Result<Server> {
    let file = directory.join("reference-body");
    std::fs::write(&file, body)?;
    start(&["select", &file.display().to_string(), url])
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
            [address, "bytes", file] => {
                let body = Bytes::from(std::fs::read(file)?);
                let answer = move || std::future::ready((JSON, body.clone()));
                let (of_load, of_token) = (answer.clone(), answer);
                // A token request has a body, which any server must read.
                (address, Router::new().route(LOAD_TABLE, get(of_load)).route(TOKENS, post(move |_: Bytes| of_token())))
            }
            [address, "select", file, url] => {
                let body = Bytes::from(std::fs::read(file)?);
                let pool = PgPoolOptions::new().max_connections(8).connect(url).await?;
                (address, Router::new().route(LOAD_TABLE, get(selected)).with_state(Arc::new((pool, body))))
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

async fn selected(
    State(state): State<Arc<(PgPool, Bytes)>>,
    PathSegments((_, namespace, table)): PathSegments<(String, String, String)>,
) -> Response {
    let query = sqlx::query("SELECT pointer, version FROM bare WHERE tenant = $1 AND namespace = $2 AND name = $3");
    let row = query.bind("acme").bind(namespace).bind(table).fetch_one(&state.0).await;
    match row.and_then(|row| row.try_get::<String, _>(0)) {
        Ok(_) => (JSON, state.1.clone()).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn query(State(engine): State<Arc<engine::Engine>>, sql: String) -> Response {
    match engine.json(&sql).await {
        Ok(rows) => (JSON, rows).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}
