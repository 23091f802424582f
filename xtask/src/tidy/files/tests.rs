//! Each rule about a file finds its bad example and leaves the good one alone.

use super::check;
use crate::tidy::tests::file;

fn messages(path: &str, text: &str) -> Vec<String> {
    check(&[file(path, text)]).into_iter().map(|f| format!("{}: {}", f.line, f.message)).collect()
}

fn assert_one(path: &str, text: &str, part: &str) {
    let found = messages(path, text);
    assert!(found.len() == 1 && found[0].contains(part), "{path}: {found:?}");
}

#[test]
fn a_source_file_opens_with_its_purpose() {
    assert_one("crates/types/src/a.rs", "use b;\n", "does not open");
    assert!(messages("crates/types/src/a/tests.rs", "use b;\n").is_empty());
    assert!(messages("crates/types/src/a.rs", "//! A.\n").is_empty());
}

#[test]
fn long_files_are_refused() {
    assert_one("crates/types/src/a.rs", &format!("//! A.\n{}", "\n".repeat(600)), "601 lines");
    assert!(messages("crates/types/src/a.rs", &format!("//! A.\n{}", "\n".repeat(599))).is_empty());
}

#[test]
fn empty_names_are_refused_for_files_and_folders() {
    assert_one("crates/types/src/utils.rs", "//! A.\n", "says nothing");
    assert_one("crates/server/src/common/a.rs", "//! A.\n", "says nothing");
}

#[test]
fn unfinished_work_is_refused_in_code_but_may_be_spoken_of() {
    for bad in [concat!("to", "do!()"), concat!("unimple", "mented!()"), concat!("#[ig", "nore = \"slow\"]\nfn t() {}")]
    {
        assert_one("crates/types/src/a.rs", &format!("//! A.\nfn f() {{}}\n{bad}\n"), "unfinished");
    }
    assert_one("crates/types/src/a.rs", concat!("//! A.\n// FIX", "ME later\n"), "unfinished");
    assert_one("conformance/a.py", concat!("# XX", "X\n"), "unfinished");
    assert!(messages("crates/types/src/a.rs", concat!("//! Refuses to", "do!() in code.\n")).is_empty());
}

#[test]
fn getters_are_named_after_what_they_return() {
    let path = "crates/types/src/a.rs";
    assert_one(path, "//! A.\nimpl A {\n    fn get_name(&self) {}\n}\n", "get_name");
    assert_one(path, "//! A.\nimpl B for A {\n}\nfn get_name<T>() {}\n", "get_name");
    assert!(messages(path, "//! A.\nimpl Foreign for A {\n    fn get_name(&self) {}\n}\n").is_empty());
    assert!(messages(path, "//! A.\nimpl<T> Foreign<T>\n    for A\n{\n    fn get_name(&self) {}\n}\n").is_empty());
    assert!(messages(path, "//! A.\nasync fn get_config() {}\n").is_empty());
}

#[test]
fn package_registries_are_named_nowhere_but_in_lock_files() {
    let text = concat!("index = \"https://pypi", ".org/simple\"\n");
    assert_one("conformance/a.cfg", text, "package registry");
    assert!(messages("Cargo.lock", text).is_empty());
}

#[test]
fn decisions_are_numbered() {
    assert_one("docs/decisions/stack.md", "", "NNNN");
    assert_one("docs/decisions/12-stack.md", "", "NNNN");
    assert!(messages("docs/decisions/0012-own-table-document.md", "").is_empty());
}
