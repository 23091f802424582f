//! Which locations a table may use: under a root of its warehouse, and everything its metadata names under the
//! table's own location. Compares parsed segments, never text.

use polder_store::WarehouseRow;
use polder_types::{Error, Location, Result, Subject};

use crate::metadata::{TableDoc, view::ViewDoc};

/// The directory of a table's metadata files, below its location.
pub(crate) const METADATA_DIRECTORY: &str = "metadata";
/// The directory of a table's data files, below its location.
pub(crate) const DATA_DIRECTORY: &str = "data";
/// How the names of metadata documents end, compressed ones too (`.gz.metadata.json`).
// SECURITY: what a pointer names has such a name, and keys and signatures write everything but what has: whoever writes a
// table's files never writes the document that everybody is served (R4, R12).
pub(crate) const DOCUMENT_END: &str = ".metadata.json";

fn refused(what: &str, why: &str) -> Error {
    Error::invalid("location_not_allowed", format!("the {what} is not allowed: {why}")).about(Subject::Table)
}

/// Finds the root of the warehouse that holds a location.
pub(crate) fn root_of<'a>(warehouse: &'a WarehouseRow, location: &Location) -> Option<&'a Location> {
    [&warehouse.root].into_iter().chain(&warehouse.allowed_locations).find(|root| location.is_within(root))
}

/// Checks the location of a table: strictly below a root of its warehouse.
///
/// # Errors
/// `Invalid` otherwise; a root itself is refused too, since it would swallow every other table (R10).
// SECURITY: before anything is written, read or answered for the table (R1, A-004).
pub(crate) fn check_table_location<'a>(warehouse: &'a WarehouseRow, location: &Location) -> Result<&'a Location> {
    match root_of(warehouse, location) {
        Some(root) if location != root => Ok(root),
        Some(_) => Err(refused("location", "it is a root of the warehouse; use a directory below it")),
        None => Err(refused("location", "it is not below a root of the warehouse")),
    }
}

/// Checks the location that a namespace's property names. A further place that the warehouse may use can be one namespace's;
/// its own root is everybody's. Whether another namespace has it, the store says.
///
/// # Errors
/// `Invalid` if it is not below a root of the warehouse.
pub(crate) fn check_home(warehouse: &WarehouseRow, text: &str) -> Result<()> {
    let home = Location::parse(text)?;
    match root_of(warehouse, &home) {
        Some(_) if home != warehouse.root => Ok(()),
        Some(_) => {
            Err(refused("location", "it is the root of the warehouse, where all namespaces lie; use a directory below"))
        }
        None => Err(refused("location", "it is not below a root of the warehouse")),
    }
}

/// True if a file has a name that only the catalog writes; see [`DOCUMENT_END`].
pub(crate) fn is_document(file: &Location) -> bool {
    file.segments().last().is_some_and(|name| name.ends_with(DOCUMENT_END))
}

/// Checks every location that a document names against the location that the catalog has registered.
///
/// # Errors
/// `Unsupported` if the document moves the table; `Invalid` if anything lies outside the table's own location.
// SECURITY: every location at every commit, whatever was changed (R4, R9, R10): a manifest list or data path in
// a neighbour's directory would read, or overwrite, what the neighbour's policies protect.
pub(crate) fn check_document(doc: &TableDoc, registered: &Location) -> Result<()> {
    let prefix = format!("{registered}/");
    for named in doc.locations() {
        if named.member != "location" && Location::is_plainly_below(&named.text, &prefix) {
            continue;
        }
        let place = Location::parse(&named.text).map_err(|error| {
            refused(&format!("location in `{}`", named.member), "it is not a valid location").with_source(error)
        })?;
        if named.member == "location" {
            if &place != registered {
                return Err(moved(&place, registered));
            }
        } else if !place.is_within(registered) || &place == registered {
            return Err(refused(
                &format!("location in `{}`", named.member),
                "it is not below the table's own location",
            ));
        }
    }
    Ok(())
}

/// Checks every location that a view's document names, and finds its own with the root that holds it. A view has no
/// data, so it may move.
///
/// # Errors
/// `Invalid` unless the view lies below a root of the warehouse, and everything else below the view.
// SECURITY: at every change, whatever was changed (R4, R10).
pub(crate) fn check_view_document<'a>(warehouse: &'a WarehouseRow, doc: &ViewDoc) -> Result<(&'a Location, Location)> {
    let about = |error: Error| error.about(Subject::View);
    let own = doc.location().map_err(about)?;
    let root = check_table_location(warehouse, &own).map_err(about)?;
    for named in doc.locations().into_iter().filter(|named| named.member != "location") {
        let what = format!("location in `{}`", named.member);
        let place = Location::parse(&named.text)
            .map_err(|error| about(refused(&what, "it is not a valid location").with_source(error)))?;
        if !place.is_within(&own) || place == own {
            return Err(about(refused(&what, "it is not below the view's own location")));
        }
    }
    Ok((root, own))
}

fn moved(place: &Location, registered: &Location) -> Error {
    if place.overlaps(registered) {
        return refused("location", "it is not the table's own");
    }
    Error::unsupported("unsupported_move", "a table's location cannot be changed; create a table there instead")
        .about(Subject::Table)
}

#[cfg(test)]
mod tests;
