//! Tests of the commit locks.

use polder_types::ErrorKind;
use uuid::Uuid;

use super::*;

const TABLE: RelationId = RelationId(Uuid::nil());

/// F16: a crowd before one table is answered at once instead of growing without bound, and others are not held up.
#[tokio::test]
async fn more_waiting_commits_than_allowed_are_refused() {
    let locks = CommitLocks::new();
    let held = locks.turn(TABLE).await.unwrap();
    let mut waiting: Vec<_> = (0..WAITING_MAX).map(|_| Box::pin(locks.turn(TABLE))).collect();
    for turn in &mut waiting {
        assert!(futures::poll!(turn.as_mut()).is_pending());
    }
    assert_eq!(locks.turn(TABLE).await.unwrap_err().kind(), ErrorKind::Unavailable);
    locks.turn(RelationId(Uuid::from_u128(1))).await.unwrap();
    drop(held);
    for turn in waiting {
        turn.await.unwrap();
    }
    locks.turn(TABLE).await.unwrap();
}
