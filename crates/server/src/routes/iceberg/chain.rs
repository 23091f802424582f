//! `referenced-by`: the chain of views that a table or view is loaded through, outermost first. Refuses what names no view.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use polder_types::{Error, Namespace, Result, Subject, TableIdent};

use crate::call::Call;

/// The parameter.
const NAME: &str = "referenced-by";
/// Between the levels of a namespace, and before the view's name.
const SEPARATOR: char = '\u{1f}';

/// Reads the parameter; none and an empty one are no chain.
///
/// # Errors
/// `Invalid` for a part that is no name of a view, or a parameter that is given twice.
pub(super) fn referenced_by(call: &Call) -> Result<Vec<TableIdent>> {
    let (_, target) = call.target();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let mut given = query.split('&').filter_map(|pair| {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name).ok()? == NAME).then_some(text)
    });
    match (given.next(), given.next()) {
        (None, _) | (Some(""), None) => Ok(Vec::new()),
        // In a query `+` is a blank.
        (Some(text), None) => parse(&text.replace('+', " ")),
        (Some(_), Some(_)) => Err(invalid("it is given twice")),
    }
}

/// A comma in a name is written `%2C`, so the text is taken apart before it is decoded. A client that encodes the whole
/// text once more, as the parameter of a query, sends no separator that one decoding shows: then the second one does.
fn parse(text: &str) -> Result<Vec<TableIdent>> {
    let once = decoded(text)?;
    let text = if once.contains(SEPARATOR) { text } else { once.as_ref() };
    text.split(',').map(|part| view(&decoded(part)?)).collect()
}

fn view(path: &str) -> Result<TableIdent> {
    let (namespace, name) =
        path.rsplit_once(SEPARATOR).ok_or_else(|| invalid("a part has no namespace before the view"))?;
    TableIdent::new(Namespace::from_path(namespace)?, name).map_err(|error| error.about(Subject::View))
}

fn decoded(text: &str) -> Result<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().map_err(|_| invalid("it is not UTF-8"))
}

fn invalid(why: &'static str) -> Error {
    Error::invalid("invalid_referenced_by", format!("`{NAME}` is not a list of views: {why}"))
}

#[cfg(test)]
mod tests;
