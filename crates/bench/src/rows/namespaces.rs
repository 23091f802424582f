//! Many namespaces, beside each other and inside each other, against few and flat ones, on both databases.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::tables::{creation, table_path, tables_path};
use crate::{
    Options, Result,
    client::{Duel, Latency, cycle},
    postgres::Postgres,
    report::Line,
    subject::{Installation, Server, WAREHOUSE, bearer},
    wire::{self, Caller},
};

/// Namespaces beside each other in the small catalog: two pages, as in the large one.
const FEW: usize = 2 * PAGE;
/// Namespaces on one page of a list.
const PAGE: usize = 25;
/// Levels of a deep namespace; a name has at most 64.
const LEVELS: usize = 60;
/// What is asked while statements are counted, whose fewest is what one request costs.
const COUNTED: usize = 9;
/// The levels of a path.
const BETWEEN: &str = "%1F";

/// What is asked of one catalog.
struct Catalog {
    // Dropped in this order: what uses the cluster goes before it.
    server: Server,
    installation: Installation,
    _postgres: Option<Postgres>,
    authorization: String,
    /// Parents of what lies beside each other, and tables in each of these.
    wide: Vec<String>,
    /// The innermost of what lies inside each other.
    deep: Vec<String>,
}

impl Catalog {
    /// `wide` namespaces in one, and `chains` of `levels` namespaces in each other; a table in each wide one and at each end.
    fn new(options: &Options, on_postgres: bool, wide: usize, (chains, levels): (usize, usize)) -> Result<Self> {
        let postgres = on_postgres.then(|| Postgres::start(&options.directory)).transpose()?;
        let installation = Installation::watched(options, postgres.as_ref().map(Postgres::url).as_deref())?;
        let server = installation.serve()?;
        let lake = installation.found(&server)?;
        let authorization = bearer(&server, &lake.engineer)?;
        let mut caller = Caller::connect(server.address, Some(&authorization))?;
        let mut make = |levels: &[String]| {
            let path = format!("/iceberg/v1/{WAREHOUSE}/namespaces");
            caller.json("POST", &path, Some(&json!({ "namespace": levels }))).map(drop)
        };
        let parent = "wide".to_owned();
        make(std::slice::from_ref(&parent))?;
        let (mut beside, mut inside) = (Vec::new(), Vec::new());
        for n in 0..wide {
            let levels = [parent.clone(), format!("beside_{n:04}")];
            make(&levels)?;
            beside.push(levels.join(BETWEEN));
        }
        for chain in 0..chains {
            let path: Vec<String> = (0..levels).map(|level| format!("chain_{chain:02}_{level:02}")).collect();
            for end in 1..=path.len() {
                make(path.get(..end).unwrap_or_default())?;
            }
            inside.push(path.join(BETWEEN));
        }
        for namespace in beside.iter().chain(&inside) {
            caller.json("POST", &tables_path(namespace), Some(&creation("t", 5)))?;
        }
        postgres.as_ref().map_or(Ok(()), Postgres::analyze)?;
        Ok(Self { server, installation, _postgres: postgres, authorization, wide: beside, deep: inside })
    }

    fn get(&self, path: &str) -> Bytes {
        wire::request("GET", path, Some(&self.authorization), None)
    }

    fn loads(&self, namespaces: &[String]) -> Vec<Bytes> {
        namespaces.iter().map(|namespace| self.get(&table_path(namespace, "t"))).collect()
    }

    fn namespaces(&self, namespaces: &[String]) -> Vec<Bytes> {
        namespaces.iter().map(|name| self.get(&format!("/iceberg/v1/{WAREHOUSE}/namespaces/{name}"))).collect()
    }

    fn page(&self) -> Vec<Bytes> {
        vec![self.get(&format!("/iceberg/v1/{WAREHOUSE}/namespaces?parent=wide&pageSize={PAGE}&pageToken="))]
    }

    /// What the cheapest of some requests asks the database: events are counted into it in the background.
    fn statements(&self, requests: &[Bytes]) -> Result<u64> {
        let mut caller = Caller::connect(self.server.address, Some(&self.authorization))?;
        let mut fewest = u64::MAX;
        for request in requests.iter().cycle().take(COUNTED) {
            let before = self.installation.statements()?;
            let (status, answer) = caller.send(request)?;
            if status != 200 {
                return Err(format!("{status} {}", String::from_utf8_lossy(&answer)).into());
            }
            fewest = fewest.min(self.installation.statements()? - before);
        }
        Ok(fewest)
    }
}

/// Loads and lists among 10³ namespaces, beside and inside each other.
pub(super) fn namespaces(options: &Options) -> Result<Vec<Line>> {
    let (wide, chains, rounds, each) = if options.quick { (120, 2, 2, 200) } else { (1_000, 17, 5, 1_500) };
    let each = Duration::from_millis(each);
    let mut lines = Vec::new();
    for on_postgres in [false, true] {
        let large = Catalog::new(options, on_postgres, wide, (chains, LEVELS))?;
        let small = Catalog::new(options, on_postgres, FEW, (chains, 1))?;
        let database = if on_postgres { "PostgreSQL" } else { "SQLite" };
        for (what, of_large, of_small) in [
            (
                format!("loadTable in {wide} namespaces beside each other"),
                large.loads(&large.wide),
                small.loads(&small.wide),
            ),
            (format!("listNamespaces, {PAGE} of {wide}"), large.page(), small.page()),
            (format!("loadTable, {LEVELS} levels deep"), large.loads(&large.deep), small.loads(&small.deep)),
            (
                format!("loadNamespace, {LEVELS} levels deep"),
                large.namespaces(&large.deep),
                small.namespaces(&small.deep),
            ),
        ] {
            let asked = (large.statements(&of_large)?, small.statements(&of_small)?);
            let duel = Duel {
                subject: large.server.load(1, cycle(of_large)),
                reference: small.server.load(1, cycle(of_small)),
                rounds,
                each,
            };
            let p50 = Latency::of(&duel.run()?);
            lines.push(Line {
                what: format!("{what}, {database}"),
                measured: p50.ratio.times(),
                target: "≤ 1.2× of 50 beside each other, 1 level",
                hit: Some(p50.ratio.median <= 1.2 && asked.0 <= asked.1),
                details: format!(
                    "{} / {} statements; p50 {:.0} / {:.0} µs",
                    asked.0, asked.1, p50.subject_us, p50.reference_us
                ),
            });
        }
    }
    Ok(lines)
}
