//! Masks over Arrow columns, nested fields included: each over the original row, none of them able to fail on a value.
//!
//! What cannot be masked as the policy says is refused when the mask is bound, before a row is read.

mod hash;
mod text;
mod time;

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Datum, ListArray, MapArray, Scalar, StructArray, UInt64Array, new_null_array},
    buffer::OffsetBuffer,
    compute::{is_not_null, kernels::zip::zip, take},
    datatypes::{DataType, Field, FieldRef, Fields},
    error::ArrowError,
    record_batch::RecordBatch,
};
use polder_policy::{BoundMask, FieldRule, Literal, MaskAction};
use polder_types::Error;

use super::{
    error::unenforceable,
    filter::{RowPredicate, bind as bind_predicate, evaluate, where_true},
    values::{field_id, fixed, repeated, single},
};

/// What happens to a field and those inside it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rule {
    /// Shown as it is.
    Show,
    /// It does not exist.
    Hide,
    /// Masked as a whole.
    Mask(Mask),
    /// A struct, list or map with rules inside: one a child.
    Within(Vec<Rule>),
}

/// A mask bound to the columns that its choices read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mask {
    Show,
    Action(MaskAction),
    Static(Literal),
    Choice { when: RowPredicate, then: Box<Mask>, otherwise: Box<Mask>, unknown: Box<Mask> },
}

/// Binds the rules of one column. `fields` are all columns that the batches will have.
///
/// # Errors
/// `Internal` if a rule cannot be enforced on the field as it is.
pub(crate) fn bind(field: &Field, rules: &BTreeMap<i32, FieldRule>, fields: &Fields) -> Result<Rule, Error> {
    // SECURITY: a field without an id cannot be told from one that a rule means.
    let id = field_id(field).ok_or_else(|| unenforceable("a field has no id"))?;
    match rules.get(&id) {
        Some(FieldRule::Hide) => return Ok(Rule::Hide),
        Some(FieldRule::Mask(mask)) => return Ok(Rule::Mask(bind_mask(mask, field, fields)?)),
        None => {}
    }
    let children: Vec<FieldRef> = children(field.data_type());
    let inner = children.iter().map(|child| bind(child, rules, fields)).collect::<Result<Vec<_>, _>>()?;
    if inner.iter().all(|rule| *rule == Rule::Show) {
        return Ok(Rule::Show);
    }
    match field.data_type() {
        // A struct of which nothing is left to see.
        DataType::Struct(_) if inner.iter().all(|rule| *rule == Rule::Hide) => Ok(Rule::Hide),
        DataType::Struct(_) => Ok(Rule::Within(inner)),
        DataType::Map(..) if inner.first() != Some(&Rule::Show) => Err(unenforceable("a map's key cannot be masked")),
        _ if inner.contains(&Rule::Hide) => Err(unenforceable("nothing inside a list or map can be hidden")),
        _ => Ok(Rule::Within(inner)),
    }
}

/// The fields directly inside: a struct's, a list's element, a map's key and value.
fn children(ty: &DataType) -> Vec<FieldRef> {
    match ty {
        DataType::Struct(fields) => fields.iter().cloned().collect(),
        DataType::List(element) => vec![element.clone()],
        DataType::Map(entries, _) => children(entries.data_type()),
        _ => Vec::new(),
    }
}

fn bind_mask(mask: &BoundMask, field: &Field, fields: &Fields) -> Result<Mask, Error> {
    let branch = |mask: &BoundMask| bind_mask(mask, field, fields).map(Box::new);
    let bound = match mask {
        BoundMask::Show => Mask::Show,
        BoundMask::Action(action) => Mask::Action(*action),
        BoundMask::Static(literal) => Mask::Static(literal.clone()),
        BoundMask::Choice { when, then, otherwise, unknown } => Mask::Choice {
            when: bind_predicate(when, fields)?,
            then: branch(then)?,
            otherwise: branch(otherwise)?,
            unknown: branch(unknown)?,
        },
    };
    if fits(&bound, field) { Ok(bound) } else { Err(unenforceable("a mask cannot be applied to the field's type")) }
}

fn fits(mask: &Mask, field: &Field) -> bool {
    let ty = field.data_type();
    match mask {
        Mask::Show | Mask::Choice { .. } => true, // a choice's branches were bound before it
        Mask::Static(literal) => repeated(literal, ty, 0).is_some(),
        Mask::Action(action) => match action {
            MaskAction::ReplaceWithNull => field.is_nullable(),
            MaskAction::MaskToFixedValue => fixed_value(field, 0).is_some(),
            MaskAction::MaskAlphanum | MaskAction::ShowFirst4 | MaskAction::ShowLast4 => *ty == DataType::Utf8,
            MaskAction::TruncateToYear | MaskAction::TruncateToMonth => time::applies(ty),
            MaskAction::Sha256Global | MaskAction::Sha256QueryLocal => hash::applies(ty),
        },
    }
}

/// The field as it looks with its rule; `None` if it is hidden.
pub(crate) fn shown(field: &FieldRef, rule: &Rule) -> Option<FieldRef> {
    match (rule, field.data_type()) {
        (Rule::Hide, _) => None,
        (Rule::Within(rules), DataType::Struct(fields)) => {
            let fields: Fields = fields.iter().zip(rules).filter_map(|(field, rule)| shown(field, rule)).collect();
            Some(Arc::new(field.as_ref().clone().with_data_type(DataType::Struct(fields))))
        }
        (Rule::Within(rules), DataType::List(element)) => {
            let element = shown(element, rules.first()?)?;
            Some(Arc::new(field.as_ref().clone().with_data_type(DataType::List(element))))
        }
        (Rule::Within(rules), DataType::Map(entries, sorted)) => {
            let DataType::Struct(fields) = entries.data_type() else { return None };
            let fields: Fields = fields.iter().zip(rules).filter_map(|(field, rule)| shown(field, rule)).collect();
            let entries = Arc::new(entries.as_ref().clone().with_data_type(DataType::Struct(fields)));
            Some(Arc::new(field.as_ref().clone().with_data_type(DataType::Map(entries, *sorted))))
        }
        _ => Some(field.clone()),
    }
}

/// The original rows that masks are taken over.
pub(crate) struct Rows<'a> {
    /// All columns, as they were read.
    pub(crate) batch: &'a RecordBatch,
    /// The query's salt.
    pub(crate) salt: &'a [u8],
}

impl Rows<'_> {
    /// Applies a rule to a column of the batch; `None` if it is hidden.
    ///
    /// # Errors
    /// `Internal` for a column that the rule was not bound to.
    pub(crate) fn apply(&self, rule: &Rule, field: &Field, array: &ArrayRef) -> Result<Option<ArrayRef>, Error> {
        self.rule(rule, field, array, None)
    }

    /// `row_of` says for each slot of the array which row it belongs to; absent if they are the rows themselves.
    fn rule(
        &self,
        rule: &Rule,
        field: &Field,
        array: &ArrayRef,
        row_of: Option<&UInt64Array>,
    ) -> Result<Option<ArrayRef>, Error> {
        match rule {
            Rule::Show => Ok(Some(array.clone())),
            Rule::Hide => Ok(None),
            Rule::Mask(mask) => self.mask(mask, field, array, row_of).map(Some),
            Rule::Within(rules) => match field.data_type() {
                DataType::Struct(fields) => self.within_struct(rules, fields, array, row_of).map(Some),
                DataType::List(element) => self.within_list(rules, element, array, row_of).map(Some),
                DataType::Map(entries, _) => self.within_map(rules, entries, array, row_of).map(Some),
                _ => Err(unenforceable("a rule lies inside a field that has no inside")),
            },
        }
    }

    fn within_struct(
        &self,
        rules: &[Rule],
        fields: &Fields,
        array: &ArrayRef,
        row_of: Option<&UInt64Array>,
    ) -> Result<ArrayRef, Error> {
        let parent = array.as_struct_opt().ok_or_else(other_columns)?;
        if parent.num_columns() != rules.len() || fields.len() != rules.len() {
            return Err(other_columns());
        }
        let (mut shown_fields, mut columns) = (Vec::new(), Vec::new());
        for ((field, rule), column) in fields.iter().zip(rules).zip(parent.columns()) {
            let Some(shown_field) = shown(field, rule) else { continue };
            columns.extend(self.rule(rule, field, column, row_of)?);
            shown_fields.push(shown_field);
        }
        let masked = StructArray::try_new(shown_fields.into(), columns, parent.nulls().cloned());
        Ok(Arc::new(masked.map_err(unmaskable)?))
    }

    fn within_list(
        &self,
        rules: &[Rule],
        element: &FieldRef,
        array: &ArrayRef,
        row_of: Option<&UInt64Array>,
    ) -> Result<ArrayRef, Error> {
        let (list, rule) =
            (array.as_list_opt::<i32>().ok_or_else(other_columns)?, rules.first().ok_or_else(other_columns)?);
        let (offsets, slots) = slots(list.offsets(), row_of);
        let used = list.values().slice(first(list.offsets()), slots.len());
        let values = self.rule(rule, element, &used, Some(&slots))?.ok_or_else(other_columns)?;
        let element = shown(element, rule).ok_or_else(other_columns)?;
        let masked = ListArray::try_new(element, offsets, values, list.nulls().cloned());
        Ok(Arc::new(masked.map_err(unmaskable)?))
    }

    fn within_map(
        &self,
        rules: &[Rule],
        entries: &FieldRef,
        array: &ArrayRef,
        row_of: Option<&UInt64Array>,
    ) -> Result<ArrayRef, Error> {
        let map = array.as_map_opt().ok_or_else(other_columns)?;
        let DataType::Struct(fields) = entries.data_type() else { return Err(other_columns()) };
        let (offsets, slots) = slots(map.offsets(), row_of);
        let used: ArrayRef = Arc::new(map.entries().slice(first(map.offsets()), slots.len()));
        let values = self.within_struct(rules, fields, &used, Some(&slots))?;
        let field = Arc::new(entries.as_ref().clone().with_data_type(values.data_type().clone()));
        let masked = MapArray::try_new(field, offsets, values.as_struct().clone(), map.nulls().cloned(), false);
        Ok(Arc::new(masked.map_err(unmaskable)?))
    }

    fn mask(
        &self,
        mask: &Mask,
        field: &Field,
        array: &ArrayRef,
        row_of: Option<&UInt64Array>,
    ) -> Result<ArrayRef, Error> {
        match mask {
            Mask::Show => Ok(array.clone()),
            Mask::Static(literal) => repeated(literal, field.data_type(), array.len()).ok_or_else(other_columns),
            Mask::Action(action) => self.action(*action, field, array).ok_or_else(other_columns),
            Mask::Choice { when, then, otherwise, unknown } => {
                let mut result = evaluate(when, self.batch)?;
                if let Some(row_of) = row_of {
                    result = take(&result, row_of, None).map_err(unmaskable)?.as_boolean().clone();
                }
                let branch = |mask| self.branch(mask, field, array, row_of);
                let known = zip(&where_true(&result), &*branch(then)?, &*branch(otherwise)?).map_err(unmaskable)?;
                if result.null_count() == 0 {
                    return Ok(known);
                }
                let sure = is_not_null(&result).map_err(unmaskable)?;
                zip(&sure, &known, &*branch(unknown)?).map_err(unmaskable)
            }
        }
    }

    /// What a choice takes values from: an array, or one value where all are the same.
    fn branch(
        &self,
        mask: &Mask,
        field: &Field,
        array: &ArrayRef,
        row_of: Option<&UInt64Array>,
    ) -> Result<Box<dyn Datum>, Error> {
        let one = match mask {
            Mask::Static(literal) => single(literal, field.data_type(), array.len()).ok_or_else(other_columns)?,
            Mask::Action(MaskAction::MaskToFixedValue) => fixed_value(field, 1).ok_or_else(other_columns)?,
            Mask::Action(MaskAction::ReplaceWithNull) => new_null_array(field.data_type(), 1),
            _ => return Ok(Box::new(self.mask(mask, field, array, row_of)?)),
        };
        Ok(Box::new(Scalar::new(one)))
    }

    fn action(&self, action: MaskAction, field: &Field, array: &ArrayRef) -> Option<ArrayRef> {
        match action {
            MaskAction::MaskToFixedValue => fixed_value(field, array.len()),
            MaskAction::ReplaceWithNull => Some(new_null_array(field.data_type(), array.len())),
            MaskAction::MaskAlphanum => text::masked(array, |_, _| false),
            MaskAction::ShowFirst4 => text::masked(array, |index, length| index < 4 || length <= 4),
            MaskAction::ShowLast4 => text::masked(array, |index, length| index + 4 >= length),
            MaskAction::TruncateToYear => time::truncated(array, time::Unit::Year),
            MaskAction::TruncateToMonth => time::truncated(array, time::Unit::Month),
            MaskAction::Sha256Global => hash::hashed(array, &[]),
            MaskAction::Sha256QueryLocal => hash::hashed(array, self.salt),
        }
    }
}

fn other_columns() -> Error {
    unenforceable("a rule was applied to another column than it is bound to")
}

fn unmaskable(error: ArrowError) -> Error {
    Error::internal(error)
}

/// The row of each slot that a list's offsets cover, and the offsets counted from the first of them.
fn slots(offsets: &OffsetBuffer<i32>, row_of: Option<&UInt64Array>) -> (OffsetBuffer<i32>, UInt64Array) {
    let rows = offsets.lengths().enumerate().flat_map(|(slot, length)| {
        let row = row_of.map_or(slot as u64, |rows| rows.value(slot));
        std::iter::repeat_n(row, length)
    });
    (OffsetBuffer::from_lengths(offsets.lengths()), UInt64Array::from_iter_values(rows))
}

fn first(offsets: &OffsetBuffer<i32>) -> usize {
    offsets.first().and_then(|first| usize::try_from(*first).ok()).unwrap_or(0)
}

/// `mask-to-fixed-value`: never null; lists and maps are empty, structs are filled field by field.
fn fixed_value(field: &Field, length: usize) -> Option<ArrayRef> {
    match field.data_type() {
        DataType::Struct(fields) => {
            let columns = fields
                .iter()
                .map(|child| {
                    let null = || child.is_nullable().then(|| new_null_array(child.data_type(), length));
                    fixed_value(child, length).or_else(null)
                })
                .collect::<Option<Vec<_>>>()?;
            Some(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, None, length).ok()?))
        }
        DataType::List(element) => {
            let none = arrow::array::new_empty_array(element.data_type());
            Some(Arc::new(ListArray::try_new(element.clone(), OffsetBuffer::new_zeroed(length), none, None).ok()?))
        }
        DataType::Map(entries, sorted) => {
            let none = arrow::array::new_empty_array(entries.data_type());
            let offsets = OffsetBuffer::new_zeroed(length);
            Some(Arc::new(MapArray::try_new(entries.clone(), offsets, none.as_struct().clone(), None, *sorted).ok()?))
        }
        ty => fixed(ty, length),
    }
}

#[cfg(test)]
mod tests;
