//! The next document while its updates are applied: what was added last, and the work left for the end.

use std::{collections::HashSet, sync::Arc};

use indexmap::IndexMap;
use polder_types::{Micros, Result};
use serde::Serialize;

use super::super::{
    MetadataLogEntry, PartitionSpec, Snapshot, SnapshotLogEntry, SortOrder, TableDoc,
    doc::{Member, PARTITION_ID_FIRST},
    entries::Entry,
    raw::{DOCUMENT_BYTES_MAX, Raw, RawList, RawObject, decode, encode, invalid, too_large, with_member},
    schema::Schema,
    validate::validate,
};

/// A document in the making.
pub(super) struct Draft {
    pub(super) doc: TableDoc,
    pub(super) now_ms: i64,
    pub(super) last_added_schema: Option<i32>,
    pub(super) last_added_spec: Option<i32>,
    pub(super) last_added_order: Option<i32>,
    /// Snapshots added by this commit.
    pub(super) added_snapshots: HashSet<i64>,
    /// Of those, the ones that `main` pointed at for a while.
    pub(super) main_steps: HashSet<i64>,
    pub(super) removed_snapshots: bool,
    pub(super) removed_schemas: HashSet<i32>,
}

impl Draft {
    /// Starts from a table that exists.
    pub(super) fn of(base: &TableDoc, now: Micros) -> Result<Self> {
        let mut draft = Self::new(base.clone(), now);
        if draft.doc.format_version() == 1 {
            draft.spell_out_v1()?;
        }
        Ok(draft)
    }

    /// Starts from nothing: a table in creation.
    pub(super) fn empty(format_version: u8, now: Micros) -> Result<Self> {
        let mut draft = Self::new(TableDoc { members: IndexMap::new() }, now);
        let doc = &mut draft.doc;
        doc.set("format-version", &format_version)?;
        if format_version > 1 {
            doc.set("last-sequence-number", &0)?;
        }
        if format_version > 2 {
            doc.set("next-row-id", &0)?;
        }
        doc.set("last-updated-ms", &0)?;
        doc.set("last-column-id", &0)?;
        // As Java writes it: some readers want the member even while there is no snapshot.
        doc.set("current-snapshot-id", &no_snapshot(format_version))?;
        doc.set("last-partition-id", &(PARTITION_ID_FIRST - 1))?;
        doc.members.insert("properties".to_owned(), Member::Properties(IndexMap::new()));
        doc.members.insert("refs".to_owned(), Member::Refs(IndexMap::new()));
        doc.list_mut::<Snapshot>()?;
        doc.list_mut::<SnapshotLogEntry>()?;
        doc.list_mut::<MetadataLogEntry>()?;
        Ok(draft)
    }

    fn new(doc: TableDoc, now: Micros) -> Self {
        Self {
            doc,
            now_ms: now.millis(),
            last_added_schema: None,
            last_added_spec: None,
            last_added_order: None,
            added_snapshots: HashSet::new(),
            main_steps: HashSet::new(),
            removed_snapshots: false,
            removed_schemas: HashSet::new(),
        }
    }

    /// Writes out what format version 1 lets a document leave out, so that updates see one form only.
    fn spell_out_v1(&mut self) -> Result<()> {
        let doc = &mut self.doc;
        let (schema_id, spec_id) = (doc.current_schema_id(), doc.default_spec_id());
        let (order_id, partition_id) = (doc.default_sort_order_id(), doc.last_partition_id());
        if let Some(single) = doc.single_schema().cloned()
            && !doc.list::<Schema>().iter().any(|schema| schema.view.schema_id == schema_id)
        {
            let raw = with_member(&single.raw, "schema-id", &schema_id)?;
            doc.list_mut()?.push(Arc::new(Schema::decode(raw)?));
        }
        if let Some(Member::SingleSpec(single)) = doc.members.get("partition-spec").cloned()
            && doc.list::<PartitionSpec>().is_empty()
        {
            let raw = numbered_fields(&single, PARTITION_ID_FIRST - 1)?;
            doc.list_mut()?.push(Arc::new(PartitionSpec::decode(spec_raw(0, &raw)?)?));
        }
        if doc.list::<SortOrder>().is_empty() {
            doc.list_mut()?.push(Arc::new(unsorted()?));
        }
        doc.set("current-schema-id", &schema_id)?;
        doc.set("default-spec-id", &spec_id)?;
        doc.set("last-partition-id", &partition_id)?;
        doc.set("default-sort-order-id", &order_id)
    }

    /// Settles what depends on all updates together, and validates the result.
    pub(super) fn finish(mut self) -> Result<TableDoc> {
        self.settle_defaults()?;
        self.settle_snapshot_log()?;
        self.check_removed_schemas()?;
        self.check_defaults()?;
        let newest = |times: Option<i64>| times.unwrap_or(i64::MIN);
        let snapshots = self.doc.snapshots().iter().filter(|s| self.added_snapshots.contains(&s.snapshot_id));
        let updated_ms = self
            .now_ms
            .max(self.doc.last_updated_ms())
            .max(newest(snapshots.map(|snapshot| snapshot.timestamp_ms).max()))
            .max(newest(self.doc.snapshot_log().last().map(|step| step.timestamp_ms)));
        self.doc.set("last-updated-ms", &updated_ms)?;
        if self.doc.format_version() == 1 {
            self.mirror_v1()?;
        }
        validate(&self.doc)?;
        // What is written must be readable again.
        if self.doc.bytes_max() > DOCUMENT_BYTES_MAX {
            return Err(too_large());
        }
        Ok(self.doc)
    }

    /// A table in creation may leave out its spec and order: unpartitioned and unsorted.
    fn settle_defaults(&mut self) -> Result<()> {
        if self.doc.specs().is_empty() {
            let raw = spec_raw(0, &encode(&[(); 0])?)?;
            self.doc.list_mut()?.push(Arc::new(PartitionSpec::decode(raw)?));
        }
        if self.doc.raw("default-spec-id").is_none() {
            self.doc.set("default-spec-id", &0)?;
        }
        if self.doc.list::<SortOrder>().is_empty() {
            self.doc.list_mut()?.push(Arc::new(unsorted()?));
        }
        if self.doc.raw("default-sort-order-id").is_none() {
            self.doc.set("default-sort-order-id", &0)?;
        }
        Ok(())
    }

    /// The default spec and order must be usable with the current schema (Java's `checkCompatibility`).
    fn check_defaults(&self) -> Result<()> {
        let schema = self.doc.schema(self.doc.current_schema_id());
        let schema = schema.ok_or_else(|| invalid("the current schema does not exist"))?;
        let exists = |id: &i32| schema.has_field(*id);
        let spec = self.doc.default_spec().into_iter().flat_map(|spec| &spec.fields);
        for field in spec.filter(|field| field.transform != "void") {
            if !field.source_ids.iter().all(exists) {
                return Err(invalid(format!("cannot find source column for partition field `{}`", field.name)));
            }
        }
        let wanted = self.doc.default_sort_order_id();
        let order = self.doc.list::<SortOrder>().iter().find(|order| order.order_id == wanted);
        match order.into_iter().flat_map(|order| &order.fields).find(|field| !field.source_ids.iter().all(exists)) {
            Some(field) => {
                Err(invalid(format!("cannot find source column for sort field of column {:?}", field.source_ids)))
            }
            None => Ok(()),
        }
    }

    /// Format version 1 repeats the current schema and spec in members of their own.
    fn mirror_v1(&mut self) -> Result<()> {
        let wanted = self.doc.current_schema_id();
        let current = self.doc.list::<Schema>().iter().find(|schema| schema.view.schema_id == wanted).cloned();
        let current = current.ok_or_else(|| invalid("the table has no current schema"))?;
        if self.doc.single_schema().is_none_or(|single| single.fingerprint != current.fingerprint) {
            self.doc.members.insert("schema".to_owned(), Member::SingleSchema(current));
        }
        let spec = self.doc.default_spec().ok_or_else(|| invalid("the table has no partition spec"))?;
        let same = match self.doc.members.get("partition-spec") {
            Some(Member::SingleSpec(single)) => single.fields == spec.fields,
            _ => false,
        };
        if !same {
            let object: RawObject = decode(&spec.raw, "the partition spec")?;
            let fields = object.get("fields").cloned().ok_or_else(|| invalid("the partition spec has no fields"))?;
            let single = PartitionSpec::from_fields(fields)?;
            self.doc.members.insert("partition-spec".to_owned(), Member::SingleSpec(Arc::new(single)));
        }
        Ok(())
    }
}

/// The fields of a spec as raw JSON, those without an id numbered after `last_id`.
pub(super) fn numbered_fields(spec: &PartitionSpec, mut last_id: i32) -> Result<Raw> {
    let RawList(raws) = spec_fields(&spec.raw)?;
    let mut fields = Vec::with_capacity(raws.len());
    for (field, raw) in spec.fields.iter().zip(raws) {
        fields.push(match field.field_id {
            Some(_) => raw,
            None => {
                last_id = last_id.checked_add(1).ok_or_else(|| invalid("the table has no partition field ids left"))?;
                with_member(&raw, "field-id", &last_id)?
            }
        });
    }
    encode(&fields)
}

/// The raw fields of a spec or order, which may be written as an object or, in format version 1, as a list.
pub(super) fn spec_fields(raw: &Raw) -> Result<RawList> {
    if raw.get().starts_with('[') {
        return decode(raw, "the partition spec");
    }
    let object: RawObject = decode(raw, "the partition spec")?;
    decode(object.get("fields").ok_or_else(|| invalid("`fields` is missing"))?, "`fields`")
}

/// A spec from its id and its fields.
pub(super) fn spec_raw(spec_id: i32, fields: &Raw) -> Result<Raw> {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Wire<'a> {
        spec_id: i32,
        fields: &'a Raw,
    }
    encode(&Wire { spec_id, fields })
}

/// How a document says that it has no current snapshot: null from format version 3 on, -1 before.
pub(super) fn no_snapshot(format_version: u8) -> Option<i64> {
    (format_version < 3).then_some(-1)
}

/// The order with the id 0.
pub(super) fn unsorted() -> Result<SortOrder> {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Wire {
        order_id: i32,
        fields: [(); 0],
    }
    SortOrder::decode(encode(&Wire { order_id: 0, fields: [] })?)
}
