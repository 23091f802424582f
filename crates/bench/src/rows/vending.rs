//! Loading a table with keys for its files: keys that are there already against the same load without, and keys that have
//! to be made.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;

use super::tables::{NAMESPACE, create_namespace, table_of_20_kb, table_path};
use crate::{
    Options, Result,
    client::{Duel, cycle},
    report::Line,
    stats::Spread,
    subject::{Installation, bearer},
    weed::Weed,
    wire::{self, Caller},
};

const CONNECTIONS: usize = 8;

/// Loads with keys that live, against loads without; and what making keys adds.
pub(super) fn vending(options: &Options) -> Result<Vec<Line>> {
    let program = std::env::var_os("WEED_BIN").map(PathBuf::from);
    let store = Weed::start(&program.ok_or("WEED_BIN does not name the object store's program")?);
    let installation = Installation::on_s3(options, &store)?;
    let server = installation.serve()?;
    let lake = installation.found(&server)?;
    let authorization = bearer(&server, &lake.engineer)?;
    let mut caller = Caller::connect(server.address, Some(&authorization))?;
    create_namespace(&mut caller, NAMESPACE)?;
    let (tables, rounds, each) = if options.quick { (5, 3, 400) } else { (100, 7, 2_000) };
    let (mut plain, mut vended) = (Vec::new(), Vec::new());
    for n in 0..tables {
        let name = format!("table_{n:04}");
        table_of_20_kb(&mut caller, &name)?;
        plain.push(wire::request("GET", &table_path(NAMESPACE, &name), Some(&authorization), None));
        vended.push(with_keys(&authorization, &name));
    }
    // The first load of a process proves that keys are narrow; not part of what is measured.
    first_load(&mut caller, &vended)?;
    let made = vended.iter().skip(1).map(|request| timed(&mut caller, request)).collect::<Result<Vec<_>>>()?;
    let (made, there) = (Spread::of(made), vended.iter().map(|request| timed(&mut caller, request)));
    let there = Spread::of(there.collect::<Result<Vec<_>>>()?);
    let rounds = Duel {
        subject: server.load(CONNECTIONS, cycle(vended)),
        reference: server.load(CONNECTIONS, cycle(plain)),
        rounds,
        each: Duration::from_millis(each),
    }
    .run()?;
    let ratio = Spread::of(rounds.iter().map(|round| round.subject.rate / round.reference.rate));
    let rate = |figure: fn(&crate::client::Round) -> f64| Spread::of(rounds.iter().map(figure)).median / 1e3;
    Ok(vec![
        Line {
            what: format!("load with vending, keys that live, {tables} tables, {CONNECTIONS} conn."),
            measured: ratio.percent(),
            target: "of the same load without",
            hit: None,
            details: format!(
                "{:.1} of {:.1} k/s",
                rate(|round| round.subject.rate),
                rate(|round| round.reference.rate)
            ),
        },
        Line {
            what: format!("load with vending, keys to be made, {tables} tables, 1 conn."),
            measured: format!("{:.1} ms", made.median),
            target: "",
            hit: None,
            details: format!(
                "{:.2} ms with keys that live; one call of the store's STS and one durable record",
                there.median
            ),
        },
    ])
}

fn with_keys(authorization: &str, table: &str) -> Bytes {
    let header = format!("{authorization}\r\nx-iceberg-access-delegation: vended-credentials");
    wire::request("GET", &table_path(NAMESPACE, table), Some(&header), None)
}

fn first_load(caller: &mut Caller, requests: &[Bytes]) -> Result<()> {
    let (status, body) = caller.send(requests.first().ok_or("no tables")?)?;
    match status == 200 && String::from_utf8_lossy(&body).contains("s3.session-token") {
        true => Ok(()),
        false => Err(format!("no keys: {status}").into()),
    }
}

/// Milliseconds until the answer.
fn timed(caller: &mut Caller, request: &Bytes) -> Result<f64> {
    let begun = std::time::Instant::now();
    match caller.send(request)?.0 {
        200 => Ok(begun.elapsed().as_secs_f64() * 1e3),
        status => Err(format!("a load was answered {status}").into()),
    }
}
