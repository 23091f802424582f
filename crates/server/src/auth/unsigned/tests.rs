use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;

fn token(header: &str, payload: &str, rest: &str) -> Option<String> {
    let (header, payload) = (URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    subject(&Secret::new(format!("{header}.{payload}{rest}")))
}

const NONE: &str = r#"{"alg":"none"}"#;

/// R38: the subject of a token as Trino writes it, and nothing else of it.
#[test]
fn only_the_subject_is_read() {
    let trino = r#"{"sub":"ann","iss":"476","iat":1795852800,"user":"ann","source":"","trinoCatalog":"polder","trinoVersion":"476"}"#;
    assert_eq!(token(NONE, trino, ".").as_deref(), Some("ann"));
    assert_eq!(token(NONE, trino, "").as_deref(), Some("ann"));
    assert_eq!(token(r#"{"alg":"none","typ":"JWT"}"#, r#"{"sub":"ann","user":"root"}"#, ".").as_deref(), Some("ann"));
}

/// R38: a token that claims a signature is refused whole, and so is every form that two readers could read differently.
#[test]
fn whatever_claims_more_is_refused() {
    let ann = r#"{"sub":"ann"}"#;
    for header in [
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":["none"]}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"none","kid":"1"}"#,
        r#"{"alg":"none","jku":"http://127.0.0.1:1/"}"#,
        r#"{"alg":"none","crit":["b64"],"b64":false}"#,
        r#"{"typ":"JWT"}"#,
        "{}",
        "[]",
        "",
    ] {
        assert_eq!(token(header, ann, "."), None, "{header}");
    }
    for rest in [".c2ln", "..", ".c2ln.", ". "] {
        assert_eq!(token(NONE, ann, rest), None, "{rest}");
    }
    let long = format!(r#"{{"sub":"{}"}}"#, "a".repeat(256));
    let huge = format!(r#"{{"sub":"ann","filler":"{}"}}"#, "a".repeat(4_096));
    let deep = format!(r#"{{"sub":"ann","x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    for payload in [
        "{}",
        r#"{"sub":""}"#,
        r#"{"sub":1}"#,
        r#"{"sub":["ann"]}"#,
        r#"{"sub":null}"#,
        r#"{"sub":"ann","sub":"root"}"#,
        "{\"sub\":\"a\\u0000\"}",
        "{\"sub\":\"a\\u202e\"}",
        r#"{"sub":"ann"} {}"#,
        &long,
        &huge,
        &deep,
    ] {
        assert_eq!(token(NONE, payload, "."), None, "{payload}");
    }
    for text in ["", ".", "..", "ann", "a.b.c"] {
        assert_eq!(subject(&Secret::new(text.to_owned())), None, "{text}");
    }
}
