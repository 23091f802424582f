//! The load: a closed loop over kept-alive connections from one thread, the same for subject and reference.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Result,
    stats::{Spread, percentile},
    wire,
};

/// The `n`-th request of a connection.
pub(crate) type Requests = Arc<dyn Fn(usize, u64) -> Bytes + Send + Sync>;

/// What a server is asked, and by how many at once.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// The process that answers, to count its time.
    pub(crate) process: Option<u32>,
    pub(crate) connections: usize,
    pub(crate) requests: Requests,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Sorted, in nanoseconds.
    latencies: Vec<u64>,
    /// Microseconds of the server's processor time an answer; 0 if unknown.
    pub(crate) server_us: f64,
}

impl Measured {
    /// A percentile of the latency, in microseconds.
    pub(crate) fn latency_us(&self, part: f64) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "nanoseconds of seconds")]
        let nanoseconds = percentile(&self.latencies, part) as f64;
        nanoseconds / 1_000.0
    }
}

/// The same requests again and again, each connection beginning elsewhere.
pub(crate) fn cycle(requests: Vec<Bytes>) -> Requests {
    Arc::new(move |connection, n| {
        let count = requests.len().max(1);
        let at = usize::try_from(n).unwrap_or_default().wrapping_add(connection.wrapping_mul(131)) % count;
        requests.get(at).cloned().unwrap_or_default()
    })
}

impl Load {
    /// Asks for so long; `first` is the number of each connection's first request.
    ///
    /// # Errors
    /// An answer that is no success, a connection that breaks.
    pub(crate) fn run(&self, duration: Duration, first: u64) -> Result<(Measured, u64)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let spent = || self.process.and_then(cpu_seconds);
        runtime.block_on(async {
            let mut streams = Vec::new();
            for _ in 0..self.connections {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                streams.push(stream);
            }
            let (before, begun) = (spent(), Instant::now());
            let until = begun + duration;
            let loops = streams.into_iter().enumerate().map(|(connection, stream)| {
                let requests = Arc::clone(&self.requests);
                tokio::spawn(async move { one(connection, stream, &requests, until, first).await })
            });
            let mut latencies = Vec::new();
            let mut most = 0;
            for ended in futures::future::join_all(loops).await {
                let of_one = ended??;
                most = most.max(of_one.len() as u64);
                latencies.extend(of_one);
            }
            let seconds = begun.elapsed().as_secs_f64();
            latencies.sort_unstable();
            #[allow(clippy::cast_precision_loss, reason = "counts of seconds")]
            let count = latencies.len() as f64;
            let server_us = match (before, spent()) {
                (Some(before), Some(after)) => (after - before) * 1e6 / count,
                _ => 0.0,
            };
            Ok((Measured { rate: count / seconds, latencies, server_us }, first + most))
        })
    }
}

async fn one(
    connection: usize,
    mut stream: TcpStream,
    requests: &Requests,
    until: Instant,
    first: u64,
) -> Result<Vec<u64>> {
    let mut latencies = Vec::with_capacity(1 << 16);
    let mut buffer = vec![0; 256 * 1024];
    for n in first.. {
        let request = requests(connection, n);
        let begun = Instant::now();
        if begun >= until {
            break;
        }
        stream.write_all(&request).await?;
        let mut filled = 0;
        let (mut need, mut status) = (usize::MAX, 0);
        while filled < need {
            let read = stream.read(buffer.get_mut(filled..).unwrap_or_default()).await?;
            if read == 0 {
                return Err("the connection was closed, or an answer is too large".into());
            }
            filled += read;
            if need == usize::MAX
                && let Some((begin, length, answered)) =
                    wire::head(buffer.get(..filled).unwrap_or_default()).transpose()?
            {
                (need, status) = (begin + length, answered);
                if buffer.len() < need {
                    buffer.resize(need, 0);
                }
            }
        }
        latencies.push(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        if !(200..300).contains(&status) {
            let answer = String::from_utf8_lossy(buffer.get(..filled.min(2_000)).unwrap_or_default());
            return Err(format!("not a success: {answer}").into());
        }
    }
    Ok(latencies)
}

/// Processor time of a process so far, in seconds: user and system, from `/proc`.
fn cpu_seconds(process: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// Subject and reference in turn.
pub(crate) struct Duel {
    pub(crate) subject: Load,
    pub(crate) reference: Load,
    pub(crate) rounds: usize,
    pub(crate) each: Duration,
}

/// Medians of a duel's latencies.
pub(crate) struct Latency {
    /// The subject's over the reference's, within a round.
    pub(crate) ratio: Spread,
    /// Both, in microseconds.
    pub(crate) subject_us: f64,
    pub(crate) reference_us: f64,
}

impl Latency {
    /// Over at least one round.
    pub(crate) fn of(rounds: &[Round]) -> Self {
        let p50 = |measured: &Measured| measured.latency_us(0.5);
        Self {
            ratio: Spread::of(rounds.iter().map(|round| p50(&round.subject) / p50(&round.reference))),
            subject_us: Spread::of(rounds.iter().map(|round| p50(&round.subject))).median,
            reference_us: Spread::of(rounds.iter().map(|round| p50(&round.reference))).median,
        }
    }
}

/// One round of a duel.
pub(crate) struct Round {
    pub(crate) subject: Measured,
    pub(crate) reference: Measured,
}

impl Duel {
    /// Warms both up, then measures them in turn.
    ///
    /// # Errors
    /// As [`Load::run`].
    pub(crate) fn run(&self) -> Result<Vec<Round>> {
        let warm = self.each / 2;
        let (mut subject_next, mut reference_next) = (self.subject.run(warm, 0)?.1, self.reference.run(warm, 0)?.1);
        let mut rounds = Vec::new();
        for _ in 0..self.rounds {
            let (reference, next) = self.reference.run(self.each, reference_next)?;
            reference_next = next;
            let (subject, next) = self.subject.run(self.each, subject_next)?;
            subject_next = next;
            rounds.push(Round { subject, reference });
        }
        Ok(rounds)
    }
}
