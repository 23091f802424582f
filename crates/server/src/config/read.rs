//! Reads settings by their dotted names and remembers which are known, so that the rest can be refused.

use std::{collections::BTreeMap, ops::RangeInclusive, str::FromStr};

use toml::Value;

use super::PREFIX;

/// A name further away than this from every known one gets no suggestion.
const SUGGESTION_EDITS_MAX: usize = 3;

/// Where a setting was found, and what it is.
struct Found {
    place: String,
    value: Value,
}

/// Settings that are not yet read, those that are known, and what is wrong.
pub(super) struct Reader {
    settings: BTreeMap<String, Found>,
    known: Vec<&'static str>,
    errors: Vec<String>,
}

impl Reader {
    /// Takes a file's text and variables, which win.
    pub(super) fn new(text: &str, variables: &[(String, String)]) -> Self {
        let mut reader = Self { settings: BTreeMap::new(), known: Vec::new(), errors: Vec::new() };
        match text.parse::<toml::Table>() {
            Ok(table) => reader.flatten("", table),
            Err(error) => reader.errors.push(format!("the file is not TOML: {}", error.message())),
        }
        for (name, value) in variables.iter().filter(|(_, value)| !value.trim().is_empty()) {
            let found = Found { place: name.clone(), value: Value::String(value.clone()) };
            reader.settings.insert(name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase(), found);
        }
        reader
    }

    fn flatten(&mut self, within: &str, table: toml::Table) {
        for (name, value) in table {
            let path = if within.is_empty() { name } else { format!("{within}.{name}") };
            match value {
                Value::Table(inner) => self.flatten(&path, inner),
                value => {
                    self.settings.insert(variable(&path), Found { place: path, value });
                }
            }
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Found> {
        self.known.push(name);
        self.settings.remove(&variable(name))
    }

    /// A text.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        let found = self.take(name)?;
        match found.value {
            Value::String(text) if !text.trim().is_empty() => Some(text),
            _ => {
                self.errors.push(format!("`{}` is a text", found.place));
                None
            }
        }
    }

    /// A text that parses.
    pub(super) fn parsed<T: FromStr>(&mut self, name: &'static str, what: &str) -> Option<T> {
        let text = self.text(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.errors.push(format!("`{name}` is {what}"));
        }
        parsed
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, name: &'static str, within: RangeInclusive<u64>) -> Option<u64> {
        let found = self.take(name)?;
        let number = match &found.value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| within.contains(number));
        if number.is_none() {
            self.errors.push(format!(
                "`{}` is a whole number from {} to {}",
                found.place,
                within.start(),
                within.end()
            ));
        }
        number
    }

    /// Notes an error.
    pub(super) fn error(&mut self, text: &str) {
        self.errors.push(text.to_owned());
    }

    /// Refuses what was not asked for.
    ///
    /// # Errors
    /// Every error noted.
    pub(super) fn finish(mut self) -> Result<(), Vec<String>> {
        for (name, found) in &self.settings {
            let closest = self.known.iter().min_by_key(|known| edits(&variable(known), name));
            let closest = closest.filter(|known| edits(&variable(known), name) <= SUGGESTION_EDITS_MAX);
            let hint = closest.map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
            self.errors.push(format!("unknown setting `{}`{hint}", found.place));
        }
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors) }
    }
}

/// The name of a setting as its variable has it, in lower case: dots become underscores.
fn variable(path: &str) -> String {
    path.replace('.', "_").to_lowercase()
}

/// How many single characters differ (Levenshtein).
fn edits(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (at, from) in left.chars().enumerate() {
        let mut diagonal = at;
        let mut before = at + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(right.chars()) {
            let cost = diagonal + usize::from(from != to);
            diagonal = *cell;
            before = cost.min(before + 1).min(*cell + 1);
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
