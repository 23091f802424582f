//! What counts as naming a requirement, and when the lists are wrong.

use std::collections::BTreeSet;

use super::ids::Id;
use super::{Places, judge, listed, places};
use crate::repo::File;

fn ids(texts: &[&str]) -> BTreeSet<Id> {
    texts.iter().map(|t| t.parse().unwrap()).collect()
}

fn found(path: &str, text: &str) -> Vec<String> {
    let file = File { path: path.to_owned(), text: text.to_owned() };
    let known = ids(&["A-001", "A-002", "R22"]);
    places(&[file], &known)
        .by_id
        .into_iter()
        .flat_map(|(id, p)| p.into_iter().map(move |p| format!("{id} {p}")))
        .collect()
}

#[test]
fn a_doc_comment_names_the_test_below_it_and_an_inner_comment_the_test_around_it() {
    let text = "/// A-001: isolated.\n#[test]\nfn first() {}\n#[test]\nfn second() {\n    // R22\n}\nfn third() { /* A-002 */ }\n";
    let path = "crates/x/tests/it/main.rs";
    assert_eq!(
        found(path, text),
        [format!("A-001 {path}::first"), format!("A-002 {path}::third"), format!("R22 {path}::second")]
    );
}

#[test]
fn product_code_and_strings_do_not_count() {
    assert!(found("crates/x/src/lib.rs", "//! A-001\n").is_empty());
    assert!(found("crates/x/tests/it.rs", "const S: &str = \"A-001\";\n").is_empty());
    assert!(found("docs/a.md", "A-001").is_empty());
}

#[test]
fn scripts_and_docstrings_count_whole() {
    let path = "conformance/test_a.py";
    assert_eq!(found(path, "def test_one():\n    \"\"\"A-001: isolated.\"\"\"\n"), [format!("A-001 {path}::test_one")]);
    assert_eq!(found(".ci/run", "# R22\n"), ["R22 .ci/run"]);
}

fn problems(open: &[&str], before: Option<&[&str]>, tested: &str) -> Vec<String> {
    let known = ids(&["A-001", "A-002"]);
    let file = File { path: "crates/x/src/tests.rs".to_owned(), text: format!("/// {tested}\nfn t() {{}}\n") };
    judge(&known, &places(&[file], &known), &ids(open), before.map(ids).as_ref())
}

#[test]
fn a_requirement_without_a_test_must_be_open() {
    assert!(problems(&["A-002"], None, "A-001").is_empty());
    assert_eq!(problems(&[], None, "A-001").len(), 1);
}

#[test]
fn the_open_list_only_shrinks() {
    assert!(problems(&["A-002"], None, "A-001, A-002")[0].contains("has a test now"));
    assert!(problems(&["A-002"], Some(&["A-001"]), "A-001")[0].contains("only shrinks"));
    assert!(problems(&["A-002"], Some(&["A-001", "A-002"]), "A-001").is_empty());
}

#[test]
fn an_id_that_no_requirement_has_is_a_typing_error() {
    assert!(problems(&["A-002"], None, "A-001, A-019")[0].contains("is no requirement"));
    assert!(judge(&ids(&[]), &Places::default(), &ids(&["A-001"]), None)[0].contains("is no requirement"));
}

#[test]
fn list_files_have_comments() {
    assert_eq!(listed("# A-001\nA-002 # why\n\n"), ids(&["A-002"]));
}
