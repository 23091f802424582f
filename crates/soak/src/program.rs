//! The built program in a directory of its own: installed, served, killed, stopped; always by its own process id.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    client::{Client, Reply},
    failure::{Outcome, Why},
};

/// How long it may take to answer after its start, or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(2);
/// Ports below those that the system hands out: nobody takes one while the server is down.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// `polder serve`.
pub(crate) struct Program {
    path: PathBuf,
    directory: Option<TempDir>,
    root: PathBuf,
    address: String,
    /// Further variables of `serve`.
    variables: Vec<(String, String)>,
    child: Option<Child>,
}

impl Program {
    /// Installs the program at `path` below a fresh directory; `settings` goes into its configuration.
    pub(crate) fn install(path: &Path, seed: u64, settings: &str) -> Outcome<Self> {
        let path = path.canonicalize().why(format!("the program `{}`", path.display()))?;
        let directory = TempDir::with_prefix("polder-soak-").why("a directory")?;
        let root = directory.path().to_owned();
        let address = free_address(seed)?;
        let config = format!(
            "environment = \"dev\"\napi_public = false\nlisten = \"{address}\"\ndata_dir = \"{0}/data\"\n\
             access_log = \"{0}/access.log\"\n{settings}",
            root.display()
        );
        std::fs::write(root.join("polder.toml"), config).why("the configuration")?;
        Ok(Self { path, directory: Some(directory), root, address, variables: Vec::new(), child: None })
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Everything it keeps and logs.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Sets a variable for the next `serve`.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Runs `polder init` and returns the first credential.
    pub(crate) fn init(&self) -> Outcome<String> {
        let output = self.command(&["init", "--config", "polder.toml"]).output().why("polder init")?;
        if !output.status.success() {
            return Err(format!("polder init: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts it and asks `probe` until it is answered 200; how long that took since the start of the process.
    pub(crate) async fn serve(&mut self, client: &Client, probe: &str) -> Outcome<Duration> {
        let log = File::options().create(true).append(true).open(self.root.join("stderr.log")).why("the log")?;
        let mut command = self.command(&["serve", "--config", "polder.toml"]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let began = Instant::now();
        let child = self.child.insert(command.stdout(Stdio::null()).stderr(log).spawn().why("polder serve")?);
        while began.elapsed() < PATIENCE {
            if let Some(status) = child.try_wait().why("its status")? {
                return Err(format!("polder serve ended with {status}: {}", self.log_tail()));
            }
            match client.get(probe).await {
                Reply::Answer(answer) if answer.status == 200 => return Ok(began.elapsed()),
                Reply::Answer(answer) => return Err(format!("the first answer is {}", answer.text())),
                Reply::Broken(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        Err(format!("no answer at {}: {}", self.address, self.log_tail()))
    }

    /// SIGKILL, and waits.
    pub(crate) fn kill(&mut self) -> Outcome<()> {
        let mut child = self.child.take().why("a running program")?;
        child.kill().why("the signal")?;
        child.wait().map(drop).why("its end")
    }

    /// Waits for it to end by itself (a signal from within). True if it did, by SIGKILL.
    pub(crate) async fn killed_within(&mut self, patience: Duration) -> Outcome<bool> {
        use std::os::unix::process::ExitStatusExt;
        let began = Instant::now();
        while began.elapsed() < patience {
            let status = self.child.as_mut().why("a running program")?.try_wait().why("its status")?;
            if let Some(status) = status {
                self.child = None;
                return if status.signal() == Some(9) {
                    Ok(true)
                } else {
                    Err(format!("it ended with {status}: {}", self.log_tail()))
                };
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(false)
    }

    /// SIGTERM, and waits.
    pub(crate) async fn stop(&mut self) -> Outcome<()> {
        let mut child = self.child.take().why("a running program")?;
        let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().why("kill")?;
        let began = Instant::now();
        while sent.success() && began.elapsed() < PATIENCE {
            if child.try_wait().why("its status")?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        drop(child.kill());
        drop(child.wait());
        Err(format!("it did not end when asked to: {}", self.log_tail()))
    }

    /// The end of what it logged.
    pub(crate) fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(self.root.join("stderr.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Leaves the directory where it is.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.directory.take().map_or_else(|| self.root.clone(), TempDir::keep)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(args).current_dir(&self.root).env_clear().stdin(Stdio::null());
        command
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A loopback address that is free now.
pub(crate) fn free_address(seed: u64) -> Outcome<String> {
    let span = u64::from(PORTS.end - PORTS.start);
    let first = (seed ^ u64::from(std::process::id())) % span;
    for step in 0..span {
        let port = PORTS.start + u16::try_from((first + step) % span).unwrap_or_default();
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().map(|address| address.to_string()).why("an address");
        }
    }
    Err("no free port".to_owned())
}
