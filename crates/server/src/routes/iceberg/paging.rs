//! Pages of the Iceberg door. A client that sends neither parameter does not page and gets everything.

use polder_store::PageRequest;
use polder_types::{Error, Result};

/// Rows of a page whose size the client leaves to us.
const ROWS_DEFAULT: u32 = 1_000;

/// Reads `pageToken` (empty: the first page) and `pageSize`.
///
/// # Errors
/// `Invalid` for a size below 1.
pub(super) fn page(token: Option<String>, size: Option<&str>) -> Result<PageRequest> {
    let size = match size {
        Some(text) => Some(
            text.parse::<u32>()
                .ok()
                .filter(|size| *size > 0)
                .ok_or_else(|| Error::invalid("invalid_page_size", "`pageSize` is a whole number above 0"))?,
        ),
        None => None,
    };
    let rows = size.or_else(|| token.is_some().then_some(ROWS_DEFAULT));
    Ok(PageRequest { token: token.filter(|token| !token.is_empty()), rows })
}

#[cfg(test)]
mod tests;
