//! The HTTP client of the CLI and the demo: they enter through the same doors as everybody else.

use std::time::Duration;

use polder_types::Secret;
use reqwest::{
    Method, RequestBuilder, StatusCode,
    header::{ACCEPT, HeaderMap},
    redirect::Policy,
};
use serde_json::Value;

/// How long one request may take; the server's own deadlines are shorter.
const TIMEOUT: Duration = Duration::from_secs(120);

/// What went wrong, with the exit code it stands for.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// The server answered with an error.
    Refused {
        /// The status.
        status: StatusCode,
        /// The body, as JSON where it is.
        body: Value,
    },
    /// The server could not be reached, or did not answer as it should.
    Unreachable(String),
    /// The command line or a file is wrong.
    Usage(String),
    /// The answer could not be kept.
    Failed(String),
}

impl ClientError {
    /// 1 failure, 2 usage, 3 denied, 4 not found, 5 conflict, 6 unavailable.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
            Self::Unreachable(_) => 6,
            Self::Refused { status, .. } => match status.as_u16() {
                401 | 403 => 3,
                404 => 4,
                409 => 5,
                429 | 503 | 504 => 6,
                _ => 1,
            },
        }
    }
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(text) | Self::Unreachable(text) | Self::Failed(text) => f.write_str(text),
            Self::Refused { status, body } => {
                let message = body.pointer("/error/message").and_then(Value::as_str).unwrap_or("no message");
                write!(f, "{} ({message})", status.as_u16())
            }
        }
    }
}

/// A connection to one server as the holder of one credential.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base_url: String,
    key: String,
    secret: Secret,
}

impl Client {
    /// Prepares a client; `credential` is `id:secret`. Nothing is sent yet.
    #[allow(clippy::disallowed_methods, reason = "the client of the CLI and the demo; the server never uses it")]
    /// With `ca`, certificates in PEM, the server must be certified by one of them; else by one that the host trusts.
    pub(crate) fn new(base_url: &str, ca: Option<&[u8]>, credential: &Secret) -> Result<Self, ClientError> {
        let (key, secret) = credential
            .expose()
            .split_once(':')
            .ok_or_else(|| ClientError::Usage("a credential has the form `id:secret`".to_owned()))?;
        let mut http = reqwest::Client::builder().timeout(TIMEOUT).redirect(Policy::none()).no_proxy();
        if let Some(ca) = ca {
            let roots = reqwest::Certificate::from_pem_bundle(ca).unwrap_or_default();
            if roots.is_empty() {
                return Err(ClientError::Usage("the CA file holds no certificate in PEM".to_owned()));
            }
            http = roots
                .into_iter()
                .fold(http.tls_built_in_root_certs(false), |http, root| http.add_root_certificate(root));
        }
        let http = http.build().map_err(|error| ClientError::Unreachable(root(&error)))?;
        Ok(Self {
            http,
            base_url: base_url.trim_end_matches('/').to_owned(),
            key: key.to_owned(),
            secret: Secret::new(secret.to_owned()),
        })
    }

    /// Reads.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.send(Method::GET, path, None).await
    }

    /// Creates or asks.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Replaces.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// Changes some members.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.send(Method::PATCH, path, Some(body)).await
    }

    /// Deletes.
    pub(crate) async fn delete(&self, path: &str) -> Result<Value, ClientError> {
        self.send(Method::DELETE, path, None).await
    }

    /// Asks for an answer of another media type than JSON; gives its headers and its bytes.
    pub(crate) async fn post_for(
        &self,
        path: &str,
        body: &Value,
        accept: &str,
    ) -> Result<(HeaderMap, Vec<u8>), ClientError> {
        let request = self.request(Method::POST, path, Some(body)).header(ACCEPT, accept);
        let (status, headers, bytes) = self.exchange(request).await?;
        if status.is_success() { Ok((headers, bytes)) } else { Err(refused(status, &bytes)) }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ClientError> {
        let (status, _, bytes) = self.exchange(self.request(method, path, body)).await?;
        if !status.is_success() {
            return Err(refused(status, &bytes));
        }
        Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    fn request(&self, method: Method, path: &str, body: Option<&Value>) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base_url));
        let request = request.basic_auth(&self.key, Some(self.secret.expose()));
        match body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<(StatusCode, HeaderMap, Vec<u8>), ClientError> {
        let answer = request
            .send()
            .await
            .map_err(|error| ClientError::Unreachable(format!("no answer from {}: {}", self.base_url, root(&error))))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.bytes().await.map_err(|error| ClientError::Unreachable(root(&error)))?;
        Ok((status, headers, bytes.to_vec()))
    }
}

fn refused(status: StatusCode, bytes: &[u8]) -> ClientError {
    ClientError::Refused { status, body: serde_json::from_slice(bytes).unwrap_or(Value::Null) }
}

/// The innermost cause; the outer ones repeat the address.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
