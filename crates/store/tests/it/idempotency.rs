//! Keyed requests: one outcome a key, written with its effect.

use polder_policy::actions;
use polder_store::{
    CommitOutcome, Creation, IdempotencyKey, KEY_LIFETIME_SECONDS, Outcome, Refusal, Stamp, is_answered,
};
use polder_types::{Error, ErrorKind, Micros, PrincipalId, Subject};
use uuid::Uuid;

use super::world::{NOW, World, make_table, stamp};

fn key(number: u128, body: u8) -> IdempotencyKey {
    IdempotencyKey { route: "update_table", key: Uuid::from_u128(number), fingerprint: [body; 32] }
}

fn keyed(key: IdempotencyKey, now: Micros) -> Stamp {
    Stamp { keyed: Some(key), now, ..stamp() }
}

/// F8, R29: the effect and its outcome are one transaction; a second effect under the key is rolled back, and the
/// outcome is found by nobody else, under no other route and for no other body.
#[tokio::test]
async fn a_key_has_one_outcome_and_one_owner() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let row = acme.table(&ns, "t").await;
    let me = acme.principal().await.id;
    let store = &world.store;
    assert_eq!(store.outcome_of(&acme.tenant, me, &key(1, 7), NOW).await.unwrap(), None);
    let swap = acme.swap(&row, "s3://lake/t1", vec![]).await;
    let CommitOutcome::Committed(rows) = store.commit_tables(vec![swap], vec![], &keyed(key(1, 7), NOW)).await else {
        panic!("not committed");
    };
    let outcome = Outcome::Table { relation: row.table.id, metadata_location: "s3://lake/t1".to_owned() };
    assert_eq!(store.outcome_of(&acme.tenant, me, &key(1, 7), NOW).await.unwrap(), Some(outcome));

    let again = acme.swap(&rows[0], "s3://lake/t2", vec![]).await;
    match store.commit_tables(vec![again], vec![], &keyed(key(1, 7), NOW)).await {
        CommitOutcome::RolledBack(error) => assert!(is_answered(&error)),
        other => panic!("{other:?}"),
    }
    assert_eq!(acme.resolve(&ns, "t").await.unwrap().metadata_location, "s3://lake/t1");
    assert_eq!(acme.resolve(&ns, "t").await.unwrap().version, 2);

    let reused = store.outcome_of(&acme.tenant, me, &key(1, 8), NOW).await.unwrap_err();
    assert_eq!(reused.kind(), ErrorKind::Unprocessable);
    let other = PrincipalId(Uuid::from_u128(99));
    assert_eq!(store.outcome_of(&acme.tenant, other, &key(1, 7), NOW).await.unwrap(), None);
    let umbra = world.tenant("umbra").await;
    assert_eq!(store.outcome_of(&umbra.tenant, me, &key(1, 7), NOW).await.unwrap(), None);
    let elsewhere = IdempotencyKey { route: "drop_table", ..key(1, 7) };
    assert_eq!(store.outcome_of(&acme.tenant, me, &elsewhere, NOW).await.unwrap(), None);
}

/// F8: a refusal that was told stands: no earlier request with the key takes effect after it.
#[tokio::test]
async fn a_refusal_that_was_told_shuts_the_door() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let row = acme.table(&ns, "t").await;
    let me = acme.principal().await.id;
    let store = &world.store;
    // Not only a conflict depends on what is there: so does a document that has no room any more.
    let error = Error::new(ErrorKind::TooLarge, Subject::Table, "transaction_too_large", "too much metadata together");
    let refusal = Outcome::refused(&error, 1).unwrap();
    assert!(store.keep_refusal(&acme.tenant, me, &key(2, 1), refusal.clone(), NOW).await.unwrap());
    let swap = acme.swap(&row, "s3://lake/t1", vec![]).await;
    let late = store.commit_tables(vec![swap], vec![], &keyed(key(2, 1), NOW)).await;
    assert!(matches!(late, CommitOutcome::RolledBack(error) if is_answered(&error)));
    assert_eq!(acme.resolve(&ns, "t").await.unwrap().version, 1);
    assert_eq!(store.outcome_of(&acme.tenant, me, &key(2, 1), NOW).await.unwrap(), Some(refusal));
    // The other way round the effect stands, and the refusal is not told.
    let swap = acme.swap(&row, "s3://lake/t1", vec![]).await;
    let landed = store.commit_tables(vec![swap], vec![], &keyed(key(3, 1), NOW)).await;
    assert!(matches!(landed, CommitOutcome::Committed(_)));
    let refusal = Outcome::refused(&error, 1).unwrap();
    assert!(!store.keep_refusal(&acme.tenant, me, &key(3, 1), refusal, NOW).await.unwrap());
}

/// What a retry may not meet again is never kept, and what is kept holds no token.
#[test]
fn only_lasting_refusals_are_kept() {
    for error in [
        Error::unauthenticated(),
        Error::unavailable("busy", "busy"),
        Error::internal("bug"),
        Error::new(ErrorKind::RateLimited, Subject::Request, "slow", "slow"),
        Error::new(ErrorKind::Deadline, Subject::Request, "late", "late"),
        Error::new(ErrorKind::CommitStateUnknown, Subject::Table, "unknown", "unknown"),
    ] {
        assert_eq!(Outcome::refused(&error, 1), None, "{error:?}");
    }
    let long = Error::invalid("bad", "\u{e9}".repeat(5_000));
    let Some(Outcome::Refused(Refusal { message, .. })) = Outcome::refused(&long, 1) else { panic!("not kept") };
    assert!(message.len() <= 2_048 && message.ends_with('\u{e9}'));
}

/// F10: a row of the release before has no version of the policy; its text is told to nobody, its kind is.
#[test]
fn a_refusal_without_a_version_is_read() {
    let old = r#"{"type": "refused", "kind": "conflict", "subject": "table", "message": "told"}"#;
    let refusal = Refusal {
        kind: ErrorKind::Conflict,
        subject: Subject::Table,
        message: "told".to_owned(),
        policy_version: None,
    };
    assert_eq!(serde_json::from_str::<Outcome>(old).unwrap(), Outcome::Refused(refusal));
}

/// An outcome expires, its key may then be used afresh, and the sweep deletes it.
#[tokio::test]
async fn outcomes_expire() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let row = acme.table(&ns, "t").await;
    let me = acme.principal().await.id;
    let store = &world.store;
    let swap = acme.swap(&row, "s3://lake/t1", vec![]).await;
    let first = store.commit_tables(vec![swap], vec![], &keyed(key(4, 1), NOW)).await;
    let CommitOutcome::Committed(rows) = first else { panic!("not committed") };
    let within = NOW.plus_seconds(KEY_LIFETIME_SECONDS);
    assert!(store.outcome_of(&acme.tenant, me, &key(4, 1), within).await.unwrap().is_some());
    let after = NOW.plus_seconds(2 * KEY_LIFETIME_SECONDS);
    assert_eq!(store.outcome_of(&acme.tenant, me, &key(4, 2), after).await.unwrap(), None);
    let swap = acme.swap(&rows[0], "s3://lake/t2", vec![]).await;
    let again = store.commit_tables(vec![swap], vec![], &keyed(key(4, 2), after)).await;
    assert!(matches!(again, CommitOutcome::Committed(_)));
    store.flush_counted(after).await.unwrap();
    assert!(store.outcome_of(&acme.tenant, me, &key(4, 2), after).await.unwrap().is_some(), "not yet");
    let much_later = after.plus_seconds(2 * KEY_LIFETIME_SECONDS);
    store.flush_counted(much_later).await.unwrap();
    assert_eq!(store.outcome_of(&acme.tenant, me, &key(4, 2), after).await.unwrap(), None, "swept");
}

/// A-071: pointers that move, a pointer that must only stand still, and tables that are made, all or nothing.
#[tokio::test]
async fn moves_holds_and_creations_are_one_transaction() {
    let world = World::new().await;
    let (acme, _, ns) = world.acme().await;
    let (a, b) = (acme.table(&ns, "a").await, acme.table(&ns, "b").await);
    let hold = |row: &polder_store::TableRow| {
        let row = row.clone();
        let acme = &acme;
        async move { polder_store::PointerSwap { new_metadata_location: None, ..acme.swap(&row, "", vec![]).await } }
    };
    let creation = |name: &str| {
        let new = acme.new_table(&ns, name);
        let (acme, ns) = (&acme, &ns);
        async move { Creation { permit: acme.permit(actions::CreateTable, ns).await, new } }
    };
    let swaps = vec![acme.swap(&a, "s3://lake/a1", vec![]).await, hold(&b).await];
    let made = vec![creation("c").await, creation("d").await];
    let CommitOutcome::Committed(rows) = world.store.commit_tables(swaps, made, &stamp()).await else {
        panic!("not committed");
    };
    assert_eq!(rows.iter().map(|row| row.version).collect::<Vec<_>>(), [2, 1, 1, 1]);
    assert_eq!(acme.resolve(&ns, "c").await.unwrap().table.id, rows[2].table.id);

    // A held pointer that moved meanwhile loses everything.
    let stale_hold = hold(&a).await;
    let swaps = vec![acme.swap(&b, "s3://lake/b1", vec![]).await, stale_hold];
    let lost = world.store.commit_tables(swaps, vec![creation("e").await], &stamp()).await;
    assert!(matches!(lost, CommitOutcome::Lost(id) if id == a.table.id));
    // So does a name that is taken, and a location that two of them want.
    let swaps = vec![acme.swap(&b, "s3://lake/b1", vec![]).await];
    let taken = world.store.commit_tables(swaps, vec![creation("c").await], &stamp()).await;
    assert!(matches!(taken, CommitOutcome::RolledBack(error) if error.kind() == ErrorKind::AlreadyExists));
    let (one, mut two) = (creation("e").await, creation("f").await);
    two.new.location = one.new.location.join("inside").unwrap();
    let overlap = world.store.commit_tables(Vec::new(), vec![one, two], &stamp()).await;
    assert!(matches!(overlap, CommitOutcome::RolledBack(error) if error.kind() == ErrorKind::Invalid));
    for name in ["e", "f"] {
        assert!(acme.resolve(&ns, name).await.is_none());
    }
    assert_eq!(acme.resolve(&ns, "b").await.unwrap().version, 1);
    let permit = acme.permit(actions::CreateTable, &ns).await;
    make_table(&world.store, permit, acme.new_table(&ns, "e")).await.unwrap();
}
