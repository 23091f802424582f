//! Durable commits through HTTP, against a bare loop that writes as durably, and 16 writers against one.

use std::{sync::Arc, time::Duration};

use super::tables::{NAMESPACE, create_namespace, table_of_20_kb, table_path};
use crate::{
    Options, Result,
    client::Requests,
    durable::Durable,
    report::Line,
    stats::Spread,
    subject::{Installation, bearer},
    wire::{self, Caller},
};

const WRITERS: usize = 16;

/// One writer, and 16 on 16 tables.
pub(super) fn commits(options: &Options) -> Result<Vec<Line>> {
    let (rounds, each) = if options.quick { (2, 500) } else { (5, 3_000) };
    let each = Duration::from_millis(each);
    let installation = Installation::new(options, None)?;
    let server = installation.serve()?;
    let lake = installation.found(&server)?;
    let authorization = bearer(&server, &lake.engineer)?;
    let mut caller = Caller::connect(server.address, Some(&authorization))?;
    create_namespace(&mut caller, NAMESPACE)?;
    let names: Vec<String> = (0..WRITERS).map(|n| format!("table_{n:02}")).collect();
    for name in &names {
        table_of_20_kb(&mut caller, name)?;
    }
    let requests = sets(&names, &authorization);
    let (one, many) = (server.load(1, requests.clone()), server.load(WRITERS, requests));
    let mut next = many.run(each / 2, 0)?.1;
    let load = wire::request("GET", &table_path(NAMESPACE, "table_00"), Some(&authorization), None);
    let (_, document) = caller.send(&load)?;
    let size = document.len();
    let mut bare = Durable::new(&installation.directory().join("bare"), document)?;
    bare.run(each / 2)?;
    let (mut bares, mut ones, mut manys) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        bares.push(bare.run(each)?);
        let (measured, after) = one.run(each, next)?;
        ones.push(measured);
        let (measured, after) = many.run(each, after)?;
        manys.push(measured);
        next = after;
    }
    let to_bare = Spread::of(ones.iter().zip(&bares).map(|(one, bare)| one.rate / bare));
    let to_one = Spread::of(manys.iter().zip(&ones).map(|(many, one)| many.rate / one.rate));
    let bare = Spread::of(bares).median;
    let of = |all: &[crate::client::Measured], figure: fn(&crate::client::Measured) -> f64| {
        Spread::of(all.iter().map(figure)).median
    };
    Ok(vec![
        Line {
            what: format!("durable commits, {} KB metadata, 1 writer", size / 1000),
            measured: to_bare.percent(),
            target: "≥ 70 % of the bare durable loop",
            hit: Some(to_bare.median >= 0.7),
            details: format!(
                "{:.0} of {bare:.0} /s; p50 {:.2} ms, p99 {:.2} ms; server CPU {:.0} µs a commit",
                of(&ones, |m| m.rate),
                of(&ones, |m| m.latency_us(0.5) / 1e3),
                of(&ones, |m| m.latency_us(0.99) / 1e3),
                of(&ones, |m| m.server_us),
            ),
        },
        Line {
            what: format!("durable commits, {WRITERS} writers on {WRITERS} tables"),
            measured: to_one.times(),
            target: "≥ 3× of one writer",
            hit: Some(to_one.median >= 3.0),
            details: format!(
                "{:.0} of {:.0} /s; p50 {:.2} ms, p99 {:.2} ms; server CPU {:.0} µs a commit",
                of(&manys, |m| m.rate),
                of(&ones, |m| m.rate),
                of(&manys, |m| m.latency_us(0.5) / 1e3),
                of(&manys, |m| m.latency_us(0.99) / 1e3),
                of(&manys, |m| m.server_us),
            ),
        },
    ])
}

/// Commits that set a property, each connection to a table of its own.
fn sets(names: &[String], authorization: &str) -> Requests {
    let paths: Vec<String> = names.iter().map(|name| table_path(NAMESPACE, name)).collect();
    let authorization = authorization.to_owned();
    Arc::new(move |connection, n| {
        let body = format!(
            "{{\"requirements\":[],\"updates\":[{{\"action\":\"set-properties\",\"updates\":{{\"n\":\"{n:012}\"}}}}]}}"
        );
        let path = paths.get(connection % paths.len().max(1)).map_or("/", String::as_str);
        wire::request("POST", path, Some(&authorization), Some(("application/json", body.as_bytes())))
    })
}
