use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[allow(dead_code, reason = "only parsed")]
    count: u32,
}

/// R32: a body that is nested deeper than the limit is refused, wherever the depth sits.
#[test]
fn deep_json_is_refused() {
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    let error = parse::<Box<serde_json::value::RawValue>>(nested(DEPTH_MAX + 1).as_bytes()).unwrap_err();
    assert_eq!(error.code(), "json_too_deep");
    assert!(parse::<Box<serde_json::value::RawValue>>(nested(DEPTH_MAX).as_bytes()).is_ok());
}

/// A-121: an array is no body, though it could be read as one.
#[test]
fn an_array_is_no_body() {
    for body in ["[1]", " [1]", "[]"] {
        let error = parse::<Wanted>(body.as_bytes()).unwrap_err();
        assert_eq!((error.code(), error.message()), ("invalid_body", "the body is not a JSON object"), "{body}");
    }
}

/// R32: brackets inside of texts are no depth.
#[test]
fn brackets_in_texts_do_not_count() {
    let text = format!("\"{}\\\"{}\"", "[".repeat(500), "{".repeat(500));
    assert!(parse::<String>(text.as_bytes()).is_ok());
}

/// A-002: an error about a value never repeats it.
#[test]
fn errors_do_not_repeat_values() {
    for body in [r#"{"count": "s3cret"}"#, r#"{"count": 1, "count": "s3cret"}"#, r#"{"count": s3cret}"#] {
        let error = parse::<Wanted>(body.as_bytes()).unwrap_err();
        assert!(!error.message().contains("s3cret"), "{}", error.message());
    }
    let error = parse::<Wanted>(br#"{"count": "s3cret, expected x"}"#).unwrap_err();
    assert_eq!(error.message(), "a value does not fit at line 1 column 30, expected u32");
}

#[test]
fn errors_name_fields() {
    let error = parse::<Wanted>(br#"{"cuont": 1}"#).unwrap_err();
    assert!(error.message().starts_with("unknown field `cuont`"), "{}", error.message());
}
