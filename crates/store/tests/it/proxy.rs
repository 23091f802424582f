//! A TCP proxy in front of PostgreSQL that breaks at the worst moment. It reads the server's protocol as bytes only: the
//! text of a COMMIT is what it waits for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use polder_store::Database;
use polder_types::Secret;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What happens at the next COMMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Break {
    /// Nothing.
    Never,
    /// It never reaches the server; the connection dies.
    BeforeCommit,
    /// The client's connection dies at once, and COMMIT reaches the server 2 s later.
    LateCommit,
    /// COMMIT reaches the server; its answer is swallowed and the connection dies.
    SwallowedAnswer,
    /// As `LateCommit`, and nobody gets a connection any more.
    Gone,
}

pub(crate) struct Proxy {
    pub(crate) database: Database,
    mode: Arc<AtomicU8>,
    commits: Arc<AtomicUsize>,
    gone: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// A proxy in front of a database whose URL names a loopback port.
    pub(crate) async fn new(database: &Database) -> Self {
        let Database::Postgres(url) = database else { panic!("only PostgreSQL has a network in between") };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (head, tail) = url.expose().split_once("127.0.0.1:").unwrap();
        let (server, path) = tail.split_once('/').unwrap();
        let server: u16 = server.parse().unwrap();
        let database = Database::Postgres(Secret::new(format!("{head}127.0.0.1:{port}/{path}")));
        let (mode, commits) = (Arc::new(AtomicU8::new(Break::Never as u8)), Arc::new(AtomicUsize::new(0)));
        let gone = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(accept(listener, server, mode.clone(), commits.clone(), gone.clone()));
        Self { database, mode, commits, gone, task }
    }

    /// Breaks at the next COMMIT, once.
    pub(crate) fn at_next_commit(&self, what: Break) {
        self.mode.store(what as u8, Ordering::SeqCst);
    }

    /// Lets connections through again.
    pub(crate) fn come_back(&self) {
        self.gone.store(false, Ordering::SeqCst);
    }

    /// True while the break is still to come.
    pub(crate) fn is_waiting(&self) -> bool {
        self.mode.load(Ordering::SeqCst) != Break::Never as u8
    }

    /// How many COMMITs were met.
    pub(crate) fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }
}

async fn accept(
    listener: TcpListener,
    server: u16,
    mode: Arc<AtomicU8>,
    commits: Arc<AtomicUsize>,
    gone: Arc<AtomicBool>,
) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        if gone.load(Ordering::SeqCst) {
            continue; // closed at once
        }
        tokio::spawn(forward(client, server, mode.clone(), commits.clone(), gone.clone()));
    }
}

async fn forward(
    client: TcpStream,
    server: u16,
    mode: Arc<AtomicU8>,
    commits: Arc<AtomicUsize>,
    gone: Arc<AtomicBool>,
) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = tokio::spawn(async move {
        drop(tokio::io::copy(&mut from_server, &mut to_client).await);
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
        let sent = &buffer[..read];
        // A simple query (`Q`, length, text, NUL); a client waits for its answer, so it comes in one piece.
        if sent.windows(7).any(|window| window == b"COMMIT\0") {
            commits.fetch_add(1, Ordering::SeqCst);
            let what = mode.swap(Break::Never as u8, Ordering::SeqCst);
            if what == Break::BeforeCommit as u8 {
                answers.abort();
                break;
            }
            if what == Break::LateCommit as u8 || what == Break::Gone as u8 {
                gone.store(what == Break::Gone as u8, Ordering::SeqCst);
                answers.abort();
                drop(from_client);
                tokio::time::sleep(Duration::from_secs(2)).await;
                drop(to_server.write_all(sent).await);
                // The server answers to nobody; it stays connected long enough to commit.
                tokio::time::sleep(Duration::from_secs(1)).await;
                return;
            }
            if what == Break::SwallowedAnswer as u8 {
                answers.abort();
                drop(to_server.write_all(sent).await);
                drop(from_client);
                tokio::time::sleep(Duration::from_secs(1)).await;
                return;
            }
        }
        if to_server.write_all(sent).await.is_err() {
            break;
        }
    }
    answers.abort();
}
