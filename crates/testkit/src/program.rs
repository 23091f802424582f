//! The built program: run to its end, or started and stopped by its own process id.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use tempfile::TempDir;

/// How long it may take to answer after its start, or to end after being asked to.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// The program `polder serve`, running.
pub struct Program {
    path: PathBuf,
    directory: TempDir,
    address: String,
    variables: Vec<(String, String)>,
    child: Option<Child>,
}

impl Program {
    /// Installs the program at `path` below a fresh directory, on a port that was free just now.
    ///
    /// # Panics
    /// If no directory or port can be had.
    #[must_use]
    pub fn install(path: &Path) -> Self {
        let directory = TempDir::new().expect("a directory");
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address").to_string();
        let config = format!("listen = \"{address}\"\ndata_dir = \"{}\"\n", directory.path().join("data").display());
        std::fs::write(directory.path().join("polder.toml"), config).expect("a configuration");
        let mut program = Self { path: path.to_owned(), directory, address, variables: Vec::new(), child: None };
        program.set("POLDER_ENVIRONMENT", "dev");
        program.set("POLDER_API_PUBLIC", "false");
        program
    }

    /// Sets a variable of its environment, in which there is nothing else.
    pub fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Takes a variable away.
    pub fn unset(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }

    /// Where it will answer.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything it keeps and logs.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs one command to its end.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program")
    }

    /// Starts `serve` with its standard error in `stderr.log`, and waits until it answers.
    ///
    /// # Panics
    /// If it does not.
    pub fn serve(&mut self) {
        let log = std::fs::File::create(self.stderr()).expect("a log");
        let child = self.command(&["serve", "--config", "polder.toml"]).stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.expect("the program"));
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if std::net::TcpStream::connect(&self.address).is_ok() {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("no answer at {}: {}", self.address, self.log());
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.stderr()).unwrap_or_default()
    }

    /// Asks it to end with SIGTERM and waits.
    ///
    /// # Panics
    /// If it was not started, or does not end.
    pub fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("a running program");
        let ended = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(ended.is_ok_and(|status| status.success()), "the signal was not sent");
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if let Some(status) = child.try_wait().expect("a status") {
                return status;
            }
            std::thread::sleep(PAUSE);
        }
        drop(child.kill());
        panic!("it did not end: {}", self.log());
    }

    fn stderr(&self) -> PathBuf {
        self.directory.path().join("stderr.log")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(args).current_dir(self.directory.path()).stdin(Stdio::null());
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
        drop(std::io::stderr().flush());
    }
}
