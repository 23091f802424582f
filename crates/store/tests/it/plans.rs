//! Sealed plans of scans: good for one principal, one table and one use.

use polder_policy::{Effect, Privilege, actions::PlanTable};
use polder_store::{GrantTarget, PlanToken};

use super::world::World;

/// what was sealed is opened by its holder, for its table and kind; by nobody else, and nothing else is.
#[tokio::test]
async fn a_sealed_plan_is_opened_by_its_holder_only() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    let (table, other) = (acme.table(&ns, "t").await, acme.table(&ns, "u").await);
    let eve = acme.person("eve").await;
    acme.grant("eve", Effect::Allow, &[Privilege::Read], GrantTarget::Warehouse(lake.warehouse.clone())).await;
    let own = acme.permit(PlanTable, &table.table).await;
    let store = &world.store;
    let sealed = store.seal_plan(&own, PlanToken::Plan, b"what was asked").unwrap();
    assert!(!sealed.contains("asked"));
    assert_eq!(store.open_plan(&own, PlanToken::Plan, &sealed).as_deref(), Some(&b"what was asked"[..]));
    let again = acme.permit(PlanTable, &table.table).await;
    assert!(store.open_plan(&again, PlanToken::Plan, &sealed).is_some(), "the next request of the same principal");
    assert_eq!(store.open_plan(&own, PlanToken::Task, &sealed), None);
    let foreign = [eve.permit(PlanTable, &table.table).await, acme.permit(PlanTable, &other.table).await];
    for permit in foreign {
        assert_eq!(store.open_plan(&permit, PlanToken::Plan, &sealed), None);
    }
    for place in 0..sealed.len() {
        let mut changed = sealed.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        assert_eq!(store.open_plan(&own, PlanToken::Plan, &String::from_utf8(changed).unwrap()), None, "{place}");
    }
    for made_up in ["", "plan", &"A".repeat(2_000_000)] {
        assert_eq!(store.open_plan(&own, PlanToken::Plan, made_up), None);
    }
}
