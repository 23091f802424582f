//! Compares answers of the worlds and says in words what is wrong with one. Ids and times are the only things that two
//! worlds may say differently.

use serde_json::{Map, Value, json};

use super::{corpus::Expect, http::Answer, rows::leaks};

/// Most rows that a request of the suite allows: as many as the gateway does, so that hardly an answer is cut.
pub(super) const ROWS_MAX: usize = polder_query::ROWS_MAX;

/// Keys whose values are ids, times or durations.
const UNSTABLE: [&str; 14] = [
    "request_id",
    "query_id",
    "snapshot_id",
    "table_id",
    "table_uuid",
    "warehouse_id",
    "namespace_id",
    "tenant_id",
    "policy_id",
    "policy_version",
    "as_of",
    "at",
    "id",
    "sequence_number",
];

/// Every complaint about one answer taken alone.
pub(super) fn complaints(answer: &Answer, asked: &str) -> Vec<String> {
    let mut found: Vec<String> =
        leaks(&answer.raw, asked).into_iter().map(|mark| format!("leaks `{mark}`: {}", answer.brief())).collect();
    found.extend(leaks(&answer.body, asked).into_iter().map(|mark| format!("leaks `{mark}` in the decoded body")));
    if answer.status == 500 || answer.status == 502 {
        found.push(format!("failed inside: {}", answer.brief()));
    }
    if answer.json().is_null() {
        found.push(format!("is not JSON: {}", answer.brief()));
    }
    let rows = answer.json().pointer("/rows").and_then(Value::as_array).map_or(0, Vec::len);
    if rows > ROWS_MAX {
        found.push(format!("has {rows} rows, more than {ROWS_MAX}"));
    }
    found
}

/// What the expectation alone says about the answer of the attacked world.
pub(super) fn unexpected(expect: Expect, answer: &Answer) -> Option<String> {
    let body = answer.json();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows = body.pointer("/rows").and_then(Value::as_array).map(Vec::len);
    let (code, phase) = (text("/error/code"), text("/error/phase"));
    let client_error = (400..500).contains(&answer.status);
    let fine = match expect {
        Expect::Denied => answer.status == 404 && code == "unknown_table",
        Expect::Refused => answer.status == 413 || client_error && phase == "gate",
        Expect::RefusedOrDenied => client_error && ["gate", "resolve", "plan"].contains(&phase.as_str()),
        Expect::Answered => answer.status == 200 && rows.is_some_and(|rows| rows > 0),
        Expect::Empty => answer.status == 200 && rows == Some(0),
        Expect::Failed => client_error && !code.is_empty(),
        Expect::Same | Expect::Plan => answer.status == 200 || client_error,
        Expect::Bounded => answer.status == 200 || client_error || [503, 504].contains(&answer.status),
    };
    (!fine).then(|| format!("expected {expect:?}, got {}", answer.brief()))
}

/// Compares with the double that holds other secrets: everything must be alike.
pub(super) fn differs_from_shadow(real: &Answer, shadow: &Answer) -> Option<String> {
    if real.header_names() != shadow.header_names() {
        return Some(format!("headers {:?} against {:?}", real.header_names(), shadow.header_names()));
    }
    let (ours, theirs) = (stable(real.json()), stable(shadow.json()));
    if ours.get("metadata") != theirs.get("metadata") {
        let metadata = |body: &Value| body.get("metadata").map(ToString::to_string).unwrap_or_default();
        return Some(format!(
            "differs over other secrets in metadata: {} against {}",
            metadata(&ours),
            metadata(&theirs)
        ));
    }
    differs("over other secrets", real.status, &ours, shadow.status, &theirs)
}

/// Compares a statement in other clothes with the plain one: status, error code and rows must be alike. A statement that is
/// refused in any clothes may be so for another reason: quotes make something else of `a.b$c`.
pub(super) fn differs_from_plain(dressed: &Answer, plain: &Answer) -> Option<String> {
    if [dressed, plain].iter().all(|answer| (400..500).contains(&answer.status)) {
        return None;
    }
    let part = |answer: &Answer| {
        let body = stable(answer.json());
        json!({
            "code": body.pointer("/error/code"), "rows": body.get("rows"),
            "row_count": body.pointer("/metadata/row_count"),
        })
    };
    differs("from the plain statement", dressed.status, &part(dressed), plain.status, &part(plain))
}

/// Compares with the world that really holds only what is permitted: error, columns and rows must be alike.
pub(super) fn differs_from_mirror(real: &Answer, mirror: &Answer) -> Option<String> {
    let (ours, theirs) = (visible_part(real.json()), visible_part(mirror.json()));
    differs("over the permitted cells alone", real.status, &ours, mirror.status, &theirs)
}

/// Compares with the answer about names that never existed: `existing` and `absent` name them, in lower case.
pub(super) fn differs_from_absent(real: &Answer, absent: &Answer, names: &[(String, String)]) -> Option<String> {
    let ours = stable(real.json()).to_string().to_lowercase();
    let mut theirs = stable(absent.json()).to_string().to_lowercase();
    for (existing, nowhere) in names {
        theirs = theirs.replace(nowhere, existing);
    }
    let alike = real.status == absent.status && ours == theirs && real.header_names() == absent.header_names();
    (!alike).then(|| format!("blocked: {} {ours}; absent: {} {theirs}", real.status, absent.status))
}

fn differs(how: &str, status: u16, body: &Value, other_status: u16, other_body: &Value) -> Option<String> {
    if status == other_status && body == other_body {
        return None;
    }
    let (left, right) = (body.to_string(), other_body.to_string());
    let same = left.bytes().zip(right.bytes()).take_while(|(a, b)| a == b).count();
    let excerpt = |text: &str| -> String {
        let bytes: Vec<u8> = text.bytes().skip(same.saturating_sub(60)).take(400).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Some(format!("differs {how}: {status} …{}… against {other_status} …{}…", excerpt(&left), excerpt(&right)))
}

fn visible_part(body: Value) -> Value {
    let body = stable(body);
    let columns: Vec<Value> = body
        .pointer("/columns")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|column| json!({"name": column.get("name"), "type": column.get("type")}))
        .collect();
    json!({
        "error": body.get("error"), "columns": columns, "rows": body.get("rows"),
        "truncated": body.pointer("/metadata/truncated"), "row_count": body.pointer("/metadata/row_count"),
    })
}

/// The body without what differs from call to call, its rows as a multiset. Which rows a cut answer holds depends on which
/// of the engine's partitions came first: only their number is compared.
pub(super) fn stable(body: Value) -> Value {
    let mut body = steady(body);
    let cut = body.pointer("/metadata/truncated") == Some(&Value::Bool(true));
    match body.get_mut("rows") {
        Some(rows) if cut => *rows = json!("cut"),
        Some(Value::Array(rows)) => rows.sort_by_cached_key(Value::to_string),
        _ => {}
    }
    body
}

fn steady(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(members.into_iter().map(steady_member).collect::<Map<_, _>>()),
        Value::Array(items) => Value::Array(items.into_iter().map(steady).collect()),
        // Sums of other partitions in another order.
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map_or(Value::Null, |float| json!(format!("{float:.9e}")))
        }
        Value::String(text) => Value::String(without_snapshots(&text)),
        other => other,
    }
}

/// Plans name the snapshot they read.
fn without_snapshots(text: &str) -> String {
    let mut parts = text.split(" at snapshot ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |told, part| told + " at snapshot …" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

fn steady_member((key, value): (String, Value)) -> (String, Value) {
    let duration = ["_ms", "_us", "_at", "_micros"].iter().any(|end| key.ends_with(end)) || key.starts_with("elapsed");
    let volatile = !value.is_object() && (duration || UNSTABLE.contains(&key.as_str()));
    let value = if volatile { json!("…") } else { steady(value) };
    (key, value)
}
