//! Which form of an answer the client takes: the `Accept` header of RFC 9110, with its weights.
//!
//! Elements that cannot be read count for nothing; a header that takes none of our forms is refused before anything runs.

use http::{HeaderMap, header};
use polder_types::{Error, ErrorKind, Result, Subject};

/// How narrowly an element names a form; the narrowest that fits decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Anything,
    AnySubtype,
    Exactly,
}

/// The index of the form of `offered`, given in our order of preference, that the client prefers.
///
/// # Errors
/// `NotAcceptable` if it takes none.
pub(crate) fn negotiate(headers: &HeaderMap, offered: &[&'static str]) -> Result<usize> {
    let lines: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok()).collect();
    if !headers.contains_key(header::ACCEPT) || lines.iter().all(|line| line.trim().is_empty()) {
        return Ok(0);
    }
    let elements: Vec<(&str, u16)> = lines.iter().flat_map(|line| line.split(',')).filter_map(element).collect();
    let mut best: Option<((u16, Fit), usize)> = None;
    for (index, form) in offered.iter().enumerate() {
        let fits = elements.iter().filter_map(|(range, weight)| Some((fit(range, form)?, *weight)));
        let Some((how, weight)) = fits.max() else { continue };
        // Of two forms with one weight the one that is named more narrowly is meant; then ours.
        if weight > 0 && best.is_none_or(|(so_far, _)| (weight, how) > so_far) {
            best = Some(((weight, how), index));
        }
    }
    best.map(|(_, index)| index).ok_or_else(|| {
        Error::new(
            ErrorKind::NotAcceptable,
            Subject::Request,
            "not_acceptable",
            format!("the answer comes as {}; accept one of them", offered.join(" or ")),
        )
    })
}

/// A media range and its weight in thousandths.
fn element(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| range.contains('/'))?;
    let mut weight = 1000;
    for parameter in parts {
        let (name, value) = parameter.split_once('=')?;
        match name.trim() {
            "q" | "Q" => weight = thousandths(value.trim())?,
            // Neither of our forms has parameters; a client that asks for a variant asks for another form.
            _ => return None,
        }
    }
    Some((range, weight))
}

/// `0`, `0.5`, `1.000`: at most three decimals, at most one.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let decimals = format!("{decimals:0<3}").parse::<u16>().ok()?;
    match whole {
        "0" => Some(decimals),
        "1" if decimals == 0 => Some(1000),
        _ => None,
    }
}

fn fit(range: &str, form: &str) -> Option<Fit> {
    let kind = form.split('/').next().unwrap_or_default();
    match range.split_once('/')? {
        ("*", "*") => Some(Fit::Anything),
        (ours, "*") if ours.eq_ignore_ascii_case(kind) => Some(Fit::AnySubtype),
        _ if range.eq_ignore_ascii_case(form) => Some(Fit::Exactly),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
