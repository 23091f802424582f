//! A PostgreSQL cluster that belongs to the test process: made from the installed programs in a temporary directory, on
//! a free loopback port, writing through to the disk, with a fresh database for each test. It ends with the process,
//! however that ends: a shell that holds it waits on a pipe whose other end only this process has. Knows nothing of the
//! store, so that the store's own tests use the same file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should end")]
#![allow(unreachable_pub, reason = "the store's tests take this file in as a private module")]
#![allow(clippy::disallowed_methods, reason = "a test looks at the machine it runs on")]

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Where Debian's packages put the server's programs, one directory a version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Makes a cluster, serves it until its standard input ends, removes it. A line of output says that it is ready, and one
/// more for each line of input that the server started again as a standby.
const LIFE: &str = r#"
dir=$(mktemp -d) || exit 1
trap '' INT
serve() {
  "$1/postgres" -D "$dir/data" -p "$2" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=on \
    -c max_connections=400 -c shared_buffers=64MB >>"$dir/log" 2>&1 </dev/null &
  pid=$!
  tries=0
  until "$1/pg_isready" -q -h 127.0.0.1 -p "$2"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 "$pid"; then kill -QUIT "$pid"; wait "$pid"; rm -rf "$dir"; exit 1; fi
    sleep 0.1
  done
  echo ready
}
"$1/initdb" -D "$dir/data" -U polder -A trust -E UTF8 --no-locale --no-sync >"$dir/log" 2>&1 || { rm -rf "$dir"; exit 1; }
serve "$1" "$2"
while read -r _; do
  "$1/pg_ctl" -D "$dir/data" -m fast -w stop >>"$dir/log" 2>&1
  touch "$dir/data/standby.signal"
  serve "$1" "$2"
done
kill -QUIT "$pid"
wait "$pid"
rm -rf "$dir"
"#;

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    port: u16,
    /// The shell; its standard input is what the cluster lives by.
    shell: Child,
    /// What it says.
    said: BufReader<ChildStdout>,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The URL of a fresh, empty database.
///
/// # Panics
/// If PostgreSQL's programs are missing: `cargo xtask test` leaves these tests out then, and says so.
#[must_use]
pub fn fresh_database() -> String {
    CLUSTER.get_or_init(Cluster::make).fresh_database()
}

impl Cluster {
    /// A cluster of one's own.
    ///
    /// # Panics
    /// As [`fresh_database`].
    #[must_use]
    pub fn make() -> Self {
        let programs = programs().expect("SKIPPED: PostgreSQL is not installed (Debian's package `postgresql`)");
        (0..3).find_map(|_| start(&programs)).expect("a PostgreSQL cluster")
    }

    /// The URL of a fresh, empty database in it.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn fresh_database(&self) -> String {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let made = Command::new(self.programs.join("createdb"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "polder", &name])
            .stdin(Stdio::null())
            .output()
            .expect("createdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        format!("postgres://polder@127.0.0.1:{}/{name}?sslmode=disable", self.port)
    }

    /// Starts the server again as a standby that follows nobody: what a primary becomes after a failover.
    ///
    /// # Panics
    /// If it does not start.
    pub fn demote(&mut self) {
        self.shell.stdin.as_mut().unwrap().write_all(b"demote\n").unwrap();
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
    }
}

/// Everything in a database, as SQL.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn dump(url: &str) -> Vec<u8> {
    let programs = programs().expect("PostgreSQL's programs");
    let dumped = Command::new(programs.join("pg_dump")).args(["-d", url]).stdin(Stdio::null()).output();
    let dumped = dumped.expect("pg_dump runs");
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    dumped.stdout
}

/// The programs of the newest version, if there is one.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).ok()?.filter_map(|entry| {
        let path = entry.ok()?.path();
        let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
        path.join("bin/initdb").exists().then(|| (number, path.join("bin")))
    });
    versions.max().map(|(_, path)| path)
}

fn start(programs: &Path) -> Option<Cluster> {
    let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
    // The server refuses to run as root.
    let root = Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.trim_ascii() == b"0");
    let mut command = if root { Command::new("runuser") } else { Command::new("sh") };
    if root {
        command.args(["-u", "postgres", "--", "sh"]);
    }
    command.arg("-c").arg(LIFE).arg("postgres-life").arg(programs).arg(port.to_string());
    command.current_dir("/").env_remove("TMPDIR");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut shell = command.spawn().ok()?;
    let (mut line, mut said) = (String::new(), BufReader::new(shell.stdout.take()?));
    said.read_line(&mut line).ok()?;
    (line == "ready\n").then(|| Cluster { programs: programs.to_owned(), port, shell, said })
}
