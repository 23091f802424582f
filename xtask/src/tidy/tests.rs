//! The house rules hold for this repository, and every family of checks is really wired in.

use super::check;
use crate::repo::{self, File};

pub(super) fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn the_repository_keeps_the_house_rules() {
    let findings: Vec<String> = check(&repo::files().unwrap()).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn every_family_of_checks_is_wired_in() {
    let bad = [
        file("crates/types/Cargo.toml", "[dependencies]\npolder-server.workspace = true\n"),
        file("crates/policy/src/kernel.rs", "//! Kernel.\nuse tokio::sync::Mutex;\n"),
        file("crates/types/src/utils.rs", "//! Things.\n"),
        file("crates/server/src/router.rs", "//! Routes.\nfn r() { route(op::LOAD_TABLE) }\n"),
        file("crates/store/src/tables.rs", "//! Rows.\nimpl Store { pub async fn drop_all(&self) {} }\n"),
        file("xtask/store-without-permit.txt", ""),
    ];
    let findings = check(&bad);
    for path in ["types/Cargo.toml", "policy/src/kernel", "utils.rs", "router.rs", "store/src/tables.rs"] {
        assert!(findings.iter().any(|f| f.path.contains(path)), "no finding for {path}: {findings:?}");
    }
}
