//! Lines of the table in `docs/performance.md`. What people wrote around the marked block stays.

use std::{fmt, path::Path};

use crate::{Result, machine};

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";
const HEAD: &str = "| row | measured | target | | details | at |\n|---|---|---|---|---|---|";

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// What was measured.
    pub(crate) what: String,
    /// The ratio or figure.
    pub(crate) measured: String,
    /// What it should be; empty for a figure that is only stated.
    pub(crate) target: &'static str,
    /// Whether it is; `None` if there is no target.
    pub(crate) hit: Option<bool>,
    /// Absolute figures behind it.
    pub(crate) details: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hit = match self.hit {
            None => "",
            Some(true) => "hit",
            Some(false) => "**miss**",
        };
        write!(f, "| {} | {} | {} | {hit} | {} |", self.what, self.measured, self.target, self.details)
    }
}

/// Replaces the lines of the same names in the page's block, or adds them; makes the block if there is none.
pub(crate) fn write(page: &Path, facts: &str, lines: &[Line]) -> Result<()> {
    let text = std::fs::read_to_string(page).unwrap_or_default();
    let (before, rest) = text.split_once(BEGIN).unwrap_or((&text, ""));
    let (block, after) = rest.split_once(END).unwrap_or(("", ""));
    let mut rows: Vec<String> =
        block.lines().filter(|line| line.starts_with("| ")).skip(1).map(str::to_owned).collect();
    for line in lines {
        let begin = format!("| {} |", line.what);
        let new = format!("{line} {} |", machine::revision());
        match rows.iter_mut().find(|row| row.starts_with(&begin)) {
            Some(row) => *row = new,
            None => rows.push(new),
        }
    }
    let block = format!("{BEGIN}\nMachine of the last row written: {facts}.\n\n{HEAD}\n{}\n{END}", rows.join("\n"));
    std::fs::write(page, [before, &block, after].concat())?;
    Ok(())
}
