//! A client of S3 that sends what a test wants, with keys of its choice: signed by the library that the server signs with
//! too, or already signed by somebody else.

use std::time::Duration;

use chrono::DateTime;
use hmac::{Hmac, Mac};
use object_store::{
    aws::{AwsAuthorizer, AwsCredential},
    client::{HttpRequest, HttpRequestBody},
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Longer than the store ever takes.
const TIMEOUT: Duration = Duration::from_secs(30);
const REGION: &str = "us-east-1";

/// Requests to one store with one set of keys.
#[derive(Debug)]
pub struct S3Client {
    http: reqwest::Client,
    endpoint: String,
    keys: AwsCredential,
}

impl S3Client {
    /// A client with these keys.
    ///
    /// # Panics
    /// If no client can be made.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the tests' own client, to loopback only")]
    pub fn new(endpoint: &str, key_id: &str, secret: &str, token: Option<&str>) -> Self {
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build().expect("a client");
        let keys =
            AwsCredential { key_id: key_id.to_owned(), secret_key: secret.to_owned(), token: token.map(str::to_owned) };
        Self { http, endpoint: endpoint.trim_end_matches('/').to_owned(), keys }
    }

    /// A client with the keys in a table's `config`.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn of_config(config: &Value) -> Self {
        let text = |name: &str| config[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {config}"));
        let token = Some(text("s3.session-token"));
        Self::new(text("s3.endpoint"), text("s3.access-key-id"), text("s3.secret-access-key"), token)
    }

    /// Sends a request of `/bucket/key?query`, signed; status and body of the answer.
    pub async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.ask_for("s3", method, path, &[], body).await
    }

    /// The same with further headers, which are signed, at another service.
    ///
    /// # Panics
    /// If the request is none, or no answer comes.
    pub async fn ask_for(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String) {
        let mut request = HttpRequest::new(HttpRequestBody::from(body.to_owned()));
        *request.method_mut() = method.parse().expect("a method");
        // The store signs the path as it would write it: with this character encoded.
        let (before_query, query) = path.split_at(path.find('?').unwrap_or(path.len()));
        let path = format!("{}{query}", before_query.replace('=', "%3D"));
        *request.uri_mut() = format!("{}{path}", self.endpoint).parse().expect("a URI");
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a header");
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a value"));
        }
        AwsAuthorizer::new(&self.keys, service, REGION).authorize(&mut request, None);
        let (uri, headers) = (request.uri().to_string(), request.headers().clone());
        self.send(method, &uri, headers, body).await
    }

    /// A moment so many seconds from now, as `x-amz-date` spells it.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "a test's own clock")]
    pub fn date(seconds: i64) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
        let at = i64::try_from(now.as_secs()).expect("a time") + seconds;
        DateTime::from_timestamp(at, 0).expect("a time").format("%Y%m%dT%H%M%SZ").to_string()
    }

    /// Reads an object of `/bucket/key`, signed as of another time: the library that signs elsewhere knows the present only.
    ///
    /// # Panics
    /// If no answer comes.
    pub async fn ask_dated(&self, path: &str, seconds: i64) -> (u16, String) {
        let (date, path) = (Self::date(seconds), path.replace('=', "%3D"));
        let (day, host) = (&date[..8], self.endpoint.rsplit_once('/').expect("a host").1);
        let unsigned = "UNSIGNED-PAYLOAD";
        let names = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!(
            "GET\n{path}\n\nhost:{host}\nx-amz-content-sha256:{unsigned}\nx-amz-date:{date}\n\n{names}\n{unsigned}"
        );
        let scope = format!("{day}/{REGION}/s3/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let secret = format!("AWS4{}", self.keys.secret_key).into_bytes();
        let key = [day, REGION, "s3", "aws4_request"].into_iter().fold(secret, |key, part| hmac(&key, part));
        let (id, signature) = (&self.keys.key_id, hex(&hmac(&key, &text)));
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("authorization", authorization.as_str()), ("x-amz-content-sha256", unsigned), ("x-amz-date", &date)]
        {
            headers.insert(name, HeaderValue::from_str(value).expect("a value"));
        }
        self.send("GET", &format!("{}{path}", self.endpoint), headers, "").await
    }

    /// Sends a request that somebody else has signed: `uri` and `headers` of `RemoteSignResult`.
    ///
    /// # Panics
    /// If it is none.
    pub async fn send_signed(&self, method: &str, signed: &Value, more: &[(&str, &str)], body: &str) -> (u16, String) {
        let mut headers = HeaderMap::new();
        let given = signed["headers"].as_object().expect("headers").iter();
        let given = given.map(|(name, values)| (name.as_str(), values[0].as_str().expect("a value")));
        for (name, value) in given.chain(more.iter().copied()) {
            let name: HeaderName = name.parse().expect("a header");
            headers.insert(name, HeaderValue::from_str(value).expect("a value"));
        }
        self.send(method, signed["uri"].as_str().expect("a URI"), headers, body).await
    }

    async fn send(&self, method: &str, uri: &str, headers: HeaderMap, body: &str) -> (u16, String) {
        let request = self.http.request(method.parse().expect("a method"), uri).headers(headers).body(body.to_owned());
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    hmac.update(text.as_bytes());
    hmac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
