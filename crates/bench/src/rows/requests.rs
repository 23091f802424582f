//! Loading a table and asking for a token, against bare servers.

use std::time::Duration;

use bytes::Bytes;

use super::tables::{NAMESPACE, create_namespace, table_of_20_kb, table_path};
use crate::{
    Options, Result,
    client::{Duel, Round, cycle},
    reference::{self, Bodies},
    report::Line,
    stats::Spread,
    subject::{Installation, Server, basic, bearer, token_request},
    wire::{self, Caller},
};

const CONNECTIONS: [usize; 2] = [1, 8];

struct Shape {
    tables: usize,
    rounds: usize,
    each: Duration,
}

impl Shape {
    fn of(options: &Options) -> Self {
        if options.quick {
            Self { tables: 50, rounds: 3, each: Duration::from_millis(400) }
        } else {
            Self { tables: 1_000, rounds: 7, each: Duration::from_secs(2) }
        }
    }
}

/// The requests for tables, and what each of them is answered.
struct Prepared {
    requests: Vec<Bytes>,
    bodies: Bodies,
    /// How large one of them is.
    body_bytes: usize,
}

fn prepare(installation: &Installation, server: &Server, tables: usize) -> Result<Prepared> {
    let lake = installation.found(server)?;
    let authorization = bearer(server, &lake.engineer)?;
    let mut caller = Caller::connect(server.address, Some(&authorization))?;
    create_namespace(&mut caller, NAMESPACE)?;
    let (mut requests, mut bodies, mut body_bytes) = (Vec::new(), Bodies::new(), 0);
    for n in 0..tables {
        let name = format!("table_{n:04}");
        table_of_20_kb(&mut caller, &name)?;
        let request = wire::request("GET", &table_path(NAMESPACE, &name), Some(&authorization), None);
        let (status, body) = caller.send(&request)?;
        if status != 200 {
            return Err("the table cannot be loaded".into());
        }
        body_bytes = body.len();
        bodies.insert(name, body.into());
        requests.push(request);
    }
    Ok(Prepared { requests, bodies, body_bytes })
}

/// Warm loads of 20 KB over 1 000 tables, authenticated, authorized and audited.
pub(super) fn load_table(options: &Options) -> Result<Vec<Line>> {
    let shape = Shape::of(options);
    let installation = Installation::new(options, None)?;
    let server = installation.serve()?;
    let prepared = prepare(&installation, &server, shape.tables)?;
    let bare = reference::bytes(installation.directory(), &prepared.bodies)?;
    let mut lines = Vec::new();
    for connections in CONNECTIONS {
        let rounds = Duel {
            subject: server.load(connections, cycle(prepared.requests.clone())),
            reference: bare.load(connections, cycle(prepared.requests.clone())),
            rounds: shape.rounds,
            each: shape.each,
        }
        .run()?;
        let what =
            format!("warm loadTable, {} KB, {} tables, {connections} conn.", prepared.body_bytes / 1000, shape.tables);
        lines.push(throughput(&what, &rounds, 0.7, "≥ 70 % of bare axum"));
        lines.push(tail(&format!("{what}, p99"), &rounds));
    }
    Ok(lines)
}

/// The same loads where every request asks PostgreSQL once, against a bare server that does too.
pub(super) fn load_table_postgres(options: &Options) -> Result<Vec<Line>> {
    let shape = Shape::of(options);
    let postgres = crate::postgres::Postgres::start(&options.directory)?;
    let installation = Installation::new(options, Some(&postgres.url()))?;
    let server = installation.serve()?;
    let prepared = prepare(&installation, &server, shape.tables)?;
    postgres.bare_table(NAMESPACE, shape.tables)?;
    let bare = reference::select(installation.directory(), &prepared.bodies, &postgres.url())?;
    let mut lines = Vec::new();
    for connections in CONNECTIONS {
        let rounds = Duel {
            subject: server.load(connections, cycle(prepared.requests.clone())),
            reference: bare.load(connections, cycle(prepared.requests.clone())),
            rounds: shape.rounds,
            each: shape.each,
        }
        .run()?;
        let what = format!("warm loadTable on PostgreSQL, {connections} conn.");
        lines.push(throughput(&what, &rounds, 0.8, "≥ 80 % of axum + one SELECT"));
    }
    Ok(lines)
}

/// The token endpoint with client credentials.
pub(super) fn token(options: &Options) -> Result<Vec<Line>> {
    let shape = Shape::of(options);
    let installation = Installation::new(options, None)?;
    let server = installation.serve()?;
    let lake = installation.found(&server)?;
    let request = token_request(&lake.engineer)?;
    let (_, body) = Caller::connect(server.address, Some(&basic(&lake.engineer)))?.send(&request)?;
    let bare = reference::token(installation.directory(), &body)?;
    let mut lines = Vec::new();
    for connections in CONNECTIONS {
        let rounds = Duel {
            subject: server.load(connections, cycle(vec![request.clone()])),
            reference: bare.load(connections, cycle(vec![request.clone()])),
            rounds: shape.rounds,
            each: shape.each,
        }
        .run()?;
        let what = format!("token, client credentials, {connections} conn.");
        lines.push(throughput(&what, &rounds, 0.3, "≥ 30 % of bare axum"));
    }
    Ok(lines)
}

fn throughput(what: &str, rounds: &[Round], least: f64, target: &'static str) -> Line {
    let ratio = Spread::of(rounds.iter().map(|round| round.subject.rate / round.reference.rate));
    let median = |figure: fn(&Round) -> f64| Spread::of(rounds.iter().map(figure)).median;
    Line {
        what: what.to_owned(),
        measured: ratio.percent(),
        target,
        hit: Some(ratio.median >= least),
        details: format!(
            "{:.1} of {:.1} k/s; p50 {:.0} / {:.0} µs, p99 {:.0} / {:.0} µs; server CPU {:.1} / {:.1} µs an answer",
            median(|round| round.subject.rate / 1e3),
            median(|round| round.reference.rate / 1e3),
            median(|round| round.subject.latency_us(0.5)),
            median(|round| round.reference.latency_us(0.5)),
            median(|round| round.subject.latency_us(0.99)),
            median(|round| round.reference.latency_us(0.99)),
            median(|round| round.subject.server_us),
            median(|round| round.reference.server_us),
        ),
    }
}

fn tail(what: &str, rounds: &[Round]) -> Line {
    let ratio = Spread::of(rounds.iter().map(|r| r.subject.latency_us(0.99) / r.reference.latency_us(0.99)));
    Line {
        what: what.to_owned(),
        measured: ratio.times(),
        target: "≤ 2× the reference's",
        hit: Some(ratio.median <= 2.0),
        details: String::new(),
    }
}
