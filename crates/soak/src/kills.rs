//! SIGKILL at random moments while many clients write; after each restart everything that was answered is there, once
//! and whole.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    Options,
    failure::{Outcome, Why},
    history::Rare,
    verify::Verifier,
    world::World,
    writers::{Shared, Writer, reader},
};

/// A phase ends after this time even if fewer answers came.
const PHASE_MAX: Duration = Duration::from_secs(10);
/// After its number of answers is reached, the kill waits up to this long: it may strike anywhere.
const TREMBLE_MICROS: u64 = 8_000;
/// How often the clients get new tokens.
const TOKEN_EVERY: u32 = 250;

/// How many kills, and under which load.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    kills: u32,
    answers: u64,
    writers: usize,
    readers: usize,
    tables: usize,
    restart_ms_max: u128,
    seconds_max: u64,
}

/// What to change of a plan.
#[derive(clap::Args, Clone)]
pub(crate) struct Changes {
    /// How often to kill.
    #[arg(long)]
    kills: Option<u32>,
    /// How many answered mutations there should be in all.
    #[arg(long)]
    answers: Option<u64>,
    /// How many clients write.
    #[arg(long)]
    writers: Option<usize>,
    /// How many clients read all the time.
    #[arg(long)]
    readers: Option<usize>,
    /// How many tables they share.
    #[arg(long)]
    tables: Option<usize>,
    /// The longest time from the start of the process to its first answer.
    #[arg(long)]
    restart_ms_max: Option<u128>,
    /// Ends early, with what was done so far, after this many seconds.
    #[arg(long)]
    seconds_max: Option<u64>,
}

impl Plan {
    /// Many kills.
    pub(crate) const KILLS: Self = Self {
        kills: 100,
        answers: 1_200,
        writers: 8,
        readers: 0,
        tables: 6,
        restart_ms_max: 1_000,
        seconds_max: u64::MAX,
    };

    /// Few kills, many readers, few tables: the interleavings are the point.
    pub(crate) const HISTORY: Self = Self { kills: 4, writers: 6, readers: 4, tables: 3, ..Self::KILLS };

    /// What CI runs: with the debug binary on a busy machine, so the time of a restart is looked at less strictly.
    pub(crate) fn short(self, seconds_max: u64) -> Self {
        Self { restart_ms_max: 3_000, seconds_max, ..self }
    }

    /// The plan with some changes.
    pub(crate) fn with(self, changes: Changes) -> Self {
        Self {
            kills: changes.kills.unwrap_or(self.kills),
            answers: changes.answers.unwrap_or(self.answers),
            writers: changes.writers.unwrap_or(self.writers),
            readers: changes.readers.unwrap_or(self.readers),
            tables: changes.tables.unwrap_or(self.tables),
            restart_ms_max: changes.restart_ms_max.unwrap_or(self.restart_ms_max),
            seconds_max: changes.seconds_max.unwrap_or(self.seconds_max),
        }
    }
}

/// Runs the plan; the summary.
pub(crate) async fn run(plan: &Plan, options: &Options, seed: u64) -> Outcome<String> {
    let mut world = World::found(options, seed, plan.tables).await?;
    let outcome = Run::new(&world, plan, seed).await;
    let outcome = match outcome {
        Ok(mut run) => run.go(&mut world, plan).await,
        Err(why) => Err(why),
    };
    world.end(options, outcome)
}

struct Run {
    shared: Arc<Shared>,
    verifier: Verifier,
    writers: Vec<Writer>,
    restarts: Vec<Duration>,
    writing: Duration,
    rng: StdRng,
}

impl Run {
    async fn new(world: &World, plan: &Plan, seed: u64) -> Outcome<Self> {
        Ok(Self {
            shared: Arc::new(Shared::new(world)),
            verifier: Verifier::begin(world).await?,
            writers: (0..plan.writers).map(|number| Writer::new(number, seed)).collect(),
            restarts: Vec::new(),
            writing: Duration::ZERO,
            rng: StdRng::seed_from_u64(seed),
        })
    }

    async fn go(&mut self, world: &mut World, plan: &Plan) -> Outcome<String> {
        let began = Instant::now();
        let mut kills = 0;
        while kills < plan.kills && began.elapsed().as_secs() < plan.seconds_max {
            let done = self.shared.log.history().done;
            let left = plan.answers.saturating_sub(done) / u64::from(plan.kills - kills);
            self.phase(world, plan, left.max(4)).await.map_err(|why| format!("before kill {}: {why}", kills + 1))?;
            kills += 1;
            self.restart(world, plan, kills).await.map_err(|why| format!("after kill {kills}: {why}"))?;
            if kills.is_multiple_of((plan.kills / 10).max(1)) {
                println!("{kills} of {} kills: {}", plan.kills, self.summary(world)?);
            }
        }
        world.program.stop().await?;
        Ok(format!("{kills} kills: {}", self.summary(world)?))
    }

    /// Lets the clients write until about `answers` answers came, and kills.
    async fn phase(&mut self, world: &mut World, plan: &Plan, answers: u64) -> Outcome<()> {
        self.shared.killed.store(false, Ordering::Release);
        self.shared.answered.store(0, Ordering::Release);
        let began = Instant::now();
        let tasks: Vec<_> = std::mem::take(&mut self.writers)
            .into_iter()
            .map(|writer| tokio::spawn(writer.run(world.engineer.clone(), Arc::clone(&self.shared))))
            .collect();
        let readers: Vec<_> = (0..plan.readers)
            .map(|_| StdRng::seed_from_u64(self.rng.random()))
            .map(|rng| tokio::spawn(reader(rng, world.engineer.clone(), Arc::clone(&self.shared))))
            .collect();
        let wanted = self.rng.random_range(0..=answers * 2);
        while self.shared.answered.load(Ordering::Acquire) < wanted
            && began.elapsed() < PHASE_MAX
            && !tasks.iter().any(tokio::task::JoinHandle::is_finished)
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let tremble = Duration::from_micros(self.rng.random_range(0..TREMBLE_MICROS));
        tokio::time::sleep(tremble).await;
        self.shared.killed.store(true, Ordering::Release);
        world.program.kill()?;
        self.writing += began.elapsed();
        for task in tasks {
            self.writers.push(task.await.why("a writer")??);
        }
        for task in readers {
            task.await.why("a reader")??;
        }
        Ok(())
    }

    async fn restart(&mut self, world: &mut World, plan: &Plan, kills: u32) -> Outcome<()> {
        let probe = world.tables.first().why("a table")?.path();
        let took = world.program.serve(&world.engineer, &probe).await?;
        self.restarts.push(took);
        if took.as_millis() > plan.restart_ms_max {
            return Err(format!("the first answer took {} ms", took.as_millis()));
        }
        if kills.is_multiple_of(TOKEN_EVERY) {
            world.renew().await?;
        }
        let owns = self.writers.iter_mut().map(|writer| &mut writer.own);
        self.verifier.check(world, &self.shared, owns).await
    }

    fn summary(&self, world: &World) -> Outcome<String> {
        let mut times: Vec<u128> = self.restarts.iter().map(Duration::as_millis).collect();
        times.sort_unstable();
        let (median, longest) = (times.get(times.len() / 2), times.last());
        let (done, rare) = {
            let history = self.shared.log.history();
            (history.done, history.rare)
        };
        let Rare { reads, transactions, keyed, twice, again } = rare;
        let totals = self.verifier.totals(world)?;
        Ok(format!(
            "{done} answered mutations ({:.0}/s while writing), {transactions} of them transactions, {keyed} under keys, \
             {twice} sent twice, {again} again after a kill; {reads} reads; {} versions, {} audit records; restart p50 {} ms, \
             max {} ms; left by kills: {} files that no pointer names, {} temporary",
            done as f64 / self.writing.as_secs_f64().max(0.001),
            totals.versions,
            totals.records,
            median.unwrap_or(&0),
            longest.unwrap_or(&0),
            totals.orphans,
            totals.temporary,
        ))
    }
}
