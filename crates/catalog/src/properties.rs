//! Properties that clients may not choose: how files are reached, which classes are loaded, who somebody is.

use polder_types::{Error, Principal, Result, Subject};

/// The property that names a table's or view's owner.
const OWNER: &str = "owner";

/// Beginnings of names that tell an engine how and with which credentials to reach files or catalogs.
const REFUSED_PREFIXES: [&str; 18] = [
    "adls.",
    "azure.",
    "client.",
    "dynamodb.",
    "fs.",
    "gcs.",
    "glue.",
    "gs.",
    "hadoop.",
    "header.",
    "hf.",
    "hive.",
    "oauth2",
    "oss.",
    "rest.",
    "s3.",
    "s3tables.",
    "webhdfs.",
];

/// Names, and ends of names, with the same meaning or that name a class to load.
const REFUSED_ENDINGS: [&str; 12] = [
    "io-impl",
    "-impl",
    ".impl",
    "endpoint",
    "access-key-id",
    "secret-access-key",
    "session-token",
    "credential",
    "run-as-owner",
    "run_as_owner",
    "run-as",
    "run_as",
];

/// Whole names that clients take for catalog or FileIO settings.
const REFUSED_NAMES: [&str; 4] = ["uri", "token", "warehouse", "prefix"];

/// True for a property that only the catalog may set.
// SECURITY: a table's properties reach other people's engines, which would load the named class or send their
// requests and credentials to the named endpoint (R12), or act as the named user (R36).
fn is_refused(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    REFUSED_NAMES.contains(&name.as_str())
        || REFUSED_PREFIXES.iter().any(|start| name.starts_with(start))
        || REFUSED_ENDINGS.iter().any(|end| name.ends_with(end))
}

/// Checks what a client sets on a table or view, and puts the caller's own name where a property names the owner.
///
/// # Errors
/// `Invalid` naming the first property that is refused.
pub(crate) fn govern<'a>(
    properties: impl IntoIterator<Item = (&'a String, &'a mut String)>,
    principal: &Principal,
) -> Result<()> {
    for (name, text) in properties {
        if is_refused(name) {
            return Err(not_allowed(name));
        }
        if name.eq_ignore_ascii_case(OWNER) {
            principal.name.as_ref().clone_into(text);
        }
    }
    Ok(())
}

/// Checks the properties of a namespace, or of a table's document that is kept as it is. An `owner` may say anything here: of
/// a namespace, nothing decides by it; of a table's document, [`check_owner`] says who may bring it.
///
/// # Errors
/// As [`govern`].
pub(crate) fn check<'a>(properties: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<()> {
    match properties.into_iter().find(|(name, _)| is_refused(name)) {
        Some((name, _)) => Err(not_allowed(name)),
        None => Ok(()),
    }
}

/// Checks the `owner` of a table's document that is new to the catalog: nothing in it may be what the caller could not set.
///
/// # Errors
/// `Invalid` if it names somebody else (R36).
pub(crate) fn check_owner<'a>(
    properties: impl IntoIterator<Item = (&'a str, &'a str)>,
    principal: &Principal,
) -> Result<()> {
    let other = |(name, text): &(&str, &str)| name.eq_ignore_ascii_case(OWNER) && *text != principal.name.as_ref();
    match properties.into_iter().find(other) {
        None => Ok(()),
        Some((name, _)) => Err(names_other(name)),
    }
}

fn names_other(name: &str) -> Error {
    Error::invalid(
        "property_not_allowed",
        format!(
            "the property `{name}` names somebody else than you; take it out of the document, or let a policy editor \
             register it"
        ),
    )
}

fn not_allowed(name: &str) -> Error {
    Error::invalid(
        "property_not_allowed",
        format!("the property `{name}` is not allowed: only the catalog says how files are reached and by whom"),
    )
}

/// Ends of names that say as whom an engine runs a view.
const IDENTITY_ENDINGS: [&str; 4] = ["run-as-owner", "run_as_owner", "run-as", "run_as"];

/// True for a property that makes an engine run a view with the rights of the one it names.
fn names_identity(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    IDENTITY_ENDINGS.iter().any(|end| name.ends_with(end))
}

/// As [`govern`], for a view: Trino asks for `trino.run-as-owner` wherever it makes one, so the caller's own name is let
/// through. Nobody is handed the rights of anybody else (R36).
///
/// # Errors
/// As [`govern`].
pub(crate) fn govern_view<'a>(
    properties: impl IntoIterator<Item = (&'a String, &'a mut String)>,
    principal: &Principal,
) -> Result<()> {
    let own = |name: &String, text: &String| names_identity(name) && text.as_str() == principal.name.as_ref();
    govern(properties.into_iter().filter(|(name, text)| !own(name, text)), principal)
}

/// Checks the properties of a view's document as it would be stored, whoever wrote them first.
///
/// # Errors
/// `Forbidden` if the view runs as somebody else: who could change what it says would act with that one's rights (R36).
pub(crate) fn check_view_identity<'a>(
    properties: impl IntoIterator<Item = (&'a str, &'a str)>,
    principal: &Principal,
) -> Result<()> {
    let other = |(name, text): &(&str, &str)| names_identity(name) && *text != principal.name.as_ref();
    match properties.into_iter().find(other) {
        None => Ok(()),
        Some((name, _)) => Err(Error::forbidden(
            Subject::View,
            format!(
                "the view runs with the rights of somebody else (`{name}`), who alone may change it; \
                 remove the property in the same commit"
            ),
        )),
    }
}

/// Checks the properties of a document that somebody else wrote: nothing in it may be what the caller could not set.
///
/// # Errors
/// `Invalid` naming the first property that is refused.
pub(crate) fn check_written<'a>(
    properties: impl IntoIterator<Item = (&'a str, &'a str)>,
    principal: &Principal,
) -> Result<()> {
    for (name, text) in properties {
        let (name, mut governed) = (name.to_owned(), text.to_owned());
        govern_view([(&name, &mut governed)], principal)?;
        if governed != text {
            return Err(Error::invalid(
                "property_not_allowed",
                format!("the property `{name}` names somebody else than you"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
