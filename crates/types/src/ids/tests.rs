use proptest::prelude::*;

use super::*;

/// 3 to 63 of `a-z 0-9 -`, no hyphen at either end; what has another form is refused, never folded into this one.
#[test]
fn the_ends_of_the_grammar_are_where_it_says() {
    let (shortest, longest, beyond) = ("a".repeat(3), "a".repeat(63), "a".repeat(64));
    for good in [shortest.as_str(), &longest, "a-b", "0-9", "a--b", "xn--a"] {
        assert_eq!(good.parse::<TenantId>().unwrap().as_str(), good);
        assert_eq!(good.parse::<WarehouseName>().unwrap().as_str(), good);
    }
    for bad in ["", "a", "ab", &beyond, "-ab", "ab-", "---", "Abc", "ABC", "a_b", "a.b", "a b", " abc", "abc\n", "äbc"]
    {
        assert!(bad.parse::<TenantId>().is_err(), "{bad:?}");
        assert!(bad.parse::<WarehouseName>().is_err(), "{bad:?}");
    }
}

proptest! {
    /// whatever is accepted is returned letter for letter, by every way in.
    #[test]
    fn what_is_accepted_is_kept_as_it_is(text in "[-a-zA-Z0-9_. ä]{0,66}") {
        let bytes = text.as_bytes();
        let inside = bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
        let good = inside && (3..=63).contains(&bytes.len()) && bytes[0] != b'-' && bytes[bytes.len() - 1] != b'-';
        let parsed = text.parse::<TenantId>();
        prop_assert_eq!(parsed.is_ok(), good);
        let read: Option<TenantId> = serde_json::from_value(serde_json::Value::from(text.as_str())).ok();
        prop_assert_eq!(read.as_ref(), parsed.as_ref().ok());
        if let Ok(id) = parsed {
            prop_assert_eq!(id.as_str(), text);
        }
    }
}
