//! From obligations to what an engine enforces on one schema: a predicate over field ids and a rule a field.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Applied, BoundMask, BoundPredicate, ColumnPath, Field, FieldPredicate, FieldType, Mask, MaskAction, Obligations,
    Predicate, Primitive, Rule, Schema,
};

/// Most combinations of fields that one filter can stand for after drops and renames; more and nothing passes.
const COMBINATIONS_MAX: usize = 16;

/// What happens to one field. Absent from the map = shown as it is.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldRule {
    /// It does not exist.
    Hide,
    /// It shows a masked value.
    Mask(BoundMask),
}

/// What an engine enforces: rows for which `filter` is true, then `fields` over the original row.
#[derive(Clone, Debug, PartialEq)]
pub struct TablePolicy {
    /// The row filter; only rows where it is true exist.
    pub filter: FieldPredicate,
    /// The fields that are not shown as they are. No field and its own descendant at once.
    pub fields: BTreeMap<i32, FieldRule>,
}

/// Lowers obligations onto a schema (of the current or of an older snapshot).
///
/// A filter whose column is not there lets nothing through; a filter or mask whose column may be one of several
/// fields (dropped and added again) holds for all of them.
#[must_use]
pub fn lower(obligations: &Obligations, schema: &Schema) -> TablePolicy {
    let mut filters = Vec::new();
    let mut fields: BTreeMap<i32, FieldRule> = BTreeMap::new();
    for applied in &obligations.applied {
        match &applied.rule {
            Rule::RowFilter(predicate) => filters.push(lower_filter(applied, predicate, obligations, schema)),
            Rule::Hide { column } => {
                for id in candidates(applied, column, schema) {
                    fields.insert(id, FieldRule::Hide);
                }
            }
            Rule::Mask { column, mask } => {
                for id in candidates(applied, column, schema) {
                    let Some(field) = schema.field(id) else { continue };
                    let resolve = |path: &ColumnPath| single(&candidates(applied, path, schema));
                    let bound = mask.bind(&obligations.attributes, &resolve, field.required);
                    let bound = if fits(mask, &bound, field) { bound } else { strictest(field.required) };
                    add_mask(&mut fields, id, bound, field.required);
                }
            }
        }
    }
    remove_covered(&mut fields, schema);
    let filter = match filters.len() {
        0 => BoundPredicate::True,
        1 => filters.pop().unwrap_or(BoundPredicate::False),
        _ => BoundPredicate::And(filters),
    };
    TablePolicy { filter, fields }
}

fn strictest(required: bool) -> BoundMask {
    BoundMask::Action(if required { MaskAction::MaskToFixedValue } else { MaskAction::ReplaceWithNull })
}

fn add_mask(fields: &mut BTreeMap<i32, FieldRule>, id: i32, mask: BoundMask, required: bool) {
    let joined = match fields.remove(&id) {
        None => FieldRule::Mask(mask),
        Some(FieldRule::Hide) => FieldRule::Hide,
        Some(FieldRule::Mask(other)) => FieldRule::Mask(other.join(mask, required)),
    };
    fields.insert(id, joined);
}

/// True if the mask can be applied to the field as it is now; its type may have changed since.
fn fits(mask: &Mask, bound: &BoundMask, field: &Field) -> bool {
    let primitive = match &field.ty {
        FieldType::Primitive(primitive) => Some(*primitive),
        _ => None,
    };
    match (mask, bound) {
        (_, BoundMask::Show) => true,
        (_, BoundMask::Action(action)) => match primitive {
            Some(ty) => action.applies_to(ty) && !(field.required && *action == MaskAction::ReplaceWithNull),
            None => {
                *action == MaskAction::MaskToFixedValue || (*action == MaskAction::ReplaceWithNull && !field.required)
            }
        },
        (_, BoundMask::Static(literal)) => primitive.is_some_and(|ty| literal.fits(ty)),
        (mask, BoundMask::Choice { then, otherwise, unknown, .. }) => {
            fits(mask, then, field) && fits(mask, otherwise, field) && fits(mask, unknown, field)
        }
    }
}

/// The fields of the schema that a column path stands for: those bound to it by id, and the one of that name.
fn candidates(applied: &Applied, path: &ColumnPath, schema: &Schema) -> BTreeSet<i32> {
    let mut ids: BTreeSet<i32> =
        applied.fields.get(path).into_iter().flatten().copied().filter(|id| schema.field(*id).is_some()).collect();
    ids.extend(schema.field_at(path).map(|field| field.id));
    ids
}

fn single(ids: &BTreeSet<i32>) -> Option<i32> {
    if ids.len() == 1 { ids.first().copied() } else { None }
}

fn lower_filter(
    applied: &Applied,
    predicate: &Predicate,
    obligations: &Obligations,
    schema: &Schema,
) -> FieldPredicate {
    let Some(bound) = predicate.bind(&obligations.attributes) else { return BoundPredicate::False };
    let mut columns = BTreeSet::new();
    predicate.collect_columns(&mut columns);
    let mut choices: Vec<BTreeMap<ColumnPath, i32>> = vec![BTreeMap::new()];
    for column in columns {
        let ids = candidates(applied, &column, schema);
        if ids.is_empty() || choices.len() * ids.len() > COMBINATIONS_MAX {
            return BoundPredicate::False;
        }
        choices = choices
            .iter()
            .flat_map(|chosen| {
                ids.iter().map(|id| {
                    let mut chosen = chosen.clone();
                    chosen.insert(column.clone(), *id);
                    chosen
                })
            })
            .collect();
    }
    let mut lowered: Vec<FieldPredicate> = choices
        .iter()
        .map(|chosen| bound.map_columns(&|path| chosen.get(path).copied()).unwrap_or(BoundPredicate::False))
        .map(|predicate| if literals_fit(&predicate, schema) { predicate } else { BoundPredicate::False })
        .collect();
    if lowered.len() == 1 { lowered.pop().unwrap_or(BoundPredicate::False) } else { BoundPredicate::And(lowered) }
}

/// A column may have been promoted (int → long) or replaced by one of another type since the policy was made.
fn literals_fit(predicate: &FieldPredicate, schema: &Schema) -> bool {
    let primitive = |id: &i32| match schema.field(*id).map(|f| &f.ty) {
        Some(FieldType::Primitive(primitive)) => Some(*primitive),
        _ => None,
    };
    match predicate {
        BoundPredicate::True | BoundPredicate::False => true,
        BoundPredicate::And(parts) | BoundPredicate::Or(parts) => parts.iter().all(|p| literals_fit(p, schema)),
        BoundPredicate::Not(inner) => literals_fit(inner, schema),
        BoundPredicate::IsNull(id) => primitive(id).is_some(),
        BoundPredicate::Compare { column, literal, .. } => primitive(column).is_some_and(|ty| literal.fits(ty)),
        BoundPredicate::In { column, literals } => {
            primitive(column).is_some_and(|ty| literals.iter().all(|literal| literal.fits(ty)))
        }
        BoundPredicate::StartsWith { column, .. } => primitive(column) == Some(Primitive::String),
    }
}

/// A parent's rule beats its children's; hidden beats all.
fn remove_covered(fields: &mut BTreeMap<i32, FieldRule>, schema: &Schema) {
    fn walk(field: &Field, covered: bool, fields: &mut BTreeMap<i32, FieldRule>) {
        if covered {
            fields.remove(&field.id);
        }
        let covers = covered || fields.contains_key(&field.id);
        field.children().for_each(|child| walk(child, covers, fields));
    }
    schema.fields.iter().for_each(|field| walk(field, false, fields));
}
