//! Licence expressions are read as SPDX means them, and each rule of `deny.toml` bites.

use std::collections::BTreeSet;

use super::{DEFAULT_REGISTRY, Package, Rules, satisfied};

fn allowed() -> BTreeSet<String> {
    ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into()
}

#[test]
fn one_allowed_alternative_is_enough_and_every_conjunct_is_needed() {
    for good in [
        "MIT",
        "GPL-3.0 OR MIT",
        "GPL-3.0/MIT",
        "MIT AND ISC",
        "(GPL-3.0 OR MIT) AND ISC",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(satisfied(good, &allowed()), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "MIT AND (GPL-3.0 OR AGPL-3.0)", "Apache-2.0", "MIT WITH LLVM-exception"]
    {
        assert!(!satisfied(bad, &allowed()), "{bad}");
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    for bad in ["", "MIT OR", "(MIT", "MIT)", "MIT ISC", "AND", "MIT WITH"] {
        assert!(!satisfied(bad, &allowed()), "{bad}");
    }
}

fn package(name: &str, licence: &str, source: Option<&str>) -> Package {
    Package { name: name.to_owned(), licence: licence.to_owned(), source: source.map(str::to_owned) }
}

fn problems(package: Package) -> Vec<String> {
    let rules = Rules::parse("[licenses]\nallow = [\"MIT\"]\n[bans]\ndeny = [{ crate = \"native-tls\" }]\n").unwrap();
    rules.check(&[package])
}

/// a licence outside the list, a banned crate and a foreign source each fail the check.
#[test]
fn each_rule_bites() {
    let home = format!("registry+https://{DEFAULT_REGISTRY}");
    assert!(problems(package("serde", "MIT", Some(&home))).is_empty());
    assert!(problems(package("serde", "MIT", None)).is_empty());
    assert!(problems(package("x", "GPL-3.0", Some(&home)))[0].contains("not allowed"));
    assert!(problems(package("native-tls", "MIT", Some(&home)))[0].contains("banned"));
    assert!(problems(package("x", "MIT", Some("git+https://example.com/x")))[0].contains("default registry"));
}

#[test]
fn an_allowed_licence_that_nothing_needs_is_reported() {
    let rules = Rules::parse("[licenses]\nallow = [\"MIT\", \"ISC\"]\n[bans]\ndeny = []\n").unwrap();
    let found = rules.check(&[package("x", "MIT OR ISC", None)]);
    assert_eq!(found.len(), 2, "either alone is enough, so neither is needed by itself: {found:?}");
    assert!(Rules::parse("[bans]\ndeny = []\n").is_err());
}
