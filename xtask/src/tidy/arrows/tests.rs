//! Arrows that run backwards, and libraries in the wrong layer, are found.

use super::check;
use crate::tidy::tests::file;

fn messages(path: &str, text: &str) -> Vec<String> {
    check(&[file(path, text)]).into_iter().map(|f| format!("{}: {}", f.line, f.message)).collect()
}

#[test]
fn an_arrow_to_the_right_is_refused_with_its_line() {
    let found = messages(
        "crates/store/Cargo.toml",
        "[dependencies]\npolder-types.workspace = true\npolder-query.workspace = true\n",
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("3: `store` must not depend on `query`"), "{found:?}");
}

#[test]
fn a_crate_may_not_depend_on_itself_or_on_an_unknown_crate_of_ours() {
    assert_eq!(messages("crates/store/Cargo.toml", "[dev-dependencies]\npolder-store = {}\n").len(), 1);
    assert_eq!(messages("crates/store/Cargo.toml", "[dependencies]\npolder-extra = {}\n").len(), 1);
}

#[test]
fn the_test_kit_is_for_tests_only() {
    assert_eq!(messages("crates/server/Cargo.toml", "[dependencies]\npolder-testkit = {}\n").len(), 1);
    assert!(messages("crates/server/Cargo.toml", "[dev-dependencies]\npolder-testkit = {}\n").is_empty());
}

#[test]
fn the_bench_sees_what_it_measures_and_nothing_sees_the_bench() {
    assert!(messages("crates/bench/Cargo.toml", "[dependencies]\npolder-query = {}\nsqlx = \"1\"\n").is_empty());
    assert_eq!(messages("crates/server/Cargo.toml", "[dev-dependencies]\npolder-bench = {}\n").len(), 1);
}

#[test]
fn a_layer_never_sees_its_forbidden_libraries() {
    assert_eq!(messages("crates/policy/Cargo.toml", "[dependencies]\ntokio = \"1\"\n").len(), 1);
    assert_eq!(messages("crates/server/Cargo.toml", "[dependencies]\ndatafusion-expr = \"1\"\n").len(), 1);
    assert_eq!(messages("crates/store/Cargo.toml", "[build-dependencies]\naxum = \"1\"\n").len(), 1);
    assert!(messages("crates/store/Cargo.toml", "[dependencies]\nsqlx = \"1\"\n").is_empty());
}

#[test]
fn a_manifest_that_is_not_toml_is_a_finding() {
    assert_eq!(messages("crates/store/Cargo.toml", "[dependencies\n").len(), 1);
}
