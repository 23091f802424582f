//! The program `polder`: init, serve, stop.

use std::path::Path;

use polder_testkit::{Client, Credential, Program, World};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn installed() -> (Program, Credential) {
    let program = Program::install(Path::new(env!("CARGO_BIN_EXE_polder")));
    let output = program.run(&["init", "--config", "polder.toml"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let credential = Credential::parse(String::from_utf8(output.stdout).unwrap().trim());
    (program, credential)
}

/// `polder init` makes root key (0600) and first credential once; `serve` runs with it and ends cleanly on SIGTERM.
#[tokio::test]
async fn init_serve_and_stop() {
    use std::os::unix::fs::PermissionsExt;
    let (mut program, credential) = installed();
    let mode = std::fs::metadata(program.directory().join("data/root.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = program.run(&["init", "--config", "polder.toml"]);
    assert!(again.status.success() && again.stdout.is_empty());
    program.serve();
    let operator = Client::anonymous(&program.base_url()).with_key(&credential);
    drop(operator.post("/api/v1/admin/tenants", &json!({"id": "acme", "admin": "a"})).await.expect(201));
    assert!(program.stop().success(), "{}", program.log());
    for line in program.log().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "a line of the log is no JSON: {line}");
    }
    assert!(program.log().contains("\"operation\":\"create_tenant\""), "{}", program.log());
    program.serve();
    let operator = Client::anonymous(&program.base_url()).with_key(&credential);
    drop(operator.get("/api/v1/admin/tenants").await.expect(200));
    assert!(program.stop().success());
}

/// `serve` says plainly what keeps it from starting, all of it at once, naming the variables.
#[test]
fn serve_refuses_what_it_cannot_run() {
    let mut program = Program::install(Path::new(env!("CARGO_BIN_EXE_polder")));
    let missing = program.run(&["serve", "--config", "polder.toml"]);
    let text = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(!missing.status.success() && text.contains("run `polder init`"), "{text}");
    std::fs::write(program.directory().join("bad.toml"), "listen = \"0.0.0.0:1\"\nlisten_adress = 1\n").unwrap();
    program.set("POLDER_ENVIRONMENT", "prod");
    let refused = program.run(&["serve", "--config", "bad.toml"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("server.tls") && text.contains("unknown setting `listen_adress`"), "{text}");
    program.unset("POLDER_ENVIRONMENT");
    program.set("POLDER_API_PUBLIC", " ");
    let refused = program.run(&["serve", "--config", "polder.toml"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{text}");
    assert!(text.contains("POLDER_ENVIRONMENT") && text.contains("POLDER_API_PUBLIC"), "{text}");
}

/// A stop finishes the request that was begun, refuses new connections meanwhile, and only then ends.
#[tokio::test]
async fn a_stop_finishes_what_was_begun() {
    let world = World::make().await;
    let address = world.server.base_url().strip_prefix("http://").unwrap().to_owned();
    let authorization = world.engineer_key.basic();
    let body = json!({"namespace": ["late"]}).to_string();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /iceberg/v1/lake/namespaces HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = vec![0; 4096];
    let length = stream.read(&mut bytes).await.unwrap();
    assert!(bytes[..length].starts_with(b"HTTP/1.1 100 "), "the handler waits for the body now");
    let stopping = tokio::spawn(world.server.stop());
    while TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished());
    stream.write_all(body.as_bytes()).await.unwrap();
    let length = stream.read(&mut bytes).await.unwrap();
    assert!(bytes[..length].starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&bytes[..length]));
    let directory = stopping.await.unwrap();
    let again = polder_server::serve::start_embedded(directory.path(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let door = Client::anonymous(&format!("http://{}", again.address()));
    let late = "/iceberg/v1/lake/namespaces/late";
    drop(door.with_key(&world.engineer_key).get(late).await.expect(200));
    again.shutdown().await;
}

/// counts that are still in memory are written by the stop, exactly.
#[tokio::test]
async fn a_stop_writes_what_was_counted() {
    let world = World::make().await;
    for _ in 0..7 {
        drop(world.engineer.get("/iceberg/v1/lake/namespaces/pub/tables/cities").await.expect(200));
    }
    let admin = world.admin.clone();
    let directory = world.server.stop().await;
    let again = polder_server::serve::start_embedded(directory.path(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let path = "/api/v1/admin/audit?action=load_table&page_size=1000";
    let listed = admin.at(&format!("http://{}", again.address())).get(path).await.expect(200).json();
    let counts = listed["records"].as_array().unwrap().iter().filter(|record| record["principal"] == "engineer");
    assert_eq!(counts.filter_map(|record| record["count"].as_i64()).sum::<i64>(), 7);
    again.shutdown().await;
}
