//! A route without a row and a row without a route are both found.

use super::check;
use crate::tidy::tests::file;

const ROUTER: &str = "//! R.\nuse crate::op;\n\nfn f() {\n    r.get(\"/t\", op::LOAD_TABLE, load);\n    r.post(\"/t\", op::DROP_TABLE, drop); // op::NOT_THIS\n}\n";

fn found(table: &str) -> Vec<String> {
    let files = [file("crates/server/src/router.rs", ROUTER), file("crates/server/tests/it/coverage.rs", table)];
    check(&files).into_iter().map(|f| format!("{}:{} {}", f.path, f.line, f.message)).collect()
}

#[test]
fn a_route_without_a_row_is_found_where_it_is_routed() {
    let found = found("const ROWS: &[Row] = &[row(op::LOAD_TABLE)];\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("crates/server/src/router.rs:6 operation `droptable`"), "{found:?}");
}

#[test]
fn names_match_in_any_spelling() {
    assert!(found("[row(\"loadTable\"), row(op::DropTable)]").is_empty());
}

#[test]
fn a_row_without_a_route_is_found() {
    let found = found("[op::LOAD_TABLE, op::DROP_TABLE,\n op::GONE]");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("crates/server/tests/it/coverage.rs:2 row `gone`"), "{found:?}");
}

#[test]
fn a_row_in_a_comment_does_not_count() {
    assert_eq!(found("// op::LOAD_TABLE op::DROP_TABLE\n").len(), 2);
}

#[test]
fn a_router_that_names_no_operation_blinds_the_check_and_is_refused() {
    assert_eq!(check(&[file("crates/server/src/router.rs", "//! R.\n")]).len(), 1);
}
