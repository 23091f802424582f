//! S-070: sizes and times.

use std::time::Duration;

use polder_testkit::{TestServer, World};
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A body beyond the limit of its operation is 413, stated or not, and never read for those who may not enter.
#[tokio::test]
async fn bodies_have_a_limit() {
    let world = World::make().await;
    let path = "/iceberg/v1/lake/namespaces";
    let huge = json!({"namespace": ["x"], "properties": {"k": "x".repeat(1024 * 1024)}});
    let refused = world.engineer.post(path, &huge).await.expect(413);
    assert_eq!(refused.json()["error"]["code"], 413);
    drop(world.server.anonymous().post(path, &huge).await.expect(401));
    let below = json!({"namespace": ["x"], "properties": {"k": "x".repeat(500 * 1024)}});
    assert_ne!(world.engineer.post(path, &below).await.status, 413);
}

/// S-070: a chunked body states no length and is cut at the limit all the same.
#[tokio::test]
async fn chunked_bodies_have_a_limit() {
    let world = World::make().await;
    let mut stream = connect(&world.server).await;
    let head = format!(
        "POST /iceberg/v1/lake/namespaces HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ntransfer-encoding: chunked\r\n\r\n",
        world.engineer_key.basic()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..32 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 413 "));
}

/// S-070: a body that does not arrive is 408; authentication comes first.
#[tokio::test]
async fn slow_bodies_time_out() {
    let server = TestServer::start_with(|config| config.limits.body_max = Duration::from_millis(200)).await;
    let world = World::make_on(server).await;
    for (authorization, status) in [(world.engineer_key.basic(), "408"), ("Bearer x".to_owned(), "401")] {
        let mut stream = connect(&world.server).await;
        let head = format!(
            "POST /iceberg/v1/lake/namespaces HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}\r\ncontent-length: 100\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

/// R32, R15: bodies that are deep, empty, compressed or no JSON are 400, never 500, and decide nothing.
#[tokio::test]
async fn odd_bodies_are_400() {
    let world = World::make().await;
    let deep = format!("{{\"namespace\": {}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let path = "/iceberg/v1/lake/namespaces/pub/tables/cities";
    let deep_schema = format!(
        "{{\"requirements\": [], \"updates\": [{{\"action\": \"add-schema\", \"schema\": {}{}}}]}}",
        "{\"a\":".repeat(5_000) + "1",
        "}".repeat(5_000)
    );
    for (path, headers, body) in [
        ("/iceberg/v1/lake/namespaces", &[][..], deep.as_bytes()),
        (path, &[], deep_schema.as_bytes()),
        ("/iceberg/v1/lake/namespaces", &[], b""),
        ("/iceberg/v1/lake/namespaces", &[], b"namespace=x"),
        ("/iceberg/v1/lake/namespaces", &[], b"\xff\xfe"),
        ("/iceberg/v1/lake/namespaces", &[("content-encoding", "gzip")], b"{\"namespace\":[\"x\"]}"),
    ] {
        let refused = world.engineer.send(Method::POST, path, headers, Some(body.to_vec())).await.expect(400);
        assert_eq!(refused.error("type"), "BadRequestException");
    }
    drop(world.nobody.send(Method::POST, path, &[], Some(Vec::new())).await.expect(400));
}

/// S-070: a request whose head is too large is refused, and the server goes on.
#[tokio::test]
async fn heads_have_a_limit() {
    let server = TestServer::start().await;
    let mut stream = connect(&server).await;
    let head = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(200 * 1024));
    drop(stream.write_all(head.as_bytes()).await);
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 431 "));
    drop(server.anonymous().get("/livez").await.expect(200));
}

/// S-070: one address holds no more connections than its share, unless it is that of the proxy in front.
#[tokio::test]
async fn an_address_holds_its_share_of_connections() {
    for behind_proxy in [false, true] {
        let server = TestServer::start_with(|config| {
            config.limits.connections_per_address_max = 2;
            config.listener.behind_proxy = behind_proxy;
        })
        .await;
        let ask = async |stream: &mut TcpStream| {
            drop(stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await);
            let mut bytes = [0; 1024];
            matches!(stream.read(&mut bytes).await, Ok(length) if bytes[..length].starts_with(b"HTTP/1.1 200"))
        };
        let (mut first, mut second) = (connect(&server).await, connect(&server).await);
        assert!(ask(&mut first).await && ask(&mut second).await);
        assert_eq!(ask(&mut connect(&server).await).await, behind_proxy);
        assert!(ask(&mut first).await);
    }
}

async fn connect(server: &TestServer) -> TcpStream {
    TcpStream::connect(server.base_url().strip_prefix("http://").unwrap()).await.unwrap()
}

/// The first bytes of the answer.
async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 1024];
    let length = stream.read(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}
