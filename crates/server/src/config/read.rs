//! Reads settings by their dotted names and remembers which are known, so that the rest can be refused.

use std::{collections::BTreeMap, ops::RangeInclusive, str::FromStr};

use polder_types::Secret;
use toml::Value;

use super::PREFIX;

/// A name further away than this from every known one gets no suggestion.
const SUGGESTION_EDITS_MAX: usize = 3;

/// Where a setting was found, and what it is.
struct Found {
    place: String,
    value: Value,
}

/// A variable of the environment by its name, if it is set.
pub(super) type LookUp<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Settings that are not yet read, those that are known, and what is wrong.
pub(super) struct Reader<'a> {
    settings: BTreeMap<String, Found>,
    known: Vec<String>,
    errors: Vec<String>,
    look_up: LookUp<'a>,
}

impl<'a> Reader<'a> {
    /// Takes a file's text, variables of the server, which win, and a way to those that a setting names.
    pub(super) fn new(text: &str, variables: &[(String, String)], look_up: LookUp<'a>) -> Self {
        let mut reader = Self { settings: BTreeMap::new(), known: Vec::new(), errors: Vec::new(), look_up };
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

    fn take(&mut self, name: &str) -> Option<Found> {
        self.known.push(name.to_owned());
        self.settings.remove(&variable(name))
    }

    /// True if the file, and no variable over it, gives a setting.
    pub(super) fn is_in_file(&self, name: &str) -> bool {
        self.settings.get(&variable(name)).is_some_and(|found| found.place == name)
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let found = self.take(name)?;
        match found.value {
            Value::String(text) if !text.trim().is_empty() => Some(text),
            _ => {
                self.errors.push(format!("`{}` is a text", found.place));
                None
            }
        }
    }

    /// A text that must be there; the error names the variable too. Blank is the same as missing.
    pub(super) fn required(&mut self, name: &str, what: &str) -> Option<String> {
        let blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
        match self.take(name).map(|found| found.value) {
            Some(Value::String(text)) if !text.trim().is_empty() => return Some(text),
            Some(Value::Boolean(flag)) => return Some(flag.to_string()),
            Some(value) if !blank(&value) => self.invalid(name, what),
            _ => self.errors.push(format!("`{name}` ({}) is missing: {what}", spelled(name))),
        }
        None
    }

    /// Notes that a setting has a value that it cannot have.
    pub(super) fn invalid(&mut self, name: &str, what: &str) {
        self.errors.push(format!("`{name}` ({}) is {what}", spelled(name)));
    }

    /// `true` or `false`; false if it is not said.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        let found = self.take(name)?;
        let flag = match &found.value {
            Value::Boolean(flag) => Some(*flag),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        if flag.is_none() {
            self.errors.push(format!("`{}` is true or false", found.place));
        }
        flag
    }

    /// A list of texts; a variable separates them by commas.
    pub(super) fn list(&mut self, name: &str) -> Option<Vec<String>> {
        let found = self.take(name)?;
        let texts: Option<Vec<String>> = match &found.value {
            Value::String(text) => Some(text.split(',').map(|word| word.trim().to_owned()).collect()),
            Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        let texts = texts.filter(|texts| !texts.is_empty() && texts.iter().all(|text| !text.is_empty()));
        if texts.is_none() {
            self.errors.push(format!("`{}` is a list of texts", found.place));
        }
        texts
    }

    /// A secret by reference: the file that `<name>_file` names, or the variable that `<name>_env` names. The secret
    /// itself is never a setting. White space at its end is not part of it.
    pub(super) fn secret(&mut self, name: &str) -> Option<Secret> {
        let (by_file, by_variable) = (format!("{name}_file"), format!("{name}_env"));
        let text = match (self.text(&by_file), self.text(&by_variable)) {
            (None, None) => return None,
            (Some(_), Some(_)) => {
                self.errors.push(format!("`{by_file}` and `{by_variable}` contradict each other: give one"));
                return None;
            }
            (Some(path), None) => match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) => {
                    self.errors.push(format!("`{by_file}`: cannot read `{path}`: {error}"));
                    return None;
                }
            },
            (None, Some(variable)) if variable.starts_with(PREFIX) => {
                self.errors.push(format!("`{by_variable}` names a variable that does not begin with {PREFIX}"));
                return None;
            }
            (None, Some(variable)) => (self.look_up)(&variable).unwrap_or_default(),
        };
        let text = text.trim_end();
        if text.is_empty() {
            self.errors.push(format!("the secret of `{name}` is empty or not set"));
            return None;
        }
        Some(Secret::new(text.to_owned()))
    }

    /// A text that parses.
    pub(super) fn parsed<T: FromStr>(&mut self, name: &str, what: &str) -> Option<T> {
        let text = self.text(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.errors.push(format!("`{name}` is {what}"));
        }
        parsed
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, name: &str, within: RangeInclusive<u64>) -> Option<u64> {
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

    /// A list of tables, as the file has them; no variable stands for one.
    pub(super) fn tables(&mut self, name: &str) -> Vec<toml::Table> {
        let Some(found) = self.take(name) else { return Vec::new() };
        let tables = match found.value {
            Value::Array(items) => items
                .into_iter()
                .map(|item| match item {
                    Value::Table(table) => Some(table),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>(),
            _ => None,
        };
        if tables.is_none() {
            self.errors.push(format!("`{}` is a list of tables, each written as `[[{name}]]`", found.place));
        }
        tables.unwrap_or_default()
    }

    /// A variable of the environment that a setting names.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.look_up)(name)
    }

    /// How many errors there are so far.
    pub(super) fn errors(&self) -> usize {
        self.errors.len()
    }

    /// Notes an error.
    pub(super) fn error(&mut self, text: impl Into<String>) {
        self.errors.push(text.into());
    }

    /// Refuses what was not asked for; every error noted.
    pub(super) fn finish(mut self) -> Vec<String> {
        for (name, found) in &self.settings {
            let closest = self.known.iter().min_by_key(|known| edits(&variable(known), name));
            let closest = closest.filter(|known| edits(&variable(known), name) <= SUGGESTION_EDITS_MAX);
            let hint = closest.map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
            self.errors.push(format!("unknown setting `{}`{hint}", found.place));
        }
        self.errors
    }
}

/// The variable of a setting.
fn spelled(name: &str) -> String {
    [PREFIX, &variable(name).to_uppercase()].concat()
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
