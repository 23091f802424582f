//! Partition specs: add, make the default, forget.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use polder_types::{Error, Result};

use super::{
    super::{
        PartitionField, PartitionSpec,
        doc::PARTITION_ID_FIRST,
        entries::Entry,
        raw::{Raw, RawList, encode, invalid, with_member},
        schema::Schema,
    },
    Draft,
    draft::spec_fields,
    schema::{next_id, resolve},
};

/// Most fields of one spec or order; far more than any table has.
pub(super) const FIELDS_MAX: usize = 200;
/// Most fields of all specs, or of all orders, together once one is added.
pub(super) const FIELDS_OF_ALL_MAX: usize = 2_000;

impl Draft {
    /// Adds a spec under the next id, or names the compatible one that exists (Java's
    /// `reuseOrCreateNewSpecId`). A field without an id takes that of the same field in an earlier spec.
    pub(super) fn add_spec(&mut self, raw: Raw) -> Result<()> {
        let given = PartitionSpec::decode(raw)?;
        if given.fields.len() > FIELDS_MAX {
            return Err(invalid(format!("the partition spec has more than {FIELDS_MAX} fields")));
        }
        let added = PartitionSpec::decode(self.with_field_ids(given)?)?;
        self.check_spec(&added)?;
        let highest = added.fields.iter().filter_map(|field| field.field_id).max().unwrap_or(0);
        if highest > self.doc.last_partition_id() {
            self.doc.set("last-partition-id", &highest)?;
        }
        let specs = self.doc.list_mut::<PartitionSpec>()?;
        if let Some(equal) = specs.iter().find(|spec| is_compatible(spec, &added)) {
            self.last_added_spec = Some(equal.spec_id);
            return Ok(());
        }
        let fields = specs.iter().map(|spec| spec.fields.len()).sum::<usize>();
        if fields + added.fields.len() > FIELDS_OF_ALL_MAX {
            return Err(invalid(format!("the partition specs have more than {FIELDS_OF_ALL_MAX} fields; remove some")));
        }
        let id = next_id(specs.iter().map(|spec| spec.spec_id), 0)?;
        specs.push(Arc::new(PartitionSpec::decode(with_member(&added.raw, "spec-id", &id)?)?));
        self.last_added_spec = Some(id);
        Ok(())
    }

    /// Makes a spec the default; -1: the one added last.
    pub(super) fn set_default_spec(&mut self, id: i32) -> Result<()> {
        let id = resolve(id, self.last_added_spec, "partition spec")?;
        if !self.doc.list::<PartitionSpec>().iter().any(|spec| spec.spec_id == id) {
            return Err(invalid(format!("cannot set default partition spec to unknown spec: {id}")));
        }
        self.doc.set("default-spec-id", &id)
    }

    /// Forgets specs; the default one stays.
    pub(super) fn remove_specs(&mut self, ids: &[i32]) -> Result<()> {
        let ids: HashSet<i32> = ids.iter().copied().collect();
        if ids.contains(&self.doc.default_spec_id()) {
            return Err(invalid("cannot remove the default partition spec"));
        }
        self.doc.list_mut::<PartitionSpec>()?.retain(|spec| !ids.contains(&spec.spec_id));
        Ok(())
    }

    /// The schema that a field of a spec or order is bound to: the current one if it has the columns, else
    /// the one added last, since DuckDB adds specs and orders before it makes its schema current.
    ///
    /// # Errors
    /// `Err` with the reason if neither has them.
    pub(super) fn binding_schema(&self, source_ids: &[i32]) -> Result<Option<&Schema>, String> {
        let added = self.last_added_schema.and_then(|id| self.doc.schema(id));
        let mut lacking = None;
        for schema in self.doc.schema(self.doc.current_schema_id()).into_iter().chain(added) {
            match source_ids.iter().find(|id| !schema.has_field(**id)) {
                None => return Ok(Some(schema)),
                Some(id) => lacking = Some(format!("cannot find source column {id}")),
            }
        }
        lacking.map_or(Ok(None), Err)
    }

    fn with_field_ids(&self, spec: PartitionSpec) -> Result<Raw> {
        if spec.fields.iter().all(|field| field.field_id.is_some()) {
            return Ok(spec.raw);
        }
        let RawList(raws) = spec_fields(&spec.raw)?;
        let taken = spec.fields.iter().filter_map(|field| field.field_id);
        let mut last_id = taken.fold(self.doc.last_partition_id(), i32::max);
        // Backwards, so that the first of several that are the same stays.
        let known: HashMap<_, _> = self.fields().rev().map(|field| (meaning(field), field.field_id)).collect();
        let mut fields = Vec::with_capacity(raws.len());
        for (field, raw) in spec.fields.iter().zip(raws) {
            let known = || known.get(&meaning(field)).copied().flatten();
            let id = match field.field_id.or_else(known) {
                Some(id) => id,
                None => {
                    last_id = last_id.checked_add(1).ok_or_else(|| invalid("the table has no ids left"))?;
                    last_id
                }
            };
            fields.push(with_member(&raw, "field-id", &id)?);
        }
        with_member(&spec.raw, "fields", &encode(&fields)?)
    }

    fn fields(&self) -> impl DoubleEndedIterator<Item = &PartitionField> {
        self.doc.list::<PartitionSpec>().iter().flat_map(|spec| &spec.fields)
    }

    fn check_spec(&self, spec: &PartitionSpec) -> Result<()> {
        let version = self.doc.format_version();
        if version > 1 {
            self.check_ids_free(spec)?;
        }
        let (mut ids, mut names) = (HashSet::new(), HashSet::new());
        for (field, expected) in spec.fields.iter().zip(PARTITION_ID_FIRST..) {
            let bad = |why: &str| bad(field, why);
            let id = field.field_id.ok_or_else(|| bad("it has no id"))?;
            if field.name.is_empty() || !names.insert(&field.name) {
                return Err(bad("its name is empty or used twice"));
            }
            if !ids.insert(id) || id < 0 {
                return Err(bad("its id is negative or used twice"));
            }
            if version == 1 && id != expected {
                return Err(bad("format version 1 needs sequential ids from 1000"));
            }
            if field.source_ids.len() > 1 && version < 3 {
                return Err(bad("more than one source is not supported until format version 3"));
            }
            if let Some(schema) = self.binding_schema(&field.source_ids).map_err(|why| bad(&why))? {
                check_name(schema, field).map_err(bad)?;
            }
        }
        Ok(())
    }

    /// An id stays with its partition field through all specs; only a void one gives it up. One pass over what is known,
    /// however many fields are new.
    fn check_ids_free(&self, spec: &PartitionSpec) -> Result<()> {
        let is_void = |field: &PartitionField| field.transform == "void";
        let new = spec.fields.iter().filter(|field| !is_void(field));
        let by_id: HashMap<i32, &PartitionField> = new.filter_map(|field| Some((field.field_id?, field))).collect();
        for known in self.fields().filter(|known| !is_void(known)) {
            if let Some(field) = known.field_id.and_then(|id| by_id.get(&id))
                && !is_same(known, field)
            {
                return Err(bad(field, "its id belongs to another partition field"));
            }
        }
        Ok(())
    }
}

fn bad(field: &PartitionField, why: &str) -> Error {
    invalid(format!("the partition field `{}` is not valid: {why}", field.name))
}

/// A partition field may be named like a column only if it is that column, unchanged.
fn check_name(schema: &Schema, field: &PartitionField) -> Result<(), &'static str> {
    match schema.column(&field.name) {
        Some(column) if field.transform != "void" => {
            let same = field.transform == "identity" && field.source_ids == [column.id];
            if same { Ok(()) } else { Err("a column of the schema has that name") }
        }
        _ => Ok(()),
    }
}

/// What a field is, whatever its name and id.
fn meaning(field: &PartitionField) -> (&[i32], &str) {
    (&field.source_ids, &field.transform)
}

fn is_same(one: &PartitionField, other: &PartitionField) -> bool {
    meaning(one) == meaning(other)
}

fn is_compatible(one: &PartitionSpec, other: &PartitionSpec) -> bool {
    let pairs = one.fields.iter().zip(&other.fields);
    one.fields.len() == other.fields.len() && pairs.into_iter().all(|(a, b)| is_same(a, b) && a.name == b.name)
}
