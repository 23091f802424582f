//! Fields of a schema by their full names, with where they stand.

use std::collections::HashMap;

use iceberg::spec::{NestedFieldRef, Schema, Type};
use polder_types::{Error, Result};

/// A field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub(super) id: i32,
    pub(super) ty: &'a Type,
    /// True if it lies in nothing.
    pub(super) top: bool,
    /// True if it lies in a list or map.
    pub(super) repeated: bool,
}

/// The fields of a schema.
pub(super) struct Names<'a> {
    by_id: HashMap<i32, Field<'a>>,
    /// `None` for a name that two fields have.
    by_name: HashMap<String, Option<i32>>,
    case_sensitive: bool,
}

impl<'a> Names<'a> {
    pub(super) fn new(schema: &'a Schema, case_sensitive: bool) -> Self {
        let mut by_id = HashMap::new();
        gather(schema.as_struct().fields(), (true, false), &mut by_id);
        let mut by_name: HashMap<String, Option<i32>> = HashMap::new();
        for (id, name) in schema.field_id_to_name_map() {
            let name = if case_sensitive { name.clone() } else { name.to_lowercase() };
            by_name.entry(name).and_modify(|other| *other = None).or_insert(Some(*id));
        }
        Self { by_id, by_name, case_sensitive }
    }

    /// # Errors
    /// `Invalid` if no field, or more than one, has the name.
    pub(super) fn named(&self, name: &str) -> Result<Field<'a>> {
        let found = match self.case_sensitive {
            true => self.by_name.get(name),
            false => self.by_name.get(&name.to_lowercase()),
        };
        match found {
            Some(Some(id)) => self.of_id(*id),
            Some(None) => Err(unknown(format!("column `{name}` is ambiguous; name it case-sensitively"))),
            None => Err(unknown(format!("column `{name}` does not exist"))),
        }
    }

    /// # Errors
    /// `Invalid` if no field has the id.
    pub(super) fn of_id(&self, id: i32) -> Result<Field<'a>> {
        self.by_id.get(&id).copied().ok_or_else(|| unknown(format!("no column has the field id {id}")))
    }
}

fn unknown(message: String) -> Error {
    Error::invalid("unknown_column", message)
}

fn gather<'a>(fields: &'a [NestedFieldRef], (top, repeated): (bool, bool), found: &mut HashMap<i32, Field<'a>>) {
    for field in fields {
        let ty = field.field_type.as_ref();
        found.insert(field.id, Field { id: field.id, ty, top, repeated });
        match ty {
            Type::Primitive(_) => {}
            Type::Struct(inner) => gather(inner.fields(), (false, repeated), found),
            Type::List(list) => gather(std::slice::from_ref(&list.element_field), (false, true), found),
            Type::Map(map) => {
                gather(std::slice::from_ref(&map.key_field), (false, true), found);
                gather(std::slice::from_ref(&map.value_field), (false, true), found);
            }
        }
    }
}
