//! What leaves the server: the one file that turns errors into bodies, and answers into bytes. Decides nothing.

mod access;
mod table;
mod view;

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use polder_types::{Detail, Error, ErrorKind, Position, RequestId, Result, Subject, rest::TokenErrorBody};
use serde::Serialize;

pub(crate) use access::{Delegated, WireCredential, credentials};
pub(crate) use table::{committed_table, delegated_table, not_modified};
pub(crate) use view::loaded_view;

/// How the errors of a route look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Iceberg REST `ErrorModel`.
    Iceberg,
    /// Our own doors: code, phase, position, candidates.
    Gateway,
    /// RFC 6749 §5.2.
    OAuth,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The media type of JSON.
pub(crate) const APPLICATION_JSON: &str = "application/json";
/// The media type of an Arrow IPC stream.
pub(crate) const ARROW_STREAM: &str = "application/vnd.apache.arrow.stream";

/// A JSON body.
///
/// # Errors
/// `Internal` if it cannot be serialised.
pub(crate) fn json<T: Serialize>(status: StatusCode, body: &T) -> Result<Response> {
    let bytes = serde_json::to_vec(body).map_err(Error::internal)?;
    Ok(with_body(status, bytes))
}

/// A JSON body that no cache may keep, since it holds a secret.
///
/// # Errors
/// As [`json`].
pub(crate) fn secret_json<T: Serialize>(status: StatusCode, body: &T) -> Result<Response> {
    json(status, body).map(no_store)
}

/// 204.
pub(crate) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Takes the body away, for HEAD.
pub(crate) fn without_body(mut response: Response) -> Response {
    *response.body_mut() = Body::empty();
    response
}

fn with_body(status: StatusCode, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// A body that is no JSON, and what a client wants to know of it before it reads it.
pub(crate) fn arrow(stream: Vec<u8>, row_count: usize, truncated: bool) -> Response {
    let mut response = Response::new(Body::from(stream));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(ARROW_STREAM));
    headers.insert("polder-row-count", HeaderValue::from(row_count));
    headers.insert("polder-truncated", HeaderValue::from_static(if truncated { "true" } else { "false" }));
    response
}

/// Says that no cache may keep an answer.
pub(crate) fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[derive(Serialize)]
struct Envelope<T> {
    error: T,
}

/// `ErrorModel` of the Iceberg specification.
#[derive(Serialize)]
struct IcebergError<'a> {
    message: &'a str,
    r#type: &'static str,
    code: u16,
}

/// The error of our own doors.
#[derive(Serialize)]
struct GatewayError<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    candidates: &'a [String],
    request_id: RequestId,
}

/// An error in the style of its route.
pub(crate) fn error(style: Style, error: &Error, request_id: RequestId) -> Response {
    let status = status(style, error.kind());
    let mut response = body(style, status, iceberg_type(error), error, request_id);
    let headers = response.headers_mut();
    if let Some(after) = error.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    if status == StatusCode::UNAUTHORIZED {
        let scheme = if style == Style::OAuth { "Basic realm=\"polder\"" } else { "Bearer realm=\"polder\"" };
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    }
    response
}

/// A path that no route has.
pub(crate) fn no_such_route(style: Style, request_id: RequestId) -> Response {
    let absent = Error::new(ErrorKind::NotFound, Subject::Request, "no_such_route", "there is nothing at this path");
    error(style, &absent, request_id)
}

/// A method that a path does not have.
pub(crate) fn method_not_allowed(style: Style, allow: &str, request_id: RequestId) -> Response {
    let refused = Error::invalid("method_not_allowed", "this path does not have this method");
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut response = body(style, status, "UnsupportedOperationException", &refused, request_id);
    if let Ok(allow) = HeaderValue::try_from(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

fn body(style: Style, status: StatusCode, iceberg: &'static str, error: &Error, request_id: RequestId) -> Response {
    let bytes = match style {
        Style::Iceberg => {
            let error = IcebergError { message: error.message(), r#type: iceberg, code: status.as_u16() };
            serde_json::to_vec(&Envelope { error })
        }
        Style::Gateway => {
            let none = Detail::default();
            let detail = error.detail().unwrap_or(&none);
            let error = GatewayError {
                code: error.code(),
                message: error.message(),
                phase: detail.phase,
                position: detail.position,
                candidates: &detail.candidates,
                request_id,
            };
            serde_json::to_vec(&Envelope { error })
        }
        Style::OAuth => {
            serde_json::to_vec(&TokenErrorBody { error: oauth_code(error), error_description: error.message() })
        }
    };
    let response = with_body(status, bytes.unwrap_or_default());
    if style == Style::OAuth { no_store(response) } else { response }
}

fn status(style: Style, kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::Conflict | ErrorKind::NotEmpty => StatusCode::CONFLICT,
        // A 5xx of a commit means "unknown" to Iceberg clients, and they keep their files: this is a sure no.
        ErrorKind::Unsupported if style == Style::Gateway => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Unsupported => StatusCode::BAD_REQUEST,
        ErrorKind::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Deadline => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::CommitStateUnknown | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The code of what Java's client would have refused by itself with that exception, had it looked.
const ILLEGAL_ARGUMENT: &str = "illegal_argument";

/// The exception that Java's client throws for it.
fn iceberg_type(error: &Error) -> &'static str {
    if error.code() == ILLEGAL_ARGUMENT {
        return "IllegalArgumentException";
    }
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::NotAcceptable | ErrorKind::TooLarge | ErrorKind::RequestTimeout => {
            "BadRequestException"
        }
        ErrorKind::Unprocessable => "UnprocessableEntityException",
        ErrorKind::Unauthenticated => "NotAuthorizedException",
        ErrorKind::Forbidden => "ForbiddenException",
        ErrorKind::NotFound => match error.subject() {
            Subject::Warehouse => "NoSuchWarehouseException",
            Subject::Namespace => "NoSuchNamespaceException",
            Subject::Table => "NoSuchTableException",
            Subject::View => "NoSuchViewException",
            Subject::Plan => "NoSuchPlanIdException",
            Subject::PlanTask => "NoSuchPlanTaskException",
            _ => "NotFoundException",
        },
        ErrorKind::AlreadyExists => "AlreadyExistsException",
        ErrorKind::Conflict => "CommitFailedException",
        ErrorKind::NotEmpty => "NamespaceNotEmptyException",
        ErrorKind::Unsupported => "UnsupportedOperationException",
        ErrorKind::RateLimited => "SlowDownException",
        ErrorKind::Unavailable => "ServiceUnavailableException",
        // What was started may still land.
        ErrorKind::Deadline | ErrorKind::CommitStateUnknown => "CommitStateUnknownException",
        ErrorKind::Internal => "InternalServerError",
    }
}

/// RFC 6749 §5.2: only its own codes; `temporarily_unavailable` is of §4.1.2.1.
fn oauth_code(error: &Error) -> &'static str {
    const OWN: [&str; 6] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    ];
    match error.kind() {
        ErrorKind::Unauthenticated => "invalid_client",
        ErrorKind::Unavailable | ErrorKind::Deadline | ErrorKind::RateLimited => "temporarily_unavailable",
        ErrorKind::Internal | ErrorKind::CommitStateUnknown => "server_error",
        _ => OWN.into_iter().find(|code| *code == error.code()).unwrap_or("invalid_request"),
    }
}

#[cfg(test)]
mod tests;
