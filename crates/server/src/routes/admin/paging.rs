//! Pages of the administration lists: `page_size` and `page_token` in, the noun's plural and `next_page_token` out.

use axum::response::Response;
use http::StatusCode;
use polder_store::{PAGE_ROWS_MAX, Page, PageRequest};
use polder_types::{Error, Result};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use crate::{call::Call, render};

/// Rows of a page whose size the client leaves to us.
const ROWS_DEFAULT: u32 = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    page_size: Option<String>,
    page_token: Option<String>,
}

/// Reads the page that is wanted.
///
/// # Errors
/// `Invalid` for a size that is not 1 to 1000, and for any other parameter.
pub(super) fn page(call: &Call) -> Result<PageRequest> {
    let Query { page_size, page_token } = call.query()?;
    request(page_size.as_deref(), page_token)
}

/// As [`page`], of parameters that were read with others.
///
/// # Errors
/// As [`page`].
pub(super) fn request(size: Option<&str>, token: Option<String>) -> Result<PageRequest> {
    let rows = size.map_or(Ok(ROWS_DEFAULT), |text| {
        let size = text.parse::<u32>().ok().filter(|size| (1..=PAGE_ROWS_MAX).contains(size));
        size.ok_or_else(|| Error::invalid("invalid_page_size", format!("`page_size` is 1 to {PAGE_ROWS_MAX}")))
    })?;
    Ok(PageRequest { token, rows: Some(rows) })
}

/// Renders a page as `{"<noun>": […], "next_page_token": …}`.
///
/// # Errors
/// `Internal` if it cannot be serialised.
pub(super) fn render<T, V: Serialize>(noun: &'static str, page: Page<T>, view: impl Fn(T) -> V) -> Result<Response> {
    let items: Vec<V> = page.items.into_iter().map(view).collect();
    render::json(StatusCode::OK, &Listed { noun, items, next: page.next })
}

struct Listed<V> {
    noun: &'static str,
    items: Vec<V>,
    next: Option<String>,
}

impl<V: Serialize> Serialize for Listed<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(self.noun, &self.items)?;
        if let Some(next) = &self.next {
            map.serialize_entry("next_page_token", next)?;
        }
        map.end()
    }
}
