//! The characters and tokens of a statement. Refuses what one reader sees and another does not: control, bidi and
//! zero-width characters, bare carriage returns, unusual white space and comments that could be code. Text literals
//! may hold anything.

use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, TokenizerError, Whitespace};
use polder_types::{Error, Position, is_deceptive};

use super::dialect::PolderDialect;
use crate::error::{refused, syntax};

/// Splits a text into tokens after looking at every character outside literals.
pub(super) fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, Error> {
    let mut tokens = Vec::new();
    Tokenizer::new(&PolderDialect, sql).tokenize_with_location_into_buf(&mut tokens).map_err(
        |TokenizerError { message, location }| {
            syntax(format!("the statement is not valid SQL: {message}"), at(location))
        },
    )?;
    check_characters(sql, &tokens)?;
    tokens.iter().try_for_each(check_comment)?;
    Ok(tokens)
}

fn at(location: Location) -> Option<Position> {
    (location.line > 0).then_some(Position { line: location.line, column: location.column })
}

/// How strictly the characters of a token are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Region {
    /// Text literals: anything.
    Literal,
    /// Quoted identifiers: nothing invisible, other white space is a name's own business.
    Quoted,
    /// Code, white space and comments.
    Code,
}

fn region(token: &Token) -> Region {
    match token {
        Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) | Token::NationalStringLiteral(_) => {
            Region::Literal
        }
        Token::Word(word) if word.quote_style.is_some() => Region::Quoted,
        _ => Region::Code,
    }
}

/// Walks text and tokens side by side; the tokenizer counts lines by `\n` and columns by characters.
fn check_characters(sql: &str, tokens: &[TokenWithSpan]) -> Result<(), Error> {
    let mut place = Location { line: 1, column: 1 };
    let mut upcoming = tokens.iter().peekable();
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        while upcoming.next_if(|token| token.span.end <= place).is_some() {}
        let inside =
            upcoming.peek().filter(|token| token.span.start <= place).map_or(Region::Code, |t| region(&t.token));
        let fine = match inside {
            Region::Literal => true,
            Region::Quoted => !c.is_control() && !is_deceptive(c),
            Region::Code => match c {
                ' ' | '\t' | '\n' => true,
                '\r' => chars.peek() == Some(&'\n'),
                _ => !c.is_control() && !is_deceptive(c) && !c.is_whitespace(),
            },
        };
        if !fine {
            return Err(refused(
                "a control, invisible or direction-changing character outside a text literal",
                at(place),
            ));
        }
        place = match c {
            '\n' => Location { line: place.line + 1, column: 1 },
            _ => Location { line: place.line, column: place.column + 1 },
        };
    }
    Ok(())
}

fn check_comment(token: &TokenWithSpan) -> Result<(), Error> {
    match &token.token {
        Token::Whitespace(Whitespace::MultiLineComment(text)) if text.starts_with(['!', '+']) => {
            Err(refused("a comment that holds code or hints", at(token.span.start)))
        }
        Token::Whitespace(Whitespace::MultiLineComment(text)) if text.contains("/*") => {
            Err(refused("a comment inside a comment", at(token.span.start)))
        }
        Token::Whitespace(Whitespace::SingleLineComment { prefix, comment })
            if prefix != "--" || comment.starts_with('+') =>
        {
            Err(refused("this form of comment", at(token.span.start)))
        }
        _ => Ok(()),
    }
}
