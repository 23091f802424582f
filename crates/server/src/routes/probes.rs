//! Is the process alive, and should work be sent to it? Says no more than that.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use polder_types::{Error, Result};
use serde::Serialize;

use crate::{app::App, call::Call, render};

#[derive(Serialize)]
struct Probe {
    status: &'static str,
}

/// 200 as long as the process answers.
pub(crate) async fn livez(_: Arc<App>, _: Call) -> Result<Response> {
    live()
}

/// 200 while work may be sent here; 503 once the server is stopping.
pub(crate) async fn readyz(app: Arc<App>, _: Call) -> Result<Response> {
    ready(&app)
}

/// The answer of a process that answers.
pub(crate) fn live() -> Result<Response> {
    render::json(StatusCode::OK, &Probe { status: "live" })
}

/// The answer to whether work may be sent here.
pub(crate) fn ready(app: &App) -> Result<Response> {
    if app.is_stopping() {
        return Err(Error::unavailable("stopping", "the server is stopping"));
    }
    render::json(StatusCode::OK, &Probe { status: "ready" })
}
