//! Documents and manifests that ask for what they may not have.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use iceberg::spec::{DataContentType, DataFileFormat, PrimitiveType, Schema};
use polder_policy::BoundPredicate;
use polder_types::{Error, ErrorKind, Location};
use serde_json::json;

use crate::scan::fixture::{Lake, batches, column, described, lines, open_policy, rows, schema};

fn people() -> Schema {
    schema(0, vec![column(1, "id", PrimitiveType::Long, true), column(2, "name", PrimitiveType::String, false)])
}

fn two() -> Vec<ArrayRef> {
    vec![Arc::new(Int64Array::from(vec![1, 2])), Arc::new(StringArray::from(vec![Some("ann"), None]))]
}

fn opaque(error: &Error) {
    assert_eq!((error.code(), error.message()), ("unreadable_table", "the table's files cannot be read"));
}

/// R10, A-004: a document that names another tenant's files, or the system's, shows nothing of them.
#[tokio::test]
async fn a_document_cannot_name_files_of_others() {
    let mut other = Lake::new(people());
    other.append(&rows(&people(), two()), 1);
    let stolen = other.document().await;
    let mut mine = Lake::new(people());
    mine.append(&rows(&people(), two()), 1);
    // The whole document of somebody else, under my location.
    opaque(&lines(&mine.open(&stolen, open_policy()).unwrap()).await.unwrap_err());

    let mut document = mine.document().await;
    let theirs = stolen["snapshots"][0]["manifest-list"].as_str().unwrap();
    for list in ["file:///etc/passwd", "/etc/passwd", "file:///dev/zero", theirs] {
        document["snapshots"][0]["manifest-list"] = json!(list);
        opaque(&lines(&mine.open(&document, open_policy()).unwrap()).await.unwrap_err());
    }
}

/// R10: neither a data file nor a delete file may lie elsewhere.
#[tokio::test]
async fn a_manifest_cannot_name_files_of_others() {
    let mut other = Lake::new(people());
    let path = other.append(&rows(&people(), two()), 1);
    for content in [DataContentType::Data, DataContentType::PositionDeletes] {
        let mut mine = Lake::new(people());
        mine.append(&rows(&people(), two()), 1);
        mine.add(described(content, path.clone(), 100, 2).build().unwrap(), 2);
        opaque(&lines(&mine.source(open_policy()).await.unwrap()).await.unwrap_err());
    }
}

/// Never a partial answer: what cannot be read makes the whole table unreadable, whatever is asked of it.
#[tokio::test]
async fn formats_that_are_not_read_are_refused_as_a_whole() {
    let refused = [
        (DataContentType::Data, DataFileFormat::Orc, "data files in Avro or ORC cannot be queried yet"),
        (DataContentType::Data, DataFileFormat::Avro, "data files in Avro or ORC cannot be queried yet"),
        (
            DataContentType::PositionDeletes,
            DataFileFormat::Puffin,
            "tables with deletion vectors cannot be queried yet",
        ),
        (DataContentType::EqualityDeletes, DataFileFormat::Avro, "delete files in Avro or ORC cannot be queried yet"),
    ];
    for (content, format, message) in refused {
        let mut lake = Lake::new(people());
        lake.append(&rows(&people(), two()), 1);
        let path = format!("{}/data/other", lake.location);
        lake.add(described(content, path, 1, 1).file_format(format).build().unwrap(), 2);
        let source = lake.source(open_policy()).await.unwrap();
        // Even a query that would prune the file away, or that wants no column.
        let error = batches(&source, Some(vec![]), &[BoundPredicate::False], 1).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Unsupported, message));
    }
}

#[tokio::test]
async fn metadata_that_the_crate_cannot_parse_is_unsupported() {
    let lake = Lake::new(people());
    let mut document = lake.document().await;
    document["format-version"] = json!(3);
    document["schemas"][0]["fields"][1]["type"] = json!("variant");
    let error = lake.open(&document, open_policy()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(!error.message().contains("variant"), "no text of the parser: {}", error.message());
}

#[tokio::test]
async fn damaged_files_are_one_opaque_error() {
    let mut lake = Lake::new(people());
    let path = lake.append(&rows(&people(), two()), 1);
    let document = lake.document().await;
    let local = Location::parse(&path).unwrap().local_path().unwrap();
    std::fs::write(&local, b"PAR1 this is no parquet file PAR1").unwrap();
    opaque(&lines(&lake.open(&document, open_policy()).unwrap()).await.unwrap_err());
    std::fs::remove_file(&local).unwrap();
    opaque(&lines(&lake.open(&document, open_policy()).unwrap()).await.unwrap_err());
}

#[tokio::test]
async fn encrypted_tables_are_unsupported() {
    let mut lake = Lake::new(people());
    lake.properties.insert("encryption.key-id".to_owned(), "k".to_owned());
    let error = lake.source(open_policy()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
