//! `polder query` and `polder explain`.

use clap::Args;
use serde_json::{Map, Value};

use crate::{
    cli::print,
    client::{Client, ClientError},
};

/// Runs one SQL query.
#[derive(Args, Debug)]
pub(crate) struct Query {
    /// The SQL text
    sql: String,
    /// Warehouse that names without one refer to (default: the tenant's default warehouse)
    #[arg(long)]
    warehouse: Option<String>,
    /// Most rows wanted
    #[arg(long)]
    max_rows: Option<u64>,
}

/// Explains one SQL query.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The SQL text
    sql: String,
    /// Warehouse that names without one refer to
    #[arg(long)]
    warehouse: Option<String>,
}

fn body(sql: &str, warehouse: Option<&String>, max_rows: Option<u64>) -> Value {
    let mut body = Map::from_iter([("sql".to_owned(), Value::from(sql))]);
    if let Some(warehouse) = warehouse {
        body.insert("warehouse".to_owned(), Value::from(warehouse.as_str()));
    }
    if let Some(max_rows) = max_rows {
        body.insert("max_rows".to_owned(), Value::from(max_rows));
    }
    Value::Object(body)
}

impl Query {
    pub(crate) async fn run(&self, client: &Client, json: bool) -> Result<(), ClientError> {
        let answer = client.post("/api/v1/query", &body(&self.sql, self.warehouse.as_ref(), self.max_rows)).await?;
        if json {
            print::line(&answer.to_string());
            return Ok(());
        }
        print::line(&render(&answer));
        print::message(&summary(&answer));
        Ok(())
    }
}

impl Explain {
    pub(crate) async fn run(&self, client: &Client, json: bool) -> Result<(), ClientError> {
        let answer = client.post("/api/v1/explain", &body(&self.sql, self.warehouse.as_ref(), None)).await?;
        match answer.get("plan").and_then(Value::as_array) {
            Some(lines) if !json => lines.iter().filter_map(Value::as_str).for_each(print::line),
            _ => print::line(&answer.to_string()),
        }
        Ok(())
    }
}

/// The rows as a table; masked columns are marked in the header.
pub(crate) fn render(answer: &Value) -> String {
    let columns: Vec<String> = answer
        .get("columns")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|column| {
            let name = column.get("name").and_then(Value::as_str).unwrap_or_default();
            let masked = column.get("masked").and_then(Value::as_bool).unwrap_or(false);
            if masked { format!("{name} (masked)") } else { name.to_owned() }
        })
        .collect();
    let rows = answer.get("rows").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    print::rows(&columns, rows)
}

/// One line on what was counted and which policies applied.
pub(crate) fn summary(answer: &Value) -> String {
    let rows = answer.pointer("/metadata/row_count").and_then(Value::as_u64).unwrap_or(0);
    let truncated = answer.pointer("/metadata/truncated").and_then(Value::as_bool).unwrap_or(false);
    let policies: Vec<String> = answer
        .get("policies_applied")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|policy| {
            let text = |key| policy.get(key).and_then(Value::as_str);
            let column = text("column").map(|column| format!(" on {column}")).unwrap_or_default();
            format!("{} ({}{column})", text("name").unwrap_or_default(), text("kind").unwrap_or_default())
        })
        .collect();
    let cut = if truncated { ", more exist" } else { "" };
    let applied = if policies.is_empty() { "no policy applied".to_owned() } else { policies.join(", ") };
    format!("{rows} rows{cut}; {applied}")
}
