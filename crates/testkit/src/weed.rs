//! SeaweedFS on loopback: S3, and STS with one role. It ends with the process that started it, however that ends: a shell
//! waits for the end of a pipe that only we hold. Knows nothing of the server, so that the benchmarks use the same file.
#![allow(unreachable_pub, reason = "the benchmarks take this file in as a private module")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on should end")]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// How long it may take to store its first object.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
/// The key that may do everything.
pub const ACCESS_KEY_ID: &str = "testkit-key-id";
/// Its secret.
pub const SECRET_ACCESS_KEY: &str = "testkit-secret-of-the-server";
/// The role whose sessions are the keys of tables.
pub const ROLE: &str = "arn:aws:iam::role/vend";
/// STS with one role: it may do everything, so that a session is as narrow as its own policy and no narrower.
const ROLES: &str = r#"{
    "sts": {"tokenDuration": "1h", "maxSessionLength": "12h", "issuer": "testkit",
        "signingKey": "dGVzdGtpdC1zaWduaW5nLWtleS0zMi1jaGFyYWN0ZXJzLWxvbmc="},
    "policy": {"defaultEffect": "Deny", "storeType": "memory"},
    "roles": [{"roleName": "vend", "roleArn": "arn:aws:iam::role/vend", "attachedPolicies": ["all"],
        "trustPolicy": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole"]}]}}],
    "policies": [{"name": "all", "document": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:*", "sts:*"], "Resource": ["*"]}]}}]
}"#;
/// Its parts that listen.
const PORTS: [&str; 8] = [
    "-master.port",
    "-master.port.grpc",
    "-volume.port",
    "-volume.port.grpc",
    "-filer.port",
    "-filer.port.grpc",
    "-s3.port",
    "-s3.port.grpc",
];
/// Starts the program and kills it when the pipe on standard input is closed; the directory goes too.
const KEEPER: &str =
    r#"directory=$1; shift; "$@" & started=$!; read -r _; kill -9 "$started"; wait "$started"; rm -rf -- "$directory""#;

/// The running store. Buckets are made by the first object in them.
#[derive(Debug)]
pub struct Weed {
    endpoint: String,
    _keeper: Child,
}

impl Weed {
    /// Starts the program `weed`.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(program: &Path) -> Self {
        let directory = tempfile::TempDir::new().expect("a directory").keep();
        let keys = format!(
            r#"{{"identities":[{{"name":"t","credentials":[{{"accessKey":"{ACCESS_KEY_ID}","secretKey":"{SECRET_ACCESS_KEY}"}}],"actions":["Admin","Read","Write","List"]}}]}}"#
        );
        let config = directory.join("s3.json");
        std::fs::write(&config, keys).expect("a file of keys");
        let roles = directory.join("iam.json");
        std::fs::write(&roles, ROLES).expect("a file of roles");
        let free: Vec<TcpListener> = PORTS.iter().map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let ports: Vec<u16> = free.iter().map(|port| port.local_addr().expect("an address").port()).collect();
        drop(free);
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(&directory).arg(program).arg("server");
        command.args(["-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-filer", "-s3", "-master.telemetry=false"]);
        command.args(["-s3.port.iceberg", "0", "-s3.port.lance", "0", "-volume.max", "500"]);
        command.args(["-master.volumeSizeLimitMB", "64"]).arg("-dir").arg(&directory).arg("-s3.config").arg(&config);
        command.arg("-s3.iam.config").arg(&roles);
        for (name, port) in PORTS.iter().zip(&ports) {
            command.arg(name).arg(port.to_string());
        }
        let log = std::fs::File::create(directory.join("weed.log")).expect("a log");
        let errors = log.try_clone().expect("a log");
        let mut keeper = command.stdin(Stdio::piped()).stdout(log).stderr(errors).spawn().expect("a shell");
        let [master, .., s3, _] = ports.as_slice() else { panic!("eight ports") };
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if answer(*s3, "/").contains("HTTP/1.") && answer(*master, "/dir/assign").contains("\"fid\"") {
                return Self { endpoint: format!("http://127.0.0.1:{s3}"), _keeper: keeper };
            }
            std::thread::sleep(PAUSE);
        }
        drop(keeper.kill());
        drop(keeper.wait());
        panic!("no store: {}", std::fs::read_to_string(directory.join("weed.log")).unwrap_or_default());
    }

    /// Where it answers.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

/// What a port answers to one GET; empty if nothing.
fn answer(port: u16, path: &str) -> String {
    let mut text = String::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        drop(stream.set_read_timeout(Some(Duration::from_secs(5))));
        drop(stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()));
        drop(stream.read_to_string(&mut text));
    }
    text
}
