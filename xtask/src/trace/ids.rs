//! Requirement IDs as text: what one looks like, which a table defines, which a comment names. Knows nothing of files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// What may stand between the two ends of a range.
const RANGE_MARKS: &[&str] = &["…", "..", "...", "..=", "–", "—", "-", "to", "through"];

/// One requirement ID: a family letter and a number, ordered as people would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    family: char,
    number: u32,
}

impl Id {
    /// Tells whether the spelling (letter, hyphen, three digits) can be nothing but an ID.
    pub(super) fn is_unmistakable(self) -> bool {
        is_hyphenated(self.family)
    }
}

/// A and S are written with a hyphen and three digits, R and F with neither.
fn is_hyphenated(family: char) -> bool {
    matches!(family, 'A' | 'S')
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_hyphenated(self.family) {
            write!(f, "{}-{:03}", self.family, self.number)
        } else {
            write!(f, "{}{}", self.family, self.number)
        }
    }
}

impl FromStr for Id {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let family = text.chars().next().filter(|c| matches!(c, 'A' | 'S' | 'R' | 'F')).ok_or(())?;
        let rest = text.get(1..).unwrap_or_default();
        let digits = if is_hyphenated(family) {
            rest.strip_prefix('-').filter(|d| d.len() == 3)
        } else {
            Some(rest).filter(|d| d.len() <= 2)
        };
        let digits = digits.filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit())).ok_or(())?;
        digits.parse().map(|number| Self { family, number }).map_err(|_| ())
    }
}

/// Returns every ID that stands in `text`, with its byte range.
fn scan(text: &str) -> Vec<(Id, Range<usize>)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in text.char_indices().filter(|(_, c)| matches!(c, 'A' | 'S' | 'R' | 'F')) {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        if before.is_some_and(|c| is_word(c) || c == '-') && !before_is_range(text, at) {
            continue;
        }
        let tail = text.get(at + 1..).unwrap_or_default();
        let hyphen = usize::from(tail.starts_with('-'));
        let digits = tail.get(hyphen..).unwrap_or_default().bytes().take_while(u8::is_ascii_digit).count();
        let end = at + 1 + hyphen + digits;
        let after = text.get(end..).and_then(|t| t.chars().next());
        if let (false, Ok(id)) = (after.is_some_and(is_word), text.get(at..end).unwrap_or_default().parse()) {
            found.push((id, at..end));
        }
    }
    found
}

/// A hyphen before an ID is part of a range when a digit stands before it.
fn before_is_range(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    before.strip_suffix('-').is_some_and(|t| t.ends_with(|c: char| c.is_ascii_digit()))
}

/// Returns what a table of requirements defines: the first cell of a row with the rest of it, and `ID: text` inside a row.
pub(super) fn defined(text: &str) -> BTreeMap<Id, String> {
    let mut texts = BTreeMap::new();
    for row in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        if let Some((Ok(id), rest)) = cells.split_first().map(|(first, rest)| (first.parse::<Id>(), rest)) {
            texts.insert(id, rest.join(" | "));
        }
        let inside: Vec<(Id, Range<usize>)> =
            scan(row).into_iter().filter(|(_, at)| row.get(at.end..).is_some_and(|t| t.starts_with(':'))).collect();
        let ends = inside.iter().skip(1).map(|(_, at)| at.start).chain([row.len()]);
        for ((id, at), end) in inside.iter().zip(ends) {
            let words = row.get(at.end + 1..end).unwrap_or_default();
            texts.insert(*id, words.trim_matches(|c: char| c.is_whitespace() || "|;*".contains(c)).to_owned());
        }
    }
    texts
}

/// Returns the IDs that a text names, each with its line (from 1); a range names every known ID between its ends.
pub(super) fn named(text: &str, known: &BTreeSet<Id>) -> Vec<(Id, usize)> {
    let mut named = Vec::new();
    let mut previous: Option<(Id, usize)> = None;
    for (id, range) in scan(text) {
        let line = crate::source::line_of(text, range.start);
        if let Some((first, end)) = previous
            && first.family == id.family
            && first < id
            && text.get(end..range.start).is_some_and(|between| RANGE_MARKS.contains(&between.trim()))
        {
            named.extend(known.range(first..id).skip(1).map(|id| (*id, line)));
        }
        named.push((id, line));
        previous = Some((id, range.end));
    }
    named
}

#[cfg(test)]
mod tests;
