//! What the CLI prints: tables for people, JSON for programs. The only place of the CLI that writes to stdout.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this file is for")]

use std::io::Write;

use comfy_table::{Table, presets::ASCII_MARKDOWN};
use serde_json::Value;

use crate::client::ClientError;

/// Writes a message to stderr.
pub(crate) fn message(text: &str) {
    eprintln!("{text}");
}

/// Writes a line to stdout.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// Writes bytes to stdout as they are. A reader that has had enough is no failure.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), ClientError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(ClientError::Failed(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints an answer of the administration API: a list as a table, an object as `key: value` lines.
pub(crate) fn answer(value: &Value, json: bool) -> Result<(), ClientError> {
    if json {
        line(&value.to_string());
        return Ok(());
    }
    match value {
        Value::Null => message("done"),
        Value::Object(object) => match object.iter().find(|(_, member)| member.is_array()) {
            Some((_, Value::Array(rows))) if object.len() <= 2 => {
                if rows.is_empty() {
                    message("none")
                } else {
                    line(&list(rows))
                }
                if let Some(token) = object.get("next_page_token").and_then(Value::as_str) {
                    message(&format!("more: --page-token {token}"));
                }
            }
            _ => object.iter().for_each(|(key, value)| line(&format!("{key}: {}", member(key, value)))),
        },
        other => line(&cell(other)),
    }
    Ok(())
}

/// Renders columns and rows of a query.
pub(crate) fn rows(columns: &[String], rows: &[Value]) -> String {
    let mut table = plain();
    table.set_header(columns);
    for row in rows.iter().filter_map(Value::as_array) {
        table.add_row(row.iter().map(cell));
    }
    table.to_string()
}

fn list(rows: &[Value]) -> String {
    let mut columns: Vec<&String> = Vec::new();
    for key in rows.iter().filter_map(Value::as_object).flat_map(|row| row.keys()) {
        if !columns.contains(&key) {
            columns.push(key);
        }
    }
    let mut table = plain();
    table.set_header(&columns);
    for row in rows {
        table.add_row(
            columns.iter().map(|key| row.get(key.as_str()).map(|value| member(key, value)).unwrap_or_default()),
        );
    }
    table.to_string()
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    table
}

/// One member of an answer; moments (microseconds since 1970) are shown as RFC 3339, UTC.
pub(crate) fn member(key: &str, value: &Value) -> String {
    let moment = value.as_i64().filter(|_| key == "at" || key.ends_with("_at"));
    match moment.and_then(chrono::DateTime::from_timestamp_micros) {
        Some(moment) => moment.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        None => cell(value),
    }
}

/// One value without quotes; control characters escaped, since data must not drive a terminal.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
