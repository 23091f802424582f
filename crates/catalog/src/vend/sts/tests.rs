use polder_types::Secret;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

const NOW: Micros = Micros(1_780_000_000_000_000);

/// An answer of STS whose session ends so many seconds after `NOW`.
pub(in super::super) fn answer(seconds: i64, more: &str) -> String {
    let ends = chrono::DateTime::from_timestamp(NOW.seconds() + seconds, 0).unwrap().to_rfc3339();
    format!(
        "<?xml version=\"1.0\"?><AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
         <Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>a/b+c=</SecretAccessKey>\
         <SessionToken>token-canary</SessionToken><Expiration>{ends}</Expiration></Credentials>\
         <AssumedRoleUser><AssumedRoleId>x:y</AssumedRoleId><Arn>arn</Arn></AssumedRoleUser>{more}\
         </AssumeRoleResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>"
    )
}

fn sts(endpoint: String) -> Sts {
    let role = AssumeRole {
        endpoint: Some(endpoint),
        role_arn: "arn:aws-cn:iam::1:role/vend".to_owned(),
        external_id: Some("ours & only".to_owned()),
        duration_seconds: 60,
    };
    let profile = S3Profile {
        endpoint: None,
        region: "eu-north-1".to_owned(),
        path_style: false,
        access_key_id: "server-id".to_owned(),
        secret_access_key: Secret::new("server-canary".to_owned()),
        buckets: Vec::new(),
        tenants: Default::default(),
        vending: None,
        remote_signing: false,
    };
    Sts::new(&profile, &role).unwrap()
}

/// Asks an STS that answers so; what it was asked, and what came of it.
async fn ask(status: &str, body: &str) -> (String, Result<Session>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sts = sts(format!("http://{}", listener.local_addr().unwrap()));
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 16_384];
        let mut read = 0;
        while !String::from_utf8_lossy(&request[..read]).contains("Policy=") {
            read += stream.read(&mut request[read..]).await.unwrap();
        }
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    };
    let (asked, session) = tokio::join!(serve, sts.assume("polder-1", "{\"P\":\"{}&=\"}", NOW));
    (asked, session)
}

fn shown(error: &Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error} {error:?} {source}")
}

/// one signed request, with the role, the policy and the life; the keys come out whole and are never printed.
#[tokio::test]
async fn a_role_is_assumed_by_one_signed_request() {
    let (asked, session) = ask("200 OK", &answer(900, "<PackedPolicySize>41</PackedPolicySize>")).await;
    let session = session.unwrap();
    assert!(asked.starts_with("POST / HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("AWS4-HMAC-SHA256 Credential=server-id/") && asked.contains("/eu-north-1/sts/aws4_request"));
    assert!(asked.contains("DurationSeconds=900&Policy=%7B%22P%22%3A%22%7B%7D%26%3D%22%7D&ExternalId=ours+%26+only"));
    assert!(asked.contains("RoleArn=arn%3Aaws-cn%3Aiam%3A%3A1%3Arole%2Fvend&RoleSessionName=polder-1"), "{asked}");
    assert!(!asked.contains("server-canary"));
    assert_eq!((session.keys.access_key_id.as_str(), session.expires_at), ("ASIA1", NOW.plus_seconds(900)));
    assert_eq!(session.keys.secret_access_key.expose(), "a/b+c=");
    assert_eq!(session.keys.session_token.as_ref().unwrap().expose(), "token-canary");
    assert!(!format!("{session:?}").contains("canary") && !format!("{session:?}").contains("a/b+c="));
    assert_eq!(sts("http://127.0.0.1:1".to_owned()).partition(), "aws-cn");
}

/// R11, R13, R21, A-044: whatever is not a short-lived session with a token under the whole policy is none, and no error
/// repeats what STS said.
#[tokio::test]
async fn anything_but_a_session_as_asked_for_is_refused() {
    let static_keys =
        answer(900, "").replace("<SessionToken>token-canary</SessionToken>", "<SessionToken></SessionToken>");
    let missing = answer(900, "").replace("<SessionToken>token-canary</SessionToken>", "");
    for (status, body) in [
        ("200 OK", answer(900, "<PackedPolicySize>101</PackedPolicySize>")),
        ("200 OK", answer(3_600 * 12, "")),
        ("200 OK", answer(1_300, "")),
        ("200 OK", answer(-1, "")),
        ("200 OK", static_keys),
        ("200 OK", missing),
        ("200 OK", "<html>canary</html>".to_owned()),
        ("200 OK", "x".repeat(100_000)),
        (
            "400 Bad Request",
            "<ErrorResponse><Error><Code>PackedPolicyTooLarge</Code><Message>canary</Message></Error></ErrorResponse>"
                .to_owned(),
        ),
        ("403 Forbidden", "<Error><Code>AccessDenied</Code><Message>canary</Message></Error>".to_owned()),
        ("403 Forbidden", "<Error><Code>canary canary</Code></Error>".to_owned()),
        ("307 Temporary Redirect", "canary".to_owned()),
        ("500 Internal Server Error", "canary".to_owned()),
    ] {
        let (_, session) = ask(status, &body).await;
        let refused = session.unwrap_err();
        assert_eq!(refused.code(), "vending_unavailable", "{status} {body}");
        assert!(!shown(&refused).contains("canary"), "{}", shown(&refused));
    }
    let (_, refused) = ask("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>").await;
    assert!(shown(&refused.unwrap_err()).contains("STS: HTTP 403 AccessDenied"));
}
