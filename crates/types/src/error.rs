//! One error type for every layer, with kinds named by what the caller should do next.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

/// The result of everything that can fail in Polder.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Mend the request (400).
    Invalid,
    /// Well-formed, but cannot be carried out as asked (422): an idempotency key used for another body, for one.
    Unprocessable,
    /// Authenticate (401).
    Unauthenticated,
    /// May know that it exists, may not act (403).
    Forbidden,
    /// Absent, or the caller may not know (404).
    NotFound,
    /// Choose another name (409).
    AlreadyExists,
    /// Read again and retry (409).
    Conflict,
    /// Empty it first (409).
    NotEmpty,
    /// This build does not do it (501 at our own doors; Iceberg clients get 400 `UnsupportedOperationException`
    /// for a part of a request, 501 never).
    Unsupported,
    /// Accept another form of the answer (406).
    NotAcceptable,
    /// The body is larger than stated (413).
    TooLarge,
    /// The body did not arrive in time (408).
    RequestTimeout,
    /// Slow down (429).
    RateLimited,
    /// Nothing happened; retry later (503 with `Retry-After`).
    Unavailable,
    /// The time ran out; what was started runs on (504).
    Deadline,
    /// It is not known whether the effect happened (500 `CommitStateUnknownException`).
    CommitStateUnknown,
    /// A bug or a broken invariant (500).
    Internal,
}

/// The kind of object an error is about; decides the Iceberg exception type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// No particular object.
    Request,
    /// A tenant.
    Tenant,
    /// A warehouse.
    Warehouse,
    /// A namespace.
    Namespace,
    /// A table.
    Table,
    /// A view.
    View,
    /// A principal.
    Principal,
    /// An API key.
    ApiKey,
    /// A role.
    Role,
    /// A grant.
    Grant,
    /// A policy.
    Policy,
    /// A SQL query.
    Query,
    /// A plan of a scan.
    Plan,
    /// A part of a plan.
    PlanTask,
}

impl Subject {
    /// The word used in messages.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Tenant => "tenant",
            Self::Warehouse => "warehouse",
            Self::Namespace => "namespace",
            Self::Table => "table",
            Self::View => "view",
            Self::Principal => "principal",
            Self::ApiKey => "API key",
            Self::Role => "role",
            Self::Grant => "grant",
            Self::Policy => "policy",
            Self::Query => "query",
            Self::Plan => "plan",
            Self::PlanTask => "plan task",
        }
    }
}

/// Where in a SQL text an error sits; both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Position {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
}

/// What a gateway client (a person or a model) needs to repair its query. Never holds data values
/// or names that the caller may not see.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Detail {
    /// `gate`, `resolve`, `plan`, `verify`, `run` or `answer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<&'static str>,
    /// Where the trouble sits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// At most five visible names that may have been meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
}

/// An error: `message` is for the caller, `source` is for the log and is logged once, at the door.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    subject: Subject,
    code: &'static str,
    message: Cow<'static, str>,
    detail: Option<Detail>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Makes an error about `subject` with a stable machine-readable `code` (snake case).
    pub fn new(kind: ErrorKind, subject: Subject, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        let retry_after = matches!(kind, ErrorKind::Unavailable).then(|| Duration::from_secs(1));
        Self(Box::new(Inner { kind, subject, code, message: message.into(), detail: None, retry_after, source: None }))
    }

    /// The request is malformed (400).
    pub fn invalid(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Invalid, Subject::Request, code, message)
    }

    /// No or bad credentials (401). One text for every reason: it must not tell which part was wrong.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(
            ErrorKind::Unauthenticated,
            Subject::Request,
            "unauthenticated",
            "the credentials are missing or not valid",
        )
    }

    /// May know, may not act (403).
    pub fn forbidden(subject: Subject, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Forbidden, subject, "forbidden", message)
    }

    /// Absent or invisible (404). Both must render alike, so everybody builds it here.
    #[must_use]
    pub fn not_found(subject: Subject, name: &str) -> Self {
        let mut noun = subject.noun().to_owned();
        if let Some(first) = noun.get_mut(0..1) {
            first.make_ascii_uppercase();
        }
        Self::new(ErrorKind::NotFound, subject, "not_found", format!("{noun} does not exist: {name}"))
    }

    /// The name is taken (409).
    #[must_use]
    pub fn already_exists(subject: Subject, name: &str) -> Self {
        let mut noun = subject.noun().to_owned();
        if let Some(first) = noun.get_mut(0..1) {
            first.make_ascii_uppercase();
        }
        Self::new(ErrorKind::AlreadyExists, subject, "already_exists", format!("{noun} already exists: {name}"))
    }

    /// Somebody else was first (409).
    pub fn conflict(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Conflict, Subject::Table, code, message)
    }

    /// Not done by this build.
    pub fn unsupported(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unsupported, Subject::Request, code, message)
    }

    /// Nothing happened; try again (503).
    pub fn unavailable(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unavailable, Subject::Request, code, message)
    }

    /// A bug or broken invariant (500). `source` goes to the log only.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Internal, Subject::Request, "internal", "internal error").with_source(source)
    }

    /// Says which kind of object the error is about.
    #[must_use]
    pub fn about(mut self, subject: Subject) -> Self {
        self.0.subject = subject;
        self
    }

    /// Attaches what a gateway client needs to repair its query.
    #[must_use]
    pub fn with_detail(mut self, detail: Detail) -> Self {
        self.0.detail = Some(detail);
        self
    }

    /// Attaches the cause, for the log only.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Says when to come back.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// What the caller should do next.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The kind of object it is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        self.0.subject
    }

    /// A stable machine-readable code, snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The public text: lower case, no full stop, no internals, no data values.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Phase, position and candidates, where a query is at fault.
    #[must_use]
    pub fn detail(&self) -> Option<&Detail> {
        self.0.detail.as_ref()
    }

    /// When to come back, if at all.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("subject", &self.0.subject)
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
