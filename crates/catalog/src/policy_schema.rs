//! The policy kernel's view of a table's schema. A type that is not known maps to `Other`: it can be hidden or
//! nulled, never compared.

use polder_policy::{Field, FieldType, Primitive, Schema};

use crate::metadata::{FieldView, SchemaView, TypeView};

/// Converts a schema for [`polder_policy::compile`] and [`polder_policy::lower`].
#[must_use]
pub fn policy_schema(schema: &SchemaView) -> Schema {
    Schema { fields: fields(&schema.fields) }
}

fn fields(fields: &[FieldView]) -> Vec<Field> {
    fields.iter().map(|view| field(view.id, &view.name, view.required, &view.ty)).collect()
}

fn field(id: i32, name: &str, required: bool, ty: &TypeView) -> Field {
    Field { id, name: name.to_owned(), required, ty: field_type(ty) }
}

fn field_type(ty: &TypeView) -> FieldType {
    match ty {
        TypeView::Primitive(text) => FieldType::Primitive(primitive(text)),
        TypeView::Other(_) => FieldType::Primitive(Primitive::Other),
        TypeView::Struct(inner) => FieldType::Struct(fields(inner)),
        TypeView::List { element_id, element_required, element } => {
            FieldType::List(Box::new(field(*element_id, "element", *element_required, element)))
        }
        TypeView::Map { key_id, key, value_id, value_required, value } => FieldType::Map(
            Box::new(field(*key_id, "key", true, key)),
            Box::new(field(*value_id, "value", *value_required, value)),
        ),
    }
}

/// Reads a primitive type as the specification writes it ("Primitive Types", Iceberg specification).
fn primitive(text: &str) -> Primitive {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    match compact.as_str() {
        "boolean" => Primitive::Boolean,
        "int" => Primitive::Int,
        "long" => Primitive::Long,
        "float" => Primitive::Float,
        "double" => Primitive::Double,
        "date" => Primitive::Date,
        "time" => Primitive::Time,
        "timestamp" => Primitive::Timestamp { zoned: false },
        "timestamptz" => Primitive::Timestamp { zoned: true },
        "timestamp_ns" => Primitive::TimestampNs { zoned: false },
        "timestamptz_ns" => Primitive::TimestampNs { zoned: true },
        "string" => Primitive::String,
        "uuid" => Primitive::Uuid,
        "binary" => Primitive::Binary,
        other => parameterised(other).unwrap_or(Primitive::Other),
    }
}

fn parameterised(text: &str) -> Option<Primitive> {
    if let Some(arguments) = text.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')) {
        let (precision, scale) = arguments.split_once(',')?;
        return Some(Primitive::Decimal { precision: precision.parse().ok()?, scale: scale.parse().ok()? });
    }
    let length = text.strip_prefix("fixed[").and_then(|rest| rest.strip_suffix(']'))?;
    length.parse().ok().map(Primitive::Fixed)
}

#[cfg(test)]
mod tests;
