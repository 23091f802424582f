//! One caller over HTTP, through client credentials. Owns what an answer is: either the server said something, or the
//! connection broke and nobody knows. Refuses to guess between the two.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, redirect::Policy};
use serde_json::Value;

use crate::failure::{Outcome, Why};

/// Longer than every deadline of the server.
const TIMEOUT: Duration = Duration::from_secs(90);

/// What came back.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Answer(Answer),
    /// The connection broke or was refused; the request may or may not have taken effect.
    Broken(String),
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `x-request-id`, which the audit records carry too.
    pub(crate) request: String,
    pub(crate) retry_after: bool,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Outcome<Value> {
        serde_json::from_slice(&self.body).why(format!("an answer {} that is no JSON", self.status))
    }

    pub(crate) fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }

    /// The `type` of an Iceberg error.
    pub(crate) fn error_type(&self) -> String {
        let body = self.json().unwrap_or_default();
        body.pointer("/error/type").and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// What a mutation's caller was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It took place.
    Done,
    /// It surely did not, since others were faster: 409.
    Conflict,
    /// It surely did not, try again later: 503 with `Retry-After`.
    Unavailable,
    /// Nobody knows: 500 `CommitStateUnknownException`.
    Unknown,
    /// No answer came.
    Broken,
}

impl Reply {
    /// What a mutation's caller may conclude.
    ///
    /// # Errors
    /// An answer that no mutation of a correct client may ever get.
    pub(crate) fn told(&self) -> Outcome<Told> {
        let Self::Answer(answer) = self else { return Ok(Told::Broken) };
        match (answer.status, answer.error_type().as_str()) {
            (200 | 204, _) => Ok(Told::Done),
            (409, "CommitFailedException") => Ok(Told::Conflict),
            (503, _) if answer.retry_after => Ok(Told::Unavailable),
            (500, "CommitStateUnknownException") => Ok(Told::Unknown),
            _ => Err(format!("the answer {} to a mutation that nothing is wrong with", answer.text())),
        }
    }

    /// The answer, if it has the status wanted.
    pub(crate) fn expect(self, status: u16) -> Outcome<Answer> {
        match self {
            Self::Answer(answer) if answer.status == status => Ok(answer),
            Self::Answer(answer) => Err(format!("wanted {status}, got {}", answer.text())),
            Self::Broken(why) => Err(format!("wanted {status}, got no answer: {why}")),
        }
    }
}

/// A caller with connections of its own.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base_url: String,
    authorization: String,
}

impl Client {
    /// A caller that sends its key `id:secret` with every request.
    pub(crate) fn basic(base_url: &str, credential: &str) -> Outcome<Self> {
        let authorization = format!("Basic {}", STANDARD.encode(credential));
        Ok(Self { http: connections()?, base_url: base_url.to_owned(), authorization })
    }

    /// The same caller with connections of its own.
    pub(crate) fn fresh(&self) -> Outcome<Self> {
        Ok(Self { http: connections()?, ..self.clone() })
    }

    /// The value of its `Authorization` header, for requests made by hand.
    pub(crate) fn authorization(&self) -> &str {
        &self.authorization
    }

    /// The same caller, with a token for its key, as engines do it.
    pub(crate) async fn with_token(&self) -> Outcome<Self> {
        let form = "grant_type=client_credentials&scope=catalog";
        let request = self.http.post(format!("{}/iceberg/v1/oauth/tokens", self.base_url));
        let request = request.header("authorization", &self.authorization);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer = send(request).await.expect(200)?.json()?;
        let token = answer["access_token"].as_str().why("a token")?;
        Ok(Self { authorization: format!("Bearer {token}"), ..self.clone() })
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None, None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, None, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PUT, path, None, Some(body)).await
    }

    /// Any request, with an `Idempotency-Key` or none.
    pub(crate) async fn send(&self, method: Method, path: &str, key: Option<&str>, body: Option<&Value>) -> Reply {
        let mut request = self.http.request(method, format!("{}{path}", self.base_url));
        request = request.header("authorization", &self.authorization);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        send(request).await
    }
}

async fn send(request: reqwest::RequestBuilder) -> Reply {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Reply::Broken(error.to_string()),
    };
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (request, retry_after) = (header("x-request-id").unwrap_or_default(), header("retry-after").is_some());
    match response.bytes().await {
        Ok(body) => Reply::Answer(Answer { status, request, retry_after, body: body.to_vec() }),
        Err(error) => Reply::Broken(error.to_string()),
    }
}

fn connections() -> Outcome<reqwest::Client> {
    reqwest::Client::builder().timeout(TIMEOUT).redirect(Policy::none()).no_proxy().build().why("an HTTP client")
}
