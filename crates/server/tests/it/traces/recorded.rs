//! One recorded request.

use serde_json::{Value, json};

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
    pub(super) body: Option<Value>,
    /// Of bodies that were not kept.
    pub(super) body_keys: Vec<String>,
    pub(super) status: u16,
    pub(super) error: Option<Value>,
    pub(super) idempotency_key: Option<String>,
}

/// Reads a recording; its first line tells who sent it.
///
/// A line that stands for several equal requests is one line.
pub(super) fn read(path: &str) -> Vec<Line> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines().skip(1).map(|line| parse(&serde_json::from_str(line).unwrap())).collect()
}

fn parse(line: &Value) -> Line {
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
        error: line.get("error").cloned(),
        idempotency_key: line.pointer("/headers/idempotency-key").and_then(Value::as_str).map(str::to_owned),
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
