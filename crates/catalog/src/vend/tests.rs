#![allow(clippy::disallowed_methods, reason = "a store of the test's own, which ends with it")]

mod records;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::storage::AssumeRole;

const NOW: Micros = Micros(1_780_000_000_000_000);

/// 15 minutes, within a minute and an hour.
#[test]
fn a_life_is_bounded() {
    assert_eq!(life_seconds(LIFE_DEFAULT_SECONDS), 900);
    for (wanted, life) in
        [(i64::MIN, 60), (0, 60), (59, 60), (60, 60), (1_800, 1_800), (3_600, 3_600), (3_601, 3_600), (i64::MAX, 3_600)]
    {
        assert_eq!(life_seconds(wanted), life);
    }
}

/// Who asks a store, what for, and what it answers: `server`, `reader` or `writer`; a method; a path with its query, or
/// `sts`.
type Answers = fn(&str, &str, &str) -> u16;

/// The settings of a store that keeps keys inside their tables, with this bucket in it.
pub(crate) async fn honest_store(bucket: &str) -> S3Profile {
    profile(store(honest).await, bucket)
}

/// A store with STS that answers the server as it should, and sessions so.
async fn store(answers: Answers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut request, mut part) = (Vec::new(), [0; 4_096]);
                while !is_whole(&request) {
                    let read = stream.read(&mut part).await.unwrap();
                    request.extend_from_slice(&part[..read]);
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                let mut words = text.split(' ');
                let (method, path) = (words.next().unwrap(), words.next().unwrap());
                let who = [("Credential=KEYR/", "reader"), ("Credential=KEYW/", "writer")];
                let who = who.iter().find(|(key, _)| text.contains(key)).map_or("server", |(_, who)| who);
                let key = if text.contains("PutObject") { "KEYW" } else { "KEYR" };
                let (path, body) = match method {
                    "POST" => ("sts", sts::tests::answer(900, "").replace("ASIA1", key)),
                    _ => (path, String::new()),
                };
                let status = if who == "server" { 200 } else { answers(who, method, path) };
                let head =
                    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            });
        }
    });
    endpoint
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.to_lowercase().split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn profile(endpoint: String, bucket: &str) -> S3Profile {
    let role_arn = "arn:aws:iam::1:role/vend".to_owned();
    let role = AssumeRole { endpoint: None, role_arn, external_id: None, duration_seconds: 900 };
    S3Profile {
        endpoint: Some(endpoint),
        region: "eu-north-1".to_owned(),
        path_style: true,
        access_key_id: "server-id".to_owned(),
        secret_access_key: polder_types::Secret::new("server-secret".to_owned()),
        buckets: vec![bucket.to_owned()],
        tenants: Default::default(),
        vending: Some(role),
        remote_signing: false,
    }
}

/// The keys of bucket `lake` at a store.
fn vending_at(endpoint: String) -> Vending {
    let profile = profile(endpoint, "lake");
    let provider = Vending::provider(&profile).unwrap().unwrap();
    Vending::new(provider, &profile, "lake", &S3Address::new(&profile, "lake"))
}

async fn proof(answer: Answers) -> (Vending, Result<()>) {
    let vending = vending_at(store(answer).await);
    let proved = vending.require_proof(&Location::parse("s3://lake/base").unwrap(), NOW).await;
    (vending, proved)
}

/// The table of the proof is `…/t`, its neighbour `…/t1`.
fn honest(who: &str, method: &str, path: &str) -> u16 {
    let own = path.contains("/t/") || path.ends_with("%2Ft%2F");
    let writes = who == "writer" && !path.ends_with(".metadata.json");
    if own && (writes || method == "GET") { 200 } else { 403 }
}

/// a store whose keys open their table and nothing beside it may hand them out.
#[tokio::test]
async fn keys_that_open_their_table_only_are_handed_out() {
    let (vending, proved) = proof(honest).await;
    proved.unwrap();
    vending.require_proof(&Location::parse("s3://lake/other").unwrap(), NOW).await.unwrap();
}

/// A-086, R13: a store whose keys open more than their table, in any way, hands out none, and is not asked again.
#[tokio::test]
async fn keys_that_open_more_are_not_handed_out() {
    let wide: [Answers; 10] = [
        |_, _, _| 200,
        |who, method, path| if method == "PUT" && path.contains("/t/") { 200 } else { honest(who, method, path) },
        |who, method, path| if method == "GET" && path.contains("/t1/") { 200 } else { honest(who, method, path) },
        |who, method, path| if method == "PUT" && path.contains("/t1/") { 200 } else { honest(who, method, path) },
        |who, method, path| if method == "DELETE" && path.contains("/t1/") { 204 } else { honest(who, method, path) },
        |who, method, path| if path.ends_with("prefix=") { 200 } else { honest(who, method, path) },
        |who, method, path| if path.ends_with("%2Ft") { 200 } else { honest(who, method, path) },
        // Absent is an answer to somebody who may look.
        |who, method, path| if path.ends_with("/t1/a") { 404 } else { honest(who, method, path) },
        |who, method, path| if path == "sts" { 200 } else { honest(who, method, path) },
        |who, method, path| if who == "writer" && path.contains("/t/c.") { 200 } else { honest(who, method, path) },
    ];
    for (number, answers) in wide.into_iter().enumerate() {
        let (vending, refused) = proof(answers).await;
        assert_eq!(refused.unwrap_err().code(), "vending_refused", "{number}");
        let again = vending.require_proof(&Location::parse("s3://lake/base").unwrap(), NOW).await;
        assert_eq!(again.unwrap_err().code(), "vending_refused", "{number}");
    }
}

/// no proof is no proof of the contrary: it is asked for again before the first key.
#[tokio::test]
async fn without_a_proof_nothing_is_handed_out_yet() {
    let unproved: [Answers; 4] = [
        |_, _, _| 503,
        |_, _, _| 403,
        |who, method, path| if path.contains("/t1/") { 500 } else { honest(who, method, path) },
        |who, method, path| if path == "sts" { 500 } else { honest(who, method, path) },
    ];
    for (number, answers) in unproved.into_iter().enumerate() {
        let (vending, refused) = proof(answers).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), polder_types::ErrorKind::Unavailable, "{number}: {refused:?}");
        assert!(vending.verdict.get().is_none(), "{number}");
    }
}

/// R38: the provider's own log tells keys of somebody from keys that another took for them; STS takes 64 characters.
#[test]
fn a_session_names_who_acts() {
    let plain = Caller::plain(polder_types::PrincipalId(Uuid::from_u128(1)), "ann");
    let actor =
        Some(polder_types::PrincipalRef { id: polder_types::PrincipalId(Uuid::from_u128(2)), name: "trino".into() });
    let acted = Caller { actor, ..plain.clone() };
    assert_eq!(session_name(&plain), format!("polder-{:032x}", 1));
    assert_eq!(session_name(&acted), format!("polder-{:032x}-{:020x}", 1, 2));
    assert!(session_name(&acted).len() <= 64);
}
