//! Sort orders: add, make the default.

use std::sync::Arc;

use polder_types::Result;

use super::{
    super::{
        SortOrder,
        entries::Entry,
        raw::{Raw, invalid, with_member},
    },
    Draft,
    draft::unsorted,
    schema::{next_id, resolve},
    spec::{FIELDS_MAX, FIELDS_OF_ALL_MAX},
};

impl Draft {
    /// Adds an order under the next id from 1, or names the equal one that exists; without fields it is 0.
    pub(super) fn add_sort_order(&mut self, raw: Raw) -> Result<()> {
        let added = SortOrder::decode(raw)?;
        self.check_order(&added)?;
        let orders = self.doc.list_mut::<SortOrder>()?;
        let equal = orders.iter().find(|order| order.fields == added.fields).map(|order| order.order_id);
        let id = match equal {
            Some(id) => id,
            None if added.fields.is_empty() => {
                orders.push(Arc::new(unsorted()?));
                0
            }
            None if orders.iter().map(|order| order.fields.len()).sum::<usize>() + added.fields.len()
                > FIELDS_OF_ALL_MAX =>
            {
                return Err(invalid(format!("the sort orders have more than {FIELDS_OF_ALL_MAX} fields")));
            }
            None => {
                let id = next_id(orders.iter().map(|order| order.order_id), 1)?;
                orders.push(Arc::new(SortOrder::decode(with_member(&added.raw, "order-id", &id)?)?));
                id
            }
        };
        self.last_added_order = Some(id);
        Ok(())
    }

    /// Makes an order the default; -1: the one added last.
    pub(super) fn set_default_sort_order(&mut self, id: i32) -> Result<()> {
        let id = resolve(id, self.last_added_order, "sort order")?;
        if !self.doc.list::<SortOrder>().iter().any(|order| order.order_id == id) {
            return Err(invalid(format!("cannot set default sort order to unknown sort order: {id}")));
        }
        self.doc.set("default-sort-order-id", &id)
    }

    fn check_order(&self, order: &SortOrder) -> Result<()> {
        if order.fields.len() > FIELDS_MAX {
            return Err(invalid(format!("the sort order has more than {FIELDS_MAX} fields")));
        }
        for field in &order.fields {
            let bad = |why: &str| invalid(format!("the sort order is not valid: {why}"));
            if !matches!(field.direction.to_ascii_lowercase().as_str(), "asc" | "desc") {
                return Err(bad("`direction` is neither `asc` nor `desc`"));
            }
            if !matches!(field.null_order.to_ascii_lowercase().as_str(), "nulls-first" | "nulls-last") {
                return Err(bad("`null-order` is neither `nulls-first` nor `nulls-last`"));
            }
            if field.source_ids.len() > 1 && self.doc.format_version() < 3 {
                return Err(bad("more than one source is not supported until format version 3"));
            }
            self.binding_schema(&field.source_ids).map_err(|why| bad(&why))?;
        }
        Ok(())
    }
}
