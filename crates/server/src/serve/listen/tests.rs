use std::net::SocketAddr;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// How long anything of these tests may take at most; the waits under test are far shorter.
const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);
const ASK: &[u8] = b"GET /small HTTP/1.1\r\nhost: x\r\n\r\n";

/// Waits that no test outlives, but for those that it shortens.
const LONG: Waits = Waits { handshake: PATIENCE, first_head: PATIENCE, next_head: PATIENCE, stall: PATIENCE };

struct Doors {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Doors {
    async fn open(connections_max: usize, per_address_max: Option<usize>, waits: Waits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/small", get(|| async { "small" }))
            .route("/large", get(|| async { vec![b'x'; 4 * 1024 * 1024] }))
            .route("/slow", get(|| async { tokio::time::sleep(3 * SHORT).await }));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let doors = Listening { listener, router, tls: None, connections_max, per_address_max, waits };
        drop(tasks.spawn(accept(doors, stop.clone(), tasks.clone())));
        Self { address, stop, tasks }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(PATIENCE, self.tasks.wait()).await.expect("every connection ends");
    }
}

/// Asks on a connection; true if it is answered, false if it was closed.
async fn answered(stream: &mut TcpStream, request: &[u8]) -> bool {
    let mut answer = [0; 512];
    drop(stream.write_all(request).await);
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await.expect("an answer, or an end");
    matches!(read, Ok(length) if answer[..length].starts_with(b"HTTP/1.1 200"))
}

/// True once the peer has closed the connection.
async fn ended(stream: &mut TcpStream) -> bool {
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 512])).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

/// A peer that takes its answer as slowly as it may is not silent.
#[test]
fn silence_is_longer_than_a_stall() {
    assert!(Waits::default().next_head > Waits::default().stall);
}

/// S-070: whoever connects and asks for nothing, or never ends its first head, does not keep its place.
#[tokio::test]
async fn a_first_head_comes_soon() {
    let doors = Doors::open(1, None, Waits { first_head: SHORT, ..LONG }).await;
    for begun in [&b""[..], &ASK[..10]] {
        let mut silent = doors.connect().await;
        silent.write_all(begun).await.unwrap();
        assert!(ended(&mut silent).await, "{begun:?}");
    }
    assert!(answered(&mut doors.connect().await, ASK).await);
    doors.close().await;
}

/// Whoever has asked once is not cut by that: neither its answer that takes longer, nor its next request.
#[tokio::test]
async fn a_connection_that_was_used_may_wait() {
    let doors = Doors::open(1, None, Waits { first_head: SHORT, ..LONG }).await;
    let mut kept = doors.connect().await;
    assert!(answered(&mut kept, b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await);
    assert!(answered(&mut kept, ASK).await);
    drop(kept);
    doors.close().await;
}

/// S-070: whoever had an answer and asks for nothing more is left after the longer wait, also in the middle of a head.
#[tokio::test]
async fn a_next_head_comes_too() {
    let doors = Doors::open(1, None, Waits { next_head: SHORT, ..LONG }).await;
    for begun in [&b""[..], &ASK[..10]] {
        let mut kept = doors.connect().await;
        assert!(answered(&mut kept, ASK).await);
        kept.write_all(begun).await.unwrap();
        assert!(ended(&mut kept).await, "{begun:?}");
    }
    doors.close().await;
}

/// An answer that takes longer than a peer may be silent is waited for.
#[tokio::test]
async fn who_waits_for_an_answer_is_not_silent() {
    let doors = Doors::open(1, None, Waits { first_head: SHORT, next_head: SHORT, ..LONG }).await;
    assert!(answered(&mut doors.connect().await, b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await);
    doors.close().await;
}

/// S-070: a peer that asks and asks and reads no answer does not keep its place.
#[tokio::test]
async fn answers_that_nobody_reads_end_the_connection() {
    let doors = Doors::open(1, None, Waits { stall: SHORT, ..LONG }).await;
    let mut deaf = doors.connect().await;
    deaf.write_all(&b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n".repeat(50)).await.unwrap();
    assert!(answered(&mut doors.connect().await, ASK).await, "the place is free again");
    drop(deaf);
    doors.close().await;
}

/// S-070: one address holds so many connections and no more; who leaves makes room.
#[tokio::test]
async fn an_address_has_its_share() {
    let doors = Doors::open(8, Some(2), LONG).await;
    let (mut first, mut second) = (doors.connect().await, doors.connect().await);
    assert!(answered(&mut first, ASK).await && answered(&mut second, ASK).await);
    assert!(ended(&mut doors.connect().await).await);
    assert!(answered(&mut first, ASK).await);
    drop(first);
    let again = async { while !answered(&mut doors.connect().await, ASK).await {} };
    tokio::time::timeout(PATIENCE, again).await.expect("room again");
    drop(second);
    doors.close().await;
}
