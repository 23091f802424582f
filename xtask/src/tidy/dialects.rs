//! SQL that exists twice, once a database (`sql! { sqlite: …, postgres: … }`), is counted: each is a place where the two can
//! drift apart, so their number only grows on purpose.

use super::Finding;
use crate::repo::File;
use crate::source::{line_of, views};

const STORE: &str = "crates/store/src/";
/// How many there are: locks of rows, rows that others hold, arrays of names, and JSON made in SQL. One fewer is always welcome.
const DIFFERING_MAX: usize = 15;
const FORM: &str = "sql! {";

/// Counts the statements with two texts.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files.iter().filter(|f| f.path.starts_with(STORE) && f.is_rust() && !f.is_test()) {
        let code = views(&file.text).code;
        found.extend(code.match_indices(FORM).map(|(at, _)| (file, line_of(&code, at))));
    }
    let count = found.len();
    let surplus = found.split_off(count.min(DIFFERING_MAX));
    let message = format!(
        "{count} statements have a text for each database, {DIFFERING_MAX} are known: make one text do, or raise the number \
         in xtask/src/tidy/dialects.rs"
    );
    surplus.into_iter().map(|(file, line)| Finding::new(file, line, message.clone())).collect()
}
