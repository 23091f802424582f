//! The program `polder`: init, serve, stop.

use std::path::Path;

use polder_testkit::{Client, Credential, Program};
use serde_json::json;

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
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "a line of the log is no JSON: {line}");
    }
    assert!(program.log().contains("\"operation\":\"create_tenant\""), "{}", program.log());
    program.serve();
    let operator = Client::anonymous(&program.base_url()).with_key(&credential);
    drop(operator.get("/api/v1/admin/tenants").await.expect(200));
    assert!(program.stop().success());
}

/// `serve` says plainly what keeps it from starting, all of it at once, and binds nothing but loopback.
#[test]
fn serve_refuses_what_it_cannot_run() {
    let program = Program::install(Path::new(env!("CARGO_BIN_EXE_polder")));
    let missing = program.run(&["serve", "--config", "polder.toml"]);
    let text = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(!missing.status.success() && text.contains("run `polder init`"), "{text}");
    std::fs::write(program.directory().join("bad.toml"), "listen = \"0.0.0.0:1\"\nlisten_adress = 1\n").unwrap();
    let refused = program.run(&["serve", "--config", "bad.toml"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("loopback") && text.contains("unknown setting `listen_adress`"), "{text}");
}
