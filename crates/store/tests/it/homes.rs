//! Whose ground a place is, and places that are held while keys for them live (R1, R10).

use std::collections::BTreeMap;

use polder_policy::{Effect, NamespaceRef, Privilege, actions};
use polder_store::{CommitOutcome, GrantTarget, Hold, NewTable, Purge, Site, Stamp, TableRow, WarehouseRow};
use polder_types::{ErrorKind, Location, Micros, RequestId, Result};
use proptest::prelude::*;
use uuid::Uuid;

use super::world::{NOW, Who, World, make_table, namespace, stamp};

const UUID: Uuid = Uuid::from_u128(7);

fn until(seconds: i64) -> Micros {
    NOW.plus_seconds(seconds)
}

/// A request at another time.
fn stamp_at(now: Micros) -> Stamp {
    Stamp::new(RequestId(ulid::Ulid::new()), now)
}

/// Sets the `location` of a namespace.
async fn settle(who: &Who, on: &NamespaceRef, place: &Location) -> Result<()> {
    let permit = who.permit(actions::UpdateNamespace, on).await;
    let set = BTreeMap::from([("location".to_owned(), place.to_string())]);
    who.store.update_namespace_properties(&permit, vec![], set, &stamp()).await.map(drop)
}

async fn nested(who: &Who, parent: &NamespaceRef, levels: &[&str], place: Option<&Location>) -> Result<NamespaceRef> {
    let permit = who.permit(actions::CreateNamespace, parent).await;
    let properties = place.map(|place| ("location".to_owned(), place.to_string())).into_iter().collect();
    let made = who.store.create_namespace(&permit, &namespace(levels), properties, &stamp()).await?;
    Ok(made.namespace.clone())
}

/// Holds a place for a staged table.
async fn hold(who: &Who, on: &NamespaceRef, name: &str, place: &Location) -> Result<bool> {
    let permit = who.permit(actions::CreateTable, on).await;
    let hold = Hold { name: name.to_owned(), location: place.clone(), table_uuid: UUID, until: until(900) };
    who.store.hold_location(&permit, None, hold, &stamp()).await
}

/// Makes a table at a place, as the commit of a staged one does.
async fn publish(who: &Who, on: &NamespaceRef, name: &str, place: &Location) -> Result<std::sync::Arc<TableRow>> {
    who.try_table(on, NewTable { location: place.clone(), ..who.new_table(on, name) }).await
}

/// A person who may do everything with data in one namespace, and nothing elsewhere.
async fn person(acme: &Who, name: &str, on: &NamespaceRef) -> Who {
    use Privilege::{Create, Drop, List, Read, Write};
    let who = acme.person(name).await;
    acme.grant(name, Effect::Allow, &[List, Read, Write, Create, Drop], GrantTarget::Namespace(on.clone())).await;
    who
}

fn code<T: std::fmt::Debug>(done: Result<T>) -> &'static str {
    let error = done.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    error.code()
}

/// Tenant, warehouse, namespaces `other` and `payroll`, and who may do everything with data in `other`.
async fn scene(world: &World) -> (Who, std::sync::Arc<WarehouseRow>, NamespaceRef, NamespaceRef, Who) {
    let acme = world.tenant("acme").await;
    let lake = acme.warehouse("lake").await;
    let (other, payroll) = (acme.namespace(&lake, "other").await, acme.namespace(&lake, "payroll").await);
    let mallory = person(&acme, "mallory", &other).await;
    (acme, lake, other, payroll, mallory)
}

/// R1: whoever may write one namespace takes no ground of another with its `location`: the root neither, in which all lie, nor
/// the place of a namespace that named none, nor what its tables lie in.
#[tokio::test]
async fn a_namespace_takes_no_ground_of_another() {
    let world = World::new().await;
    let (acme, lake, other, payroll, mallory) = scene(&world).await;
    let home = lake.root.join("payroll").unwrap();
    settle(&acme, &payroll, &home).await.unwrap();
    let loose = publish(&acme, &payroll, "loose", &lake.root.join("loose/t").unwrap()).await.unwrap();
    let own = lake.root.join(&payroll.id().0.to_string()).unwrap();
    for place in [&home, &home.join("t").unwrap(), &own, &own.join("t").unwrap()] {
        assert_eq!(code(settle(&mallory, &other, place).await), "namespace_location_taken", "{place}");
    }
    for place in [loose.location.clone(), loose.location.join("data").unwrap(), lake.root.join("loose").unwrap()] {
        assert_eq!(code(settle(&mallory, &other, &place).await), "namespace_location_taken", "{place}");
    }
    for place in [lake.root.clone(), lake.root.parent().unwrap(), Location::parse("s3://elsewhere/x").unwrap()] {
        assert_eq!(code(settle(&mallory, &other, &place).await), "location_not_allowed", "{place}");
    }
    // Names that only begin alike are no overlap (R7); who comes first is first; what is given up is free.
    let place = lake.root.join("payroll2/deep").unwrap();
    settle(&mallory, &other, &place).await.unwrap();
    settle(&mallory, &other, &place).await.unwrap();
    for place in [place.clone(), place.parent().unwrap(), place.join("x").unwrap()] {
        assert_eq!(code(settle(&acme, &payroll, &place).await), "namespace_location_taken", "{place}");
    }
    let permit = mallory.permit(actions::UpdateNamespace, &other).await;
    let gone = vec!["location".to_owned()];
    world.store.update_namespace_properties(&permit, gone, BTreeMap::new(), &stamp()).await.unwrap();
    settle(&acme, &payroll, &place).await.unwrap();
    // A namespace that is there already is there already, whatever place it names.
    let permit = acme.permit(actions::CreateRootNamespace, &lake.warehouse).await;
    let properties = BTreeMap::from([("location".to_owned(), place.to_string())]);
    let again = world.store.create_root_namespace(&permit, &payroll.name, properties, &stamp()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
}

/// R1, R10: a table, made at once or staged, is not put at, in or around the place of another namespace; a policy editor may.
#[tokio::test]
async fn no_table_lies_on_the_ground_of_another_namespace() {
    let world = World::new().await;
    let (acme, lake, other, payroll, mallory) = scene(&world).await;
    let home = lake.root.join("pay/roll").unwrap();
    settle(&acme, &payroll, &home).await.unwrap();
    let own = lake.root.join(&payroll.id().0.to_string()).unwrap();
    for place in [&home, &home.join("t").unwrap(), &lake.root.join("pay").unwrap(), &own, &own.join("t/u").unwrap()] {
        assert_eq!(code(publish(&mallory, &other, "t", place).await), "location_of_another_namespace", "{place}");
        assert_eq!(code(hold(&mallory, &other, "t", place).await), "location_of_another_namespace", "{place}");
        let permit = mallory.permit(actions::CreateTable, &other).await;
        let site = Site { warehouse: &lake, location: place, now: NOW };
        let checked = world.store.check_free_location(&permit, None, "t", site).await;
        assert_eq!(code(checked), "location_of_another_namespace", "before a file is written: {place}");
    }
    // Its own namespace may, right at its place too.
    publish(&acme, &payroll, "t", &home.join("t").unwrap()).await.unwrap();
    publish(&acme, &payroll, "u", &own).await.unwrap();
    publish(&mallory, &other, "t", &lake.root.join("pay/roll2").unwrap()).await.unwrap();
    let permit = acme.permit(actions::CreateTable, &other).await;
    let released_by = Some(acme.admin(actions::ManagePolicies).await);
    let new = NewTable { location: home.join("x").unwrap(), released_by, ..acme.new_table(&other, "x") };
    make_table(&world.store, permit, new).await.unwrap();
}

/// a namespace inside another may have its place in that one's, and then it is its own: innermost wins.
#[tokio::test]
async fn the_innermost_place_counts() {
    let world = World::new().await;
    let (acme, lake, other, _, _) = scene(&world).await;
    let home = lake.root.join("other").unwrap();
    settle(&acme, &other, &home).await.unwrap();
    assert_eq!(code(nested(&acme, &other, &["other", "in"], Some(&home)).await), "namespace_location_taken");
    let inner = home.join("in").unwrap();
    let inside = nested(&acme, &other, &["other", "in"], Some(&inner)).await.unwrap();
    // The outer one moves around it, and not into it.
    assert_eq!(code(settle(&acme, &other, &inner.join("x").unwrap()).await), "namespace_location_taken");
    for place in [&inner, &inner.join("u").unwrap()] {
        assert_eq!(code(publish(&acme, &other, "u", place).await), "location_of_another_namespace", "{place}");
    }
    publish(&acme, &inside, "t", &inner.join("t").unwrap()).await.unwrap();
    publish(&acme, &other, "t", &home.join("t").unwrap()).await.unwrap();
    assert_eq!(code(publish(&acme, &inside, "u", &home.join("u").unwrap()).await), "location_of_another_namespace");
    // One that is no relative finds no room there.
    let stranger = acme.namespace(&lake, "stranger").await;
    assert_eq!(code(settle(&acme, &stranger, &home.join("free").unwrap()).await), "namespace_location_taken");
}

/// R1: keys of a staged table are for ground of its own namespace, or for the place that the catalog chose: no other is held.
#[tokio::test]
async fn a_staged_table_holds_its_own_ground_only() {
    let world = World::new().await;
    let (acme, lake, other, payroll, mallory) = scene(&world).await;
    let own = lake.root.join(&other.id().0.to_string()).unwrap();
    for (place, held) in [
        (own.clone(), false),
        (lake.root.join(&UUID.to_string()).unwrap(), true),
        (own.join("t").unwrap(), true),
        // Nobody's yet: the next namespace may call it its own.
        (lake.root.join("payroll").unwrap(), false),
        (lake.root.join("payroll/t").unwrap(), false),
        (lake.root.join(&Uuid::from_u128(8).to_string()).unwrap(), false),
    ] {
        assert_eq!(hold(&mallory, &other, "t", &place).await.unwrap(), held, "{place}");
    }
    let theirs = lake.root.join(&format!("{}/t", payroll.id().0)).unwrap();
    assert_eq!(code(hold(&mallory, &other, "t", &theirs).await), "location_of_another_namespace");
    let outside = Location::parse("s3://lake/acme/lake2/t").unwrap();
    assert_eq!(code(hold(&mallory, &other, "t", &outside).await), "location_outside");
    let records = acme.audit().await.into_iter().filter(|row| row.action == "hold_location");
    let held: Vec<_> = records.map(|row| row.detail["location"].clone()).collect();
    assert_eq!(held.len(), 2, "each place that is held is on record, and no other: {held:?}");
}

/// R1, R18: while keys for a staged table live, nobody puts anything at its place but whoever staged it, and that the very
/// table: policy editors neither, nor under another name, in another namespace, beside it, or after the place was given up.
#[tokio::test]
async fn nothing_comes_to_a_place_while_keys_for_it_live() {
    let world = World::new().await;
    let (acme, lake, other, payroll, mallory) = scene(&world).await;
    let place = lake.root.join("hr/t").unwrap();
    settle(&mallory, &other, &lake.root.join("hr").unwrap()).await.unwrap();
    assert!(hold(&mallory, &other, "t", &place).await.unwrap());
    assert!(hold(&mallory, &other, "t", &place).await.unwrap(), "a client that tries again");
    // The ground changes hands, as it may; the place on it does not.
    settle(&mallory, &other, &lake.root.join("gone").unwrap()).await.unwrap();
    settle(&acme, &payroll, &lake.root.join("hr").unwrap()).await.unwrap();
    let within = place.join("data/x").unwrap();
    for at in [&place, &within] {
        assert_eq!(code(publish(&acme, &payroll, "t", at).await), "location_held", "{at}");
        assert_eq!(code(hold(&acme, &payroll, "t", at).await), "location_held", "{at}");
        let permit = acme.permit(actions::CreateTable, &payroll).await;
        let site = Site { warehouse: &lake, location: at, now: NOW };
        let checked = world.store.check_free_location(&permit, None, "t", site).await;
        assert_eq!(code(checked), "location_held", "before a file is written: {at}");
        let released_by = Some(acme.admin(actions::ManagePolicies).await);
        let new = NewTable { location: at.clone(), released_by, ..acme.new_table(&payroll, "t") };
        assert_eq!(code(make_table(&world.store, permit, new).await), "location_held", "an editor: {at}");
    }
    publish(&acme, &payroll, "beside", &lake.root.join("hr/t2").unwrap()).await.unwrap();
    // The keys have ended.
    let permit = acme.permit(actions::CreateTable, &payroll).await;
    let new = NewTable { location: place.clone(), ..acme.new_table(&payroll, "t") };
    let creation = polder_store::Creation { permit, new };
    let later = stamp_at(until(901));
    let made = world.store.commit_tables(Vec::new(), vec![creation], &later).await;
    assert!(matches!(made, CommitOutcome::Committed(_)), "{made:?}");
}

/// whoever staged a table publishes it, and then its place is a table's as any other; under another name it is not the
/// table that the keys are for.
#[tokio::test]
async fn who_staged_a_table_publishes_it() {
    let world = World::new().await;
    let (acme, lake, other, _, mallory) = scene(&world).await;
    let place = lake.root.join(&format!("{}/t", other.id().0)).unwrap();
    assert!(hold(&mallory, &other, "t", &place).await.unwrap());
    assert_eq!(code(publish(&mallory, &other, "u", &place).await), "location_held");
    assert_eq!(code(publish(&mallory, &other, "t", &place.join("x").unwrap()).await), "location_held");
    let row = publish(&mallory, &other, "t", &place).await.unwrap();
    mallory.drop(&row.table).await.unwrap();
    assert_eq!(code(publish(&mallory, &other, "t", &place).await), "location_retired");
    let permit = acme.permit(actions::RegisterTable, &other).await;
    let new = NewTable { location: place, registered: true, ..acme.new_table(&other, "t") };
    world.store.register_table(&permit, new, None, &stamp()).await.unwrap();
}

/// R1: the place of a purged table stays closed, empty or not, while keys that were handed out for it live.
#[tokio::test]
async fn a_purged_place_is_closed_while_keys_live() {
    let world = World::new().await;
    let (acme, lake, other, _, _) = scene(&world).await;
    let place = lake.root.join("future").unwrap();
    let row = publish(&acme, &other, "t", &place).await.unwrap();
    let permit = acme.permit(actions::DropTable, &row.table).await;
    let purge = Purge { closed_until: Some(until(900)) };
    world.store.drop_table(&permit, Some(purge), &stamp()).await.unwrap();
    let polder_store::Claim::Job(job) = world.store.claim_job(UUID, NOW).await.unwrap() else { panic!("no job") };
    world.store.finish_job(&job, NOW, 0, true).await.unwrap();
    for at in [&place, &place.join("t").unwrap()] {
        assert_eq!(code(publish(&acme, &other, "t", at).await), "location_held", "{at}");
    }
    let permit = acme.permit(actions::CreateTable, &other).await;
    let creation = polder_store::Creation { permit, new: NewTable { location: place, ..acme.new_table(&other, "t") } };
    let made = world.store.commit_tables(Vec::new(), vec![creation], &stamp_at(until(901))).await;
    assert!(matches!(made, CommitOutcome::Committed(_)), "{made:?}");
}

/// The namespaces of the model: `a`, `a.b` inside it, and `c`.
#[derive(Clone, Copy, Debug)]
enum Step {
    Settle(usize, usize),
    Table(usize, usize),
}

const PLACES: [&str; 9] = ["x", "x/a", "x/a/b", "x/ab", "x/a/b/c", "y", "y/x", "x-", "x/a-/b"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_usize, 0..PLACES.len()).prop_map(|(who, at)| Step::Settle(who, at)),
        (0..3_usize, 0..PLACES.len()).prop_map(|(who, at)| Step::Table(who, at)),
    ]
}

/// Whose homes and tables lie where; `a` is 0, `a.b` 1, `c` 2.
#[derive(Default)]
struct Model {
    homes: [Option<Location>; 3],
    tables: Vec<(usize, Location)>,
}

impl Model {
    fn encloses(outer: usize, inner: usize) -> bool {
        (outer, inner) == (0, 1)
    }

    fn may_settle(&self, who: usize, at: &Location) -> bool {
        let homes = self.homes.iter().enumerate().filter(|(other, _)| *other != who);
        let beside = homes.filter_map(|(other, home)| Some((other, home.as_ref()?))).all(|(other, home)| {
            let inside = Self::encloses(other, who) && at.is_within(home) && at != home;
            let around = Self::encloses(who, other) && home.is_within(at) && at != home;
            !home.overlaps(at) || inside || around
        });
        let over = self.tables.iter().filter(|(other, _)| *other != who).all(|(other, table)| {
            !table.overlaps(at) || (Self::encloses(who, *other) && table.is_within(at) && table != at)
        });
        self.homes[who].as_ref() == Some(at) || (beside && over)
    }

    fn may_lie(&self, who: usize, at: &Location) -> bool {
        let around = |home: &&Location| at.is_within(home);
        let depth = |home: &Location| home.segments().len();
        let own = self.homes[who].as_ref().filter(around).map(depth);
        let others = self.homes.iter().enumerate().filter(|(other, _)| *other != who);
        let free = others
            .filter_map(|(_, home)| home.as_ref())
            .all(|home| !home.overlaps(at) || (at.is_within(home) && own.is_some_and(|own| own > depth(home))));
        free && self.tables.iter().all(|(_, table)| !table.overlaps(at))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// R1, R7: homes and tables are allowed exactly where the obvious model allows them.
    #[test]
    fn ground_is_what_the_model_says(steps in prop::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let acme = world.tenant("acme").await;
            let lake = acme.warehouse("lake").await;
            let a = acme.namespace(&lake, "a").await;
            let inside = nested(&acme, &a, &["a", "b"], None).await.unwrap();
            let all = [a, inside, acme.namespace(&lake, "c").await];
            let mut model = Model::default();
            for (number, step) in steps.iter().enumerate() {
                match *step {
                    Step::Settle(who, at) => {
                        let at = lake.root.join(PLACES[at]).unwrap();
                        let done = settle(&acme, &all[who], &at).await;
                        assert_eq!(done.is_ok(), model.may_settle(who, &at), "{number} of {steps:?}: {done:?}");
                        if done.is_ok() {
                            model.homes[who] = Some(at);
                        }
                    }
                    Step::Table(who, at) => {
                        let at = lake.root.join(PLACES[at]).unwrap();
                        let done = publish(&acme, &all[who], &format!("t{number}"), &at).await;
                        assert_eq!(done.is_ok(), model.may_lie(who, &at), "{number} of {steps:?}: {done:?}");
                        if done.is_ok() {
                            model.tables.push((who, at));
                        }
                    }
                }
            }
        });
    }
}
