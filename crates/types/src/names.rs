//! Names of namespaces, tables and columns: any Unicode text but what could fool a reader or a path (R27).

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::Error;

/// Most levels of a namespace.
pub const NAMESPACE_DEPTH_MAX: usize = 64;
/// Most bytes of one name.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// Why a name was refused.
pub type NameError = Error;

/// Checks one level of a namespace or the name of a relation (R27).
///
/// # Errors
/// `Invalid` if empty, over 255 bytes, `.` or `..`, or with a slash, backslash, control, bidi,
/// zero-width or other invisible character, or a space that only looks like the plain one.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(Error::invalid("invalid_name", "a name must not be empty"));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Error::invalid("invalid_name", format!("a name has at most {NAME_BYTES_MAX} bytes")));
    }
    if name == "." || name == ".." {
        return Err(Error::invalid("invalid_name", "a name must not be `.` or `..`"));
    }
    if name.trim() != name {
        return Err(Error::invalid("invalid_name", "a name must not begin or end with a space"));
    }
    if name.chars().any(|c| is_refused(c) || (c.is_whitespace() && c != ' ')) {
        return Err(Error::invalid(
            "invalid_name",
            "a name must not hold slashes, spaces but the plain one, or control, bidi and zero-width characters",
        ));
    }
    Ok(())
}

/// True for characters that never belong into a name: separators, controls, invisible and direction marks.
#[must_use]
pub fn is_refused(c: char) -> bool {
    matches!(c, '/' | '\\') || c.is_control() || is_deceptive(c)
}

/// True for bidi, zero-width and other invisible format characters (Unicode `Cf` and line separators).
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    // Nearly every character is settled by this, in all names of each request.
    !c.is_ascii()
        && matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{13430}'..='\u{1343F}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// A namespace: one or more levels. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Namespace(Arc<[String]>);

impl Namespace {
    /// Parses levels.
    ///
    /// # Errors
    /// `Invalid` if there is no level, more than 64, or a bad name.
    pub fn new(levels: Vec<String>) -> Result<Self, NameError> {
        if levels.is_empty() || levels.len() > NAMESPACE_DEPTH_MAX {
            return Err(Error::invalid("invalid_name", format!("a namespace has 1 to {NAMESPACE_DEPTH_MAX} levels")));
        }
        levels.iter().try_for_each(|level| check_name(level))?;
        Ok(Self(levels.into()))
    }

    /// Parses the path form: levels joined by U+001F (already percent-decoded).
    ///
    /// # Errors
    /// As [`Namespace::new`].
    pub fn from_path(text: &str) -> Result<Self, NameError> {
        Self::new(text.split('\u{1f}').map(str::to_owned).collect())
    }

    /// The levels, outermost first.
    #[must_use]
    pub fn levels(&self) -> &[String] {
        &self.0
    }

    /// The namespace around this one, if it is nested.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, head) = self.0.split_last()?;
        (!head.is_empty()).then(|| Self(head.into()))
    }

    /// The innermost level.
    #[must_use]
    pub fn leaf(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// The key form used in the store: levels joined by U+001F, which no name can hold.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.join("\u{1f}")
    }
}

impl TryFrom<Vec<String>> for Namespace {
    type Error = NameError;
    fn try_from(levels: Vec<String>) -> Result<Self, NameError> {
        Self::new(levels)
    }
}

impl From<Namespace> for Vec<String> {
    fn from(namespace: Namespace) -> Self {
        namespace.0.to_vec()
    }
}

impl fmt::Display for Namespace {
    /// Joins the levels with dots, for people only: a dot can be part of a name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace({self})")
    }
}

/// A table or view inside a warehouse.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableIdent {
    /// Where it lives.
    pub namespace: Namespace,
    /// Its name there.
    pub name: String,
}

impl TableIdent {
    /// Joins and checks.
    ///
    /// # Errors
    /// `Invalid` if the name is refused by [`check_name`].
    pub fn new(namespace: Namespace, name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        check_name(&name)?;
        Ok(Self { namespace, name })
    }
}

impl fmt::Display for TableIdent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.namespace, self.name)
    }
}

impl fmt::Debug for TableIdent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TableIdent({self})")
    }
}

/// A relation with its warehouse: what a restriction is bound to besides the id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub struct QualifiedName {
    /// The warehouse.
    pub warehouse: crate::WarehouseName,
    /// The namespace and name.
    #[serde(flatten)]
    pub ident: TableIdent,
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.warehouse, self.ident)
    }
}

#[cfg(test)]
mod tests;
