//! What manifests list, gathered: each file is checked as it comes, whatever a query will want of it.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use iceberg::{
    arrow::schema_to_arrow_schema,
    spec::{
        DataContentType, DataFile as Entry, DataFileFormat, Literal, ManifestContentType, ManifestEntry, ManifestFile,
        ManifestStatus, PartitionSpec, PrimitiveLiteral, Struct, TableMetadata, Transform,
    },
};
use polder_types::Error;

use super::{Bounds, DataFile, DeleteFile, DeleteKind, Inventory};
use crate::scan::{
    deletes::{DELETES_MAX, too_many_deletes},
    error::{unreadable, unsupported},
    files::{TableFiles, spelling},
    values::literal,
};

/// Most data and delete files of a snapshot.
const FILES_MAX: usize = 100_000;
/// Most bytes of memory that is known of a snapshot's files.
const INVENTORY_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Most pairs of a data file and a delete file that may apply to it.
const PAIRS_MAX: usize = 50_000_000;

/// The partition that a file belongs to.
pub(in crate::scan) type Partition = (i32, Vec<Option<Literal>>);

pub(super) struct Found<'a> {
    files: &'a TableFiles,
    metadata: &'a TableMetadata,
    /// The ids of the columns that the table has or had; of no other field are bounds of use.
    columns: HashSet<i32>,
    compared: OnceCell<Compared>,
    data: Vec<(DataFile, i64)>,
    global: Vec<Arc<DeleteFile>>,
    deletes: HashMap<Partition, PartitionDeletes>,
    count: usize,
    bytes: usize,
}

#[derive(Default)]
struct PartitionDeletes {
    all: Vec<Arc<DeleteFile>>,
    /// Those that name the one file that they are for.
    of_file: HashMap<String, Vec<Arc<DeleteFile>>>,
}

impl<'a> Found<'a> {
    pub(super) fn new(files: &'a TableFiles, metadata: &'a TableMetadata) -> Self {
        let columns = metadata.schemas_iter().flat_map(|schema| schema.as_struct().fields()).map(|field| field.id);
        Self {
            columns: columns.collect(),
            files,
            metadata,
            compared: OnceCell::new(),
            data: Vec::new(),
            global: Vec::new(),
            deletes: HashMap::new(),
            count: 0,
            bytes: 0,
        }
    }

    /// SECURITY: what this build cannot read is refused here, for all files of the snapshot. If it were found out when
    /// a file is opened, whether a query fails would tell which files its filter keeps, and so what hidden rows hold.
    ///
    /// # Errors
    /// As [`Inventory::read`].
    pub(super) fn add(&mut self, manifest: &ManifestFile, entry: &ManifestEntry) -> Result<(), Error> {
        if !entry.is_alive() {
            return Ok(());
        }
        let file = entry.data_file();
        if file.key_metadata().is_some() {
            return Err(unsupported("encrypted tables cannot be queried yet"));
        }
        let in_place =
            (manifest.content == ManifestContentType::Data) == (file.content_type() == DataContentType::Data);
        if !in_place {
            return Err(unreadable("a manifest holds files of another kind than it says"));
        }
        let sequence = sequence(manifest, entry)?;
        match file.content_type() {
            DataContentType::Data => self.add_data(manifest, file, sequence)?,
            _ => self.add_delete(manifest, file, sequence)?,
        }
        self.files.check(file.file_path())?;
        self.count += 1;
        if self.count > FILES_MAX || self.bytes > INVENTORY_BYTES_MAX {
            return Err(unsupported("the table has more files than can be planned"));
        }
        Ok(())
    }

    fn add_data(&mut self, manifest: &ManifestFile, file: &Entry, sequence: i64) -> Result<(), Error> {
        if file.file_format() != DataFileFormat::Parquet {
            return Err(unsupported("data files in Avro or ORC cannot be queried yet"));
        }
        let offsets = file.split_offsets().unwrap_or_default();
        let data = DataFile {
            path: file.file_path().to_owned(),
            size: file.file_size_in_bytes(),
            split_offsets: offsets.iter().filter_map(|offset| u64::try_from(*offset).ok()).collect(),
            spec_id: manifest.partition_spec_id,
            partition: file.partition().clone(),
            bounds: self.bounds(file),
            deletes: Vec::new(),
        };
        self.bytes = self.bytes.saturating_add(data.weight());
        self.data.push((data, sequence));
        Ok(())
    }

    fn bounds(&self, file: &Entry) -> BTreeMap<i32, Bounds> {
        let mut bounds: BTreeMap<i32, Bounds> = BTreeMap::new();
        for (id, value) in file.lower_bounds() {
            bounds.entry(*id).or_default().lower = literal(value.literal(), value.data_type());
        }
        for (id, value) in file.upper_bounds() {
            bounds.entry(*id).or_default().upper = literal(value.literal(), value.data_type());
        }
        for (id, count) in file.null_value_counts() {
            bounds.entry(*id).or_default().nulls = Some(*count);
        }
        for (id, count) in file.value_counts() {
            bounds.entry(*id).or_default().values = Some(*count);
        }
        bounds.retain(|id, _| self.columns.contains(id));
        bounds
    }

    fn add_delete(&mut self, manifest: &ManifestFile, file: &Entry, sequence: i64) -> Result<(), Error> {
        match file.file_format() {
            DataFileFormat::Parquet => {}
            DataFileFormat::Puffin => return Err(unsupported("tables with deletion vectors cannot be queried yet")),
            _ => return Err(unsupported("delete files in Avro or ORC cannot be queried yet")),
        }
        if file.record_count() > DELETES_MAX as u64 {
            return Err(too_many_deletes());
        }
        let spec = self.metadata.partition_spec_by_id(manifest.partition_spec_id);
        let spec = spec.ok_or_else(|| unreadable("a manifest names a partition spec that is not there"))?;
        let equality = file.content_type() == DataContentType::EqualityDeletes;
        let kind = if equality { DeleteKind::Equality { ids: self.compared(file)? } } else { DeleteKind::Position };
        let delete = Arc::new(DeleteFile { path: file.file_path().to_owned(), kind, sequence });
        if equality && is_unpartitioned(spec) {
            self.global.push(delete);
            return Ok(());
        }
        let partition = self.deletes.entry(partition(manifest.partition_spec_id, file.partition())).or_default();
        match file.referenced_data_file().filter(|_| !equality) {
            Some(path) => partition.of_file.entry(spelling(&path)).or_default().push(delete),
            None => partition.all.push(delete),
        }
        Ok(())
    }

    /// The fields that an equality delete file compares.
    fn compared(&self, file: &Entry) -> Result<Vec<i32>, Error> {
        let mut ids = file.equality_ids().unwrap_or_default();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Err(unreadable("an equality delete file names no fields"));
        }
        let compared = self.compared.get_or_init(|| Compared::new(self.metadata));
        ids.iter().try_for_each(|id| compared.check(*id))?;
        Ok(ids)
    }

    /// Gives each data file its delete files (Iceberg specification, "Scan Planning").
    ///
    /// # Errors
    /// `Unsupported` if there are too many.
    pub(super) fn matched(self) -> Result<Inventory, Error> {
        let Self { data, global, deletes, .. } = self;
        let mut pairs = 0_usize;
        let mut files = Vec::with_capacity(data.len());
        for (mut file, sequence) in data {
            let beside = deletes.get(&partition(file.spec_id, &file.partition));
            let own = beside.filter(|beside| !beside.of_file.is_empty());
            let own = own.and_then(|beside| beside.of_file.get(&spelling(&file.path)));
            let beside = beside.map(|beside| &beside.all);
            let candidates = || global.iter().chain(beside.into_iter().flatten()).chain(own.into_iter().flatten());
            pairs = pairs.saturating_add(candidates().count());
            if pairs > PAIRS_MAX {
                return Err(unsupported("the table has more delete files than can be applied"));
            }
            file.deletes = candidates().filter(|delete| delete.applies_from(sequence)).cloned().collect();
            files.push(Arc::new(file));
        }
        Ok(Inventory { files })
    }
}

impl DeleteFile {
    /// True if it applies to data files of the sequence number that it is for at all.
    fn applies_from(&self, sequence: i64) -> bool {
        match &self.kind {
            DeleteKind::Position => self.sequence >= sequence,
            DeleteKind::Equality { .. } => self.sequence > sequence,
        }
    }
}

/// The fields that equality deletes may compare.
struct Compared {
    /// Columns that are no struct, list or map; they may have been dropped since.
    flat: HashSet<i32>,
    known: HashSet<i32>,
}

impl Compared {
    fn new(metadata: &TableMetadata) -> Self {
        let (mut flat, mut nested, mut known) = (HashSet::new(), HashSet::new(), HashSet::new());
        for schema in metadata.schemas_iter() {
            known.extend(schema.field_id_to_name_map().keys().copied());
            // An older schema may have types that this build does not read.
            if schema_to_arrow_schema(schema).is_err() {
                continue;
            }
            for field in schema.as_struct().fields() {
                let kind = if field.field_type.is_primitive() { &mut flat } else { &mut nested };
                kind.insert(field.id);
            }
        }
        flat.retain(|id| !nested.contains(id));
        Self { flat, known }
    }

    fn check(&self, id: i32) -> Result<(), Error> {
        match (self.flat.contains(&id), self.known.contains(&id)) {
            (true, _) => Ok(()),
            (false, true) => Err(unsupported("equality deletes on nested fields cannot be queried yet")),
            (false, false) => Err(unreadable("an equality delete names a field that never was")),
        }
    }
}

/// The partition as it compares. A field's type may have been widened since a manifest was written, and each is read in
/// the types of its own time: an `int` 1 and a `long` 1 are one partition. (A `date` may become a `timestamp` only where
/// no partition is made of it as it is: Iceberg specification, "Schema Evolution".)
pub(in crate::scan) fn partition(spec_id: i32, values: &Struct) -> Partition {
    let widened = |value: &Literal| match value {
        Literal::Primitive(PrimitiveLiteral::Int(value)) => {
            Literal::Primitive(PrimitiveLiteral::Long(i64::from(*value)))
        }
        Literal::Primitive(PrimitiveLiteral::Float(value)) => {
            Literal::Primitive(PrimitiveLiteral::Double(f64::from(value.0).into()))
        }
        other => other.clone(),
    };
    (spec_id, values.fields().iter().map(|value| value.as_ref().map(widened)).collect())
}

pub(in crate::scan) fn is_unpartitioned(spec: &PartitionSpec) -> bool {
    spec.fields().iter().all(|field| field.transform == Transform::Void)
}

/// The entry's data sequence number, inherited from its manifest where it has none.
pub(in crate::scan) fn sequence(manifest: &ManifestFile, entry: &ManifestEntry) -> Result<i64, Error> {
    let inherits = entry.status() == ManifestStatus::Added || manifest.sequence_number == 0;
    let inherited = inherits.then_some(manifest.sequence_number);
    entry.sequence_number().or(inherited).ok_or_else(|| unreadable("a file has no sequence number"))
}
