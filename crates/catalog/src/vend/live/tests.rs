use std::sync::atomic::AtomicU32;

use polder_types::{Error, Location, PrincipalId, PrincipalRef, Secret};

use super::*;
use crate::{aws::Keys, vend::Access};

const NOW: Micros = Micros(1_780_000_000_000_000);

fn holder(principal: u128, version: i64, access: Access) -> Holder {
    let place = Location::parse("s3://lake/base/t1").unwrap();
    Holder {
        tenant: "acme".parse().unwrap(),
        caller: Caller::plain(PrincipalId(Uuid::from_u128(principal)), "p"),
        table_id: Uuid::from_u128(7),
        scope: Scope::of(&place, access).unwrap(),
        delegation: "vended-credentials",
        policy_version: version,
    }
}

fn session(number: u32) -> Session {
    let secret = || Secret::new("s".to_owned());
    Session {
        keys: Keys { access_key_id: format!("A{number}"), secret_access_key: secret(), session_token: Some(secret()) },
        expires_at: NOW.plus_seconds(900),
    }
}

/// Asks, and returns which session it was and whether it was made now.
async fn ask(live: &Live, made: &AtomicU32, holder: Holder, now: Micros) -> (String, bool) {
    let make = async { Ok(session(made.fetch_add(1, Ordering::SeqCst))) };
    let (found, origin) = live.find_or(holder, now, make).await.unwrap();
    (found.session.keys.access_key_id.clone(), origin == Origin::Made)
}

/// R18, R30, R38: found again by the same caller for the same access under the same policy, and by nobody else; in the
/// second half of its life by nobody at all.
#[tokio::test]
async fn a_session_is_found_by_its_holder_only() {
    let (live, made) = (Live::new(), AtomicU32::new(0));
    let first = holder(1, 5, Access::Read);
    assert_eq!(ask(&live, &made, first.clone(), NOW).await, ("A0".to_owned(), true));
    assert_eq!(ask(&live, &made, first.clone(), NOW.plus_seconds(449)).await, ("A0".to_owned(), false));
    for (number, other) in [holder(2, 5, Access::Read), holder(1, 6, Access::Read), holder(1, 5, Access::ReadWrite)]
        .into_iter()
        .enumerate()
    {
        assert_eq!(ask(&live, &made, other, NOW).await, (format!("A{}", number + 1), true));
    }
    let actor = PrincipalRef { id: PrincipalId(Uuid::from_u128(9)), name: "trino".into() };
    let acted_for = Holder { caller: Caller { actor: Some(actor), ..first.caller.clone() }, ..first.clone() };
    assert!(ask(&live, &made, acted_for, NOW).await.1, "not for who acts for the holder");
    let elsewhere = Holder { table_id: Uuid::from_u128(8), ..first.clone() };
    assert!(ask(&live, &made, elsewhere, NOW).await.1);
    assert!(ask(&live, &made, first.clone(), NOW.plus_seconds(450)).await.1);
    assert!(!ask(&live, &made, first, NOW.plus_seconds(451)).await.1);
}

/// One request to the provider, however many ask; a failure is told to all of them and remembered for none.
#[tokio::test]
async fn a_session_is_made_once() {
    let (live, made) = (Live::new(), AtomicU32::new(0));
    let holder = holder(1, 5, Access::Read);
    let failing = async { Err(Error::unavailable("vending_unavailable", "no")) };
    assert!(live.find_or(holder.clone(), NOW, failing).await.is_err());
    let asking = (0..50).map(|_| {
        let (live, made, holder) = (&live, &made, holder.clone());
        async move {
            let make = async {
                tokio::task::yield_now().await;
                Ok(session(made.fetch_add(1, Ordering::SeqCst)))
            };
            live.find_or(holder, NOW, make).await.unwrap().1
        }
    });
    let fresh = futures::future::join_all(asking).await;
    assert_eq!((made.load(Ordering::SeqCst), fresh.iter().filter(|origin| **origin == Origin::Made).count()), (1, 1));
}
