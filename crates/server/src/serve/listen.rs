//! Connections: HTTP/1, plain or in TLS, with bounds on their number, on the size of a request's head and on the time
//! that a handshake or a head may take, or an answer that its client does not read.

use std::{sync::Arc, time::Duration};

use axum::Router;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use http::Request;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    idle::Activity,
    peers::{Peers, Seat},
    stall::Stalling,
};

/// Most bytes of a head: the longest path and token that are accepted fit.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most header lines.
const HEADERS_MAX: usize = 100;
/// The pause after an accept that failed, mostly for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One listener and what it serves.
pub(super) struct Listening {
    pub(super) listener: TcpListener,
    pub(super) router: Router,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) connections_max: usize,
    /// Most connections of one address; `None` for as many as there are.
    pub(super) per_address_max: Option<usize>,
    pub(super) waits: Waits,
}

/// How long a connection may wait for its peer, which holds one of few connections all the while and may be anybody.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// For a TLS handshake.
    pub(super) handshake: Duration,
    /// For the head of its first request.
    pub(super) first_head: Duration,
    /// For the head of a further one, from the last byte that the peer took of the answer before; longer than `stall`, or
    /// a peer that is slow to take would count as silent.
    pub(super) next_head: Duration,
    /// For the peer to take anything of an answer.
    pub(super) stall: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            first_head: Duration::from_secs(10),
            next_head: Duration::from_secs(75),
            stall: Duration::from_secs(30),
        }
    }
}

/// One accepted connection; it is in nobody's way any more once this is dropped.
struct Accepted {
    stream: TcpStream,
    _slot: OwnedSemaphorePermit,
    _seat: Seat,
}

/// Accepts connections until the server stops, each on a task of its own.
pub(super) async fn accept(listening: Listening, stop: CancellationToken, tasks: TaskTracker) {
    let Listening { listener, router, tls, connections_max, per_address_max, waits } = listening;
    let (slots, peers) = (Arc::new(Semaphore::new(connections_max)), Peers::new(per_address_max));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = next(&listener, &slots, &peers) => accepted,
        };
        match accepted {
            Ok(Some(accepted)) => {
                drop(tasks.spawn(connection(accepted, tls.clone(), router.clone(), stop.clone(), waits)));
            }
            // Closed without a word: who holds so many connections already is told in them.
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The next connection; `None` if its address has as many as it may.
async fn next(listener: &TcpListener, slots: &Arc<Semaphore>, peers: &Peers) -> std::io::Result<Option<Accepted>> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    let Some(seat) = peers.admit(address.ip()) else { return Ok(None) };
    stream.set_nodelay(true)?;
    Ok(Some(Accepted { stream, _slot: slot, _seat: seat }))
}

/// Serves one connection, after its handshake if it is in TLS.
async fn connection(
    accepted: Accepted,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
    waits: Waits,
) {
    let Accepted { stream, _slot, _seat } = accepted;
    let activity = Activity::begin();
    let stream = Stalling::new(stream, waits.stall, activity.clone());
    let Some(tls) = tls else { return serve(stream, router, stop, &activity, waits).await };
    let shaken = tokio::select! {
        () = stop.cancelled() => return,
        shaken = tokio::time::timeout(waits.handshake, tls.accept(stream)) => shaken,
    };
    // Who fails the handshake, or speaks no TLS, has not asked for anything yet.
    if let Ok(Ok(stream)) = shaken {
        serve(stream, router, stop, &activity, waits).await;
    }
}

/// Why a connection ends before its peer ends it.
enum Ending {
    Silent,
    Stopping,
}

/// Serves requests; once the server stops, the one at hand is the last. Who never asks is left soon.
async fn serve<S>(stream: S, router: Router, stop: CancellationToken, activity: &Activity, waits: Waits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (noted, router) = (activity.clone(), TowerToHyperService::new(router));
    let answers = service_fn(move |request: Request<Incoming>| {
        noted.asks();
        let (noted, answer) = (noted.clone(), router.call(request));
        async move {
            let answer = answer.await;
            noted.answered();
            answer
        }
    });
    let connection = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), answers);
    let mut connection = std::pin::pin!(connection);
    // In a set, they are polled when they are woken and not with every byte: both look at what all connections share.
    let mut others: FuturesUnordered<BoxFuture<'_, Ending>> = FuturesUnordered::new();
    others.push(activity.silent(waits.first_head, waits.next_head).map(|()| Ending::Silent).boxed());
    others.push(stop.cancelled().map(|()| Ending::Stopping).boxed());
    // What goes wrong on a connection is its client's affair; requests log themselves.
    tokio::select! {
        biased;
        ended = connection.as_mut() => drop(ended),
        Some(ending) = others.next() => match ending {
            Ending::Silent => {}
            Ending::Stopping => {
                connection.as_mut().graceful_shutdown();
                drop(connection.await);
            }
        },
    }
}

#[cfg(test)]
mod tests;
