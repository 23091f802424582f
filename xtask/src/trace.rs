//! Which test names which requirement. Owns the two lists below `docs/`: `requirements.txt`, what is required, and
//! `requirements-open.txt`, the IDs that no test names yet, which only shrinks.
//!
//! An ID counts where a reader would look for it: in comments of Rust tests (`tests.rs`, anything below a `tests` folder),
//! in comments of `xtask`, and anywhere in the conformance suite and in `.ci`. Ranges (`first … last`) name all between.

mod ids;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use ids::{Id, defined, named};

use crate::repo::{self, File};
use crate::source::views;

const LIST: &str = "docs/requirements.txt";
const OPEN: &str = "docs/requirements-open.txt";
/// Where the requirements are written down, when the checkout has them beside it.
const SOURCES: &[&str] = &["../shared/requirements.md", "../shared/threats.md"];
const LIST_HEADER: &str = "# Every requirement, one a line. Made by `cargo xtask trace --update`.\n";
const OPEN_HEADER: &str = "# Requirements that no test names yet. The list only shrinks: `cargo xtask trace --update` takes out what has a test now.\n";

/// Prints each requirement with its tests and everything wrong with the lists; true when nothing is.
///
/// # Errors
/// Files that cannot be read or written, an unknown argument.
pub(crate) fn command(args: &[String]) -> Result<bool, String> {
    let update = match args {
        [] => false,
        [flag] if flag == "--update" => true,
        _ => return Err("usage: cargo xtask trace [--update]".to_owned()),
    };
    let files = repo::files()?;
    let known = known_ids(&files, update)?;
    let places = places(&files, &known.ids);
    let before = committed(OPEN).map(|text| listed(&text));
    let mut open = files.iter().find(|f| f.path == OPEN).map(|f| listed(&f.text));
    if update {
        open = Some(write_open(&known.ids, &places, before.as_ref(), open)?);
    }
    let open = open.unwrap_or_default();
    for id in &known.ids {
        match places.by_id.get(id) {
            Some(tests) => println!("{id}: {}", tests.iter().cloned().collect::<Vec<_>>().join(", ")),
            None if open.contains(id) => println!("{id}: open"),
            None => println!("{id}: MISSING"),
        }
    }
    let mut problems = known.problems;
    problems.extend(judge(&known.ids, &places, &open, before.as_ref()));
    for problem in &problems {
        println!("trace: {problem}");
    }
    let traced = known.ids.iter().filter(|id| places.by_id.contains_key(id)).count();
    println!(
        "trace: {traced} of {} requirements named by a test, {} open, {} problems",
        known.ids.len(),
        open.len(),
        problems.len()
    );
    Ok(problems.is_empty())
}

struct Known {
    ids: BTreeSet<Id>,
    problems: Vec<String>,
}

/// Reads the IDs from where they are written down, else from the list; the two must agree when both are there.
fn known_ids(files: &[File], update: bool) -> Result<Known, String> {
    let checked_in = files.iter().find(|f| f.path == LIST).map(|f| f.text.as_str());
    let sources: Vec<String> =
        SOURCES.iter().filter_map(|path| fs::read_to_string(repo::root().join(path)).ok()).collect();
    if sources.len() < SOURCES.len() {
        let list = checked_in.ok_or_else(|| format!("neither {} nor {LIST} is there", SOURCES.join(", ")))?;
        return Ok(Known { ids: listed(list), problems: Vec::new() });
    }
    let texts: BTreeMap<Id, String> = sources.iter().flat_map(|text| defined(text)).collect();
    let lines: Vec<String> = texts.iter().map(|(id, text)| format!("{id} {text}")).collect();
    let list = list_file(LIST_HEADER, &lines);
    let mut problems = Vec::new();
    if update {
        write_file(LIST, &list)?;
    } else if checked_in != Some(list.as_str()) {
        problems.push(format!("{LIST} is out of step with {}: run `cargo xtask trace --update`", SOURCES.join(", ")));
    }
    Ok(Known { ids: texts.into_keys().collect(), problems })
}

#[derive(Debug, Default)]
struct Places {
    /// The tests, scripts and checks that name each ID.
    by_id: BTreeMap<Id, BTreeSet<String>>,
    /// IDs of the catalog's and the gateway's families that no requirement has, with where they stand.
    unknown: BTreeSet<(Id, String)>,
}

fn places(files: &[File], known: &BTreeSet<Id>) -> Places {
    let mut places = Places::default();
    for file in files {
        let Some(text) = text_that_counts(file) else { continue };
        for (id, line) in named(&text, known) {
            let place = place(file, &text, line);
            if known.contains(&id) {
                places.by_id.entry(id).or_default().insert(place);
            } else if id.is_unmistakable() {
                places.unknown.insert((id, place));
            }
        }
    }
    places
}

fn text_that_counts(file: &File) -> Option<String> {
    let below = |folder: &str| file.path.starts_with(folder);
    if file.is_rust() && (below("xtask/") || (below("crates/") && file.is_test())) {
        return Some(views(&file.text).comments);
    }
    (below("conformance/") || below(".ci/")).then(|| file.text.clone())
}

/// Names the test at a line: the function that the comment stands above or in, else the file.
fn place(file: &File, text: &str, line: usize) -> String {
    let lines: Vec<&str> = file.text.lines().collect();
    let comment = text.lines().nth(line - 1).unwrap_or_default().trim_start();
    let function = |l: &&str| {
        let (before, after) = l.split_once("fn ").or_else(|| l.split_once("def "))?;
        let code = !before.contains("//") && !before.contains('"') && !before.contains('#');
        let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        (code && !name.is_empty()).then_some(name)
    };
    let name = if comment.starts_with("//!") {
        None
    } else if comment.starts_with("///") {
        lines.iter().skip(line).find_map(function)
    } else {
        lines.iter().take(line).rev().find_map(function)
    };
    name.map_or_else(|| file.path.clone(), |name| format!("{}::{name}", file.path))
}

/// Returns everything that is wrong.
fn judge(known: &BTreeSet<Id>, places: &Places, open: &BTreeSet<Id>, before: Option<&BTreeSet<Id>>) -> Vec<String> {
    let mut problems = Vec::new();
    for id in known.iter().filter(|id| !places.by_id.contains_key(id) && !open.contains(id)) {
        problems.push(format!("{id} is named by no test"));
    }
    for id in open {
        if !known.contains(id) {
            problems.push(format!("{id} in {OPEN} is no requirement"));
        } else if let Some(test) = places.by_id.get(id).and_then(|tests| tests.first()) {
            problems.push(format!(
                "{id} has a test now ({test}): run `cargo xtask trace --update` to take it out of {OPEN}"
            ));
        }
        if before.is_some_and(|before| !before.contains(id)) {
            problems.push(format!("{id} was added to {OPEN}: the list only shrinks"));
        }
    }
    for (id, place) in &places.unknown {
        problems.push(format!("{place} names {id}, which is no requirement"));
    }
    problems
}

/// Takes what has a test out of the open list. Only the first list, before any is committed, takes in what has none.
fn write_open(
    known: &BTreeSet<Id>,
    places: &Places,
    before: Option<&BTreeSet<Id>>,
    open: Option<BTreeSet<Id>>,
) -> Result<BTreeSet<Id>, String> {
    let base = if before.is_some() { open.unwrap_or_default() } else { known.clone() };
    let open: BTreeSet<Id> =
        base.into_iter().filter(|id| known.contains(id) && !places.by_id.contains_key(id)).collect();
    let lines: Vec<String> = open.iter().map(ToString::to_string).collect();
    write_file(OPEN, &list_file(OPEN_HEADER, &lines))?;
    Ok(open)
}

fn list_file(header: &str, lines: &[String]) -> String {
    format!("{header}{}\n", lines.join("\n"))
}

fn write_file(path: &str, text: &str) -> Result<(), String> {
    fs::write(repo::root().join(path), text).map_err(|e| format!("cannot write `{path}`: {e}"))
}

/// Returns the IDs of a list file: the first word of each line that is no comment.
fn listed(text: &str) -> BTreeSet<Id> {
    text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

/// Returns the committed text of a file, if there is a commit that holds it.
fn committed(path: &str) -> Option<String> {
    let output =
        Command::new("git").arg("-C").arg(repo::root()).args(["show", &format!("HEAD:{path}")]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests;
