//! Appending to a table with a long history, against one with a short history.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::tables::{NAMESPACE, added, append, create_namespace, creation, now_ms, table_path, tables_path};
use crate::{
    Options, Result,
    client::{Duel, Latency, Requests},
    report::Line,
    subject::{self, Installation, Server, bearer},
    wire::{self, Caller},
};

/// Snapshots that a maintained table keeps.
const KEPT: u64 = 20;
/// Snapshots added in one commit while a table that keeps them all is prepared.
const BULK: u64 = 500;

struct History<'a> {
    server: &'a Server,
    authorization: String,
    caller: Caller,
    begun_ms: u64,
}

impl History<'_> {
    fn table(&mut self, name: &str) -> Result<String> {
        let created = self.caller.json("POST", &tables_path(NAMESPACE), Some(&creation(name, 20)))?;
        subject::text(&created, "/metadata/location")
    }

    /// Appends from the `first`-th snapshot on, one a commit, as the engines do.
    fn appends(&self, name: &str, location: &str, first: u64, keep: u64) -> Requests {
        let (path, location) = (table_path(NAMESPACE, name), location.to_owned());
        let (authorization, begun_ms) = (self.authorization.clone(), self.begun_ms);
        Arc::new(move |_, n| {
            let body = append(&location, first + n, keep, begun_ms).to_string();
            wire::request("POST", &path, Some(&authorization), Some(("application/json", body.as_bytes())))
        })
    }

    /// Makes the first `count` appends.
    fn fill(&mut self, name: &str, location: &str, count: u64) -> Result<()> {
        let requests = self.appends(name, location, 1, KEPT);
        for n in 0..count {
            let (status, answer) = self.caller.send(&requests(0, n))?;
            if status != 200 {
                return Err(format!("append {n}: {}", String::from_utf8_lossy(&answer)).into());
            }
        }
        Ok(())
    }

    /// Adds `count` snapshots and keeps them all.
    fn fill_kept(&mut self, name: &str, location: &str, count: u64) -> Result<()> {
        for first in (1..=count).step_by(usize::try_from(BULK)?) {
            let last = (first + BULK - 1).min(count);
            let updates: Vec<Value> = (first..=last).flat_map(|n| added(location, n, self.begun_ms)).collect();
            let commit = json!({"requirements": [], "updates": updates});
            self.caller.json("POST", &table_path(NAMESPACE, name), Some(&commit))?;
        }
        Ok(())
    }

    fn duel(&self, long: Requests, short: Requests, rounds: usize, each: Duration) -> Result<Latency> {
        let duel = Duel { subject: self.server.load(1, long), reference: self.server.load(1, short), rounds, each };
        Ok(Latency::of(&duel.run()?))
    }
}

/// 10⁴ commits of which 20 snapshots are kept, and 10⁴ snapshots that are all kept.
pub(super) fn history(options: &Options) -> Result<Vec<Line>> {
    let (commits, rounds, each) = if options.quick { (300, 2, 400) } else { (10_000, 5, 2_000) };
    let each = Duration::from_millis(each);
    let installation = Installation::new(options, None)?;
    let server = installation.serve()?;
    let lake = installation.found(&server)?;
    let authorization = bearer(&server, &lake.engineer)?;
    let caller = Caller::connect(server.address, Some(&authorization))?;
    // An hour ago, so that a snapshot's time is never ahead of the clock.
    let mut history = History { server: &server, authorization, caller, begun_ms: now_ms() - 3_600_000 };
    create_namespace(&mut history.caller, NAMESPACE)?;
    let places = [history.table("long")?, history.table("short")?, history.table("kept")?, history.table("few")?];
    let [long, short, kept, few] = &places;
    history.fill("long", long, commits)?;
    history.fill("short", short, KEPT)?;
    let recent = history.duel(
        history.appends("long", long, commits + 1, KEPT),
        history.appends("short", short, KEPT + 1, KEPT),
        rounds,
        each,
    )?;
    history.fill_kept("kept", kept, commits)?;
    history.fill_kept("few", few, KEPT)?;
    let kept_all = history.duel(
        history.appends("kept", kept, commits + 1, u64::MAX),
        history.appends("few", few, KEPT + 1, KEPT),
        rounds,
        each,
    )?;
    Ok(vec![
        Line {
            what: format!("append after {commits} commits, {KEPT} snapshots kept"),
            measured: recent.ratio.times(),
            target: "≤ 1.2× of a short history",
            hit: Some(recent.ratio.median <= 1.2),
            details: format!("p50 {}", milliseconds(&recent)),
        },
        Line {
            what: format!("append after {commits} snapshots, all kept"),
            measured: kept_all.ratio.times(),
            target: "≤ 1.2× of a short history",
            hit: Some(kept_all.ratio.median <= 1.2),
            details: format!("p50 {}; every append writes the whole document anew", milliseconds(&kept_all)),
        },
    ])
}

fn milliseconds(p50: &Latency) -> String {
    format!("{:.2} / {:.2} ms", p50.subject_us / 1e3, p50.reference_us / 1e3)
}
