//! What a snapshot holds: its data files, what is known of their columns, and the delete files that apply to each.
//!
//! Read once for a snapshot, whole, and before anything is pruned: whether a table can be read never depends on what a
//! query asks for.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use iceberg::spec::{
    DataContentType, DataFile as Entry, DataFileFormat, FormatVersion, Manifest, ManifestContentType, ManifestEntry,
    ManifestFile, ManifestList, ManifestStatus, PartitionSpec, Snapshot, Struct, TableMetadata, Transform,
};
use polder_policy::Literal;
use polder_types::Error;

use super::{
    error::{unreadable, unsupported},
    files::TableFiles,
    values::literal,
};

/// Most bytes of a manifest or a list of manifests.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most manifests of a snapshot.
pub(crate) const MANIFESTS_MAX: usize = 10_000;
/// Most data and delete files of a snapshot.
pub(crate) const FILES_MAX: usize = 100_000;

/// The files of one snapshot.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// The data files.
    pub(crate) files: Vec<Arc<DataFile>>,
}

/// A data file.
#[derive(Debug)]
pub(crate) struct DataFile {
    pub(crate) path: String,
    /// Bytes, as the manifest says; only to deal files out evenly.
    pub(crate) size: u64,
    /// Where its row groups begin, as the manifest says; only to split it.
    pub(crate) split_offsets: Vec<u64>,
    pub(crate) spec_id: i32,
    pub(crate) partition: Struct,
    /// By field id.
    pub(crate) bounds: BTreeMap<i32, Bounds>,
    /// The delete files that apply to it.
    pub(crate) deletes: Vec<Arc<DeleteFile>>,
}

/// What is known of a column in a file or row group; an absent part is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bounds {
    /// No value is smaller.
    pub(crate) lower: Option<Literal>,
    /// No value is larger.
    pub(crate) upper: Option<Literal>,
    /// How many nulls.
    pub(crate) nulls: Option<u64>,
    /// How many values, nulls included.
    pub(crate) values: Option<u64>,
}

/// A delete file.
#[derive(Debug)]
pub(crate) struct DeleteFile {
    pub(crate) path: String,
    pub(crate) kind: DeleteKind,
    sequence: i64,
}

/// What a delete file names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DeleteKind {
    /// Rows by file and position; only of this file, if it is named.
    Position { file: Option<String> },
    /// Rows by the values of these fields.
    Equality { ids: Vec<i32> },
}

impl Inventory {
    /// Reads a snapshot's manifests.
    ///
    /// # Errors
    /// `Unsupported` for files that this build cannot read and for more than the limits; else the opaque error.
    pub(crate) async fn read(files: &TableFiles, metadata: &TableMetadata, snapshot: &Snapshot) -> Result<Self, Error> {
        let bytes = files.read_all(snapshot.manifest_list(), MANIFEST_BYTES_MAX).await?;
        let list = parse_list(&bytes, metadata.format_version())?;
        if list.entries().len() > MANIFESTS_MAX {
            return Err(unsupported("the table has more manifests than can be planned"));
        }
        let mut found = Found::default();
        for manifest in list.entries() {
            if manifest.key_metadata.is_some() {
                return Err(unsupported("encrypted tables cannot be queried yet"));
            }
            let bytes = files.read_all(&manifest.manifest_path, MANIFEST_BYTES_MAX).await?;
            let parsed = Manifest::parse_avro(&bytes).map_err(unreadable)?;
            parsed.entries().iter().try_for_each(|entry| found.add(manifest, entry, metadata))?;
        }
        Ok(found.matched())
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn weight(&self) -> usize {
        let weigh = |file: &DataFile| 400 + file.path.len() + 120 * file.bounds.len() + 8 * file.deletes.len();
        self.files.iter().map(|file| weigh(file)).sum()
    }
}

/// A table that was upgraded keeps the lists of its first format version.
fn parse_list(bytes: &[u8], version: FormatVersion) -> Result<ManifestList, Error> {
    let older = match version {
        FormatVersion::V1 => None,
        FormatVersion::V2 => Some(FormatVersion::V1),
        FormatVersion::V3 => Some(FormatVersion::V2),
    };
    match (ManifestList::parse_with_version(bytes, version), older) {
        (Ok(list), _) => Ok(list),
        (Err(_), Some(older)) => parse_list(bytes, older),
        (Err(error), None) => Err(unreadable(error)),
    }
}

/// The partition that a file belongs to.
type Partition = (i32, Struct);

#[derive(Default)]
struct Found {
    data: Vec<(DataFile, i64)>,
    global: Vec<Arc<DeleteFile>>,
    deletes: HashMap<Partition, Vec<Arc<DeleteFile>>>,
    count: usize,
}

impl Found {
    fn add(&mut self, manifest: &ManifestFile, entry: &ManifestEntry, metadata: &TableMetadata) -> Result<(), Error> {
        if !entry.is_alive() {
            return Ok(());
        }
        self.count += 1;
        if self.count > FILES_MAX {
            return Err(unsupported("the table has more files than can be planned"));
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
            DataContentType::Data => self.data.push((data_file(manifest, file)?, sequence)),
            _ => self.add_delete(manifest, file, sequence, metadata)?,
        }
        Ok(())
    }

    fn add_delete(
        &mut self,
        manifest: &ManifestFile,
        file: &Entry,
        sequence: i64,
        metadata: &TableMetadata,
    ) -> Result<(), Error> {
        match file.file_format() {
            DataFileFormat::Parquet => {}
            DataFileFormat::Puffin => return Err(unsupported("tables with deletion vectors cannot be queried yet")),
            _ => return Err(unsupported("delete files in Avro or ORC cannot be queried yet")),
        }
        let equality = file.content_type() == DataContentType::EqualityDeletes;
        let kind = if equality {
            DeleteKind::Equality {
                ids: file
                    .equality_ids()
                    .filter(|ids| !ids.is_empty())
                    .ok_or_else(|| unreadable("an equality delete file names no fields"))?,
            }
        } else {
            DeleteKind::Position { file: file.referenced_data_file() }
        };
        let delete = Arc::new(DeleteFile { path: file.file_path().to_owned(), kind, sequence });
        let spec = metadata.partition_spec_by_id(manifest.partition_spec_id);
        let spec = spec.ok_or_else(|| unreadable("a manifest names a partition spec that is not there"))?;
        if equality && is_unpartitioned(spec) {
            self.global.push(delete);
        } else {
            let partition = (manifest.partition_spec_id, file.partition().clone());
            self.deletes.entry(partition).or_default().push(delete);
        }
        Ok(())
    }

    /// Gives each data file its delete files (Iceberg specification, "Scan Planning").
    fn matched(self) -> Inventory {
        let Self { data, global, deletes, .. } = self;
        let files = data.into_iter().map(|(mut file, sequence)| {
            let partition = (file.spec_id, file.partition.clone());
            let candidates = global.iter().chain(deletes.get(&partition).into_iter().flatten());
            file.deletes = candidates.filter(|delete| delete.applies_to(&file.path, sequence)).cloned().collect();
            Arc::new(file)
        });
        Inventory { files: files.collect() }
    }
}

impl DeleteFile {
    fn applies_to(&self, path: &str, sequence: i64) -> bool {
        match &self.kind {
            DeleteKind::Position { file } => {
                self.sequence >= sequence && file.as_deref().is_none_or(|file| file == path)
            }
            DeleteKind::Equality { .. } => self.sequence > sequence,
        }
    }
}

fn is_unpartitioned(spec: &PartitionSpec) -> bool {
    spec.fields().iter().all(|field| field.transform == Transform::Void)
}

/// The entry's data sequence number, inherited from its manifest where it has none.
fn sequence(manifest: &ManifestFile, entry: &ManifestEntry) -> Result<i64, Error> {
    let inherits = entry.status() == ManifestStatus::Added || manifest.sequence_number == 0;
    let inherited = inherits.then_some(manifest.sequence_number);
    entry.sequence_number().or(inherited).ok_or_else(|| unreadable("a file has no sequence number"))
}

fn data_file(manifest: &ManifestFile, file: &Entry) -> Result<DataFile, Error> {
    if file.file_format() != DataFileFormat::Parquet {
        return Err(unsupported("data files in Avro or ORC cannot be queried yet"));
    }
    let offsets = file.split_offsets().unwrap_or_default();
    Ok(DataFile {
        path: file.file_path().to_owned(),
        size: file.file_size_in_bytes(),
        split_offsets: offsets.iter().filter_map(|offset| u64::try_from(*offset).ok()).collect(),
        spec_id: manifest.partition_spec_id,
        partition: file.partition().clone(),
        bounds: bounds(file),
        deletes: Vec::new(),
    })
}

fn bounds(file: &Entry) -> BTreeMap<i32, Bounds> {
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
    bounds
}
