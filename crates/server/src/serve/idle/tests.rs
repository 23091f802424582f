use super::*;

const SHORT: Duration = Duration::from_millis(200);
/// How long anything here may take at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// Notes a write again and again.
async fn writes(activity: &Activity) {
    loop {
        activity.gets_on();
        tokio::time::sleep(SHORT / 10).await;
    }
}

/// S-070: what is written before a first request, as TLS does, buys a silent peer no time.
#[tokio::test]
async fn a_peer_that_never_asks_is_left_whatever_is_written() {
    let activity = Activity::begin();
    let left = tokio::time::timeout(PATIENCE, async {
        tokio::select! {
            () = activity.silent(SHORT, 2 * PATIENCE) => {}
            () = writes(&activity) => {}
        }
    });
    left.await.expect("left after the first wait");
}

/// Whoever takes an answer, however slowly, is not silent meanwhile, and is once it has all of it.
#[tokio::test]
async fn a_peer_that_takes_its_answer_is_not_silent() {
    let activity = Activity::begin();
    activity.asks();
    activity.answered();
    let taking = tokio::time::timeout(5 * SHORT, async {
        tokio::select! {
            // In this order, so that a machine that stands still for a moment is not taken for the peer.
            biased;
            () = writes(&activity) => {}
            () = activity.silent(SHORT, SHORT) => {}
        }
    });
    assert!(taking.await.is_err(), "it was left while it took its answer");
    tokio::time::timeout(PATIENCE, activity.silent(SHORT, SHORT)).await.expect("left when it has it");
}
