//! Keyset pages: never short, and their tokens are good for one list of one principal only.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use polder_policy::{Effect, Privilege, actions};
use polder_store::{GrantTarget, PAGE_ROWS_MAX, PageRequest};
use polder_types::ErrorKind;

use super::world::{Who, World, namespace, page, stamp};

async fn tables(who: &Who, ns: &polder_policy::NamespaceRef, rows: u32) -> Vec<Vec<String>> {
    let permit = who.list(actions::ListTables, ns).await;
    let (mut pages, mut token) = (Vec::new(), None);
    loop {
        let got = who.store.list_tables(&permit, &page(rows, token)).await.unwrap();
        pages.push(got.items.into_iter().map(|entry| entry.ident.name).collect());
        token = got.next;
        if token.is_none() {
            return pages;
        }
    }
}

/// what is invisible is left out before the page is cut.
#[tokio::test]
async fn pages_are_full_whatever_is_hidden() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let eve = acme.person("eve").await;
    let mut rows = Vec::new();
    for index in 0..9 {
        rows.push(acme.table(&ns, &format!("t{index}")).await);
    }
    assert_eq!(tables(&acme, &ns, 4).await.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 1]);
    assert_eq!(tables(&acme, &ns, 3).await.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3]);
    for index in [1, 2, 5, 8] {
        acme.grant("eve", Effect::Allow, &[Privilege::Read], GrantTarget::Table(rows[index].table.clone())).await;
    }
    assert_eq!(tables(&eve, &ns, 3).await, [vec!["t1", "t2", "t5"], vec!["t8"]]);
    acme.grant("eve", Effect::Allow, &[Privilege::List], GrantTarget::Namespace(ns.clone())).await;
    for index in [0, 1, 3] {
        acme.grant("eve", Effect::Deny, &[Privilege::List], GrantTarget::Table(rows[index].table.clone())).await;
    }
    assert_eq!(tables(&eve, &ns, 5).await, [vec!["t2", "t4", "t5", "t6", "t7"], vec!["t8"]]);
    let all =
        world.store.list_tables(&acme.list(actions::ListTables, &ns).await, &PageRequest::default()).await.unwrap();
    assert_eq!((all.items.len(), all.next), (9, None));
    let many =
        world.store.list_tables(&acme.list(actions::ListTables, &ns).await, &page(u32::MAX, Some(String::new()))).await;
    assert!(many.unwrap().items.len() <= PAGE_ROWS_MAX as usize);
}

/// the children of one level, in order, and no others.
#[tokio::test]
async fn namespaces_are_listed_level_by_level() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    for name in ["b", "a", "c"] {
        let permit = acme.permit(actions::CreateNamespace, &ns).await;
        world.store.create_namespace(&permit, &namespace(&["ns", name]), BTreeMap::new(), &stamp()).await.unwrap();
    }
    acme.namespace(&lake, "zz").await;
    let root = world.store.list_root_namespaces(&acme.list_root(&lake.warehouse).await, &page(10, None)).await.unwrap();
    assert_eq!(root.items, [namespace(&["ns"]), namespace(&["zz"])]);
    let permit = acme.list(actions::ListNamespaces, &ns).await;
    let first = world.store.list_namespaces(&permit, &page(2, None)).await.unwrap();
    assert_eq!(first.items, [namespace(&["ns", "a"]), namespace(&["ns", "b"])]);
    let second = world.store.list_namespaces(&permit, &page(2, first.next)).await.unwrap();
    assert_eq!((second.items, second.next), (vec![namespace(&["ns", "c"])], None));
}

/// F6: a token that was changed, is another list's, another principal's or another tenant's is refused. One
/// that was made before the principal's view changed goes on with what may be seen now.
#[tokio::test]
async fn a_changed_or_foreign_page_token_is_refused() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    let other = acme.namespace(&lake, "other").await;
    let mut rows = Vec::new();
    for index in 0..4 {
        rows.push(acme.table(&ns, &format!("named{index}")).await);
        acme.table(&other, &format!("named{index}")).await;
    }
    let eve = acme.person("eve").await;
    acme.grant("eve", Effect::Allow, &[Privilege::List], GrantTarget::Warehouse(lake.warehouse.clone())).await;
    let permit = eve.list(actions::ListTables, &ns).await;
    let token = world.store.list_tables(&permit, &page(2, None)).await.unwrap().next.unwrap();
    assert!(world.store.list_tables(&permit, &page(2, Some(token.clone()))).await.is_ok());
    let sealed = URL_SAFE_NO_PAD.decode(&token).unwrap();
    assert!(!sealed.windows(6).any(|window| window == b"named1"), "a token shows no name");

    let refused = async |who: &Who, ns, token: &str| {
        let permit = who.list(actions::ListTables, ns).await;
        let error = who.store.list_tables(&permit, &page(2, Some(token.to_owned()))).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "invalid_page_token"));
    };
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        // The last character may hold unused bits, which the decoder refuses by itself.
        refused(&eve, &ns, &changed).await;
    }
    for text in ["!", "AAAA", &"A".repeat(5_000), "t1"] {
        refused(&eve, &ns, text).await;
    }
    refused(&eve, &other, &token).await;
    refused(&acme, &ns, &token).await;
    let roots = eve.list_root(&lake.warehouse).await;
    assert!(world.store.list_root_namespaces(&roots, &page(2, Some(token.clone()))).await.is_err());
    acme.grant("eve", Effect::Deny, &[Privilege::List], GrantTarget::Table(rows[3].table.clone())).await;
    let permit = eve.list(actions::ListTables, &ns).await;
    let rest = world.store.list_tables(&permit, &page(2, Some(token))).await.unwrap();
    assert_eq!(rest.items.iter().map(|entry| entry.ident.name.as_str()).collect::<Vec<_>>(), ["named2"]);
    assert_eq!(rest.next, None);
}

/// the same list of two tenants has different tokens; lists of the tenant are bound like any other.
#[tokio::test]
async fn an_administrators_token_is_bound_too() {
    let world = World::new().await;
    let (acme, rival) = (world.tenant("acme").await, world.tenant("rival").await);
    acme.person("eve").await;
    let principals = acme.admin(actions::ListAccess).await;
    let token = world.store.list_principals(&principals, &page(1, None)).await.unwrap().next.unwrap();
    let next = world.store.list_principals(&principals, &page(1, Some(token.clone()))).await.unwrap();
    assert_eq!(next.items[0].name, "eve");
    assert!(world.store.list_roles(&principals, &page(1, Some(token.clone()))).await.is_err());
    let theirs = rival.admin(actions::ListAccess).await;
    assert!(world.store.list_principals(&theirs, &page(1, Some(token))).await.is_err());
}
