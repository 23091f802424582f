//! One request as a handler sees it: path parameters decoded once, typed query, body on demand under its limits.
//! Refuses duplicate parameters, bodies that are too large, too slow or too deep, and encodings it does not know.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    RequestExt,
    body::Body,
    extract::{RawPathParams, Request},
};
use bytes::Bytes;
use http::{HeaderMap, Method, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use polder_store::Named;
use polder_types::{Error, ErrorKind, Namespace, Result, Subject};
use serde::de::DeserializeOwned;

use crate::{app::App, clock::Arrival, json, op::Op};

/// A large body may take longer than the configured time: one second for so many bytes of its stated length.
const BODY_BYTES_PER_SECOND_MIN: u64 = 1024 * 1024;
/// Most bytes of a refused body that are read to let its client hear the refusal, and for how long.
const DISCARD_BYTES_MAX: usize = 4 * 1024 * 1024;
const DISCARD_MAX: Duration = Duration::from_secs(1);

/// One request.
pub(crate) struct Call {
    app: Arc<App>,
    parts: Parts,
    params: Vec<(String, String)>,
    /// A body is not `Sync`, a call that is lent across an await must be; nobody ever waits for this lock.
    body: Mutex<Body>,
    bytes_max: usize,
    arrival: Arrival,
}

impl Call {
    /// Takes a request apart; nothing of its body is read.
    ///
    /// # Errors
    /// `Invalid` if a path parameter is not UTF-8.
    pub(crate) async fn new(app: &Arc<App>, op: &Op, mut request: Request, arrival: Arrival) -> Result<Self> {
        let raw = request
            .extract_parts::<RawPathParams>()
            .await
            .map_err(|_| Error::invalid("invalid_path", "the path is not UTF-8 when decoded"))?;
        let params = raw.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (parts, body) = request.into_parts();
        Ok(Self { app: Arc::clone(app), parts, params, body: Mutex::new(body), bytes_max: op.body_bytes_max, arrival })
    }

    /// The server.
    pub(crate) fn app(&self) -> Arc<App> {
        Arc::clone(&self.app)
    }

    /// When it arrived.
    pub(crate) fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    /// Its headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// A path parameter, decoded once.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A path parameter that the route has.
    ///
    /// # Errors
    /// `Internal` if the route lacks it.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str> {
        self.param(name).ok_or_else(|| Error::internal(format!("the route has no parameter `{name}`")))
    }

    /// What the path names, as far as it has the grammar of names; the handler says what is wrong with the rest.
    pub(crate) fn named(&self) -> Named {
        Named {
            warehouse: self.param("prefix").and_then(|name| name.parse().ok()),
            namespace: self.param("namespace").and_then(|path| Namespace::from_path(path).ok()),
            table: self.param("table").map(str::to_owned).filter(|name| polder_types::check_name(name).is_ok()),
        }
    }

    /// The query string, typed; a parameter given twice is refused.
    ///
    /// # Errors
    /// `Invalid`.
    pub(crate) fn query<T: DeserializeOwned>(&self) -> Result<T> {
        serde_urlencoded::from_str(self.parts.uri.query().unwrap_or_default())
            .map_err(|error| Error::invalid("invalid_query", format!("the query string is not valid: {error}")))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// As [`Call::bytes`]; `Invalid` if it is not the JSON wanted, or nested too deep (R32).
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Result<T> {
        json::parse(&self.bytes().await?)
    }

    /// The body.
    ///
    /// # Errors
    /// `TooLarge` beyond the operation's limit, `RequestTimeout` if it comes too slowly, `Invalid` if it breaks off.
    pub(crate) async fn bytes(self) -> Result<Bytes> {
        if self.parts.headers.get(header::CONTENT_ENCODING).is_some_and(|value| value != "identity") {
            return Err(Error::invalid("unsupported_encoding", "request bodies must not be compressed"));
        }
        let stated = self.parts.headers.get(header::CONTENT_LENGTH);
        let stated = stated.and_then(|value| value.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
        if usize::try_from(stated).unwrap_or(usize::MAX) > self.bytes_max {
            let refusal = too_large(self.bytes_max);
            self.discard().await;
            return Err(refusal);
        }
        let within = self.app.limits().body_max + Duration::from_secs(stated / BODY_BYTES_PER_SECOND_MIN);
        let bytes_max = self.bytes_max;
        let collect = Limited::new(self.into_body(), bytes_max).collect();
        match tokio::time::timeout(within, collect).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(bytes_max)),
            Ok(Err(_)) => Err(Error::invalid("incomplete_body", "the request body broke off")),
            Err(_) => Err(Error::new(
                ErrorKind::RequestTimeout,
                Subject::Request,
                "body_timeout",
                "the request body did not arrive in time",
            )),
        }
    }

    /// Reads a small body of a request that was refused and keeps nothing of it: a client that is still writing when
    /// the connection is closed may never see why. Beyond a bound it is on its own; one that asked first
    /// (`Expect: 100-continue`) writes nothing.
    pub(crate) async fn discard(self) {
        if self.parts.headers.contains_key(header::EXPECT) {
            return;
        }
        let _ = tokio::time::timeout(DISCARD_MAX, async {
            let (mut body, mut left) = (self.into_body(), DISCARD_BYTES_MAX);
            while let Some(Ok(frame)) = body.frame().await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    return;
                }
            }
        })
        .await;
    }

    /// Reads the whole body; the call that comes back still has it.
    ///
    /// # Errors
    /// As [`Call::bytes`].
    pub(crate) async fn buffered(self) -> Result<(Self, Bytes)> {
        let (app, parts, params) = (Arc::clone(&self.app), self.parts.clone(), self.params.clone());
        let (bytes_max, arrival) = (self.bytes_max, self.arrival);
        let bytes = self.bytes().await?;
        let body = Mutex::new(Body::from(bytes.clone()));
        Ok((Self { app, parts, params, body, bytes_max, arrival }, bytes))
    }

    /// The same request once more, with this body.
    pub(crate) fn again(&self, body: Bytes) -> Self {
        Self {
            app: Arc::clone(&self.app),
            parts: self.parts.clone(),
            params: self.params.clone(),
            body: Mutex::new(Body::from(body)),
            bytes_max: self.bytes_max,
            arrival: self.arrival,
        }
    }

    /// Its method, and its path and query as they were sent.
    pub(crate) fn target(&self) -> (&Method, &str) {
        (&self.parts.method, self.parts.uri.path_and_query().map_or("", |target| target.as_str()))
    }

    fn into_body(self) -> Body {
        self.body.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_large(bytes_max: usize) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        Subject::Request,
        "body_too_large",
        format!("the request body is larger than {bytes_max} bytes"),
    )
}
