//! RFC 4180, nulls, and formulas.

use serde_json::json;

use super::csv;

/// Every value comes back from a reader as it was; null and the empty text are told apart.
#[test]
fn values_are_quoted_where_they_must_be() {
    let answer = json!({
        "columns": [{"name": "id"}, {"name": "a,b"}, {"name": "say \"x\""}],
        "rows": [
            [1, "plain", null],
            [-2.5, "", "two\r\nlines"],
            [true, "he said \"no\"", " edge "],
            [{"city": "a, b"}, ["x", null], "=1+1"],
        ],
    });
    assert_eq!(
        csv(&answer, false),
        "id,\"a,b\",\"say \"\"x\"\"\"\r\n\
         1,plain,\r\n\
         -2.5,\"\",\"two\r\nlines\"\r\n\
         true,\"he said \"\"no\"\"\",\" edge \"\r\n\
         \"{\"\"city\"\":\"\"a, b\"\"}\",\"[\"\"x\"\",null]\",=1+1\r\n"
    );
}

/// With `--spreadsheet` no text, and no column name, begins like a formula; numbers stay numbers.
#[test]
fn formulas_are_disarmed_on_request() {
    let texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1", " =1", "＝1", "\"=1", "a=1"];
    let answer = json!({"columns": [{"name": "=cmd|'/c calc'!A0"}], "rows": texts.map(|text| json!([text]))});
    let written = csv(&answer, true);
    assert_eq!(written.matches("\"'").count(), 9, "{written}");
    assert!(written.starts_with("\"'=cmd"), "{written}");
    assert!(written.ends_with("\"\"\"=1\"\r\na=1\r\n"), "{written}");
    assert_eq!(csv(&json!({"columns": [], "rows": [[-5]]}), true), "\r\n-5\r\n");
    assert!(!csv(&answer, false).contains("'="));
}
