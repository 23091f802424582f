//! Locations of tables do not overlap (A-004, R7), compared with the obvious model.

use polder_store::NewTable;
use polder_types::{ErrorKind, Location};
use proptest::prelude::*;

use super::world::World;

/// Segments that a text comparison gets wrong: one begins with another, or sorts right around `/`.
fn path() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "a0", "a-", "a.", "a b", "A", "ä", "b", "b/x", "a/a/a"]);
    prop::collection::vec(segment, 1..4).prop_map(|segments| segments.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// A-004, R7: a create succeeds exactly when its place overlaps none of those before it, dropped ones included.
    #[test]
    fn a_create_succeeds_exactly_where_nothing_overlaps(paths in prop::collection::vec(path(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let (acme, lake, ns) = world.acme().await;
            let mut model: Vec<Location> = Vec::new();
            for (index, path) in paths.iter().enumerate() {
                let location = lake.root.join(path).unwrap();
                let free = !model.iter().any(|other| other.overlaps(&location));
                let new = NewTable { location: location.clone(), ..acme.new_table(&ns, &format!("t{index}")) };
                match acme.try_table(&ns, new).await {
                    Ok(row) => {
                        assert!(free, "{location} overlaps one of {model:?}");
                        assert_eq!(row.location, location);
                        model.push(location);
                        if index % 3 == 0 {
                            acme.drop(&row.table).await.unwrap();
                        }
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Invalid);
                        assert!(["location_overlap", "location_retired"].contains(&error.code()), "{error:?}");
                        assert!(!free, "{location} overlaps none of {model:?}");
                    }
                }
            }
        });
    }
}
