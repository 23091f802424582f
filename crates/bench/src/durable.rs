//! The bare loop that a durable commit is compared with: file, fsync, link, fsync of the directory; then one SQLite
//! transaction that moves a pointer and writes a commit row and an audit row. No HTTP, no policy, nothing to decide.

use std::{
    fs::{File, OpenOptions, hard_link, remove_file},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::Result;

/// The loop with its directory and its database.
pub(crate) struct Durable {
    directory: PathBuf,
    database: Connection,
    document: Vec<u8>,
    table: Uuid,
    pointer: String,
}

impl Durable {
    /// Prepares both; `document` is what a metadata file holds.
    pub(crate) fn new(directory: &Path, document: Vec<u8>) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let database = Connection::open(directory.join("bare.db"))?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.pragma_update(None, "synchronous", "FULL")?;
        database.execute_batch(
            "CREATE TABLE relations (tenant TEXT, id BLOB, pointer TEXT, version INTEGER, PRIMARY KEY (tenant, id));
             CREATE TABLE commits (tenant TEXT, id BLOB, version INTEGER, at INTEGER, request TEXT, principal BLOB,
                 previous TEXT, pointer TEXT, PRIMARY KEY (tenant, id, version));
             CREATE TABLE audit (tenant TEXT, id TEXT, at INTEGER, request TEXT, principal BLOB, action TEXT,
                 object TEXT, decision TEXT, detail TEXT, PRIMARY KEY (tenant, id));",
        )?;
        let (table, pointer) = (Uuid::new_v4(), "file:///none".to_owned());
        let insert = "INSERT INTO relations VALUES ('acme', ?1, ?2, 1)";
        database.execute(insert, params![table.as_bytes(), pointer])?;
        Ok(Self { directory: directory.to_owned(), database, document, table, pointer })
    }

    /// Commits for so long; how many a second.
    pub(crate) fn run(&mut self, duration: Duration) -> Result<f64> {
        let begun = Instant::now();
        let mut count = 0_u32;
        while begun.elapsed() < duration {
            self.commit()?;
            count += 1;
        }
        Ok(f64::from(count) / begun.elapsed().as_secs_f64())
    }

    fn commit(&mut self) -> Result<()> {
        let name = Uuid::new_v4();
        let (temporary, path) =
            (self.directory.join(format!(".{name}.tmp")), self.directory.join(format!("{name}.metadata.json")));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.write_all(&self.document)?;
        file.sync_all()?;
        hard_link(&temporary, &path)?;
        remove_file(&temporary)?;
        File::open(&self.directory)?.sync_all()?;
        self.swap(format!("file://{}", path.display()))
    }

    fn swap(&mut self, pointer: String) -> Result<()> {
        let tx = self.database.transaction()?;
        let request = Uuid::new_v4().to_string();
        let swap = "UPDATE relations SET pointer = ?1, version = version + 1 \
                    WHERE tenant = 'acme' AND id = ?2 AND pointer = ?3 RETURNING version";
        let id = self.table.as_bytes();
        let version: i64 = tx.prepare_cached(swap)?.query_row(params![pointer, id, self.pointer], |row| row.get(0))?;
        tx.prepare_cached("INSERT INTO commits VALUES ('acme', ?1, ?2, ?3, ?4, ?1, ?5, ?6)")?.execute(params![
            id,
            version,
            version,
            request,
            self.pointer,
            pointer
        ])?;
        let detail = format!("{{\"from\":\"{}\",\"to\":\"{pointer}\"}}", self.pointer);
        tx.prepare_cached("INSERT INTO audit VALUES ('acme', ?1, ?2, ?1, ?3, 'commit', 'table', 'allow', ?4)")?
            .execute(params![request, version, id, detail])?;
        tx.commit()?;
        self.pointer = pointer;
        Ok(())
    }
}
