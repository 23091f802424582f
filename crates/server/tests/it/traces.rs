//! What unmodified engines were recorded to send, sent again: every line is answered as the specification says, with the
//! error that the client knows. What a server hands out (table uuids, locations, tags) and times are mapped, everything
//! else goes as it was recorded, the headers that decide anything too.

mod recorded;

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use polder_testkit::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};

use recorded::{Line, read};

/// Where the recordings lie, beside the checkout.
const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/client-traces");

/// A table as our server knows it.
#[derive(Clone)]
struct Known {
    uuid: String,
    location: String,
}

/// A client that sends its recording again to a server of its own.
pub(crate) struct Replay {
    world: World,
    /// True if keys for single tables are made there.
    vends: bool,
    root: String,
    now_ms: i64,
    /// As in the path.
    namespaces: HashSet<String>,
    /// By namespace and name as in the path.
    tables: HashMap<String, Known>,
    /// Those of them that are prepared and do not exist yet.
    staged: HashSet<String>,
    /// The tags that were told of each, as they came.
    tags: HashMap<String, Vec<String>>,
    seen: Seen,
}

/// How many answers of a kind were judged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) sent: usize,
    /// 304.
    pub(crate) unchanged: usize,
    /// Errors of the type that was recorded.
    pub(crate) refused: usize,
    /// With keys.
    pub(crate) keys: usize,
}

impl std::ops::AddAssign for Seen {
    fn add_assign(&mut self, more: Self) {
        self.sent += more.sent;
        self.unchanged += more.unchanged;
        self.refused += more.refused;
        self.keys += more.keys;
    }
}

impl Replay {
    pub(crate) async fn on(world: World, vends: bool) -> Self {
        let made = world.create_table("pub", "probe").await;
        let location = made["metadata"]["location"].as_str().unwrap().to_owned();
        let root = location.rsplit_once('/').unwrap().0.to_owned();
        let now_ms = made["metadata"]["last-updated-ms"].as_i64().unwrap() + 5_000;
        Self {
            world,
            vends,
            root,
            now_ms,
            namespaces: HashSet::new(),
            tables: HashMap::new(),
            staged: HashSet::new(),
            tags: HashMap::new(),
            seen: Seen::default(),
        }
    }

    /// Sends a whole recording in its order; returns what was judged.
    pub(crate) async fn run(mut self, client: &str) -> Seen {
        let mut lines = read(&format!("{RECORDINGS}/{client}.jsonl"));
        // Tokens have tests of their own; a wipe is of what an earlier run left.
        lines.retain(|line| line.template != "/v1/oauth/tokens" && line.step != "wipe");
        for (index, line) in lines.iter().enumerate() {
            let at = format!("{client} line {} ({}) {} {}", line.n, line.step, line.method, line.path);
            self.leave(&lines[index..]).await;
            self.line(line, &at).await;
        }
        self.seen
    }

    /// Makes what the first of these lines finds although none of its recording makes it: an earlier run left it there.
    async fn leave(&mut self, lines: &[Line]) {
        let line = &lines[0];
        if !matches!(line.status, 200 | 304) {
            return;
        }
        if let Some(namespace) = line.namespace().filter(|namespace| !self.namespaces.contains(namespace)) {
            let levels: Vec<&str> = namespace.split("%1F").collect();
            let body = json!({"namespace": levels});
            drop(self.world.engineer.post("/iceberg/v1/lake/namespaces", &body).await.expect(200));
            self.namespaces.insert(namespace);
        }
        let Some(table) = line.table().filter(|table| !self.tables.contains_key(table)) else { return };
        let (namespace, name) = table.split_once('/').unwrap();
        let made = self.world.create_table(namespace, name).await;
        let [uuid, location] = ["table-uuid", "location"].map(|key| made["metadata"][key].as_str().unwrap().to_owned());
        if let Some(id) = lines.iter().filter(|line| line.table().as_ref() == Some(&table)).find_map(Line::parent) {
            // The recording goes on where the earlier one ended.
            let snapshot = json!({
                "snapshot-id": id, "sequence-number": 1, "timestamp-ms": self.now_ms, "schema-id": 0,
                "manifest-list": format!("{location}/metadata/left.avro"), "summary": {"operation": "append"},
            });
            let main = json!({"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": id});
            let updates = json!([{"action": "add-snapshot", "snapshot": snapshot}, main]);
            let path = format!("/iceberg/v1/lake/namespaces/{namespace}/tables/{name}");
            drop(self.world.engineer.post(&path, &json!({"requirements": [], "updates": updates})).await.expect(200));
        }
        self.tables.insert(table, Known { uuid, location });
    }

    /// Sends one line and checks its answer.
    async fn line(&mut self, line: &Line, at: &str) {
        let body = line.body.clone().or_else(|| line.report()).map(|body| self.mapped(line, body));
        let answer = self.send(line, body.as_ref(), at).await;
        self.seen.sent += 1;
        let wanted = self.wanted(line);
        assert_eq!(answer.status, wanted, "{at}: {}", answer.text());
        // Where the recorded server refused and we must not, its error is not ours to give.
        if let Some(recorded) = line.error.as_ref().filter(|_| wanted == line.status) {
            assert_eq!(answer.error("type"), *recorded, "{at}");
            self.seen.refused += 1;
        }
        if wanted == 304 {
            assert!(answer.body.is_empty() && answer.header("etag").is_some(), "{at}");
            self.seen.unchanged += 1;
        }
        if wanted == 200 {
            self.judge_access(line, &answer, at);
        }
        if line.status == 500 {
            // The client went on without the table.
            let name = line.body.as_ref().unwrap()["name"].as_str().unwrap();
            let made = format!("{}/{name}", line.path.replacen("/v1/wh/", "/iceberg/v1/lake/", 1));
            drop(self.world.engineer.delete(&made).await.expect(204));
        } else if wanted < 300 {
            self.learn(line, body.as_ref(), &answer.body);
            self.learn_tag(line, &answer);
        }
    }

    /// Keys go to whoever can work with them, where there are any, and to nobody else.
    fn judge_access(&mut self, line: &Line, answer: &Answer, at: &str) {
        let asked = line.headers.get("x-iceberg-access-delegation").is_some_and(|words| words == "vended-credentials");
        let due = self.vends && (line.is("/credentials") || (line.tells_access() && asked));
        let keys = || answer.json()["storage-credentials"][0]["config"]["s3.session-token"].is_string();
        let came = answer.text().contains("storage-credentials") && keys();
        assert_eq!(came, due, "{at}: {}", answer.text());
        self.seen.keys += usize::from(came);
    }

    async fn send(&self, line: &Line, body: Option<&Value>, at: &str) -> Answer {
        let query = line.query.clone().unwrap_or_default();
        let mut path =
            line.path.replacen("/v1/wh/", "/iceberg/v1/lake/", 1).replacen("/v1/config", "/iceberg/v1/config", 1);
        if let Some(unprefixed) = path.strip_prefix("/v1/") {
            path = format!("/iceberg/v1/{unprefixed}");
        }
        if !query.is_empty() {
            path = format!("{path}?{}", query.replace("warehouse=wh", "warehouse=lake"));
        }
        let headers = line.headers.iter().map(|(name, value)| match *name {
            "if-none-match" => (*name, self.tag(line, at)),
            _ => (*name, value.as_str()),
        });
        let headers: Vec<(&str, &str)> = headers.collect();
        let method: Method = line.method.parse().unwrap();
        self.world.engineer.send(method, &path, &headers, body.map(|body| body.to_string().into_bytes())).await
    }

    /// Our tag in place of the recorded one. What the recorded server said tells whether it was that of the table as it was, or
    /// an older one: no answer's headers were kept.
    fn tag(&self, line: &Line, at: &str) -> &str {
        let told = line.table().and_then(|table| self.tags.get(&table)).map_or(&[][..], Vec::as_slice);
        let back = if line.status == 304 { 1 } else { 2 };
        told.iter().nth_back(back - 1).unwrap_or_else(|| panic!("{at}: no tag was told that long ago: {told:?}"))
    }

    /// What the specification says, given what the recorded server said.
    fn wanted(&self, line: &Line) -> u16 {
        let empty = line.method == "HEAD"
            || line.method == "DELETE"
            || line.is("tables/rename")
            || line.is("views/rename")
            || line.is("transactions/commit");
        match line.status {
            // Spark reports on a table before the commit that makes it, and goes on whatever it is told.
            200 if line.is("/metrics") && line.table().is_some_and(|table| self.staged.contains(&table)) => 404,
            200 if empty || line.is("/metrics") => 204,
            // What was registered there is a table that lives, and whose files are its own here.
            200 if line.is("/register") => 400,
            // The recorded server fell over a spec without `spec-id`, which the specification does not ask for.
            500 => 200,
            // ClickHouse leaves the prefix out: the default warehouse.
            404 if line.path.starts_with("/v1/namespaces/") => 204,
            other => other,
        }
    }

    /// Puts our ids into a body.
    fn mapped(&self, line: &Line, mut body: Value) -> Value {
        match body.get_mut("table-changes").and_then(Value::as_array_mut) {
            Some(changes) => changes.iter_mut().for_each(|change| {
                let table = recorded::identifier(&change["identifier"]);
                self.map(change, self.tables.get(&table));
            }),
            None => self.map(&mut body, line.table().and_then(|table| self.tables.get(&table))),
        }
        body
    }

    fn map(&self, value: &mut Value, table: Option<&Known>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members.iter_mut() {
                    match (name.as_str(), table) {
                        ("uuid" | "table-uuid", Some(table)) => *member = json!(table.uuid),
                        ("timestamp-ms", _) => *member = json!(self.now_ms),
                        _ => self.map(member, table),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.map(item, table)),
            Value::String(text) if text.starts_with("s3://warehouse/") => *text = self.place(text, table),
            _ => {}
        }
    }

    /// Our place for a recorded one: below the table's location, or below the warehouse's root.
    fn place(&self, text: &str, table: Option<&Known>) -> String {
        let inside = ["/metadata/", "/data/"].into_iter().find_map(|part| text.find(part).map(|index| &text[index..]));
        match (table, inside) {
            (Some(table), Some(inside)) => format!("{}{inside}", table.location),
            (Some(table), None) => table.location.clone(),
            (None, _) => text.replacen("s3://warehouse", &self.root, 1),
        }
    }

    /// Remembers the tag of a table that was told, if it is a new one.
    fn learn_tag(&mut self, line: &Line, answer: &Answer) {
        let (Some(table), Some(tag)) = (line.table().or_else(|| line.made()), answer.header("etag")) else { return };
        let told = self.tags.entry(table).or_default();
        if told.last().is_none_or(|last| last != tag) {
            told.push(tag.to_owned());
        }
    }

    /// Remembers what the answer says about the table.
    fn learn(&mut self, line: &Line, body: Option<&Value>, answer: &[u8]) {
        if line.is("tables/rename") || line.is("views/rename") {
            let names =
                body.map(|body| (recorded::identifier(&body["source"]), recorded::identifier(&body["destination"])));
            let (from, to) = names.unwrap();
            if let Some(known) = self.tables.remove(&from) {
                self.tables.insert(to.clone(), known);
            }
            if let Some(told) = self.tags.remove(&from) {
                self.tags.insert(to, told);
            }
            return;
        }
        if line.is("/v1/{prefix}/namespaces") && line.method == "POST" {
            self.namespaces.insert(recorded::levels(&body.unwrap()["namespace"]));
            return;
        }
        let Some(table) = line.table().or_else(|| line.made()) else {
            if let ("DELETE", Some(namespace)) = (line.method.as_str(), line.namespace()) {
                self.namespaces.remove(&namespace);
            }
            return;
        };
        if line.method == "DELETE" {
            self.tables.remove(&table);
            self.tags.remove(&table);
        }
        if !line.is("/metrics") {
            self.staged.remove(&table);
        }
        if body.is_some_and(|body| body["stage-create"] == true) {
            self.staged.insert(table.clone());
        }
        let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return };
        let metadata = &answer["metadata"];
        let uuid = metadata["table-uuid"].as_str().or_else(|| metadata["view-uuid"].as_str());
        if let (Some(uuid), Some(location)) = (uuid, metadata["location"].as_str()) {
            self.tables.insert(table, Known { uuid: uuid.to_owned(), location: location.to_owned() });
        }
    }
}

/// Why there is nothing to send: there are no recordings. In CI there are.
pub(crate) fn missing() -> Option<String> {
    let found = Path::new(RECORDINGS).is_dir();
    assert!(found || std::env::var_os("CI").is_none(), "no recordings at {RECORDINGS}");
    (!found).then(|| format!("SKIPPED: no recordings at {RECORDINGS}"))
}

/// F17: seven clients, every request of theirs that is served, in its order. Here are no keys for
/// whoever asks for them; `s3/recorded.rs` sends those recordings where there are.
#[tokio::test(flavor = "multi_thread")]
async fn recorded_clients_are_answered_as_the_specification_says() {
    if let Some(why) = missing() {
        eprintln!("{why}");
        return;
    }
    let mut seen = Seen::default();
    for client in [
        "chdb",
        "chdb_vended",
        "duckdb",
        "duckdb_vended",
        "flink",
        "flink_vended",
        "iceberg_rust",
        "polars_daft",
        "pyiceberg",
        "spark",
        "spark_credential_refresh",
        "spark_vended",
    ] {
        let judged = Replay::on(World::make().await, false).await.run(client).await;
        println!("{client}: {judged:?}");
        seen += judged;
    }
    assert!(seen.sent > 1_000 && seen.unchanged >= 12 && seen.refused > 150 && seen.keys == 0, "{seen:?}");
}
