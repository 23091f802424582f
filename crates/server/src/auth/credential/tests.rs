use super::*;

fn kind(value: &str) -> &'static str {
    match Credential::parse(&HeaderValue::from_bytes(value.as_bytes()).unwrap()) {
        Some(Credential::Token(_)) => "token",
        Some(Credential::Key { .. }) => "key",
        None => "none",
    }
}

/// S-020: a secret names its key; anything else behind `Bearer` is a token to be verified.
#[test]
fn schemes_are_told_apart() {
    let secret = format!("polder_{}_{}", "a".repeat(20), "b".repeat(43));
    let basic = format!("Basic {}", STANDARD.encode(format!("pk_{}:{secret}", "a".repeat(20))));
    for (value, wanted) in [
        (format!("Bearer {secret}"), "key"),
        (format!("bearer  {secret}"), "key"),
        ("Bearer polder_short".to_owned(), "token"),
        ("Bearer polder_\u{e9}".repeat(9), "none"),
        (basic.clone(), "key"),
        (basic.replace("Basic", "BASIC"), "key"),
        (format!("Basic {}", STANDARD.encode("nobody:x")), "none"),
        (format!("Basic {}", STANDARD.encode("no colon")), "none"),
        ("Basic".to_owned(), "none"),
        ("Negotiate abc".to_owned(), "none"),
        (format!("Bearer {}", "x".repeat(HEADER_BYTES_MAX)), "none"),
    ] {
        assert_eq!(kind(&value), wanted, "{value}");
    }
}
