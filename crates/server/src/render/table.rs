//! Answers that carry table metadata: prefix, the document's own bytes, suffix. Parses and serialises no metadata.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, HttpBody},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::combinators::BoxBody;
use polder_catalog::tables::LoadedTable;
use polder_types::{Error, Result};

use super::{JSON, access::Delegated};

/// `LoadTableResult` of `loadTable`, `createTable` and their like, with the access that its client asked for.
///
/// # Errors
/// `Internal` if a member cannot be written.
pub(crate) fn delegated_table(table: LoadedTable, access: Option<Delegated>) -> Result<Response> {
    let mut suffix = Vec::with_capacity(64);
    suffix.extend_from_slice(b",\"config\":");
    let Some(access) = access else {
        serde_json::to_writer(&mut suffix, table.config.as_ref()).map_err(Error::internal)?;
        suffix.push(b'}');
        return spliced(table, suffix);
    };
    let config = Arc::clone(&table.config);
    let mut config: BTreeMap<&str, String> =
        config.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    config.extend(access.config());
    serde_json::to_writer(&mut suffix, &config).map_err(Error::internal)?;
    let credentials = access.credentials();
    if !credentials.is_empty() {
        suffix.extend_from_slice(b",\"storage-credentials\":");
        serde_json::to_writer(&mut suffix, &credentials).map_err(Error::internal)?;
    }
    if access.signs() {
        // It says that requests are signed by being there. It has no members: we want nothing added to a client's requests.
        suffix.extend_from_slice(b",\"remote-signing-config\":{}");
    }
    suffix.push(b'}');
    // SECURITY: no tag, so that nobody is told later that keys which have ended are still current (R30).
    spliced(LoadedTable { etag: None, ..table }, suffix).map(super::no_store)
}

/// `CommitTableResponse`.
///
/// # Errors
/// As [`loaded_table`].
pub(crate) fn committed_table(table: LoadedTable) -> Result<Response> {
    spliced(table, vec![b'}'])
}

/// 304, with the tag that still holds.
pub(crate) fn not_modified(etag: &str) -> Result<Response> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().insert(header::ETAG, HeaderValue::try_from(etag).map_err(Error::internal)?);
    Ok(response)
}

fn spliced(table: LoadedTable, suffix: Vec<u8>) -> Result<Response> {
    let mut prefix = Vec::with_capacity(256);
    prefix.push(b'{');
    if let Some(location) = &table.metadata_location {
        prefix.extend_from_slice(b"\"metadata-location\":");
        serde_json::to_writer(&mut prefix, location).map_err(Error::internal)?;
        prefix.push(b',');
    }
    prefix.extend_from_slice(b"\"metadata\":");
    let parts = [Bytes::from(prefix), table.metadata, Bytes::from(suffix)];
    let mut response = Response::new(Body::new(BoxBody::new(Spliced { parts, next: 0 })));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    if let Some(etag) = &table.etag {
        headers.insert(header::ETAG, HeaderValue::try_from(etag.as_str()).map_err(Error::internal)?);
    }
    Ok(response)
}

/// Three pieces sent one after the other, none of them copied.
struct Spliced {
    parts: [Bytes; 3],
    next: usize,
}

impl HttpBody for Spliced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        let at = self.next;
        self.next += 1;
        Poll::Ready(self.parts.get(at).cloned().map(|part| Ok(hyper::body::Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.parts.len()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        let left = self.parts.iter().skip(self.next).map(Bytes::len).sum::<usize>();
        hyper::body::SizeHint::with_exact(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests;
