//! Requests to AWS, and to stores that speak like it: signed by `object_store`'s own SigV4 (decision 0025), sent by the one
//! client of this kind. Refuses redirects, answers that are too large, and everything that takes too long.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use object_store::{
    aws::{AwsAuthorizer, AwsCredential},
    client::{HttpClient, HttpErrorKind, HttpRequest, HttpRequestBody},
};
use polder_types::{Error, Result, Secret};

/// How long one request may take, its body included.
const REQUEST_MAX: Duration = Duration::from_secs(8);
/// How long it may take to reach the other side.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// Most bytes of an answer: STS sends a few thousand.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Keys of AWS: the server's own, or those of a session.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
    pub(crate) session_token: Option<Secret>,
}

/// What the signature says of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Nothing.
    Unsigned,
    /// Its SHA-256.
    Digest([u8; 32]),
    /// That of the body which the request holds.
    Own,
}

/// Signs a request: sets its host, date, digest and token, and its `Authorization`.
///
/// The signature covers every header that the request holds by then, but `user-agent` and `content-length`. The date is
/// the library's own: the store compares it with its clock and refuses it after 15 minutes (R6).
pub(crate) fn sign(request: &mut HttpRequest, keys: &Keys, service: &str, region: &str, payload: Payload) {
    let credential = AwsCredential {
        key_id: keys.access_key_id.clone(),
        secret_key: keys.secret_access_key.expose().to_owned(),
        token: keys.session_token.as_ref().map(|token| token.expose().to_owned()),
    };
    let signer = AwsAuthorizer::new(&credential, service, region).with_sign_payload(payload != Payload::Unsigned);
    match &payload {
        Payload::Digest(digest) => signer.authorize(request, Some(digest)),
        Payload::Own | Payload::Unsigned => signer.authorize(request, None),
    }
}

/// Makes a request; `uri` is absolute.
///
/// # Errors
/// `Internal` if it is none.
pub(crate) fn request(method: &str, uri: &str, body: String) -> Result<HttpRequest> {
    let mut request = HttpRequest::new(HttpRequestBody::from(body));
    *request.method_mut() = method.parse().map_err(Error::internal)?;
    *request.uri_mut() = uri.parse().map_err(Error::internal)?;
    Ok(request)
}

/// An answer with its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// The client of STS.
#[derive(Clone, Debug)]
pub(crate) struct Client(HttpClient);

impl Client {
    /// Makes it; nothing is sent yet.
    ///
    /// # Errors
    /// `Invalid` if no client can be made, for want of certificates for one.
    #[allow(clippy::disallowed_methods, reason = "the one client of STS: endpoints of the operator only, no redirects")]
    pub(crate) fn new() -> Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(REQUEST_MAX)
            .connect_timeout(CONNECT_MAX)
            .build()
            .map_err(|error| Error::invalid("storage", "the client of STS cannot be made").with_source(error))?;
        Ok(Self(HttpClient::new(client)))
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// The kind of failure, without URL, key or body: it may be logged.
    pub(crate) async fn send(&self, request: HttpRequest) -> std::result::Result<Answer, String> {
        let failed = |kind: HttpErrorKind| format!("HTTP {kind:?}");
        let answer = self.0.execute(request).await.map_err(|error| failed(error.kind()))?;
        let (status, mut parts) = (answer.status().as_u16(), answer.into_body().bytes_stream());
        let mut body = BytesMut::new();
        while let Some(part) = parts.try_next().await.map_err(|error| failed(error.kind()))? {
            if body.len().saturating_add(part.len()) > ANSWER_BYTES_MAX {
                return Err("an answer that is too large".to_owned());
            }
            body.extend_from_slice(&part);
        }
        Ok(Answer { status, body: body.freeze() })
    }
}
