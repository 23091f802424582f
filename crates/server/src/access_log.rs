//! The access log: one line of JSON a request, gathered in memory and written by a thread of its own. Holds ids, names
//! of operations and numbers; no path, no literal, no secret. Under overload lines are dropped and counted, never waited
//! for.

use std::{
    io::Write,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use axum::{body::HttpBody, response::Response};
use polder_types::{Error, Principal, Result};
use serde::Serialize;

use crate::clock::Arrival;

/// Most bytes that may wait for the writer: some seconds of a busy server.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long the writer gathers lines before it writes them: waking it for each would cost more than the request.
const GATHER: Duration = Duration::from_millis(20);
/// About the length of a line.
const LINE_BYTES: usize = 320;
/// The status of a request whose client went away before its answer.
const STATUS_CLIENT_GONE: u16 = 499;

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard error, among the other logs.
    Stderr,
    /// A file, appended to.
    File(std::path::PathBuf),
}

/// The log.
pub(crate) struct AccessLog {
    shared: Arc<Shared>,
    dropped: AtomicU64,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What requests and the writer share.
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

/// Lines that wait for the writer.
struct Waiting {
    lines: Vec<u8>,
    closed: bool,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a handler adds to the line of its request: response extension of query answers (S-060).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct QueryFacts {
    /// Where the query ran.
    pub(crate) engine: String,
    /// Why there.
    pub(crate) routed_reason: String,
    /// Its id.
    pub(crate) query_id: String,
}

#[derive(Debug, Serialize)]
struct Record {
    time_us: i64,
    request_id: polder_types::RequestId,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<polder_types::TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<std::sync::Arc<str>>,
    /// Who acts for it, if another does.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<std::sync::Arc<str>>,
    operation: &'static str,
    status: u16,
    duration_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_bytes: Option<u64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    query: Option<QueryFacts>,
}

impl AccessLog {
    /// Opens the target and starts the writer.
    ///
    /// # Errors
    /// `Invalid` if the file cannot be opened, `Internal` if no thread can be started.
    pub(crate) fn open(target: &Target) -> Result<Self> {
        let sink: Box<dyn Write + Send> = match target {
            Target::Stderr => Box::new(std::io::stderr()),
            Target::File(path) => Box::new(append(path)?),
        };
        Self::over(sink)
    }

    fn over(sink: Box<dyn Write + Send>) -> Result<Self> {
        let waiting = Mutex::new(Waiting { lines: Vec::new(), closed: false });
        let shared = Arc::new(Shared { waiting, changed: Condvar::new() });
        let of_writer = Arc::clone(&shared);
        let write = move || write_lines(&of_writer, sink);
        let writer = std::thread::Builder::new().name("access-log".to_owned()).spawn(write);
        let writer = writer.map_err(Error::internal)?;
        Ok(Self { shared, dropped: AtomicU64::new(0), writer: Mutex::new(Some(writer)) })
    }

    fn send(&self, record: &Record) {
        let mut line = Vec::with_capacity(LINE_BYTES);
        let written = serde_json::to_writer(&mut line, record);
        line.push(b'\n');
        let mut waiting = self.shared.waiting();
        if written.is_err() || waiting.closed || waiting.lines.len() + line.len() > WAITING_BYTES_MAX {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(&line);
        drop(waiting);
        if first {
            self.shared.changed.notify_one();
        }
    }

    /// How many lines were dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Writes what waits and joins the writer; lines after this are dropped. Blocks.
    pub(crate) fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(writer) = writer else { return };
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(dropped, "lines of the access log were dropped");
        }
        self.shared.waiting().closed = true;
        self.shared.changed.notify_one();
        if writer.join().is_err() {
            tracing::error!("the writer of the access log panicked");
        }
    }
}

fn append(path: &Path) -> Result<std::fs::File> {
    std::fs::OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
        Error::invalid("access_log", format!("the access log `{}` cannot be opened", path.display())).with_source(error)
    })
}

/// Writes what has gathered, again and again. A sink that fails loses lines, not requests.
fn write_lines(shared: &Shared, mut sink: Box<dyn Write + Send>) {
    let mut lines = Vec::new();
    loop {
        let waiting = shared.waiting();
        let idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.closed;
        let waiting = shared.changed.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
        let closed = waiting.closed;
        drop(waiting);
        if !closed {
            std::thread::sleep(GATHER);
        }
        // The two buffers change places, so that neither is made anew.
        std::mem::swap(&mut lines, &mut shared.waiting().lines);
        drop(sink.write_all(&lines).and_then(|()| sink.flush()));
        lines.clear();
        if closed {
            return;
        }
    }
}

/// The line of one request; written when the request ends, also if its client goes away.
pub(crate) struct Line<'a> {
    log: &'a AccessLog,
    arrival: Arrival,
    record: Option<Record>,
}

impl<'a> Line<'a> {
    /// Begins the line.
    pub(crate) fn begin(log: &'a AccessLog, operation: &'static str, arrival: &Arrival) -> Self {
        let record = Record {
            time_us: arrival.now.0,
            request_id: arrival.request_id,
            tenant: None,
            principal: None,
            actor: None,
            operation,
            status: STATUS_CLIENT_GONE,
            duration_us: 0,
            answer_bytes: None,
            query: None,
        };
        Self { log, arrival: *arrival, record: Some(record) }
    }

    /// Says who asked.
    pub(crate) fn identify(&mut self, principal: &Principal) {
        if let Some(record) = &mut self.record {
            record.tenant = Some(principal.tenant.clone());
            record.principal = Some(principal.name.clone());
            record.actor = principal.actor.as_ref().map(|actor| actor.name.clone());
        }
    }

    /// The operation.
    pub(crate) fn operation(&self) -> &'static str {
        self.record.as_ref().map_or("", |record| record.operation)
    }

    /// When the request arrived.
    pub(crate) fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    /// Ends the line with what is answered.
    pub(crate) fn end(mut self, response: &Response) {
        if let Some(record) = &mut self.record {
            record.status = response.status().as_u16();
            record.answer_bytes = response.body().size_hint().exact();
            record.query = response.extensions().get::<QueryFacts>().cloned();
        }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.duration_us = self.arrival.elapsed_us();
            self.log.send(&record);
        }
    }
}

#[cfg(test)]
mod tests;
