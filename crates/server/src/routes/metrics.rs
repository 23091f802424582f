//! `/metrics`: the figures of the process, without a word about who uses it.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use http::{HeaderValue, header};
use polder_types::Result;

use crate::{app::App, call::Call};

/// Prometheus exposition format.
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The figures, on the public listener of postures that allow it.
pub(crate) async fn show_metrics(app: Arc<App>, _: Call) -> Result<Response> {
    text(&app)
}

/// The figures.
pub(crate) fn text(app: &App) -> Result<Response> {
    let mut response = Response::new(Body::from(app.metrics().render(app.figures())));
    response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
    Ok(response)
}
