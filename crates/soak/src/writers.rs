//! What the clients do: commits to shared tables (blind, and on a head that was read), commits to several tables as one,
//! properties of namespaces, steps of their own tables, reads. Everything is logged before it is sent and after it was
//! answered.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::index};
use serde_json::{Value, json};

use crate::{
    chain,
    client::{Answer, Client, Reply, Told},
    failure::{Outcome, Why},
    history::{Effect, Fate, LAST, Log, OpId, Read, writer_property},
    own::Own,
    world::{LAKE, SHARED, Table, World},
};

/// Most tables of one transaction.
const TABLES_TOGETHER: usize = 3;

/// What all clients of one run share.
pub(crate) struct Shared {
    pub(crate) log: Log,
    pub(crate) tables: Vec<Table>,
    pub(crate) namespaces: Vec<String>,
    pub(crate) transactions: bool,
    pub(crate) idempotency: bool,
    /// The server is being killed: from now on a connection may break.
    pub(crate) killed: AtomicBool,
    /// Clients end after their next answer.
    pub(crate) stop: AtomicBool,
    /// Mutations answered with success in this phase.
    pub(crate) answered: AtomicU64,
}

impl Shared {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            log: Log::new(),
            tables: world.tables.clone(),
            namespaces: world.namespaces.clone(),
            transactions: world.transactions,
            idempotency: world.idempotency,
            killed: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            answered: AtomicU64::new(0),
        }
    }

    fn ended(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// One client that writes.
pub(crate) struct Writer {
    number: usize,
    rng: StdRng,
    pub(crate) own: Own,
    /// A request under a key that no answer came to.
    again: Option<Keyed>,
}

impl Writer {
    pub(crate) fn new(number: usize, seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed.wrapping_add(number as u64));
        Self { number, rng, own: Own::new(number), again: None }
    }

    /// Writes until told to stop or until the connection breaks; returns itself for the next phase.
    pub(crate) async fn run(mut self, client: Client, shared: Arc<Shared>) -> Outcome<Self> {
        let client = client.fresh()?;
        while !shared.ended() {
            let told = match self.rng.random_range(0..100) {
                _ if self.again.is_some() => self.retry(&client, &shared).await?,
                0..50 => self.set(&client, &shared, 1).await?,
                50..65 if shared.transactions => self.set(&client, &shared, TABLES_TOGETHER).await?,
                50..75 => self.append(&client, &shared).await?,
                75..85 => self.register(&client, &shared).await?,
                _ => {
                    let step = self.own.next(&mut self.rng);
                    self.own.take(&client, &shared.log, step).await?
                }
            };
            match told {
                Told::Broken if shared.killed.load(Ordering::Acquire) => return Ok(self),
                Told::Broken => return Err("a connection broke although nobody killed the server".to_owned()),
                Told::Done => drop(shared.answered.fetch_add(1, Ordering::Relaxed)),
                Told::Conflict => {}
                Told::Unavailable | Told::Unknown => {
                    return Err(format!("a client was told {told:?} although nothing was wrong"));
                }
            }
        }
        Ok(self)
    }

    /// Sets this writer's property of one table, or of several as one.
    pub(crate) async fn set(&mut self, client: &Client, shared: &Shared, tables_max: usize) -> Outcome<Told> {
        let many = if tables_max == 1 { 1 } else { self.rng.random_range(2..=tables_max.min(shared.tables.len())) };
        let tables = index::sample(&mut self.rng, shared.tables.len(), many).into_vec();
        let id = shared.log.begin(self.number, tables.clone(), Effect::Set);
        let mut changes = Vec::new();
        for table in tables.iter().filter_map(|table| shared.tables.get(*table)) {
            let mut change = set_body(table, self.number, id);
            change["identifier"] = json!({"namespace": [SHARED], "name": table.name});
            changes.push((table.path(), change));
        }
        let (path, body) = match changes.pop() {
            Some(one) if changes.is_empty() => one,
            last => {
                let changes: Vec<Value> = changes.into_iter().chain(last).map(|(_, change)| change).collect();
                (format!("{LAKE}/transactions/commit"), json!({"table-changes": changes}))
            }
        };
        if shared.idempotency && self.rng.random_bool(0.4) {
            let key = self.fresh_key();
            return self.set_keyed(client, shared, Keyed { id, key, path, body }).await;
        }
        settle(shared, id, client.post(&path, &body).await)
    }

    fn fresh_key(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.rng.random()).into_uuid().to_string()
    }

    /// Sends a request under a key, sometimes twice at the same time; what no answer came to is sent again later, until
    /// one comes.
    async fn set_keyed(&mut self, client: &Client, shared: &Shared, keyed: Keyed) -> Outcome<Told> {
        if self.rng.random_bool(0.7) {
            return self.settle_keyed(shared, keyed.send(client).await, keyed);
        }
        let (one, other) = futures::join!(keyed.send(client), keyed.send(client));
        let (first, second) = (one.told()?, other.told()?);
        if let (Reply::Answer(a), Reply::Answer(b)) = (&one, &other)
            && (first != second || (a.status == 200 && location(a)? != location(b)?))
        {
            return Err(format!("Double: two answers to one key: {} and {}", a.text(), b.text()));
        }
        shared.log.history().rare.twice += u64::from(first != Told::Broken || second != Told::Broken);
        self.settle_keyed(shared, if first == Told::Broken { other } else { one }, keyed)
    }

    /// Sends again what no answer came to.
    async fn retry(&mut self, client: &Client, shared: &Shared) -> Outcome<Told> {
        let keyed = self.again.take().why("a request to send again")?;
        let reply = keyed.send(client).await;
        shared.log.history().rare.again += u64::from(matches!(reply, Reply::Answer(_)));
        self.settle_keyed(shared, reply, keyed)
    }

    fn settle_keyed(&mut self, shared: &Shared, reply: Reply, keyed: Keyed) -> Outcome<Told> {
        let told = reply.told()?;
        match (told, &reply) {
            (Told::Done, Reply::Answer(answer)) => {
                shared.log.history().rare.keyed += 1;
                let locations = if answer.status == 200 { vec![location(answer)?] } else { Vec::new() };
                // Which of several requests under one key has the audit records is not known.
                shared.log.end(keyed.id, Fate::Done(locations), None);
            }
            (Told::Conflict, _) => shared.log.end(keyed.id, Fate::Refused(409), None),
            _ => self.again = Some(keyed),
        }
        Ok(told)
    }

    /// Reads a table and appends a snapshot to the head that it saw.
    async fn append(&mut self, client: &Client, shared: &Shared) -> Outcome<Told> {
        let number = self.rng.random_range(0..shared.tables.len());
        let table = shared.tables.get(number).why("a table")?;
        let Some(metadata) = read(client, shared, number).await? else { return Ok(Told::Broken) };
        let parent = metadata.pointer("/refs/main/snapshot-id").and_then(Value::as_i64);
        let snapshot = self.rng.random_range(1..i64::MAX);
        let id = shared.log.begin(self.number, vec![number], Effect::Append { snapshot, parent });
        let body = append_body(table, &metadata, parent, snapshot, id)?;
        settle(shared, id, client.post(&table.path(), &body).await)
    }

    /// Sets this writer's property of a namespace.
    pub(crate) async fn register(&mut self, client: &Client, shared: &Shared) -> Outcome<Told> {
        let number = self.rng.random_range(0..shared.namespaces.len());
        let namespace = shared.namespaces.get(number).why("a namespace")?;
        let place = (number, self.number);
        let value = {
            let mut history = shared.log.history();
            let written = history.registers.entry(place).or_default();
            let value = written.last().map_or(1, |(value, _)| value + 1);
            written.push((value, Fate::Unknown));
            value
        };
        let body = json!({"removals": [], "updates": {writer_property(self.number): value.to_string()}});
        let reply = client.post(&format!("{LAKE}/namespaces/{namespace}/properties"), &body).await;
        let told = reply.told().map_err(|why| format!("properties of a namespace: {why}"))?;
        let (fate, records) = match told {
            Told::Done => (Fate::Done(Vec::new()), 1),
            Told::Conflict | Told::Unavailable => (Fate::Refused(0), 0),
            Told::Unknown | Told::Broken => return Ok(told),
        };
        if let Reply::Answer(answer) = reply {
            shared.log.answered(answer.request, records);
        }
        let mut history = shared.log.history();
        if let Some(entry) = history.registers.get_mut(&place).and_then(|written| written.last_mut()) {
            entry.1 = fate;
        }
        Ok(told)
    }
}

/// One client that only reads.
pub(crate) async fn reader(mut rng: StdRng, client: Client, shared: Arc<Shared>) -> Outcome<()> {
    let client = client.fresh()?;
    while !shared.ended() && read(&client, &shared, rng.random_range(0..shared.tables.len())).await?.is_some() {}
    if shared.ended() || shared.killed.load(Ordering::Acquire) {
        Ok(())
    } else {
        Err("a reader's connection broke although nobody killed the server".to_owned())
    }
}

/// A request that may be sent any number of times and takes effect once.
struct Keyed {
    id: OpId,
    key: String,
    path: String,
    body: Value,
}

impl Keyed {
    async fn send(&self, client: &Client) -> Reply {
        client.send(reqwest::Method::POST, &self.path, Some(&self.key), Some(&self.body)).await
    }
}

fn location(answer: &Answer) -> Outcome<String> {
    Ok(answer.json()?["metadata-location"].as_str().why("a metadata location")?.to_owned())
}

/// Loads a table and logs what was seen; `None` if no answer came.
pub(crate) async fn read(client: &Client, shared: &Shared, number: usize) -> Outcome<Option<Value>> {
    let table = shared.tables.get(number).why("a table")?;
    let started = shared.log.now();
    let Reply::Answer(answer) = client.get(&table.path()).await else { return Ok(None) };
    if answer.status != 200 {
        return Err(format!("a load: {}", answer.text()));
    }
    let ended = shared.log.now();
    let mut loaded = answer.json()?;
    let location = loaded["metadata-location"].as_str().why("a metadata location")?.to_owned();
    let last = chain::last_in(&loaded["metadata"]);
    let mut history = shared.log.history();
    history.rare.reads += 1;
    history.reads.push(Read { table: number, started, ended, location, last });
    drop(history);
    Ok(Some(loaded["metadata"].take()))
}

/// Logs what became of a commit.
pub(crate) fn settle(shared: &Shared, id: OpId, reply: Reply) -> Outcome<Told> {
    let told = reply.told().map_err(|why| format!("a commit: {why}"))?;
    if let Reply::Answer(answer) = reply {
        let fate = match told {
            Told::Done if answer.status == 200 => {
                let body = answer.json()?;
                Fate::Done(vec![body["metadata-location"].as_str().why("a metadata location")?.to_owned()])
            }
            Told::Done => Fate::Done(Vec::new()),
            Told::Conflict | Told::Unavailable => Fate::Refused(answer.status),
            Told::Unknown | Told::Broken => return Ok(told),
        };
        shared.log.end(id, fate, Some(answer.request));
    }
    Ok(told)
}

/// The body that sets a writer's property of one table, with the operation's number.
pub(crate) fn set_body(table: &Table, writer: usize, id: OpId) -> Value {
    json!({"requirements": [table_is(table)], "updates": [{"action": "set-properties",
        "updates": {LAST: id.to_string(), writer_property(writer): id.to_string()}}]})
}

fn table_is(table: &Table) -> Value {
    json!({"type": "assert-table-uuid", "uuid": table.uuid})
}

/// Appends `snapshot` to `parent` and forgets what is older than that: the document stays small.
fn append_body(table: &Table, metadata: &Value, parent: Option<i64>, snapshot: i64, id: OpId) -> Outcome<Value> {
    let sequence = metadata["last-sequence-number"].as_i64().why("a sequence number")? + 1;
    let mut added = json!({
        "snapshot-id": snapshot,
        "sequence-number": sequence,
        "timestamp-ms": metadata["last-updated-ms"].as_i64().why("a time")?,
        "manifest-list": format!("{}/metadata/snap-{snapshot}.avro", table.location),
        "summary": {"operation": "append"},
        "schema-id": 0,
    });
    if let Some(parent) = parent {
        added["parent-snapshot-id"] = parent.into();
    }
    let old = metadata["snapshots"].as_array().cloned().unwrap_or_default();
    let old: Vec<i64> = old.iter().filter_map(|s| s["snapshot-id"].as_i64()).filter(|s| Some(*s) != parent).collect();
    let mut updates = vec![
        json!({"action": "add-snapshot", "snapshot": added}),
        json!({"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": snapshot}),
        json!({"action": "set-properties", "updates": {LAST: id.to_string()}}),
    ];
    if !old.is_empty() {
        updates.push(json!({"action": "remove-snapshots", "snapshot-ids": old}));
    }
    let head = json!({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": parent});
    Ok(json!({"requirements": [table_is(table), head], "updates": updates}))
}
