//! The document: an ordered map of raw members, the known lists split into entries. Refuses what
//! `validate` refuses.

use std::sync::Arc;

use indexmap::IndexMap;
use polder_types::{Location, Micros, Result};
use serde::Serialize;
use uuid::Uuid;

use super::{
    MAIN_BRANCH, PartitionSpec, PartitionStatisticsFile, SchemaView, Snapshot, SnapshotRef, SortOrder, StatisticsFile,
    entries::{EncryptionKey, Entry, MetadataLogEntry, Property, RefEntry, RefKind, SnapshotLogEntry},
    raw::{JSON_DEPTH_MAX, Raw, RawObject, check_json, decode, encode, invalid, is_null},
    schema::Schema,
    validate::validate,
};

/// The id of the first partition field; one less while there are none (Java's `PARTITION_DATA_ID_START`).
pub(super) const PARTITION_ID_FIRST: i32 = 1000;

/// A table's metadata, with every member it was written with. Immutable; cheap to clone.
#[derive(Clone, Debug)]
pub struct TableDoc {
    pub(super) members: IndexMap<String, Member>,
}

/// A top-level member.
#[derive(Clone, Debug)]
pub(super) enum Member {
    /// A scalar, or a member that is not known.
    Raw(Raw),
    Schemas(Vec<Arc<Schema>>),
    Specs(Vec<Arc<PartitionSpec>>),
    Orders(Vec<Arc<SortOrder>>),
    Snapshots(Vec<Arc<Snapshot>>),
    SnapshotLog(Vec<Arc<SnapshotLogEntry>>),
    MetadataLog(Vec<Arc<MetadataLogEntry>>),
    Statistics(Vec<Arc<StatisticsFile>>),
    PartitionStatistics(Vec<Arc<PartitionStatisticsFile>>),
    EncryptionKeys(Vec<Arc<EncryptionKey>>),
    Refs(IndexMap<String, RefEntry>),
    Properties(IndexMap<String, Property>),
    /// `schema` of format version 1.
    SingleSchema(Arc<Schema>),
    /// `partition-spec` of format version 1.
    SingleSpec(Arc<PartitionSpec>),
}

impl TableDoc {
    /// Parses and validates a metadata document, of at most [`super::DOCUMENT_BYTES_MAX`] bytes and
    /// [`super::JSON_DEPTH_MAX`] levels.
    ///
    /// # Errors
    /// `Invalid` for JSON beyond the limits or with repeated keys, and for what no reader of the table could
    /// use: missing members, unknown format versions, ids that point nowhere (Iceberg specification, “Table
    /// Metadata”).
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        check_json(bytes, JSON_DEPTH_MAX)?;
        let text = std::str::from_utf8(bytes).map_err(|_| invalid("the metadata is not UTF-8"))?;
        let object: RawObject = serde_json::from_str(text)
            .map_err(|error| invalid("the metadata is not a JSON object").with_source(error))?;
        let version = object.get("format-version").and_then(|raw| raw.get().parse().ok()).unwrap_or(0_u64);
        let members = object
            .into_iter()
            .map(|(name, raw)| {
                let member = Member::decode(&name, raw, version)?;
                Ok((name, member))
            })
            .collect::<Result<_>>()?;
        let doc = Self { members };
        validate(&doc)?;
        Ok(doc)
    }

    /// Serialises the document: raw members are copied, so that what was read is what is written.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes_max());
        out.push(b'{');
        for (index, (name, member)) in self.members.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_key(&mut out, name);
            member.write(&mut out);
        }
        out.push(b'}');
        out
    }

    /// The format version: 1, 2 or 3.
    #[must_use]
    pub fn format_version(&self) -> u8 {
        self.long("format-version").and_then(|version| u8::try_from(version).ok()).unwrap_or(0)
    }

    /// The table's UUID; format version 1 may have none.
    #[must_use]
    pub fn table_uuid(&self) -> Option<Uuid> {
        self.text("table-uuid").and_then(|text| text.parse().ok())
    }

    /// The table's location.
    ///
    /// # Errors
    /// `Invalid` if another catalog wrote one that [`Location::parse`] refuses.
    pub fn location(&self) -> Result<Location> {
        Location::parse(&self.text("location").unwrap_or_default())
    }

    /// When it last changed, in milliseconds since the epoch.
    #[must_use]
    pub fn last_updated_ms(&self) -> i64 {
        self.long("last-updated-ms").unwrap_or(0)
    }

    /// The highest field id ever given.
    #[must_use]
    pub fn last_column_id(&self) -> i32 {
        self.int("last-column-id").unwrap_or(0)
    }

    /// The highest partition field id ever given; 999 if there was none.
    #[must_use]
    pub fn last_partition_id(&self) -> i32 {
        self.int("last-partition-id").unwrap_or_else(|| {
            let fields = self.specs().into_iter().map(|spec| {
                let named = spec.fields.iter().filter_map(|field| field.field_id).max();
                // Format version 1 may leave the ids out; they then count up from 1000.
                named.unwrap_or(PARTITION_ID_FIRST - 1 + i32::try_from(spec.fields.len()).unwrap_or(0))
            });
            fields.max().unwrap_or(PARTITION_ID_FIRST - 1)
        })
    }

    /// The highest sequence number ever given; 0 in format version 1.
    #[must_use]
    pub fn last_sequence_number(&self) -> i64 {
        self.long("last-sequence-number").unwrap_or(0)
    }

    /// The row id that the next snapshot starts at (format version 3).
    #[must_use]
    pub fn next_row_id(&self) -> Option<i64> {
        self.long("next-row-id")
    }

    /// The table's properties, in the order they were written.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        let properties = match self.members.get("properties") {
            Some(Member::Properties(properties)) => Some(properties),
            _ => None,
        };
        let texts = properties.into_iter().flatten();
        texts.filter_map(|(name, property)| Some((name.as_str(), property.text.as_deref()?)))
    }

    /// One property.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        match self.members.get("properties") {
            Some(Member::Properties(properties)) => properties.get(name)?.text.as_deref(),
            _ => None,
        }
    }

    /// The id of the current schema.
    #[must_use]
    pub fn current_schema_id(&self) -> i32 {
        let single = || self.single_schema().map(|schema| schema.view.schema_id);
        self.int("current-schema-id").or_else(single).unwrap_or(-1)
    }

    /// The current schema.
    ///
    /// # Errors
    /// None for a document that was parsed; `Invalid` keeps callers free of panics.
    pub fn current_schema(&self) -> Result<&SchemaView> {
        let schema = self.schema_by_id(self.current_schema_id());
        schema.ok_or_else(|| invalid("the current schema does not exist"))
    }

    /// A schema by its id.
    #[must_use]
    pub fn schema_by_id(&self, schema_id: i32) -> Option<&SchemaView> {
        self.schema(schema_id).map(|schema| &schema.view)
    }

    /// The schemas, in the order they were added.
    pub fn schema_views(&self) -> impl Iterator<Item = &SchemaView> {
        self.schemas().into_iter().map(|schema| &schema.view)
    }

    /// The id of the partition spec that writers use.
    #[must_use]
    pub fn default_spec_id(&self) -> i32 {
        let highest = || self.specs().into_iter().map(|spec| spec.spec_id).max();
        self.int("default-spec-id").or_else(highest).unwrap_or(0)
    }

    /// The partition spec that writers use.
    #[must_use]
    pub fn default_spec(&self) -> Option<&PartitionSpec> {
        let wanted = self.default_spec_id();
        self.specs().into_iter().find(|spec| spec.spec_id == wanted).map(AsRef::as_ref)
    }

    /// The id of the sort order that writers use; 0 means unsorted.
    #[must_use]
    pub fn default_sort_order_id(&self) -> i32 {
        self.int("default-sort-order-id").unwrap_or(0)
    }

    /// The snapshots, in the order they were added.
    #[must_use]
    pub fn snapshots(&self) -> &[Arc<Snapshot>] {
        self.list()
    }

    /// A snapshot by its id.
    #[must_use]
    pub fn snapshot_by_id(&self, snapshot_id: i64) -> Option<&Snapshot> {
        self.snapshots().iter().find(|snapshot| snapshot.snapshot_id == snapshot_id).map(Arc::as_ref)
    }

    /// The snapshot that a branch or tag points at.
    #[must_use]
    pub fn snapshot_by_ref(&self, name: &str) -> Option<&Snapshot> {
        self.snapshot_by_id(self.snapshot_ref(name)?.snapshot_id)
    }

    /// The snapshot that was current at a time: the last step of `main` that is not later.
    #[must_use]
    pub fn snapshot_as_of(&self, time: Micros) -> Option<&Snapshot> {
        let step = self.snapshot_log().iter().rfind(|step| step.timestamp_ms <= time.millis())?;
        self.snapshot_by_id(step.snapshot_id)
    }

    /// The id of the current snapshot; absent, null and -1 mean that there is none.
    #[must_use]
    pub fn current_snapshot_id(&self) -> Option<i64> {
        self.long("current-snapshot-id").filter(|id| *id != -1)
    }

    /// The current snapshot.
    #[must_use]
    pub fn current_snapshot(&self) -> Option<&Snapshot> {
        self.snapshot_by_id(self.current_snapshot_id()?)
    }

    /// The branches and tags. Documents without `refs` have `main` if they have a current snapshot.
    #[must_use]
    pub fn refs(&self) -> Vec<(&str, SnapshotRef)> {
        let listed = self.listed_refs().into_iter().flatten();
        let mut refs: Vec<_> = listed.filter_map(|(name, entry)| Some((name.as_str(), entry.reference?))).collect();
        if let Some(main) = self.snapshot_ref(MAIN_BRANCH)
            && !refs.iter().any(|(name, _)| *name == MAIN_BRANCH)
        {
            refs.push((MAIN_BRANCH, main));
        }
        refs
    }

    /// A branch or tag by its name.
    #[must_use]
    pub fn snapshot_ref(&self, name: &str) -> Option<SnapshotRef> {
        let listed = self.listed_refs().and_then(|refs| refs.get(name)?.reference);
        let current = if name == MAIN_BRANCH { self.current_snapshot_id() } else { None };
        listed.or_else(|| Some(SnapshotRef { kind: RefKind::Branch, snapshot_id: current? }))
    }

    fn listed_refs(&self) -> Option<&IndexMap<String, RefEntry>> {
        match self.members.get("refs") {
            Some(Member::Refs(refs)) => Some(refs),
            _ => None,
        }
    }

    /// The history of the main branch, oldest first.
    #[must_use]
    pub fn snapshot_log(&self) -> &[Arc<SnapshotLogEntry>] {
        self.list()
    }

    /// The earlier metadata files, oldest first.
    #[must_use]
    pub fn metadata_log(&self) -> &[Arc<MetadataLogEntry>] {
        self.list()
    }

    /// The statistics files.
    #[must_use]
    pub fn statistics(&self) -> &[Arc<StatisticsFile>] {
        self.list()
    }

    /// The partition statistics files.
    #[must_use]
    pub fn partition_statistics(&self) -> &[Arc<PartitionStatisticsFile>] {
        self.list()
    }

    /// How many bytes the document takes at most.
    pub(super) fn bytes_max(&self) -> usize {
        self.members.iter().map(|(name, member)| key_bytes_max(name) + member.bytes_max()).sum::<usize>() + 2
    }

    /// How many entries its lists have: what an update may have to look through.
    pub(super) fn entries_count(&self) -> usize {
        self.members.values().map(Member::entries_count).sum()
    }

    /// A schema by its id.
    pub(super) fn schema(&self, schema_id: i32) -> Option<&Arc<Schema>> {
        let listed = self.list::<Schema>().iter();
        listed.chain(self.single_schema()).find(|schema| schema.view.schema_id == schema_id)
    }

    pub(super) fn schemas(&self) -> Vec<&Arc<Schema>> {
        let mut schemas: Vec<_> = self.list::<Schema>().iter().collect();
        if let Some(single) = self.single_schema()
            && !schemas.iter().any(|schema| schema.view.schema_id == single.view.schema_id)
        {
            schemas.push(single);
        }
        schemas
    }

    pub(super) fn single_schema(&self) -> Option<&Arc<Schema>> {
        match self.members.get("schema") {
            Some(Member::SingleSchema(schema)) => Some(schema),
            _ => None,
        }
    }

    pub(super) fn specs(&self) -> Vec<&Arc<PartitionSpec>> {
        match (self.list::<PartitionSpec>(), self.members.get("partition-spec")) {
            ([], Some(Member::SingleSpec(spec))) => vec![spec],
            (specs, _) => specs.iter().collect(),
        }
    }

    /// The entries of one of the lists; none if the member is absent.
    pub(super) fn list<T: Entry>(&self) -> &[Arc<T>] {
        self.members.get(T::MEMBER).and_then(T::list).unwrap_or_default()
    }

    pub(super) fn int(&self, name: &str) -> Option<i32> {
        self.long(name).and_then(|value| i32::try_from(value).ok())
    }

    pub(super) fn long(&self, name: &str) -> Option<i64> {
        self.raw(name)?.get().parse().ok()
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        decode(self.raw(name)?, name).ok()
    }

    /// A scalar as it was written; `None` for `null`.
    pub(super) fn raw(&self, name: &str) -> Option<&Raw> {
        match self.members.get(name) {
            Some(Member::Raw(raw)) if !is_null(raw) => Some(raw),
            _ => None,
        }
    }

    /// Sets a scalar.
    pub(super) fn set<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<()> {
        self.members.insert(name.to_owned(), Member::Raw(encode(value)?));
        Ok(())
    }

    /// One of the lists, to change it; made if absent.
    pub(super) fn list_mut<T: Entry>(&mut self) -> Result<&mut Vec<Arc<T>>> {
        let member = self.members.entry(T::MEMBER.to_owned()).or_insert_with(|| T::wrap(Vec::new()));
        if matches!(member, Member::Raw(_)) {
            *member = T::wrap(Vec::new());
        }
        T::list_mut(member).ok_or_else(|| invalid(format!("`{}` is not a list", T::MEMBER)))
    }
}

impl Member {
    fn decode(name: &str, raw: Raw, version: u64) -> Result<Self> {
        match name {
            "schemas" => Schema::decode_list(raw),
            "partition-specs" => PartitionSpec::decode_list(raw),
            "sort-orders" => SortOrder::decode_list(raw),
            "snapshots" => Snapshot::decode_list(raw),
            "snapshot-log" => SnapshotLogEntry::decode_list(raw),
            "metadata-log" => MetadataLogEntry::decode_list(raw),
            "statistics" => StatisticsFile::decode_list(raw),
            "partition-statistics" => PartitionStatisticsFile::decode_list(raw),
            "encryption-keys" => EncryptionKey::decode_list(raw),
            _ if is_null(&raw) => Ok(Self::Raw(raw)),
            "refs" => {
                let refs: RawObject = decode(&raw, "`refs`")?;
                let entries = refs.into_iter().map(|(name, raw)| Ok((name, RefEntry::decode(raw)?)));
                entries.collect::<Result<_>>().map(Self::Refs)
            }
            "properties" => {
                let properties: RawObject = decode(&raw, "`properties`")?;
                Ok(Self::Properties(properties.into_iter().map(|(name, raw)| (name, Property::new(raw))).collect()))
            }
            "schema" if version == 1 => Schema::decode(raw).map(Arc::new).map(Self::SingleSchema),
            "partition-spec" if version == 1 => PartitionSpec::from_fields(raw).map(Arc::new).map(Self::SingleSpec),
            _ => Ok(Self::Raw(raw)),
        }
    }

    fn entries_count(&self) -> usize {
        match self {
            Self::Raw(_) | Self::SingleSchema(_) | Self::SingleSpec(_) => 1,
            Self::Schemas(list) => list.len(),
            Self::Specs(list) => list.len(),
            Self::Orders(list) => list.len(),
            Self::Snapshots(list) => list.len(),
            Self::SnapshotLog(list) => list.len(),
            Self::MetadataLog(list) => list.len(),
            Self::Statistics(list) => list.len(),
            Self::PartitionStatistics(list) => list.len(),
            Self::EncryptionKeys(list) => list.len(),
            Self::Refs(refs) => refs.len(),
            Self::Properties(properties) => properties.len(),
        }
    }

    fn bytes_max(&self) -> usize {
        match self {
            Self::Raw(raw) => raw.get().len(),
            Self::Schemas(list) => list_bytes(list),
            Self::Specs(list) => list_bytes(list),
            Self::Orders(list) => list_bytes(list),
            Self::Snapshots(list) => list_bytes(list),
            Self::SnapshotLog(list) => list_bytes(list),
            Self::MetadataLog(list) => list_bytes(list),
            Self::Statistics(list) => list_bytes(list),
            Self::PartitionStatistics(list) => list_bytes(list),
            Self::EncryptionKeys(list) => list_bytes(list),
            Self::Refs(refs) => map_bytes_max(refs.iter().map(|(name, entry)| (name, &entry.raw))),
            Self::Properties(map) => map_bytes_max(map.iter().map(|(name, property)| (name, &property.raw))),
            Self::SingleSchema(schema) => schema.raw().get().len(),
            Self::SingleSpec(spec) => spec.raw().get().len(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw(raw) => out.extend_from_slice(raw.get().as_bytes()),
            Self::Schemas(list) => write_list(out, list),
            Self::Specs(list) => write_list(out, list),
            Self::Orders(list) => write_list(out, list),
            Self::Snapshots(list) => write_list(out, list),
            Self::SnapshotLog(list) => write_list(out, list),
            Self::MetadataLog(list) => write_list(out, list),
            Self::Statistics(list) => write_list(out, list),
            Self::PartitionStatistics(list) => write_list(out, list),
            Self::EncryptionKeys(list) => write_list(out, list),
            Self::Refs(refs) => write_map(out, refs.iter().map(|(name, entry)| (name, &entry.raw))),
            Self::Properties(map) => write_map(out, map.iter().map(|(name, property)| (name, &property.raw))),
            Self::SingleSchema(schema) => out.extend_from_slice(schema.raw().get().as_bytes()),
            Self::SingleSpec(spec) => out.extend_from_slice(spec.raw().get().as_bytes()),
        }
    }
}

fn list_bytes<T: Entry>(entries: &[Arc<T>]) -> usize {
    entries.iter().map(|entry| entry.raw().get().len() + 1).sum::<usize>() + 2
}

fn map_bytes_max<'a>(entries: impl Iterator<Item = (&'a String, &'a Raw)>) -> usize {
    entries.map(|(name, raw)| key_bytes_max(name) + raw.get().len()).sum::<usize>() + 2
}

/// A key with its quotes, colon and comma; an escape takes up to six bytes.
fn key_bytes_max(key: &str) -> usize {
    key.len() * 6 + 4
}

fn write_list<T: Entry>(out: &mut Vec<u8>, entries: &[Arc<T>]) {
    out.push(b'[');
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(entry.raw().get().as_bytes());
    }
    out.push(b']');
}

fn write_map<'a>(out: &mut Vec<u8>, entries: impl Iterator<Item = (&'a String, &'a Raw)>) {
    out.push(b'{');
    for (index, (name, raw)) in entries.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_key(out, name);
        out.extend_from_slice(raw.get().as_bytes());
    }
    out.push(b'}');
}

fn write_key(out: &mut Vec<u8>, key: &str) {
    // Writing a text to memory cannot fail; `Value` quotes and escapes it.
    out.extend_from_slice(serde_json::Value::from(key).to_string().as_bytes());
    out.push(b':');
}
