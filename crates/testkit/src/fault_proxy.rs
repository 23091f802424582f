//! A proxy before an HTTP store that can fail its writes: before they are done, after, or by losing the answer.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

/// The longest wait for either side.
const PATIENCE: Duration = Duration::from_secs(20);

/// What happens to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They are passed on.
    None,
    /// Writes are refused as by a full disk, and not done.
    WritesFail,
    /// The next write is done and answered with 500, so that the client sends it again.
    NextWriteAnsweredWith500,
    /// The next write is done; the connection ends without an answer.
    NextAnswerLost,
    /// Nothing is answered but 503.
    Down,
    /// They are passed on after a second.
    Slow,
}

struct Shared {
    upstream: String,
    fault: Mutex<Fault>,
    writes: AtomicUsize,
    ended: AtomicBool,
}

/// The proxy; it ends with the value.
pub struct FaultProxy {
    address: String,
    shared: Arc<Shared>,
}

impl FaultProxy {
    /// Starts one before `http://host:port`.
    ///
    /// # Panics
    /// If no port can be had.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "a test's own threads; the accepting one ends with the proxy")]
    pub fn before(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let shared = Shared {
            upstream,
            fault: Mutex::new(Fault::None),
            writes: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        let accepting = Arc::clone(&shared);
        drop(std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.ended.load(SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                drop(std::thread::spawn(move || drop(shared.serve(client))));
            }
        }));
        Self { address, shared }
    }

    /// Where it answers.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what happens from now on.
    ///
    /// # Panics
    /// Never in practice: no thread panics with the lock.
    pub fn set(&self, fault: Fault) {
        *self.shared.fault.lock().expect("a lock") = fault;
    }

    /// How many writes have come so far.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.shared.writes.load(SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, SeqCst);
        drop(TcpStream::connect(&self.address));
    }
}

impl Shared {
    /// Serves one request; the connection ends with it.
    fn serve(&self, client: TcpStream) -> std::io::Result<()> {
        client.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(client.try_clone()?);
        let (mut head, mut length, mut line) = (String::new(), 0, String::new());
        while reader.read_line(&mut line)? > 0 && line != "\r\n" {
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
            if !name.eq_ignore_ascii_case("connection") {
                head.push_str(&line);
            }
            line.clear();
        }
        if head.is_empty() {
            return Ok(());
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let answer = self.answer(&head, &body)?;
        let mut client = client;
        client.write_all(&answer)?;
        client.shutdown(Shutdown::Both)
    }

    fn answer(&self, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
        let write = head.starts_with("PUT ");
        let fault = {
            let mut fault = self.fault.lock().map_err(|_| std::io::Error::other("a lock"))?;
            let now = *fault;
            if write && matches!(now, Fault::NextWriteAnsweredWith500 | Fault::NextAnswerLost) {
                *fault = Fault::None;
            }
            now
        };
        self.writes.fetch_add(usize::from(write), SeqCst);
        let error = |status: &str, code: &str| {
            let text = format!("<Error><Code>{code}</Code><Message>planned</Message></Error>");
            let length = text.len();
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}").into_bytes()
        };
        match fault {
            Fault::Slow => {
                std::thread::sleep(Duration::from_secs(1));
                self.pass(head, body)
            }
            Fault::Down => Ok(error("503 Service Unavailable", "SlowDown")),
            Fault::WritesFail if write => Ok(error("507 Insufficient Storage", "InsufficientStorage")),
            Fault::NextWriteAnsweredWith500 if write => {
                drop(self.pass(head, body)?);
                Ok(error("500 Internal Server Error", "InternalError"))
            }
            Fault::NextAnswerLost if write => {
                drop(self.pass(head, body)?);
                Ok(Vec::new())
            }
            _ => self.pass(head, body),
        }
    }

    fn pass(&self, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut upstream = TcpStream::connect(&self.upstream)?;
        upstream.set_read_timeout(Some(PATIENCE))?;
        upstream.write_all(head.as_bytes())?;
        upstream.write_all(b"Connection: close\r\n\r\n")?;
        upstream.write_all(body)?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}
