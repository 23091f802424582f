//! The barrier: filter on original values, masks over the original row, hidden columns dropped, projection, and a
//! rebuild of all that is left. In this order, for every batch.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{Array, RecordBatchOptions},
    compute::filter_record_batch,
    datatypes::{DataType, Field, Fields, Schema, SchemaRef},
    record_batch::RecordBatch,
};
use polder_policy::{BoundMask, BoundPredicate, FieldPredicate, FieldRule, TablePolicy};
use polder_types::Error;

use super::{
    QueryLocal,
    compact::exact,
    error::unenforceable,
    filter::{RowPredicate, bind as bind_predicate, evaluate, where_true},
    mask::{Rows, Rule, bind as bind_rule, shown},
    values::{field_id, plain_field},
    wanted::Wanted,
};

/// A table's columns under a policy.
#[derive(Debug)]
pub(crate) struct Governed {
    /// All columns, with their field ids.
    columns: Fields,
    policy: TablePolicy,
    /// The columns that exist for the caller, by their place in `columns`, with what happens to them.
    visible: Vec<(usize, Rule)>,
    schema: SchemaRef,
}

impl Governed {
    /// # Errors
    /// `Internal` if the policy cannot be enforced on these columns.
    pub(crate) fn new(columns: Fields, policy: TablePolicy) -> Result<Self, Error> {
        bind_predicate(&policy.filter, &columns)?;
        let mut visible = Vec::new();
        let mut fields = Vec::new();
        for (index, field) in columns.iter().enumerate() {
            let rule = bind_rule(field, &policy.fields, &columns)?;
            let Some(field) = shown(field, &rule) else { continue };
            fields.push(plain_field(&field));
            visible.push((index, rule));
        }
        // SECURITY: each rule stands for a field. One that stands for none was made for another schema.
        let known = ids(&columns);
        if !policy.fields.keys().all(|id| known.contains(id)) {
            return Err(unenforceable("a rule's field is not there"));
        }
        Ok(Self { columns, policy, visible, schema: Arc::new(Schema::new(fields)) })
    }

    /// What the caller sees.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// True if a visible column, or something in it, is masked.
    pub(crate) fn masked(&self, column: usize) -> bool {
        // A column that is not there counts as masked: nothing may be known of it.
        self.visible.get(column).is_none_or(|(_, rule)| *rule != Rule::Show)
    }

    /// The policy's row filter.
    pub(crate) fn filter(&self) -> &FieldPredicate {
        &self.policy.filter
    }

    /// The field id of a visible column that is shown as it is.
    pub(crate) fn open_id(&self, column: usize) -> Option<i32> {
        let (index, rule) = self.visible.get(column)?;
        field_id(self.columns.get(*index)?).filter(|_| *rule == Rule::Show)
    }

    /// Makes the barrier for some of the visible columns. Rows for which a predicate of `pushed` is not true, all of them
    /// over columns that are shown as they are, need not pass.
    ///
    /// # Errors
    /// `Internal` for a column that is not there.
    pub(crate) fn barrier(&self, projection: Option<&Vec<usize>>, pushed: &[FieldPredicate]) -> Result<Barrier, Error> {
        let all: Vec<usize> = (0..self.visible.len()).collect();
        let projection = projection.unwrap_or(&all);
        let chosen = projection.iter().map(|column| self.visible.get(*column)).collect::<Option<Vec<_>>>();
        let chosen = chosen.ok_or_else(|| unenforceable("a projected column is not there"))?;

        let needed = self.needed(chosen.iter().map(|(index, _)| *index));
        let input: Fields = needed.iter().filter_map(|index| self.columns.get(*index)).cloned().collect();
        let mut columns = Vec::with_capacity(chosen.len());
        for (index, _) in chosen {
            let place = needed.iter().position(|needed| needed == index);
            let place = place.ok_or_else(|| unenforceable("a needed column is not read"))?;
            let field = input.get(place).ok_or_else(|| unenforceable("a needed column is not read"))?;
            columns.push((place, bind_rule(field, &self.policy.fields, &input)?));
        }
        let schema = self.schema.project(projection).map_err(Error::internal)?;
        let filter = bind_predicate(&self.policy.filter, &input)?;
        let wanted = Wanted::new(pushed, &input)?;
        Ok(Barrier { input: Arc::new(Schema::new(input)), filter, wanted, columns, schema: Arc::new(schema) })
    }

    /// The columns to read, in order: those that are shown, and those that the filter and the masks read.
    fn needed(&self, chosen: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut needed: BTreeSet<usize> = chosen.collect();
        let mut fields = BTreeSet::new();
        self.policy.filter.for_each_column(&mut |id| {
            fields.insert(*id);
        });
        let shown: BTreeSet<i32> = needed.iter().filter_map(|i| self.columns.get(*i)).flat_map(|f| ids_of(f)).collect();
        let masks = self.policy.fields.iter().filter(|(id, _)| shown.contains(id));
        masks.for_each(|(_, rule)| {
            if let FieldRule::Mask(mask) = rule {
                mask_columns(mask, &mut fields)
            }
        });
        needed.extend(
            self.columns
                .iter()
                .enumerate()
                .filter_map(|(index, field)| ids_of(field).iter().any(|id| fields.contains(id)).then_some(index)),
        );
        needed.into_iter().collect()
    }
}

fn mask_columns(mask: &BoundMask, into: &mut BTreeSet<i32>) {
    if let BoundMask::Choice { when, then, otherwise, unknown } = mask {
        when.for_each_column(&mut |id| {
            into.insert(*id);
        });
        [then, otherwise, unknown].into_iter().for_each(|branch| mask_columns(branch, into));
    }
}

fn ids(fields: &Fields) -> BTreeSet<i32> {
    fields.iter().flat_map(|field| ids_of(field)).collect()
}

/// The ids of a field and all inside it.
fn ids_of(field: &Field) -> BTreeSet<i32> {
    let mut all: BTreeSet<i32> = match field.data_type() {
        DataType::Struct(fields) => ids(fields),
        DataType::List(inner) | DataType::Map(inner, _) => ids_of(inner),
        _ => BTreeSet::new(),
    };
    all.extend(field_id(field));
    all
}

/// What stands between the rows of one scan and the engine.
#[derive(Debug)]
pub(crate) struct Barrier {
    input: SchemaRef,
    filter: RowPredicate,
    wanted: Option<Wanted>,
    columns: Vec<(usize, Rule)>,
    schema: SchemaRef,
}

impl Barrier {
    /// The columns that its batches must have.
    pub(crate) fn input(&self) -> &SchemaRef {
        &self.input
    }

    /// Lets through what the caller may see of a batch.
    ///
    /// # Errors
    /// `Internal`, without any text about values; nothing of the batch is shown then.
    pub(crate) fn pass(&self, batch: &RecordBatch, query: &QueryLocal) -> Result<RecordBatch, Error> {
        if batch.schema_ref() != &self.input {
            return Err(unenforceable("a batch has other columns than the barrier was made for"));
        }
        // SECURITY: filter, then masks over the original row, then the rebuild. The order is the policy's meaning.
        let visible = match &self.filter {
            BoundPredicate::True => None,
            filter => Some(where_true(&evaluate(filter, batch)?)),
        };
        let kept = match &self.wanted {
            None => visible,
            Some(wanted) => wanted.among(batch, visible)?,
        };
        let rows = match &kept {
            None => batch.clone(),
            Some(kept) => filter_record_batch(batch, kept).map_err(Error::internal)?,
        };
        let original = Rows { batch: &rows, salt: &query.salt };
        let mut columns = Vec::with_capacity(self.columns.len());
        let (mut bytes, fields) = (0_usize, self.schema.fields());
        for ((place, rule), shown) in self.columns.iter().zip(fields) {
            let (array, field) = (rows.columns().get(*place), self.input.fields().get(*place));
            let (Some(array), Some(field)) = (array, field) else {
                return Err(unenforceable("a column is not there"));
            };
            let masked = original.apply(rule, field, array)?;
            let masked = masked.ok_or_else(|| unenforceable("a hidden column was projected"))?;
            let fresh = exact(&masked, shown).map_err(Error::internal)?;
            bytes = bytes.saturating_add(fresh.to_data().get_slice_memory_size().unwrap_or(0));
            columns.push(fresh);
        }
        query.count(bytes);
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(Error::internal)
    }
}
