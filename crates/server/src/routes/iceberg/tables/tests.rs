use http::HeaderValue;

use super::*;

/// RFC 9110 §13.1.2: lists, weak tags and `*`; another tag, or none, is not current.
#[test]
fn if_none_match_is_read_as_a_list() {
    for (values, current) in [
        (&["\"a\""][..], true),
        (&["W/\"a\""], true),
        (&["\"b\", \"a\""], true),
        (&["\"b\"", "\"a\""], true),
        (&["*"], true),
        (&["\"b\""], false),
        (&["a"], false),
        (&[""], false),
        (&[], false),
    ] {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::IF_NONE_MATCH, HeaderValue::from_static(value));
        }
        assert_eq!(still_current(&headers, "\"a\""), current, "{values:?}");
    }
}
