//! Listing and loading in a large catalog, against a small one.

use std::time::Duration;

use bytes::Bytes;

use super::tables::{NAMESPACE, create_namespace, creation, table_path, tables_path};
use crate::{
    Options, Result,
    client::{Duel, Latency, cycle},
    postgres::Postgres,
    report::Line,
    subject::{Installation, Server, bearer, text},
    wire::{self, Caller},
};

/// Tables of the small catalog, and those of the large one that are loaded.
const SMALL: usize = 100;
/// Tables on one page of a list.
const PAGE: usize = 100;
/// Callers that make the tables.
const MAKERS: usize = 8;

struct Catalog {
    server: Server,
    _installation: Installation,
    _postgres: Option<Postgres>,
    loads: Vec<Bytes>,
    first_page: Bytes,
    inner_page: Bytes,
}

fn catalog(options: &Options, on_postgres: bool, tables: usize) -> Result<Catalog> {
    let postgres = on_postgres.then(|| Postgres::start(&options.directory)).transpose()?;
    let installation = Installation::new(options, postgres.as_ref().map(Postgres::url).as_deref())?;
    let server = installation.serve()?;
    let lake = installation.found(&server)?;
    let authorization = bearer(&server, &lake.engineer)?;
    create_namespace(&mut Caller::connect(server.address, Some(&authorization))?, NAMESPACE)?;
    make(&server, &authorization, tables)?;
    let step = tables / SMALL;
    let load = |n: usize| wire::request("GET", &table_path(NAMESPACE, &name(n * step)), Some(&authorization), None);
    let loads = (0..SMALL).map(load).collect();
    let page = |from: &str| format!("{}?pageSize={}&pageToken={from}", tables_path(NAMESPACE), PAGE / 2);
    // Past the first page, so that the cursor is used.
    let mut caller = Caller::connect(server.address, Some(&authorization))?;
    let token = text(&caller.json("GET", &page(""), None)?, "/next-page-token")?;
    let [first_page, inner_page] =
        [page(""), page(&token)].map(|path| wire::request("GET", &path, Some(&authorization), None));
    postgres.as_ref().map_or(Ok(()), Postgres::analyze)?;
    Ok(Catalog { server, _installation: installation, _postgres: postgres, loads, first_page, inner_page })
}

fn name(n: usize) -> String {
    format!("table_{n:06}")
}

fn make(server: &Server, authorization: &str, tables: usize) -> Result<()> {
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..MAKERS)
            .map(|maker| {
                scope.spawn(move || -> Result<()> {
                    let mut caller = Caller::connect(server.address, Some(authorization))?;
                    for n in (maker..tables).step_by(MAKERS) {
                        caller.json("POST", &tables_path(NAMESPACE), Some(&creation(&name(n), 5)))?;
                    }
                    Ok(())
                })
            })
            .collect();
        makers.into_iter().try_for_each(|maker| maker.join().map_err(|_| "a maker panicked")?)
    })
}

/// A page of the list and a set of tables, in catalogs of 10² and 10⁵ tables.
pub(super) fn scale(options: &Options) -> Result<Vec<Line>> {
    measure(options, false)
}

/// The same on PostgreSQL.
pub(super) fn scale_postgres(options: &Options) -> Result<Vec<Line>> {
    measure(options, true)
}

fn measure(options: &Options, on_postgres: bool) -> Result<Vec<Line>> {
    let (tables, rounds, each) = if options.quick { (2_000, 2, 300) } else { (100_000, 5, 1_500) };
    let each = Duration::from_millis(each);
    let (small, large) = (catalog(options, on_postgres, SMALL)?, catalog(options, on_postgres, tables)?);
    let database = if on_postgres { ", PostgreSQL" } else { "" };
    let mut lines = Vec::new();
    for (what, of_large, of_small) in [
        ("loadTable, 100 tables in use", large.loads.clone(), small.loads.clone()),
        ("listTables, first page of 50", vec![large.first_page.clone()], vec![small.first_page.clone()]),
        ("listTables, second page of 50", vec![large.inner_page.clone()], vec![small.inner_page.clone()]),
    ] {
        let duel = Duel {
            subject: large.server.load(1, cycle(of_large)),
            reference: small.server.load(1, cycle(of_small)),
            rounds,
            each,
        };
        let p50 = Latency::of(&duel.run()?);
        lines.push(Line {
            what: format!("{what}, of {tables} tables{database}"),
            measured: p50.ratio.times(),
            target: "≤ 1.2× of 100 tables",
            hit: Some(p50.ratio.median <= 1.2),
            details: format!("p50 {:.0} / {:.0} µs", p50.subject_us, p50.reference_us),
        });
    }
    Ok(lines)
}
