//! What a caller is told when a query fails: a stable code, the phase, the position and visible candidates.
//!
//! Owns the scrubbing of every DataFusion, Arrow and Iceberg error. Refuses to pass on a data value, a file
//! name, a policy predicate or the text of a runtime failure: all of those look the same (R34).

use datafusion::{
    common::{DataFusionError, SchemaError},
    error::Result as EngineResult,
};
use polder_types::{Detail, Error, ErrorKind, Position, Subject};

/// Most bytes of a planning message that are passed on.
const MESSAGE_BYTES_MAX: usize = 300;
/// Most names offered.
const CANDIDATES_MAX: usize = 5;

/// The phases of a query, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Gate,
    Resolve,
    Plan,
    Verify,
    Run,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Resolve => "resolve",
            Self::Plan => "plan",
            Self::Verify => "verify",
            Self::Run => "run",
        }
    }

    /// The detail of an error in this phase.
    pub(crate) fn detail(self) -> Detail {
        Detail { phase: Some(self.as_str()), position: None, candidates: Vec::new() }
    }

    /// The detail of an error in this phase at a place in the text.
    pub(crate) fn at(self, position: Option<Position>) -> Detail {
        Detail { position, ..self.detail() }
    }
}

fn query_error(kind: ErrorKind, code: &'static str, message: impl Into<String>, detail: Detail) -> Error {
    Error::new(kind, Subject::Query, code, message.into()).with_detail(detail)
}

/// The text is not SQL of our grammar.
pub(crate) fn syntax(message: impl Into<String>, position: Option<Position>) -> Error {
    query_error(ErrorKind::Invalid, "syntax", message, Phase::Gate.at(position))
}

/// The statement, or a part of it, is not one that the gateway runs.
pub(crate) fn refused(what: &str, position: Option<Position>) -> Error {
    let message = format!("{what} is not supported here; only read-only queries are");
    query_error(ErrorKind::Invalid, "refused_statement", message, Phase::Gate.at(position))
}

/// A stated limit was exceeded.
pub(crate) fn limit(phase: Phase, message: impl Into<String>) -> Error {
    query_error(ErrorKind::Invalid, "limit_exceeded", message, phase.detail())
}

/// A value of the answer has no text.
pub(crate) fn unrepresentable() -> Error {
    let message =
        "the answer holds a date or time that is too far away to be written; cast it to bigint, or ask for Arrow";
    query_error(ErrorKind::Invalid, "unrepresentable_value", message, Phase::Run.detail())
}

/// Absent, invisible and blocked tables: one text, one code (R22).
pub(crate) fn unknown_table(name: &str) -> Error {
    let message = format!("table `{name}` does not exist");
    Error::new(ErrorKind::NotFound, Subject::Table, "unknown_table", message).with_detail(Phase::Resolve.detail())
}

/// A function that does not exist here.
pub(crate) fn unknown_function(name: &str, position: Option<Position>) -> Error {
    query_error(
        ErrorKind::Invalid,
        "unknown_function",
        format!("function `{name}` does not exist"),
        Phase::Gate.at(position),
    )
}

/// The deadline passed.
pub(crate) fn deadline() -> Error {
    query_error(ErrorKind::Deadline, "deadline", "the query ran longer than its time limit", Phase::Run.detail())
}

/// The memory limit was reached.
pub(crate) fn memory() -> Error {
    query_error(ErrorKind::Invalid, "memory", "the query needs more memory than its limit", Phase::Run.detail())
}

/// Too many queries of the tenant are running.
pub(crate) fn busy() -> Error {
    query_error(
        ErrorKind::RateLimited,
        "too_many_queries",
        "too many queries of this tenant are running; try again later",
        Phase::Resolve.detail(),
    )
    .with_retry_after(std::time::Duration::from_secs(1))
}

/// Something that only a bug or an attack brings about. The cause is for the log.
pub(crate) fn internal(phase: Phase, what: &'static str) -> Error {
    Error::internal(what).about(Subject::Query).with_detail(phase.detail())
}

/// A marker that our own code leaves in an engine error, so that it can be told apart when it comes back.
#[derive(Debug)]
pub(crate) struct Carried(pub(crate) Error);

impl std::fmt::Display for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Carried {}

/// Wraps one of our errors for its way through the engine.
pub(crate) fn carry(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(Carried(error)))
}

fn carried(error: &DataFusionError) -> Option<Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    for _ in 0..32 {
        let current = cause?;
        if let Some(Carried(error)) = current.downcast_ref::<Carried>() {
            return Some(error.clone());
        }
        cause = match current.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
            _ => current.source(),
        };
    }
    None
}

/// Turns a planning error into ours. Planning sees the statement, the governed schemas and no data, so its texts
/// can hold only what the caller wrote or may see.
pub(crate) fn planning(error: &DataFusionError) -> Error {
    if let Some(ours) = carried(error) {
        return ours;
    }
    let position = position_of(error);
    let detail = Phase::Plan.at(position);
    match error.find_root() {
        DataFusionError::SchemaError(schema_error, _) => schema(schema_error, detail),
        DataFusionError::ResourcesExhausted(_) => memory(),
        DataFusionError::NotImplemented(text) => {
            query_error(ErrorKind::Invalid, "unsupported_sql", plain(text), detail)
        }
        DataFusionError::Plan(text) if is_type_error(text) => {
            query_error(ErrorKind::Invalid, "type_mismatch", plain(text), detail)
        }
        DataFusionError::Plan(text) | DataFusionError::Configuration(text) => {
            query_error(ErrorKind::Invalid, "invalid_query", plain(text), detail)
        }
        // Constants that cannot be evaluated fail here or when the query runs; both look alike.
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_) | DataFusionError::External(_) => runtime(),
        _ => query_error(ErrorKind::Invalid, "invalid_query", "the query cannot be planned", detail),
    }
}

fn is_type_error(text: &str) -> bool {
    ["coerce", "coercion", "type signature", "No function matches", "data type", "cast", "type mismatch"]
        .iter()
        .any(|word| text.contains(word))
}

fn schema(error: &SchemaError, mut detail: Detail) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let wanted = field.name.to_lowercase();
            // The optimiser's own names are nobody's columns.
            let own = |name: &str| name.starts_with("__");
            let mut ranked: Vec<(usize, String)> = valid_fields
                .iter()
                .filter(|candidate| !candidate.relation.as_ref().is_some_and(|relation| own(relation.table())))
                .map(|candidate| (distance(&wanted, &candidate.name.to_lowercase()), candidate.flat_name()))
                .collect();
            ranked.sort();
            detail.candidates = ranked.into_iter().map(|(_, name)| name).take(CANDIDATES_MAX).collect();
            let message = format!("column `{}` does not exist", field.flat_name());
            query_error(ErrorKind::Invalid, "unknown_column", message, detail)
        }
        SchemaError::AmbiguousReference { field } => {
            let message = format!("column `{}` is ambiguous; qualify it with its table", field.flat_name());
            query_error(ErrorKind::Invalid, "ambiguous_column", message, detail)
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            let message = format!("column `{name}` appears twice; give one of them another name");
            query_error(ErrorKind::Invalid, "ambiguous_column", message, detail)
        }
    }
}

/// Turns an error of a running query into ours. SECURITY: one code and one text for every failure that depends on
/// values, so that an error tells nothing about them (R34).
pub(crate) fn running(error: &DataFusionError) -> Error {
    if let Some(ours) = carried(error) {
        return ours;
    }
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => memory(),
        _ => runtime(),
    }
}

/// Every failure on a value.
pub(crate) fn runtime() -> Error {
    query_error(
        ErrorKind::Invalid,
        "runtime_error",
        "the query failed while it ran: a value could not be computed",
        Phase::Run.detail(),
    )
}

/// Maps a planning result.
pub(crate) fn planned<T>(result: EngineResult<T>) -> Result<T, Error> {
    result.map_err(|error| planning(&error))
}

fn position_of(error: &DataFusionError) -> Option<Position> {
    let span = error.diagnostic()?.span?;
    (span.start.line > 0).then_some(Position { line: span.start.line, column: span.start.column })
}

/// Keeps the first line, without the names of our engine's types, bounded. SECURITY: nothing of how the engine writes its own
/// structures, which may hold more than the statement does.
fn plain(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line = match line.split_once(" {") {
        // The word before the brace is the structure's name, and those before it the ones around it.
        Some((before, _)) => before.rsplit_once(char::is_whitespace).map_or(before, |(told, _)| told),
        None => line,
    };
    let mut plain = line.replace("Utf8View", "VARCHAR").replace("LargeUtf8", "VARCHAR").replace("Utf8", "VARCHAR");
    plain = plain.replace("DataFusion", "the engine").replace("ScalarUDF", "function");
    let mut end = plain.len().min(MESSAGE_BYTES_MAX);
    while !plain.is_char_boundary(end) {
        end -= 1;
    }
    plain.truncate(end);
    let mut chars = plain.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect::<String>().trim_end_matches('.').to_owned(),
        None => "the query cannot be planned".to_owned(),
    }
}

/// Edit distance, for names of at most 64 characters; longer ones are far from everything.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let cost = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = cost.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
