//! Overlap of locations as index ranges: the places around one are an equality list, the places below one lie
//! between `p/` and `p0` (`0` follows `/`), so a sibling `p-1` or `p1` is never met (R7).

use polder_types::Location;

/// The location itself and everything around it, as text.
pub(crate) fn ancestors(location: &Location) -> Vec<String> {
    let mut around = vec![location.to_string()];
    let mut current = location.parent();
    while let Some(location) = current {
        around.push(location.to_string());
        current = location.parent();
    }
    around
}

/// The half-open range of everything below the location.
pub(crate) fn below(location: &Location) -> (String, String) {
    (format!("{location}/"), format!("{location}0"))
}
