//! How a file looks from outside: its name, its length, its opening line, words that mean unfinished work, hosts of package
//! registries. Function length is clippy's to watch (`too-many-lines-threshold`).

use super::Finding;
use crate::repo::File;
use crate::source::{Views, line_of, views, word_positions};

/// Lines in one source file.
const LINES_MAX: usize = 600;
/// File names that say nothing.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc"];
/// Macros and words of unfinished work, put together from halves so that this file passes its own check.
const UNFINISHED: &[&str] = &[concat!("to", "do!"), concat!("unimple", "mented!"), concat!("#[ig", "nore")];
const MARKERS: &[&str] = &[concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
/// Package registries and their mirrors: a machine's setting, never the repository's.
const REGISTRY_HOSTS: &[&str] = &[
    concat!("crates", ".io/"),
    concat!("static.crates", ".io"),
    concat!("index.crates", ".io"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("registry.npm", "js.org"),
    concat!("proxy.go", "lang.org"),
    concat!("repo1.mav", "en.org"),
    concat!("repo.mav", "en.apache.org"),
    concat!("deb.deb", "ian.org"),
];
/// Lock files carry what the package manager writes into them.
const LOCK_FILES: &[&str] = &["Cargo.lock", "package-lock.json"];
/// Operations whose name in the Iceberg specification begins with `get`: handlers are named after the specification.
const SPEC_GETTERS: &[&str] = &["get_config", "get_token"];
const TEXT_ENDINGS: &[&str] = &[".rs", ".py", ".ts", ".svelte", ".toml", ".sql", "justfile", "run"];

/// Checks every file.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().flat_map(one).collect()
}

fn one(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    names(file, &mut findings);
    hosts(file, &mut findings);
    if TEXT_ENDINGS.iter().any(|ending| file.path.ends_with(ending)) {
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            findings.push(Finding::new(
                file,
                0,
                format!("has {lines} lines; the limit is {LINES_MAX}: split it by noun"),
            ));
        }
        for marker in MARKERS {
            for at in word_positions(&file.text, marker) {
                findings.push(Finding::new(
                    file,
                    line_of(&file.text, at),
                    format!("`{marker}` marks unfinished work: finish it or file it"),
                ));
            }
        }
    }
    if file.is_rust() {
        rust(file, &mut findings);
    }
    findings
}

fn names(file: &File, findings: &mut Vec<Finding>) {
    for segment in file.path.split('/') {
        let stem = segment.split('.').next().unwrap_or(segment);
        if EMPTY_NAMES.contains(&stem) {
            findings.push(Finding::new(file, 0, format!("`{segment}` says nothing: name the noun it owns")));
        }
    }
    if let Some(name) = file.path.strip_prefix("docs/decisions/")
        && !is_decision_name(name)
    {
        findings.push(Finding::new(file, 0, "decisions are named `NNNN-short-title.md`"));
    }
}

fn is_decision_name(name: &str) -> bool {
    let numbered = name.as_bytes().get(..4).is_some_and(|n| n.iter().all(u8::is_ascii_digit));
    let title = name.get(4..).and_then(|rest| rest.strip_prefix('-')).and_then(|rest| rest.strip_suffix(".md"));
    numbered
        && title.is_some_and(|t| {
            !t.is_empty() && t.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        })
}

fn hosts(file: &File, findings: &mut Vec<Finding>) {
    if LOCK_FILES.contains(&file.name()) {
        return;
    }
    for host in REGISTRY_HOSTS {
        for (at, _) in file.text.match_indices(host) {
            findings.push(Finding::new(
                file,
                line_of(&file.text, at),
                "names the host of a package registry: that is the machine's setting",
            ));
        }
    }
}

fn rust(file: &File, findings: &mut Vec<Finding>) {
    let ours = file.path.starts_with("crates/") || file.path.starts_with("xtask/");
    if ours && file.name() != "tests.rs" && !file.text.starts_with("//!") {
        findings.push(Finding::new(file, 1, "does not open with `//!`: say what it owns and what it refuses"));
    }
    let views = views(&file.text);
    for word in UNFINISHED {
        for (at, _) in views.code.match_indices(word) {
            findings.push(Finding::new(file, line_of(&views.code, at), format!("`{word}` is unfinished work")));
        }
    }
    getters(file, &views, findings);
}

/// Functions named `get_…`; those that another crate's trait demands are not ours to name.
fn getters(file: &File, views: &Views, findings: &mut Vec<Finding>) {
    let mut header: Option<String> = None;
    for (index, line) in views.code.lines().enumerate() {
        if line.starts_with("impl") {
            header = Some(line.to_owned());
        } else if line.starts_with('}') {
            header = None;
        } else if let Some(text) = header.as_mut().filter(|text| !text.contains('{')) {
            text.push(' ');
            text.push_str(line);
        }
        let name = line.split_once("fn get_").map(|(_, rest)| rest.split(['(', '<']).next().unwrap_or(rest));
        let in_trait_impl = header.as_ref().is_some_and(|text| text.contains(" for "));
        if let Some(name) = name.filter(|_| !in_trait_impl)
            && !SPEC_GETTERS.contains(&format!("get_{name}").as_str())
        {
            findings.push(Finding::new(file, index + 1, format!("`get_{name}`: drop the `get_`")));
        }
    }
}

#[cfg(test)]
mod tests;
