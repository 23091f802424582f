//! Answers that carry a view's metadata: the document's own bytes between what is said of it. Parses no metadata.

use axum::response::Response;
use http::StatusCode;
use polder_catalog::views::LoadedView;
use polder_types::{Error, Result};

use super::with_body;

/// `LoadViewResult` of `loadView`, `createView`, `registerView` and `replaceView`.
///
/// # Errors
/// `Internal` if a member cannot be written.
pub(crate) fn loaded_view(view: &LoadedView) -> Result<Response> {
    let mut body = Vec::with_capacity(view.metadata.len() + 512);
    body.extend_from_slice(b"{\"metadata-location\":");
    serde_json::to_writer(&mut body, &view.metadata_location).map_err(Error::internal)?;
    body.extend_from_slice(b",\"metadata\":");
    body.extend_from_slice(&view.metadata);
    body.extend_from_slice(b",\"config\":");
    serde_json::to_writer(&mut body, view.config.as_ref()).map_err(Error::internal)?;
    body.push(b'}');
    Ok(with_body(StatusCode::OK, body))
}
