//! The gate: which text becomes a statement at all. Runs before names are looked at, and decides on the text only.
//!
//! Owns the limits on bytes, tokens, nesting and chains, the characters that could fool a reader, and the allow-list
//! over the parsed statement. Refuses everything that is not one read-only query, and every clause that the planner
//! would parse and ignore. Runs on a big stack: the limits bound the recursion, they do not abolish it.

mod dialect;
mod expr;
mod nesting;
mod text;
mod walk;

use datafusion::sql::sqlparser::{
    ast::{Expr, ObjectName, ObjectNamePart, Query, SelectItem, SetExpr, ShowStatementOptions, Spanned, Statement},
    parser::{Parser, ParserError},
    tokenizer::{Location, Span, TokenWithSpan},
};
use polder_types::{Error, Position, is_deceptive};

use crate::error::{Phase, internal, limit, refused, syntax};

/// Most bytes of a statement.
pub(crate) const STATEMENT_BYTES_MAX: usize = 64 * 1024;
/// Most tokens of a statement, white space and comments not counted.
pub(crate) const TOKENS_MAX: usize = 4096;
/// Deepest nesting of parentheses, brackets, CASE and subqueries.
pub(crate) const DEPTH_MAX: usize = 64;
/// Most operators in one chain (`a OR b OR c …`, `q UNION q UNION q …`).
pub(crate) const CHAIN_MAX: usize = 500;
/// Most tables that a statement names, and most that it stands for once its WITH queries are put in place.
pub(crate) const RELATIONS_MAX: usize = 128;

/// Most characters of a column name made from an expression.
const LABEL_CHARS_MAX: usize = 200;
/// The stack that the parser of a long statement gets. Address space, not memory.
const PARSER_STACK_BYTES: usize = 256 * 1024 * 1024;
/// What a token may take of a stack: whatever recurses over a statement uses up one at least with each level. Generous against
/// the frames of a level of the parser, the largest of all.
const STACK_BYTES_PER_TOKEN: usize = 128 * 1024;
/// The parser's own count of recursion; it counts several levels for each of ours.
const PARSER_RECURSION_MAX: usize = 512;

/// A relation as written, its unquoted parts folded to lower case.
pub(crate) type RelationName = Vec<String>;

pub(crate) use walk::DOT;

/// The separator of the middle parts of a name of four and more parts; no name can hold it.
pub(crate) const LEVEL_SEPARATOR: char = '\u{1f}';

/// What a statement asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Rows.
    Rows(Box<Query>),
    /// The plan of a query, in words.
    Plan(Box<Query>),
    /// The columns of a table.
    Columns(RelationName),
    /// The tables that the caller may see, of one namespace or of all.
    Tables(Option<RelationName>),
}

/// A statement that passed the gate.
#[derive(Debug)]
pub(crate) struct Gated {
    /// What it asks for.
    pub(crate) asked: Asked,
    /// Every relation name in it, without repetition, names of WITH queries among them.
    pub(crate) relations: Vec<RelationName>,
    /// The statement rendered again from its tree.
    pub(crate) canonical: String,
    /// What the output columns without a name of their own are called, where the statement lists them one by one.
    pub(crate) labels: Option<Vec<Option<String>>>,
}

/// Checks a text.
///
/// # Errors
/// `Invalid` with code `syntax`, `refused_statement`, `unknown_function` or `limit_exceeded`.
pub(crate) fn check(sql: &str) -> Result<Gated, Error> {
    if sql.len() > STATEMENT_BYTES_MAX {
        return Err(limit(Phase::Gate, format!("a statement has at most {STATEMENT_BYTES_MAX} bytes")));
    }
    let tokens = text::tokens(sql)?;
    // SECURITY: before the parser recurses over them.
    nesting::check(&tokens)?;
    // A thread of its own costs more than parsing a short statement.
    if fits_here(tokens.len()) {
        return understand(tokens);
    }
    on_a_huge_stack(|| understand(tokens))
}

/// Whether the stack that is left takes so many tokens, whatever they are.
fn fits_here(tokens: usize) -> bool {
    let bytes = tokens.saturating_mul(STACK_BYTES_PER_TOKEN);
    stacker::remaining_stack().is_some_and(|left| bytes < left)
}

/// Parses and walks. The tokens bound how deep that recurses; the stack is for what nobody thought of.
fn on_a_huge_stack<T: Send>(work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(PARSER_STACK_BYTES).spawn_scoped(scope, work);
        thread.map_err(Error::internal)?.join().unwrap_or_else(|_| Err(internal(Phase::Gate, "parsing panicked")))
    })
}

fn understand(tokens: Vec<TokenWithSpan>) -> Result<Gated, Error> {
    let statement = parse(tokens)?;
    let canonical = statement.to_string();
    let labels = match &statement {
        Statement::Query(query) => labels(&query.body),
        _ => None,
    };
    let mut walk = walk::Walk::default();
    let asked = asked(statement, &mut walk)?;
    Ok(Gated { asked, relations: walk.into_relations(), canonical, labels })
}

/// The text of each unnamed expression in the select list, so that an answer does not show the engine's spelling.
fn labels(body: &SetExpr) -> Option<Vec<Option<String>>> {
    match body {
        SetExpr::Select(select) => select
            .projection
            .iter()
            .map(|item| match item {
                SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => Some(None),
                SelectItem::UnnamedExpr(expr) => Some(Some(expr.to_string().chars().take(LABEL_CHARS_MAX).collect())),
                SelectItem::ExprWithAlias { .. } => Some(None),
                _ => None,
            })
            .collect(),
        SetExpr::Query(query) => labels(&query.body),
        SetExpr::SetOperation { left, .. } => labels(left),
        _ => None,
    }
}

fn parse(tokens: Vec<TokenWithSpan>) -> Result<Statement, Error> {
    let mut parser = Parser::new(&dialect::PolderDialect)
        .with_recursion_limit(PARSER_RECURSION_MAX)
        .with_tokens_with_locations(tokens);
    let mut statements = parser.parse_statements().map_err(|error| parse_error(&error))?;
    let statement = statements.pop().ok_or_else(|| syntax("there is no statement", None))?;
    match statements.first() {
        None => Ok(statement),
        Some(_) => Err(refused("more than one statement", position(statement.span()))),
    }
}

fn parse_error(error: &ParserError) -> Error {
    match error {
        ParserError::RecursionLimitExceeded => nested_too_deep(),
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => {
            let (message, position) = split_position(text);
            syntax(format!("the statement is not valid SQL: {message}"), position)
        }
    }
}

/// The parser appends ` at Line: 1, Column: 2` to its texts.
fn split_position(text: &str) -> (String, Option<Position>) {
    let bounded: String = text.chars().take(300).collect();
    let Some((message, place)) = text.rsplit_once(" at Line: ") else { return (bounded, None) };
    let position = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Position { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
    });
    let lowered: String =
        message.chars().take(300).enumerate().map(|(i, c)| if i == 0 { c.to_ascii_lowercase() } else { c }).collect();
    (lowered, position)
}

pub(crate) fn nested_too_deep() -> Error {
    limit(Phase::Gate, format!("a statement is nested at most {DEPTH_MAX} levels deep"))
}

fn asked(statement: Statement, walk: &mut walk::Walk) -> Result<Asked, Error> {
    let span = statement.span();
    match statement {
        Statement::Query(mut query) => {
            walk.query(&mut query)?;
            Ok(Asked::Rows(query))
        }
        Statement::Explain { statement, .. } => match *statement {
            // ANALYZE, VERBOSE and FORMAT change nothing: the plan is told in words and nothing runs.
            Statement::Query(mut query) => {
                walk.query(&mut query)?;
                Ok(Asked::Plan(query))
            }
            _ => Err(refused("EXPLAIN of anything but a query", position(span))),
        },
        Statement::ExplainTable { table_name, .. } => {
            let name = relation_name(&table_name)?;
            walk.names(&name)?;
            Ok(Asked::Columns(name))
        }
        Statement::ShowColumns { show_options, .. } => {
            let name = shown_in(&show_options)?.ok_or_else(|| refused("SHOW COLUMNS without a table", None))?;
            walk.names(&name)?;
            Ok(Asked::Columns(name))
        }
        Statement::ShowTables { show_options, .. } => Ok(Asked::Tables(shown_in(&show_options)?)),
        other => Err(refused(&first_words(&other), position(span))),
    }
}

/// The `FROM name` of a SHOW; filters and other options are refused.
fn shown_in(options: &ShowStatementOptions) -> Result<Option<RelationName>, Error> {
    let ShowStatementOptions { show_in, starts_with, limit, limit_from, filter_position } = options;
    if starts_with.is_some() || limit.is_some() || limit_from.is_some() || filter_position.is_some() {
        return Err(refused("a filter or limit in SHOW", None));
    }
    match show_in {
        None => Ok(None),
        Some(place) => match &place.parent_name {
            Some(name) => relation_name(name).map(Some),
            None => Err(refused("this form of SHOW", None)),
        },
    }
}

/// Names a refused statement by its keywords, without anything that the caller wrote.
fn first_words(statement: &Statement) -> String {
    let text = statement.to_string();
    let word = text.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty()).unwrap_or("this");
    format!("the statement {}", word.to_ascii_uppercase())
}

/// Folds one identifier: unquoted to lower case, quoted as it is.
pub(crate) fn fold(ident: &datafusion::sql::sqlparser::ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_ascii_lowercase() }
}

fn relation_name(name: &ObjectName) -> Result<RelationName, Error> {
    name.0
        .iter()
        .map(|part| match part {
            // A text literal as a name may hold what a quoted name may not.
            ObjectNamePart::Identifier(ident) if ident.value.chars().any(|c| c.is_control() || is_deceptive(c)) => {
                Err(refused("a control, invisible or direction-changing character in a name", position(ident.span)))
            }
            ObjectNamePart::Identifier(ident) => Ok(fold(ident)),
            ObjectNamePart::Function(_) => Err(refused("a function in a name", position(part.span()))),
        })
        .collect()
}

/// The beginning of a span, if the parser knows it.
pub(crate) fn position(span: Span) -> Option<Position> {
    let Location { line, column } = span.start;
    (line > 0).then_some(Position { line, column })
}

#[cfg(test)]
mod tests;
