//! The check after each phase, when every client has ended: chains, files, transactions, namespaces, own tables, audit.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::{
    audit::Trail,
    chain,
    check::{Batch, Chain, Finding, Version, check},
    failure::{Outcome, Why},
    history::{Fate, History, OpId, writer_property},
    own::{self, Own},
    world::{LAKE, SHARED, World},
    writers::Shared,
};

/// Most findings that are told; the first ones say most.
const FINDINGS_SHOWN: usize = 10;

/// What is known so far.
pub(crate) struct Verifier {
    chains: Vec<Chain>,
    trail: Trail,
    /// Operations up to here were checked, and when.
    checked: usize,
    began: u64,
}

/// What a run has done, for its summary.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) versions: usize,
    pub(crate) records: usize,
    /// Metadata files that no pointer ever named: left by kills between the file and its transaction.
    pub(crate) orphans: usize,
    /// Temporary files.
    pub(crate) temporary: usize,
}

impl Verifier {
    /// Begins with the tables as they are now.
    pub(crate) async fn begin(world: &World) -> Outcome<Self> {
        let mut chains = Vec::new();
        for number in 0..world.tables.len() {
            let location = pointer(world, number).await?;
            let (first, _) = chain::read(&location, &world.tables.get(number).why("a table")?.uuid)?;
            chains.push(Chain::new(first));
        }
        let mut trail = Trail::default();
        trail.read(&world.admin).await?;
        trail.take_moves();
        Ok(Self { chains, trail, checked: 0, began: 0 })
    }

    /// Compares everything since the last check with what is there.
    ///
    /// # Errors
    /// What was found, in words that begin with its class.
    pub(crate) async fn check<'a>(
        &mut self,
        world: &World,
        shared: &Shared,
        owns: impl Iterator<Item = &'a mut Own>,
    ) -> Outcome<()> {
        let mut versions = Vec::new();
        for (number, chain) in self.chains.iter().enumerate() {
            let head = pointer(world, number).await?;
            versions.push(chain::read_back(&head, chain.head(), &world.tables.get(number).why("a table")?.uuid)?);
        }
        let standing = own::standing(&world.engineer).await?;
        for own in owns {
            own.settle(&standing)?;
        }
        let registers = self.registers(world).await?;
        self.trail.read(&world.admin).await?;
        self.compare(world, shared, versions, &registers)
    }

    fn compare(
        &mut self,
        world: &World,
        shared: &Shared,
        versions: Vec<Vec<Version>>,
        registers: &[Value],
    ) -> Outcome<()> {
        let mut history = shared.log.history();
        // New ones, those answered only now, and those of unknown outcome that landed only now.
        let landed = versions.iter().flatten().filter_map(Version::last);
        let fresh: BTreeSet<OpId> = std::mem::take(&mut history.settled).into_iter().chain(landed).collect();
        let fresh: BTreeSet<OpId> = fresh.into_iter().chain(self.checked..history.ops.len()).collect();
        let fresh: Vec<OpId> = fresh.into_iter().collect();
        let batch = Batch { ops: &history.ops, fresh: &fresh, reads: &history.reads, began: self.began, versions };
        let found = check(&mut self.chains, batch);
        told(&found)?;
        check_registers(&mut history, registers)?;
        self.trail.check_versions()?;
        self.trail.check_answers(&std::mem::take(&mut history.answered))?;
        self.check_moves(world)?;
        self.checked = history.ops.len();
        history.reads.clear();
        drop(history);
        self.began = shared.log.now();
        Ok(())
    }

    /// Every move that the audit tells of is in the chain.
    fn check_moves(&mut self, world: &World) -> Outcome<()> {
        let numbers: HashMap<String, usize> = world
            .tables
            .iter()
            .enumerate()
            .map(|(number, table)| (format!("{SHARED}.{}", table.name), number))
            .collect();
        for (name, to) in self.trail.take_moves() {
            let chain = numbers.get(&name).and_then(|number| self.chains.get(*number));
            if chain.is_some_and(|chain| !chain.contains(&to)) {
                return Err(format!("Ghost: the audit tells that {name} moved to `{to}`, which is not in its chain"));
            }
        }
        Ok(())
    }

    async fn registers(&self, world: &World) -> Outcome<Vec<Value>> {
        let mut values = Vec::new();
        for namespace in &world.namespaces {
            let path = format!("{LAKE}/namespaces/{namespace}");
            values.push(world.engineer.get(&path).await.expect(200)?.json()?["properties"].take());
        }
        Ok(values)
    }

    /// What the run has left.
    pub(crate) fn totals(&self, world: &World) -> Outcome<Totals> {
        let mut totals = Totals { records: self.trail.len(), ..Totals::default() };
        for (table, chain) in world.tables.iter().zip(&self.chains) {
            let left = chain::leftovers(&table.location)?;
            totals.versions += chain.len();
            totals.orphans += left.documents.iter().filter(|document| !chain.contains(document)).count();
            totals.temporary += left.temporary;
        }
        Ok(totals)
    }
}

/// Where a table's pointer points.
async fn pointer(world: &World, number: usize) -> Outcome<String> {
    let table = world.tables.get(number).why("a table")?;
    let loaded = world.engineer.get(&table.path()).await.expect(200)?.json()?;
    loaded["metadata-location"].as_str().map(str::to_owned).why("a metadata location")
}

/// A namespace's property has the last value that its writer was told of, or one of unknown outcome after it.
fn check_registers(history: &mut History, registers: &[Value]) -> Outcome<()> {
    for ((namespace, writer), written) in &mut history.registers {
        let is = registers.get(*namespace).and_then(|values| values[writer_property(*writer)].as_str());
        let is: OpId = is.and_then(|text| text.parse().ok()).unwrap_or_default();
        let answered = written.iter().rev().find(|(_, fate)| matches!(fate, Fate::Done(_))).map_or(0, |(id, _)| *id);
        if is < answered {
            return Err(format!("Lost: writer {writer}'s {answered} in namespace {namespace}, which has {is}"));
        }
        if is > 0 && !written.iter().any(|(id, fate)| *id == is && !matches!(fate, Fate::Refused(_))) {
            return Err(format!("Ghost: namespace {namespace} has {is} of writer {writer}, who wrote no such thing"));
        }
        // Whatever it is now, a later check may not see less.
        let newest = written.last().map_or(0, |(id, _)| *id);
        *written = vec![(is, Fate::Done(Vec::new()))];
        if newest > is {
            written.push((newest, Fate::Unknown));
        }
    }
    Ok(())
}

fn told(found: &[Finding]) -> Outcome<()> {
    if found.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = found.iter().take(FINDINGS_SHOWN).map(Finding::to_string).collect();
    Err(format!("{} findings:\n  {}", found.len(), shown.join("\n  ")))
}
