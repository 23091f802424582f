//! Filters of the REST specification: JSON, read strictly and bound to a schema.
//!
//! Both spellings are read, `term`/`value` that clients send and `left`/`right`/`child` that the specification prefers.
//! Refuses unknown columns and members, values of another type, columns inside lists and maps, function applications,
//! and what is larger than any filter that a person or an engine writes.

use iceberg::spec::{PrimitiveType, Schema, Transform, Type};
use polder_policy::Comparison;
use polder_types::{Error, Result};
use serde_json::{Map, Value as Json};

use super::{
    filter::{Column, Filter, Node, Test},
    literal,
    names::{Field, Names},
    value::Value,
};

/// Most bytes of a filter.
pub(super) const FILTER_BYTES_MAX: usize = 256 * 1024;
/// Most levels of and, or and not. Engines chain conditions, so this is also about how many they join.
const DEPTH_MAX: usize = 90;
/// Most predicates of a filter.
const NODES_MAX: usize = 10_000;
/// Most values of all its sets.
const VALUES_MAX: usize = 20_000;

/// Reads a filter.
///
/// # Errors
/// `Invalid`, in words that repeat nothing but names.
pub(super) fn bind(text: &str, schema: &Schema, case_sensitive: bool) -> Result<Filter> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(invalid(format!("it is larger than {FILTER_BYTES_MAX} bytes")));
    }
    let json: Json = serde_json::from_str(text).map_err(|_| invalid("it is not JSON, or nested too deep"))?;
    let mut binder = Binder { names: Names::new(schema, case_sensitive), columns: Vec::new(), nodes: 0, values: 0 };
    let root = binder.predicate(&json, DEPTH_MAX)?;
    Ok(Filter { columns: binder.columns, root })
}

fn invalid(why: impl Into<String>) -> Error {
    Error::invalid("invalid_filter", format!("the filter is not valid: {}", why.into()))
}

struct Binder<'a> {
    names: Names<'a>,
    columns: Vec<Column>,
    nodes: usize,
    values: usize,
}

/// What a predicate tests.
enum Operand {
    Column(Column),
    /// A struct, list or map.
    Nested,
}

/// One side of a comparison.
enum Side<'j> {
    Operand(Operand),
    Literal(&'j Json),
}

impl Binder<'_> {
    fn predicate(&mut self, json: &Json, depth: usize) -> Result<Node> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(invalid(format!("it has more than {NODES_MAX} parts")));
        }
        let Some(depth) = depth.checked_sub(1) else {
            return Err(invalid(format!("it is nested deeper than {DEPTH_MAX} levels")));
        };
        let object = match json {
            Json::Bool(true) => return Ok(Node::True),
            Json::Bool(false) => return Ok(Node::False),
            Json::Object(object) => object,
            _ => return Err(invalid("a predicate is an object or a boolean")),
        };
        let ty = text(object, "type")?;
        let mut inner = |name: &str| Ok::<_, Error>(Box::new(self.predicate(member(object, name)?, depth)?));
        let (node, members): (Node, &[&str]) = match ty {
            "true" => (Node::True, &[]),
            "false" => (Node::False, &[]),
            "and" => (Node::And(inner("left")?, inner("right")?), &["left", "right"]),
            "or" => (Node::Or(inner("left")?, inner("right")?), &["left", "right"]),
            "not" => (Node::Not(inner("child")?), &["child"]),
            "is-null" | "not-null" | "is-nan" | "not-nan" => (self.unary(ty, object)?, &["child", "term"]),
            "in" | "not-in" => (self.set(ty, object)?, &["child", "term", "values"]),
            _ => (self.comparison(ty, object)?, &["left", "right", "term", "value"]),
        };
        only(object, members)?;
        Ok(node)
    }

    fn unary(&mut self, ty: &str, object: &Map<String, Json>) -> Result<Node> {
        let operand = self.operand(either(object, "child", "term")?)?;
        let test = match ty {
            "is-null" => Test::Null,
            "not-null" => Test::NotNull,
            "is-nan" => Test::Nan,
            _ => Test::NotNan,
        };
        let of_real = matches!(test, Test::Nan | Test::NotNan);
        match operand {
            Operand::Column(column) if of_real && !is_real(&column.ty) => {
                Err(invalid(format!("`{ty}` is for floating-point columns")))
            }
            Operand::Column(column) => Ok(self.test(column, test)),
            Operand::Nested if of_real => Err(invalid(format!("`{ty}` is for floating-point columns"))),
            Operand::Nested => Ok(Node::Opaque),
        }
    }

    fn comparison(&mut self, ty: &str, object: &Map<String, Json>) -> Result<Node> {
        let op = match ty {
            "eq" => Some(Comparison::Eq),
            "not-eq" => Some(Comparison::NotEq),
            "lt" => Some(Comparison::Lt),
            "lt-eq" => Some(Comparison::LtEq),
            "gt" => Some(Comparison::Gt),
            "gt-eq" => Some(Comparison::GtEq),
            "starts-with" | "not-starts-with" => None,
            _ => return Err(invalid("a predicate has a type that is not known")),
        };
        let (left, right) = match object.contains_key("term") {
            true if object.contains_key("left") || object.contains_key("right") => {
                return Err(invalid("a comparison has `term` and `value`, or `left` and `right`"));
            }
            true => (Side::Operand(self.operand(member(object, "term")?)?), Side::Literal(member(object, "value")?)),
            false => (self.side(member(object, "left")?)?, self.side(member(object, "right")?)?),
        };
        let (operand, literal, op) = match (left, right) {
            (Side::Operand(operand), Side::Literal(literal)) => (operand, literal, op),
            (Side::Literal(literal), Side::Operand(operand)) if op.is_some() => (operand, literal, op.map(flipped)),
            (Side::Operand(_), Side::Operand(_)) if op.is_some() => return Ok(Node::Opaque),
            _ => return Err(invalid(format!("`{ty}` compares a column with a value"))),
        };
        let column_type = operand.ty().ok_or_else(|| invalid("structs, lists and maps cannot be compared"))?;
        let value = self.value(literal, column_type)?;
        let test = match (op, value) {
            (Some(op), value) => Test::Compare(op, value),
            (None, Value::Text(prefix)) if ty == "starts-with" => Test::StartsWith(prefix.into_bytes()),
            (None, Value::Text(prefix)) => Test::NotStartsWith(prefix.into_bytes()),
            (None, _) => return Err(invalid(format!("`{ty}` is for columns of text"))),
        };
        Ok(self.tested(operand, test))
    }

    fn set(&mut self, ty: &str, object: &Map<String, Json>) -> Result<Node> {
        let operand = self.operand(either(object, "child", "term")?)?;
        let column_type = operand.ty().ok_or_else(|| invalid("structs, lists and maps cannot be compared"))?;
        let values = match member(object, "values")? {
            Json::Array(values) => values,
            Json::Object(typed) if text(typed, "type")? == "literals" => {
                only(typed, &["values", "data-type"])?;
                check_type(member(typed, "data-type")?, column_type)?;
                member(typed, "values")?.as_array().ok_or_else(|| invalid("`values` is an array"))?
            }
            _ => return Err(invalid("`values` is an array")),
        };
        let values = values.iter().map(|value| self.value(value, column_type)).collect::<Result<Vec<_>>>()?;
        let test = if ty == "in" { Test::In(values) } else { Test::NotIn(values) };
        Ok(self.tested(operand, test))
    }

    fn tested(&mut self, operand: Operand, test: Test) -> Node {
        match operand {
            Operand::Column(column) => self.test(column, test),
            Operand::Nested => Node::Opaque,
        }
    }

    fn test(&mut self, column: Column, test: Test) -> Node {
        let place = self.columns.iter().position(|known| *known == column).unwrap_or_else(|| {
            self.columns.push(column);
            self.columns.len() - 1
        });
        Node::Test(place, test)
    }

    fn side<'j>(&self, json: &'j Json) -> Result<Side<'j>> {
        match json {
            Json::Object(object) if text(object, "type")? != "literal" => Ok(Side::Operand(self.operand(json)?)),
            _ => Ok(Side::Literal(json)),
        }
    }

    /// A reference by name or id, or a transform of one.
    fn operand(&self, json: &Json) -> Result<Operand> {
        if let Json::String(name) = json {
            return column(self.names.named(name)?);
        }
        let object = json.as_object().ok_or_else(|| invalid("a term is a name or an object"))?;
        match text(object, "type")? {
            "reference" => {
                only(object, &["name", "id", "term"])?;
                match (object.get("name").or(object.get("term")), object.get("id")) {
                    (Some(Json::String(name)), None) => column(self.names.named(name)?),
                    (None, Some(id)) => {
                        let id = id.as_i64().and_then(|id| i32::try_from(id).ok());
                        column(self.names.of_id(id.ok_or_else(|| invalid("a field id is a number"))?)?)
                    }
                    _ => Err(invalid("a reference has a name or an id")),
                }
            }
            "transform" => {
                only(object, &["transform", "term"])?;
                let transform = text(object, "transform")?.parse::<Transform>().unwrap_or(Transform::Unknown);
                let unknown = || invalid("a transform is not known, or not for its column");
                let Operand::Column(source) = self.operand(member(object, "term")?)? else { return Err(unknown()) };
                let fine = source.transform == Transform::Identity
                    && !matches!(
                        transform,
                        Transform::Unknown | Transform::Void | Transform::Bucket(0) | Transform::Truncate(0)
                    );
                let result = transform.result_type(&Type::Primitive(source.ty.clone()));
                match result {
                    Ok(Type::Primitive(ty)) if fine => Ok(Operand::Column(Column { transform, ty, ..source })),
                    _ => Err(unknown()),
                }
            }
            "apply" => Err(invalid("function applications are not supported")),
            _ => Err(invalid("a term has a type that is not known")),
        }
    }

    fn value(&mut self, json: &Json, ty: &PrimitiveType) -> Result<Value> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(invalid(format!("it has more than {VALUES_MAX} values")));
        }
        let bare = match json {
            Json::Object(object) if text(object, "type")? == "literal" => {
                only(object, &["value", "data-type"])?;
                if let Some(named) = object.get("data-type") {
                    check_type(named, ty)?;
                }
                member(object, "value")?
            }
            bare => bare,
        };
        literal::read(bare, ty).ok_or_else(|| invalid(format!("a value is not one of type {ty}")))
    }
}

impl Operand {
    fn ty(&self) -> Option<&PrimitiveType> {
        match self {
            Self::Column(column) => Some(&column.ty),
            Self::Nested => None,
        }
    }
}

fn column(field: Field<'_>) -> Result<Operand> {
    if field.repeated {
        return Err(invalid("columns inside lists and maps cannot be filtered by"));
    }
    Ok(match field.ty {
        Type::Primitive(ty) => {
            Operand::Column(Column { id: field.id, transform: Transform::Identity, ty: ty.clone(), top: field.top })
        }
        _ => Operand::Nested,
    })
}

fn is_real(ty: &PrimitiveType) -> bool {
    matches!(ty, PrimitiveType::Float | PrimitiveType::Double)
}

/// A value may say its type, which must be the column's, or one that it grew from or will.
fn check_type(named: &Json, ty: &PrimitiveType) -> Result<()> {
    use PrimitiveType as T;
    let named: PrimitiveType =
        serde_json::from_value(named.clone()).map_err(|_| invalid("a data type is not known"))?;
    let same = match (&named, ty) {
        (T::Int | T::Long, T::Int | T::Long) | (T::Decimal { .. }, T::Decimal { .. }) => true,
        (named, ty) => named == ty || (is_real(named) && is_real(ty)),
    };
    if same { Ok(()) } else { Err(invalid("a value is of another type than its column")) }
}

fn flipped(op: Comparison) -> Comparison {
    match op {
        Comparison::Eq | Comparison::NotEq => op,
        Comparison::Lt => Comparison::Gt,
        Comparison::LtEq => Comparison::GtEq,
        Comparison::Gt => Comparison::Lt,
        Comparison::GtEq => Comparison::LtEq,
    }
}

fn member<'j>(object: &'j Map<String, Json>, name: &str) -> Result<&'j Json> {
    object.get(name).ok_or_else(|| invalid(format!("a predicate lacks `{name}`")))
}

fn either<'j>(object: &'j Map<String, Json>, name: &str, older: &str) -> Result<&'j Json> {
    match (object.get(name), object.get(older)) {
        (Some(json), None) | (None, Some(json)) => Ok(json),
        _ => Err(invalid(format!("a predicate has one of `{name}` and `{older}`"))),
    }
}

fn text<'j>(object: &'j Map<String, Json>, name: &str) -> Result<&'j str> {
    member(object, name)?.as_str().ok_or_else(|| invalid(format!("`{name}` is a text")))
}

/// Refuses members that would be ignored: a filter that is half understood is none.
fn only(object: &Map<String, Json>, members: &[&str]) -> Result<()> {
    match object.keys().all(|key| key == "type" || members.contains(&key.as_str())) {
        true => Ok(()),
        false => Err(invalid("an object has a member that is not known")),
    }
}

#[cfg(test)]
mod tests;
