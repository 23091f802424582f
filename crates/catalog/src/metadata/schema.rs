//! Schemas as a typed, read-only view. A type that is not known still loads, as `Other`; refuses repeated
//! ids and names.

use std::{cmp::Ordering, collections::HashSet};

use polder_types::Result;
use serde_json::{Map, Value};

use super::raw::{Raw, decode, encode, invalid};

/// A schema: its columns, nested ones included.
#[derive(Clone, Debug)]
pub struct SchemaView {
    /// Its id in the table; 0 if it has none (format version 1).
    pub schema_id: i32,
    /// The columns, in order.
    pub fields: Vec<FieldView>,
    /// The ids of the columns that identify a row; may be empty.
    pub identifier_field_ids: Vec<i32>,
}

/// A column or a field of a struct.
#[derive(Clone, Debug)]
pub struct FieldView {
    /// The id that stays with it through renames.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// True if it is never null.
    pub required: bool,
    /// Its documentation.
    pub doc: Option<String>,
    /// Its type.
    pub ty: TypeView,
    /// The value of rows written before the column existed (format version 3), as JSON.
    pub initial_default: Option<Raw>,
    /// The value that writers use when none is given (format version 3), as JSON.
    pub write_default: Option<Raw>,
}

/// A type.
#[derive(Clone, Debug)]
pub enum TypeView {
    /// A type written as one text: `long`, `decimal(9,2)`, `variant`, `geometry(srid:4326)`.
    Primitive(String),
    /// A struct.
    Struct(Vec<FieldView>),
    /// A list.
    List {
        /// The id of the element.
        element_id: i32,
        /// True if elements are never null.
        element_required: bool,
        /// The type of the element.
        element: Box<TypeView>,
    },
    /// A map; keys are never null.
    Map {
        /// The id of the key.
        key_id: i32,
        /// The type of the key.
        key: Box<TypeView>,
        /// The id of the value.
        value_id: i32,
        /// True if values are never null.
        value_required: bool,
        /// The type of the value.
        value: Box<TypeView>,
    },
    /// A type that this build does not know, as JSON.
    Other(Raw),
}

/// A field at any depth: a struct field, a list's `element`, a map's `key` or `value`.
#[derive(Clone, Debug)]
pub struct NestedField<'a> {
    /// The names from the column down to it.
    pub path: Vec<&'a str>,
    /// Its id.
    pub id: i32,
    /// True if it is never null.
    pub required: bool,
    /// Its type.
    pub ty: &'a TypeView,
    /// The field, unless it is an element, key or value.
    pub field: Option<&'a FieldView>,
}

impl SchemaView {
    /// Lists every field at every depth, parents before children, in the schema's order.
    #[must_use]
    pub fn nested_fields(&self) -> Vec<NestedField<'_>> {
        let mut found = Vec::new();
        push_fields(&self.fields, &[], &mut found);
        found
    }
}

fn push_fields<'a>(fields: &'a [FieldView], above: &[&'a str], found: &mut Vec<NestedField<'a>>) {
    for field in fields {
        let path = [above, &[field.name.as_str()]].concat();
        let nested = NestedField { path, id: field.id, required: field.required, ty: &field.ty, field: Some(field) };
        push_nested(nested, found);
    }
}

fn push_nested<'a>(nested: NestedField<'a>, found: &mut Vec<NestedField<'a>>) {
    let (path, ty) = (nested.path.clone(), nested.ty);
    found.push(nested);
    let inner = |name, id, required, ty| NestedField {
        path: [path.as_slice(), &[name]].concat(),
        id,
        required,
        ty,
        field: None,
    };
    match ty {
        TypeView::Primitive(_) | TypeView::Other(_) => {}
        TypeView::Struct(fields) => push_fields(fields, &path, found),
        TypeView::List { element_id, element_required, element } => {
            push_nested(inner("element", *element_id, *element_required, element), found);
        }
        TypeView::Map { key_id, key, value_id, value_required, value } => {
            push_nested(inner("key", *key_id, true, key), found);
            push_nested(inner("value", *value_id, *value_required, value), found);
        }
    }
}

/// A schema of the document: what was written and what it means.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    pub(super) view: SchemaView,
    pub(super) raw: Raw,
    /// The hash of its meaning, without the schema's id: equal ones are equal schemas.
    pub(super) fingerprint: blake3::Hash,
    /// The ids of all fields at every depth, in their order: each look is cheap, since a commit may bring many (R32).
    ids: Vec<i32>,
    /// The places of the columns, in the order of their names.
    by_name: Vec<usize>,
}

impl Schema {
    /// Decodes a schema.
    ///
    /// # Errors
    /// `Invalid` unless it is a struct with whole, distinct ids and distinct names.
    pub(super) fn decode(raw: Raw) -> Result<Self> {
        let mut value: Value = decode(&raw, "the schema")?;
        let view = view_of(&value)?;
        let mut ids: Vec<i32> = view.nested_fields().iter().map(|field| field.id).collect();
        ids.sort_unstable();
        if let Some(id) = ids.iter().zip(ids.iter().skip(1)).find_map(|(id, next)| (id == next).then_some(id)) {
            return Err(invalid(format!("the schema is not valid: field id {id} is used twice")));
        }
        let mut names = Names::default();
        view.fields.iter().try_for_each(|field| names.add(None, &field.name, &field.ty))?;
        if let Some(id) = view.identifier_field_ids.iter().find(|id| ids.binary_search(id).is_err()) {
            return Err(invalid(format!("the schema is not valid: identifier field {id} does not exist")));
        }
        normalise(&mut value);
        let fingerprint = blake3::hash(value.to_string().as_bytes());
        let mut by_name: Vec<usize> = (0..view.fields.len()).collect();
        by_name.sort_unstable_by_key(|place| view.fields.get(*place).map(|field| field.name.as_str()));
        Ok(Self { view, raw, fingerprint, ids, by_name })
    }

    /// How many fields it has at every depth.
    pub(super) fn fields_count(&self) -> usize {
        self.ids.len()
    }

    /// The highest field id, 0 if there are none.
    pub(super) fn highest_field_id(&self) -> i32 {
        self.ids.last().copied().unwrap_or(0)
    }

    /// True if a field of this id is there, at whatever depth.
    pub(super) fn has_field(&self, id: i32) -> bool {
        self.ids.binary_search(&id).is_ok()
    }

    /// The column of this name.
    pub(super) fn column(&self, name: &str) -> Option<&FieldView> {
        let named = |place: &usize| self.view.fields.get(*place);
        let found = self
            .by_name
            .binary_search_by(|place| named(place).map_or(Ordering::Less, |field| field.name.as_str().cmp(name)));
        self.by_name.get(found.ok()?).and_then(named)
    }
}

/// The full names of a schema's fields, as hashes that grow with the path: the texts themselves would take the square
/// of the schema's size (R32).
#[derive(Default)]
struct Names(HashSet<blake3::Hash>);

impl Names {
    /// Adds a field and what is below it. Java joins names by dots, so `a.b` and the `b` in `a` are one name.
    fn add(&mut self, above: Option<&blake3::Hasher>, name: &str, ty: &TypeView) -> Result<()> {
        let mut path = above.cloned().unwrap_or_default();
        if above.is_some() {
            path.update(b".");
        }
        path.update(name.as_bytes());
        if !self.0.insert(path.finalize()) {
            return Err(invalid(format!("the schema is not valid: `{name}` is named twice")));
        }
        match ty {
            TypeView::Primitive(_) | TypeView::Other(_) => Ok(()),
            TypeView::Struct(fields) => {
                fields.iter().try_for_each(|field| self.add(Some(&path), &field.name, &field.ty))
            }
            TypeView::List { element, .. } => self.add(Some(&path), "element", element),
            TypeView::Map { key, value, .. } => {
                self.add(Some(&path), "key", key)?;
                self.add(Some(&path), "value", value)
            }
        }
    }
}

/// Drops what does not change a schema's meaning: its id, nulls, the order of identifier ids, blanks in types.
fn normalise(schema: &mut Value) {
    if let Some(object) = schema.as_object_mut() {
        object.remove("schema-id");
        let mut ids: Vec<i64> = object
            .remove("identifier-field-ids")
            .and_then(|ids| ids.as_array().map(|ids| ids.iter().filter_map(Value::as_i64).collect()))
            .unwrap_or_default();
        ids.sort_unstable();
        object.insert("identifier-field-ids".to_owned(), ids.into());
    }
    normalise_within(schema);
}

fn normalise_within(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, member| !member.is_null());
            for name in ["type", "element", "key", "value"] {
                if let Some(Value::String(ty)) = object.get_mut(name) {
                    ty.retain(|c| !c.is_whitespace());
                }
            }
            object.values_mut().for_each(normalise_within);
            // The order in which an object's members were written has no meaning.
            let sorted: std::collections::BTreeMap<String, Value> = std::mem::take(object).into_iter().collect();
            *object = Map::from_iter(sorted);
        }
        Value::Array(values) => values.iter_mut().for_each(normalise_within),
        _ => {}
    }
}

/// Reads a schema.
///
/// # Errors
/// `Invalid` if it is not a struct whose fields have ids, names and types.
pub(super) fn view_of(schema: &Value) -> Result<SchemaView> {
    let object = schema.as_object().ok_or_else(|| invalid("the schema is not valid: it is not an object"))?;
    if object.get("type").and_then(Value::as_str) != Some("struct") {
        return Err(invalid("the schema is not valid: its `type` is not `struct`"));
    }
    let schema_id = match object.get("schema-id") {
        None | Some(Value::Null) => 0,
        Some(_) => id_of(object, "schema-id")?,
    };
    let identifier_field_ids = match object.get("identifier-field-ids") {
        None | Some(Value::Null) => Vec::new(),
        Some(ids) => serde_json::from_value(ids.clone())
            .map_err(|_| invalid("the schema is not valid: `identifier-field-ids` is not a list of ids"))?,
    };
    Ok(SchemaView { schema_id, fields: fields_of(object)?, identifier_field_ids })
}

fn fields_of(object: &Map<String, Value>) -> Result<Vec<FieldView>> {
    let fields = object.get("fields").and_then(Value::as_array);
    fields.ok_or_else(|| invalid("the schema is not valid: a struct has no `fields`"))?.iter().map(field_of).collect()
}

fn field_of(field: &Value) -> Result<FieldView> {
    let object = field.as_object().ok_or_else(|| invalid("the schema is not valid: a field is not an object"))?;
    let name = object.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| invalid("the schema is not valid: a field has no `name`"))?.to_owned();
    let default = |member: &str| object.get(member).filter(|value| !value.is_null()).map(encode).transpose();
    Ok(FieldView {
        id: id_of(object, "id")?,
        name,
        required: flag_of(object, "required")?,
        doc: object.get("doc").and_then(Value::as_str).map(str::to_owned),
        ty: type_of(object, "type")?,
        initial_default: default("initial-default")?,
        write_default: default("write-default")?,
    })
}

fn type_of(object: &Map<String, Value>, member: &str) -> Result<TypeView> {
    let ty = object.get(member).ok_or_else(|| invalid(format!("the schema is not valid: `{member}` is missing")))?;
    let inner = match ty {
        Value::String(name) => return Ok(TypeView::Primitive(name.clone())),
        Value::Object(inner) => inner,
        _ => return Err(invalid("the schema is not valid: a type is neither a text nor an object")),
    };
    match inner.get("type").and_then(Value::as_str) {
        Some("struct") => Ok(TypeView::Struct(fields_of(inner)?)),
        Some("list") => Ok(TypeView::List {
            element_id: id_of(inner, "element-id")?,
            element_required: flag_of(inner, "element-required")?,
            element: Box::new(type_of(inner, "element")?),
        }),
        Some("map") => Ok(TypeView::Map {
            key_id: id_of(inner, "key-id")?,
            key: Box::new(type_of(inner, "key")?),
            value_id: id_of(inner, "value-id")?,
            value_required: flag_of(inner, "value-required")?,
            value: Box::new(type_of(inner, "value")?),
        }),
        // The specification of the REST protocol also allows `{"type": "variant"}`.
        Some(name) if inner.len() == 1 => Ok(TypeView::Primitive(name.to_owned())),
        _ => Ok(TypeView::Other(encode(ty)?)),
    }
}

fn id_of(object: &Map<String, Value>, member: &str) -> Result<i32> {
    let id = object.get(member).and_then(Value::as_i64).and_then(|id| i32::try_from(id).ok());
    id.filter(|id| *id >= 0)
        .ok_or_else(|| invalid(format!("the schema is not valid: `{member}` is missing or not an id")))
}

fn flag_of(object: &Map<String, Value>, member: &str) -> Result<bool> {
    let flag = object.get(member).and_then(Value::as_bool);
    flag.ok_or_else(|| invalid(format!("the schema is not valid: `{member}` is missing or neither true nor false")))
}

/// Checks that a schema uses nothing newer than the table's format version.
///
/// # Errors
/// `Invalid`, naming the field.
pub(super) fn check_version(view: &SchemaView, format_version: u8) -> Result<()> {
    for nested in view.nested_fields() {
        let path = || nested.path.join(".");
        if let TypeView::Primitive(name) = nested.ty
            && min_format_version(name) > format_version
        {
            return Err(invalid(format!(
                "invalid type for `{}`: `{name}` is not supported until format version 3",
                path()
            )));
        }
        let has_default = nested.field.is_some_and(|f| f.initial_default.is_some() || f.write_default.is_some());
        if has_default && format_version < 3 {
            return Err(invalid(format!(
                "invalid default for `{}`: default values are not supported until format version 3",
                path()
            )));
        }
    }
    Ok(())
}

/// The first format version that knows a primitive type; types of the future are not ours to judge.
fn min_format_version(primitive: &str) -> u8 {
    match primitive.split('(').next().unwrap_or_default().trim() {
        "variant" | "geometry" | "geography" | "unknown" | "timestamp_ns" | "timestamptz_ns" => 3,
        _ => 1,
    }
}
