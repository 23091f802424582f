//! A PostgreSQL of the system's package, with a cluster of its own on a free loopback port.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;

use crate::{Result, subject::free_address};

/// Where packages put the programs.
const PLACES: &str = "/usr/lib/postgresql";
const PATIENCE: Duration = Duration::from_secs(30);

/// A running cluster; stopped when dropped.
pub(crate) struct Postgres {
    programs: PathBuf,
    data: TempDir,
    address: SocketAddr,
}

impl Postgres {
    /// Makes a cluster and starts it, as the system's user `postgres` if this process is root's.
    pub(crate) fn start(directory: &Path) -> Result<Self> {
        let mut versions: Vec<PathBuf> =
            std::fs::read_dir(PLACES)?.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
        versions.sort();
        let programs = versions.pop().ok_or("no PostgreSQL is installed")?;
        let data = tempfile::Builder::new().prefix("polder-bench-pg-").tempdir_in(directory)?;
        let postgres = Self { programs, data, address: free_address()? };
        if is_root() {
            Command::new("chown").arg("postgres").arg(postgres.data.path()).status()?;
        }
        postgres.run("initdb", &["-D", "data", "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C"])?;
        let options = format!("-p {} -k '' -c listen_addresses=127.0.0.1", postgres.address.port());
        postgres.run("pg_ctl", &["-D", "data", "-o", &options, "-l", "log", "-w", "start"])?;
        let begun = Instant::now();
        while std::net::TcpStream::connect(postgres.address).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err("PostgreSQL does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(postgres)
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("postgres://bench@{}/postgres?sslmode=disable", self.address)
    }

    /// Makes the reference's own table: names with a unique index.
    pub(crate) fn bare_table(&self, namespace: &str, tables: usize) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url()).await?;
            connection
                .execute(
                    "CREATE TABLE bare (tenant TEXT, namespace TEXT, name TEXT, pointer TEXT, version BIGINT, \
                     PRIMARY KEY (tenant, namespace, name))",
                )
                .await?;
            for n in 0..tables {
                let insert = sqlx::query("INSERT INTO bare VALUES ('acme', $1, $2, 'file:///somewhere', 1)");
                insert.bind(namespace).bind(format!("table_{n:04}")).execute(&mut connection).await?;
            }
            connection.execute("ANALYZE bare").await?;
            Ok(())
        })
    }

    /// Takes statistics of what was just filled, as the server does by itself within a minute.
    pub(crate) fn analyze(&self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { Ok(PgConnection::connect(&self.url()).await?.execute("ANALYZE").await.map(drop)?) })
    }

    fn run(&self, program: &str, args: &[&str]) -> Result<()> {
        let path = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        let status =
            command.args(args).current_dir(self.data.path()).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
        if status.success() { Ok(()) } else { Err(format!("{program}: {status}").into()) }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.run("pg_ctl", &["-D", "data", "-m", "immediate", "stop"]));
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|facts| std::os::unix::fs::MetadataExt::uid(&facts) == 0)
}
