use super::*;

/// a client that does not page gets everything; F17: an empty token asks for the first page.
#[test]
fn absent_and_empty_tokens_differ() {
    let everything = page(None, None).unwrap();
    assert_eq!((everything.token, everything.rows), (None, None));
    let first = page(Some(String::new()), None).unwrap();
    assert_eq!((first.token, first.rows), (None, Some(ROWS_DEFAULT)));
    let next = page(Some("t".to_owned()), Some("7")).unwrap();
    assert_eq!((next.token.as_deref(), next.rows), (Some("t"), Some(7)));
}

/// S-070: a size that makes no sense is refused.
#[test]
fn bad_sizes_are_refused() {
    for size in ["0", "-1", "ten", "", "99999999999"] {
        assert!(page(None, Some(size)).is_err(), "{size}");
    }
}
