//! Tests of administration as it is decided here; rows are the store's own tests.

use polder_policy::{Effect, PolicySpec, Privilege};
use polder_store::NewKey;
use polder_types::{ErrorKind, Scopes, Subject};
use serde_json::{Value, json};

use super::{access, grants, policies, tenants, warehouses};
use crate::testing::{World, everything};

fn policy(table: &str, more: Value) -> PolicySpec {
    let mut spec = json!({"name": "p", "table": {"warehouse": "lake", "namespace": ["sales"], "name": table}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(spec).unwrap()
}

/// A-003, R14: without the privilege, no noun of administration moves.
#[tokio::test]
async fn an_engineer_administers_nothing() {
    let world = World::new().await;
    let engineer = world.engineer().await;
    let engineer = world.ctx(&engineer).await;
    world.create(&engineer, "orders").await.unwrap();
    let warehouse = warehouses::WarehouseRequest {
        name: "mine".parse().unwrap(),
        root: None,
        allowed_locations: Vec::new(),
        default: false,
    };
    let grant = grants::GrantRequest {
        role: "engineer".to_owned(),
        effect: Effect::Allow,
        privileges: vec![Privilege::ManageAccess],
        on: grants::ObjectName::default(),
    };
    let key = NewKey { principal: "root".to_owned(), scopes: Scopes::data(), expires_at: None };
    let spec = policy("orders", json!({"hide_column": "email"}));
    let kinds = [
        warehouses::create(&engineer, &warehouse).await.map(drop).unwrap_err(),
        grants::create(&engineer, &grant).await.map(drop).unwrap_err(),
        access::create_key(&engineer, &key).await.map(drop).unwrap_err(),
        access::create_role(&engineer, "r").await.map(drop).unwrap_err(),
        access::list_keys(&engineer, &everything()).await.map(drop).unwrap_err(),
        policies::create(&engineer, &spec).await.map(drop).unwrap_err(),
        policies::list(&engineer, &everything()).await.map(drop).unwrap_err(),
        tenants::create(&engineer, &"other".parse().unwrap(), "x").await.map(drop).unwrap_err(),
        super::audit::list(&engineer, &Default::default(), &everything()).await.map(drop).unwrap_err(),
    ];
    for error in kinds {
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{error:?}");
    }
}

/// A-004, R10: roots are disjoint, plain directories, and made.
#[tokio::test]
async fn roots_of_warehouses_are_disjoint_directories() {
    let world = World::new().await;
    let admin = world.admin().await;
    let base = format!("file://{}", world.directory.path().display());
    let request = |name: &str, root: Option<String>| warehouses::WarehouseRequest {
        name: name.parse().unwrap(),
        root,
        allowed_locations: Vec::new(),
        default: false,
    };
    for root in [
        format!("{base}/base/tenant=acme/workspace=lake"),
        format!("{base}/base/tenant=acme/workspace=lake/inner"),
        format!("{base}/base"),
        "file:///".to_owned(),
        format!("{base}/../x"),
    ] {
        let error = warehouses::create(&admin, &request("pond", Some(root.clone()))).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Conflict), "{root}: {error:?}");
    }
    let cloud = warehouses::create(&admin, &request("pond", Some("gs://bucket/pond".to_owned()))).await.unwrap_err();
    assert_eq!(cloud.kind(), ErrorKind::Unsupported);
    warehouses::create(&admin, &request("pond", Some(format!("{base}/pond")))).await.unwrap();
    assert!(world.directory.path().join("pond").is_dir());
    warehouses::create(&world.admin().await, &request("brook", None)).await.unwrap();
    assert!(world.directory.path().join("base/tenant=acme/workspace=brook").is_dir());
}

/// A-001, A-004: a root of one's own lies outside the managed base, where the names of other tenants are, and is its
/// own real path: the same directory has no second name.
#[tokio::test]
async fn a_root_of_ones_own_is_nobody_elses_under_another_name() {
    let world = World::new().await;
    let admin = world.admin().await;
    let directory = world.directory.path().display().to_string();
    std::os::unix::fs::symlink(&directory, world.directory.path().join("link")).unwrap();
    let request = |root: &str, allowed: &[&str]| warehouses::WarehouseRequest {
        name: "pond".parse().unwrap(),
        root: Some(root.to_owned()),
        allowed_locations: allowed.iter().map(|text| (*text).to_owned()).collect(),
        default: false,
    };
    let own = format!("file://{directory}/own");
    for place in [
        format!("file://{directory}/base/tenant=other/workspace=lake"),
        format!("file:///proc/self/root{directory}/base/tenant=acme/workspace=lake"),
        format!("file:///proc/self/root{directory}/elsewhere"),
        format!("file://{directory}/link/base/tenant=acme/workspace=lake"),
        format!("file://{directory}/link/elsewhere"),
        format!("file://{directory}"),
    ] {
        for request in [request(&place, &[]), request(&own, &[&place])] {
            let error = warehouses::create(&admin, &request).await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "location_not_allowed"), "{place}");
        }
    }
    assert!(!world.directory.path().join("base/tenant=other").exists());
    assert!(!world.directory.path().join("elsewhere").exists());
    warehouses::create(&admin, &request(&own, &[&format!("file://{directory}/more")])).await.unwrap();
}

/// R32: what every look at a warehouse goes through is short.
#[tokio::test]
async fn a_warehouse_has_a_bounded_number_of_locations() {
    let world = World::new().await;
    let directory = world.directory.path().display().to_string();
    let places: Vec<String> = (0..65).map(|index| format!("file://{directory}/more-{index}")).collect();
    let request = |places: &[String]| warehouses::WarehouseRequest {
        name: "pond".parse().unwrap(),
        root: Some(format!("file://{directory}/own")),
        allowed_locations: places.to_vec(),
        default: false,
    };
    let admin = world.admin().await;
    let error = warehouses::create(&admin, &request(&places)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "too_many_locations"));
    assert!(!world.directory.path().join("own").exists());
    warehouses::create(&admin, &request(&places[1..])).await.unwrap();
}

/// R22: a credential without the scope learns from no administrative door which tables there are.
#[tokio::test]
async fn an_under_scoped_credential_releases_nothing_and_learns_nothing() {
    let world = World::new().await;
    world.create(&world.admin().await, "orders").await.unwrap();
    let key = NewKey { principal: "root".to_owned(), scopes: "admin:audit".parse().unwrap(), expires_at: None };
    let key = access::create_key(&world.admin().await, &key).await.unwrap().key.id;
    let ctx = world.ctx(&key).await;
    let pond = "pond".parse().unwrap();
    for (warehouse, table) in [(&world.lake, "orders"), (&world.lake, "missing"), (&pond, "orders")] {
        let error = policies::release_table(&ctx, warehouse, &crate::testing::ident(table)).await.unwrap_err();
        assert_eq!(error.code(), "insufficient_scope", "{table}");
    }
}

/// A-003: a policy fits an existing table and known roles, or is refused; its editor need not read the data.
#[tokio::test]
async fn a_policy_fits_its_table_or_is_refused() {
    let world = World::new().await;
    world.create(&world.admin().await, "orders").await.unwrap();
    let editor = world.principal("editor", &[Privilege::ManagePolicies], grants::ObjectName::default()).await;
    let editor = world.ctx(&editor).await;
    assert!(world.load(&editor, "orders").await.is_err());
    for (spec, kind, subject) in [
        (policy("missing", json!({"hide_column": "email"})), ErrorKind::NotFound, Subject::Table),
        (policy("orders", json!({"hide_column": "nothing"})), ErrorKind::Invalid, Subject::Policy),
        (policy("orders", json!({"hide_column": "email", "applies_to": []})), ErrorKind::Invalid, Subject::Policy),
        (
            policy("orders", json!({"hide_column": "email", "applies_to": ["nobody"]})),
            ErrorKind::NotFound,
            Subject::Role,
        ),
        (
            policy("orders", json!({"row_filter": {"type": "eq", "term": "id", "value": "x"}})),
            ErrorKind::Invalid,
            Subject::Policy,
        ),
    ] {
        let error = policies::create(&editor, &spec).await.unwrap_err();
        assert_eq!((error.kind(), error.subject()), (kind, subject), "{spec:?}");
    }
    let filter = policy("orders", json!({"row_filter": {"type": "eq", "term": "region", "value": "eu"}}));
    let made = policies::create(&editor, &filter).await.unwrap();
    assert_eq!(made.kind, "row_filter");
    assert_eq!(policies::create(&editor, &filter).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(policies::delete(&editor, "p").await.unwrap().id, made.id);
}

/// R16: a credential makes none that can do more than itself.
#[tokio::test]
async fn a_key_has_no_more_scopes_than_its_maker() {
    let world = World::new().await;
    let admin = world.admin().await;
    let narrow = NewKey { principal: "root".to_owned(), scopes: "admin:access".parse().unwrap(), expires_at: None };
    let narrow = access::create_key(&admin, &narrow).await.unwrap().key.id;
    let wide = NewKey { principal: "root".to_owned(), scopes: Scopes::all(), expires_at: None };
    let error = access::create_key(&world.ctx(&narrow).await, &wide).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    let expired =
        NewKey { principal: "root".to_owned(), scopes: Scopes::data(), expires_at: Some(crate::testing::NOW) };
    assert_eq!(access::create_key(&admin, &expired).await.unwrap_err().kind(), ErrorKind::Invalid);
}

/// R23: a grant needs an object that exists and a privilege that makes sense there.
#[tokio::test]
async fn a_grant_names_an_object_that_exists() {
    let world = World::new().await;
    world.principal("reader", &[], world.in_sales()).await;
    let admin = world.admin().await;
    let grant = |privilege, on| grants::GrantRequest {
        role: "reader".to_owned(),
        effect: Effect::Allow,
        privileges: vec![privilege],
        on,
    };
    let mut table = world.in_sales();
    table.table = Some("missing".to_owned());
    let error = grants::create(&admin, &grant(Privilege::Read, table)).await.unwrap_err();
    assert_eq!((error.kind(), error.subject()), (ErrorKind::NotFound, Subject::Table));
    let error = grants::create(&admin, &grant(Privilege::ReadAudit, world.in_sales())).await.unwrap_err();
    assert_eq!(error.code(), "tenant_wide_privilege");
    let partial = grants::ObjectName { table: Some("orders".to_owned()), ..grants::ObjectName::default() };
    assert_eq!(grants::create(&admin, &grant(Privilege::Read, partial)).await.unwrap_err().kind(), ErrorKind::Invalid);
    let made = grants::create(&admin, &grant(Privilege::Read, world.in_sales())).await.unwrap();
    assert_eq!(grants::delete(&admin, made[0].id).await.unwrap().privilege, Privilege::Read);
}
