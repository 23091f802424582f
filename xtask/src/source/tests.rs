//! Comments, strings and code are told apart in the places where a simple scanner goes wrong.

use super::{line_of, views, word_positions};

#[test]
fn words_in_comments_and_literals_are_not_code() {
    let text =
        "use a; // tokio::x\nlet s = \"tokio::y\"; /* /* tokio */ tokio */ let r = r#\"tokio \" tokio\"#; end();\n";
    let found = views(text);
    assert!(!found.code.contains("tokio"), "{}", found.code);
    assert!(found.code.contains("end();"));
    assert_eq!(found.comments.matches("tokio").count(), 3);
    assert_eq!(found.code.lines().count(), text.lines().count());
}

#[test]
fn lifetimes_and_quotes_in_characters_do_not_open_literals() {
    let found =
        views("fn f<'a>(x: &'a str) { let q = '\"'; let e = '\\''; sqlx::query(); let u = '\\u{22}'; axum::x(); }");
    assert!(found.code.contains("sqlx::query()") && found.code.contains("axum::x()"), "{}", found.code);
}

#[test]
fn escaped_quotes_stay_inside_and_raw_identifiers_are_code() {
    let found = views(r#"let a = "x \" tokio"; r#type(); let b = br"tokio"; done();"#);
    assert!(!found.code.contains("tokio"), "{}", found.code);
    assert!(found.code.contains("r#type()") && found.code.contains("done()"));
}

#[test]
fn an_unclosed_literal_ends_with_the_file() {
    assert!(views("let a = \"tokio").code.contains("let a"));
    assert!(views("/* tokio").comments.contains("tokio"));
    assert!(views("let c = '\\").code.contains("let c"));
}

#[test]
fn whole_words_only() {
    assert_eq!(word_positions("rand randx xrand rand::", "rand").collect::<Vec<_>>(), [0, 17]);
    assert_eq!(line_of("a\nb\nc", 4), 3);
}
