//! Requests as bytes, and single requests for preparing what is measured.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;

use crate::Result;

/// Longer than anything that is prepared here takes.
const PATIENCE: Duration = Duration::from_secs(300);

const CONTENT_LENGTH: &[u8] = b"content-length:";

/// One request; `authorization` is the whole value of the header.
pub(crate) fn request(method: &str, path: &str, authorization: Option<&str>, body: Option<(&str, &[u8])>) -> Bytes {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n").into_bytes();
    if let Some(value) = authorization {
        bytes.extend_from_slice(format!("authorization: {value}\r\n").as_bytes());
    }
    if let Some((kind, body)) = body {
        bytes.extend_from_slice(format!("content-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(body);
    } else {
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.into()
}

/// The head of an answer: where its body begins, how long it is, its status. `None`: more bytes are needed.
///
/// Cheap, since it runs between the answers of both servers and must not level their difference.
pub(crate) fn head(bytes: &[u8]) -> Option<Result<(usize, usize, u16)>> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let digits = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.trim().parse::<usize>().ok();
    let status = bytes.get(9..12).and_then(digits).and_then(|status| u16::try_from(status).ok());
    let length = bytes.get(..end)?.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(CONTENT_LENGTH.len())?;
        name.eq_ignore_ascii_case(CONTENT_LENGTH).then(|| digits(value))?
    });
    let length = if status == Some(204) { Some(0) } else { length };
    Some(match (status, length) {
        (Some(status), Some(length)) => Ok((end + 4, length, status)),
        _ => Err(format!("an answer without status or length: {}", String::from_utf8_lossy(bytes)).into()),
    })
}

/// One caller with a connection of its own.
pub(crate) struct Caller {
    stream: TcpStream,
    authorization: Option<String>,
}

impl Caller {
    /// Connects; `authorization` goes with every request.
    pub(crate) fn connect(address: SocketAddr, authorization: Option<&str>) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, authorization: authorization.map(str::to_owned) })
    }

    /// Sends a request and returns status and body.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>)> {
        self.stream.write_all(request)?;
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let read = self.stream.read(&mut chunk)?;
            bytes.extend_from_slice(chunk.get(..read).unwrap_or_default());
            match head(&bytes).transpose()? {
                Some((begin, length, status)) if bytes.len() >= begin + length => {
                    return Ok((status, bytes.split_off(begin)));
                }
                _ if read == 0 => return Err("the connection was closed".into()),
                _ => {}
            }
        }
    }

    /// A request with a JSON body whose answer must be a success.
    pub(crate) fn json(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let text = body.map(Value::to_string);
        let body = text.as_ref().map(|text| ("application/json", text.as_bytes()));
        let request = request(method, path, self.authorization.as_deref(), body);
        let (status, answer) = self.send(&request)?;
        if !(200..300).contains(&status) {
            return Err(format!("{method} {path}: {status} {}", String::from_utf8_lossy(&answer)).into());
        }
        Ok(if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer)? })
    }
}

#[cfg(test)]
mod tests {
    use super::head;

    #[test]
    fn a_head_is_found_when_it_is_whole() {
        assert!(head(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n").is_none());
        assert_eq!(head(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap().unwrap(), (38, 5, 200));
        assert_eq!(head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap(), (27, 0, 204));
        assert!(head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap().is_err());
    }
}
