//! One recorded request.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The headers that are sent again. Tokens are the replaying client's own; what names a client's build decides nothing.
const HEADERS: [&str; 5] =
    ["accept", "content-type", "idempotency-key", "if-none-match", "x-iceberg-access-delegation"];

/// A line of a recording.
pub(super) struct Line {
    pub(super) n: u64,
    pub(super) step: String,
    pub(super) method: String,
    /// The specification's path.
    pub(super) template: String,
    /// The path as it was sent.
    pub(super) path: String,
    pub(super) query: Option<String>,
    /// Those of [`HEADERS`] that were sent.
    pub(super) headers: BTreeMap<&'static str, String>,
    pub(super) body: Option<Value>,
    /// Of bodies that were not kept.
    pub(super) body_keys: Vec<String>,
    pub(super) status: u16,
    /// The type of the error in the answer's body, if it had one.
    pub(super) error: Option<String>,
}

/// Reads a recording; its first line tells who sent it, and what most of its requests have in common.
///
/// A line that stands for several equal requests is one line.
pub(super) fn read(path: &str) -> Vec<Line> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let common = lines.next().unwrap()["common-headers"].clone();
    lines.map(|line| parse(&common, &line)).collect()
}

/// The headers of a line: what it says of one, `null` for one that was not sent, else what is common.
fn headers(common: &Value, line: &Value) -> BTreeMap<&'static str, String> {
    let own = &line["headers"];
    let of = |name: &str| own.get(name).or_else(|| common.get(name)).and_then(Value::as_str).map(str::to_owned);
    HEADERS.into_iter().filter_map(|name| Some((name, of(name)?))).collect()
}

fn parse(common: &Value, line: &Value) -> Line {
    let text = |member: &str| line.get(member).and_then(Value::as_str).map(str::to_owned);
    let template = text("template").unwrap();
    Line {
        n: line["n"].as_u64().unwrap(),
        step: text("step").unwrap_or_default(),
        method: text("method").unwrap(),
        path: text("path").unwrap_or_else(|| template.clone()),
        template,
        query: text("query"),
        body_keys: line.get("body-keys").cloned().map(|keys| serde_json::from_value(keys).unwrap()).unwrap_or_default(),
        body: line.get("body").filter(|body| !body.is_null()).cloned(),
        status: u16::try_from(line["status"].as_u64().unwrap()).unwrap(),
        error: line.pointer("/error/type").and_then(Value::as_str).map(str::to_owned),
        headers: headers(common, line),
    }
}

/// A table's namespace and name, as they stand in a path.
pub(super) fn identifier(ident: &Value) -> String {
    format!("{}/{}", levels(&ident["namespace"]), ident["name"].as_str().unwrap())
}

/// A namespace as it stands in a path.
pub(super) fn levels(namespace: &Value) -> String {
    let levels = namespace.as_array().unwrap().iter().map(|level| level.as_str().unwrap());
    levels.collect::<Vec<_>>().join("%1F")
}

impl Line {
    /// True for an operation of the warehouse, by the end of its path.
    pub(super) fn is(&self, end: &str) -> bool {
        self.template.ends_with(end)
    }

    /// True if the answer tells of the table's files, and of access to them where the client can work with keys.
    pub(super) fn tells_access(&self) -> bool {
        match self.method.as_str() {
            "GET" => self.is("/tables/{table}"),
            "POST" => self.is("{namespace}/tables") || self.is("/register"),
            _ => false,
        }
    }

    /// The namespace that must exist: in the path, or the parent of a list.
    pub(super) fn namespace(&self) -> Option<String> {
        let Some((_, inside)) = self.path.split_once("/namespaces/") else {
            let parent = self.query.as_deref()?.split('&').find_map(|pair| pair.strip_prefix("parent="))?;
            return (!parent.is_empty()).then(|| parent.to_owned());
        };
        Some(inside.split('/').next()?.to_owned())
    }

    /// The table or view in the path.
    pub(super) fn table(&self) -> Option<String> {
        let inside = self.path.split_once("/namespaces/")?.1;
        let (namespace, inside) = inside.split_once("/tables/").or_else(|| inside.split_once("/views/"))?;
        let table = inside.split('/').next()?;
        Some(format!("{namespace}/{table}"))
    }

    /// The snapshot that a commit goes on from.
    pub(super) fn parent(&self) -> Option<i64> {
        let requirements = self.body.as_ref()?.get("requirements")?.as_array()?;
        let main = requirements.iter().find(|one| one["type"] == "assert-ref-snapshot-id" && one["ref"] == "main")?;
        main["snapshot-id"].as_i64()
    }

    /// A report with the members that were recorded.
    pub(super) fn report(&self) -> Option<Value> {
        if !self.is("/metrics") {
            return None;
        }
        let mut report = serde_json::Map::new();
        for key in &self.body_keys {
            let value = match key.as_str() {
                "report-type" if self.body_keys.iter().any(|key| key == "filter") => json!("scan-report"),
                "report-type" => json!("commit-report"),
                "filter" => json!(true),
                "projected-field-ids" | "projected-field-names" => json!([]),
                "metrics" | "metadata" => json!({}),
                "table-name" | "operation" => json!("x"),
                _ => json!(1),
            };
            report.insert(key.clone(), value);
        }
        Some(Value::Object(report))
    }

    /// The table or view that is made.
    pub(super) fn made(&self) -> Option<String> {
        let inside = self.path.split_once("/namespaces/")?.1;
        let namespace = inside.strip_suffix("/tables").or_else(|| inside.strip_suffix("/views"))?;
        Some(format!("{namespace}/{}", self.body.as_ref()?.get("name")?.as_str()?))
    }
}
