//! What is counted of the running server, for those who run it: closed sets of labels and nothing that a client or a
//! tenant chose (A-035 … A-037). Handles are resolved at the start; a request costs a few atomic additions.

mod reports;
mod text;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use http::{Method, StatusCode};

use reports::Reports;
pub(crate) use text::Figures;

use crate::{clock::Arrival, op, op::Op};

/// The route label of every path that no route has, and of methods that a path does not have.
const UNMATCHED: &str = "unmatched";
/// Upper bounds of the buckets of durations, in microseconds.
const BUCKETS_US: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 15_000_000,
    60_000_000,
];

/// Makes an enum whose variants are all the values of one label.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the words say it")]
        pub(crate) enum $name { $($variant,)* }

        impl $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value of the label.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

label! {
    /// The methods that are told apart.
    MethodLabel {
        Get = "GET",
        Head = "HEAD",
        Post = "POST",
        Put = "PUT",
        Patch = "PATCH",
        Delete = "DELETE",
        Options = "OPTIONS",
        Other = "OTHER",
    }
}

label! {
    /// The class of an answer's status.
    StatusClass {
        Information = "1xx",
        Success = "2xx",
        Redirection = "3xx",
        ClientError = "4xx",
        ServerError = "5xx",
        ClientGone = "client_gone",
    }
}

label! {
    /// How authentications end.
    AuthOutcome {
        Allowed = "allowed",
        NoCredential = "no_credential",
        Malformed = "malformed",
        Unknown = "unknown",
        Ended = "ended",
        TokenRefused = "token_refused",
    }
}

label! {
    /// What became of a change to tables, by the answer that its client got.
    CommitOutcome {
        Committed = "committed",
        Conflict = "conflict",
        Refused = "refused",
        NotDone = "not_done",
        Unknown = "unknown",
    }
}

label! {
    /// What became of a query.
    QueryOutcome {
        Answered = "answered",
        Refused = "refused",
        Denied = "denied",
        Deadline = "deadline",
        Failed = "failed",
    }
}

label! {
    /// How attempts at durable jobs end.
    JobOutcome {
        Done = "done",
        PutOff = "put_off",
        GivenUp = "given_up",
        HandedBack = "handed_back",
    }
}

impl MethodLabel {
    fn of(method: &Method) -> Self {
        Self::ALL.iter().copied().find(|label| label.as_str() == method.as_str()).unwrap_or(Self::Other)
    }
}

impl StatusClass {
    fn of(status: Option<StatusCode>) -> Self {
        match status.map(|status| status.as_u16() / 100) {
            None => Self::ClientGone,
            Some(1) => Self::Information,
            Some(2) => Self::Success,
            Some(3) => Self::Redirection,
            Some(4) => Self::ClientError,
            Some(_) => Self::ServerError,
        }
    }
}

impl CommitOutcome {
    /// The status of a commit says what happened: that is the contract with its client (F3).
    fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            200..300 => Self::Committed,
            409 => Self::Conflict,
            400..500 => Self::Refused,
            503 => Self::NotDone,
            _ => Self::Unknown,
        }
    }
}

impl QueryOutcome {
    fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            200..300 => Self::Answered,
            401 | 403 | 404 => Self::Denied,
            400..500 => Self::Refused,
            504 => Self::Deadline,
            _ => Self::Failed,
        }
    }
}

/// One counter for each value of a label.
#[derive(Debug)]
struct Counters<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl<const N: usize> Counters<N> {
    fn add(&self, index: usize) {
        if let Some(counter) = self.0.get(index) {
            counter.fetch_add(1, Relaxed);
        }
    }

    fn increase(&self, index: usize, by: u64) {
        if let Some(counter) = self.0.get(index) {
            // Reported figures are anybody's: a sum stays where it cannot grow.
            let grown = |sum: u64| Some(sum.saturating_add(by));
            let _ = counter.fetch_update(Relaxed, Relaxed, grown);
        }
    }

    fn at(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, |counter| counter.load(Relaxed))
    }
}

/// What a route's answers mean beyond their status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Commit,
    Query,
    Nothing,
}

/// What is counted of one route.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    method: MethodLabel,
    /// The template, never a path that was asked for.
    route: String,
    meaning: Meaning,
    statuses: Counters<6>,
    buckets: Counters<15>,
    sum_us: AtomicU64,
}

impl RouteMetrics {
    fn new(method: MethodLabel, route: &str, meaning: Meaning) -> Self {
        let (statuses, buckets) = (Counters::default(), Counters::default());
        Self { method, route: route.to_owned(), meaning, statuses, buckets, sum_us: AtomicU64::new(0) }
    }
}

/// Everything that is counted here.
#[derive(Debug)]
pub(crate) struct Metrics {
    routes: Mutex<Vec<Arc<RouteMetrics>>>,
    unmatched: Vec<RouteMetrics>,
    in_flight: AtomicU64,
    auth: Counters<6>,
    commits: Counters<5>,
    queries: Counters<5>,
    jobs: Counters<4>,
    job_files: AtomicU64,
    reports: Reports,
}

impl Default for Metrics {
    fn default() -> Self {
        let unmatched =
            MethodLabel::ALL.iter().map(|&method| RouteMetrics::new(method, UNMATCHED, Meaning::Nothing)).collect();
        Self {
            routes: Mutex::default(),
            unmatched,
            in_flight: AtomicU64::new(0),
            auth: Counters::default(),
            commits: Counters::default(),
            queries: Counters::default(),
            jobs: Counters::default(),
            job_files: AtomicU64::new(0),
            reports: Reports::default(),
        }
    }
}

impl Metrics {
    /// The handle of a route, made when the router is.
    pub(crate) fn route(&self, method: &Method, template: &str, op: &Op) -> Arc<RouteMetrics> {
        let commits = [op::CREATE_TABLE.name, op::UPDATE_TABLE.name, op::COMMIT_TRANSACTION.name];
        let meaning = match op.name {
            name if commits.contains(&name) => Meaning::Commit,
            name if name == op::QUERY.name => Meaning::Query,
            _ => Meaning::Nothing,
        };
        let route = Arc::new(RouteMetrics::new(MethodLabel::of(method), template, meaning));
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&route));
        route
    }

    /// Counts how an authentication ended.
    pub(crate) fn authenticated(&self, outcome: AuthOutcome) {
        self.auth.add(outcome as usize);
    }

    /// Counts how an attempt at a job ended, and the files that it deleted.
    pub(crate) fn job_attempted(&self, outcome: JobOutcome, files: u64) {
        self.jobs.add(outcome as usize);
        self.job_files.fetch_add(files, Relaxed);
    }

    /// What clients report.
    pub(crate) fn reports(&self) -> &Reports {
        &self.reports
    }

    /// Begins a request of a route.
    pub(crate) fn begin<'a>(&'a self, route: &'a RouteMetrics, arrival: &Arrival) -> InFlight<'a> {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight { metrics: self, route, arrival: *arrival, status: None }
    }

    /// Begins a request that no route takes.
    pub(crate) fn begin_unmatched<'a>(&'a self, method: &Method, arrival: &Arrival) -> Option<InFlight<'a>> {
        let route = self.unmatched.get(MethodLabel::of(method) as usize)?;
        Some(self.begin(route, arrival))
    }
}

/// A request that is being answered; counted when it ends, also if its client goes away.
pub(crate) struct InFlight<'a> {
    metrics: &'a Metrics,
    route: &'a RouteMetrics,
    arrival: Arrival,
    status: Option<StatusCode>,
}

impl InFlight<'_> {
    /// Says what was answered.
    pub(crate) fn end(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let took = self.arrival.elapsed_us();
        self.metrics.in_flight.fetch_sub(1, Relaxed);
        self.route.statuses.add(StatusClass::of(self.status) as usize);
        self.route.buckets.add(BUCKETS_US.iter().position(|bound| took <= *bound).unwrap_or(BUCKETS_US.len()));
        self.route.sum_us.fetch_add(took, Relaxed);
        match (self.route.meaning, self.status) {
            (Meaning::Commit, Some(status)) => self.metrics.commits.add(CommitOutcome::of(status) as usize),
            (Meaning::Query, Some(status)) => self.metrics.queries.add(QueryOutcome::of(status) as usize),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
