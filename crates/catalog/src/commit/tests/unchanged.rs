//! Commits that change nothing: what they may answer, and the record that they leave; how much a commit may hold.

use std::sync::Arc;

use polder_policy::{Effect, Privilege};
use polder_store::{AuditFilter, IdempotencyKey};
use polder_types::ErrorKind;
use serde_json::{Value, json};

use crate::{
    admin::audit,
    commit::{
        Work, prepare,
        publish::{Plan, Published, publish},
    },
    resolve, tables,
    testing::{World, create_request, everything, ident, sales, set, table_commit},
};

fn never() -> Value {
    json!([{"type": "assert-current-schema-id", "current-schema-id": 7}])
}

/// R18, A-077: whoever waited with the body until a mask or a denial came is answered under it, with neither the document
/// nor the text of a conflict.
#[tokio::test]
async fn a_commit_that_changes_nothing_tells_nothing_under_an_old_policy() {
    let world = World::new().await;
    let writes = [Privilege::List, Privilege::Read, Privilege::Write];
    let analyst = world.principal("analyst", &writes, world.in_sales()).await;
    world.create(&world.admin().await, "orders").await.unwrap();
    let begun = world.ctx(&analyst).await;
    world.commit(&begun, "orders", json!([]), json!([])).await.unwrap();
    world.mask_email("orders").await;
    for requirements in [json!([]), never()] {
        let error = world.commit(&begun, "orders", requirements, json!([])).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Forbidden, "restricted"));
    }
    world.grant("analyst", Effect::Deny, &[Privilege::List], world.in_sales()).await;
    for requirements in [json!([]), never()] {
        let error = world.commit(&begun, "orders", requirements, json!([])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

/// R18: nor does a policy slip in between the decision and the answer.
#[tokio::test]
async fn a_permit_that_grew_old_publishes_nothing() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.create(&admin, "orders").await.unwrap();
    let lake = resolve::warehouse(&admin, &world.lake).await.unwrap();
    let row = resolve::table(&admin, &lake, &ident("orders")).await.unwrap();
    let commit = Arc::new(table_commit("orders", json!([]), json!([])).unwrap());
    let change = prepare::prepare(&admin, &lake, row, &commit, &mut usize::MAX.clone()).await.unwrap();
    world.principal("bystander", &[], world.in_sales()).await;
    let published = publish(&admin, vec![Plan::Change(change)]).await.unwrap();
    assert!(matches!(published, Published::StalePolicy));
}

/// what changes nothing leaves a record all the same: a commit of no updates, with and without a key, alone
/// and in a transaction, and a staged create.
#[tokio::test]
async fn what_changes_nothing_is_on_record() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.create(&admin, "orders").await.unwrap();
    world.create(&admin, "people").await.unwrap();
    let key = IdempotencyKey { route: "update_table", key: crate::ids::fresh_uuid(), fingerprint: [0; 32] };
    world.commit(&admin, "orders", json!([]), json!([])).await.unwrap();
    world.commit(&admin.keyed(key), "orders", json!([]), json!([])).await.unwrap();
    let commits = [
        table_commit("orders", json!([]), json!([])).unwrap(),
        table_commit("people", json!([]), set("k", "v")).unwrap(),
    ];
    tables::commit(&admin, &world.lake, commits.into()).await.unwrap();
    let request = create_request("staged", json!({"stage-create": true}));
    tables::create(&admin, &world.lake, &sales(), request).await.unwrap();

    let records = audit::list(&admin, &AuditFilter::default(), &everything()).await.unwrap().items;
    let count = |action: &str, name: &str| -> i64 {
        let of = records.iter().filter(|row| (row.action.as_str(), row.object_name.as_str()) == (action, name));
        of.map(|row| row.count).sum()
    };
    assert_eq!(count("commit_table", "sales.orders"), 3);
    assert_eq!(count("commit_table", "sales.people"), 1);
    assert_eq!(count("stage_create", "sales.staged"), 1);
    assert!(records.iter().all(|row| row.decision == "allow"));
}

/// R32: the documents of all tables of one commit are held at once, so there is a bound for all of them together.
#[tokio::test]
async fn a_commit_holds_a_bounded_amount_of_metadata() {
    let world = World::new().await;
    let admin = world.admin().await;
    let mut bytes = Vec::new();
    for name in ["a", "b"] {
        bytes.push(world.create(&admin, name).await.unwrap().metadata.len());
    }
    let work = |names: &[&str], base_bytes_max: usize| {
        let commit = |name: &&str| Arc::new(table_commit(name, json!([]), set("k", "v")).unwrap());
        let commits = names.iter().map(commit).collect();
        Work { ctx: admin.clone(), warehouse: world.lake.clone(), commits, base_bytes_max }.run(Vec::new())
    };
    let both = bytes.iter().sum::<usize>();
    let error = work(&["a", "b"], both - 1).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::TooLarge, "transaction_too_large"));
    for name in ["a", "b"] {
        assert_eq!(world.files(name).await.len(), 1, "nothing was written");
    }
    assert_eq!(work(&["a", "b"], both).await.unwrap().len(), 2);
}
