//! Tables as they are open for reading: one snapshot each, with its parsed metadata and its files, cached by weight.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use arrow::datatypes::{FieldRef, Schema as ArrowSchema, SchemaRef};
use iceberg::{
    arrow::schema_to_arrow_schema,
    spec::{
        DEFAULT_SCHEMA_NAME_MAPPING, Literal as IcebergLiteral, NameMapping, Schema, SchemaRef as IcebergSchemaRef,
        SnapshotRef, TableMetadata, Transform, Type,
    },
};
use moka::sync::Cache;
use polder_types::{Error, ErrorKind, RelationId, Subject};
use tokio::sync::OnceCell;

use super::{
    error::{unreadable, unsupported},
    evolve::Constants,
    files::TableFiles,
    inventory::{DataFile, Inventory},
    values::{field_id, literal},
};

/// How much larger a parsed document is than its text.
const PARSED_FACTOR: usize = 4;

/// What names a snapshot for good: a metadata document never changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SnapshotKey {
    /// The table.
    pub(crate) relation: RelationId,
    /// Where its metadata document lies.
    pub(crate) metadata_location: String,
    /// A snapshot by id; the current one if absent.
    pub(crate) snapshot: Option<i64>,
}

/// Open tables, the least used ones dropped beyond a weight.
#[derive(Clone, Debug)]
pub(crate) struct TableCache(Cache<SnapshotKey, Arc<OpenTable>>);

impl TableCache {
    /// `bytes_max` bounds the memory that the entries take, as well as it is known.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let weigh = |_: &SnapshotKey, table: &Arc<OpenTable>| table.weight.load(Ordering::Relaxed);
        Self(Cache::builder().weigher(weigh).max_capacity(bytes_max).build())
    }

    /// Opens a snapshot; `document` gives the metadata document if it is not cached. Reads no file.
    ///
    /// # Errors
    /// `Unsupported` for metadata that this build cannot read, `NotFound` for a snapshot that is not there.
    pub(crate) fn open(
        &self,
        key: &SnapshotKey,
        files: &TableFiles,
        document: impl FnOnce() -> Vec<u8>,
    ) -> Result<Arc<OpenTable>, Error> {
        let opened = self
            .0
            .try_get_with_by_ref(key, || OpenTable::parse(&document(), files.clone(), key.snapshot).map(Arc::new));
        opened.map_err(|error| Error::clone(&error))
    }

    /// Reads what the snapshot holds, once, and weighs it anew.
    ///
    /// # Errors
    /// As [`Inventory::read`].
    pub(crate) async fn inventory(&self, key: &SnapshotKey, table: &Arc<OpenTable>) -> Result<Arc<Inventory>, Error> {
        let read = table.inventory.get_or_try_init(|| async {
            let inventory = match &table.snapshot {
                Some(snapshot) => Inventory::read(&table.files, &table.metadata, snapshot).await?,
                None => Inventory::default(),
            };
            table.weight.fetch_add(narrow(inventory.weight()), Ordering::Relaxed);
            self.0.insert(key.clone(), table.clone());
            Ok::<_, Error>(Arc::new(inventory))
        });
        read.await.cloned()
    }
}

fn narrow(weight: usize) -> u32 {
    u32::try_from(weight).unwrap_or(u32::MAX / 2)
}

/// One snapshot of a table.
#[derive(Debug)]
pub(crate) struct OpenTable {
    metadata: TableMetadata,
    snapshot: Option<SnapshotRef>,
    schema: IcebergSchemaRef,
    /// The columns, with their field ids.
    pub(crate) columns: SchemaRef,
    pub(crate) files: TableFiles,
    pub(crate) mapping: Option<NameMapping>,
    inventory: OnceCell<Arc<Inventory>>,
    weight: AtomicU32,
}

impl OpenTable {
    fn parse(document: &[u8], files: TableFiles, snapshot: Option<i64>) -> Result<Self, Error> {
        let metadata: TableMetadata = serde_json::from_slice(document).map_err(|error| {
            unsupported("the table uses types or features that cannot be queried yet").with_source(error)
        })?;
        let (snapshot, schema) = chosen(&metadata, snapshot)?;
        if metadata.properties().contains_key("encryption.key-id") {
            return Err(unsupported("encrypted tables cannot be queried yet"));
        }
        let mapping = metadata.properties().get(DEFAULT_SCHEMA_NAME_MAPPING);
        let mapping = mapping.map(|text| serde_json::from_str(text)).transpose().map_err(unreadable)?;
        Ok(Self {
            columns: Arc::new(arrow_schema(&schema)?),
            files,
            weight: AtomicU32::new(narrow(document.len().saturating_mul(PARSED_FACTOR))),
            inventory: OnceCell::new(),
            mapping,
            schema,
            snapshot,
            metadata,
        })
    }

    /// The schema that the snapshot is read in: the table's current one, or an older snapshot's own.
    pub(crate) fn schema_id(&self) -> i32 {
        self.schema.schema_id()
    }

    /// The snapshot's id; `None` for a table without any.
    pub(crate) fn snapshot_id(&self) -> Option<i64> {
        self.snapshot.as_ref().map(|snapshot| snapshot.snapshot_id())
    }

    /// Values for the fields that a data file may lack: its partition's, else the field's default.
    pub(crate) fn constants(&self, file: &DataFile) -> Constants {
        let mut constants = Constants::new();
        for id in self.schema.field_id_to_name_map().keys() {
            let Some(field) = self.schema.field_by_id(*id) else { continue };
            if let (Type::Primitive(ty), Some(IcebergLiteral::Primitive(value))) =
                (field.field_type.as_ref(), &field.initial_default)
            {
                constants.extend(literal(value, ty).map(|value| (*id, value)));
            }
        }
        let spec = self.metadata.partition_spec_by_id(file.spec_id);
        let parts = spec.map(|spec| spec.fields()).unwrap_or_default().iter().zip(file.partition.fields());
        for (part, value) in parts.filter(|(part, _)| part.transform == Transform::Identity) {
            let ty = self.schema.field_by_id(part.source_id).and_then(|field| field.field_type.as_primitive_type());
            constants.remove(&part.source_id); // a null partition is a null, not the default
            if let (Some(ty), Some(IcebergLiteral::Primitive(value))) = (ty, value) {
                constants.extend(literal(value, ty).map(|value| (part.source_id, value)));
            }
        }
        constants
    }

    /// A top-level field that equality deletes compare; it may have been dropped since.
    ///
    /// # Errors
    /// `Unsupported` for a nested field; the opaque error for one that never was.
    pub(crate) fn compared_field(&self, id: i32) -> Result<FieldRef, Error> {
        let find = |schema: &ArrowSchema| schema.fields().iter().find(|field| field_id(field) == Some(id)).cloned();
        let mut schemas: Vec<_> = self.metadata.schemas_iter().collect();
        schemas.sort_by_key(|schema| std::cmp::Reverse(schema.schema_id()));
        let older = || schemas.iter().find_map(|schema| find(&arrow_schema(schema).ok()?));
        match find(&self.columns).or_else(older) {
            // A file from before the field was added has it as null, required or not.
            Some(field) if !field.data_type().is_nested() => Ok(Arc::new(field.as_ref().clone().with_nullable(true))),
            _ if schemas.iter().any(|schema| schema.field_by_id(id).is_some()) => {
                Err(unsupported("equality deletes on nested fields cannot be queried yet"))
            }
            _ => Err(unreadable("an equality delete names a field that never was")),
        }
    }
}

fn chosen(metadata: &TableMetadata, id: Option<i64>) -> Result<(Option<SnapshotRef>, IcebergSchemaRef), Error> {
    let Some(id) = id else { return Ok((metadata.current_snapshot().cloned(), metadata.current_schema().clone())) };
    let absent =
        || Error::new(ErrorKind::NotFound, Subject::Table, "unknown_snapshot", "the table has no such snapshot");
    let snapshot = metadata.snapshot_by_id(id).cloned().ok_or_else(absent)?;
    let schema = snapshot.schema(metadata).map_err(unreadable)?;
    Ok((Some(snapshot), schema))
}

fn arrow_schema(schema: &Schema) -> Result<ArrowSchema, Error> {
    schema_to_arrow_schema(schema)
        .map_err(|error| unsupported("the table uses types that cannot be queried yet").with_source(error))
}

#[cfg(test)]
mod tests;
