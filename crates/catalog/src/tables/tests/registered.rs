//! Registering compressed documents, and such as would inflate to more than is there (R32).

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use polder_types::{ErrorKind, rest::RegisterTableRequest};
use serde_json::json;

use crate::{
    SnapshotsMode, tables,
    testing::{World, ident, sales, set},
};

fn gzip(parts: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    parts.for_each(|part| encoder.write_all(&part).unwrap());
    encoder.finish().unwrap()
}

/// A-068, R32: a compressed document is read as what it means and left as it is; a bomb, one that ends early, and one whose
/// name says gzip but which is none, are refused by one text.
#[tokio::test]
async fn compressed_documents_are_read_within_bounds() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.create(&admin, "t").await.unwrap();
    let loaded = tables::load(&admin, &world.lake, &ident("t"), SnapshotsMode::All).await.unwrap();
    tables::drop(&admin, &world.lake, &ident("t"), false).await.unwrap();
    let file = loaded.metadata_location.as_ref().unwrap();
    let file = format!("{}.gz.metadata.json", file.strip_suffix(".metadata.json").unwrap());
    let path = file.strip_prefix("file://").unwrap();
    let request = RegisterTableRequest { name: "t".to_owned(), metadata_location: file.clone(), overwrite: None };
    let register = async || {
        let admin = world.admin().await;
        tables::register(&admin, &world.lake, &sales(), &request).await
    };
    let whole = gzip([loaded.metadata.to_vec()].into_iter());
    let blank = || vec![b' '; 1024 * 1024];
    let bomb = gzip((0..80).map(|_| blank()).chain([loaded.metadata.to_vec()]));
    assert!(bomb.len() < 1024 * 1024);
    let mut said = std::collections::BTreeSet::new();
    for wrong in [bomb, whole[..whole.len() / 2].to_vec(), vec![0x1f, 0x8b], b"\x1f\x8b{}".to_vec(), Vec::new()] {
        std::fs::write(path, wrong).unwrap();
        let error = register().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        said.insert(error.message().to_owned());
    }
    assert_eq!(said.len(), 1, "{said:?}");
    std::fs::write(path, &whole).unwrap();
    let registered = register().await.unwrap();
    assert_eq!((registered.metadata_location.as_ref(), &registered.metadata), (Some(&file), &loaded.metadata));
    assert_eq!(std::fs::read(path).unwrap(), whole);
    // From the store again, as another node would read it, and on from there.
    let other = crate::Catalog::new(world.catalog.store().clone(), crate::CatalogOptions::default());
    let ctx = world.ctx_of(&other, &world.admin_key).await;
    let again = tables::load(&ctx, &world.lake, &ident("t"), SnapshotsMode::All).await.unwrap();
    assert_eq!(again.metadata, loaded.metadata);
    world.commit(&world.admin().await, "t", json!([]), set("k", "v")).await.unwrap();
    assert_eq!(world.load(&world.admin().await, "t").await.unwrap().property("k"), Some("v"));
}
