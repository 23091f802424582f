//! Directories of tables that were replaced behind the catalog's back.

use std::os::unix::fs::symlink;

use polder_types::ErrorKind;

use crate::{
    SnapshotsMode, tables,
    testing::{World, ident},
};

/// a table whose directory became a symbolic link is not read through it, although its document is at hand.
#[tokio::test]
async fn a_table_behind_a_link_is_not_queried() {
    let world = World::new().await;
    let admin = world.admin().await;
    for name in ["orders", "secret"] {
        world.create(&admin, name).await.unwrap();
        tables::for_query(&admin, None, &ident(name)).await.unwrap().placed().await.unwrap();
    }
    let path_of = async |name: &str| {
        let doc = world.load(&admin, name).await.unwrap();
        doc.location().unwrap().local_path().unwrap()
    };
    let (orders, secret) = (path_of("orders").await, path_of("secret").await);
    std::fs::rename(&orders, world.directory.path().join("away")).unwrap();
    for target in [&secret, world.directory.path(), &world.directory.path().join("nowhere")] {
        symlink(target, &orders).unwrap();
        tables::load(&admin, &world.lake, &ident("orders"), SnapshotsMode::All).await.unwrap(); // from the cache
        let found = async || tables::for_query(&admin, None, &ident("orders")).await.unwrap();
        for error in [found().await.placed().await.unwrap_err(), found().await.placed_here().unwrap_err()] {
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::Invalid, "location_not_allowed"),
                "{}",
                target.display()
            );
        }
        std::fs::remove_file(&orders).unwrap();
    }
    tables::for_query(&admin, None, &ident("secret")).await.unwrap().placed_here().unwrap();
}
