//! Which delete files apply to which data files (Iceberg specification, "Scan Planning").

use std::{collections::HashMap, sync::Arc};

use iceberg::spec::{
    DataContentType, DataFile, DataFileFormat, ManifestContentType, ManifestEntryRef, ManifestFile, TableMetadata,
};
use polder_types::Result;

use super::{MANIFESTS_BYTES_MAX, manifests::Reader};
use crate::scan::{
    error::{unreadable, unsupported},
    files::spelling,
    inventory::{Partition, is_unpartitioned, partition, sequence},
};

/// Most delete files of a snapshot that are looked at.
const DELETES_MAX: usize = 500_000;

/// A delete file.
#[derive(Debug)]
pub(super) struct Delete {
    entry: ManifestEntryRef,
    pub(super) spec_id: i32,
    sequence: i64,
}

impl Delete {
    /// What its manifest says of it.
    pub(super) fn file(&self) -> &DataFile {
        self.entry.data_file()
    }

    /// True if it applies to data files of a sequence number that it is for at all.
    fn applies_from(&self, sequence: i64) -> bool {
        match self.file().content_type() {
            DataContentType::EqualityDeletes => self.sequence > sequence,
            _ => self.sequence >= sequence,
        }
    }
}

/// The delete files of a snapshot.
#[derive(Debug, Default)]
pub(super) struct Deletes {
    /// Equality deletes of specs without a partition.
    global: Vec<Arc<Delete>>,
    beside: HashMap<Partition, Beside>,
    /// Deletion vectors, by the file that they are for.
    vectors: HashMap<String, Vec<Arc<Delete>>>,
    count: usize,
}

#[derive(Debug, Default)]
struct Beside {
    equality: Vec<Arc<Delete>>,
    position: Vec<Arc<Delete>>,
    of_file: HashMap<String, Vec<Arc<Delete>>>,
}

impl Deletes {
    /// Reads the delete manifests.
    ///
    /// # Errors
    /// `Unsupported` beyond the limits; else the opaque error.
    pub(super) async fn read(
        reader: &Reader<'_>,
        metadata: &TableMetadata,
        manifests: impl Iterator<Item = &ManifestFile>,
    ) -> Result<Self> {
        let (mut deletes, mut bytes) = (Self::default(), 0_u64);
        for manifest in manifests.filter(|manifest| manifest.content == ManifestContentType::Deletes) {
            let (parsed, inflated) = reader.manifest(manifest).await?;
            bytes = bytes.saturating_add(inflated);
            if bytes > MANIFESTS_BYTES_MAX {
                return Err(unsupported("the table has larger manifests of delete files than can be planned"));
            }
            let alive = parsed.entries().iter().filter(|entry| entry.is_alive());
            alive.clone().try_for_each(|entry| deletes.add(metadata, manifest, entry))?;
        }
        Ok(deletes)
    }

    pub(super) fn add(
        &mut self,
        metadata: &TableMetadata,
        manifest: &ManifestFile,
        entry: &ManifestEntryRef,
    ) -> Result<()> {
        self.count += 1;
        if self.count > DELETES_MAX {
            return Err(unsupported("the table has more delete files than can be planned"));
        }
        let (file, spec_id) = (entry.data_file(), manifest.partition_spec_id);
        let spec = metadata.partition_spec_by_id(spec_id);
        let spec = spec.ok_or_else(|| unreadable("a manifest names a partition spec that is not there"))?;
        let delete = Arc::new(Delete { entry: entry.clone(), spec_id, sequence: sequence(manifest, entry)? });
        match file.content_type() {
            DataContentType::Data => return Err(unreadable("a manifest holds files of another kind than it says")),
            DataContentType::EqualityDeletes if is_unpartitioned(spec) => self.global.push(delete),
            DataContentType::EqualityDeletes => self.beside(spec_id, file).equality.push(delete),
            DataContentType::PositionDeletes => match (file.referenced_data_file(), file.file_format()) {
                (Some(path), DataFileFormat::Puffin) => {
                    self.vectors.entry(spelling(&path)).or_default().push(delete);
                }
                (None, DataFileFormat::Puffin) => {
                    return Err(unreadable("a deletion vector names no data file"));
                }
                (Some(path), _) => self.beside(spec_id, file).of_file.entry(spelling(&path)).or_default().push(delete),
                (None, _) => self.beside(spec_id, file).position.push(delete),
            },
        }
        Ok(())
    }

    fn beside(&mut self, spec_id: i32, file: &DataFile) -> &mut Beside {
        self.beside.entry(partition(spec_id, file.partition())).or_default()
    }

    /// The delete files that apply to a data file, and how many were looked at.
    pub(super) fn of(&self, spec_id: i32, file: &DataFile, sequence: i64) -> (Vec<&Arc<Delete>>, usize) {
        if self.count == 0 {
            return (Vec::new(), 0);
        }
        let path = spelling(file.file_path());
        let beside = self.beside.get(&partition(spec_id, file.partition()));
        let applies = |delete: &&Arc<Delete>| delete.applies_from(sequence);
        let mut found: Vec<&Arc<Delete>> = self.global.iter().filter(applies).collect();
        found.extend(beside.into_iter().flat_map(|beside| &beside.equality).filter(applies));
        let vectors = self.vectors.get(&path).into_iter().flatten().filter(applies);
        let before = found.len();
        found.extend(vectors);
        if found.len() == before {
            // A deletion vector holds what the position deletes before it said.
            found.extend(beside.into_iter().flat_map(|beside| &beside.position).filter(applies));
            let own = beside.and_then(|beside| beside.of_file.get(&path));
            found.extend(own.into_iter().flatten().filter(applies));
        }
        let looked = self.global.len() + beside.map_or(0, |beside| beside.equality.len() + beside.position.len());
        (found, looked)
    }
}
