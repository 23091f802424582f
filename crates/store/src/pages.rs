//! Keyset pages and their sealed tokens. A token is bound to tenant, caller, list and parent: changed or foreign, it is
//! refused. What its caller may see is no part of it: that is asked for every page anew, so a right that came or
//! went changes the next page, and a table that somebody dropped meanwhile ends nobody's list (F6).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use polder_policy::{Action, ListPermit, Permit, Visible};
use polder_types::{Error, Result};

use crate::{Store, db};

/// Most rows of a page that has a limit.
pub const PAGE_ROWS_MAX: u32 = 1_000;
/// Most bytes of a page token: the longest name, sealed and encoded, is far below.
const TOKEN_BYTES_MAX: usize = 2_048;

/// Which page is wanted.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// The token that the page before ended with; `None` or empty: the first page.
    pub token: Option<String>,
    /// Most rows (clamped to 1..=[`PAGE_ROWS_MAX`]); `None`: all that are left, in one page.
    pub rows: Option<u32>,
}

/// One page.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows, in order.
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

/// Where a page begins and how long it is.
pub(crate) struct Cursor {
    context: Vec<u8>,
    rows: Option<usize>,
    /// The key that the page before ended with; `None` on the first page.
    pub(crate) after: Option<String>,
    /// One row more than wanted, to see whether there is a next page.
    pub(crate) limit: i64,
}

/// What a list shows a principal, in the form that statements bind.
pub(crate) struct Shown {
    /// True if `ids` are all that is shown, false if they are left out.
    pub(crate) only: bool,
    /// Ids as a JSON array of hex texts.
    pub(crate) ids: String,
    /// Names left out, as a JSON array.
    pub(crate) names: String,
}

impl Shown {
    pub(crate) fn new<T: Ord + Copy>(
        ids: &Visible<T>,
        hex: impl Fn(T) -> uuid::Uuid,
        names: &std::collections::BTreeSet<String>,
    ) -> Result<Self> {
        let (only, ids) = match ids {
            Visible::Only(ids) => (true, ids),
            Visible::Except(ids) => (false, ids),
        };
        let ids: Vec<String> = ids.iter().map(|id| hex(*id).simple().to_string()).collect();
        Ok(Self { only, ids: db::json(&ids)?, names: db::json(names)? })
    }
}

impl Store {
    /// Opens a page of a list of the whole tenant.
    pub(crate) fn cursor<A: Action>(&self, permit: &Permit<A>, list: &str, page: &PageRequest) -> Result<Cursor> {
        self.open_page(permit, &[list.as_bytes()], page)
    }

    /// Opens a page of a list of a container's children.
    // SECURITY: the caller binds the permit's own visibility to the statement of each page. A token holds the last name
    // that its holder was shown and no more, so an old one shows nothing that a first page would not show now.
    pub(crate) fn cursor_within<A: Action>(
        &self,
        permit: &ListPermit<A>,
        list: &str,
        parent: uuid::Uuid,
        page: &PageRequest,
    ) -> Result<Cursor> {
        self.open_page(permit.permit(), &[list.as_bytes(), parent.as_bytes()], page)
    }

    fn open_page<A: Action>(&self, permit: &Permit<A>, parts: &[&[u8]], page: &PageRequest) -> Result<Cursor> {
        // SECURITY: what a token is good for is authenticated with it; a hash keeps the context short.
        let mut hasher = blake3::Hasher::new();
        let caller = permit.caller().to_bytes();
        let who: [&[u8]; 2] = [permit.tenant().as_str().as_bytes(), &caller];
        for part in who.iter().chain(parts) {
            hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part);
        }
        let context = hasher.finalize().as_bytes().to_vec();
        let token = page.token.as_deref().filter(|token| !token.is_empty());
        let after = token.map(|token| self.open_token(&context, token)).transpose()?;
        let rows = page.rows.map(|rows| rows.clamp(1, PAGE_ROWS_MAX));
        let limit = rows.map_or(i64::MAX, |rows| i64::from(rows) + 1);
        Ok(Cursor { context, rows: rows.and_then(|rows| usize::try_from(rows).ok()), after, limit })
    }

    fn open_token(&self, context: &[u8], token: &str) -> Result<String> {
        let open = || {
            let sealed = URL_SAFE_NO_PAD.decode(token).ok().filter(|_| token.len() <= TOKEN_BYTES_MAX)?;
            let plain = self.keys().pages.open(context, &sealed)?;
            String::from_utf8(plain.to_vec()).ok()
        };
        open().ok_or_else(|| {
            Error::invalid(
                "invalid_page_token",
                "the page token does not belong to this list; start from its first page",
            )
        })
    }

    /// Cuts the surplus row off and seals the token of the next page.
    pub(crate) fn page<T>(&self, cursor: &Cursor, mut items: Vec<T>, key: impl Fn(&T) -> String) -> Result<Page<T>> {
        let Some(rows) = cursor.rows.filter(|rows| items.len() > *rows) else {
            return Ok(Page { items, next: None });
        };
        items.truncate(rows);
        let last = items.last().map(key).unwrap_or_default();
        let sealed = self.keys().pages.seal(&cursor.context, last.as_bytes())?;
        Ok(Page { items, next: Some(URL_SAFE_NO_PAD.encode(sealed)) })
    }
}
