use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A peer that takes what is written, however slowly it reads, is written to until the end.
#[tokio::test]
async fn what_gets_on_is_not_cut() {
    let (ours, mut theirs) = tokio::io::duplex(8);
    let mut ours = Stalling::new(ours, Duration::from_secs(60), Activity::begin());
    let written = async { ours.write_all(&[7; 4_096]).await };
    let mut taken = vec![0; 4_096];
    let (written, read) = tokio::join!(written, theirs.read_exact(&mut taken));
    written.unwrap();
    assert_eq!((read.unwrap(), taken), (4_096, vec![7; 4_096]));
    assert!(ours.waiting.is_none());
}

/// A peer that takes nothing ends the write, and only after the time has passed.
#[tokio::test]
async fn what_stands_still_fails() {
    let (ours, mut theirs) = tokio::io::duplex(8);
    let mut ours = Stalling::new(ours, Duration::from_millis(30), Activity::begin());
    ours.write_all(&[7; 8]).await.unwrap();
    let error = ours.write_all(&[7; 1]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(theirs.read_exact(&mut [0; 8]).await.unwrap(), 8);
    ours.write_all(&[7; 8]).await.unwrap();
}
