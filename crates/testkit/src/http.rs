//! Requests as one caller, and their answers with everything in them.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap},
    redirect::Policy,
};
use serde_json::Value;

/// Longer than every deadline of the server.
const TIMEOUT: Duration = Duration::from_secs(90);

/// An API key as its holder has it.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The public part.
    pub id: String,
    /// The secret.
    pub secret: String,
}

impl Credential {
    /// Splits `id:secret`.
    ///
    /// # Panics
    /// If it is not of that form.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (id, secret) = text.split_once(':').expect("a credential is `id:secret`");
        Self { id: id.to_owned(), secret: secret.to_owned() }
    }

    /// The value of an `Authorization` header.
    #[must_use]
    pub fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.id, self.secret)))
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text()))
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value, if it is there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("headers are ASCII"))
    }

    /// The `error` object's member, whichever style it has.
    #[must_use]
    pub fn error(&self, member: &str) -> String {
        let body = self.json();
        body.pointer(&format!("/error/{member}")).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Itself, if the status is the one wanted.
    ///
    /// # Panics
    /// If it is another one.
    #[must_use]
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// A caller.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base_url: String,
    authorization: Option<String>,
}

impl Client {
    /// A caller without a credential.
    ///
    /// # Panics
    /// If no client can be made.
    #[must_use]
    pub fn anonymous(base_url: &str) -> Self {
        Self::trusting(base_url, None)
    }

    /// A caller without a credential, who trusts one certificate (PEM) and no other.
    ///
    /// # Panics
    /// If no client can be made.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the tests' own client, to loopback only")]
    pub fn trusting(base_url: &str, certificate: Option<&[u8]>) -> Self {
        let mut http = reqwest::Client::builder().timeout(TIMEOUT).redirect(Policy::none()).no_proxy();
        http = http.tls_built_in_root_certs(false);
        if let Some(pem) = certificate {
            http = http.add_root_certificate(reqwest::Certificate::from_pem(pem).expect("a certificate"));
        }
        Self { http: http.build().expect("a client"), base_url: base_url.to_owned(), authorization: None }
    }

    /// The same server, with another `Authorization` header.
    #[must_use]
    pub fn with_authorization(&self, value: &str) -> Self {
        Self { authorization: Some(value.to_owned()), ..self.clone() }
    }

    /// The same server, as the holder of a key.
    #[must_use]
    pub fn with_key(&self, credential: &Credential) -> Self {
        self.with_authorization(&credential.basic())
    }

    /// The same caller at another server.
    #[must_use]
    pub fn at(&self, base_url: &str) -> Self {
        Self { authorization: self.authorization.clone(), ..Self::anonymous(base_url) }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    /// HEAD.
    pub async fn head(&self, path: &str) -> Answer {
        self.send(Method::HEAD, path, &[], None).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::POST, path, Some(body)).await
    }

    /// PUT of JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::PUT, path, Some(body)).await
    }

    /// PATCH of JSON.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::PATCH, path, Some(body)).await
    }

    /// POST of a form.
    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_body(fields);
        self.send(Method::POST, path, &[(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")], Some(body)).await
    }

    /// Any method, with a JSON body or none.
    pub async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let headers: &[(&str, &str)] = if body.is_some() { &[("content-type", "application/json")] } else { &[] };
        self.send(method, path, headers, body.map(|body| body.to_string().into_bytes())).await
    }

    /// Everything chosen by the caller.
    ///
    /// # Panics
    /// If no answer comes.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.base_url));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.bytes().await.expect("a body").to_vec() }
    }
}

/// `application/x-www-form-urlencoded`.
fn form_body(fields: &[(&str, &str)]) -> Vec<u8> {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect()
    };
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&").into_bytes()
}
