//! `polder query` and `polder explain`: the statement from an argument, a file or a pipe; the answer as a table, CSV, JSON or
//! an Arrow stream, to stdout or a file.

use std::{
    io::{IsTerminal, Read},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use crate::{
    cli::{csv, print},
    client::{Client, ClientError},
    render::ARROW_STREAM,
};

/// The door for queries.
const PATH: &str = "/api/v1/query";
/// Most bytes of a statement that are read; the server takes fewer, and says so.
const STATEMENT_BYTES_MAX: u64 = 1024 * 1024;

/// Where the statement is.
#[derive(Args, Debug)]
#[group(required = false, multiple = false)]
struct Statement {
    /// The SQL text; `-` or none reads it from stdin
    sql: Option<String>,
    /// File that holds the SQL text
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people; what controls a terminal is escaped
    Table,
    /// RFC 4180; null is nothing, the empty text is `""`
    Csv,
    /// The server's answer with all it says beside the rows
    Json,
    /// An Arrow IPC stream; needs a file or a pipe
    Arrow,
}

/// Runs one SQL query.
#[derive(Args, Debug)]
pub(crate) struct Query {
    #[command(flatten)]
    statement: Statement,
    /// Form of the answer (default: table, or json with --json)
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// File for the answer instead of stdout
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// In CSV, put an apostrophe before texts that a spreadsheet would run as a formula
    #[arg(long)]
    spreadsheet: bool,
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
    #[command(flatten)]
    statement: Statement,
    /// Warehouse that names without one refer to
    #[arg(long)]
    warehouse: Option<String>,
}

impl Statement {
    fn read(&self) -> Result<String, ClientError> {
        let mut text = String::new();
        match (self.sql.as_deref(), &self.file) {
            (Some(sql), _) if sql != "-" => return Ok(sql.to_owned()),
            (_, Some(path)) => {
                let file = std::fs::File::open(path);
                file.and_then(|file| file.take(STATEMENT_BYTES_MAX).read_to_string(&mut text))
                    .map_err(|error| ClientError::Usage(format!("cannot read `{}`: {error}", path.display())))?;
            }
            _ => {
                let stdin = std::io::stdin();
                if self.sql.is_none() && stdin.is_terminal() {
                    return Err(ClientError::Usage(
                        "no statement: give it as an argument, with --file, or through a pipe".to_owned(),
                    ));
                }
                stdin
                    .take(STATEMENT_BYTES_MAX)
                    .read_to_string(&mut text)
                    .map_err(|error| ClientError::Usage(format!("cannot read the statement from stdin: {error}")))?;
            }
        }
        Ok(text)
    }
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
    fn format(&self, json: bool) -> Result<Format, ClientError> {
        let format = match (self.format, json) {
            (None, true) => Format::Json,
            (None, false) => Format::Table,
            (Some(format), false) | (Some(format @ Format::Json), true) => format,
            (Some(_), true) => return Err(ClientError::Usage("--json and --format say different things".to_owned())),
        };
        if self.spreadsheet && format != Format::Csv {
            return Err(ClientError::Usage("--spreadsheet is for --format csv".to_owned()));
        }
        if format == Format::Arrow && self.output.is_none() && std::io::stdout().is_terminal() {
            return Err(ClientError::Usage(
                "an Arrow stream is no text for a terminal: use --output FILE or a pipe".to_owned(),
            ));
        }
        Ok(format)
    }

    pub(crate) async fn run(&self, client: &Client, json: bool) -> Result<(), ClientError> {
        let format = self.format(json)?;
        let body = body(&self.statement.read()?, self.warehouse.as_ref(), self.max_rows);
        if format == Format::Arrow {
            let (headers, stream) = client.post_for(PATH, &body, ARROW_STREAM).await?;
            self.write(&stream)?;
            let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("0");
            let cut = if header("polder-truncated") == "true" { ", more exist" } else { "" };
            print::message(&format!("{} rows{cut}", header("polder-row-count")));
            return Ok(());
        }
        let answer = client.post(PATH, &body).await?;
        match format {
            Format::Csv => self.write(csv::csv(&answer, self.spreadsheet).as_bytes())?,
            Format::Json => return self.write(format!("{answer}\n").as_bytes()),
            Format::Table | Format::Arrow => self.write(format!("{}\n", render(&answer)).as_bytes())?,
        }
        print::message(&summary(&answer));
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> Result<(), ClientError> {
        match &self.output {
            None => print::bytes(bytes),
            Some(path) => std::fs::write(path, bytes)
                .map_err(|error| ClientError::Failed(format!("cannot write `{}`: {error}", path.display()))),
        }
    }
}

impl Explain {
    pub(crate) async fn run(&self, client: &Client, json: bool) -> Result<(), ClientError> {
        let body = body(&self.statement.read()?, self.warehouse.as_ref(), None);
        let answer = client.post("/api/v1/explain", &body).await?;
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
