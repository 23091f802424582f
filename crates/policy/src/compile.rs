//! From a policy as written to a typed rule, checked against the table's current schema.

use polder_types::{Error, Subject, check_name};
use serde_json::{Map, Value};

use crate::{
    ActionSpec, ColumnPath, ColumnSpec, Comparison, Field, FieldType, Literal, Mask, MaskAction, MaskSpec, Operand,
    PolicySpec, Predicate, Primitive, Rule, Schema,
};

/// Most nodes of one predicate.
const PREDICATE_NODES_MAX: usize = 1_000;
/// Most levels of one predicate.
const DEPTH_MAX: usize = 32;
/// Most levels of choices in one mask; each level doubles what the engine evaluates where it is unknown.
const CHOICE_DEPTH_MAX: usize = 8;
/// Most values of one `in`.
const IN_VALUES_MAX: usize = 10_000;

/// Compiles a policy against a schema.
///
/// # Errors
/// `Invalid` if it is none or several of row filter, mask and hidden column, names an unknown column, compares
/// a column with a value of another type, uses a mask that the type does not have, applies to nobody, or holds a
/// key that means nothing.
pub fn compile(spec: &PolicySpec, schema: &Schema) -> Result<Rule, Error> {
    check_name(&spec.name).map_err(|error| error.about(Subject::Policy))?;
    if spec.applies_to.as_ref().is_some_and(Vec::is_empty) {
        return Err(bad("`applies_to` names no role; leave it out to mean everyone"));
    }
    let mut compiler = Compiler { schema, nodes: 0 };
    match (&spec.row_filter, &spec.mask, &spec.hide_column) {
        (Some(filter), None, None) => Ok(Rule::RowFilter(compiler.predicate(filter, 0)?)),
        (None, Some(mask), None) => {
            let (column, field) = compiler.column_spec(&mask.column)?;
            refuse_inside_map_key(schema, &column)?;
            let compiled = compiler.mask(&mask.mask, field, 0)?;
            if compiled.shows_all() {
                return Err(bad("`show` alone is no mask; another branch of its choice must mask"));
            }
            Ok(Rule::Mask { column, mask: compiled })
        }
        (None, None, Some(column)) => {
            let (column, _) = compiler.column_spec(column)?;
            if column.len() > 1 && !is_struct_path(schema, &column) {
                return Err(bad("only columns and fields of structs can be hidden"));
            }
            Ok(Rule::Hide { column })
        }
        _ => Err(bad("a policy has exactly one of `row_filter`, `mask` and `hide_column`")),
    }
}

fn bad(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::invalid("invalid_policy", message).about(Subject::Policy)
}

/// A mask on a map's key could merge entries; Iceberg refuses it too.
fn refuse_inside_map_key(schema: &Schema, path: &ColumnPath) -> Result<(), Error> {
    for end in 1..path.len() {
        let parent = path.get(..end).and_then(|head| schema.field_at(head));
        if matches!(parent.map(|f| &f.ty), Some(FieldType::Map(..))) && path.get(end).is_some_and(|n| n == "key") {
            return Err(bad("a map's key cannot be masked; mask the whole map"));
        }
    }
    Ok(())
}

fn is_struct_path(schema: &Schema, path: &ColumnPath) -> bool {
    (1..path.len()).all(|end| {
        path.get(..end)
            .and_then(|head| schema.field_at(head))
            .is_some_and(|field| matches!(field.ty, FieldType::Struct(_)))
    })
}

struct Compiler<'a> {
    schema: &'a Schema,
    nodes: usize,
}

impl<'a> Compiler<'a> {
    fn column_spec(&self, column: &ColumnSpec) -> Result<(ColumnPath, &'a Field), Error> {
        // A top-level name that holds a dot wins over the path reading.
        if let ColumnSpec::Dotted(text) = column
            && let Some(field) = self.schema.fields.iter().find(|f| &f.name == text)
        {
            return Ok((vec![text.clone()], field));
        }
        let path = column.path();
        let field =
            self.schema.field_at(&path).ok_or_else(|| bad(format!("the table has no column `{}`", path.join("."))))?;
        Ok((path, field))
    }

    fn mask(&mut self, spec: &MaskSpec, field: &Field, depth: usize) -> Result<Mask, Error> {
        if depth > CHOICE_DEPTH_MAX {
            return Err(bad(format!("a mask has at most {CHOICE_DEPTH_MAX} levels of choices")));
        }
        let ty = match &field.ty {
            FieldType::Primitive(primitive) => *primitive,
            FieldType::Struct(_) | FieldType::List(_) | FieldType::Map(..) => Primitive::Other,
        };
        match spec {
            MaskSpec::Action { action: ActionSpec::Show(_) } => Ok(Mask::Show),
            MaskSpec::Action { action: ActionSpec::Mask(action) } => {
                let defined = match action {
                    MaskAction::MaskToFixedValue => field.has_fixed_value(),
                    other => other.applies_to(ty),
                };
                if !defined {
                    return Err(bad(format!("`{}` is not defined for the type of the column", action.as_str())));
                }
                if *action == MaskAction::ReplaceWithNull && field.required {
                    return Err(bad("`replace-with-null` needs an optional column"));
                }
                Ok(Mask::Action(*action))
            }
            MaskSpec::Static { value } => Ok(Mask::Static(literal(value, ty)?)),
            MaskSpec::Choice { when, then, otherwise } => Ok(Mask::Choice {
                when: self.predicate(when, 0)?,
                then: Box::new(self.mask(then, field, depth + 1)?),
                otherwise: Box::new(self.mask(otherwise, field, depth + 1)?),
            }),
        }
    }

    fn predicate(&mut self, value: &Value, depth: usize) -> Result<Predicate, Error> {
        self.nodes += 1;
        if self.nodes > PREDICATE_NODES_MAX || depth > DEPTH_MAX {
            return Err(bad("the predicate is too large"));
        }
        let node = match value {
            Value::Bool(true) => return Ok(Predicate::True),
            Value::Bool(false) => return Ok(Predicate::False),
            Value::Object(node) => node,
            _ => return Err(bad("a predicate is `true`, `false` or an object with `type`")),
        };
        let kind = node.get("type").and_then(Value::as_str).ok_or_else(|| bad("a predicate has a `type`"))?;
        check_keys(kind, node)?;
        let mut child = |key: &str| {
            let inner = node.get(key).ok_or_else(|| bad(format!("`{kind}` needs `{key}`")))?;
            self.predicate(inner, depth + 1)
        };
        match kind {
            "true" => Ok(Predicate::True),
            "false" => Ok(Predicate::False),
            "and" => Ok(Predicate::And(vec![child("left")?, child("right")?])),
            "or" => Ok(Predicate::Or(vec![child("left")?, child("right")?])),
            "not" => Ok(Predicate::Not(Box::new(child("child")?))),
            _ => self.leaf(kind, node),
        }
    }

    fn leaf(&self, kind: &str, node: &Map<String, Value>) -> Result<Predicate, Error> {
        let (column, ty) = self.term(node)?;
        let operand = || operand(node, ty);
        let compare = |op| Ok(Predicate::Compare { column: column.clone(), op, operand: operand()? });
        let negate = |inner| Predicate::Not(Box::new(inner));
        match kind {
            "is-null" => Ok(Predicate::IsNull(column)),
            "not-null" => Ok(negate(Predicate::IsNull(column))),
            "eq" => compare(Comparison::Eq),
            "not-eq" => compare(Comparison::NotEq),
            "lt" => compare(Comparison::Lt),
            "lt-eq" => compare(Comparison::LtEq),
            "gt" => compare(Comparison::Gt),
            "gt-eq" => compare(Comparison::GtEq),
            "in" => Ok(Predicate::In { operands: operands(node, ty)?, column }),
            "not-in" => Ok(negate(Predicate::In { operands: operands(node, ty)?, column })),
            "starts-with" | "not-starts-with" if ty != Primitive::String => {
                Err(bad(format!("`{kind}` needs a string column")))
            }
            "starts-with" => Ok(Predicate::StartsWith { operand: operand()?, column: column.clone() }),
            "not-starts-with" => Ok(negate(Predicate::StartsWith { operand: operand()?, column: column.clone() })),
            _ => Err(bad(format!("unknown predicate type `{kind}`"))),
        }
    }

    fn term(&self, node: &Map<String, Value>) -> Result<(ColumnPath, Primitive), Error> {
        let term = node.get("term").cloned().ok_or_else(|| bad("a comparison has a `term`, the column"))?;
        let column: ColumnSpec =
            serde_json::from_value(term).map_err(|_| bad("a `term` is a column name, or a list of names"))?;
        let (path, field) = self.column_spec(&column)?;
        if !is_struct_path(self.schema, &path) {
            return Err(bad("a predicate reads columns and fields of structs, not inside lists and maps"));
        }
        match &field.ty {
            FieldType::Primitive(primitive) => Ok((path, *primitive)),
            _ => Err(bad(format!("column `{}` is not of a primitive type", path.join(".")))),
        }
    }
}

/// Refuses keys that mean nothing: a misspelt one would otherwise change what the policy says.
fn check_keys(kind: &str, node: &Map<String, Value>) -> Result<(), Error> {
    let known: &[&str] = match kind {
        "true" | "false" => &[],
        "and" | "or" => &["left", "right"],
        "not" => &["child"],
        "is-null" | "not-null" => &["term"],
        "in" | "not-in" => &["term", "values", "attribute"],
        _ => &["term", "value", "attribute"],
    };
    match node.keys().find(|key| *key != "type" && !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(bad(format!("`{kind}` has no `{key}`"))),
    }
}

fn operand(node: &Map<String, Value>, ty: Primitive) -> Result<Operand, Error> {
    match (node.get("value"), node.get("attribute")) {
        (Some(value), None) => Ok(Operand::Literal(literal(value, ty)?)),
        (None, Some(Value::String(name))) => attribute(name, ty),
        _ => Err(bad("a comparison has a `value`, or an `attribute` of the principal")),
    }
}

fn operands(node: &Map<String, Value>, ty: Primitive) -> Result<Vec<Operand>, Error> {
    match (node.get("values"), node.get("attribute")) {
        (Some(Value::Array(values)), None) if !values.is_empty() && values.len() <= IN_VALUES_MAX => {
            values.iter().map(|value| Ok(Operand::Literal(literal(value, ty)?))).collect()
        }
        (None, Some(Value::String(name))) => Ok(vec![attribute(name, ty)?]),
        _ => Err(bad(format!("`in` has 1 to {IN_VALUES_MAX} `values`, or an `attribute` of the principal"))),
    }
}

fn attribute(name: &str, ty: Primitive) -> Result<Operand, Error> {
    if !matches!(ty, Primitive::Boolean | Primitive::Int | Primitive::Long | Primitive::String) {
        return Err(bad("attributes compare with boolean, int, long and string columns"));
    }
    Ok(Operand::Attribute { name: name.to_owned(), ty })
}

/// Reads a JSON value as a literal of a type (Iceberg's single-value JSON forms).
fn literal(value: &Value, ty: Primitive) -> Result<Literal, Error> {
    let parsed = match (ty, value) {
        (Primitive::Boolean, Value::Bool(value)) => Some(Literal::Bool(*value)),
        (Primitive::Int | Primitive::Long, Value::Number(n)) => n.as_i64().map(Literal::Long),
        (Primitive::Double, Value::Number(n)) => n.as_f64().map(double),
        // The nearest `float`, as every engine compares it.
        (Primitive::Float, Value::Number(n)) => n.as_f64().map(|v| double(f64::from(v as f32))),
        (Primitive::Decimal { scale, .. }, Value::String(text)) => decimal(text, scale),
        (Primitive::Date, Value::String(text)) => crate::schema::parse_date(text).map(Literal::Date),
        (Primitive::Time, Value::String(text)) => crate::schema::parse_time(text).map(Literal::Time),
        (Primitive::Timestamp { .. }, Value::String(text)) => {
            crate::schema::parse_timestamp(text).map(Literal::Timestamp)
        }
        (Primitive::TimestampNs { .. }, Value::String(text)) => {
            crate::schema::parse_timestamp(text).and_then(|us| us.checked_mul(1_000)).map(Literal::TimestampNs)
        }
        (Primitive::String, Value::String(text)) => Some(Literal::Text(text.clone())),
        (Primitive::Uuid, Value::String(text)) => text.parse().ok().map(Literal::Uuid),
        _ => None,
    };
    parsed.filter(|literal| literal.fits(ty)).ok_or_else(|| bad("the value does not fit the type of the column"))
}

/// A double with one zero: `-0.0` would equal no ordinary zero in the total order.
fn double(value: f64) -> Literal {
    Literal::Double(value + 0.0)
}

fn decimal(text: &str, scale: i8) -> Option<Literal> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let places = usize::try_from(scale).ok()?;
    let plain = !whole.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !plain || fraction.len() > places || digits.matches('.').count() > 1 || digits.len() > 40 {
        return None;
    }
    let unscaled: i128 = format!("{whole}{fraction:0<places$}").parse().ok()?;
    Some(Literal::Decimal { unscaled: sign * unscaled, scale })
}

#[cfg(test)]
mod tests;
