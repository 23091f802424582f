//! The columns that restrictions read or protect: which field ids they stand for, and which changes of them need
//! the right to edit policies.

use std::collections::BTreeSet;

use polder_policy::{ColumnPath, Field, FieldType, PolicySnapshot, Restriction, Rule, Schema, TableRef};
use polder_store::ColumnBinding;
use polder_types::{Error, QualifiedName, RelationId, Result, Subject};

use crate::{metadata::TableDoc, policy_schema};

/// Lists, for each restriction, the field ids that stand at its columns in any schema of the documents and are not
/// bound to it on `table` yet.
///
/// Any schema, not only the current one: an older one can be read through a snapshot or made current by the next
/// commit, and what once carried a protected name stays protected under every other (R35).
pub(crate) fn new_bindings<'a>(
    restrictions: impl IntoIterator<Item = &'a Restriction>,
    table: RelationId,
    docs: &[&TableDoc],
) -> Vec<ColumnBinding> {
    let mut restrictions = restrictions.into_iter().peekable();
    if restrictions.peek().is_none() {
        return Vec::new();
    }
    let schemas: Vec<Schema> = docs.iter().flat_map(|doc| doc.schema_views()).map(policy_schema).collect();
    let mut bindings = Vec::new();
    for restriction in restrictions {
        for path in restriction.rule.columns() {
            let known = restriction.bound_fields(table, &path);
            let found = field_ids(&schemas, &path);
            let new = found.into_iter().filter(|id| !known.contains(id));
            bindings.extend(new.map(|field| ColumnBinding { policy: restriction.id, path: path.clone(), field }));
        }
    }
    bindings
}

/// Lists the field ids that stand at the columns of a rule in any schema of the document.
pub(crate) fn rule_fields(rule: &Rule, doc: &TableDoc) -> Vec<(ColumnPath, i32)> {
    let schemas: Vec<Schema> = doc.schema_views().map(policy_schema).collect();
    let columns = rule.columns().into_iter();
    columns.flat_map(|path| field_ids(&schemas, &path).into_iter().map(move |id| (path.clone(), id))).collect()
}

/// The fields at a path, in upper or lower case: many engines do not tell them apart, and write the one for the
/// other when they make a column again.
fn field_ids(schemas: &[Schema], path: &ColumnPath) -> BTreeSet<i32> {
    schemas.iter().flat_map(|schema| fields_at(schema, path)).collect()
}

fn fields_at(schema: &Schema, path: &[String]) -> Vec<i32> {
    let mut level: Vec<&Field> = schema.fields.iter().collect();
    for (depth, name) in path.iter().enumerate() {
        if depth > 0 {
            level = level.into_iter().flat_map(Field::children).collect();
        }
        level.retain(|field| field.name.to_lowercase() == name.to_lowercase());
    }
    level.into_iter().map(|field| field.id).collect()
}

/// Says whether a commit may change the columns as it does without the right to edit policies.
///
/// # Errors
/// `Invalid` naming the first restriction whose column would be dropped or change its type.
// SECURITY: a filter whose column is gone lets nothing through, and a mask whose column changed its type protects
// something else; that is a policy editor's decision (design: restrictions stay with what they read).
pub(crate) fn check_kept(snapshot: &PolicySnapshot, table: &TableRef, base: &TableDoc, next: &TableDoc) -> Result<()> {
    let name = table.qualified();
    let mut restrictions = snapshot.restrictions_on(table.id, &name).peekable();
    // Not decided by the schema's id: one commit can forget a schema and give its id to another.
    if restrictions.peek().is_none() {
        return Ok(());
    }
    let (old, new) = (policy_schema(base.current_schema()?), policy_schema(next.current_schema()?));
    match restrictions.find(|restriction| !keeps(restriction, table.id, &old, &new)) {
        None => Ok(()),
        Some(_) => Err(Error::invalid(
            "restricted_column",
            format!(
                "the commit drops or retypes a column that a row filter or mask of table `{}` reads; \
                 it needs the privilege manage_policies",
                table.ident()
            ),
        )
        .about(Subject::Table)),
    }
}

/// True if every column that the restriction reads is there as it was. A hidden column is read by nothing.
fn keeps(restriction: &Restriction, table: RelationId, old: &Schema, new: &Schema) -> bool {
    if matches!(restriction.rule, Rule::Hide { .. }) {
        return true;
    }
    restriction.rule.columns().iter().all(|path| {
        let mut ids = restriction.bound_fields(table, path);
        ids.extend(old.field_at(path).map(|field| field.id));
        let read = ids.into_iter().filter_map(|id| old.field(id));
        let mut kept = read.map(|field| new.field(field.id).is_some_and(|now| same_type(&field.ty, &now.ty)));
        kept.all(|kept| kept)
    })
}

/// A struct, list or map stays one whatever is added inside: its mask covers that too.
fn same_type(old: &FieldType, new: &FieldType) -> bool {
    match (old, new) {
        (FieldType::Primitive(old), FieldType::Primitive(new)) => old == new,
        (FieldType::Struct(_), FieldType::Struct(_))
        | (FieldType::List(_), FieldType::List(_))
        | (FieldType::Map(..), FieldType::Map(..)) => true,
        _ => false,
    }
}

/// The restrictions that hold for a name, whatever will carry it.
pub(crate) fn restrictions_on_name<'a>(
    snapshot: &'a PolicySnapshot,
    name: &QualifiedName,
) -> impl Iterator<Item = &'a Restriction> {
    snapshot.restrictions_on(RelationId(uuid::Uuid::nil()), name)
}
