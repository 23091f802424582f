//! Ways around restrictions that need no right to edit policies (R35). The masked column is `email` of `sales.orders`.

use polder_policy::{Effect, FieldRule, Privilege, actions, lower};
use polder_types::{ErrorKind, KeyId, Namespace, TableIdent, rest::CreateNamespaceRequest};
use serde_json::{Value, json};

use crate::{
    OpCtx, SnapshotsMode,
    admin::grants::ObjectName,
    namespaces, policy_schema, resolve, tables,
    testing::{World, everything, ident, sales, set},
};

fn fields(names: &[(i32, &str)]) -> Value {
    let field = |(id, name): &(i32, &str)| json!({"id": id, "name": name, "required": false, "type": "string"});
    let fields: Vec<Value> = names.iter().map(field).collect();
    json!({"action": "add-schema", "schema": {"type": "struct", "fields": fields}})
}

fn current(id: i32) -> Value {
    json!({"action": "set-current-schema", "schema-id": id})
}

/// A writer, a reader under a mask on `email`, and the table, whose current schema is 1 and has no snapshot.
async fn governed(world: &World) -> (KeyId, KeyId) {
    let engineer = world.engineer().await;
    let analyst = world.principal("analyst", &[Privilege::List, Privilege::Read], world.in_sales()).await;
    let writer = world.ctx(&engineer).await;
    world.create(&writer, "orders").await.unwrap();
    world
        .commit(&writer, "orders", json!([]), json!([fields(&[(3, "email"), (4, "note")]), current(-1)]))
        .await
        .unwrap();
    world.mask_email("orders").await;
    (engineer, analyst)
}

/// The names of the masked columns of the current schema.
async fn masked(ctx: &OpCtx, table: &TableIdent) -> Vec<String> {
    let query = tables::for_query(ctx, None, table).await.unwrap().placed().await.unwrap();
    let Some(obligations) = query.permit.obligations() else { return Vec::new() };
    let schema = policy_schema(query.doc.current_schema().unwrap());
    let rules = lower(obligations, &schema).fields;
    let names = rules.iter().filter(|(_, rule)| matches!(rule, FieldRule::Mask(_)));
    names.map(|(id, _)| schema.field(*id).unwrap().name.clone()).collect()
}

/// Namespace `own`, where the principal holds everything.
async fn own_namespace(world: &World, role: &str) -> Namespace {
    let own = Namespace::new(vec!["own".to_owned()]).unwrap();
    let request = CreateNamespaceRequest { namespace: own.clone(), properties: None };
    namespaces::create(&world.admin().await, &world.lake, request).await.unwrap();
    let on = ObjectName { warehouse: Some(world.lake.clone()), namespace: Some(own.clone()), table: None };
    let all: Vec<Privilege> =
        Privilege::ALL.into_iter().filter(|p| p.is_data() || *p == Privilege::ReadUnrestricted).collect();
    world.grant(role, Effect::Allow, &all, on).await;
    own
}

/// R35: dropping a masked column is noticed in every order of updates: in two commits, and when the new schema gets
/// the id of the old one.
#[tokio::test]
async fn a_masked_column_is_not_dropped_behind_a_schema_id() {
    let world = World::new().await;
    let (engineer, _) = governed(&world).await;
    let engineer = world.ctx(&engineer).await;
    let reused = json!([
        current(0),
        {"action": "remove-schemas", "schema-ids": [1]},
        fields(&[(4, "note")]),
        current(-1),
    ]);
    world.commit(&engineer, "orders", json!([]), json!([fields(&[(4, "note")])])).await.unwrap();
    for updates in [reused, json!([current(2)])] {
        let error = world.commit(&engineer, "orders", json!([]), updates.clone()).await.unwrap_err();
        assert_eq!(error.code(), "restricted_column", "{updates}");
    }
    // Without the third schema, id 1 is given out again.
    world
        .commit(&engineer, "orders", json!([]), json!([{"action": "remove-schemas", "schema-ids": [2]}]))
        .await
        .unwrap();
    let reused = json!([
        current(0),
        {"action": "remove-schemas", "schema-ids": [1]},
        fields(&[(4, "note")]),
        current(-1),
    ]);
    let error = world.commit(&engineer, "orders", json!([]), reused).await.unwrap_err();
    assert_eq!(error.code(), "restricted_column");
}

/// R35: engines that do not tell cases apart write `email` as `EMAIL` when they make a column again.
#[tokio::test]
async fn a_column_in_other_letters_is_the_same_column_to_a_mask() {
    let world = World::new().await;
    let (engineer, analyst) = governed(&world).await;
    let engineer = world.ctx(&engineer).await;
    let updates = json!([fields(&[(3, "old"), (4, "note"), (5, "EMAIL")]), current(-1)]);
    world.commit(&engineer, "orders", json!([]), updates).await.unwrap();
    assert_eq!(masked(&world.ctx(&analyst).await, &ident("orders")).await, ["old", "EMAIL"]);
}

/// R35: a commit that takes a protected name away from a column binds the column, even if nobody had seen it there.
#[tokio::test]
async fn a_rename_binds_what_stood_at_the_name_before_it() {
    let world = World::new().await;
    let (key, analyst) = governed(&world).await;
    let engineer = world.ctx(&key).await;
    tables::drop(&engineer, &world.lake, &ident("orders"), false).await.unwrap();
    world.create(&engineer, "next").await.unwrap();
    // The store is told nothing of the columns, as if they had come between the look at the table and its rename.
    let lake = resolve::warehouse(&engineer, &world.lake).await.unwrap();
    let row = resolve::table(&engineer, &lake, &ident("next")).await.unwrap();
    let fresh = world.ctx(&key).await;
    let source = fresh.authorize(actions::RenameTable, &row.table).unwrap();
    let target = fresh.authorize(actions::RenameInto, &row.table.namespace).unwrap();
    let store = world.catalog.store();
    store.rename_table(&source, &target, "orders", &row.metadata_location, Vec::new(), &fresh.stamp()).await.unwrap();
    let updates = json!([
        fields(&[(2, "region"), (3, "post")]), current(-1), {"action": "remove-schemas", "schema-ids": [0]},
    ]);
    world.commit(&fresh, "orders", json!([]), updates).await.unwrap();
    assert_eq!(masked(&world.ctx(&analyst).await, &ident("orders")).await, ["post"]);
}

/// R16, R35: who may not read a table does not come to read it by moving it to where he may.
#[tokio::test]
async fn a_move_gives_nobody_more_than_he_had() {
    let world = World::new().await;
    governed(&world).await;
    let mover = world.principal("mover", &[Privilege::Drop, Privilege::Create], world.in_sales()).await;
    let own = own_namespace(&world, "mover").await;
    let there = TableIdent::new(own.clone(), "orders").unwrap();
    let ctx = world.ctx(&mover).await;
    assert_eq!(world.load(&ctx, "orders").await.unwrap_err().kind(), ErrorKind::Forbidden);
    let error = tables::rename(&ctx, &world.lake, &ident("orders"), &there).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    // Within the namespace nothing is gained.
    tables::rename(&ctx, &world.lake, &ident("orders"), &ident("moved")).await.unwrap();
    assert_eq!(world.load(&ctx, "moved").await.unwrap_err().kind(), ErrorKind::Forbidden);
}

/// R35: who reads a table masked does not come to read it whole by moving it to where nothing is masked for him.
#[tokio::test]
async fn a_move_sheds_no_mask() {
    let world = World::new().await;
    let (_, analyst) = governed(&world).await;
    world.grant("analyst", Effect::Allow, &[Privilege::Drop, Privilege::Create], world.in_sales()).await;
    let own = own_namespace(&world, "analyst").await;
    let there = TableIdent::new(own, "orders").unwrap();
    let ctx = world.ctx(&analyst).await;
    let error = tables::rename(&ctx, &world.lake, &ident("orders"), &there).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Forbidden, "restricted"));
    tables::rename(&ctx, &world.lake, &ident("orders"), &ident("renamed")).await.unwrap();
    assert_eq!(masked(&ctx, &ident("renamed")).await, ["email"]);
}

/// R18: a decision is made under a policy that is at least as new as the table it is about.
#[tokio::test]
async fn no_table_is_read_under_a_policy_older_than_itself() {
    let world = World::new().await;
    let engineer = world.engineer().await;
    let analyst = world.principal("analyst", &[Privilege::List, Privilege::Read], world.in_sales()).await;
    world.create(&world.ctx(&engineer).await, "orders").await.unwrap();
    // The request began here; what follows is answered before it looks at the table.
    let begun = world.ctx(&analyst).await;
    world.mask_email("orders").await;
    world.commit(&world.ctx(&engineer).await, "orders", json!([]), set("now", "secret")).await.unwrap();
    assert_eq!(masked(&begun, &ident("orders")).await, ["email"]);
    let error = tables::load(&begun, &world.lake, &ident("orders"), SnapshotsMode::All).await.unwrap_err();
    assert_eq!(error.code(), "restricted");
    world.grant("analyst", Effect::Deny, &[Privilege::List], world.in_sales()).await;
    let all = everything();
    for error in [
        tables::exists(&begun, &world.lake, &ident("orders")).await.unwrap_err(),
        tables::list(&begun, &world.lake, &sales(), &all).await.map(drop).unwrap_err(),
        namespaces::load(&begun, &world.lake, &sales()).await.map(drop).unwrap_err(),
        namespaces::list(&begun, &world.lake, Some(&sales()), &all).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
