use proptest::prelude::*;

use super::Location;

/// A-004, R7: siblings with a common text prefix do not contain each other; slashes are boundaries.
#[test]
fn sibling_prefixes_are_not_within() {
    let root = Location::parse("file:///lake/tenant=t1").unwrap();
    for inside in ["file:///lake/tenant=t1", "file:/lake/tenant=t1/x", "file:///lake/tenant=t1/"] {
        assert!(Location::parse(inside).unwrap().is_within(&root), "{inside}");
    }
    for outside in ["file:///lake/tenant=t10", "file:///lake", "s3://lake/tenant=t1"] {
        assert!(!Location::parse(outside).unwrap().is_within(&root), "{outside}");
    }
}

/// A-004: traversal, encoded, empty-segment, control and deceptive paths are refused.
#[test]
fn doubtful_locations_are_refused() {
    for text in [
        "",
        "/abs",
        "relative",
        "file://host/x",
        "file:///a/../b",
        "file:///a/./b",
        "file:///a//b",
        "s3:///x",
        "s3://b/a%2e%2e/c",
        "s3://b/a?x",
        "s3://b/a#x",
        "s3://b\\a",
        "s3://user@b/a",
        "s3://b:80/a",
        "http://h/a",
        "file:///a\u{0}b",
        "file:///a\u{202e}b",
        "file:///a\u{200b}b",
        "s3://b/*",
        "file:///a\nb",
        "file:///a\u{1bca0}b",
        &format!("file:///a/{}", "x".repeat(256)),
        "file:///..",
    ] {
        assert!(Location::parse(text).is_err(), "{text:?} was accepted");
    }
}

/// Text that is plainly below is; what is doubtful is left to the parser.
#[test]
fn plainly_below_is_below() {
    let prefix = "s3://bucket/a/";
    for below in ["s3://bucket/a/b", "s3://bucket/a/metadata/00001-x.metadata.json", "s3://bucket/a/day=1/..x"] {
        assert!(Location::is_plainly_below(below, prefix), "{below}");
    }
    for doubtful in [
        "s3://bucket/a/",
        "s3://bucket/a/..",
        "s3://bucket/a/../c",
        "s3://bucket/a/b//c",
        "s3://bucket/a/b/",
        "s3://bucket/a",
    ]
    .into_iter()
    .chain([
        "s3a://bucket/a/b",
        "s3://bucket/ab",
        "s3://bucket/a/b%2e",
        "s3://bucket/a/b c",
        "s3://bucket/a/é",
        "s3://bucket/a/b?c",
    ]) {
        assert!(!Location::is_plainly_below(doubtful, prefix), "{doubtful}");
    }
    assert!(!Location::is_plainly_below(&format!("{prefix}{}", "x".repeat(256)), prefix));
    assert!(!Location::is_plainly_below(&format!("{prefix}{}", "x/".repeat(2_100) + "x"), prefix));
}

proptest! {
    /// R4, R7: what needs no parsing is what parsing would let through.
    #[test]
    fn plainly_below_agrees_with_parsing(
        root in "(s3://bucket|file://|s3a://b)(/[a-z.]{1,3}){0,3}",
        rest in r"[a-c./=%é?\ -]{0,12}",
    ) {
        let Ok(root) = Location::parse(&root) else { return Ok(()) };
        let prefix = format!("{root}/");
        for text in [format!("{prefix}{rest}"), format!("{root}{rest}"), rest] {
            if Location::is_plainly_below(&text, &prefix) {
                let place = Location::parse(&text).unwrap();
                prop_assert!(place.is_within(&root) && place != root);
            }
        }
    }

    /// A-004: text form and parsed form agree, and `is_within` equals "same segments then more".
    #[test]
    fn within_is_by_segments(a in "[a-z]{1,3}(/[a-z]{1,3}){0,4}", b in "[a-z]{1,3}(/[a-z]{1,3}){0,4}") {
        let left = Location::parse(&format!("s3://bucket/{a}")).unwrap();
        let right = Location::parse(&format!("s3://bucket/{b}")).unwrap();
        prop_assert_eq!(Location::parse(&left.to_string()).unwrap(), left.clone());
        let expected = format!("{a}/").starts_with(&format!("{b}/"));
        prop_assert_eq!(left.is_within(&right), expected);
    }

    /// A-004: whatever parses has no segment that a file system would interpret.
    #[test]
    fn what_parses_is_plain(text in "(file:///|s3://b/)[-a-z./%\\\\:*\u{0}\u{200b}]{0,20}") {
        if let Ok(location) = Location::parse(&text) {
            prop_assert!(location.segments().iter().all(|s| !s.is_empty() && s != "." && s != ".." && !s.contains('/')));
        }
    }
}
