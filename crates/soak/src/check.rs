//! The checker: pure comparison of a history with the chains of versions that are really there. Finds commits that were
//! lost, that nobody made, that a later read did not see, that were torn apart, that were applied twice.

use std::{collections::BTreeMap, fmt};

use crate::history::{Effect, Fate, LAST, Op, OpId, Read, writer_property};

/// The classes of bugs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// A commit that was answered is not in the chain, or its effect is not.
    Lost,
    /// The chain or an answer holds what no client did, or what was refused.
    Ghost,
    /// The order of time was not kept: something that began after an answer did not see it.
    Stale,
    /// A commit to several tables is in some of them only.
    Torn,
    /// One commit was applied twice.
    Double,
}

/// A bug that was found.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) class: Class,
    text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.class, self.text)
    }
}

/// One version of a table, as its metadata file says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) location: String,
    /// The properties whose names begin with `soak.`.
    pub(crate) properties: BTreeMap<String, String>,
    /// The head of `main`.
    pub(crate) main: Option<i64>,
}

impl Version {
    /// The operation that made it.
    pub(crate) fn last(&self) -> Option<OpId> {
        self.properties.get(LAST)?.parse().ok()
    }
}

/// What is known of one table's chain.
pub(crate) struct Chain {
    newest: Version,
    /// How many versions there are.
    length: usize,
    positions: BTreeMap<OpId, usize>,
    locations: std::collections::HashMap<String, usize>,
    /// No later operation may come before this position.
    floor: usize,
}

impl Chain {
    /// A chain that begins with this version.
    pub(crate) fn new(first: Version) -> Self {
        let locations = [(first.location.clone(), 0)].into();
        Self { newest: first, length: 1, positions: BTreeMap::new(), locations, floor: 0 }
    }

    /// Where the newest version is.
    pub(crate) fn head(&self) -> &str {
        &self.newest.location
    }

    pub(crate) fn contains(&self, location: &str) -> bool {
        self.locations.contains_key(location)
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Takes versions that follow the newest one, oldest first.
    fn extend(&mut self, table: usize, ops: &[Op], versions: Vec<Version>, found: &mut Vec<Finding>) {
        for version in versions {
            let position = self.length;
            self.length += 1;
            self.judge(table, ops, &version, position, found);
            self.locations.insert(version.location.clone(), position);
            self.newest = version;
        }
    }

    fn judge(&mut self, table: usize, ops: &[Op], version: &Version, position: usize, found: &mut Vec<Finding>) {
        let at = format!("table {table}, version {position} (`{}`)", version.location);
        let mut report = |class, text: String| found.push(Finding { class, text: format!("{at}: {text}") });
        let Some((id, op)) = version.last().and_then(|id| Some((id, ops.get(id)?))) else {
            return report(Class::Ghost, "no client made it".to_owned());
        };
        if !op.tables.contains(&table) {
            report(Class::Ghost, format!("operation {id} was for other tables"));
        }
        if let Some(earlier) = self.positions.insert(id, position) {
            report(Class::Double, format!("operation {id} made version {earlier} already"));
        }
        match &op.fate {
            Fate::Refused(status) => report(Class::Ghost, format!("operation {id} was answered {status}")),
            Fate::Done(locations) => {
                let answered = op.tables.iter().position(|t| *t == table).and_then(|index| locations.get(index));
                if answered.is_some_and(|answered| *answered != version.location) {
                    report(Class::Ghost, format!("operation {id} was answered with {answered:?}"));
                }
            }
            Fate::Unknown => {}
        }
        let mut expected = self.newest.properties.clone();
        expected.insert(LAST.to_owned(), id.to_string());
        let mut main = self.newest.main;
        match &op.effect {
            Effect::Set => {
                expected.insert(writer_property(op.writer), id.to_string());
            }
            Effect::Append { snapshot, parent } => {
                if *parent != main {
                    report(Class::Lost, format!("operation {id} appended to {parent:?}, but main was {main:?}"));
                }
                main = Some(*snapshot);
            }
        }
        if version.properties != expected {
            let is = &version.properties;
            report(Class::Lost, format!("after operation {id} the properties are {is:?}, not {expected:?}"));
        }
        if version.main != main {
            report(Class::Lost, format!("after operation {id} main is {:?}, not {main:?}", version.main));
        }
    }
}

/// Operations and reads since the last check.
pub(crate) struct Batch<'a> {
    /// Every operation there ever was.
    pub(crate) ops: &'a [Op],
    /// Those that began since, or whose fate was not known then.
    pub(crate) fresh: &'a [OpId],
    pub(crate) reads: &'a [Read],
    /// When it began.
    pub(crate) began: u64,
    /// The new versions of each table, oldest first.
    pub(crate) versions: Vec<Vec<Version>>,
}

/// Compares; all clients must have ended before the chains were read.
pub(crate) fn check(chains: &mut [Chain], mut batch: Batch<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (table, (chain, versions)) in chains.iter_mut().zip(std::mem::take(&mut batch.versions)).enumerate() {
        chain.extend(table, batch.ops, versions, &mut found);
    }
    for id in batch.fresh {
        if let Some(op) = batch.ops.get(*id) {
            presence(chains, *id, op, &mut found);
        }
    }
    let reads: Vec<Option<usize>> =
        batch.reads.iter().map(|read| chains.get(read.table).and_then(|chain| seen(chain, read, &mut found))).collect();
    let sights = sights(chains, &batch, &reads);
    for ((table, chain), sights) in chains.iter_mut().enumerate().zip(sights) {
        let mut events = Vec::new();
        for id in batch.fresh {
            let Some((op, position)) = batch.ops.get(*id).zip(chain.positions.get(id)) else { continue };
            // An unknown outcome may land at any later time: it has a beginning, but no end.
            let ended = op.ended.filter(|_| matches!(op.fate, Fate::Done(_)));
            events.push(Event { started: op.started, ended, position: *position, writes: true, what: *id });
        }
        for (index, (read, position)) in batch.reads.iter().zip(&reads).enumerate() {
            if let Some(position) = position.filter(|_| read.table == table) {
                let ended = Some(read.ended);
                events.push(Event { started: read.started, ended, position, writes: false, what: index });
            }
        }
        order(table, chain, batch.began, events, sights, &mut found);
    }
    found
}

/// For each table, when it must show which position at the latest, because a read of another table of the same commit has
/// shown that commit: to whom a part of it is visible, all of it is.
fn sights(chains: &[Chain], batch: &Batch<'_>, reads: &[Option<usize>]) -> Vec<Vec<(u64, usize)>> {
    // Of each table, the positions that were read, ascending, each with the earliest end of a read at or after it.
    let mut first_seen: Vec<Vec<(usize, u64)>> = vec![Vec::new(); chains.len()];
    for (read, position) in batch.reads.iter().zip(reads) {
        if let (Some(seen), Some(position)) = (first_seen.get_mut(read.table), position) {
            seen.push((*position, read.ended));
        }
    }
    for seen in &mut first_seen {
        seen.sort_unstable();
        seen.iter_mut().rev().fold(u64::MAX, |earliest, (_, ended)| {
            *ended = earliest.min(*ended);
            *ended
        });
    }
    let mut sights = vec![Vec::new(); chains.len()];
    for (id, op) in batch.fresh.iter().filter_map(|id| Some((id, batch.ops.get(*id)?))) {
        let position = |table: &usize| Some((*table, *chains.get(*table)?.positions.get(id)?));
        let places: Vec<(usize, usize)> = op.tables.iter().filter_map(position).collect();
        if places.len() < 2 {
            continue;
        }
        let earliest = places.iter().filter_map(|(table, position)| {
            let seen = first_seen.get(*table)?;
            seen.get(seen.partition_point(|(read, _)| read < position)).map(|(_, ended)| *ended)
        });
        let Some(earliest) = earliest.min() else { continue };
        for (table, position) in places {
            if let Some(sights) = sights.get_mut(table) {
                sights.push((earliest, position));
            }
        }
    }
    sights
}

/// A commit that was answered is in all of its tables; any other in all or none.
fn presence(chains: &[Chain], id: OpId, op: &Op, found: &mut Vec<Finding>) {
    let has = |table: &usize| chains.get(*table).is_some_and(|chain| chain.positions.contains_key(&id));
    let present = op.tables.iter().filter(|table| has(table)).count();
    let text = format!("operation {id} (writer {}, {:?}) is in {present} of {:?}", op.writer, op.fate, op.tables);
    if present > 0 && present < op.tables.len() {
        found.push(Finding { class: Class::Torn, text });
    } else if present == 0 && matches!(op.fate, Fate::Done(_)) {
        found.push(Finding { class: Class::Lost, text });
    }
}

/// The position of the version that a read was answered with.
fn seen(chain: &Chain, read: &Read, found: &mut Vec<Finding>) -> Option<usize> {
    let position = chain.locations.get(&read.location).copied();
    let made = read.last.and_then(|id| chain.positions.get(&id).copied()).unwrap_or_default();
    if position != Some(made) {
        let text = format!("table {}: a read was answered with `{}` of {:?}", read.table, read.location, read.last);
        found.push(Finding { class: Class::Ghost, text: format!("{text}, which is not a version of the chain") });
    }
    position
}

struct Event {
    started: u64,
    ended: Option<u64>,
    position: usize,
    writes: bool,
    what: usize,
}

/// Whatever began after something else had been answered, or after a part of the same commit was seen, comes after it in
/// the chain.
fn order(
    table: usize,
    chain: &mut Chain,
    began: u64,
    mut events: Vec<Event>,
    sights: Vec<(u64, usize)>,
    found: &mut Vec<Finding>,
) {
    let answered = events.iter().filter_map(|e| Some((e.ended?, e.position, Class::Stale)));
    let mut ends: Vec<_> = answered.chain(sights.into_iter().map(|(end, at)| (end, at, Class::Torn))).collect();
    ends.sort_unstable();
    events.sort_unstable_by_key(|event| event.started);
    let (mut floor, mut class, mut ended) = (chain.floor, Class::Stale, ends.iter().peekable());
    for event in events.iter().filter(|event| event.started >= began) {
        while let Some((_, position, why)) = ended.next_if(|(end, ..)| *end < event.started) {
            if *position > floor {
                (floor, class) = (*position, *why);
            }
        }
        if event.position < floor || (event.writes && event.position == floor && floor > 0) {
            let what = if event.writes { "operation" } else { "read" };
            let why = if class == Class::Torn { "another table of its commit was seen" } else { "it was answered" };
            let text = format!(
                "table {table}: {what} {} is at version {}, though version {floor} was there before it began: {why}",
                event.what, event.position
            );
            found.push(Finding { class, text });
        }
    }
    chain.floor = ends.iter().map(|(_, position, _)| *position).fold(chain.floor, usize::max);
}

#[cfg(test)]
mod tests;
