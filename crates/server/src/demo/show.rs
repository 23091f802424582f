//! The demo's story on stdout: the same SQL by two people, what was withheld by which policy, what the audit kept.

use polder_types::{Error, Result};
use serde_json::{Value, json};

use super::setup::{NAMESPACE, RESTRICTED_TABLE, TENANT, WAREHOUSE};
use crate::{
    cli::{
        print,
        query::{render, summary},
    },
    client::{Client, ClientError},
};

/// How many audit records are read.
const AUDIT_ROWS_READ: usize = 200;
/// How many audit records are shown.
const AUDIT_ROWS_SHOWN: usize = 12;

/// The query that both run.
fn sql() -> String {
    format!(
        "SELECT c_custkey AS id, c_mktsegment AS segment, c_phone AS phone, c_acctbal AS balance \
         FROM {NAMESPACE}.{RESTRICTED_TABLE} ORDER BY c_custkey LIMIT 8"
    )
}

fn failed(error: &ClientError) -> Error {
    Error::internal(error.to_string())
}

/// What the story needs.
pub(super) struct Story<'a> {
    pub(super) base_url: &'a str,
    pub(super) iceberg_uri: &'a str,
    pub(super) admin: &'a Client,
    pub(super) analyst: &'a Client,
    pub(super) credentials_file: &'a std::path::Path,
}

impl Story<'_> {
    /// Runs the queries and prints everything.
    pub(super) async fn tell(&self) -> Result<()> {
        self.two_answers().await?;
        self.refusals().await?;
        self.audit().await?;
        self.how_to_go_on();
        Ok(())
    }

    async fn two_answers(&self) -> Result<()> {
        let body = json!({"sql": sql()});
        let whole = self.admin.post("/api/v1/query", &body).await.map_err(|e| failed(&e))?;
        let governed = self.analyst.post("/api/v1/query", &body).await.map_err(|e| failed(&e))?;
        print::line(&format!("\n  {}\n", sql()));
        print::line(&side_by_side(&labelled("admin", &whole), &labelled("analyst", &governed)));
        print::line("What the analyst did not get, and why:");
        for policy in governed.get("policies_applied").and_then(Value::as_array).into_iter().flatten() {
            print::line(&format!("  {}", effect(policy)));
        }
        Ok(())
    }

    async fn refusals(&self) -> Result<()> {
        let hidden = json!({"sql": format!("SELECT c_address FROM {NAMESPACE}.{RESTRICTED_TABLE}")});
        print::line("\nThe analyst asks for the hidden column:");
        print::line(&format!("  {}", refusal(self.analyst.post("/api/v1/query", &hidden).await)));
        let path = format!("/iceberg/v1/{WAREHOUSE}/namespaces/{NAMESPACE}/tables/{RESTRICTED_TABLE}");
        print::line("The analyst's engine (PyIceberg, Spark, …) asks for the table itself:");
        print::line(&format!("  {}", refusal(self.analyst.get(&path).await)));
        Ok(())
    }

    async fn audit(&self) -> Result<()> {
        let path = format!("/api/v1/admin/audit?page_size={AUDIT_ROWS_READ}");
        let answer = self.admin.get(&path).await.map_err(|e| failed(&e))?;
        let columns = ["at", "principal", "action", "object", "decision", "reason"].map(str::to_owned);
        let rows: Vec<Value> = answer
            .get("records")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter(|record| record.get("action").is_some_and(|action| action != "authenticate"))
            .take(AUDIT_ROWS_SHOWN)
            .map(|record| {
                let value = |key: &String| record.get(key).map(|value| print::member(key, value)).unwrap_or_default();
                columns.iter().map(value).map(Value::from).collect()
            })
            .collect();
        print::line(&format!("\nThe newest audit records of tenant {TENANT} (authentications left out):"));
        print::line(&print::rows(&columns, &rows));
        Ok(())
    }

    fn how_to_go_on(&self) {
        let credentials = self.credentials_file.display();
        let field =
            |holder: &str| format!("$(python3 -c \"import json;print(json.load(open('{credentials}'))['{holder}'])\")");
        let (base, iceberg) = (self.base_url, self.iceberg_uri);
        print::line(&format!(
            "\nGo on yourself (the credentials are in {credentials}):\n\n\
             export POLDER_URL={base}\n\
             export POLDER_CREDENTIAL={analyst}\n\
             curl -s -u \"$POLDER_CREDENTIAL\" -H 'content-type: application/json' {base}/api/v1/query \\\n  \
             -d '{{\"sql\": \"SELECT count(*) FROM {NAMESPACE}.{RESTRICTED_TABLE}\"}}'\n\
             cargo run -q -- query 'SELECT count(*) FROM {NAMESPACE}.{RESTRICTED_TABLE}'\n\n\
             # PyIceberg as the engineer; with ['analyst'] the same line answers 403 on the restricted table\n\
             python3 - <<'PY'\n\
             import json\n\
             from pyiceberg.catalog import load_catalog\n\
             keys = json.load(open('{credentials}'))\n\
             catalog = load_catalog('polder', type='rest', uri='{iceberg}', warehouse='{WAREHOUSE}', credential=keys['engineer'])\n\
             print(catalog.load_table('{NAMESPACE}.{RESTRICTED_TABLE}').scan(limit=3).to_arrow().to_pylist())\n\
             PY",
            analyst = field("analyst"),
        ));
    }
}

fn labelled(who: &str, answer: &Value) -> String {
    format!("{who}: {}\n{}", summary(answer).split(';').next().unwrap_or_default(), render(answer))
}

fn effect(policy: &Value) -> String {
    let text = |key| policy.get(key).and_then(Value::as_str).unwrap_or_default();
    let what = match text("kind") {
        "row_filter" => "rows filtered".to_owned(),
        "mask" => format!("column {} masked", text("column")),
        // The name of a hidden column is not told, not even here.
        _ => "a column hidden".to_owned(),
    };
    format!("{what} by policy `{}`", text("name"))
}

fn refusal(answer: Result<Value, ClientError>) -> String {
    match answer {
        Ok(_) => "an answer, which should not be".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn side_by_side(left: &str, right: &str) -> String {
    let width = left.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let rows = left.lines().count().max(right.lines().count());
    let mut lines = Vec::with_capacity(rows);
    let (mut left, mut right) = (left.lines(), right.lines());
    for _ in 0..rows {
        let line = format!("  {:width$}   {}", left.next().unwrap_or_default(), right.next().unwrap_or_default());
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n") + "\n"
}
