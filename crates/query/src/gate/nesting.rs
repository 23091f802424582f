//! Nesting that tokens show, bounded before the parser recurses over it: it guards expressions and queries itself, but
//! not statements within statements, types within types, or an INTERVAL of an INTERVAL.
//!
//! Refuses by its first word every statement that is no query, so that the parser never sees one.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use polder_types::Error;

use super::{DEPTH_MAX, TOKENS_MAX, nested_too_deep, position};
use crate::error::{Phase, limit, refused, syntax};

/// The words that a query begins with.
const QUERY: [&str; 3] = ["SELECT", "WITH", "VALUES"];
/// The words that ask about a query or a table.
const ABOUT: [&str; 3] = ["EXPLAIN", "DESCRIBE", "DESC"];
/// What may stand between them and what they ask about.
const OPTIONS: [&str; 12] = [
    "ANALYZE",
    "VERBOSE",
    "FORMAT",
    "TEXT",
    "TREE",
    "JSON",
    "GRAPHVIZ",
    "QUERY",
    "PLAN",
    "EXTENDED",
    "FORMATTED",
    "TABLE",
];
/// Types that hold types in angle brackets.
const GENERIC_TYPES: [&str; 3] = ["ARRAY", "STRUCT", "MAP"];

/// Checks the tokens of one or more statements, white space left out.
pub(super) fn check(tokens: &[TokenWithSpan]) -> Result<(), Error> {
    let tokens: Vec<&TokenWithSpan> =
        tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    if tokens.len() > TOKENS_MAX {
        return Err(limit(Phase::Gate, format!("a statement has at most {TOKENS_MAX} tokens")));
    }
    bound_brackets(&tokens)?;
    bound_words(&tokens)?;
    check_beginning(&tokens)
}

fn bound_brackets(tokens: &[&TokenWithSpan]) -> Result<(), Error> {
    let mut depth = 0usize;
    for token in tokens {
        match token.token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(nested_too_deep());
        }
    }
    Ok(())
}

/// Bounds what nests without brackets that could be counted.
fn bound_words(tokens: &[&TokenWithSpan]) -> Result<(), Error> {
    let mut angles = 0usize;
    for (token, next) in tokens.iter().zip(tokens.iter().skip(1)) {
        if is_word(token, &["INTERVAL"]) && is_word(next, &["INTERVAL"]) {
            return Err(syntax("the statement is not valid SQL: an interval of an interval", position(next.span)));
        }
        angles += usize::from(is_word(token, &GENERIC_TYPES) && next.token == Token::Lt);
    }
    if angles > DEPTH_MAX { Err(nested_too_deep()) } else { Ok(()) }
}

fn is_word(token: &TokenWithSpan, words: &[&str]) -> bool {
    match &token.token {
        Token::Word(word) => word.quote_style.is_none() && words.iter().any(|w| w.eq_ignore_ascii_case(&word.value)),
        _ => false,
    }
}

/// A query, one question about a query or a table, or SHOW.
fn check_beginning(tokens: &[&TokenWithSpan]) -> Result<(), Error> {
    let Some((first, rest)) = tokens.split_first() else { return Ok(()) };
    match &first.token {
        Token::LParen | Token::SemiColon => Ok(()),
        _ if is_word(first, &QUERY) || is_word(first, &["SHOW"]) => Ok(()),
        _ if is_word(first, &ABOUT) => check_subject(rest, first),
        // Letters only: the text is the caller's.
        Token::Word(word) if word.quote_style.is_none() && word.value.bytes().all(|b| b.is_ascii_alphabetic()) => {
            let word: String = word.value.to_ascii_uppercase().chars().take(20).collect();
            Err(refused(&format!("the statement {word}"), position(first.span)))
        }
        _ => Err(syntax("the statement is not valid SQL: it begins with no word of a query", position(first.span))),
    }
}

/// What EXPLAIN or DESCRIBE is about: a query after options, or a table's name.
fn check_subject(mut rest: &[&TokenWithSpan], about: &TokenWithSpan) -> Result<(), Error> {
    let refusal = || Err(refused("EXPLAIN of anything but a query", position(about.span)));
    loop {
        match rest {
            [first, ..] if is_word(first, &QUERY) => return Ok(()),
            [open, inner, ..] if open.token == Token::LParen => {
                if inner.token == Token::LParen || is_word(inner, &QUERY) {
                    return Ok(());
                }
                match rest.iter().position(|token| token.token == Token::RParen) {
                    Some(close) => rest = rest.get(close + 1..).unwrap_or_default(),
                    None => return refusal(),
                }
            }
            [option, .., _] if is_word(option, &OPTIONS) => rest = rest.get(1..).unwrap_or_default(),
            name => {
                let (mut named, mut wants_part) = (false, true);
                for token in name {
                    match (&token.token, wants_part) {
                        (Token::Word(_), true) => (named, wants_part) = (true, false),
                        (Token::Period, false) => wants_part = true,
                        (Token::SemiColon, false) => {}
                        _ => return refusal(),
                    }
                }
                return if named && !wants_part { Ok(()) } else { refusal() };
            }
        }
    }
}
