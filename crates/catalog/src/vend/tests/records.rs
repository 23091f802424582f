//! What stands in the trail of keys that were made, handed out again, refused, or not waited for.

use std::time::Duration;

use polder_store::{AuditFilter, AuditRow};
use serde_json::{Value, json};

use super::*;
use crate::{
    admin::audit,
    outcome::Pending,
    resolve,
    testing::{World, everything, ident},
};

/// A table, and who may have keys for it.
struct Holding {
    world: World,
    ctx: OpCtx,
    permit: Permit<actions::VendCredentials>,
}

async fn holding() -> Holding {
    let world = World::new().await;
    let ctx = world.admin().await;
    world.create(&ctx, "t").await.unwrap();
    let warehouse = resolve::warehouse(&ctx, &world.lake).await.unwrap();
    let row = resolve::table(&ctx, &warehouse, &ident("t")).await.unwrap();
    let permit = ctx.authorize(actions::VendCredentials, &row.table).unwrap();
    Holding { world, ctx, permit }
}

impl Holding {
    fn table_id(&self) -> Uuid {
        self.permit.resource().id.0
    }

    /// Asks for keys of the table, as if it lay there.
    async fn ask(&self, vending: &Vending, place: &str) -> Result<Arc<Session>> {
        let (place, root) = (Location::parse(place).unwrap(), Location::parse("s3://lake/base").unwrap());
        let grant = Grant::Read(&self.permit);
        vending.keys(&self.ctx, &Wanted { grant, table_id: self.table_id(), place: &place, root: &root }).await
    }

    async fn records(&self, action: &str) -> Vec<AuditRow> {
        let filter = AuditFilter { action: Some(action.to_owned()), ..AuditFilter::default() };
        audit::list(&self.world.admin().await, &filter, &everything()).await.unwrap().items
    }

    /// The reasons and counts of refusals, after a look at what each says.
    async fn refusals(&self, action: &str) -> Vec<(String, i64)> {
        let mut found = Vec::new();
        for row in self.records(action).await.into_iter().filter(|row| row.decision == "deny") {
            assert_eq!(row.detail, self.delegation(), "{action}");
            assert_eq!(row.object_id, Some(self.table_id().to_string()));
            assert_eq!((row.object_name.as_str(), row.principal.is_some()), ("sales.t", true));
            found.push((row.reason.unwrap(), row.count));
        }
        found.sort();
        found
    }

    fn delegation(&self) -> Value {
        json!({"type": "delegation", "table_id": self.table_id(), "delegation_mode": "vended-credentials"})
    }
}

/// a place that no policy can name, a store whose keys are not narrow, and one that has not proved it: each that
/// gets no keys leaves table, mode and reason, counted.
#[tokio::test]
async fn who_gets_no_keys_is_on_record() {
    let holding = holding().await;
    let good = vending_at(store(honest).await);
    for _ in 0..2 {
        assert_eq!(holding.ask(&good, "s3://lake/base/a$").await.unwrap_err().code(), "unsupported_location");
    }
    let wide = vending_at(store(|_, _, _| 200).await);
    assert_eq!(holding.ask(&wide, "s3://lake/base/t").await.unwrap_err().code(), "vending_refused");
    let silent = vending_at(store(|_, _, _| 503).await);
    assert_eq!(holding.ask(&silent, "s3://lake/base/t").await.unwrap_err().code(), "vending_unproved");
    let expected = [("unsupported_location", 2), ("vending_refused", 1), ("vending_unproved", 1)];
    assert_eq!(holding.refusals("vend_credentials").await, expected.map(|(reason, count)| (reason.to_owned(), count)));
    // Nothing was minted, so nothing came of it.
    assert!(holding.records("mint_credentials").await.is_empty());
    assert!(holding.records("vend_credentials").await.iter().all(|row| row.decision == "deny"));
}

/// the record of each mint and its one outcome; the same keys again are counted, and say as much.
#[tokio::test]
async fn each_mint_has_its_record_and_its_outcome() {
    let holding = holding().await;
    let vending = vending_at(store(honest).await);
    for _ in 0..4 {
        holding.ask(&vending, "s3://lake/base/t").await.unwrap();
    }
    let said = |kind: &str| {
        json!({"type": kind, "table_id": holding.table_id(), "delegation_mode": "vended-credentials", "access": "read",
            "ttl": 900, "path_prefix": "s3://lake/base/t/"})
    };
    let mut vended: Vec<(Value, i64)> =
        holding.records("vend_credentials").await.into_iter().map(|row| (row.detail, row.count)).collect();
    vended.sort_by_key(|(_, count)| *count);
    assert_eq!(vended, [(said("vended"), 1), (said("handed_out"), 3)]);
    let minted = holding.records("mint_credentials").await;
    let [minted] = minted.as_slice() else { panic!("{minted:?}") };
    assert_eq!((minted.decision.as_str(), minted.count, &minted.detail), ("allow", 1, &holding.delegation()));
}

/// a provider that refuses is an outcome; so is a client that is gone before there is one.
#[tokio::test]
async fn no_record_is_left_without_an_outcome() {
    let holding = holding().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let vending = vending_at(format!("http://{}", silent.local_addr().unwrap()));
    assert!(vending.verdict.set(Verdict::Narrow).is_ok());
    let asked = tokio::time::timeout(Duration::from_millis(300), holding.ask(&vending, "s3://lake/base/t")).await;
    assert!(asked.is_err(), "nobody answers");
    assert_eq!(holding.refusals("mint_credentials").await, [("abandoned".to_owned(), 1)]);
    let recorded = holding.records("vend_credentials").await;
    let [recorded] = recorded.as_slice() else { panic!("{recorded:?}") };
    assert_eq!((recorded.decision.as_str(), &recorded.detail["type"]), ("allow", &json!("vended")));

    drop(silent);
    let refused = holding.ask(&vending, "s3://lake/base/t").await.unwrap_err();
    assert_eq!(refused.code(), "vending_unavailable");
    let outcomes = [("abandoned".to_owned(), 1), ("vending_unavailable".to_owned(), 1)];
    assert_eq!(holding.refusals("mint_credentials").await, outcomes);
    assert_eq!(holding.refusals("vend_credentials").await, [("vending_unavailable".to_owned(), 1)]);
}

/// an outcome is counted once, whichever it is.
#[tokio::test]
async fn an_outcome_is_counted_once() {
    let holding = holding().await;
    let of = DelegationOf { table_id: holding.table_id(), mode: VENDED };
    let pending = || Pending::new(&holding.ctx, "make_signature", holding.permit.resource(), of);
    pending().end(Ok(())).unwrap();
    pending().end::<()>(Err(Error::unavailable("audit_unavailable", "no"))).unwrap_err();
    drop(pending());
    let expected = [("abandoned".to_owned(), 1), ("audit_unavailable".to_owned(), 1)];
    assert_eq!(holding.refusals("make_signature").await, expected);
    let all: i64 = holding.records("make_signature").await.iter().map(|row| row.count).sum();
    assert_eq!(all, 3);
}
