//! A store function that forgot its permit is found; a stale list is too.

use super::check;
use crate::tidy::tests::file;

fn found(source: &str, list: &str) -> Vec<String> {
    let files = [file("crates/store/src/tables.rs", source), file("xtask/store-without-permit.txt", list)];
    check(&files).into_iter().map(|f| format!("{}:{} {}", f.path, f.line, f.message)).collect()
}

#[test]
fn a_public_function_without_a_permit_is_found() {
    let source =
        "impl Store {\n    pub async fn rename(\n        &self,\n        to: &str,\n    ) -> Result<()> {\n    }\n}\n";
    let found = found(source, "");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("crates/store/src/tables.rs:2 `rename` takes no permit"), "{found:?}");
}

#[test]
fn a_permit_of_any_kind_satisfies() {
    assert!(found("impl Store { pub async fn drop(&self, permit: &Permit<DropTable>) {} }", "").is_empty());
    assert!(found("impl Store { pub fn list(&self, visible: &ListPermit<ListTables>) {} }", "").is_empty());
}

#[test]
fn private_functions_constructors_and_comments_are_not_asked() {
    assert!(
        found("pub(crate) fn a(tx: &mut Tx) {}\npub fn b(x: u8) -> u8 { x }\n// pub fn c(&self)\nfn d(&self) {}", "")
            .is_empty()
    );
}

#[test]
fn free_functions_over_the_store_are_asked_and_methods_of_rows_are_not() {
    assert_eq!(found("pub async fn drop_all(store: &Store, name: &str) -> Result<()> {}\n", "").len(), 1);
    let rows = "impl Store {\n}\nimpl TableRow {\n    pub fn name(&self) -> &str {}\n}\npub fn open() -> Store {}\n";
    assert!(found(rows, "").is_empty());
}

#[test]
fn a_listed_function_passes_and_a_stale_line_does_not() {
    let source = "pub async fn resolve_table(tx: &mut Tx<'_>, name: &str) {}\n";
    assert!(found(source, "# resolving\ntables.rs::resolve_table\n").is_empty());
    let stale = found(source, "tables.rs::resolve_table\ntables.rs::gone # why\n");
    assert_eq!(stale.len(), 1, "{stale:?}");
    assert!(stale[0].starts_with("xtask/store-without-permit.txt:2"), "{stale:?}");
}
