//! Schemas in the JSON of a container.
//!
//! SECURITY: the library gives names a meaning of its own (it takes a reference to be what its *reader's* schema calls
//! so), and works out defaults while it parses, which a chain of records that fall back on each other makes exponential.
//! So the schema is written anew: every reference replaced by what it stands for, no two types of one name, and nothing
//! that does not change how bytes are read.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

/// Most parts of a schema once its references are written out.
const PARTS_MAX: usize = 10_000;
/// Deepest schema; a manifest's has about ten levels.
const DEPTH_MAX: usize = 32;
/// What changes the meaning of a primitive type, or of a fixed one.
const LOGICAL_TYPES: &[&str] = &[
    "date",
    "decimal",
    "local-timestamp-micros",
    "local-timestamp-millis",
    "local-timestamp-nanos",
    "time-micros",
    "time-millis",
    "timestamp-micros",
    "timestamp-millis",
    "timestamp-nanos",
    "uuid",
];

/// Writes a schema in its plainest form; `None` for one that no manifest has.
pub(super) fn plain(schema: &Value) -> Option<Value> {
    Plain::default().schema(schema, "", 0)
}

#[derive(Default)]
struct Plain<'a> {
    /// The named types so far, with the namespace that each stands in.
    known: HashMap<String, (&'a Map<String, Value>, &'a str)>,
    /// The names that are given away.
    used: HashSet<String>,
    parts: usize,
}

impl<'a> Plain<'a> {
    fn schema(&mut self, schema: &'a Value, namespace: &'a str, depth: usize) -> Option<Value> {
        self.parts += 1;
        if self.parts > PARTS_MAX || depth > DEPTH_MAX {
            return None;
        }
        match schema {
            Value::String(name) if is_primitive(name) => Some(json!(name)),
            Value::String(name) => {
                let (definition, namespace) = *self.known.get(&full_name(name, namespace))?;
                self.complex(definition, namespace, depth + 1)
            }
            Value::Array(variants) => {
                let variants = variants.iter().map(|variant| self.schema(variant, namespace, depth + 1));
                variants.collect::<Option<Vec<_>>>().map(Value::Array)
            }
            Value::Object(complex) => self.complex(complex, namespace, depth + 1),
            _ => None,
        }
    }

    fn complex(&mut self, complex: &'a Map<String, Value>, namespace: &'a str, depth: usize) -> Option<Value> {
        let ty = complex.get("type")?;
        let written = match ty.as_str() {
            Some("record") => self.record(complex, namespace, depth)?,
            Some("fixed") => {
                let (_, name) = self.define(complex, namespace)?;
                json!({"type": "fixed", "name": name, "size": complex.get("size")?.as_u64()?})
            }
            Some("array") => {
                json!({"type": "array", "items": self.schema(complex.get("items")?, namespace, depth)?})
            }
            Some("map") => json!({"type": "map", "values": self.schema(complex.get("values")?, namespace, depth)?}),
            _ => self.schema(ty, namespace, depth)?,
        };
        Some(annotated(written, complex))
    }

    fn record(&mut self, record: &'a Map<String, Value>, namespace: &'a str, depth: usize) -> Option<Value> {
        let (namespace, name) = self.define(record, namespace)?;
        let fields = record.get("fields")?.as_array()?.iter().map(|field| {
            let field = field.as_object()?;
            let ty = self.complex(field, namespace, depth + 1)?;
            Some(json!({"name": field.get("name")?.as_str()?, "type": ty}))
        });
        let fields = fields.collect::<Option<Vec<_>>>()?;
        Some(json!({"type": "record", "name": name, "fields": fields}))
    }

    /// Keeps a named type for references to it. Gives the namespace inside it, and a name that no other type has.
    fn define(&mut self, named: &'a Map<String, Value>, outer: &'a str) -> Option<(&'a str, String)> {
        let name = named.get("name")?.as_str()?;
        let stated = named.get("namespace").and_then(Value::as_str).unwrap_or(outer);
        let (namespace, simple) = name.rsplit_once('.').unwrap_or((stated, name));
        self.known.insert(full_name(simple, namespace), (named, outer));
        let mut fresh = simple.to_owned();
        while !self.used.insert(fresh.clone()) {
            fresh = format!("{simple}_{}", self.used.len());
        }
        Some((namespace, fresh))
    }
}

fn is_primitive(name: &str) -> bool {
    matches!(name, "null" | "boolean" | "int" | "long" | "float" | "double" | "bytes" | "string")
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

/// The written type with the logical type that stood beside it.
fn annotated(written: Value, beside: &Map<String, Value>) -> Value {
    let logical = beside.get("logicalType").and_then(Value::as_str).filter(|name| LOGICAL_TYPES.contains(name));
    let Some(logical) = logical else { return written };
    let mut annotated = match written {
        Value::String(primitive) => Map::from_iter([("type".to_owned(), json!(primitive))]),
        Value::Object(fixed) if fixed.get("type").is_some_and(|ty| ty == "fixed") => fixed,
        other => return other,
    };
    annotated.insert("logicalType".to_owned(), json!(logical));
    for key in ["precision", "scale"] {
        if let Some(number) = beside.get(key).and_then(Value::as_u64) {
            annotated.insert(key.to_owned(), json!(number));
        }
    }
    Value::Object(annotated)
}

/// How many bytes the full names of all fields of an Iceberg schema take together; `None` if they cannot be counted.
pub(super) fn names_bytes(schema: &Value) -> Option<usize> {
    let mut sum = 0;
    add_names(schema, 0, 0, &mut sum)?;
    Some(sum)
}

fn add_names(ty: &Value, outer: usize, depth: usize, sum: &mut usize) -> Option<()> {
    let Value::Object(ty) = ty else { return Some(()) };
    if depth > 128 {
        return None; // the parser of JSON refuses it before
    }
    for field in ty.get("fields").and_then(Value::as_array).into_iter().flatten() {
        let name = field.get("name").and_then(Value::as_str).map_or(0, str::len);
        let full = outer.checked_add(name)?.checked_add(1)?;
        *sum = sum.checked_add(full)?;
        add_names(field.get("type")?, full, depth + 1, sum)?;
    }
    for (key, inner) in ["element", "key", "value"].into_iter().filter_map(|key| Some((key, ty.get(key)?))) {
        let full = outer.checked_add(key.len() + 1)?;
        *sum = sum.checked_add(full)?;
        add_names(inner, full, depth + 1, sum)?;
    }
    Some(())
}
