use std::thread;

use super::*;

/// R32: small work stays on its thread, large work leaves it to others.
#[tokio::test]
async fn only_large_work_changes_its_thread() {
    let heavy = Heavy::new(TaskTracker::new());
    let here = thread::current().id();
    for (bytes, stays) in [(0, true), (SMALL_BYTES, true), (SMALL_BYTES + 1, false)] {
        let there = heavy.run(bytes, || Ok(thread::current().id())).await.unwrap();
        assert_eq!(there == here, stays, "{bytes}");
    }
    assert_eq!(heavy.places.available_permits(), AT_ONCE_MAX, "every place is given back");
}
