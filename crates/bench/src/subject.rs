//! The subject: the built binary, installed below a directory of its own and serving on a free loopback port.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Options, Result, client,
    weed::{ACCESS_KEY_ID, ROLE, SECRET_ACCESS_KEY, Weed},
    wire,
    wire::Caller,
};

/// The tenant whose tables are measured.
pub(crate) const TENANT: &str = "acme";
/// Its warehouse.
pub(crate) const WAREHOUSE: &str = "lake";
/// How long a server may take to answer or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A child process with its port; killed when dropped, if it was not stopped.
pub(crate) struct Server {
    child: Child,
    /// Where it answers.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a command that will listen at `address`, and waits until it accepts.
    pub(crate) fn start(mut command: Command, address: SocketAddr) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let mut server = Self { child, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("the server ended: {status}").into());
            }
            if begun.elapsed() > PATIENCE {
                return Err("the server does not answer".into());
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok(server)
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// A load on it.
    pub(crate) fn load(&self, connections: usize, requests: client::Requests) -> client::Load {
        client::Load { address: self.address, process: Some(self.process()), connections, requests }
    }

    /// Asks it to end, and waits.
    pub(crate) fn stop(mut self) -> Result<()> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                return Err("the server does not end".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port that is free just now.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// An installation of the binary.
pub(crate) struct Installation {
    polder: PathBuf,
    directory: TempDir,
    address: SocketAddr,
    operations: Option<SocketAddr>,
    /// The operator's credential, `id:secret`.
    operator: String,
}

/// A tenant with an engineer in it.
pub(crate) struct Lake {
    /// The engineer's credential, `id:secret`.
    pub(crate) engineer: String,
}

impl Installation {
    /// Installs into a fresh directory; `database` is a PostgreSQL URL, or the embedded one.
    pub(crate) fn new(options: &Options, database: Option<&str>) -> Result<Self> {
        let database = database.map(|url| format!("[database]\nurl = \"{url}\"\n"));
        Self::with(options, &database.unwrap_or_default())
    }

    /// Installs as [`Self::new`] does, with a listener for who watches it.
    pub(crate) fn watched(options: &Options, database: Option<&str>) -> Result<Self> {
        let operations = free_address()?;
        let database = database.map(|url| format!("[database]\nurl = \"{url}\"\n")).unwrap_or_default();
        let mut installation = Self::with(options, &format!("{database}[operations]\nlisten = \"{operations}\"\n"))?;
        installation.operations = Some(operations);
        Ok(installation)
    }

    /// Statements that its server sent to the database so far; only if it is watched.
    pub(crate) fn statements(&self) -> Result<u64> {
        let operations = self.operations.ok_or("nobody watches this installation")?;
        let (_, text) = Caller::connect(operations, None)?.send(&wire::request("GET", "/metrics", None, None))?;
        let text = String::from_utf8(text)?;
        let count = text.lines().find_map(|line| line.strip_prefix("polder_store_statements_total "));
        Ok(count.ok_or("statements are not counted")?.trim().parse()?)
    }

    /// Installs with warehouses in a store, which makes keys for single tables.
    pub(crate) fn on_s3(options: &Options, store: &Weed) -> Result<Self> {
        let settings = format!(
            "managed_base = \"s3://managed/base\"\n[[storage.s3]]\nendpoint = \"{}\"\nregion = \"us-east-1\"\n\
             path_style = true\naccess_key_id = \"{ACCESS_KEY_ID}\"\nsecret_access_key_file = \"s3.secret\"\n\
             buckets = [\"managed\"]\n[storage.s3.vending]\nprovider = \"sts\"\nrole_arn = \"{ROLE}\"\n",
            store.endpoint()
        );
        Self::with(options, &settings)
    }

    fn with(options: &Options, settings: &str) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("polder-bench-").tempdir_in(&options.directory)?;
        let address = free_address()?;
        let config = format!(
            "listen = \"{address}\"\ndata_dir = \"{0}/data\"\naccess_log = \"{0}/access.log\"\n{settings}",
            directory.path().display()
        );
        std::fs::write(directory.path().join("polder.toml"), config)?;
        std::fs::write(directory.path().join("s3.secret"), SECRET_ACCESS_KEY)?;
        let (polder, operator) = (options.polder.clone(), String::new());
        let mut installation = Self { polder, directory, address, operations: None, operator };
        let output = installation.command(&["init", "--config", "polder.toml"]).output()?;
        if !output.status.success() {
            return Err(format!("polder init: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        installation.operator = String::from_utf8(output.stdout)?.trim().to_owned();
        Ok(installation)
    }

    /// The directory of everything.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.polder);
        command.args(args).current_dir(self.directory.path()).stdin(Stdio::null());
        // Authentication is on wherever it runs; nothing else of our own environment comes along.
        command.env_clear().env("POLDER_ENVIRONMENT", "dev").env("POLDER_API_PUBLIC", "false");
        command
    }

    /// Starts the server.
    pub(crate) fn serve(&self) -> Result<Server> {
        let mut command = self.command(&["serve", "--config", "polder.toml"]);
        command.stderr(std::fs::File::create(self.directory.path().join("stderr.log"))?);
        Server::start(command, self.address)
    }

    /// Makes a tenant, a warehouse and an engineer through the doors that everybody uses.
    pub(crate) fn found(&self, server: &Server) -> Result<Lake> {
        let mut operator = Caller::connect(server.address, Some(&basic(&self.operator)))?;
        let founded = operator.json("POST", "/api/v1/admin/tenants", Some(&json!({"id": TENANT, "admin": "admin"})))?;
        let admin = text(&founded, "/key/credential")?;
        let mut caller = Caller::connect(server.address, Some(&basic(&admin)))?;
        let mut post = |path: &str, body: Value| caller.json("POST", path, Some(&body));
        post("/api/v1/admin/warehouses", json!({"name": WAREHOUSE, "default": true}))?;
        post("/api/v1/admin/principals", json!({"name": "engineer", "kind": "service"}))?;
        post("/api/v1/admin/roles", json!({"name": "engineer"}))?;
        let key = post("/api/v1/admin/keys", json!({"principal": "engineer", "scopes": "catalog"}))?;
        let privileges = ["list", "read", "write", "create", "drop", "read_unrestricted"];
        let grant = json!({"role": "engineer", "privileges": privileges, "on": {"warehouse": WAREHOUSE}});
        post("/api/v1/admin/grants", grant)?;
        caller.json("PUT", "/api/v1/admin/roles/engineer/principals/engineer", Some(&json!({})))?;
        Ok(Lake { engineer: text(&key, "/credential")? })
    }
}

/// A string in an answer.
pub(crate) fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    Ok(found.ok_or_else(|| format!("no `{pointer}` in {value}"))?.to_owned())
}

/// `Authorization` for `id:secret`.
pub(crate) fn basic(credential: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("Basic ");
    for three in credential.as_bytes().chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let six = (bits >> (18 - 6 * place)) & 63;
            let letter = ALPHABET.get(usize::try_from(six).unwrap_or_default()).copied().unwrap_or(b'=');
            text.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// The request for a token by client credentials.
pub(crate) fn token_request(credential: &str) -> Result<bytes::Bytes> {
    let (id, secret) = credential.split_once(':').ok_or("a credential is `id:secret`")?;
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope=catalog");
    let kind = "application/x-www-form-urlencoded";
    Ok(wire::request("POST", "/iceberg/v1/oauth/tokens", None, Some((kind, form.as_bytes()))))
}

/// `Authorization` with a fresh token, as engines use it.
pub(crate) fn bearer(server: &Server, credential: &str) -> Result<String> {
    let (status, body) = Caller::connect(server.address, None)?.send(&token_request(credential)?)?;
    if status != 200 {
        return Err(format!("no token: {status} {}", String::from_utf8_lossy(&body)).into());
    }
    Ok(format!("Bearer {}", text(&serde_json::from_slice(&body)?, "/access_token")?))
}

/// An installation with the demo's tables and people.
pub(crate) struct TpchDemo {
    installation: Installation,
}

impl TpchDemo {
    /// Makes TPC-H at this scale, as the demo does.
    pub(crate) fn new(options: &Options, scale: f64) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("polder-bench-").tempdir_in(&options.directory)?;
        let address = free_address()?;
        let config = format!(
            "listen = \"{address}\"\ndata_dir = \"{0}/data\"\naccess_log = \"{0}/access.log\"\n",
            directory.path().display()
        );
        std::fs::write(directory.path().join("polder.toml"), config)?;
        let (polder, operator) = (options.polder.clone(), String::new());
        let installation = Installation { polder, directory, address, operations: None, operator };
        let (scale, listen) = (scale.to_string(), address.to_string());
        let args = ["demo", "--data", "data", "--scale", &scale, "--listen", &listen, "--exit", "--json"];
        let output = installation.command(&args).output()?;
        if !output.status.success() {
            return Err(format!("polder demo: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(Self { installation })
    }

    /// Starts the server over it.
    pub(crate) fn serve(&self) -> Result<Server> {
        self.installation.serve()
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.installation.directory().join("data")
    }

    /// The credential of one of the demo's people.
    pub(crate) fn credential(&self, holder: &str) -> Result<String> {
        let people: Value = serde_json::from_slice(&std::fs::read(self.data().join("demo-credentials.json"))?)?;
        text(&people, &format!("/{holder}"))
    }
}
