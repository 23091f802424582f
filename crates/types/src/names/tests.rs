use super::*;

/// R27: nothing that could fool a reader, a path or a key is part of a name; other writing is.
#[test]
fn deceptive_names_are_refused() {
    for name in [
        "",
        ".",
        "..",
        " a",
        "a ",
        "a/b",
        "a\\b",
        "a\u{0}",
        "a\u{1f}b",
        "a\u{7f}",
        "a\u{202e}b",
        "a\u{200b}b",
        "a\u{feff}",
        "a\u{e0041}",
        "a\u{1bca0}b",
        "a\u{13430}b",
        "a\u{a0}b",
        "a\u{2003}b",
        "a\u{3000}b",
    ] {
        assert!(check_name(name).is_err(), "{name:?} was accepted");
    }
    for name in ["a", "a b", "a.b", "résumé", "表", "😀", "partition_key="] {
        check_name(name).unwrap();
    }
    assert!(check_name(&"x".repeat(NAME_BYTES_MAX)).is_ok());
    assert!(check_name(&"x".repeat(NAME_BYTES_MAX + 1)).is_err());
}
