//! What every document must hold so that a reader can use it; the same check after parsing and after updates.

use std::collections::HashSet;

use polder_types::Result;

use super::{
    MAIN_BRANCH, PartitionSpec, RefKind, Snapshot, SortOrder, TableDoc, doc::Member, entries::Entry, raw::invalid,
    schema::Schema,
};

/// The newest format version this build reads and writes.
pub(super) const FORMAT_VERSION_MAX: u8 = 3;

/// Checks a document (Iceberg specification, “Table Metadata Fields”; what Java's parser refuses).
///
/// # Errors
/// `Invalid`, naming the member.
pub(super) fn validate(doc: &TableDoc) -> Result<()> {
    let version = doc.long("format-version").ok_or_else(|| missing("format-version"))?;
    if !(1..=i64::from(FORMAT_VERSION_MAX)).contains(&version) {
        return Err(invalid(format!("format version {version} is not supported")));
    }
    let location = doc.text("location").ok_or_else(|| missing("location"))?;
    if location.is_empty() {
        return Err(missing("location"));
    }
    doc.long("last-updated-ms").ok_or_else(|| missing("last-updated-ms"))?;
    doc.int("last-column-id").ok_or_else(|| missing("last-column-id"))?;
    if doc.table_uuid().is_none() && (version > 1 || doc.raw("table-uuid").is_some()) {
        return Err(missing("table-uuid"));
    }
    if version > 1 {
        check_required(doc, version)?;
    }
    check_scalars(doc)?;
    check_schemas(doc)?;
    check_specs_and_orders(doc)?;
    check_snapshots(doc)?;
    check_refs(doc)
}

fn missing(name: &str) -> polder_types::Error {
    invalid(format!("the metadata is not valid: `{name}` is missing or has not the right shape"))
}

/// Members that format version 1 may leave out.
fn check_required(doc: &TableDoc, version: i64) -> Result<()> {
    doc.long("last-sequence-number").ok_or_else(|| missing("last-sequence-number"))?;
    for name in ["current-schema-id", "default-spec-id", "last-partition-id", "default-sort-order-id"] {
        doc.int(name).ok_or_else(|| missing(name))?;
    }
    for name in [Schema::MEMBER, PartitionSpec::MEMBER, SortOrder::MEMBER] {
        if matches!(doc.members.get(name), None | Some(Member::Raw(_))) {
            return Err(missing(name));
        }
    }
    if version > 2 && doc.next_row_id().is_none_or(|id| id < 0) {
        return Err(missing("next-row-id"));
    }
    Ok(())
}

/// Optional scalars: absent, null, or of the right shape.
fn check_scalars(doc: &TableDoc) -> Result<()> {
    for name in ["current-schema-id", "default-spec-id", "last-partition-id", "default-sort-order-id"] {
        if doc.raw(name).is_some() && doc.int(name).is_none() {
            return Err(missing(name));
        }
    }
    for name in ["current-snapshot-id", "last-sequence-number", "next-row-id"] {
        if doc.raw(name).is_some() && doc.long(name).is_none() {
            return Err(missing(name));
        }
    }
    Ok(())
}

fn check_schemas(doc: &TableDoc) -> Result<()> {
    let schemas = doc.list::<Schema>();
    check_distinct(Schema::MEMBER, schemas.iter().map(|schema| schema.view.schema_id))?;
    if doc.raw("current-schema-id").is_none() && doc.single_schema().is_none() {
        return Err(missing("schema"));
    }
    let current = doc.current_schema_id();
    if doc.schema_by_id(current).is_none() {
        return Err(invalid(format!("the metadata is not valid: current schema {current} does not exist")));
    }
    let highest = doc.schemas().into_iter().map(|schema| schema.highest_field_id()).max().unwrap_or(0);
    if highest > doc.last_column_id() {
        return Err(invalid(format!("the metadata is not valid: field id {highest} is above `last-column-id`")));
    }
    Ok(())
}

fn check_specs_and_orders(doc: &TableDoc) -> Result<()> {
    check_distinct(PartitionSpec::MEMBER, doc.specs().into_iter().map(|spec| spec.spec_id))?;
    if doc.default_spec().is_none() {
        let id = doc.default_spec_id();
        return Err(invalid(format!("the metadata is not valid: default partition spec {id} does not exist")));
    }
    let orders = doc.list::<SortOrder>();
    check_distinct(SortOrder::MEMBER, orders.iter().map(|order| order.order_id))?;
    let wanted = doc.default_sort_order_id();
    // Order 0, unsorted, exists whether it is listed or not.
    if wanted != 0 && !orders.iter().any(|order| order.order_id == wanted) {
        return Err(invalid(format!("the metadata is not valid: default sort order {wanted} does not exist")));
    }
    Ok(())
}

fn check_snapshots(doc: &TableDoc) -> Result<()> {
    let (snapshots, last) = (doc.snapshots(), doc.last_sequence_number());
    check_distinct(Snapshot::MEMBER, snapshots.iter().map(|snapshot| snapshot.snapshot_id))?;
    if let Some(newer) = snapshots.iter().find(|snapshot| snapshot.sequence_number > last) {
        return Err(invalid(format!(
            "the metadata is not valid: snapshot {} has a sequence number above `last-sequence-number`",
            newer.snapshot_id
        )));
    }
    Ok(())
}

fn check_refs(doc: &TableDoc) -> Result<()> {
    let known: HashSet<i64> = doc.snapshots().iter().map(|snapshot| snapshot.snapshot_id).collect();
    let current = doc.current_snapshot_id();
    for (name, reference) in doc.refs() {
        if !known.contains(&reference.snapshot_id) {
            return Err(invalid(format!(
                "the metadata is not valid: `{name}` points at a snapshot that does not exist"
            )));
        }
        if name == MAIN_BRANCH && (reference.kind != RefKind::Branch || current != Some(reference.snapshot_id)) {
            return Err(invalid("the metadata is not valid: `main` is not the branch of the current snapshot"));
        }
    }
    Ok(())
}

fn check_distinct<T: std::hash::Hash + Eq + std::fmt::Display>(
    member: &str,
    ids: impl IntoIterator<Item = T>,
) -> Result<()> {
    let mut seen = HashSet::new();
    for id in ids {
        if let Some(twice) = seen.replace(id) {
            return Err(invalid(format!("the metadata is not valid: id {twice} appears twice in `{member}`")));
        }
    }
    Ok(())
}
