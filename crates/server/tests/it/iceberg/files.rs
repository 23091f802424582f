//! Files of tables as engines write them: a snapshot's data file, delete file, manifests and their list, for whatever
//! location, as bytes. Nothing reads the data files, so they hold nothing.

use std::{path::PathBuf, sync::Arc};

use iceberg::{
    io::FileIO,
    spec::{
        DataContentType, DataFile, DataFileBuilder, DataFileFormat, ManifestFile, ManifestListWriter,
        ManifestWriterBuilder, PartitionSpec, Schema, Struct,
    },
};
use polder_testkit::{Answer, Client, SCHEMA};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A snapshot that is written but not committed.
pub(crate) struct Written {
    /// Every file of it, by its location.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// As a commit adds it.
    pub(crate) snapshot: Value,
    id: i64,
}

/// Writes the snapshot of a number for a table at a location.
pub(crate) async fn snapshot(location: &str, number: i64) -> Written {
    let data = format!("{location}/data/region=a%2Fb/{number}.parquet");
    let deletes = format!("{location}/data/{number}-deletes.parquet");
    let mut files = vec![(data.clone(), b"rows".to_vec()), (deletes.clone(), b"positions".to_vec())];
    let mut manifests = Vec::new();
    for (name, path, content) in
        [("data", data, DataContentType::Data), ("deletes", deletes, DataContentType::PositionDeletes)]
    {
        let place = format!("{location}/metadata/{number}-{name}.avro");
        let (manifest, bytes) = manifest(&place, described(content, path), number).await;
        files.push((place, bytes));
        manifests.push(manifest);
    }
    let list = format!("{location}/metadata/snap-{number}.avro");
    let (directory, io) = scratch();
    let local = local(&directory, "list.avro");
    let output = io.new_output(&local).unwrap().writer().await.unwrap();
    let mut writer = ManifestListWriter::v2(output, number, None, number);
    writer.add_manifests(manifests.into_iter()).unwrap();
    writer.close().await.unwrap();
    files.push((list.clone(), std::fs::read(directory.path().join("list.avro")).unwrap()));
    let snapshot = json!({
        "snapshot-id": number, "sequence-number": number, "timestamp-ms": 4_000_000_000_000_i64 + number,
        "manifest-list": list, "summary": {"operation": "append"}, "schema-id": 0,
    });
    Written { files, snapshot, id: number }
}

fn scratch() -> (TempDir, FileIO) {
    (TempDir::new().unwrap(), FileIO::new_with_fs())
}

fn local(directory: &TempDir, name: &str) -> String {
    format!("file://{}/{name}", directory.path().display())
}

fn described(content: DataContentType, path: String) -> DataFile {
    let mut builder = DataFileBuilder::default();
    builder.content(content).file_path(path).file_format(DataFileFormat::Parquet).file_size_in_bytes(4).record_count(1);
    builder.partition(Struct::empty()).build().unwrap()
}

async fn manifest(place: &str, file: DataFile, number: i64) -> (ManifestFile, Vec<u8>) {
    let (directory, io) = scratch();
    let output = io.new_output(local(&directory, "m.avro")).unwrap();
    let schema: Schema = serde_json::from_str(SCHEMA).unwrap();
    let builder = ManifestWriterBuilder::new(output, Some(number), Arc::new(schema), PartitionSpec::unpartition_spec());
    let data = file.content_type() == DataContentType::Data;
    let mut writer = if data { builder.build_v2_data() } else { builder.build_v2_deletes() };
    writer.add_file(file, number).unwrap();
    let written = writer.write_manifest_file().await.unwrap();
    let bytes = std::fs::read(directory.path().join("m.avro")).unwrap();
    (ManifestFile { manifest_path: place.to_owned(), ..written }, bytes)
}

/// Where a `file:` location lies.
pub(crate) fn path_of(location: &str) -> PathBuf {
    PathBuf::from(location.strip_prefix("file://").unwrap())
}

/// Writes a file in the local file system.
pub(crate) fn put(location: &str, bytes: &[u8]) {
    let path = path_of(location);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

impl Written {
    /// Commits it to a table, as its current snapshot.
    pub(crate) async fn commit(&self, caller: &Client, table: &str) -> Answer {
        let updates = json!([
            {"action": "add-snapshot", "snapshot": self.snapshot},
            {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": self.id},
        ]);
        caller.post(table, &json!({"requirements": [], "updates": updates})).await
    }
}

/// Appends snapshots to a table whose files are local, and returns the locations of everything that they brought.
pub(crate) async fn append(caller: &Client, table: &str, numbers: std::ops::Range<i64>) -> Vec<String> {
    let mut brought = Vec::new();
    for number in numbers {
        let loaded = caller.get(table).await.expect(200).json();
        let written = snapshot(loaded["metadata"]["location"].as_str().unwrap(), number).await;
        written.files.iter().for_each(|(location, bytes)| put(location, bytes));
        drop(written.commit(caller, table).await.expect(200));
        brought.extend(written.files.iter().map(|(location, _)| location.clone()));
    }
    brought
}

/// Every metadata file that a table has, the current one last.
pub(crate) async fn metadata_files(caller: &Client, table: &str) -> Vec<String> {
    let loaded = caller.get(table).await.expect(200).json();
    let log = loaded["metadata"]["metadata-log"].as_array().cloned().unwrap_or_default();
    let log = log.iter().map(|entry| entry["metadata-file"].as_str().unwrap().to_owned());
    log.chain([loaded["metadata-location"].as_str().unwrap().to_owned()]).collect()
}
