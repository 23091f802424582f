//! Restrictions stay with the name, whatever the writer does (R35). The masked column is `email` of `sales.orders`.

use polder_policy::{FieldRule, Privilege, lower};
use polder_types::{ErrorKind, KeyId};
use serde_json::{Value, json};

use crate::{
    OpCtx, SnapshotsMode,
    admin::policies,
    policy_schema, tables,
    testing::{World, ident, set},
};

struct Governed {
    world: World,
    engineer: KeyId,
    analyst: KeyId,
}

/// An engineer who writes, an analyst who reads, a mask on `email` for the analyst.
async fn governed() -> Governed {
    let world = World::new().await;
    let engineer = world.engineer().await;
    let analyst =
        world.principal("analyst", &[Privilege::List, Privilege::Read, Privilege::Write], world.in_sales()).await;
    world.create(&world.ctx(&engineer).await, "orders").await.unwrap();
    world.mask_email("orders").await;
    Governed { world, engineer, analyst }
}

/// The names of the columns that are masked for the caller in the table's current schema.
async fn masked(ctx: &OpCtx, table: &str) -> Vec<String> {
    let query = tables::for_query(ctx, None, &ident(table)).await.unwrap().placed().await.unwrap();
    let Some(obligations) = query.permit.obligations() else { return Vec::new() };
    let schema = policy_schema(query.doc.current_schema().unwrap());
    let policy = lower(obligations, &schema);
    let names = policy.fields.iter().filter(|(_, rule)| matches!(rule, FieldRule::Mask(_)));
    names.map(|(id, _)| schema.field(*id).unwrap().name.clone()).collect()
}

fn schema(fields: &[(i32, &str, &str)]) -> Value {
    let fields: Vec<Value> =
        fields.iter().map(|(id, name, ty)| json!({"id": id, "name": name, "required": *id == 1, "type": ty})).collect();
    json!([
        {"action": "add-schema", "schema": {"type": "struct", "fields": fields}},
        {"action": "set-current-schema", "schema-id": -1},
    ])
}

/// a restricted principal loads and commits nothing, lists and queries the table.
#[tokio::test]
async fn a_restricted_principal_is_sent_to_the_query_door() {
    let Governed { world, analyst, engineer } = governed().await;
    let analyst = world.ctx(&analyst).await;
    let load = tables::load(&analyst, &world.lake, &ident("orders"), SnapshotsMode::All).await.unwrap_err();
    let commit = world.commit(&analyst, "orders", json!([]), set("k", "v")).await.unwrap_err();
    for error in [load, commit] {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Forbidden, "restricted"));
        assert!(error.message().contains("/api/v1/query") && !error.message().contains("email"));
    }
    tables::exists(&analyst, &world.lake, &ident("orders")).await.unwrap();
    assert_eq!(masked(&analyst, "orders").await, ["email"]);
    let engineer = world.ctx(&engineer).await;
    world.load(&engineer, "orders").await.unwrap();
    assert!(masked(&engineer, "orders").await.is_empty());
}

/// R35: dbt's swap (build aside, rename the old one away, rename the new one in) sheds nothing on either table.
#[tokio::test]
async fn a_rename_swap_sheds_no_restriction() {
    let Governed { world, engineer, analyst } = governed().await;
    let engineer = world.ctx(&engineer).await;
    world.create(&engineer, "orders_new").await.unwrap();
    tables::rename(&engineer, &world.lake, &ident("orders"), &ident("orders_old")).await.unwrap();
    tables::rename(&engineer, &world.lake, &ident("orders_new"), &ident("orders")).await.unwrap();
    let editor = world.admin().await;
    policies::release_table(&editor, &world.lake, &ident("orders")).await.unwrap();
    let analyst = world.ctx(&analyst).await;
    for table in ["orders", "orders_old"] {
        assert_eq!(masked(&analyst, table).await, ["email"], "{table}");
    }
}

/// R35: a table that was built where restrictions hold is invisible to those restricted there until it is released.
#[tokio::test]
async fn a_copy_made_aside_is_invisible_until_it_is_released() {
    let Governed { world, engineer, analyst } = governed().await;
    let engineer = world.ctx(&engineer).await;
    world.create(&engineer, "copy").await.unwrap();
    let restricted = world.ctx(&analyst).await;
    let error = tables::for_query(&restricted, None, &ident("copy")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(masked(&engineer, "copy").await.is_empty(), "its writer sees it");
    let error = policies::release_table(&engineer, &world.lake, &ident("copy")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(policies::release_table(&world.admin().await, &world.lake, &ident("copy")).await.unwrap());
    tables::for_query(&world.ctx(&analyst).await, None, &ident("copy")).await.unwrap();
}

/// R19, R35: what is dropped and made again under the name takes the restriction over.
#[tokio::test]
async fn a_table_made_again_takes_the_restriction_over() {
    let Governed { world, engineer, analyst } = governed().await;
    let engineer = world.ctx(&engineer).await;
    tables::drop(&engineer, &world.lake, &ident("orders"), false).await.unwrap();
    world.create(&engineer, "orders").await.unwrap();
    policies::release_table(&world.admin().await, &world.lake, &ident("orders")).await.unwrap();
    let analyst = world.ctx(&analyst).await;
    assert_eq!(masked(&analyst, "orders").await, ["email"]);
    let error = tables::load(&analyst, &world.lake, &ident("orders"), SnapshotsMode::All).await.unwrap_err();
    assert_eq!(error.code(), "restricted");
    // And away under another name, it keeps it.
    tables::rename(&engineer, &world.lake, &ident("orders"), &ident("away")).await.unwrap();
    assert_eq!(masked(&world.ctx(&analyst_key(&world).await).await, "away").await, ["email"]);
}

/// The analyst's key, found again by listing.
async fn analyst_key(world: &World) -> KeyId {
    let page = crate::testing::everything();
    let keys = crate::admin::access::list_keys(&world.admin().await, &page).await.unwrap();
    keys.items.into_iter().find(|key| key.principal_name == "analyst").unwrap().id
}

/// R35: a renamed column stays masked, and so does a new one that gets the old name.
#[tokio::test]
async fn a_renamed_column_stays_masked_and_so_does_its_successor() {
    let Governed { world, engineer, analyst } = governed().await;
    let engineer = world.ctx(&engineer).await;
    let renamed = schema(&[(1, "id", "long"), (2, "region", "string"), (3, "mail", "string")]);
    world.commit(&engineer, "orders", json!([]), renamed).await.unwrap();
    assert_eq!(masked(&world.ctx(&analyst).await, "orders").await, ["mail"]);
    let both = schema(&[(1, "id", "long"), (2, "region", "string"), (3, "mail", "string"), (4, "email", "string")]);
    world.commit(&engineer, "orders", json!([]), both).await.unwrap();
    assert_eq!(masked(&world.ctx(&analyst).await, "orders").await, ["mail", "email"]);
    // The successor was bound when it appeared: it stays masked under a third name.
    let third = schema(&[(1, "id", "long"), (2, "region", "string"), (3, "mail", "string"), (4, "post", "string")]);
    world.commit(&engineer, "orders", json!([]), third).await.unwrap();
    assert_eq!(masked(&world.ctx(&analyst).await, "orders").await, ["mail", "post"]);
}

/// R35: dropping or retyping a protected column needs the right to edit policies, and sheds nothing then.
#[tokio::test]
async fn a_protected_column_is_dropped_or_retyped_by_policy_editors_only() {
    let Governed { world, engineer, analyst } = governed().await;
    let engineer = world.ctx(&engineer).await;
    let without = schema(&[(1, "id", "long"), (2, "region", "string")]);
    let retyped = schema(&[(1, "id", "long"), (2, "region", "string"), (3, "email", "binary")]);
    let swapped = schema(&[(1, "id", "long"), (2, "region", "string"), (4, "email", "string")]);
    for updates in [&without, &retyped, &swapped] {
        let error = world.commit(&engineer, "orders", json!([]), updates.clone()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "restricted_column"));
    }
    let added = schema(&[(1, "id", "long"), (2, "region", "string"), (3, "email", "string"), (4, "note", "string")]);
    world.commit(&engineer, "orders", json!([]), added).await.unwrap();
    let editor = world.admin().await;
    world.commit(&editor, "orders", json!([]), without).await.unwrap();
    assert!(masked(&world.ctx(&analyst).await, "orders").await.is_empty());
    let again = schema(&[(1, "id", "long"), (2, "region", "string"), (5, "email", "string")]);
    world.commit(&engineer, "orders", json!([]), again).await.unwrap();
    assert_eq!(masked(&world.ctx(&analyst).await, "orders").await, ["email"]);
}

/// R35: a staged table that is published onto a restricted name takes the restriction over.
#[tokio::test]
async fn a_staged_table_takes_the_restriction_of_its_name_over() {
    let Governed { world, engineer, analyst } = governed().await;
    let engineer = world.ctx(&engineer).await;
    tables::drop(&engineer, &world.lake, &ident("orders"), false).await.unwrap();
    let mut updates = schema(&[(1, "id", "long"), (9, "email", "string")]);
    updates.as_array_mut().unwrap().insert(0, json!({"action": "upgrade-format-version", "format-version": 2}));
    world.commit(&engineer, "orders", json!([{"type": "assert-create"}]), updates).await.unwrap();
    policies::release_table(&world.admin().await, &world.lake, &ident("orders")).await.unwrap();
    world
        .commit(&engineer, "orders", json!([]), renamed_without_a_trace(&[(1, "id", "long"), (9, "post", "string")]))
        .await
        .unwrap();
    assert_eq!(masked(&world.ctx(&analyst).await, "orders").await, ["post"]);
}

/// R35: the column of a table that was renamed onto a restricted name was bound then, and stays masked under
/// whatever name it gets later, although no schema remembers the old one.
#[tokio::test]
async fn a_table_renamed_onto_the_name_binds_its_columns() {
    let Governed { world, engineer, analyst } = governed().await;
    let engineer = world.ctx(&engineer).await;
    world.create(&engineer, "orders_new").await.unwrap();
    tables::drop(&engineer, &world.lake, &ident("orders"), false).await.unwrap();
    tables::rename(&engineer, &world.lake, &ident("orders_new"), &ident("orders")).await.unwrap();
    policies::release_table(&world.admin().await, &world.lake, &ident("orders")).await.unwrap();
    let renamed = renamed_without_a_trace(&[(1, "id", "long"), (2, "region", "string"), (3, "post", "string")]);
    world.commit(&engineer, "orders", json!([]), renamed).await.unwrap();
    assert_eq!(masked(&world.ctx(&analyst).await, "orders").await, ["post"]);
}

/// A schema made current, and the first one forgotten in the same commit.
fn renamed_without_a_trace(fields: &[(i32, &str, &str)]) -> Value {
    let mut updates = schema(fields);
    updates.as_array_mut().unwrap().push(json!({"action": "remove-schemas", "schema-ids": [0]}));
    updates
}
