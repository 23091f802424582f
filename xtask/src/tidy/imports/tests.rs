//! Forbidden names are found as code and only as code.

use super::check;
use crate::tidy::tests::file;

fn lines(path: &str, text: &str) -> Vec<usize> {
    check(&[file(path, text)]).iter().map(|f| f.line).collect()
}

#[test]
fn the_kernel_has_no_runtime_no_clock_and_no_asynchrony() {
    let path = "crates/policy/src/kernel.rs";
    assert_eq!(lines(path, "//! K.\nuse tokio::sync::Mutex;\n"), [2]);
    assert_eq!(lines(path, "//! K.\npub async fn decide() {}\n"), [2]);
    assert_eq!(lines(path, "//! K.\nuse std::time::Duration;\n"), [2]);
    assert_eq!(lines(path, "//! K.\nfn f() { rand::random::<u8>(); }\n"), [2]);
}

#[test]
fn comments_strings_and_tests_may_name_anything() {
    let text = "//! Never axum::Router, SystemTime or async.\nconst S: &str = \"tokio::spawn\";\n";
    assert!(lines("crates/policy/src/kernel.rs", text).is_empty());
    assert!(lines("crates/policy/src/kernel/tests.rs", "use tokio::x;\n").is_empty());
    assert!(lines("crates/policy/tests/it/main.rs", "use tokio::x;\n").is_empty());
}

#[test]
fn absolute_and_nested_paths_of_a_library_are_found() {
    assert_eq!(lines("crates/query/src/a.rs", "fn f() { ::sqlx::query(); }\n"), [1]);
    assert_eq!(lines("crates/catalog/src/a.rs", "type T = Vec<datafusion::X>;\n"), [1]);
    assert!(lines("crates/query/src/a.rs", "use crate::engine::datafusion::Engine;\n").is_empty());
    assert!(lines("crates/server/src/a.rs", "use polder_query::engine::datafusion::Engine;\n").is_empty());
}

#[test]
fn the_iceberg_libraries_stay_below_the_demo() {
    assert_eq!(lines("crates/server/src/routes/a.rs", "use iceberg::spec::Schema;\n"), [1]);
    assert_eq!(lines("crates/server/src/routes/a.rs", "fn f(s: iceberg::spec::Schema) {}\n"), [1]);
    assert_eq!(lines("crates/server/src/cli.rs", "use arrow::array::Array;\n"), [1]);
    assert!(
        lines("crates/server/src/demo/load.rs", "use iceberg::spec::Schema;\nuse tpchgen::generators::X;\n").is_empty()
    );
}

#[test]
fn the_servers_own_iceberg_module_is_not_the_library() {
    let text = "use crate::routes::iceberg;\nuse crate::routes::{gateway, iceberg::tables};\nfn f() { iceberg::tables::load(); }\n";
    assert!(lines("crates/server/src/router.rs", text).is_empty());
}
