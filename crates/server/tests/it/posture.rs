//! The posture contract from the outside: what stops the start, whom debug headers make, and what is believed of others.

use std::path::{Path, PathBuf};

use polder_server::{
    posture::{Environment, Posture},
    router,
};
use polder_testkit::{Client, Program, TestServer, World};
use reqwest::Method;
use serde_json::{Value, json};

const TABLES: &str = "/iceberg/v1/lake/namespaces/pub/tables";

/// What the program says when it must not start, by its variables.
fn refusal(variables: &[(&str, &str)]) -> String {
    let mut program = Program::install(Path::new(env!("CARGO_BIN_EXE_polder")));
    for (name, value) in variables {
        match *value {
            "-" => program.unset(name),
            value => program.set(name, value),
        }
    }
    let output = program.run(&["serve", "--config", "polder.toml"]);
    assert!(!output.status.success(), "{variables:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// what `polder serve` refuses, naming the variable.
#[test]
fn serve_refuses_by_name() {
    let prod = [("POLDER_ENVIRONMENT", "prod"), ("POLDER_AUTH_ISSUER", "i"), ("POLDER_AUTH_AUDIENCE", "a")];
    for (variables, wanted) in [
        (vec![("POLDER_ENVIRONMENT", "-")], "POLDER_ENVIRONMENT"),
        (vec![("POLDER_ENVIRONMENT", "")], "POLDER_ENVIRONMENT"),
        (vec![("POLDER_ENVIRONMENT", "live")], "POLDER_ENVIRONMENT"),
        (vec![("POLDER_API_PUBLIC", "-")], "POLDER_API_PUBLIC"),
        (vec![("POLDER_API_PUBLIC", "maybe")], "POLDER_API_PUBLIC"),
        (vec![("POLDER_ENVIRONMENT", "prod")], "POLDER_AUTH_ISSUER"),
        (vec![("POLDER_API_PUBLIC", "true")], "POLDER_AUTH_AUDIENCE"),
        ([&prod[..], &[("POLDER_DEBUG", "true")]].concat(), "POLDER_DEBUG"),
        (vec![("POLDER_DEBUG", "true"), ("POLDER_LISTEN", "0.0.0.0:0")], "POLDER_DEBUG"),
        (vec![("POLDER_DEBUG", "true"), ("POLDER_SERVER_BEHIND_PROXY", "true")], "debug_any_address"),
        ([&prod[..], &[("POLDER_LISTEN", "0.0.0.0:0")]].concat(), "server.tls"),
        (vec![("POLDER_AUTH_BUILTIN_ISSUER", "false")], "nobody could enter"),
    ] {
        let said = refusal(&variables);
        assert!(said.contains(wanted), "{variables:?}: {said}");
    }
}

/// in debug mode the headers choose tenant and workspace, for a principal that somebody made.
#[tokio::test]
async fn debug_headers_mean_the_principal_debug() {
    let world = World::make_on(TestServer::start_with(|config| config.auth.debug = true).await).await;
    let anonymous = world.server.anonymous();
    let ask = async |headers: &[(&str, &str)]| anonymous.send(Method::GET, TABLES, headers, None).await;
    let acme = [("x-tenant-id", "acme"), ("x-workspace-id", "lake")];
    drop(ask(&acme).await.expect(401));
    drop(world.person("debug", "catalog").await);
    drop(ask(&acme).await.expect(404));
    world.grant("debug", &["list", "read"], &json!({"warehouse": "lake"})).await;
    drop(ask(&acme).await.expect(200));
    drop(ask(&acme[..1]).await.expect(200));
    for (headers, status) in [
        (vec![], 401),
        (vec![("x-tenant-id", "umbra")], 401),
        (vec![("x-tenant-id", "absent")], 401),
        (vec![("x-tenant-id", "acme"), ("x-tenant-id", "umbra")], 401),
        (vec![("x-tenant-id", "acme"), ("x-workspace-id", "vault")], 404),
        (vec![("x-tenant-id", "acme"), ("authorization", "Bearer x")], 401),
    ] {
        assert_eq!(ask(&headers).await.status, status, "{headers:?}");
    }
    let admin = anonymous.send(Method::GET, "/api/v1/admin/principals", &acme, None).await;
    assert_eq!(admin.status, 403, "the data doors only");
    // A credential is who it is, whatever the headers say.
    let own = world.stranger.send(Method::GET, TABLES, &acme, None).await;
    assert_eq!(own.status, 404);
    let audit = world.audit().await;
    assert!(audit.iter().any(|record| record["principal"] == "debug" && record["action"] == "authenticate"));
    drop(world.admin.patch("/api/v1/admin/principals/debug", &json!({"enabled": false})).await.expect(200));
    drop(ask(&acme).await.expect(401));
}

/// a page of another site in a browser on this host cannot use the debug headers; a credential of its own
/// it does not have.
#[tokio::test]
async fn debug_headers_are_for_names_of_loopback() {
    for any_address in [false, true] {
        let server = TestServer::start_with(|config| {
            (config.auth.debug, config.auth.debug_any_address) = (true, any_address);
        });
        let world = World::make_on(server.await).await;
        drop(world.person("debug", "catalog").await);
        world.grant("debug", &["list", "read"], &json!({"warehouse": "lake"})).await;
        let ask = async |caller: &Client, host: &str| {
            let headers = [("x-tenant-id", "acme"), ("host", host)];
            caller.send(Method::GET, TABLES, &headers, None).await.status
        };
        let anonymous = world.server.anonymous();
        assert_eq!(ask(&anonymous, "localhost:8181").await, 200);
        assert_eq!(ask(&anonymous, "evil.example").await, if any_address { 200 } else { 401 });
        assert_eq!(ask(&world.engineer, "polder.example").await, 200, "a credential needs no name");
    }
}

/// R26: outside debug mode no header chooses a tenant, an address or a user.
#[tokio::test]
async fn headers_of_others_are_not_believed() {
    let world = World::make().await;
    drop(world.person("debug", "catalog").await);
    let headers = [
        ("x-tenant-id", "acme"),
        ("x-workspace-id", "lake"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "acme.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=127.0.0.1;host=acme.example"),
        ("x-forwarded-user", "engineer"),
        ("x-trino-user", "engineer"),
        ("x-real-ip", "127.0.0.1"),
    ];
    let nobody = world.server.anonymous();
    drop(nobody.send(Method::GET, TABLES, &headers, None).await.expect(401));
    let with = world.stranger.send(Method::GET, TABLES, &headers, None).await;
    let without = world.stranger.get(TABLES).await;
    assert_eq!((with.status, with.text()), (without.status, without.text()));
    let config = world.engineer.send(Method::GET, "/iceberg/v1/config", &headers, None).await.expect(200);
    assert!(!config.text().contains("acme.example"));
}

/// what is done later is a job of this process, whose tenant stands in its own row: no door takes callbacks. Were one
/// added, it would be one of these routes, and those ask for a credential like any other; debug headers let nobody in
/// whom no tenant knows, and nobody at all outside debug mode.
#[tokio::test]
async fn no_door_takes_callbacks_for_a_tenant() {
    for debug in [true, false] {
        let world = World::make_on(TestServer::start_with(move |config| config.auth.debug = debug).await).await;
        if !debug {
            drop(world.person("debug", "catalog").await);
        }
        let caller = world.server.anonymous();
        let mut tried = 0;
        for route in router::routes().into_iter().filter(|route| !route.public) {
            let parts = route.path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
            let path = parts.collect::<Vec<_>>().join("/");
            let headers = [("x-tenant-id", "acme"), ("x-cloudtasks-taskname", "t"), ("x-cloudtasks-queuename", "q")];
            let answer = caller.send(route.method.clone(), &path, &headers, None).await;
            assert_eq!(answer.status, 401, "{} {path}, debug {debug}", route.method);
            tried += 1;
        }
        assert!(tried > 50, "{tried} routes");
    }
}

/// exactly one file of the program knows the names of the debug headers.
#[test]
fn one_file_reads_the_debug_headers() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found: Vec<PathBuf> = Vec::new();
    let mut waiting: Vec<PathBuf> =
        std::fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().path().join("src")).collect();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default().to_lowercase();
        if !path.ends_with("tests.rs")
            && ["x-tenant", "x-workspace", "x_tenant", "x_workspace"].iter().any(|name| text.contains(name))
        {
            found.push(path.strip_prefix(crates).unwrap().to_owned());
        }
    }
    assert_eq!(found, [Path::new("server/src/auth/debug.rs")]);
}

/// A server that is handed contradictory settings does not start either: the configuration file is not the only guard.
#[tokio::test]
async fn a_server_checks_its_settings_itself() {
    let directory = tempfile::TempDir::new().unwrap();
    let mut config = polder_server::config::Config::embedded(directory.path(), "127.0.0.1:0".parse().unwrap());
    drop(polder_server::serve::init(&config, "operator", "root").await.unwrap());
    config.auth.debug = true;
    config.posture = Posture::of(Environment::Dev, true);
    let error = polder_server::serve::start(&config).await.err().expect("no start");
    assert!(error.to_string().contains("POLDER_DEBUG"), "{error}");
    let told: Value = json!(error.to_string());
    assert!(told.as_str().unwrap().contains("POLDER_AUTH_ISSUER"), "{told}");
}
