//! One table, one snapshot, one principal: what the engine's barrier is made of.

use std::{
    collections::BTreeSet,
    fmt,
    hash::{BuildHasher, RandomState},
    ops::Range,
    sync::Arc,
};

use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use futures::{
    StreamExt, TryStreamExt, future,
    stream::{self, BoxStream},
};
use polder_policy::{BoundPredicate, FieldPredicate, TablePolicy};
use polder_types::Error;
use tokio::sync::OnceCell;

use crate::govern::{Prepared, Source};

use super::{
    PushedPredicate, QueryLocal, TableCache,
    barrier::{Barrier, Governed},
    deletes::Deletes,
    error::unenforceable,
    inventory::{DataFile, Inventory},
    prune::may_match,
    read::{Batches, ParquetFile, Request, schema_of},
    table::{OpenTable, SnapshotKey},
    values::field_id,
};

/// A file larger than this is dealt out in parts of about this size, where its manifest says where to cut.
const PART_BYTES: u64 = 64 * 1024 * 1024;

/// A snapshot under a policy.
pub(crate) struct GovernedSource {
    cache: TableCache,
    key: SnapshotKey,
    table: Arc<OpenTable>,
    governed: Governed,
}

impl fmt::Debug for GovernedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GovernedSource")
    }
}

impl GovernedSource {
    /// Puts a policy over an open table. It must have been lowered onto the schema of `table.schema_id()`.
    ///
    /// # Errors
    /// `Internal` if the policy cannot be enforced on that schema.
    pub(crate) fn new(
        cache: TableCache,
        key: SnapshotKey,
        table: Arc<OpenTable>,
        policy: TablePolicy,
    ) -> Result<Self, Error> {
        let governed = Governed::new(table.columns.fields().clone(), policy)?;
        Ok(Self { cache, key, table, governed })
    }

    /// The snapshot that is read; `None` for a table without any.
    pub(crate) fn snapshot_id(&self) -> Option<i64> {
        self.table.snapshot_id()
    }
}

impl Source for GovernedSource {
    fn schema(&self) -> SchemaRef {
        self.governed.schema().clone()
    }

    fn masked(&self, column: usize) -> bool {
        self.governed.masked(column)
    }

    fn prepare(
        &self,
        projection: Option<&Vec<usize>>,
        pushed: &[PushedPredicate],
        partitions: usize,
    ) -> Result<Arc<dyn Prepared>, Error> {
        let pushed = pushed.iter().map(|predicate| by_field(predicate, &self.governed)).collect::<Option<Vec<_>>>();
        // SECURITY: a predicate over a masked column must never choose what is read.
        let pushed = pushed.ok_or_else(|| unenforceable("a predicate over a masked column was pushed down"))?;
        let barrier = self.governed.barrier(projection, &pushed)?;
        let hints = [self.governed.filter().clone()].into_iter().chain(pushed).collect();
        Ok(Arc::new(PreparedScan(Arc::new(Scan {
            cache: self.cache.clone(),
            key: self.key.clone(),
            table: self.table.clone(),
            barrier,
            hint: BoundPredicate::And(hints),
            partitions: partitions.max(1),
            dealt: OnceCell::new(),
            deletes: Deletes::default(),
        }))))
    }
}

/// A pushed predicate over field ids; `None` if it reads a column that is not shown as it is.
fn by_field(predicate: &PushedPredicate, governed: &Governed) -> Option<FieldPredicate> {
    let all = |parts: &[PushedPredicate]| parts.iter().map(|part| by_field(part, governed)).collect::<Option<Vec<_>>>();
    let id = |column: &usize| governed.open_id(*column);
    Some(match predicate {
        BoundPredicate::True => BoundPredicate::True,
        BoundPredicate::False => BoundPredicate::False,
        BoundPredicate::And(parts) => BoundPredicate::And(all(parts)?),
        BoundPredicate::Or(parts) => BoundPredicate::Or(all(parts)?),
        BoundPredicate::Not(inner) => BoundPredicate::Not(Box::new(by_field(inner, governed)?)),
        BoundPredicate::IsNull(column) => BoundPredicate::IsNull(id(column)?),
        BoundPredicate::Compare { column, op, literal } => {
            BoundPredicate::Compare { column: id(column)?, op: *op, literal: literal.clone() }
        }
        BoundPredicate::In { column, literals } => {
            BoundPredicate::In { column: id(column)?, literals: literals.clone() }
        }
        BoundPredicate::StartsWith { column, prefix } => {
            BoundPredicate::StartsWith { column: id(column)?, prefix: prefix.clone() }
        }
    })
}

/// A scan, ready to run.
pub(crate) struct PreparedScan(Arc<Scan>);

impl Prepared for PreparedScan {
    fn execute(&self, partition: usize, query: Arc<QueryLocal>) -> BoxStream<'static, Result<RecordBatch, Error>> {
        let scan = self.0.clone();
        stream::once(async move {
            let parts = scan.parts(partition).await?;
            Ok::<_, Error>(scan.run(parts, query))
        })
        .try_flatten()
        .boxed()
    }
}

/// A file, or some of its row groups.
#[derive(Clone, Debug)]
struct Part {
    file: Arc<DataFile>,
    bytes: Range<u64>,
}

struct Scan {
    cache: TableCache,
    key: SnapshotKey,
    table: Arc<OpenTable>,
    barrier: Barrier,
    /// Rows for which it is not true need not be read.
    hint: FieldPredicate,
    partitions: usize,
    dealt: OnceCell<Vec<Vec<Part>>>,
    deletes: Deletes,
}

impl Scan {
    /// The parts of one partition.
    async fn parts(&self, partition: usize) -> Result<Vec<Part>, Error> {
        let dealt = self.dealt.get_or_try_init(|| async {
            let inventory = self.cache.inventory(&self.key, &self.table).await?;
            Ok::<_, Error>(deal(self.chosen(&inventory), self.partitions))
        });
        Ok(dealt.await?.get(partition).cloned().unwrap_or_default())
    }

    /// The files that may hold a row of interest.
    fn chosen(&self, inventory: &Inventory) -> Vec<Arc<DataFile>> {
        // Only fields of the row itself: counts of nested fields mean something else in each writer.
        let top: BTreeSet<i32> = self.table.columns.fields().iter().filter_map(|field| field_id(field)).collect();
        let may = |file: &DataFile| may_match(&self.hint, &|id| file.bounds.get(&id).filter(|_| top.contains(&id)));
        inventory.files.iter().filter(|file| may(file)).cloned().collect()
    }

    fn run(
        self: Arc<Self>,
        parts: Vec<Part>,
        query: Arc<QueryLocal>,
    ) -> BoxStream<'static, Result<RecordBatch, Error>> {
        let reader = self.clone();
        stream::iter(parts.into_iter().map(Ok))
            .and_then(move |part| {
                let scan = reader.clone();
                async move { scan.read(&part).await }
            })
            .try_flatten()
            .map(move |batch| self.barrier.pass(&batch?, &query))
            .try_filter(|batch| future::ready(batch.num_rows() > 0))
            .boxed()
    }

    /// The rows of a part that are not deleted, with the columns that the barrier needs.
    async fn read(&self, part: &Part) -> Result<Batches, Error> {
        let deleted = self.deletes.of(&self.table, &part.file).await?;
        let needed = self.barrier.input();
        let mut wanted = needed.fields().to_vec();
        for field in deleted.sets.iter().flat_map(|set| &set.fields) {
            if !wanted.iter().any(|known| field_id(known) == field_id(field)) {
                wanted.push(field.clone());
            }
        }
        let file = ParquetFile::open(&self.table.files, &part.file.path, self.table.mapping.as_ref()).await?;
        let batches = file.read(&Request {
            wanted: &schema_of(wanted),
            constants: self.table.constants(&part.file),
            hint: &self.hint,
            bytes: part.bytes.clone(),
            deleted: &deleted.positions,
        })?;
        if deleted.sets.is_empty() {
            return Ok(batches);
        }
        let needed: Vec<usize> = (0..needed.fields().len()).collect();
        let rest = batches.map(move |batch| {
            let rest = deleted.sets.iter().try_fold(batch?, |batch, set| set.without(&batch))?;
            rest.project(&needed).map_err(Error::internal)
        });
        Ok(rest.boxed())
    }
}

/// Deals the files out: the largest first, each to the partition that has least. Within a partition in no order.
fn deal(files: Vec<Arc<DataFile>>, partitions: usize) -> Vec<Vec<Part>> {
    let mut parts: Vec<(u64, Part)> = files.into_iter().flat_map(split).collect();
    parts.sort_by(|(a, x), (b, y)| (b, &x.file.path, x.bytes.start).cmp(&(a, &y.file.path, y.bytes.start)));
    let mut dealt: Vec<(u64, Vec<Part>)> = vec![(0, Vec::new()); partitions];
    for (size, part) in parts {
        if let Some((sum, parts)) = dealt.iter_mut().min_by_key(|(sum, parts)| (*sum, parts.len())) {
            *sum = sum.saturating_add(size);
            parts.push(part);
        }
    }
    // SECURITY: a file's size counts hidden rows too, and rows come in the order of the parts.
    let order = RandomState::new();
    let shuffled = |(_, mut parts): (u64, Vec<Part>)| {
        parts.sort_by_cached_key(|part| order.hash_one((&part.file.path, part.bytes.start)));
        parts
    };
    dealt.into_iter().map(shuffled).collect()
}

/// Cuts a large file where its manifest says that row groups begin. Together the parts cover all that a file can
/// hold, whatever the manifest says.
fn split(file: Arc<DataFile>) -> Vec<(u64, Part)> {
    let mut cuts = vec![0];
    let mut offsets = file.split_offsets.clone();
    offsets.sort_unstable();
    for offset in offsets {
        if offset - cuts.last().copied().unwrap_or(0).min(offset) >= PART_BYTES {
            cuts.push(offset);
        }
    }
    let ends = cuts.iter().skip(1).copied().chain([u64::MAX]);
    let parts = cuts.iter().zip(ends).map(|(start, end)| {
        let size = end.min(file.size).saturating_sub(*start);
        (size, Part { file: file.clone(), bytes: *start..end })
    });
    parts.collect()
}

#[cfg(test)]
mod tests;
