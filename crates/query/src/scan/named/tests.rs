//! Paths as real manifests hold them, and what is no manifest.

use iceberg::spec::DataContentType;
use parquet::file::properties::WriterProperties;

use super::*;
use crate::scan::fixture::{Lake, described, long, longs, rows, schema};

/// A-067, F9: a list names its manifests, a manifest its data files and delete files.
#[tokio::test]
async fn lists_and_manifests_name_their_files() {
    let columns = schema(0, vec![long(1, "id")]);
    let batch = rows(&columns, vec![longs(&[Some(1)])]);
    let mut lake = Lake::new(columns);
    let data = lake.append(&batch, 1);
    let (deletes, size) = lake.parquet(&batch, WriterProperties::default());
    lake.add(described(DataContentType::PositionDeletes, deletes.clone(), size, 1).build().unwrap(), 2);
    lake.document().await;
    let read = |path: &str| std::fs::read(path.strip_prefix("file://").unwrap()).unwrap();
    let list = format!("{}/metadata/list.avro", lake.location);
    let manifests = manifests_of(&read(&list)).unwrap();
    let expected = [0, 1].map(|n| format!("{}/metadata/{n}-m.avro", lake.location));
    assert_eq!(manifests, expected);
    assert_eq!(files_of(&read(&manifests[0])).unwrap(), [data]);
    assert_eq!(files_of(&read(&manifests[1])).unwrap(), [deletes]);
    for (wrong, parse) in [(&manifests[0], true), (&list, false)] {
        let parsed = if parse { manifests_of(&read(wrong)) } else { files_of(&read(wrong)) };
        assert_eq!(parsed.unwrap_err().code(), "unreadable_table");
    }
    assert_eq!(files_of(b"not avro").unwrap_err().code(), "unreadable_table");
}
