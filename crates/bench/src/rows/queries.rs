//! Governed TPC-H against the ungoverned engine on the same files, and what governing adds to planning.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    Options, Result, answer, governed, reference,
    report::Line,
    stats::{Spread, geometric_mean},
    subject::{Server, TpchDemo, basic, text},
    wire::{self, Caller},
};

/// The tables that are queried.
const TABLES: [&str; 3] = ["customer", "orders", "lineitem"];
/// What [`restrict`] makes of `lineitem`, written by hand: the row filter, and masks of which every query meets one, each on
/// another line of an order. They read no column that the filter does not read.
const BY_HAND: &str = "(SELECT l_orderkey, l_linenumber, l_extendedprice, l_tax, l_linestatus, l_shipdate, \
     CASE WHEN l_linenumber = 1 THEN CAST(0 AS decimal(15, 2)) ELSE l_quantity END AS l_quantity, \
     CASE WHEN l_linenumber = 2 THEN '*' ELSE l_returnflag END AS l_returnflag, \
     CASE WHEN l_linenumber = 4 THEN CAST(0 AS decimal(15, 2)) ELSE l_discount END AS l_discount \
     FROM lineitem WHERE l_linenumber <= 4) AS lineitem";

/// Name and text; `{}` is where the namespace of a table goes, `{lineitem}` where that table or what stands for it does.
const QUERIES: [(&str, &str); 4] = [
    (
        "Q1",
        "SELECT l_returnflag, l_linestatus, sum(l_quantity) AS sum_qty, sum(l_extendedprice) AS sum_base, \
         sum(l_extendedprice * (1 - l_discount)) AS sum_disc, \
         sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge, avg(l_quantity) AS avg_qty, \
         avg(l_extendedprice) AS avg_price, avg(l_discount) AS avg_disc, count(*) AS count_order \
         FROM {lineitem} WHERE l_shipdate <= DATE '1998-09-02' \
         GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus",
    ),
    (
        "Q3",
        "SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, o_shippriority \
         FROM {}customer JOIN {}orders ON c_custkey = o_custkey JOIN {lineitem} ON l_orderkey = o_orderkey \
         WHERE c_mktsegment = 'BUILDING' AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15' \
         GROUP BY l_orderkey, o_orderdate, o_shippriority ORDER BY revenue DESC, o_orderdate, l_orderkey LIMIT 10",
    ),
    (
        "Q6",
        "SELECT sum(l_extendedprice * l_discount) AS revenue FROM {lineitem} \
         WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01' \
         AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24",
    ),
    ("point", "SELECT l_orderkey, l_linenumber, l_quantity, l_shipdate FROM {lineitem} WHERE l_orderkey = {key}"),
];

fn statement(template: &str, namespace: &str, lineitem: &str, key: u64) -> String {
    template.replace("{key}", &key.to_string()).replace("{lineitem}", lineitem).replace("{}", namespace)
}

/// A statement as the gateway gets it.
fn governed_statement(template: &str, key: u64) -> String {
    statement(template, "tpch.", "tpch.lineitem", key)
}

/// An order in the middle of the table: of every 32 keys the first eight are used.
fn key_of(scale: f64) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    let middle = (scale * 3e6) as u64;
    middle / 32 * 32 + 1
}

/// Puts a row filter and masks on `lineitem` for the analyst: what [`BY_HAND`] says.
fn restrict(server: &Server, demo: &TpchDemo) -> Result<()> {
    let mut admin = Caller::connect(server.address, Some(&basic(&demo.credential("admin")?)))?;
    let table = json!({"warehouse": "lake", "namespace": ["tpch"], "name": "lineitem"});
    let mask = |column: &str, line: u64, then: Value| {
        json!({
            "column": column,
            "when": {"type": "eq", "term": "l_linenumber", "value": line},
            "then": then,
            "else": {"action": "show"},
        })
    };
    let rules = [
        ("some-lines", "row_filter", json!({"type": "lt-eq", "term": "l_linenumber", "value": 4})),
        ("some-quantities", "mask", mask("l_quantity", 1, json!({"action": "mask-to-fixed-value"}))),
        ("some-flags", "mask", mask("l_returnflag", 2, json!({"value": "*"}))),
        ("some-discounts", "mask", mask("l_discount", 4, json!({"value": "0.00"}))),
    ];
    for (name, rule, value) in rules {
        let policy = json!({"name": name, "table": table, "applies_to": ["analyst"], rule: value});
        admin.json("POST", "/api/v1/admin/policies", Some(&policy))?;
    }
    Ok(())
}

/// Q1, Q3, Q6 and a point look-up: of a principal without restriction, and of one under a filter and masks.
pub(super) fn queries(options: &Options) -> Result<Vec<Line>> {
    let (scale, rounds) = if options.quick { (0.01, 3) } else { (1.0, 7) };
    let demo = TpchDemo::new(options, scale)?;
    let server = demo.serve()?;
    restrict(&server, &demo)?;
    let mut engineer = Caller::connect(server.address, Some(&basic(&demo.credential("engineer")?)))?;
    let mut tables = Vec::new();
    for table in TABLES {
        let loaded = engineer.json("GET", &format!("/iceberg/v1/lake/namespaces/tpch/tables/{table}"), None)?;
        tables.push(format!("{table}={}", text(&loaded, "/metadata-location")?));
    }
    let plain = reference::sql(&tables)?;
    let mut lines = Vec::new();
    for (who, lineitem, what) in [
        ("engineer", "lineitem", "governed TPC-H, no restriction"),
        // The name is older than the masks by hand; results are kept by it.
        ("analyst", BY_HAND, "governed TPC-H, row filter and masks (reference: filter by hand)"),
    ] {
        let authorization = basic(&demo.credential(who)?);
        let mut ratios = Vec::new();
        let mut details = Vec::new();
        for (name, template) in QUERIES {
            let governed = governed_statement(template, key_of(scale));
            let by_hand = statement(template, "", lineitem, key_of(scale));
            let (ratio, subject, bare) = compare(&server, &authorization, &governed, &plain, &by_hand, rounds)?;
            details.push(format!("{name} {:.2}× ({subject:.0} / {bare:.0} ms)", ratio.median));
            ratios.push(ratio);
        }
        let mean = geometric_mean(&ratios.iter().map(|ratio| ratio.median).collect::<Vec<_>>());
        lines.push(Line {
            what: format!("{what}, scale {scale}: geometric mean"),
            measured: format!("{mean:.2}×"),
            target: "≤ 1.15× of the ungoverned engine",
            hit: Some(mean <= 1.15),
            details: details.join("; "),
        });
        if let Some(point) = ratios.last() {
            lines.push(Line {
                what: format!("{what}, scale {scale}: point look-up"),
                measured: point.times(),
                target: "≤ 1.3× of the ungoverned engine",
                hit: Some(point.median <= 1.3),
                details: String::new(),
            });
        }
    }
    Ok(lines)
}

/// One statement at both, in turn, whose answers must be the same: the ratio, and both medians in milliseconds.
fn compare(
    server: &Server,
    authorization: &str,
    governed: &str,
    plain: &Server,
    by_hand: &str,
    rounds: usize,
) -> Result<(Spread, f64, f64)> {
    let ordered = governed.contains("ORDER BY");
    let body = json!({"sql": governed}).to_string();
    let kind = Some(("application/json", body.as_bytes()));
    let governed = wire::request("POST", "/api/v1/query", Some(authorization), kind);
    let by_hand = wire::request("POST", "/query", None, Some(("text/plain", by_hand.as_bytes())));
    let (mut subject, mut bare) = (Caller::connect(server.address, None)?, Caller::connect(plain.address, None)?);
    let (mut ratios, mut times) = (Vec::new(), (Vec::new(), Vec::new()));
    for round in 0..rounds + 2 {
        let (of_bare, expected) = timed(&mut bare, &by_hand)?;
        let (of_subject, found) = timed(&mut subject, &governed)?;
        answer::compare(&found, &expected, ordered)?;
        // The first two warm caches.
        if round >= 2 {
            ratios.push(of_subject / of_bare);
            times.0.push(of_subject);
            times.1.push(of_bare);
        }
    }
    Ok((Spread::of(ratios), Spread::of(times.0).median, Spread::of(times.1).median))
}

fn timed(caller: &mut Caller, request: &[u8]) -> Result<(f64, Vec<u8>)> {
    let begun = Instant::now();
    let (status, body) = caller.send(request)?;
    let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
    if status != 200 {
        return Err(format!("{status} {}", String::from_utf8_lossy(&body)).into());
    }
    Ok((milliseconds, body))
}

/// From the text to the verified plan, against plain planning of the same statements over the same tables.
pub(super) fn governance(options: &Options) -> Result<Vec<Line>> {
    let scale = 0.01;
    let count = if options.quick { 30 } else { 400 };
    let demo = TpchDemo::new(options, scale)?;
    let server = demo.serve()?;
    restrict(&server, &demo)?;
    let mut engineer = Caller::connect(server.address, Some(&basic(&demo.credential("engineer")?)))?;
    let mut tables = Vec::new();
    for table in TABLES {
        let loaded = engineer.json("GET", &format!("/iceberg/v1/lake/namespaces/tpch/tables/{table}"), None)?;
        tables.push(format!("{table}={}", text(&loaded, "/metadata-location")?));
    }
    // The measured part runs in this process, on the store that the server leaves behind.
    server.stop()?;
    let statements: Vec<(String, String)> = QUERIES
        .iter()
        .map(|(_, template)| {
            let key = key_of(scale);
            (governed_statement(template, key), statement(template, "", "lineitem", key))
        })
        .collect();
    let analyst = demo.credential("analyst")?;
    let times = governed::planning(&demo.data(), &analyst, &tables, &statements, count)?;
    let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
    let more: Vec<f64> = times.iter().map(|(governed, plain)| micros(*governed) - micros(*plain)).collect();
    let details: Vec<String> = QUERIES
        .iter()
        .zip(&times)
        .map(|((name, _), (governed, plain))| format!("{name} {:.0} / {:.0} µs", micros(*governed), micros(*plain)))
        .collect();
    let worst = Spread::of(more);
    Ok(vec![Line {
        what: "governance: parse → verified plan over plain planning, p50".to_owned(),
        measured: format!("{:+.0} µs ({:+.0} to {:+.0})", worst.median, worst.min, worst.max),
        target: "≤ 150 µs more",
        hit: Some(worst.max <= 150.0),
        details: details.join("; "),
    }])
}
