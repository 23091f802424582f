//! A PostgreSQL cluster of a run's own, from the system's package: on a free loopback port, flushing as it would in
//! earnest, stopped by its own process id. Refuses to run where the package is missing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    failure::{Outcome, Why},
    program::free_address,
};

/// Where Debian's package puts its programs, one folder a version.
const INSTALLED: &str = "/usr/lib/postgresql";
/// PostgreSQL refuses to run as root; the package makes this user.
const USER: &str = "postgres";
/// How long the cluster may take to start, or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running cluster; its directory goes with it.
pub(crate) struct Cluster {
    child: Child,
    address: String,
    _directory: TempDir,
}

impl Cluster {
    /// Makes and starts one.
    pub(crate) fn start(seed: u64) -> Outcome<Self> {
        let programs = programs()?;
        let directory = TempDir::with_prefix("polder-soak-postgres-").why("a directory")?;
        let data = directory.path().join("data");
        if is_root()? {
            let given = Command::new("chown").arg(USER).arg(directory.path()).status().why("chown")?;
            if !given.success() {
                return Err(format!("the directory could not be given to `{USER}`"));
            }
        }
        let mut initdb = as_user(&programs.join("initdb"))?;
        initdb.args(["--auth=trust", "--username=polder", "--encoding=UTF8", "--locale=C", "-D"]).arg(&data);
        let made = initdb.stdin(Stdio::null()).output().why("initdb")?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)));
        }
        let address = free_address(seed.wrapping_add(5_000))?;
        let port = &address.rsplit(':').next().why("a port")?.to_owned();
        let log = fs::File::create(directory.path().join("log")).why("a log")?;
        let mut server = as_user(&programs.join("postgres"))?;
        server.arg("-D").arg(&data).args([
            "-p",
            port,
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
        ]);
        let child = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().why("postgres")?;
        let cluster = Self { child, address, _directory: directory };
        let began = Instant::now();
        let mut ready = Command::new(programs.join("pg_isready"));
        ready.args(["-q", "-h", "127.0.0.1", "-p", port, "-U", "polder", "-d", "postgres"]);
        while !ready.status().why("pg_isready")?.success() {
            if began.elapsed() > PATIENCE {
                return Err("PostgreSQL did not start".to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(cluster)
    }

    /// The URL of its first database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://polder@{}/postgres", self.address)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(Command::new("kill").args(["-INT", &self.child.id().to_string()]).status());
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The folder of the newest version's programs.
fn programs() -> Outcome<PathBuf> {
    let versions =
        fs::read_dir(INSTALLED).why(format!("PostgreSQL below `{INSTALLED}`; install the package `postgresql`"))?;
    let newest = versions
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("bin/initdb").is_file())
        .max_by_key(|path| path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u32>().ok()));
    newest.map(|path| path.join("bin")).why(format!("PostgreSQL's programs below `{INSTALLED}`"))
}

fn is_root() -> Outcome<bool> {
    let output = Command::new("id").arg("-u").output().why("id")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim() == "0")
}

fn as_user(program: &Path) -> Outcome<Command> {
    if !is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups", "--"]).arg(program);
    // Its own directory: the one that we were started in may not be the user's to enter.
    command.current_dir("/");
    Ok(command)
}
