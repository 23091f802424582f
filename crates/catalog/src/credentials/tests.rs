use polder_policy::Privilege;
use polder_store::{NewWarehouse, WarehouseRow};
use polder_types::{Namespace, rest::CreateNamespaceRequest, rest::UpdateNamespacePropertiesRequest};
use serde_json::json;

use super::*;
use crate::{
    Catalog, CatalogOptions, SnapshotsMode, Storage, namespaces,
    testing::{World, create_request, ident},
    vend::tests::honest_store,
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

fn named(name: &str) -> Namespace {
    Namespace::new(vec![name.to_owned()]).unwrap()
}

/// A warehouse `pond` in a bucket whose store keeps keys inside their tables, and a catalog that hands them out.
async fn pond(world: &World) -> (Catalog, WarehouseName, Location) {
    let storage = Storage::new(vec![honest_store("lake").await]).unwrap();
    let catalog = Catalog::new(world.catalog.store().clone(), CatalogOptions { storage, ..CatalogOptions::default() });
    let (admin, root) = (world.admin().await, Location::parse("s3://lake/acme/pond").unwrap());
    let permit = admin.authorize(actions::ManageWarehouses, &admin.tenant_ref()).unwrap();
    let name: WarehouseName = "pond".parse().unwrap();
    let new = NewWarehouse { name: name.clone(), root: root.clone(), allowed_locations: Vec::new(), default: false };
    catalog.store().create_warehouse(&permit, new, &admin.stamp()).await.unwrap();
    (catalog, name, root)
}

async fn make_namespace(ctx: &OpCtx, warehouse: &WarehouseName, name: &str, place: Option<&str>) -> Location {
    let properties = place.map(|place| BTreeMap::from([("location".to_owned(), place.to_owned())]));
    let request = CreateNamespaceRequest { namespace: named(name), properties };
    namespaces::create(ctx, warehouse, request).await.unwrap();
    let told = namespaces::describe(ctx, warehouse, &named(name)).await.unwrap();
    Location::parse(&told.properties["location"]).unwrap()
}

async fn settle(ctx: &OpCtx, warehouse: &WarehouseName, name: &str, place: &str) -> Result<()> {
    let updates = Some(BTreeMap::from([("location".to_owned(), place.to_owned())]));
    let request = UpdateNamespacePropertiesRequest { removals: None, updates };
    namespaces::update_properties(ctx, warehouse, &named(name), request).await.map(|_| ())
}

/// Stages a table, and asks for keys for it; how many there are.
async fn stage(ctx: &OpCtx, warehouse: &WarehouseName, namespace: &str, more: serde_json::Value) -> Result<usize> {
    let mut request = create_request("t", more);
    request.stage_create = Some(true);
    let staged = crate::tables::create(ctx, warehouse, &named(namespace), request).await?;
    let keys = Delegation { vended_credentials: true, remote_signing: false };
    let ident = TableIdent::new(named(namespace), "t")?;
    match delegate_staged(ctx, warehouse, &ident, &staged, keys).await? {
        Some(TableAccess::Credentials(credentials)) => Ok(credentials.len()),
        Some(TableAccess::Signing) => panic!("nobody asked for signatures"),
        None => Ok(0),
    }
}

/// R1, R10: whoever may write one namespace gets no keys for what another's tables lie in, or will: not by calling the root, or
/// the place of another, its own; nor by staging or making a table at, around or inside of it; nor where nobody's place is.
#[tokio::test]
async fn keys_of_a_staged_table_open_no_other_namespace() {
    use Privilege::{Create, List, Read, Write};
    let world = World::new().await;
    let (catalog, pond, root) = pond(&world).await;
    let admin = world.ctx_of(&catalog, &world.admin_key).await;
    let others = make_namespace(&admin, &pond, "other", None).await;
    let payroll = make_namespace(&admin, &pond, "payroll", Some(&format!("{root}/pay/roll"))).await;
    let hr = make_namespace(&admin, &pond, "hr", None).await;
    let on = crate::admin::grants::ObjectName {
        warehouse: Some(pond.clone()),
        namespace: Some(named("other")),
        table: None,
    };
    let mallory = world.principal("mallory", &[List, Read, Write, Create], on).await;
    let mallory = world.ctx_of(&catalog, &mallory).await;

    for place in [root.to_string(), payroll.to_string(), format!("{root}/pay"), format!("{payroll}/t"), hr.to_string()]
    {
        let refused = settle(&mallory, &pond, "other", &place).await.unwrap_err();
        assert_eq!(refused.kind(), polder_types::ErrorKind::Invalid, "{place}");
    }
    for place in [&payroll, &payroll.join("t").unwrap(), &hr, &hr.join("t").unwrap(), &root.join("pay").unwrap()] {
        let more = json!({"location": place.to_string()});
        let refused = stage(&mallory, &pond, "other", more.clone()).await.unwrap_err();
        assert_eq!(refused.code(), "location_of_another_namespace", "{place}");
        let made = crate::tables::create(&mallory, &pond, &named("other"), create_request("t", more)).await;
        assert_eq!(made.unwrap_err().code(), "location_of_another_namespace", "{place}");
    }
    // The place of a namespace to come, and its own place as a whole.
    for place in [root.join("future").unwrap(), others.clone()] {
        assert_eq!(
            stage(&mallory, &pond, "other", json!({"location": place.to_string()})).await.unwrap(),
            0,
            "{place}"
        );
    }
    assert_eq!(stage(&mallory, &pond, "other", json!({})).await.unwrap(), 1);
    let own = others.join("t").unwrap();
    assert_eq!(stage(&mallory, &pond, "other", json!({"location": own.to_string()})).await.unwrap(), 1);
}

/// R1: while keys for a staged table live its place is nobody else's, though its namespace gives the ground up.
#[tokio::test]
async fn a_place_is_held_while_keys_for_it_live() {
    let world = World::new().await;
    let (catalog, pond, root) = pond(&world).await;
    let admin = world.ctx_of(&catalog, &world.admin_key).await;
    make_namespace(&admin, &pond, "other", Some(&format!("{root}/future"))).await;
    let more = json!({"location": format!("{root}/future/t")});
    assert_eq!(stage(&admin, &pond, "other", more.clone()).await.unwrap(), 1);
    settle(&admin, &pond, "other", &format!("{root}/away")).await.unwrap();
    make_namespace(&admin, &pond, "payroll", Some(&format!("{root}/future"))).await;
    for place in ["future/t", "future/t/data", "future"] {
        let request = create_request("t", json!({"location": format!("{root}/{place}")}));
        let refused = crate::tables::create(&admin, &pond, &named("payroll"), request).await.unwrap_err();
        assert_eq!(refused.code(), "location_held", "{place}");
    }
    let staged = stage(&admin, &pond, "payroll", more).await.unwrap_err();
    assert_eq!(staged.code(), "location_held");
    let record = polder_store::AuditFilter { action: Some("hold_location".to_owned()), ..Default::default() };
    let permit = admin.authorize(actions::ReadAudit, &admin.tenant_ref()).unwrap();
    let records = catalog.store().list_audit(&permit, &record, &crate::testing::everything()).await.unwrap();
    assert_eq!(records.items.len(), 1);
    assert_eq!(records.items[0].detail["location"], format!("{root}/future/t"));
}
