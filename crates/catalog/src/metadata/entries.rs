//! The entries of the document's lists: a few typed members each, beside the text they came from.

use std::sync::Arc;

use polder_types::Result;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{
    doc::Member,
    raw::{Raw, RawList, decode, invalid, is_null},
    schema::Schema,
};

/// A snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its id.
    pub snapshot_id: i64,
    /// The snapshot it follows; ClickHouse's `-1` counts as none.
    pub parent_snapshot_id: Option<i64>,
    /// Its place in the order of changes; 0 in format version 1.
    pub sequence_number: i64,
    /// When it was made, in milliseconds since the epoch, by the writer's clock.
    pub timestamp_ms: i64,
    /// The location of its manifest list.
    pub manifest_list: Option<String>,
    /// The locations of its manifests, where format version 1 lists them inline.
    pub manifests: Vec<String>,
    /// The schema that was current when it was made.
    pub schema_id: Option<i32>,
    /// The row id of its first row (format version 3).
    pub first_row_id: Option<i64>,
    /// How many row ids it uses (format version 3).
    pub added_rows: Option<i64>,
    pub(super) raw: Raw,
}

/// What a reference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefKind {
    /// Moves with commits.
    Branch,
    /// Stays.
    Tag,
}

impl RefKind {
    /// `branch` or `tag`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Branch => "branch",
            Self::Tag => "tag",
        }
    }
}

/// A named reference to a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotRef {
    /// Branch or tag.
    pub kind: RefKind,
    /// The snapshot.
    pub snapshot_id: i64,
}

/// One step of the main branch.
#[derive(Clone, Debug)]
pub struct SnapshotLogEntry {
    /// The snapshot that became current.
    pub snapshot_id: i64,
    /// When, in milliseconds since the epoch.
    pub timestamp_ms: i64,
    pub(super) raw: Raw,
}

/// An earlier metadata file.
#[derive(Clone, Debug)]
pub struct MetadataLogEntry {
    /// Its location.
    pub metadata_file: String,
    /// Its `last-updated-ms`.
    pub timestamp_ms: i64,
    pub(super) raw: Raw,
}

/// A statistics file.
#[derive(Clone, Debug)]
pub struct StatisticsFile {
    /// The snapshot it describes.
    pub snapshot_id: i64,
    /// Its location.
    pub statistics_path: String,
    pub(super) raw: Raw,
}

/// A partition statistics file.
#[derive(Clone, Debug)]
pub struct PartitionStatisticsFile {
    /// The snapshot it describes.
    pub snapshot_id: i64,
    /// Its location.
    pub statistics_path: String,
    pub(super) raw: Raw,
}

/// A partition spec.
#[derive(Clone, Debug)]
pub struct PartitionSpec {
    /// Its id; 0 if it was written without one.
    pub spec_id: i32,
    /// Its fields.
    pub fields: Vec<PartitionField>,
    pub(super) raw: Raw,
}

/// A field of a partition spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionField {
    /// The columns it is made from; more than one from format version 3 on.
    pub source_ids: Vec<i32>,
    /// Its id; format version 1 and some clients leave it out.
    pub field_id: Option<i32>,
    /// Its name.
    pub name: String,
    /// How it is made: `identity`, `bucket[16]`, …
    pub transform: String,
}

/// A sort order.
#[derive(Clone, Debug)]
pub struct SortOrder {
    /// Its id; 0 means unsorted.
    pub order_id: i32,
    /// Its fields.
    pub(super) fields: Vec<SortField>,
    pub(super) raw: Raw,
}

/// A field of a sort order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SortField {
    pub(super) source_ids: Vec<i32>,
    pub(super) transform: String,
    pub(super) direction: String,
    pub(super) null_order: String,
}

/// An encrypted key (format version 3); the document holds it wrapped, and nothing here unwraps it.
#[derive(Clone, Debug)]
pub struct EncryptionKey {
    /// Its id.
    pub key_id: String,
    pub(super) raw: Raw,
}

/// An entry of one of the document's lists.
pub(super) trait Entry: Sized {
    /// The member that holds the list.
    const MEMBER: &'static str;
    /// Reads an entry; `Invalid` if a typed member is missing or wrong.
    fn decode(raw: Raw) -> Result<Self>;
    /// The entry as it was written.
    fn raw(&self) -> &RawValue;
    /// The list, if the member is one of these.
    fn list(member: &Member) -> Option<&[Arc<Self>]>;
    /// The list to change.
    fn list_mut(member: &mut Member) -> Option<&mut Vec<Arc<Self>>>;
    /// Makes the member.
    fn wrap(entries: Vec<Arc<Self>>) -> Member;

    /// Reads the whole list; `null` is kept as it is.
    fn decode_list(raw: Raw) -> Result<Member> {
        if is_null(&raw) {
            return Ok(Member::Raw(raw));
        }
        let RawList(entries) = decode(&raw, Self::MEMBER)?;
        entries.into_iter().map(|raw| Self::decode(raw).map(Arc::new)).collect::<Result<_>>().map(Self::wrap)
    }
}

macro_rules! entries {
    ($($entry:ident in $member:literal as $variant:ident: $decode:expr;)*) => {$(
        impl Entry for $entry {
            const MEMBER: &'static str = $member;
            fn decode(raw: Raw) -> Result<Self> {
                #[allow(clippy::redundant_closure_call)]
                ($decode)(raw)
            }
            fn raw(&self) -> &RawValue {
                &self.raw
            }
            fn list(member: &Member) -> Option<&[Arc<Self>]> {
                if let Member::$variant(list) = member { Some(list) } else { None }
            }
            fn list_mut(member: &mut Member) -> Option<&mut Vec<Arc<Self>>> {
                if let Member::$variant(list) = member { Some(list) } else { None }
            }
            fn wrap(entries: Vec<Arc<Self>>) -> Member {
                Member::$variant(entries)
            }
        }
    )*};
}

entries! {
    Schema in "schemas" as Schemas: Schema::decode;
    PartitionSpec in "partition-specs" as Specs: PartitionSpec::from_raw;
    SortOrder in "sort-orders" as Orders: SortOrder::from_raw;
    Snapshot in "snapshots" as Snapshots: Snapshot::from_raw;
    SnapshotLogEntry in "snapshot-log" as SnapshotLog: |raw: Raw| {
        let (snapshot_id, timestamp_ms) = decode::<WireLogEntry>(&raw, "the snapshot log entry")?.into();
        Ok(SnapshotLogEntry { snapshot_id, timestamp_ms, raw })
    };
    MetadataLogEntry in "metadata-log" as MetadataLog: |raw: Raw| {
        let WireMetadataLog { metadata_file, timestamp_ms } = decode(&raw, "the metadata log entry")?;
        Ok(MetadataLogEntry { metadata_file, timestamp_ms, raw })
    };
    StatisticsFile in "statistics" as Statistics: |raw: Raw| {
        let WireStatistics { snapshot_id, statistics_path } = decode(&raw, "the statistics file")?;
        Ok(StatisticsFile { snapshot_id, statistics_path, raw })
    };
    PartitionStatisticsFile in "partition-statistics" as PartitionStatistics: |raw: Raw| {
        let WireStatistics { snapshot_id, statistics_path } = decode(&raw, "the partition statistics file")?;
        Ok(PartitionStatisticsFile { snapshot_id, statistics_path, raw })
    };
    EncryptionKey in "encryption-keys" as EncryptionKeys: |raw: Raw| {
        let WireKey { key_id } = decode(&raw, "the encryption key")?;
        Ok(EncryptionKey { key_id, raw })
    };
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WireLogEntry {
    snapshot_id: i64,
    timestamp_ms: i64,
}

impl From<WireLogEntry> for (i64, i64) {
    fn from(wire: WireLogEntry) -> Self {
        (wire.snapshot_id, wire.timestamp_ms)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WireMetadataLog {
    metadata_file: String,
    timestamp_ms: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WireStatistics {
    snapshot_id: i64,
    statistics_path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WireKey {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WireSnapshot {
    snapshot_id: i64,
    parent_snapshot_id: Option<i64>,
    sequence_number: Option<i64>,
    timestamp_ms: i64,
    manifest_list: Option<String>,
    manifests: Option<Vec<String>>,
    schema_id: Option<i32>,
    first_row_id: Option<i64>,
    added_rows: Option<i64>,
}

impl Snapshot {
    fn from_raw(raw: Raw) -> Result<Self> {
        let wire: WireSnapshot = decode(&raw, "the snapshot")?;
        if wire.manifest_list.is_none() && wire.manifests.is_none() {
            return Err(invalid("the snapshot is not valid: `manifest-list` is missing"));
        }
        Ok(Self {
            snapshot_id: wire.snapshot_id,
            parent_snapshot_id: wire.parent_snapshot_id.filter(|id| *id != -1),
            sequence_number: wire.sequence_number.unwrap_or(0),
            timestamp_ms: wire.timestamp_ms,
            manifest_list: wire.manifest_list,
            manifests: wire.manifests.unwrap_or_default(),
            schema_id: wire.schema_id,
            first_row_id: wire.first_row_id,
            added_rows: wire.added_rows,
            raw,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WireSpec {
    spec_id: Option<i32>,
    fields: Vec<WirePartitionField>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WirePartitionField {
    source_id: Option<i32>,
    source_ids: Option<Vec<i32>>,
    field_id: Option<i32>,
    name: String,
    transform: String,
}

fn source_ids(one: Option<i32>, many: Option<Vec<i32>>) -> Result<Vec<i32>> {
    let ids = many.or_else(|| one.map(|id| vec![id])).filter(|ids| !ids.is_empty());
    ids.ok_or_else(|| invalid("the field is not valid: `source-id` is missing"))
}

impl PartitionSpec {
    fn from_raw(raw: Raw) -> Result<Self> {
        let wire: WireSpec = decode(&raw, "the partition spec")?;
        let spec_id = wire.spec_id.unwrap_or(0);
        Ok(Self { spec_id, fields: partition_fields(wire.fields)?, raw })
    }

    /// Reads `partition-spec` of format version 1: the fields alone.
    pub(super) fn from_fields(raw: Raw) -> Result<Self> {
        let fields = partition_fields(decode(&raw, "the partition spec")?)?;
        Ok(Self { spec_id: 0, fields, raw })
    }
}

fn partition_fields(wire: Vec<WirePartitionField>) -> Result<Vec<PartitionField>> {
    wire.into_iter()
        .map(|WirePartitionField { source_id, source_ids: many, field_id, name, transform }| {
            Ok(PartitionField { source_ids: source_ids(source_id, many)?, field_id, name, transform })
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WireOrder {
    order_id: Option<i32>,
    fields: Vec<WireSortField>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WireSortField {
    source_id: Option<i32>,
    source_ids: Option<Vec<i32>>,
    transform: String,
    direction: String,
    null_order: String,
}

impl SortOrder {
    fn from_raw(raw: Raw) -> Result<Self> {
        let wire: WireOrder = decode(&raw, "the sort order")?;
        let field = |wire: WireSortField| {
            Ok(SortField {
                source_ids: source_ids(wire.source_id, wire.source_ids)?,
                transform: wire.transform,
                direction: wire.direction,
                null_order: wire.null_order,
            })
        };
        let fields = wire.fields.into_iter().map(field).collect::<Result<_>>()?;
        Ok(Self { order_id: wire.order_id.unwrap_or(0), fields, raw })
    }
}

/// An entry of `refs`; a text or number among them is unknown, kept and ignored.
#[derive(Clone, Debug)]
pub(super) struct RefEntry {
    pub(super) raw: Raw,
    pub(super) reference: Option<SnapshotRef>,
}

impl RefEntry {
    pub(super) fn decode(raw: Raw) -> Result<Self> {
        let wire: Option<WireRef> =
            if raw.get().starts_with('{') { Some(decode(&raw, "the reference")?) } else { None };
        let reference = wire.map(|WireRef { kind, snapshot_id }| SnapshotRef { kind, snapshot_id });
        Ok(Self { raw, reference })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WireRef {
    #[serde(rename = "type")]
    kind: RefKind,
    snapshot_id: i64,
}

impl<'de> Deserialize<'de> for RefKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // Java reads the type in any case.
        match text.to_ascii_lowercase().as_str() {
            "branch" => Ok(Self::Branch),
            "tag" => Ok(Self::Tag),
            _ => Err(serde::de::Error::custom("a reference is a branch or a tag")),
        }
    }
}

/// An entry of `properties`; one that is not a text is kept and ignored.
#[derive(Clone, Debug)]
pub(super) struct Property {
    pub(super) raw: Raw,
    pub(super) text: Option<String>,
}

impl Property {
    pub(super) fn new(raw: Raw) -> Self {
        let text = decode(&raw, "the property").ok();
        Self { raw, text }
    }
}
