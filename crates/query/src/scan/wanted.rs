//! The rows that a statement asks for, found among those that the caller may see: what nobody asked for is neither masked
//! nor handed on. The engine filters again, so this may let rows through, and drops none that the engine would keep.

use arrow::{
    array::{BooleanArray, BooleanBufferBuilder},
    compute::filter_record_batch,
    datatypes::Fields,
    record_batch::RecordBatch,
};
use polder_policy::{BoundPredicate, FieldPredicate, Literal};
use polder_types::Error;

use super::{
    filter::{RowPredicate, bind, evaluate, where_true},
    values::field_id,
};

/// Of so many visible rows one must be wanted at most; else copying the wanted ones costs more than it saves.
const SELECTIVE: usize = 2;

/// A statement's predicates over the columns that they read.
#[derive(Debug)]
pub(crate) struct Wanted {
    predicate: RowPredicate,
    /// The columns that it reads, by their place in the barrier's input.
    columns: Vec<usize>,
}

impl Wanted {
    /// `None` if none of the predicates is of use.
    ///
    /// # Errors
    /// `Internal` if a predicate does not fit the columns.
    pub(crate) fn new(pushed: &[FieldPredicate], input: &Fields) -> Result<Option<Self>, Error> {
        let place = |id: &i32| input.iter().position(|field| field_id(field) == Some(*id));
        let usable: Vec<FieldPredicate> = pushed
            .iter()
            .filter(|predicate| {
                let mut reads_only_input = true;
                predicate.for_each_column(&mut |id| reads_only_input &= place(id).is_some());
                reads_only_input && agrees(predicate)
            })
            .cloned()
            .collect();
        let predicate = BoundPredicate::And(usable);
        let mut columns = Vec::new();
        predicate.for_each_column(&mut |id| columns.extend(place(id)));
        columns.sort_unstable();
        columns.dedup();
        if columns.is_empty() {
            return Ok(None);
        }
        let fields: Fields = columns.iter().filter_map(|place| input.get(*place)).cloned().collect();
        Ok(Some(Self { predicate: bind(&predicate, &fields)?, columns }))
    }

    /// The rows to keep: the wanted ones among the visible ones if these are much fewer, else the visible ones. `None`: all.
    ///
    /// # Errors
    /// `Internal` for a batch of other columns.
    pub(crate) fn among(
        &self,
        batch: &RecordBatch,
        visible: Option<BooleanArray>,
    ) -> Result<Option<BooleanArray>, Error> {
        let mut seen = batch.project(&self.columns).map_err(Error::internal)?;
        // SECURITY: looked at in visible rows only, so that no hidden value takes part, not even in how long it takes.
        if let Some(visible) = &visible {
            seen = filter_record_batch(&seen, visible).map_err(Error::internal)?;
        }
        let wanted = where_true(&evaluate(&self.predicate, &seen)?);
        if wanted.true_count().saturating_mul(SELECTIVE) > wanted.len() {
            return Ok(visible);
        }
        let Some(visible) = visible else { return Ok(Some(wanted)) };
        let mut kept = BooleanBufferBuilder::new(visible.len());
        kept.append_n(visible.len(), false);
        let places = visible.values().set_indices();
        places.zip(wanted.values().iter()).for_each(|(place, wanted)| kept.set_bit(place, wanted));
        Ok(Some(BooleanArray::new(kept.finish(), None)))
    }
}

/// True if the engine finds the same rows: it may hold two zeros for one.
fn agrees(predicate: &FieldPredicate) -> bool {
    let exact = |literal: &Literal| !matches!(literal, Literal::Double(_));
    match predicate {
        BoundPredicate::And(parts) | BoundPredicate::Or(parts) => parts.iter().all(agrees),
        BoundPredicate::Not(inner) => agrees(inner),
        BoundPredicate::Compare { literal, .. } => exact(literal),
        BoundPredicate::In { literals, .. } => literals.iter().all(exact),
        BoundPredicate::True
        | BoundPredicate::False
        | BoundPredicate::IsNull(_)
        | BoundPredicate::StartsWith { .. } => true,
    }
}

#[cfg(test)]
mod tests;
