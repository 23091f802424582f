//! An answer as CSV (RFC 4180): a header, CRLF, quotes where they are needed. Null is nothing, the empty text is `""`.
//!
//! Values are written as they are. A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@` as a formula, whoever wrote
//! it; only who opens the file there knows, so only `--spreadsheet` changes such texts (docs/decisions/0016).

use serde_json::Value;

/// What a spreadsheet takes for the beginning of a formula; it skips tabs, line ends and blanks before one.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Writes columns and rows.
pub(crate) fn csv(answer: &Value, spreadsheet: bool) -> String {
    let members = |key: &str| answer.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut out = String::new();
    let names = members("columns").iter().map(|column| column.get("name").unwrap_or(&Value::Null));
    line(&mut out, names, spreadsheet);
    for row in members("rows") {
        line(&mut out, row.as_array().into_iter().flatten(), spreadsheet);
    }
    out
}

fn line<'a>(out: &mut String, values: impl Iterator<Item = &'a Value>, spreadsheet: bool) {
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(',');
        }
        match value {
            Value::Null => {}
            Value::String(text) => field(out, text, spreadsheet),
            Value::Array(_) | Value::Object(_) => field(out, &value.to_string(), spreadsheet),
            // A negative number is a number.
            other => out.push_str(&other.to_string()),
        }
    }
    out.push_str("\r\n");
}

fn field(out: &mut String, text: &str, spreadsheet: bool) {
    let begins = text.trim_start_matches(|c: char| c.is_whitespace() || c.is_control()).chars().next();
    let armed = spreadsheet && begins.is_some_and(|first| FORMULA.contains(&first));
    // A blank at an end is part of the value, and some readers take it off.
    let edges = text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace);
    if !armed && !edges && !text.is_empty() && !text.contains([',', '"', '\r', '\n']) {
        out.push_str(text);
        return;
    }
    out.push('"');
    if armed {
        out.push('\'');
    }
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

#[cfg(test)]
mod tests;
