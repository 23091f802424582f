//! A commit of several tables at once, against as many commits of one.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::tables::{NAMESPACE, create_namespace, table_of_20_kb, table_path};
use crate::{
    Options, Result,
    client::{Duel, Measured, Requests},
    report::Line,
    stats::Spread,
    subject::{Installation, WAREHOUSE, bearer},
    wire::{self, Caller},
};

/// Tables of one transaction.
const TABLES: u16 = 10;

/// A transaction over ten tables of 20 KB.
pub(super) fn transactions(options: &Options) -> Result<Vec<Line>> {
    let (rounds, each) = if options.quick { (2, 500) } else { (5, 3_000) };
    let installation = Installation::new(options, None)?;
    let server = installation.serve()?;
    let lake = installation.found(&server)?;
    let authorization = bearer(&server, &lake.engineer)?;
    let mut caller = Caller::connect(server.address, Some(&authorization))?;
    create_namespace(&mut caller, NAMESPACE)?;
    let names: Vec<String> = (0..TABLES).map(|n| format!("table_{n:02}")).collect();
    for name in &names {
        table_of_20_kb(&mut caller, name)?;
    }
    let together = posts(format!("/iceberg/v1/{WAREHOUSE}/transactions/commit"), &authorization, move |n| {
        let change = |name: &String| {
            let mut change = set(n);
            if let Some(members) = change.as_object_mut() {
                members.insert("identifier".to_owned(), json!({"namespace": [NAMESPACE], "name": name}));
            }
            change
        };
        json!({"table-changes": names.iter().map(change).collect::<Vec<_>>()})
    });
    let alone = posts(table_path(NAMESPACE, "table_00"), &authorization, set);
    let (subject, reference) = (server.load(1, together), server.load(1, alone));
    let rounds = Duel { subject, reference, rounds, each: Duration::from_millis(each) }.run()?;
    let p50 = |measured: &Measured| measured.latency_us(0.5) / 1e3;
    let ratio =
        Spread::of(rounds.iter().map(|round| p50(&round.subject) / (p50(&round.reference) * f64::from(TABLES))));
    Ok(vec![Line {
        what: format!("one transaction over {TABLES} tables"),
        measured: ratio.times(),
        target: "≤ 1× of as many commits of one table",
        hit: Some(ratio.median <= 1.0),
        details: format!(
            "p50 {:.2} ms for all; {:.2} ms for one alone",
            Spread::of(rounds.iter().map(|round| p50(&round.subject))).median,
            Spread::of(rounds.iter().map(|round| p50(&round.reference))).median,
        ),
    }])
}

/// The `n`-th change of a table.
fn set(n: u64) -> Value {
    let updates = json!({"n": format!("{n:012}")});
    json!({"requirements": [], "updates": [{"action": "set-properties", "updates": updates}]})
}

fn posts(path: String, authorization: &str, body: impl Fn(u64) -> Value + Send + Sync + 'static) -> Requests {
    let authorization = authorization.to_owned();
    Arc::new(move |_, n| {
        let body = body(n).to_string();
        wire::request("POST", &path, Some(&authorization), Some(("application/json", body.as_bytes())))
    })
}
