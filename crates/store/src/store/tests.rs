use polder_types::ErrorKind;

use super::*;
use crate::db::sql;

const NOW: Micros = Micros(1_800_000_000_000_000);

fn options(dir: &tempfile::TempDir, key: &str) -> StoreOptions {
    let key = dir.path().join(key);
    let root_key = if key.exists() { RootKey::load(&key) } else { RootKey::create(&key) };
    StoreOptions::new(dir.path().join("polder.db"), root_key.unwrap())
}

/// F11: the signing key, and with it every token, survives a restart.
#[tokio::test]
async fn the_signing_key_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(options(&dir, "root.key"), NOW).await.unwrap();
    let (id, bytes) = (first.signing_key().id().to_owned(), first.signing_key().bytes().to_vec());
    assert_eq!(bytes.len(), 32);
    first.close().await;
    drop(first);
    let second = Store::open(options(&dir, "root.key"), NOW).await.unwrap();
    assert_eq!((second.signing_key().id(), second.signing_key().bytes()), (id.as_str(), bytes.as_slice()));
}

/// One process owns the file: the second open says which file, and works once the first is gone.
#[tokio::test]
async fn a_database_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(options(&dir, "root.key"), NOW).await.unwrap();
    let error = Store::open(options(&dir, "root.key"), NOW).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "database_in_use"));
    assert!(error.message().contains("polder.db"));
    first.close().await;
    drop(first);
    Store::open(options(&dir, "root.key"), NOW).await.unwrap();
}

/// Another root key, and a file that is no database, are refused with the reason.
#[tokio::test]
async fn a_wrong_key_or_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(options(&dir, "root.key"), NOW).await.unwrap();
    first.close().await;
    drop(first);
    let error = Store::open(options(&dir, "other.key"), NOW).await.unwrap_err();
    assert_eq!(error.code(), "root_key_wrong");
    std::fs::write(dir.path().join("polder.db"), "this is no database, it is a text of some length").unwrap();
    let error = Store::open(options(&dir, "root.key"), NOW).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "database_unusable"));
}

/// The file is written through to the disk, keeps references whole, and readers cannot write.
#[tokio::test]
async fn the_database_is_opened_safely() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(options(&dir, "root.key"), NOW).await.unwrap();
    let pragmas = store.write("pragmas", |tx| {
        Box::pin(async move {
            let mode = tx.row(sql("PRAGMA journal_mode")).await?.unwrap().text(0)?;
            let synchronous = tx.row(sql("PRAGMA synchronous")).await?.unwrap().int(0)?;
            Ok((mode, synchronous, tx.row(sql("PRAGMA foreign_keys")).await?.unwrap().int(0)?))
        })
    });
    assert_eq!(pragmas.await.unwrap(), ("wal".to_owned(), 2, 1));
    let written = store.read().await.unwrap().execute(sql("DELETE FROM tenants")).await;
    assert!(written.is_err());
}

/// the database holds hashes and sealed secrets, and is for its owner's eyes only, with what lies beside it.
#[cfg(unix)]
#[tokio::test]
async fn the_database_is_private_to_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(options(&dir, "root.key"), NOW).await.unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("polder.db") && !entry.path().ends_with("polder.db.lock") {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.file_name());
            seen += 1;
        }
    }
    assert!(seen > 0);
    store.close().await;
}
