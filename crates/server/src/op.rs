//! The one door. Every route names its [`Op`]; `run_op` authenticates, makes the context, runs the handler within
//! its deadline, renders, counts and logs. Refuses every request that has no verified principal before a byte of
//! its body is read.

mod list;

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::response::Response;
use futures::FutureExt;
use http::{HeaderValue, Method};
use polder_catalog::OpCtx;
use polder_policy::{Action, AuditClass};
use polder_store::{CountedEvent, Decision};
use polder_types::{Error, ErrorKind, Result, Scope, Subject};
use tokio::time::Instant;
use uuid::Uuid;

pub use list::*;

use crate::{
    access_log::Line,
    app::App,
    auth::Authenticated,
    call::Call,
    clock::Arrival,
    idempotency,
    render::{self, Style},
};

/// Most bytes of a body unless the operation says otherwise.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long an operation may take unless it says otherwise.
const DEADLINE: Duration = Duration::from_secs(30);
/// Added by the door after the handler's own deadline, so that the handler's answer wins.
const DEADLINE_GRACE: Duration = Duration::from_millis(500);

/// The header that names the request.
const X_REQUEST_ID: &str = "x-request-id";

/// What is true of a route besides its path: a route cannot be registered without one.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// The operation's name in snake case, of the Iceberg specification where it is one of its operations.
    pub name: &'static str,
    /// The scope that the credential must hold; `None` if none is asked for by the door.
    pub scope: Option<Scope>,
    /// How it is recorded.
    pub audit: AuditClass,
    /// True if it changes nothing and the specification declares an `Idempotency-Key` all the same: it has to be one.
    pub reads_key: bool,
    /// How its errors look.
    pub style: Style,
    /// Most bytes of its body.
    pub body_bytes_max: usize,
    /// How long it may take.
    pub deadline: Duration,
}

impl Op {
    /// An operation that asks for no credential.
    const fn open(name: &'static str, style: Style) -> Self {
        Self {
            name,
            scope: None,
            audit: AuditClass::Counted,
            reads_key: false,
            style,
            body_bytes_max: BODY_BYTES_MAX,
            deadline: DEADLINE,
        }
    }

    /// An operation that carries out an action: scope and record are the action's own.
    const fn acting<A: Action>(name: &'static str, style: Style) -> Self {
        Self { scope: Some(A::SCOPE), audit: A::AUDIT, ..Self::open(name, style) }
    }

    const fn iceberg<A: Action>(name: &'static str) -> Self {
        Self::acting::<A>(name, Style::Iceberg)
    }

    const fn gateway<A: Action>(name: &'static str) -> Self {
        Self::acting::<A>(name, Style::Gateway)
    }

    const fn reading_key(self) -> Self {
        Self { reads_key: true, ..self }
    }

    const fn body(self, bytes_max: usize) -> Self {
        Self { body_bytes_max: bytes_max, ..self }
    }

    const fn seconds(self, seconds: u64) -> Self {
        Self { deadline: Duration::from_secs(seconds), ..self }
    }
}

/// Runs one operation of an authenticated caller.
pub(crate) async fn run_op<F, Fut>(app: &Arc<App>, op: &'static Op, call: Call, handler: F) -> Response
where
    F: FnOnce(OpCtx, Call) -> Fut + Send,
    Fut: Future<Output = Result<Response>> + Send,
{
    let mut line = Line::begin(app.access_log(), op.name, call.arrival());
    let outcome = AssertUnwindSafe(authenticated(app, op, call, handler, &mut line)).catch_unwind().await;
    finish(op.style, line, outcome)
}

/// Runs one operation that asks for no authentication: the token endpoint and the probes.
pub(crate) async fn run_public<F, Fut>(app: &Arc<App>, op: &'static Op, call: Call, handler: F) -> Response
where
    F: FnOnce(Arc<App>, Call) -> Fut + Send,
    Fut: Future<Output = Result<Response>> + Send,
{
    let line = Line::begin(app.access_log(), op.name, call.arrival());
    let until = call.arrival().at + op.deadline;
    let work = async {
        let work = handler(Arc::clone(app), call);
        tokio::time::timeout_at(until, work).await.unwrap_or_else(|_| Err(deadline_passed()))
    };
    finish(op.style, line, AssertUnwindSafe(work).catch_unwind().await)
}

async fn authenticated<F, Fut>(
    app: &Arc<App>,
    op: &'static Op,
    call: Call,
    handler: F,
    line: &mut Line<'_>,
) -> Result<Response>
where
    F: FnOnce(OpCtx, Call) -> Fut + Send,
    Fut: Future<Output = Result<Response>> + Send,
{
    let until = call.arrival().at + op.deadline;
    let (ctx, key) = match admit(app, op, &call, until, line).await {
        Ok(admitted) => admitted,
        Err(error) => {
            call.discard().await;
            return Err(error);
        }
    };
    // A commit runs on its own task and answers `Deadline` itself; this bound is for everything else. In boxes, so that what
    // is handed from one future to the next is a pointer, not the handler's whole state, and no handler's state holds all
    // that a key may ask for again.
    let work = Box::pin(async {
        match key {
            None => handler(ctx, call).await,
            Some(key) => Box::pin(idempotency::once(app, op, ctx, call, key, handler)).await,
        }
    });
    tokio::time::timeout_at(until + DEADLINE_GRACE, work).await.unwrap_or_else(|_| Err(deadline_passed()))
}

/// Authenticates the caller and looks at what needs no object.
async fn admit(
    app: &Arc<App>,
    op: &'static Op,
    call: &Call,
    until: Instant,
    line: &mut Line<'_>,
) -> Result<(OpCtx, Option<Uuid>)> {
    let arrival = call.arrival();
    // SECURITY: the tenant comes from the credential only, in debug mode apart (A-015, A-091, R26).
    let named = || call.named();
    let Authenticated { principal, snapshot, glance } =
        app.auth().authenticate(call.headers(), op.name, &named, arrival).await?;
    line.identify(&principal);
    let ctx =
        OpCtx::begun(app.catalog().clone(), principal, (snapshot, glance), arrival.request_id, arrival.now, until);
    check_scope(op, &ctx)?;
    Ok((ctx, idempotency::key(op, call.headers())?))
}

/// Refuses a credential whose scopes do not reach this door, before any object is looked for (S-030).
fn check_scope(op: &'static Op, ctx: &OpCtx) -> Result<()> {
    let principal = ctx.principal();
    if op.scope.is_none_or(|scope| principal.scopes.allows(scope)) {
        return Ok(());
    }
    let (subject, object) = principal.credential.object();
    ctx.catalog().store().count(CountedEvent {
        tenant: Some(principal.tenant.clone()),
        at: ctx.now(),
        request: ctx.request_id(),
        caller: Some(principal.caller()),
        action: op.name,
        subject,
        object,
        decision: Decision::Deny,
        reason: Some("scope"),
        policy_version: ctx.snapshot().version(),
    });
    Err(Error::new(
        ErrorKind::Forbidden,
        Subject::Request,
        "insufficient_scope",
        "the credential's scopes do not allow this",
    ))
}

fn deadline_passed() -> Error {
    Error::new(ErrorKind::Deadline, Subject::Request, "deadline", "the request took too long")
}

/// Renders the outcome, names the request in it and writes the line of the access log.
fn finish(style: Style, line: Line<'_>, outcome: std::thread::Result<Result<Response>>) -> Response {
    let arrival = *line.arrival();
    let mut response = match outcome {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            log_error(&line, &error);
            render::error(style, &error, arrival.request_id)
        }
        Err(_) => {
            // The panic's text may hold anything: the hook has written it to the log, the caller learns nothing.
            let error = Error::internal("a handler panicked");
            log_error(&line, &error);
            render::error(style, &error, arrival.request_id)
        }
    };
    if let Ok(value) = HeaderValue::try_from(arrival.request_id.to_string()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    line.end(&response);
    response
}

/// Logs the cause of a failure that is the server's, once, here (A-002: never of one that repeats the caller's input).
fn log_error(line: &Line<'_>, error: &Error) {
    let ours = matches!(error.kind(), ErrorKind::Internal | ErrorKind::Unavailable | ErrorKind::CommitStateUnknown);
    if !ours {
        return;
    }
    let mut cause = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if !cause.is_empty() {
            cause.push_str(": ");
        }
        cause.push_str(&error.to_string());
        source = error.source();
    }
    tracing::error!(
        request_id = %line.arrival().request_id,
        operation = line.operation(),
        code = error.code(),
        cause = cause.as_str(),
        "{}",
        error.message()
    );
}

/// Answers a request whose path cannot be decoded.
pub(crate) fn malformed(app: &App, op: &'static Op, error: &Error, arrival: &Arrival) -> Response {
    let line = Line::begin(app.access_log(), op.name, arrival);
    finish(op.style, line, Ok(Err(error.clone())))
}

/// Answers a method that a path does not have.
pub(crate) fn wrong_method(app: &App, style: Style, allow: &str, method: &Method, arrival: &Arrival) -> Response {
    let line = Line::begin(app.access_log(), "wrong_method", arrival);
    let answer = render::method_not_allowed(style, allow, arrival.request_id);
    let answer = if *method == Method::HEAD { render::without_body(answer) } else { answer };
    finish(style, line, Ok(Ok(answer)))
}

/// Answers a path that no route has; one constant stands for all of them in the log.
pub(crate) fn unknown_path(app: &App, style: Style, arrival: &Arrival) -> Response {
    let line = Line::begin(app.access_log(), "unmatched", arrival);
    finish(style, line, Ok(Ok(render::no_such_route(style, arrival.request_id))))
}

#[cfg(test)]
mod tests;
