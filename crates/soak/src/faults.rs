//! One operation at a time, and a fault at each of its calls to the disk: the process is killed there, the power goes, or
//! the disk is full or broken from there on, and the process goes on or is killed right then: what it has given up in
//! memory may still be in its files. What was told must be what happened, and nothing may be half-done.

use std::time::Duration;

use crate::{
    Database, Options,
    client::Told,
    failure::{Outcome, Why},
    program::Program,
    shim::{ALL, Aim, DATA, DATABASE, FLUSH, Fault, NAME, Shim, WAREHOUSE},
    verify::Verifier,
    world::World,
    writers::{Shared, Writer},
};

const EIO: u64 = 5;
const ENOSPC: u64 = 28;
/// More calls than any operation makes.
const ALWAYS: u64 = 1 << 40;
/// How long the process may take to die of the signal that it sent itself.
const DEATH_MAX: Duration = Duration::from_secs(10);
/// How the name of SQLite's log ends.
const LOG: &str = "polder.db-wal";
/// The operations, in an order in which each makes sense after the one before.
const OPERATIONS: [&str; 6] = ["commit", "transaction", "properties", "create", "rename", "drop"];
/// In the short form, of many like calls only so many.
const CALLS_SHORT: u64 = 4;

/// How thorough.
#[derive(clap::Args, Clone)]
pub(crate) struct Plan {
    /// Every call of every operation for every fault, not only the flushes and a sample of the writes.
    #[arg(long)]
    pub(crate) full: bool,
}

/// Runs the plan; the summary.
pub(crate) async fn run(plan: &Plan, options: &Options, seed: u64) -> Outcome<String> {
    if options.database != Database::Sqlite {
        return Err("the disk of a PostgreSQL server is its own; this is about SQLite".to_owned());
    }
    let mut world = World::found(options, seed, 3).await?;
    world.program.stop().await?;
    let outcome = match Bench::new(&mut world, plan.full, seed).await {
        Ok(mut bench) => bench.go(&mut world).await,
        Err(why) => Err(why),
    };
    world.end(options, outcome)
}

/// What becomes of the process after a failure of its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// It goes on, and so does the disk; it is asked to end if it does not write any more.
    GoesOn,
    /// SIGKILL before anything else is written: an end that was asked for tidies up what could be found again.
    Killed,
}

/// How often what happened.
#[derive(Debug, Default)]
struct Counts {
    killed: u32,
    powerless: u32,
    failed: u32,
    killed_after: u32,
    unavailable: u32,
    unknown: u32,
    done: u32,
    read_only: u32,
}

struct Bench {
    shared: Shared,
    writer: Writer,
    verifier: Verifier,
    shim: Shim,
    full: bool,
    counts: Counts,
}

impl Bench {
    async fn new(world: &mut World, full: bool, seed: u64) -> Outcome<Self> {
        let shim = Shim::attach(&mut world.program)?;
        start(world).await?;
        let (mut shared, writer) = (Shared::new(world), Writer::new(0, seed));
        // Keys and retries are the history's; here one request is one attempt.
        shared.idempotency = false;
        Ok(Self { verifier: Verifier::begin(world).await?, shared, writer, shim, full, counts: Counts::default() })
    }

    async fn go(&mut self, world: &mut World) -> Outcome<String> {
        let transactions = world.transactions;
        for operation in OPERATIONS.into_iter().filter(|operation| *operation != "transaction" || transactions) {
            self.deaths(world, operation).await.map_err(|why| format!("{operation}: {why}"))?;
            self.failures(world, operation).await.map_err(|why| format!("{operation}: {why}"))?;
        }
        self.a_loss_is_seen(world).await?;
        let Counts { killed, powerless, failed, killed_after, unavailable, unknown, done, read_only } = self.counts;
        Ok(format!(
            "{killed} kills and {powerless} power failures, each at another call of one operation; {failed} disk errors, \
             answered {unavailable} times 503, {unknown} times unknown, {done} times done; {killed_after} times killed \
             right after, {read_only} times read-only until the restart"
        ))
    }

    /// Kills, and power failures, at each call in turn.
    async fn deaths(&mut self, world: &mut World, operation: &'static str) -> Outcome<()> {
        for fault in [Fault::Kill, Fault::Power] {
            let kinds = if self.full { ALL } else { FLUSH };
            self.restart(world, fault == Fault::Power, false).await?;
            for call in 1.. {
                // A server that has just written: what it said then must outlive this.
                self.plain(world).await?;
                self.prepare(world, operation).await?;
                let aim = Aim { fault, kinds, places: WAREHOUSE | DATABASE, call };
                let (told, fired) = self.strike(world, operation, aim).await?;
                if fired == 0 {
                    self.expect(told, Told::Done)?;
                    break;
                }
                let at = format!("{fault:?} at call {call} ({})", self.shim.struck(call));
                if told != Told::Broken || !world.program.killed_within(DEATH_MAX).await? {
                    return Err(format!("{at}: told {told:?} by a process that should be dead"));
                }
                if fault == Fault::Kill {
                    self.counts.killed += 1
                } else {
                    self.counts.powerless += 1
                }
                self.shim.disarm()?;
                start(world).await.map_err(|why| format!("{at}: {why}"))?;
                self.verify(world).await.map_err(|why| format!("{at}: {why}"))?;
            }
        }
        self.restart(world, false, false).await
    }

    /// Full and broken disks at each call in turn: once, and from then on.
    async fn failures(&mut self, world: &mut World, operation: &'static str) -> Outcome<()> {
        for errno in [ENOSPC, EIO] {
            for places in [WAREHOUSE, DATABASE] {
                for (kinds, after) in self.ways(errno, places) {
                    for span in [1, ALWAYS] {
                        let aim = Aim { fault: Fault::Fail { errno, span }, kinds, places, call: 1 };
                        self.failures_of(world, operation, aim, after).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Which calls fail, and what becomes of the process then. The short form looks most closely where a broken disk says
    /// that nothing was kept, and kills after a failed flush of the database.
    fn ways(&self, errno: u64, places: u64) -> Vec<(u64, After)> {
        match (errno, places) {
            _ if self.full => vec![(ALL, After::GoesOn), (ALL, After::Killed)],
            (ENOSPC, DATABASE) => vec![(DATA | NAME, After::GoesOn), (FLUSH, After::Killed)],
            (ENOSPC, _) => vec![(DATA | NAME, After::GoesOn)],
            (_, DATABASE) => vec![(FLUSH, After::GoesOn), (FLUSH, After::Killed)],
            _ => vec![(FLUSH, After::GoesOn)],
        }
    }

    async fn failures_of(
        &mut self,
        world: &mut World,
        operation: &'static str,
        mut aim: Aim,
        after: After,
    ) -> Outcome<()> {
        while self.failure(world, operation, aim, after).await? {
            aim.call += 1;
            if !self.full && aim.call > CALLS_SHORT {
                break;
            }
        }
        Ok(())
    }

    /// One failure; false if the operation makes fewer calls than that.
    async fn failure(&mut self, world: &mut World, operation: &'static str, aim: Aim, after: After) -> Outcome<bool> {
        self.prepare(world, operation).await?;
        let (told, fired) = self.strike(world, operation, aim).await?;
        if fired == 0 {
            self.shim.disarm()?;
            self.expect(told, Told::Done)?;
            return Ok(false);
        }
        let at = format!("{:?} at call {} ({}), {after:?}", aim.fault, aim.call, self.shim.struck(aim.call));
        let followed = match self.heard(aim, told) {
            Err(why) => Err(why),
            Ok(()) if after == After::Killed => self.killed(world).await,
            Ok(()) => self.went_on(world, aim).await,
        };
        followed.map_err(|why| format!("{at}: told {told:?}: {why}"))?;
        Ok(true)
    }

    /// What the caller may be told of a failed disk.
    fn heard(&mut self, aim: Aim, told: Told) -> Outcome<()> {
        self.counts.failed += 1;
        match told {
            Told::Unavailable => self.counts.unavailable += 1,
            // Only of COMMIT itself: every step before it is known to have had no effect.
            Told::Unknown if self.broke_the_log(aim) => self.counts.unknown += 1,
            Told::Done if !lasting(aim) => self.counts.done += 1,
            _ => return Err("which it may not be".to_owned()),
        }
        Ok(())
    }

    /// What was told holds for whoever opens the files as they are now.
    async fn killed(&mut self, world: &mut World) -> Outcome<()> {
        self.counts.killed_after += 1;
        world.program.kill()?;
        self.shim.disarm()?;
        start(world).await?;
        self.verify(world).await?;
        self.plain(world).await
    }

    async fn went_on(&mut self, world: &mut World, aim: Aim) -> Outcome<()> {
        // A node that cannot write still reads.
        let table = world.tables.first().why("a table")?.path();
        world.engineer.get(&table).await.expect(200)?;
        if lasting(aim) && aim.places == DATABASE {
            let told = self.writer.set(&world.engineer, &self.shared, 1).await?;
            self.expect(told, Told::Unavailable)?;
        }
        self.shim.disarm()?;
        let told = self.writer.set(&world.engineer, &self.shared, 1).await?;
        if told == Told::Unavailable && aim.places == DATABASE && self.broke(aim) {
            self.counts.read_only += 1;
            world.engineer.get(&table).await.expect(200)?;
            self.restart(world, false, false).await?;
        } else {
            self.expect(told, Told::Done)?;
        }
        self.verify(world).await?;
        self.plain(world).await
    }

    /// True for what SQLite calls an I/O error, after which a node does not write until it is restarted. A full disk is
    /// none unless a flush met it.
    fn broke(&self, aim: Aim) -> bool {
        let flush = ["fsync ", "fdatasync "].iter().any(|call| self.shim.struck(aim.call).starts_with(call));
        flush || matches!(aim.fault, Fault::Fail { errno: EIO, .. })
    }

    /// True if that happened to the log that COMMIT writes, with its mark that whoever opens it believes.
    fn broke_the_log(&self, aim: Aim) -> bool {
        aim.places == DATABASE && self.broke(aim) && self.shim.struck(aim.call).ends_with(LOG)
    }

    /// With a shim that believes no flush, an answered commit is lost when the power goes, and this bench sees it.
    async fn a_loss_is_seen(&mut self, world: &mut World) -> Outcome<()> {
        self.restart(world, true, true).await?;
        self.plain(world).await?;
        let aim = Aim { fault: Fault::Power, kinds: ALL, places: WAREHOUSE | DATABASE, call: 1 };
        self.strike(world, "commit", aim).await?;
        if !world.program.killed_within(DEATH_MAX).await? {
            return Err("the power did not go".to_owned());
        }
        self.shim.remember(false, false)?;
        start(world).await?;
        match self.verify(world).await {
            Err(found) if found.contains("Lost") => world.program.stop().await,
            other => Err(format!("commits were lost, and the check says {other:?}")),
        }
    }

    /// Takes the operation under a fault; what its caller was told, and how often the fault struck.
    async fn strike(&mut self, world: &World, operation: &str, aim: Aim) -> Outcome<(Told, u64)> {
        self.shim.arm(aim)?;
        let told = self.operate(world, operation).await;
        let (_, fired) = self.shim.counts()?;
        let at = || format!("{:?} at call {} ({})", aim.fault, aim.call, self.shim.struck(aim.call));
        Ok((told.map_err(|why| format!("{}: {why}", at()))?, fired))
    }

    async fn operate(&mut self, world: &World, operation: &str) -> Outcome<Told> {
        match operation {
            "commit" => self.writer.set(&world.engineer, &self.shared, 1).await,
            "transaction" => self.writer.set(&world.engineer, &self.shared, 3).await,
            "properties" => self.writer.register(&world.engineer, &self.shared).await,
            kind => {
                let step = self.writer.own.step(kind).why(kind)?;
                self.writer.own.take(&world.engineer, &self.shared.log, step).await
            }
        }
    }

    /// Brings the writer's own table to where the operation makes sense.
    async fn prepare(&mut self, world: &World, operation: &str) -> Outcome<()> {
        let wanted = match operation {
            "create" => "drop",
            "rename" | "drop" => "create",
            _ => return Ok(()),
        };
        if self.writer.own.step(operation).is_none() {
            let step = self.writer.own.step(wanted).why(wanted)?;
            let told = self.writer.own.take(&world.engineer, &self.shared.log, step).await?;
            self.expect(told, Told::Done)?;
        }
        Ok(())
    }

    /// A commit without a fault.
    async fn plain(&mut self, world: &World) -> Outcome<()> {
        self.shim.disarm()?;
        let told = self.writer.set(&world.engineer, &self.shared, 1).await?;
        self.expect(told, Told::Done)
    }

    fn expect(&self, told: Told, wanted: Told) -> Outcome<()> {
        if told == wanted { Ok(()) } else { Err(format!("told {told:?}, not {wanted:?}")) }
    }

    async fn restart(&mut self, world: &mut World, remember: bool, deaf: bool) -> Outcome<()> {
        self.shim.disarm()?;
        world.program.stop().await?;
        self.shim.remember(remember, deaf)?;
        start(world).await
    }

    async fn verify(&mut self, world: &World) -> Outcome<()> {
        self.verifier.check(world, &self.shared, std::iter::once(&mut self.writer.own)).await
    }
}

/// True if the disk fails from then on.
fn lasting(aim: Aim) -> bool {
    matches!(aim.fault, Fault::Fail { span: ALWAYS, .. })
}

async fn start(world: &mut World) -> Outcome<()> {
    let probe = world.tables.first().why("a table")?.path();
    let World { program, engineer, .. } = world;
    Program::serve(program, engineer, &probe).await.map(drop)
}
