//! Clients that hang up at random moments of a commit: what was begun runs to its end, leaves no file without its
//! transaction, and what never arrived whole does nothing.

use std::{sync::Arc, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    Options,
    failure::{Outcome, Why},
    history::{Effect, Fate},
    verify::Verifier,
    world::{OWN, Table, World, new_table, table_path},
    writers::{Shared, set_body},
};

/// Every so many hang-ups leave before the request was whole.
const PARTIAL: f64 = 0.2;
/// The longest wait between the last byte and the hang-up.
const WAIT_MICROS_MAX: u64 = 20_000;

/// How many, how many at a time.
#[derive(clap::Args, Clone)]
pub(crate) struct Plan {
    /// Commits whose client hangs up.
    #[arg(long, default_value_t = 400)]
    pub(crate) hangups: usize,
    /// Clients at a time.
    #[arg(long, default_value_t = 8)]
    pub(crate) clients: usize,
}

/// Runs the plan; the summary.
pub(crate) async fn run(plan: &Plan, options: &Options, seed: u64) -> Outcome<String> {
    let mut world = World::found(options, seed, 4).await?;
    let outcome = go(plan, &mut world, seed).await;
    world.end(options, outcome)
}

async fn go(plan: &Plan, world: &mut World, seed: u64) -> Outcome<String> {
    let shared = Arc::new(Shared::new(world));
    let mut verifier = Verifier::begin(world).await?;
    let each = plan.hangups.div_ceil(plan.clients.max(1));
    let clients: Vec<_> = (0..plan.clients)
        .map(|number| {
            let caller = Caller {
                number,
                address: world.program.address().to_owned(),
                authorization: world.engineer.authorization().to_owned(),
                rng: StdRng::seed_from_u64(seed.wrapping_add(number as u64)),
            };
            tokio::spawn(caller.run(each, Arc::clone(&shared)))
        })
        .collect();
    for client in clients {
        client.await.why("a client")??;
    }
    // A stop finishes what was begun; then nothing may be left over.
    world.program.stop().await?;
    let probe = world.tables.first().why("a table")?.path();
    world.program.serve(&world.engineer, &probe).await?;
    verifier.check(world, &shared, std::iter::empty()).await?;
    let totals = verifier.totals(world)?;
    if totals.orphans + totals.temporary > 0 {
        return Err(format!("Torn: commits ended between the file and the transaction: {totals:?}"));
    }
    let created = created(world, &shared).await?;
    let landed = totals.versions - world.tables.len();
    world.program.stop().await?;
    if landed == 0 || created == 0 {
        return Err(format!("{landed} commits and {created} creates landed: nothing was tested"));
    }
    Ok(format!(
        "{} hang-ups, {landed} commits and {created} creates ran to their end, none was left half-done",
        each * plan.clients
    ))
}

/// Every table that a create of an absent client made can be loaded, and no create left files without a table.
async fn created(world: &World, shared: &Shared) -> Outcome<usize> {
    let standing = crate::own::standing(&world.engineer).await?;
    let mut places: Vec<String> = shared.tables.iter().map(|table| table.location.clone()).collect();
    for name in standing.keys() {
        let loaded = world.engineer.get(&table_path(OWN, name)).await.expect(200)?.json()?;
        places.push(loaded["metadata"]["location"].as_str().why("a location")?.to_owned());
    }
    let root = crate::chain::path(&places.first().why("a place")?.clone())?;
    for entry in std::fs::read_dir(root.parent().why("a root")?).why("the warehouse")? {
        let path = entry.why("an entry")?.path();
        let known = places.iter().any(|place| crate::chain::path(place).is_ok_and(|place| place == path));
        let files = std::fs::read_dir(path.join("metadata")).map_or(0, Iterator::count);
        if !known && files > 0 {
            return Err(format!("Torn: `{}` holds {files} files of no table", path.display()));
        }
    }
    Ok(standing.len())
}

struct Caller {
    number: usize,
    address: String,
    authorization: String,
    rng: StdRng,
}

impl Caller {
    async fn run(mut self, hangups: usize, shared: Arc<Shared>) -> Outcome<()> {
        for count in 0..hangups {
            if self.rng.random_bool(0.2) {
                let body = new_table(&format!("h{}_{count}", self.number)).to_string();
                let path = format!("{}/namespaces/{OWN}/tables", crate::world::LAKE);
                self.hang_up(&path, &body).await?;
                continue;
            }
            let table = self.rng.random_range(0..shared.tables.len());
            let id = shared.log.begin(self.number, vec![table], Effect::Set);
            let table: &Table = shared.tables.get(table).why("a table")?;
            let body = set_body(table, self.number, id).to_string();
            if !self.hang_up(&table.path(), &body).await? {
                shared.log.end(id, Fate::Refused(0), None);
            }
        }
        Ok(())
    }

    /// Sends a request, or a part of it, and goes away. True if it was sent whole.
    async fn hang_up(&mut self, path: &str, body: &str) -> Outcome<bool> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.address,
            self.authorization,
            body.len()
        );
        let whole = !self.rng.random_bool(PARTIAL);
        let length = if whole { request.len() } else { self.rng.random_range(0..request.len()) };
        let mut stream = TcpStream::connect(&self.address).await.why("a connection")?;
        stream.write_all(request.as_bytes().get(..length).unwrap_or_default()).await.why("a request")?;
        if self.rng.random_bool(0.8) {
            tokio::time::sleep(Duration::from_micros(self.rng.random_range(0..WAIT_MICROS_MAX))).await;
        }
        if self.rng.random_bool(0.5) {
            stream.shutdown().await.why("a goodbye")?;
        }
        drop(stream);
        Ok(whole)
    }
}
