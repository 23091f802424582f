//! From obligations to what an engine enforces on one schema: a predicate over field ids and a rule a field.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Applied, BoundMask, BoundPredicate, ColumnPath, Field, FieldPredicate, FieldType, MaskAction, Obligations,
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
    /// The fields that are not shown as they are. No field and its own descendant at once, no map key, and nothing
    /// hidden inside a list or map.
    pub fields: BTreeMap<i32, FieldRule>,
}

/// Lowers obligations onto a schema (of the current or of an older snapshot).
///
/// A filter whose column is not there lets nothing through; a filter or mask whose column may be one of several
/// fields (dropped and added again) holds for all of them. A mask that the field's type does not have (any more)
/// becomes null, a fixed value, or else hides the field.
#[must_use]
pub fn lower(obligations: &Obligations, schema: &Schema) -> TablePolicy {
    let mut filters = Vec::new();
    let mut wanted = Wanted::default();
    for applied in &obligations.applied {
        match &applied.rule {
            Rule::RowFilter(predicate) => filters.push(lower_filter(applied, predicate, obligations, schema)),
            Rule::Hide { column } => {
                let paths = candidates(applied, column, schema).into_iter().map(|id| schema.path_to(id));
                wanted.hidden.extend(paths.filter_map(|path| hideable(&path)));
            }
            Rule::Mask { column, mask } => {
                for id in candidates(applied, column, schema) {
                    let Some(field) = maskable(&schema.path_to(id)) else { continue };
                    let bind = |when: &Predicate| lower_condition(applied, when, obligations, schema);
                    let bound = mask.bind(&bind, field.required);
                    let before = wanted.masks.remove(&field.id).unwrap_or(BoundMask::Show);
                    wanted.masks.insert(field.id, before.join(bound, field.required));
                }
            }
        }
    }
    let filter = match filters.len() {
        0 => BoundPredicate::True,
        1 => filters.pop().unwrap_or(BoundPredicate::False),
        _ => BoundPredicate::And(filters),
    };
    TablePolicy { filter, fields: schema.fields.iter().flat_map(|field| wanted.settle(field)).collect() }
}

/// The fields of the schema that a column path stands for: those bound to it by id, and the one of that name.
fn candidates(applied: &Applied, path: &ColumnPath, schema: &Schema) -> BTreeSet<i32> {
    let mut ids: BTreeSet<i32> =
        applied.fields.get(path).into_iter().flatten().copied().filter(|id| schema.field(*id).is_some()).collect();
    ids.extend(schema.field_at(path).map(|field| field.id));
    ids
}

/// The field to hide: inside a list or map only the whole list or map can vanish.
fn hideable(path: &[&Field]) -> Option<i32> {
    let container = path.iter().find(|field| matches!(field.ty, FieldType::List(_) | FieldType::Map(..)));
    container.or(path.last()).map(|field| field.id)
}

/// The field to mask: instead of a map's key (entries could merge) the whole map.
fn maskable<'a>(path: &[&'a Field]) -> Option<&'a Field> {
    let inside_key = path.windows(2).find_map(|pair| match pair {
        [map, key] if matches!(&map.ty, FieldType::Map(k, _) if k.id == key.id) => Some(*map),
        _ => None,
    });
    inside_key.or(path.last().copied())
}

/// What the rules ask for, before fields and their descendants are settled.
#[derive(Default)]
struct Wanted {
    hidden: BTreeSet<i32>,
    masks: BTreeMap<i32, BoundMask>,
}

impl Wanted {
    /// The rules of a field and its descendants, at most one on each way down: hidden beats all, and a parent's
    /// mask beats its children's.
    fn settle(&self, field: &Field) -> BTreeMap<i32, FieldRule> {
        let only = |rule| BTreeMap::from([(field.id, rule)]);
        if self.hidden.contains(&field.id) {
            return only(FieldRule::Hide);
        }
        let below: BTreeMap<i32, FieldRule> = field.children().flat_map(|child| self.settle(child)).collect();
        match self.masks.get(&field.id) {
            None | Some(BoundMask::Show) => below,
            // SECURITY: one rule must stand for parent and child, so it shows nothing that either would not: a
            // masked parent would still name its hidden child, and where its mask shows it would show the child.
            Some(_) if below.values().any(|rule| *rule == FieldRule::Hide) => only(FieldRule::Hide),
            Some(mask) if fits(mask, field) && (below.is_empty() || !mask.may_show()) => {
                only(FieldRule::Mask(mask.clone()))
            }
            Some(_) => only(strictest(field)),
        }
    }
}

fn strictest(field: &Field) -> FieldRule {
    if field.required && !field.has_fixed_value() {
        return FieldRule::Hide;
    }
    FieldRule::Mask(BoundMask::strictest(field.required))
}

/// True if the mask can be applied to the field as it is now; its type may have changed since.
fn fits(mask: &BoundMask, field: &Field) -> bool {
    let primitive = match &field.ty {
        FieldType::Primitive(primitive) => Some(*primitive),
        _ => None,
    };
    match mask {
        BoundMask::Show => true,
        BoundMask::Action(MaskAction::ReplaceWithNull) => !field.required,
        BoundMask::Action(MaskAction::MaskToFixedValue) => field.has_fixed_value(),
        BoundMask::Action(action) => primitive.is_some_and(|ty| action.applies_to(ty)),
        BoundMask::Static(literal) => primitive.is_some_and(|ty| literal.fits(ty)),
        BoundMask::Choice { then, otherwise, unknown, .. } => {
            fits(then, field) && fits(otherwise, field) && fits(unknown, field)
        }
    }
}

/// A choice's condition; `None` if it cannot be known which values it compares.
fn lower_condition(
    applied: &Applied,
    when: &Predicate,
    obligations: &Obligations,
    schema: &Schema,
) -> Option<FieldPredicate> {
    let single = |path: &ColumnPath| {
        let ids = candidates(applied, path, schema);
        ids.first().copied().filter(|_| ids.len() == 1)
    };
    when.bind(&obligations.attributes)?.map_columns(&single).filter(|bound| literals_fit(bound, schema))
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
        let with = |chosen: &BTreeMap<ColumnPath, i32>, id| {
            let mut chosen = chosen.clone();
            chosen.insert(column.clone(), id);
            chosen
        };
        choices = choices.iter().flat_map(|chosen| ids.iter().map(|id| with(chosen, *id))).collect();
    }
    let mut lowered: Vec<FieldPredicate> = choices
        .iter()
        .map(|chosen| bound.map_columns(&|path| chosen.get(path).copied()).unwrap_or(BoundPredicate::False))
        .map(|predicate| if literals_fit(&predicate, schema) { predicate } else { BoundPredicate::False })
        .collect();
    if lowered.len() == 1 { lowered.pop().unwrap_or(BoundPredicate::False) } else { BoundPredicate::And(lowered) }
}

/// A column may have been replaced by one of another type, or moved into a list, since the policy was made.
fn literals_fit(predicate: &FieldPredicate, schema: &Schema) -> bool {
    let primitive = |id: &i32| match schema.row_field(*id).map(|f| &f.ty) {
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

#[cfg(test)]
mod tests;
