//! Events that are counted instead of written one by one: exact counts in bounded memory, one record for each
//! (principal, action, object, decision, reason, policy version) and flush. What overflows is written through;
//! what cannot be written stays, if need be without the object's name, but never without its count.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use polder_types::{Caller, EventId, KeyId, Micros, RequestId, Result, Subject, TenantId};
use uuid::Uuid;

use crate::{AuditDetail, AuditObject, AuditRecord, Decision, Store, audit, db, fresh, tx::Written};

/// Most kinds of events in memory; one more writes them all through.
const KINDS_MAX: usize = 10_000;
/// Beyond this (the database is down), further kinds are counted without principal and object.
const KINDS_HARD_MAX: usize = 40_000;
/// Most records of one job, so that commits do not wait long behind a flush.
const CHUNK: usize = 256;
/// Most keys whose use is remembered between two flushes.
const USED_KEYS_MAX: usize = 50_000;

/// Something that is counted, not written one by one.
#[derive(Clone, Debug)]
pub struct CountedEvent {
    /// The tenant; `None` if nobody was authenticated.
    pub tenant: Option<TenantId>,
    /// When.
    pub at: Micros,
    /// The request.
    pub request: RequestId,
    /// Who; `None` if nobody was authenticated.
    pub caller: Option<Caller>,
    /// The action's name.
    pub action: &'static str,
    /// The kind of object.
    pub subject: Subject,
    /// The object's name.
    pub object: String,
    /// Allowed or denied.
    pub decision: Decision,
    /// Why denied.
    pub reason: Option<&'static str>,
    /// The policy version of the decision.
    pub policy_version: i64,
}

/// Which access to the files of which table an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DelegationOf {
    /// The table.
    pub table_id: Uuid,
    /// `vended-credentials` or `remote-signing`.
    pub mode: &'static str,
}

/// Keys that were made before and went out once more. Nothing in it differs from one time to the next, so that
/// it counts as one kind however often it happens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HandedOut {
    /// The table, and the mode.
    pub of: DelegationOf,
    /// `read` or `read-write`.
    pub access: &'static str,
    /// How long they live from when they were made, in seconds.
    pub ttl: i64,
    /// What they open, and nothing else.
    pub path_prefix: String,
}

/// What a counted event says beyond itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CountedDetail {
    /// Nothing.
    None,
    /// Which access was refused, or what became of it.
    Delegation(DelegationOf),
    /// Which keys went out again.
    HandedOut(HandedOut),
}

impl CountedDetail {
    fn table_id(&self) -> Option<Uuid> {
        match self {
            Self::None => None,
            Self::Delegation(of) | Self::HandedOut(HandedOut { of, .. }) => Some(of.table_id),
        }
    }

    fn written(&self) -> AuditDetail {
        match self {
            Self::None => AuditDetail::None,
            Self::Delegation(DelegationOf { table_id, mode }) => {
                AuditDetail::Delegation { table_id: *table_id, delegation_mode: mode }
            }
            Self::HandedOut(HandedOut { of, access, ttl, path_prefix }) => AuditDetail::HandedOut {
                table_id: of.table_id,
                delegation_mode: of.mode,
                access,
                ttl: *ttl,
                path_prefix: path_prefix.clone(),
            },
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Kind {
    tenant: Option<TenantId>,
    caller: Option<Caller>,
    action: &'static str,
    subject: Subject,
    object: String,
    decision: Decision,
    reason: Option<&'static str>,
    policy_version: i64,
    detail: CountedDetail,
}

#[derive(Clone, Copy)]
struct Tally {
    count: i64,
    /// The last event.
    at: Micros,
    /// The first event.
    request: RequestId,
}

/// Records of one transaction, each with the id that makes it one, however often it is written.
type Batch = Arc<[(EventId, Kind, Tally)]>;

#[derive(Default)]
struct Memory {
    tallies: HashMap<Kind, Tally>,
    /// Records that may be in the database; at most those of one flush, since nothing new is written before them.
    unsure: Vec<Batch>,
    used_keys: BTreeMap<TenantId, BTreeSet<KeyId>>,
    used_keys_count: usize,
    /// Events since the start.
    events: u64,
}

impl Memory {
    fn add(&mut self, mut kind: Kind, tally: Tally) {
        if self.tallies.len() >= KINDS_HARD_MAX && !self.tallies.contains_key(&kind) {
            let (object, detail) = ("*".to_owned(), CountedDetail::None);
            kind = Kind { caller: None, object, policy_version: 0, detail, ..kind };
        }
        let entry = self.tallies.entry(kind).or_insert(Tally { count: 0, ..tally });
        entry.count = entry.count.saturating_add(tally.count);
        entry.at = entry.at.max(tally.at);
    }
}

pub(crate) struct Counted(Mutex<Memory>);

impl Counted {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Memory::default()))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that a key was used.
    pub(crate) fn key_used(&self, tenant: &TenantId, key: &KeyId) {
        let mut memory = self.memory();
        if memory.used_keys_count < USED_KEYS_MAX
            && memory.used_keys.entry(tenant.clone()).or_default().insert(key.clone())
        {
            memory.used_keys_count += 1;
        }
    }
}

impl Store {
    /// Counts an event, in memory.
    pub fn count(&self, event: CountedEvent) {
        self.count_with(event, CountedDetail::None);
    }

    /// Counts an event with what it says beyond itself.
    pub fn count_with(&self, event: CountedEvent, detail: CountedDetail) {
        let kind = Kind {
            tenant: event.tenant,
            caller: event.caller,
            action: event.action,
            subject: event.subject,
            object: event.object,
            decision: event.decision,
            reason: event.reason,
            policy_version: event.policy_version,
            detail,
        };
        let mut memory = self.counted().memory();
        let overflow = if memory.tallies.len() == KINDS_MAX && !memory.tallies.contains_key(&kind) {
            std::mem::take(&mut memory.tallies)
        } else {
            HashMap::new()
        };
        memory.events = memory.events.saturating_add(1);
        memory.add(kind, Tally { count: 1, at: event.at, request: event.request });
        drop(memory);
        if !overflow.is_empty() {
            let store = self.clone();
            self.flushes().spawn(async move { drop(store.write_tallies(overflow).await) });
        }
    }

    /// How many events were counted since the start, and how many kinds of them wait for their flush.
    #[must_use]
    pub fn counted_figures(&self) -> (u64, u64) {
        let memory = self.counted().memory();
        (memory.events, u64::try_from(memory.tallies.len()).unwrap_or(u64::MAX))
    }

    /// Writes what was counted and reported, and deletes some of what has expired. Call every 10 s; `close` does it once more.
    ///
    /// # Errors
    /// `Unavailable` if the database is; what was not written stays counted.
    pub async fn flush_counted(&self, now: Micros) -> Result<()> {
        let (tallies, used_keys) = {
            let mut memory = self.counted().memory();
            memory.used_keys_count = 0;
            (std::mem::take(&mut memory.tallies), std::mem::take(&mut memory.used_keys))
        };
        let store = self.clone();
        // A task of its own: a caller that gives up must not take counts with it.
        let flush = self.flushes().spawn(async move {
            let tallied = store.write_tallies(tallies).await;
            let noted = store.write_used_keys(used_keys, now).await.and(tallied);
            // Reports are no records: the audit trail is as current without them, and they wait.
            if let Err(error) = store.write_reports().await {
                tracing::warn!(code = error.code(), "reports of clients could not be written; they stay in memory");
            }
            let swept = store.sweep_outcomes(now).await.and(noted);
            store.sweep_jobs(now).await.and(swept)
        });
        flush.await.map_err(polder_types::Error::internal)?
    }

    /// Writes what is counted now; for `close`.
    pub(crate) async fn write_counted(&self) -> Result<()> {
        let tallies = std::mem::take(&mut self.counted().memory().tallies);
        self.write_tallies(tallies).await
    }

    /// Writes those of unknown fate first: they have their ids already, so what landed is not written twice.
    async fn write_tallies(&self, tallies: HashMap<Kind, Tally>) -> Result<()> {
        let unsure = std::mem::take(&mut self.counted().memory().unsure);
        let mut outcome = Ok(());
        for batch in unsure {
            if let Err(error) = self.write_batch(batch.clone()).await.into_result() {
                self.counted().memory().unsure.push(batch);
                outcome = Err(error);
            }
        }
        if outcome.is_err() {
            let mut memory = self.counted().memory();
            tallies.into_iter().for_each(|(kind, tally)| memory.add(kind, tally));
            return outcome;
        }
        let tallies: Vec<(Kind, Tally)> = tallies.into_iter().collect();
        for chunk in tallies.chunks(CHUNK) {
            let with_id = |(kind, tally): &(Kind, Tally)| Ok((fresh::event_id(tally.at)?, kind.clone(), *tally));
            let batch: Batch = chunk.iter().map(with_id).collect::<Result<_>>()?;
            match self.write_batch(batch.clone()).await {
                Written::Done(()) => {}
                Written::Refused(error) | Written::RolledBack(error) => {
                    let mut memory = self.counted().memory();
                    batch.iter().for_each(|(_, kind, tally)| memory.add(kind.clone(), *tally));
                    outcome = Err(error);
                }
                Written::Unknown(error) => {
                    self.counted().memory().unsure.push(batch);
                    outcome = Err(error);
                }
            }
        }
        outcome
    }

    fn write_batch(&self, batch: Batch) -> impl Future<Output = Written<()>> + Send + use<> {
        self.submit("flush_counted", move |tx| {
            Box::pin(async move {
                for (id, kind, tally) in batch.iter() {
                    audit::insert_once(tx, *id, &record(kind, tally), tally.count).await?;
                }
                Ok(())
            })
        })
    }

    async fn write_used_keys(&self, used: BTreeMap<TenantId, BTreeSet<KeyId>>, now: Micros) -> Result<()> {
        if used.is_empty() {
            return Ok(());
        }
        self.write("note_key_use", move |tx| {
            Box::pin(async move {
                for (tenant, keys) in used {
                    // Never back: another node may have written a later use.
                    let query = sql! {
                        sqlite: "UPDATE api_keys SET last_used_at = $1 \
                            WHERE tenant_id = $2 AND (last_used_at IS NULL OR last_used_at < $1) \
                                AND id IN (SELECT value FROM json_each($3))",
                        postgres: "UPDATE api_keys SET last_used_at = $1 \
                            WHERE tenant_id = $2 AND (last_used_at IS NULL OR last_used_at < $1) \
                                AND id IN (SELECT value FROM json_array_elements_text($3::json))",
                    };
                    tx.execute(query.bind(now).bind(&tenant).bind(db::json(&keys)?)).await?;
                }
                Ok(())
            })
        })
        .await
    }
}

fn record(kind: &Kind, tally: &Tally) -> AuditRecord {
    AuditRecord {
        tenant: kind.tenant.clone(),
        at: tally.at,
        request: tally.request,
        caller: kind.caller.clone(),
        action: kind.action,
        object: AuditObject {
            subject: kind.subject,
            id: kind.detail.table_id().map(|id| id.to_string()),
            name: kind.object.clone(),
            version: None,
        },
        decision: kind.decision,
        reason: kind.reason,
        policy_version: Some(kind.policy_version),
        detail: kind.detail.written(),
    }
}
