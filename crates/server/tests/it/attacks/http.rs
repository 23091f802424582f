//! A client that keeps every byte: what a server must not say has to be looked for in status line, headers and body
//! alike, and what no client library would send has to be sendable. Follows nothing, retries nothing.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// No answer may take longer, whatever was asked.
pub(super) const ANSWER_SECONDS_MAX: u64 = 15;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) credential: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// A request with a body of JSON, or without one.
    pub(super) fn new(method: &'static str, path: impl Into<String>, credential: &str, body: Option<&Value>) -> Self {
        Self {
            method,
            path: path.into(),
            credential: Some(credential.to_owned()),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.map(|body| body.to_string().into_bytes()).unwrap_or_default(),
        }
    }

    fn head(&self, address: SocketAddr) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n", self.method, self.path);
        if let Some(credential) = &self.credential {
            head += &format!("authorization: Basic {}\r\n", STANDARD.encode(credential));
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + &format!("content-length: {}\r\n\r\n", self.body.len())
    }
}

/// One answer, as it came and as it reads.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    pub(super) raw: Vec<u8>,
}

impl Answer {
    /// The body as JSON, null if it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value.trim()))
    }

    /// The names of the headers, sorted.
    pub(super) fn header_names(&self) -> Vec<String> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut names: Vec<String> = lines.map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        names
    }

    /// Status and the beginning of the body, for people.
    pub(super) fn brief(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let short: String = text.chars().take(700).collect();
        format!("{} {short}", self.status)
    }
}

/// Sends and collects until the server closes.
pub(super) async fn send(address: SocketAddr, request: &Request) -> Result<Answer, String> {
    let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
    let raw = tokio::time::timeout(limit, exchange(address, request))
        .await
        .map_err(|_| format!("no answer within {ANSWER_SECONDS_MAX} s"))?
        .map_err(|error| format!("no answer: {error}"))?;
    parse(raw)
}

async fn exchange(address: SocketAddr, request: &Request) -> std::io::Result<Vec<u8>> {
    let (mut reader, mut writer) = TcpStream::connect(address).await?.into_split();
    let head = request.head(address);
    let write = async {
        // A server that refuses a body early may close before all of it is sent; its answer counts.
        let _ = writer.write_all(head.as_bytes()).await;
        let _ = writer.write_all(&request.body).await;
        writer
    };
    let read = async {
        let mut raw = Vec::new();
        let outcome = reader.read_to_end(&mut raw).await;
        if raw.is_empty() { outcome.map(|_| raw) } else { Ok(raw) }
    };
    let (_writer, raw) = tokio::join!(write, read);
    raw
}

fn parse(raw: Vec<u8>) -> Result<Answer, String> {
    let end = find(&raw, b"\r\n\r\n").ok_or_else(|| format!("not HTTP: `{}`", String::from_utf8_lossy(&raw)))?;
    let head = String::from_utf8_lossy(&raw[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or("no status line")?;
    let body = raw[end + 4..].to_vec();
    let mut answer = Answer { status, head, body, raw };
    if answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        answer.body = unchunk(&answer.body);
    }
    Ok(answer)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = find(rest, b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|hex| usize::from_str_radix(hex.trim(), 16).ok());
        let (Some(size), start) = (size.filter(|size| *size > 0), end + 2) else { break };
        let Some(chunk) = rest.get(start..start + size) else { break };
        body.extend_from_slice(chunk);
        rest = rest.get(start + size + 2..).unwrap_or_default();
    }
    body
}
