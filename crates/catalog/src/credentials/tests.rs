use polder_policy::Privilege;
use polder_store::WarehouseRow;
use serde_json::json;

use super::*;
use crate::{
    SnapshotsMode,
    testing::{World, ident},
};

/// A-080: a hint: words in any order and any number of headers; what is not known means nothing.
#[test]
fn the_header_is_a_list_of_words() {
    let parse = |values: &[&str]| {
        let Delegation { vended_credentials, remote_signing } = Delegation::parse(values.iter().copied());
        (vended_credentials, remote_signing)
    };
    assert_eq!(parse(&[]), (false, false));
    assert_eq!(parse(&["vended-credentials"]), (true, false));
    assert_eq!(parse(&["Vended-Credentials , remote-signing"]), (true, true));
    assert_eq!(parse(&["remote-signing", "x"]), (false, true));
    assert_eq!(parse(&["none, , vended"]), (false, false));
}

/// R8: a location that the warehouse has lost since is no place for keys or signatures; R7: nor is one whose name only
/// begins with what it has.
#[tokio::test]
async fn a_location_that_is_no_longer_allowed_gets_no_access() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.create(&admin, "t").await.unwrap();
    let warehouse = resolve::warehouse(&admin, &world.lake).await.unwrap();
    let row = resolve::table(&admin, &warehouse, &ident("t")).await.unwrap();
    let of = DelegationOf { table_id: row.table.id.0, mode: VENDED };
    assert_eq!(permitted_root(&admin, &warehouse, &row.table, &row.location, of).unwrap(), &warehouse.root);
    let sibling = Location::parse(&format!("{}x", row.location)).unwrap();
    for root in [sibling, row.location.clone(), Location::parse("file:///elsewhere").unwrap()] {
        let shrunk = WarehouseRow { root, allowed_locations: Vec::new(), ..warehouse.as_ref().clone() };
        let refused = permitted_root(&admin, &shrunk, &row.table, &row.location, of).unwrap_err();
        assert_eq!(refused.kind(), polder_types::ErrorKind::Forbidden);
    }
}

/// An answer is of one table: the document of one that was dropped meanwhile takes no keys of what has its name now.
#[tokio::test]
async fn a_document_goes_out_with_the_access_of_its_own_table_only() {
    let world = World::new().await;
    let admin = world.admin().await;
    let read = world.create(&admin, "t").await.unwrap();
    crate::tables::drop(&admin, &world.lake, &ident("t"), false).await.unwrap();
    let replaced = world.create(&admin, "t").await.unwrap();
    let all = Delegation { vended_credentials: true, remote_signing: true };
    let refused = delegate(&admin, &world.lake, &ident("t"), read.table_uuid, all).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (polder_types::ErrorKind::Unavailable, "table_replaced"));
    assert!(delegate(&admin, &world.lake, &ident("t"), replaced.table_uuid, all).await.unwrap().is_none());
}

/// R22: to whom the table that has the name now does not exist, it does not exist here either: not "replaced", absent.
#[tokio::test]
async fn what_took_the_name_is_told_to_those_who_may_know_it() {
    let world = World::new().await;
    let admin = world.admin().await;
    let read = world.create(&admin, "t").await.unwrap();
    let object = crate::admin::grants::ObjectName {
        warehouse: Some(world.lake.clone()),
        namespace: Some(crate::testing::sales()),
        table: Some("t".to_owned()),
    };
    let reader = world.principal("reader", &[Privilege::List, Privilege::Read], object).await;
    crate::tables::load(&world.ctx(&reader).await, &world.lake, &ident("t"), SnapshotsMode::All).await.unwrap();
    crate::tables::drop(&admin, &world.lake, &ident("t"), false).await.unwrap();
    world.create(&admin, "t").await.unwrap();
    let (reader, all) = (world.ctx(&reader).await, Delegation { vended_credentials: true, remote_signing: true });
    let absent = load_credentials(&reader, &world.lake, &ident("no-such-table")).await.unwrap_err();
    let refused = delegate(&reader, &world.lake, &ident("t"), read.table_uuid, all).await.unwrap_err();
    assert_eq!((refused.kind(), refused.subject()), (absent.kind(), absent.subject()), "{refused}");
    assert_eq!(refused.kind(), polder_types::ErrorKind::NotFound);
}

/// R11, A-047, A-048: without a provider there are no keys, whatever is asked for. Asked for by name, that is on record as
/// refused; a hint is not, since it was no refusal; and nothing says that keys went out.
#[tokio::test]
async fn without_a_provider_nothing_is_handed_out() {
    let world = World::new().await;
    let admin = world.admin().await;
    let made = world.create(&admin, "t").await.unwrap();
    assert!(load_credentials(&admin, &world.lake, &ident("t")).await.unwrap().is_empty());
    let all = Delegation { vended_credentials: true, remote_signing: true };
    assert!(delegate(&admin, &world.lake, &ident("t"), made.table_uuid, all).await.unwrap().is_none());
    let request = crate::testing::create_request("s", json!({"stage-create": true}));
    let staged = crate::tables::create(&admin, &world.lake, &crate::testing::sales(), request).await.unwrap();
    assert!(delegate_staged(&admin, &world.lake, &ident("s"), &staged, all).await.unwrap().is_none());
    let request = json!({"region": "r", "uri": "https://lake.s3.r.amazonaws.com/a", "method": "GET", "headers": {}});
    let request = serde_json::from_value(request).unwrap();
    let unsigned = crate::sign_request(&admin, &world.lake, &ident("t"), request).await.unwrap_err();
    assert_eq!(unsigned.code(), "unsupported_signing");
    let records = crate::admin::audit::list(&admin, &Default::default(), &crate::testing::everything()).await.unwrap();
    let row =
        resolve::table(&admin, &resolve::warehouse(&admin, &world.lake).await.unwrap(), &ident("t")).await.unwrap();
    for (action, reason, mode) in [
        ("vend_credentials", "unsupported_vending", "vended-credentials"),
        ("sign_request", "unsupported_signing", "remote-signing"),
    ] {
        let found: Vec<_> = records.items.iter().filter(|record| record.action == action).collect();
        let [record] = found.as_slice() else { panic!("{action}: {found:?}") };
        assert_eq!((record.decision.as_str(), record.reason.as_deref(), record.count), ("deny", Some(reason), 1));
        let detail = json!({"type": "delegation", "table_id": row.table.id.0, "delegation_mode": mode});
        assert_eq!(record.detail, detail, "{action}");
    }
}
