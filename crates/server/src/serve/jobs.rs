//! The workers of durable jobs: a few at a time, until the server stops. Decides nothing: what a job may touch is bounded
//! in `catalog`, what a purge deletes is found in `query`.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use polder_catalog::jobs::{self, Ended, Job, Next};
use polder_query::purge::{self, Surroundings};
use polder_store::JobProblem;
use polder_types::{Micros, Result};
use tokio_util::sync::CancellationToken;

use crate::{app::App, clock::Arrival, metrics::JobOutcome};

/// How many jobs one process works on at once.
pub(super) const WORKERS: usize = 2;
/// The longest pause: another node may have made a job and died.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The shortest pause, and the one after an error of the database.
const PAUSE: Duration = Duration::from_secs(1);

struct World<'a>(&'a CancellationToken);

impl Surroundings for World<'_> {
    fn now(&self) -> Micros {
        Arrival::now().now
    }

    fn is_stopping(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// Works on jobs until the server stops.
pub(super) async fn work(app: Arc<App>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match jobs::next(app.catalog(), Arrival::now().now).await {
            Ok(Next::Job(job)) => {
                run(&app, *job, &stop).await;
                continue;
            }
            Ok(Next::Idle { due }) => due.map_or(LOOK_EVERY, until),
            Err(error) => {
                tracing::error!(code = error.code(), "jobs cannot be looked for now");
                PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = app.catalog().job_made() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// How long to wait for a moment.
fn until(due: Micros) -> Duration {
    let left = due.0.saturating_sub(Arrival::now().now.0);
    Duration::from_micros(u64::try_from(left).unwrap_or_default()).clamp(Duration::from_millis(20), LOOK_EVERY)
}

async fn run(app: &App, job: Job, stop: &CancellationToken) {
    // Whatever a table's files hold, the worker goes on.
    let attempt = async {
        match job.is_worn_out() {
            true => Ended::Stopped(JobProblem::Unreadable),
            false => purge::run(&job, &World(stop)).await,
        }
    };
    let ended = AssertUnwindSafe(attempt).catch_unwind().await;
    let ended = ended.unwrap_or(Ended::Stopped(JobProblem::Unreadable));
    let (kind, files) = (job.work().kind(), job.files());
    let outcome = match ended {
        Ended::Done(_) => JobOutcome::Done,
        Ended::Stopped(problem) if job.gives_up(problem) => JobOutcome::GivenUp,
        Ended::Stopped(_) => JobOutcome::PutOff,
        Ended::HandedBack => JobOutcome::HandedBack,
    };
    if let (JobOutcome::GivenUp, Ended::Stopped(problem)) = (outcome, ended) {
        tracing::error!(kind, problem = problem.as_str(), "a job is given up; an administrator sees which one");
    }
    app.metrics().job_attempted(outcome, files);
    let written: Result<()> = job.end(Arrival::now().now, ended).await;
    if let Err(error) = written {
        tracing::error!(code = error.code(), kind, "the end of a job cannot be written; it is begun again later");
    }
}
