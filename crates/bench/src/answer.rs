//! Answers of the gateway beside those of the reference: the same columns, and the same values in the same rows.
//!
//! Refuses answers without rows: two of them agree about nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Result;

/// How far floating numbers may lie apart, as a part of the larger: sums are made in any order.
const TOLERANCE: f64 = 1e-9;

/// What is compared of an answer of the gateway.
#[derive(Deserialize)]
struct Governed {
    columns: Vec<Column>,
    rows: Vec<Vec<Box<RawValue>>>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    r#type: String,
}

impl Column {
    fn is_floating(&self) -> bool {
        matches!(self.r#type.as_str(), "real" | "double")
    }
}

/// A row of the reference, which leaves nulls out.
type Plain = BTreeMap<String, Box<RawValue>>;

/// Compares two bodies. `ordered` says whether the order of the rows is part of the answer.
///
/// # Errors
/// They differ, have no rows, or are none of the two forms.
pub(crate) fn compare(governed: &[u8], reference: &[u8], ordered: bool) -> Result<()> {
    if agree(&serde_json::from_slice(governed)?, &serde_json::from_slice::<Vec<Plain>>(reference)?, ordered) {
        return Ok(());
    }
    let text = |body| String::from_utf8_lossy(body).into_owned();
    Err(format!("the two answers differ: {} and {}", text(governed), text(reference)).into())
}

fn agree(governed: &Governed, reference: &[Plain], ordered: bool) -> bool {
    let names: BTreeSet<&str> = governed.columns.iter().map(|column| column.name.as_str()).collect();
    let known = reference.iter().flat_map(BTreeMap::keys).all(|name| names.contains(name.as_str()));
    let mut found: Vec<Vec<Option<String>>> =
        governed.rows.iter().map(|row| row.iter().map(|cell| text(cell)).collect()).collect();
    let of_plain = |row: &Plain| -> Vec<Option<String>> {
        governed.columns.iter().map(|column| text(row.get(&column.name)?)).collect()
    };
    let mut wanted: Vec<Vec<Option<String>>> = reference.iter().map(of_plain).collect();
    if !ordered {
        found.sort_unstable();
        wanted.sort_unstable();
    }
    let same = |(found, wanted): (&Vec<Option<String>>, &Vec<Option<String>>)| {
        found.len() == wanted.len()
            && governed.columns.iter().zip(found.iter().zip(wanted)).all(|(column, (found, wanted))| {
                found == wanted || (column.is_floating() && is_near(found.as_deref(), wanted.as_deref()))
            })
    };
    known && !found.is_empty() && found.len() == wanted.len() && found.iter().zip(&wanted).all(same)
}

/// A value as text; `None` for null. Decimals are texts on one side and numbers on the other, with the same digits.
fn text(cell: &RawValue) -> Option<String> {
    match cell.get() {
        "null" => None,
        written => Some(serde_json::from_str(written).unwrap_or_else(|_| written.to_owned())),
    }
}

fn is_near(found: Option<&str>, wanted: Option<&str>) -> bool {
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<f64>().ok());
    match (number(found), number(wanted)) {
        (Some(found), Some(wanted)) => (found - wanted).abs() <= TOLERANCE * found.abs().max(wanted.abs()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::compare;

    const COLUMNS: &str = r#"{"name":"a","type":"varchar"},{"name":"b","type":"decimal(15,2)"},
        {"name":"c","type":"double"},{"name":"d","type":"bigint"}"#;

    fn is_same(rows: &str, reference: &str, ordered: bool) -> bool {
        let governed = format!(r#"{{"sql":"SELECT 1","columns":[{COLUMNS}],"rows":{rows}}}"#);
        compare(governed.as_bytes(), reference.as_bytes(), ordered).is_ok()
    }

    #[test]
    fn values_are_compared_by_their_types() {
        let rows = r#"[["x","37.00",0.1,7]]"#;
        assert!(is_same(rows, r#"[{"a":"x","b":37.00,"c":0.1,"d":7}]"#, true));
        assert!(is_same(rows, r#"[{"d":7,"c":0.10000000000001,"b":37.00,"a":"x"}]"#, true));
        for other in [
            r#"[{"a":"y","b":37.00,"c":0.1,"d":7}]"#,
            r#"[{"a":"x","b":37.01,"c":0.1,"d":7}]"#,
            r#"[{"a":"x","b":37.00,"c":0.100001,"d":7}]"#,
            r#"[{"a":"x","b":37.00,"c":0.1,"d":8}]"#,
            r#"[{"a":"x","b":37.00,"c":0.1}]"#,
            r#"[{"a":"x","b":37.00,"c":0.1,"d":7,"e":1}]"#,
            "[]",
        ] {
            assert!(!is_same(rows, other, true), "{other}");
        }
    }

    #[test]
    fn nulls_rows_and_their_order_count() {
        assert!(is_same(r#"[[null,"1.00",1.0,1]]"#, r#"[{"b":1.00,"c":1.0,"d":1}]"#, true));
        assert!(!is_same(r#"[["","1.00",1.0,1]]"#, r#"[{"b":1.00,"c":1.0,"d":1}]"#, true));
        let (rows, turned) = (
            r#"[["x","1.00",1.0,1],["y","2.00",2.0,2]]"#,
            r#"[{"a":"y","b":2.00,"c":2.0,"d":2},{"a":"x","b":1.00,"c":1.0,"d":1}]"#,
        );
        assert!(is_same(rows, turned, false));
        assert!(!is_same(rows, turned, true));
        assert!(!is_same("[]", "[]", true));
    }
}
