//! TLS of the listener, from the outside: clients of both kinds, and those who do not speak it.

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use polder_server::config::{Config, Tls};
use polder_testkit::{Client, TestServer};
use polder_types::Secret;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;

/// Writes a certificate of its own for loopback, and its key.
fn identity(directory: &Path) -> Tls {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let tls = Tls { cert_file: directory.join("cert.pem"), key_file: directory.join("key.pem") };
    std::fs::write(&tls.cert_file, cert.pem()).unwrap();
    std::fs::write(&tls.key_file, signing_key.serialize_pem()).unwrap();
    tls
}

async fn server(directory: &Path, change: impl FnOnce(&mut Config)) -> TestServer {
    let tls = identity(directory);
    TestServer::start_with(|config| {
        config.listener.tls = Some(tls);
        change(config);
    })
    .await
}

/// Clients that trust the certificate are served; the others do not even send their credential.
#[tokio::test]
async fn whoever_trusts_the_certificate_is_served() {
    let (own, other) = (tempfile::TempDir::new().unwrap(), tempfile::TempDir::new().unwrap());
    let server = server(own.path(), |_| {}).await;
    assert!(server.base_url().starts_with("https://"));
    drop(server.operator().get("/api/v1/admin/tenants").await.expect(200));
    let stranger = std::fs::read(identity(other.path()).cert_file).unwrap();
    for certificate in [None, Some(stranger.as_slice())] {
        let client = Client::trusting(server.base_url(), certificate);
        assert!(tokio::spawn(async move { client.get("/livez").await }).await.is_err());
    }
}

/// Plain HTTP gets no answer from a TLS listener, and what keeps silent holds one of the connections, not the server.
#[tokio::test]
async fn who_speaks_no_tls_gets_nothing() {
    let own = tempfile::TempDir::new().unwrap();
    let server = server(own.path(), |config| config.limits.connections_max = 2).await;
    let address = server.base_url().strip_prefix("https://").unwrap().to_owned();
    let answer = tokio::task::spawn_blocking(move || {
        let _silent = std::net::TcpStream::connect(&address).unwrap();
        let mut plain = std::net::TcpStream::connect(&address).unwrap();
        plain.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        plain.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        drop(plain.read_to_end(&mut answer));
        answer
    });
    let answer = answer.await.unwrap();
    assert!(!answer.windows(4).any(|bytes| bytes == b"HTTP"), "{answer:?}");
    drop(server.anonymous().get("/livez").await.expect(200));
}

/// R20: the operations listener uses the same certificate where others can reach it, so that its token is not in clear;
/// on loopback it stays plain.
#[tokio::test]
async fn operations_that_others_can_reach_speak_tls() {
    for (listen, scheme) in [("0.0.0.0:0", "https"), ("127.0.0.1:0", "http")] {
        let own = tempfile::TempDir::new().unwrap();
        let server = server(own.path(), |config| {
            config.operations.listen = Some(listen.parse().unwrap());
            config.operations.token = Some(Secret::new("a token of the operations".to_owned()));
        })
        .await;
        let certificate = std::fs::read(own.path().join("cert.pem")).unwrap();
        let port = server.operations().expect("an operations listener").port();
        let inside = Client::trusting(&format!("{scheme}://127.0.0.1:{port}"), Some(&certificate));
        let bearer = inside.with_authorization("Bearer a token of the operations");
        drop(bearer.get("/metrics").await.expect(200));
        let other = if scheme == "http" { "https" } else { "http" };
        let wrong = Client::trusting(&format!("{other}://127.0.0.1:{port}"), Some(&certificate));
        assert!(tokio::spawn(async move { wrong.get("/livez").await }).await.is_err(), "{other}");
    }
}

/// A certificate without its key, or what is no certificate, stops the start; the message names the file, no content.
#[tokio::test]
async fn files_that_cannot_be_used_stop_the_start() {
    let (own, other) = (tempfile::TempDir::new().unwrap(), tempfile::TempDir::new().unwrap());
    let (tls, foreign) = (identity(own.path()), identity(other.path()));
    let nothing = own.path().join("nothing.pem");
    std::fs::write(&nothing, "canary of a file").unwrap();
    let missing = PathBuf::from("/no/such/file");
    for (cert_file, key_file) in [
        (&tls.cert_file, &foreign.key_file),
        (&nothing, &tls.key_file),
        (&tls.cert_file, &nothing),
        (&missing, &tls.key_file),
        (&tls.cert_file, &tls.cert_file),
    ] {
        let directory = tempfile::TempDir::new().unwrap();
        let mut config = Config::embedded(directory.path(), "127.0.0.1:0".parse().unwrap());
        config.listener.tls = Some(Tls { cert_file: cert_file.clone(), key_file: key_file.clone() });
        drop(polder_server::serve::init(&config, "operator", "root").await.unwrap());
        let error = polder_server::serve::start(&config).await.err().expect("no start");
        let told = format!("{error} {error:?}");
        assert!(told.contains("server.tls") && !told.contains("canary"), "{told}");
    }
}

/// The program's own client, with `--ca-file`.
#[tokio::test]
async fn the_command_line_speaks_tls() {
    let own = tempfile::TempDir::new().unwrap();
    let server = server(own.path(), |_| {}).await;
    drop(server.operator().post("/api/v1/admin/tenants", &json!({"id": "acme", "admin": "a"})).await.expect(201));
    let run = |ca: Option<PathBuf>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_polder"));
        command.args(["tenant", "list", "--json", "--url", server.base_url()]);
        command.env_clear().env("POLDER_CREDENTIAL", server.operator_credential());
        if let Some(ca) = ca {
            command.arg("--ca-file").arg(ca);
        }
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let trusted = run(Some(own.path().join("cert.pem"))).await.unwrap();
    let told = String::from_utf8_lossy(&trusted.stdout).into_owned();
    assert!(trusted.status.success() && told.contains("acme"), "{}", String::from_utf8_lossy(&trusted.stderr));
    let untrusted = run(None).await.unwrap();
    assert_eq!(untrusted.status.code(), Some(6));
    assert!(untrusted.stdout.is_empty());
    let no_certificate = run(Some(own.path().join("key.pem"))).await.unwrap();
    assert_eq!(no_certificate.status.code(), Some(2));
}
