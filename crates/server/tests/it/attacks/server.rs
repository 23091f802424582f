//! The server under attack: a process of its own on a free port, with its output kept, ended when the tests end.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use serde_json::Value;

use super::http::{Answer, Request, send};

/// Runs the server until this process has gone, however it goes: then nobody holds the pipe any more.
const KEEPER: &str = "\
    \"$1\" demo --json --listen 127.0.0.1:0 --scale 0.001 --data \"$2/data\" 2> \"$2/stderr\" & server=$!; \
    read -r _; kill \"$server\"; wait \"$server\"; rm -rf \"$2\"";

/// A running server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    directory: PathBuf,
    ready: Value,
    // Kept: the keeper ends the server when this end of the pipe is gone.
    _pipe: ChildStdin,
    _keeper: Child,
}

impl Server {
    /// Starts `POLDER_BIN`, or the binary of this build, and waits until it is ready.
    pub(super) fn start() -> Self {
        let binary = std::env::var("POLDER_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_polder").to_owned());
        let directory = tempfile::tempdir().unwrap().keep();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper", &binary])
            .arg(&directory)
            .env_remove("POLDER_CREDENTIAL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe = keeper.stdin.take().unwrap();
        let mut stdout = BufReader::new(keeper.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!("`{binary}` did not become ready: `{line}`\n{}", read(&directory.join("stderr")))
        });
        // Whoever stops reading a pipe stops its writer.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        let base_url = ready["base_url"].as_str().unwrap();
        let address = base_url.trim_start_matches("http://").parse().unwrap();
        Self { address, directory, ready, _pipe: pipe, _keeper: keeper }
    }

    /// The credential of one of the demo's people.
    pub(super) fn credential(&self, holder: &str) -> String {
        self.ready.pointer(&format!("/principals/{holder}/credential")).and_then(Value::as_str).unwrap().to_owned()
    }

    /// The credential of the operator, from the file that the demo keeps.
    pub(super) fn operator(&self) -> String {
        let kept: Value = serde_json::from_str(&read(&self.directory.join("data/demo-credentials.json"))).unwrap();
        kept["operator"].as_str().unwrap().to_owned()
    }

    /// What it wrote to its log so far.
    pub(super) fn log(&self) -> String {
        read(&self.directory.join("stderr"))
    }

    /// Sends a request, which must be answered.
    pub(super) async fn ask(&self, method: &'static str, path: &str, credential: &str, body: Option<&Value>) -> Answer {
        let request = Request::new(method, path, credential, body);
        send(self.address, &request).await.unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log()))
    }

    /// Sends a request, which must succeed; returns its answer.
    pub(super) async fn must(&self, method: &'static str, path: &str, credential: &str, body: &Value) -> Value {
        let answer = self.ask(method, path, credential, Some(body)).await;
        assert!((200..300).contains(&answer.status), "{method} {path} {body}: {}", answer.brief());
        answer.json()
    }

    /// True while it answers.
    pub(super) async fn is_alive(&self) -> bool {
        let request = Request { credential: None, ..Request::new("GET", "/livez", "", None) };
        send(self.address, &request).await.is_ok_and(|answer| answer.status == 200)
    }
}

fn read(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
