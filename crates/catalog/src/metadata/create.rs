//! New tables: fresh ids for the schema, the spec and the order of a create request. Refuses what a commit
//! would refuse, since it ends in the same draft.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexMap;
use polder_types::{Location, Micros, Result, rest::CreateTableRequest};
use serde_json::{Map, Value, value::RawValue};
use uuid::Uuid;

use super::{
    NestedField, TableDoc,
    doc::PARTITION_ID_FIRST,
    raw::{PART_DEPTH_MAX, check_json, decode, encode, invalid, is_null},
    schema::view_of,
    updates::{Update, apply, is_reserved},
};

/// The format version of a table whose creator asks for none.
pub(super) const FORMAT_VERSION_DEFAULT: u8 = 2;

/// The parts of a create request that make a document.
#[derive(Clone, Copy, Debug)]
pub struct NewTable<'a> {
    /// The schema; ids are the client's own and only tie the parts together.
    pub schema: &'a RawValue,
    /// The partition spec; `None`: unpartitioned.
    pub partition_spec: Option<&'a RawValue>,
    /// The sort order; `None`: unsorted.
    pub write_order: Option<&'a RawValue>,
    /// Properties; `format-version` is used and not stored, other reserved ones are dropped as in Java.
    pub properties: Option<&'a BTreeMap<String, String>>,
}

impl<'a> From<&'a CreateTableRequest> for NewTable<'a> {
    fn from(request: &'a CreateTableRequest) -> Self {
        Self {
            schema: &request.schema,
            partition_spec: request.partition_spec.as_deref(),
            write_order: request.write_order.as_deref(),
            properties: request.properties.as_ref(),
        }
    }
}

/// Makes the first document of a table: schema 0 with field ids from 1 in Java's order (a level, then what is
/// nested in it), spec 0 with field ids from 1000, order 1 or, unsorted, 0.
///
/// # Errors
/// `Invalid` for a schema, spec, order, format version or location that a commit would refuse too.
pub fn create(table: NewTable<'_>, table_uuid: Uuid, location: &Location, now: Micros) -> Result<TableDoc> {
    let mut fresh = FreshIds::default();
    let schema = fresh.schema(object(table.schema, "the schema")?)?;
    let spec = table.partition_spec.filter(|raw| !is_null(raw));
    let spec = spec.map_or_else(|| Ok(Map::new()), |raw| object(raw, "the partition spec"))?;
    let order = table.write_order.filter(|raw| !is_null(raw));
    let order = order.map_or_else(|| Ok(Map::new()), |raw| object(raw, "the sort order"))?;
    let properties = table.properties.into_iter().flatten();
    let kept = properties.filter(|(name, _)| !is_reserved(name)).map(|(name, text)| (name.clone(), text.clone()));
    let updates = [
        Update::UpgradeFormatVersion(format_version(table.properties)?),
        Update::AssignUuid(table_uuid.to_string()),
        Update::SetLocation(location.to_string()),
        Update::AddSchema(encode(&schema)?),
        Update::SetCurrentSchema(-1),
        Update::AddSpec(encode(&fresh.spec(spec)?)?),
        Update::SetDefaultSpec(-1),
        Update::AddSortOrder(encode(&fresh.order(order)?)?),
        Update::SetDefaultSortOrder(-1),
        Update::SetProperties(kept.collect::<IndexMap<_, _>>()),
    ];
    apply(None, &updates, now)
}

fn format_version(properties: Option<&BTreeMap<String, String>>) -> Result<i64> {
    match properties.and_then(|properties| properties.get("format-version")) {
        None => Ok(i64::from(FORMAT_VERSION_DEFAULT)),
        Some(text) => text.trim().parse().map_err(|_| invalid(format!("the format version `{text}` is not a number"))),
    }
}

fn object(raw: &RawValue, what: &str) -> Result<Map<String, Value>> {
    check_json(raw.get().as_bytes(), PART_DEPTH_MAX)?;
    decode(raw, what)
}

/// Gives out field ids and remembers which of the client's ids each replaces.
#[derive(Default)]
struct FreshIds {
    last: i32,
    by_old: HashMap<i64, i32>,
}

impl FreshIds {
    fn schema(&mut self, mut schema: Map<String, Value>) -> Result<Value> {
        let view = view_of(&Value::Object(schema.clone()))?;
        let mut old = std::collections::HashSet::new();
        // Two fields with one id could not be told apart by the spec, the order or the identifier.
        if let Some(NestedField { id, .. }) = view.nested_fields().iter().find(|field| !old.insert(field.id)) {
            return Err(invalid(format!("the schema is not valid: field id {id} is used twice")));
        }
        self.fields(&mut schema);
        if let Some(ids) = schema.get_mut("identifier-field-ids").and_then(Value::as_array_mut) {
            ids.iter_mut().try_for_each(|id| self.rename(id))?;
        }
        Ok(Value::Object(schema))
    }

    fn fields(&mut self, of: &mut Map<String, Value>) {
        let Some(fields) = of.get_mut("fields").and_then(Value::as_array_mut) else { return };
        for field in fields.iter_mut() {
            self.replace(field, "id");
        }
        for field in fields {
            self.within(field.get_mut("type"));
        }
    }

    fn within(&mut self, ty: Option<&mut Value>) {
        let Some(Value::Object(ty)) = ty else { return };
        match ty.get("type").and_then(Value::as_str).unwrap_or_default() {
            "struct" => self.fields(ty),
            "list" => {
                self.replace_in(ty, "element-id");
                self.within(ty.get_mut("element"));
            }
            "map" => {
                self.replace_in(ty, "key-id");
                self.replace_in(ty, "value-id");
                self.within(ty.get_mut("key"));
                self.within(ty.get_mut("value"));
            }
            _ => {}
        }
    }

    fn replace(&mut self, field: &mut Value, member: &str) {
        if let Value::Object(field) = field {
            self.replace_in(field, member);
        }
    }

    fn replace_in(&mut self, object: &mut Map<String, Value>, member: &str) {
        self.last += 1;
        if let Some(old) = object.insert(member.to_owned(), self.last.into()).and_then(|old| old.as_i64()) {
            self.by_old.insert(old, self.last);
        }
    }

    fn rename(&self, id: &mut Value) -> Result<()> {
        let new = id.as_i64().and_then(|old| self.by_old.get(&old));
        *id = (*new.ok_or_else(|| invalid(format!("cannot find column {id} of the schema")))?).into();
        Ok(())
    }

    fn sources(&self, field: &mut Value) -> Result<()> {
        let Value::Object(field) = field else { return Err(invalid("a field is not an object")) };
        if let Some(id) = field.get_mut("source-id").filter(|id| !id.is_null()) {
            self.rename(id)?;
        }
        match field.get_mut("source-ids").and_then(Value::as_array_mut) {
            Some(ids) => ids.iter_mut().try_for_each(|id| self.rename(id)),
            None => Ok(()),
        }
    }

    fn spec(&self, mut spec: Map<String, Value>) -> Result<Value> {
        spec.insert("spec-id".to_owned(), 0.into());
        let fields = spec.entry("fields").or_insert_with(|| Value::Array(Vec::new()));
        for (field, id) in fields.as_array_mut().into_iter().flatten().zip(PARTITION_ID_FIRST..) {
            self.sources(field)?;
            if let Value::Object(field) = field {
                field.insert("field-id".to_owned(), id.into());
            }
        }
        Ok(Value::Object(spec))
    }

    fn order(&self, mut order: Map<String, Value>) -> Result<Value> {
        order.insert("order-id".to_owned(), 1.into());
        let fields = order.entry("fields").or_insert_with(|| Value::Array(Vec::new()));
        fields.as_array_mut().into_iter().flatten().try_for_each(|field| self.sources(field))?;
        Ok(Value::Object(order))
    }
}
