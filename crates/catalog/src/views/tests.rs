//! Views against a real store and real files: who may what, where they may lie, and what happens when a step fails.

use polder_policy::{Effect, Privilege};
use polder_types::{
    Error, ErrorKind, Result, Subject,
    rest::{CommitViewRequest, CreateViewRequest, RegisterViewRequest},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    admin::{grants::ObjectName, policies},
    faults::Step,
    metadata::view::ViewDoc,
    namespaces, tables,
    testing::{World, create_request, everything, ident, sales},
};

fn view_request(name: &str, more: Value) -> CreateViewRequest {
    let mut request = json!({
        "name": name,
        "schema": {"type": "struct", "fields": [{"id": 1, "name": "id", "required": true, "type": "long"}]},
        "view-version": {
            "version-id": 1, "timestamp-ms": 1, "schema-id": 0, "summary": {}, "default-namespace": ["sales"],
            "representations": [{"type": "sql", "dialect": "spark", "sql": "select id from orders"}],
        },
        "properties": {},
    });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_str(&request.to_string()).unwrap()
}

impl World {
    async fn create_view(&self, ctx: &OpCtx, name: &str, more: Value) -> Result<LoadedView> {
        create(ctx, &self.lake, &sales(), view_request(name, more)).await
    }

    async fn replace_view(&self, ctx: &OpCtx, name: &str, updates: Value) -> Result<LoadedView> {
        let request: CommitViewRequest = serde_json::from_str(&json!({"updates": updates}).to_string()).unwrap();
        replace(ctx, &self.lake, ViewCommit::parse(ident(name), request)?).await
    }

    async fn register_view(&self, ctx: &OpCtx, name: &str, metadata_location: &str) -> Result<LoadedView> {
        let request = RegisterViewRequest { name: name.to_owned(), metadata_location: metadata_location.to_owned() };
        register(ctx, &self.lake, &sales(), request).await
    }
}

fn doc(view: &LoadedView) -> ViewDoc {
    ViewDoc::parse(&view.metadata).unwrap()
}

fn path(location: &str) -> std::path::PathBuf {
    polder_types::Location::parse(location).unwrap().local_path().unwrap()
}

fn set(name: &str, text: &str) -> Value {
    json!([{"action": "set-properties", "updates": {name: text}}])
}

fn told(error: &Error) -> (ErrorKind, Subject, &str) {
    (error.kind(), error.subject(), error.message())
}

/// made, loaded byte for byte as stored, replaced under a fresh file, dropped; the earlier files stay.
#[tokio::test]
async fn a_view_lives() {
    let world = World::new().await;
    let admin = world.admin().await;
    let made = world.create_view(&admin, "v", json!({})).await.unwrap();
    assert_eq!(std::fs::read(path(&made.metadata_location)).unwrap(), made.metadata);
    let loaded = load(&admin, &world.lake, &ident("v")).await.unwrap();
    assert_eq!((&loaded.metadata, &loaded.metadata_location), (&made.metadata, &made.metadata_location));
    let replaced = world.replace_view(&admin, "v", set("k", "v")).await.unwrap();
    assert_ne!(replaced.metadata_location, made.metadata_location);
    assert_eq!(doc(&replaced).property("k"), Some("v"));
    let same = world.replace_view(&admin, "v", set("k", "v")).await.unwrap();
    assert_eq!(same.metadata_location, replaced.metadata_location, "nothing changed, nothing was written");
    let listed = list(&admin, &world.lake, &sales(), &everything()).await.unwrap();
    assert_eq!(listed.items.into_iter().map(|entry| entry.ident).collect::<Vec<_>>(), [ident("v")]);
    assert!(tables::list(&admin, &world.lake, &sales(), &everything()).await.unwrap().items.is_empty());
    exists(&admin, &world.lake, &ident("v")).await.unwrap();
    drop(&admin, &world.lake, &ident("v")).await.unwrap();
    let gone = load(&admin, &world.lake, &ident("v")).await.unwrap_err();
    assert_eq!(told(&gone), (ErrorKind::NotFound, Subject::View, "View does not exist: sales.v"));
    assert!(path(&made.metadata_location).exists() && path(&replaced.metadata_location).exists());
}

/// one name space, in Java's words, in both directions and through every way to a name.
#[tokio::test]
async fn tables_and_views_share_one_name_space() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.create(&admin, "t").await.unwrap();
    world.create_view(&admin, "v", json!({})).await.unwrap();
    let table_at_view = world.create(&admin, "v").await.unwrap_err();
    assert_eq!(told(&table_at_view).2, "View with same name already exists: sales.v");
    let staged =
        tables::create(&admin, &world.lake, &sales(), create_request("v", json!({"stage-create": true}))).await;
    assert_eq!(told(&staged.unwrap_err()).2, "View with same name already exists: sales.v");
    let view_at_table = world.create_view(&admin, "t", json!({})).await.unwrap_err();
    assert_eq!(
        told(&view_at_table),
        (ErrorKind::AlreadyExists, Subject::Table, "Table with same name already exists: sales.t")
    );
    let view_at_view = world.create_view(&admin, "v", json!({})).await.unwrap_err();
    assert_eq!(told(&view_at_view).2, "View already exists: sales.v");
    let onto_table = rename(&admin, &world.lake, &ident("v"), &ident("t")).await.unwrap_err();
    assert_eq!(told(&onto_table).2, "Cannot rename sales.v to sales.t. Table already exists: sales.t");
    let onto_view = tables::rename(&admin, &world.lake, &ident("t"), &ident("v")).await.unwrap_err();
    assert_eq!(told(&onto_view).2, "Cannot rename sales.t to sales.v. View already exists: sales.v");
    // Neither is found through the other's doors.
    assert_eq!(world.load(&admin, "v").await.unwrap_err().message(), "Table does not exist: sales.v");
    assert_eq!(load(&admin, &world.lake, &ident("t")).await.unwrap_err().message(), "View does not exist: sales.t");
    for error in [
        tables::drop(&admin, &world.lake, &ident("v"), false).await.unwrap_err(),
        drop(&admin, &world.lake, &ident("t")).await.unwrap_err(),
        rename(&admin, &world.lake, &ident("t"), &ident("u")).await.unwrap_err(),
        world.replace_view(&admin, "t", set("k", "v")).await.unwrap_err(),
        world.commit(&admin, "v", json!([]), set("k", "v")).await.unwrap_err(),
        tables::for_query(&admin, None, &ident("v")).await.map(|_| ()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    }
    let full = namespaces::drop(&admin, &world.lake, &sales()).await.unwrap_err();
    tables::drop(&admin, &world.lake, &ident("t"), false).await.unwrap();
    let still_full = namespaces::drop(&admin, &world.lake, &sales()).await.unwrap_err();
    assert_eq!((full.kind(), still_full.kind()), (ErrorKind::NotEmpty, ErrorKind::NotEmpty));
    drop(&admin, &world.lake, &ident("v")).await.unwrap();
    namespaces::drop(&admin, &world.lake, &sales()).await.unwrap();
}

/// F1: of many that want one name, tables and views, exactly one gets it.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_gets_the_name() {
    let world = World::new().await;
    let admin = world.admin().await;
    let tables = (0..8).map(|_| async { world.create(&admin, "n").await.map(|_| ()) });
    let views = (0..8).map(|_| async { world.create_view(&admin, "n", json!({})).await.map(|_| ()) });
    let (tables, views) = futures::join!(futures::future::join_all(tables), futures::future::join_all(views));
    let (won, lost): (Vec<_>, Vec<_>) = tables.into_iter().chain(views).partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    assert!(lost.into_iter().all(|outcome| outcome.unwrap_err().kind() == ErrorKind::AlreadyExists));
}

/// A-004, R4, R10: no view lies, writes or moves outside its warehouse, over another's place, or where one lay.
#[tokio::test]
async fn no_view_leaves_its_warehouse() {
    let world = World::new().await;
    let engineer = world.ctx(&world.engineer().await).await;
    let table = world.create(&engineer, "t").await.unwrap();
    let table_place = table.metadata_location.unwrap().rsplit_once("/metadata/").unwrap().0.to_owned();
    let root = table_place.rsplit_once('/').unwrap().0.to_owned();
    let beside = format!("{root}x/v");
    let outside = world.directory.path().join("elsewhere").display().to_string();
    let mut escapes: Vec<String> =
        [&root, &beside, &format!("file://{outside}"), "s3://b/x", "v"].iter().map(ToString::to_string).collect();
    escapes.extend(["..", "a/../../x", "a//b", "a%2F..", "./a"].map(|part| format!("{root}/{part}")));
    escapes.extend([table_place.clone(), format!("{table_place}/metadata")]);
    world.create_view(&engineer, "mine", json!({"location": format!("{root}/mine")})).await.unwrap();
    for escape in &escapes {
        let made = world.create_view(&engineer, "v", json!({"location": escape})).await.unwrap_err();
        assert_eq!(made.kind(), ErrorKind::Invalid, "{escape}: {made:?}");
        let moved = json!([{"action": "set-location", "location": escape}]);
        let moved = world.replace_view(&engineer, "mine", moved).await.unwrap_err();
        assert_eq!(moved.kind(), ErrorKind::Invalid, "{escape}: {moved:?}");
        let registered = world.register_view(&engineer, "v", &format!("{escape}/v.metadata.json")).await.unwrap_err();
        assert_eq!(registered.kind(), ErrorKind::Invalid, "{escape}: {registered:?}");
    }
    for name in ["write.metadata.path", "write.data.path", "write.folder-storage.path", "write.object-storage.path"] {
        for place in escapes.iter().chain([&format!("{root}/mine"), &format!("{root}/minex/metadata")]) {
            let error = world.replace_view(&engineer, "mine", set(name, place)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{name}={place}: {error:?}");
        }
    }
    assert!(!std::path::Path::new(&outside).exists() && !path(&beside).exists(), "nothing was written there");
    assert!(
        !path(&format!("{table_place}/metadata/metadata")).exists(),
        "nor was a directory made in the table's (R1)"
    );
    let custom = format!("{root}/mine/custom");
    let custom_file = world.replace_view(&engineer, "mine", set("write.metadata.path", &custom)).await.unwrap();
    assert!(custom_file.metadata_location.starts_with(&format!("{custom}/")), "{}", custom_file.metadata_location);
}

/// A-066, R10: a view moves to a free place below a root; its old place is nobody's, nor is that of a dropped one, but
/// for policy editors.
#[tokio::test]
async fn the_places_of_views_are_unique() {
    let world = World::new().await;
    let (engineer, admin) = (world.ctx(&world.engineer().await).await, world.admin().await);
    let made = world.create_view(&engineer, "v", json!({})).await.unwrap();
    let root = doc(&made).location_text().rsplit_once('/').unwrap().0.to_owned();
    let at = |part: &str| json!([{"action": "set-location", "location": format!("{root}/{part}")}]);
    let moved = world.replace_view(&engineer, "v", at("moved")).await.unwrap();
    assert_eq!(doc(&moved).location_text(), format!("{root}/moved"));
    assert!(moved.metadata_location.starts_with(&format!("{root}/moved/metadata/")));
    assert_eq!(load(&engineer, &world.lake, &ident("v")).await.unwrap().metadata, moved.metadata);
    let old = json!({"location": doc(&made).location_text()});
    assert_eq!(world.create_view(&engineer, "w", old.clone()).await.unwrap_err().code(), "location_retired");
    let over = json!({"location": format!("{root}/moved")});
    assert_eq!(world.create_view(&engineer, "w", over.clone()).await.unwrap_err().code(), "location_overlap");
    let table = tables::create(&engineer, &world.lake, &sales(), create_request("t", over.clone())).await;
    assert_eq!(table.unwrap_err().code(), "location_overlap");
    drop(&engineer, &world.lake, &ident("v")).await.unwrap();
    let again = world.register_view(&engineer, "w", &moved.metadata_location).await.unwrap_err();
    assert_eq!(again.code(), "location_retired");
    let own = world.register_view(&engineer, "v", &moved.metadata_location).await.unwrap();
    assert_eq!(own.metadata, moved.metadata, "under its own name it comes back");
    drop(&engineer, &world.lake, &ident("v")).await.unwrap();
    let registered = world.register_view(&admin, "w", &moved.metadata_location).await.unwrap();
    assert_eq!((&registered.metadata, &registered.metadata_location), (&moved.metadata, &moved.metadata_location));
    world.create_view(&admin, "x", old).await.unwrap();
}

/// R9, R10, R12, R22, R32, R36: what is registered is a view's metadata at its own place, and nothing else is told apart.
#[tokio::test]
async fn only_a_views_own_metadata_is_registered() {
    let world = World::new().await;
    let (engineer, admin) = (world.ctx(&world.engineer().await).await, world.admin().await);
    let made = world.create_view(&admin, "v", json!({})).await.unwrap();
    let taken = world.register_view(&engineer, "w", &made.metadata_location).await.unwrap_err();
    let absent = format!("{}-absent.metadata.json", made.metadata_location.strip_suffix(".metadata.json").unwrap());
    let nothing = world.register_view(&engineer, "w", &absent).await.unwrap_err();
    assert_eq!(told(&taken), told(&nothing), "a file of another view is not told from none");
    let root = doc(&made).location_text().rsplit_once('/').unwrap().0.to_owned();
    let home = format!("{root}/foreign");
    std::fs::create_dir_all(path(&home).join("metadata")).unwrap();
    let mut document: Value = serde_json::from_slice(&made.metadata).unwrap();
    let put = |name: &str, document: &Value| {
        let place = format!("{home}/metadata/{name}");
        std::fs::write(path(&place), document.to_string()).unwrap();
        place
    };
    let elsewhere = put("0.metadata.json", &document);
    assert!(world.register_view(&engineer, "w", &elsewhere).await.is_err(), "its own location is another's");
    document["location"] = json!(home);
    for (name, text) in [
        ("trino.run-as-owner", "root"),
        ("owner", "root"),
        ("py-io-impl", "evil"),
        ("write.metadata.path", "file:///etc"),
    ] {
        let mut bad = document.clone();
        bad["properties"] = json!({name: text});
        let place = put("bad.metadata.json", &bad);
        assert_eq!(world.register_view(&engineer, "w", &place).await.unwrap_err().kind(), ErrorKind::Invalid, "{name}");
    }
    let not_a_view = put("text.metadata.json", &json!({"secret": "42"}));
    let error = world.register_view(&engineer, "w", &not_a_view).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && !error.message().contains("42"), "{error:?}");
    let link = format!("{home}/metadata/link.metadata.json");
    std::os::unix::fs::symlink(path(&made.metadata_location), path(&link)).unwrap();
    assert_eq!(world.register_view(&engineer, "w", &link).await.unwrap_err().kind(), ErrorKind::Invalid);
    // Keys for a table write every name but those of documents (R4, R12).
    for name in ["x.json", "metadata.json", "x.metadata.json.gz", "x.gz.metadata.json"] {
        let error = world.register_view(&engineer, "w", &put(name, &document)).await.unwrap_err();
        assert_eq!(error.code(), "invalid_metadata_location", "{name}");
    }
    let good = put("00007-x.metadata.json", &document);
    let registered = world.register_view(&engineer, "w", &good).await.unwrap();
    assert_eq!(doc(&registered).view_uuid(), doc(&made).view_uuid(), "the UUID stays");
    let next = world.replace_view(&engineer, "w", set("k", "v")).await.unwrap();
    assert!(next.metadata_location.contains("/00008-"), "{}", next.metadata_location);
    assert!(path(&good).exists());
}

/// R35, A-077: a view under a restricted name, or that ever had one, is read by no one whom the restriction holds for.
#[tokio::test]
async fn no_view_sheds_a_restriction() {
    let world = World::new().await;
    let engineer = world.ctx(&world.engineer().await).await;
    let reads = [Privilege::List, Privilege::Read, Privilege::Write];
    let analyst = world.principal("analyst", &reads, world.in_sales()).await;
    world.create(&engineer, "orders").await.unwrap();
    world.create_view(&engineer, "early", json!({})).await.unwrap();
    world.mask_email("orders").await;
    let engineer = engineer.refresh().await.unwrap();

    // dbt's swap: the table steps aside, a view takes its name.
    tables::rename(&engineer, &world.lake, &ident("orders"), &ident("orders_old")).await.unwrap();
    world.create_view(&engineer, "orders", json!({})).await.unwrap();
    rename(&engineer, &world.lake, &ident("early"), &ident("tmp")).await.unwrap();
    let ctx = world.ctx(&analyst).await;
    for outcome in [
        load(&ctx, &world.lake, &ident("orders")).await.map(|_| ()),
        world.replace_view(&ctx, "orders", set("k", "v")).await.map(|_| ()),
        may_load_through(&ctx, &world.lake, &[ident("orders")]).await,
    ] {
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Forbidden, "restricted"));
        assert!(!error.message().contains("email"));
    }
    assert!(world.load(&ctx, "orders_old").await.is_err(), "the table keeps it by its id");
    load(&ctx, &world.lake, &ident("tmp")).await.unwrap();
    // And back: the view keeps what it took over, the table takes it over again.
    rename(&engineer, &world.lake, &ident("orders"), &ident("away")).await.unwrap();
    tables::rename(&engineer, &world.lake, &ident("orders_old"), &ident("orders")).await.unwrap();
    let ctx = world.ctx(&analyst).await;
    assert_eq!(load(&ctx, &world.lake, &ident("away")).await.unwrap_err().code(), "restricted");
    // A free view that is moved onto the name is caught, too.
    tables::rename(&engineer, &world.lake, &ident("orders"), &ident("t2")).await.unwrap();
    rename(&engineer, &world.lake, &ident("tmp"), &ident("orders")).await.unwrap();
    let ctx = world.ctx(&analyst).await;
    assert_eq!(load(&ctx, &world.lake, &ident("orders")).await.unwrap_err().code(), "restricted");
}

/// R35: a view made where restrictions hold waits for its release like a table; a policy editor's does not.
#[tokio::test]
async fn a_view_beside_restrictions_waits_for_its_release() {
    let world = World::new().await;
    let engineer = world.engineer().await;
    let analyst = world.principal("analyst", &[Privilege::List, Privilege::Read], world.in_sales()).await;
    world.create(&world.ctx(&engineer).await, "orders").await.unwrap();
    world.mask_email("orders").await;
    world.create_view(&world.ctx(&engineer).await, "fresh", json!({})).await.unwrap();
    world.create_view(&world.admin().await, "looked_at", json!({})).await.unwrap();
    let ctx = world.ctx(&analyst).await;
    for error in [
        load(&ctx, &world.lake, &ident("fresh")).await.unwrap_err(),
        exists(&ctx, &world.lake, &ident("fresh")).await.unwrap_err(),
        may_load_through(&ctx, &world.lake, &[ident("looked_at"), ident("fresh")]).await.unwrap_err(),
    ] {
        assert_eq!(told(&error), (ErrorKind::NotFound, Subject::View, "View does not exist: sales.fresh"));
    }
    let listed = list(&ctx, &world.lake, &sales(), &everything()).await.unwrap();
    assert_eq!(listed.items.into_iter().map(|entry| entry.ident).collect::<Vec<_>>(), [ident("looked_at")]);
    assert!(policies::release_table(&world.admin().await, &world.lake, &ident("fresh")).await.unwrap());
    load(&world.ctx(&analyst).await, &world.lake, &ident("fresh")).await.unwrap();
}

/// R16, R19, R22: each way to a view by its own privilege; grants on a view die with it; invisible is absent.
#[tokio::test]
async fn every_way_has_its_privilege() {
    use Privilege::{Create, Drop, List, Read, Write};
    let world = World::new().await;
    let admin = world.admin().await;
    world.create_view(&admin, "v", json!({})).await.unwrap();
    let on_view = ObjectName { table: Some("v".to_owned()), ..world.in_sales() };
    for (name, privilege, may) in [
        ("lister", List, [false, true, false, false]),
        ("reader", Read, [true, true, false, false]),
        ("writer", Write, [false, true, true, false]),
        ("dropper", Drop, [false, true, false, true]),
    ] {
        let key = world.principal(name, &[privilege], on_view.clone()).await;
        let ctx = world.ctx(&key).await;
        let [loads, sees, replaces, renames] = may;
        let answers = [
            (load(&ctx, &world.lake, &ident("v")).await.map(|_| ()), loads),
            (exists(&ctx, &world.lake, &ident("v")).await, sees),
            (world.replace_view(&ctx, "v", set("by", name)).await.map(|_| ()), replaces),
            // It may go, but there is no right to come.
            (rename(&ctx, &world.lake, &ident("v"), &ident("w")).await, false),
            (world.create_view(&ctx, "mine", json!({})).await.map(|_| ()), false),
        ];
        for (place, (outcome, allowed)) in answers.into_iter().enumerate() {
            let kind = outcome.err().map(|error| error.kind());
            assert_eq!(kind, (!allowed).then_some(ErrorKind::Forbidden), "{name}, {place}");
        }
        if renames {
            drop(&ctx, &world.lake, &ident("v")).await.unwrap();
        }
    }
    world.create_view(&world.admin().await, "v", json!({})).await.unwrap();
    for key in ["reader", "lister"] {
        let error = world.try_as(key, "v").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "an allow died with the view ({key})");
    }
    let creator = world.principal("creator", &[Create], world.in_sales()).await;
    let ctx = world.ctx(&creator).await;
    world.create_view(&ctx, "own", json!({})).await.unwrap();
    let error = world.register_view(&ctx, "own2", "file:///etc/passwd.json").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    // A denied name hides whatever comes to carry it.
    world.principal("seer", &[List, Read], world.in_sales()).await;
    world.grant("seer", Effect::Deny, &[List], on_view).await;
    assert_eq!(told(&world.try_as("seer", "v").await.unwrap_err()).2, "View does not exist: sales.v");
    drop(&world.admin().await, &world.lake, &ident("v")).await.unwrap();
    world.create_view(&world.admin().await, "v", json!({})).await.unwrap();
    assert_eq!(world.try_as("seer", "v").await.unwrap_err().kind(), ErrorKind::NotFound);
}

impl World {
    /// Loads a view as the first principal of this name.
    async fn try_as(&self, name: &str, view: &str) -> Result<LoadedView> {
        let new =
            polder_store::NewKey { principal: name.to_owned(), scopes: polder_types::Scopes::all(), expires_at: None };
        let key = crate::admin::access::create_key(&self.admin().await, &new).await.unwrap().key.id;
        load(&self.ctx(&key).await, &self.lake, &ident(view)).await
    }
}

/// R36: nobody changes a view that runs with the rights of somebody else, unless it stops to do so in the same commit.
#[tokio::test]
async fn a_definers_view_is_changed_by_the_definer_alone() {
    let world = World::new().await;
    let engineer = world.ctx(&world.engineer().await).await;
    let own = json!({"properties": {"trino.run-as-owner": "engineer"}});
    let forged = json!({"properties": {"trino.run-as-owner": "root"}});
    assert_eq!(world.create_view(&engineer, "v", forged).await.unwrap_err().kind(), ErrorKind::Invalid);
    world.create_view(&engineer, "v", own).await.unwrap();
    world.replace_view(&engineer, "v", set("k", "1")).await.unwrap();
    let root = world.admin().await;
    assert_eq!(world.replace_view(&root, "v", set("k", "2")).await.unwrap_err().kind(), ErrorKind::Forbidden);
    let forged = set("trino.run-as-owner", "engineer");
    assert_eq!(world.replace_view(&root, "v", forged).await.unwrap_err().kind(), ErrorKind::Invalid);
    let take = world.replace_view(&root, "v", set("trino.run-as-owner", "root")).await.unwrap();
    assert_eq!(doc(&take).property("trino.run-as-owner"), Some("root"));
    assert_eq!(world.replace_view(&engineer, "v", set("k", "3")).await.unwrap_err().kind(), ErrorKind::Forbidden);
    let away = json!([{"action": "remove-properties", "removals": ["trino.run-as-owner"]}]);
    world.replace_view(&engineer, "v", away).await.unwrap();
    world.replace_view(&root, "v", set("k", "4")).await.unwrap();
}

/// F3, F4: whatever step fails, the answer tells what happened, and no file is removed that may be named.
#[tokio::test]
async fn failures_are_told_as_they_are() {
    for (step, kind, landed) in [
        (Step::BeforeTransaction, ErrorKind::Unavailable, false),
        (Step::AfterTransaction, ErrorKind::CommitStateUnknown, true),
    ] {
        let world = World::new().await;
        let admin = world.admin().await;
        let made = world.create_view(&admin, "v", json!({})).await.unwrap();
        world.catalog.faults().plan(step);
        let error = world.replace_view(&admin, "v", set("k", "v")).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        let now = load(&admin, &world.lake, &ident("v")).await.unwrap();
        assert_eq!(doc(&now).property("k").is_some(), landed);
        let directory = path(&made.metadata_location).parent().unwrap().to_owned();
        assert_eq!(std::fs::read_dir(directory).unwrap().count(), 1 + usize::from(landed));
        world.catalog.faults().plan(step);
        assert_eq!(world.create_view(&admin, "w", json!({})).await.unwrap_err().kind(), kind);
        assert_eq!(load(&admin, &world.lake, &ident("w")).await.is_ok(), landed);
    }
}

/// F2: concurrent replaces of one view are all there, each in a version of its own.
#[tokio::test(flavor = "multi_thread")]
async fn no_replace_is_lost() {
    let world = World::new().await;
    let admin = world.admin().await;
    let keep = json!({"properties": {"version.history.num-entries": "50"}});
    world.create_view(&admin, "v", keep).await.unwrap();
    let replaces = (0..20).map(|number| {
        let version = json!({
            "version-id": 2, "timestamp-ms": number, "schema-id": 0, "summary": {}, "default-namespace": [],
            "representations": [{"type": "sql", "dialect": "spark", "sql": format!("select {number}")}],
        });
        let updates = json!([
            {"action": "add-view-version", "view-version": version},
            {"action": "set-current-view-version", "view-version-id": -1},
        ]);
        let (world, admin) = (&world, &admin);
        async move { world.replace_view(admin, "v", updates).await.unwrap() }
    });
    futures::future::join_all(replaces).await;
    let value: Value = serde_json::from_slice(&load(&admin, &world.lake, &ident("v")).await.unwrap().metadata).unwrap();
    let ids: Vec<i64> =
        value["versions"].as_array().unwrap().iter().map(|one| one["version-id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (1..=21).collect::<Vec<i64>>());
}
