//! A bench for tests: tables in memory behind the real barrier, planner, verifier and runtime.
#![allow(clippy::disallowed_methods, reason = "tests")]

use std::{collections::HashMap, sync::Arc, time::Duration};

use datafusion::arrow::{
    array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Fields, Schema, SchemaRef},
};
use futures::{StreamExt, stream::BoxStream};
use polder_types::{Error, Micros};
use tokio::time::Instant;

use crate::{
    gate::{self, Asked},
    govern::{GovernedTable, Prepared, Source, TableKey},
    plan::{LazyEngine, PlanInput, Planned, plan},
    run::{Caps, Pool, Rows},
    scan::{PushedPredicate, QueryLocal},
};

/// A table in memory whose rows and values are what the caller may see.
#[derive(Debug)]
pub(crate) struct MemorySource {
    pub(crate) batch: RecordBatch,
    pub(crate) masked: Vec<usize>,
}

struct MemoryScan {
    batch: RecordBatch,
}

impl Source for MemorySource {
    fn schema(&self) -> SchemaRef {
        self.batch.schema()
    }

    fn masked(&self, column: usize) -> bool {
        self.masked.contains(&column)
    }

    fn prepare(
        &self,
        projection: Option<&Vec<usize>>,
        _pushed: &[PushedPredicate],
        _partitions: usize,
    ) -> Result<Arc<dyn Prepared>, Error> {
        let batch = match projection {
            Some(columns) => self.batch.project(columns).unwrap(),
            None => self.batch.clone(),
        };
        Ok(Arc::new(MemoryScan { batch }))
    }
}

impl Prepared for MemoryScan {
    fn execute(&self, partition: usize, _query: Arc<QueryLocal>) -> BoxStream<'static, Result<RecordBatch, Error>> {
        let batches = if partition == 0 { vec![Ok(self.batch.clone())] } else { Vec::new() };
        futures::stream::iter(batches).boxed()
    }
}

/// `pub.edge`: the values at the ends of what columns can hold.
fn edge() -> RecordBatch {
    let long = "x".repeat(70_000);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(Int64Array::from(vec![Some(0), Some(i64::MAX), Some(i64::MIN), None]))),
        ("d", Arc::new(Date32Array::from(vec![Some(0), Some(i32::MAX), Some(i32::MIN), None]))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(vec![Some(0), Some(i64::MAX), Some(i64::MIN), None]))),
        ("t", Arc::new(StringArray::from(vec![Some(""), Some("\u{0}äöü😀"), Some(long.as_str()), None]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

/// `pub.emp` with four rows, `ssn` masked, `pub.dim(k)` with two, and `pub.edge`.
pub(crate) fn sources() -> Vec<(&'static str, &'static str, MemorySource)> {
    let info = Fields::from(vec![Field::new("phone", DataType::Utf8, true), Field::new("city", DataType::Utf8, true)]);
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("region", DataType::Utf8, true),
        Field::new("salary", DataType::Int64, true),
        Field::new("ssn", DataType::Utf8, true),
        Field::new("info", DataType::Struct(info.clone()), true),
    ]));
    let text = |values: [&str; 4]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, 2, 3, 4])),
        text(["ann", "bob", "cid", "dee"]),
        text(["us", "us", "us", "us"]),
        Arc::new(Int64Array::from(vec![100, 200, 300, 400])),
        text(["***"; 4]),
        Arc::new(StructArray::new(info, vec![text(["1"; 4]), text(["x", "y", "x", "y"])], None)),
    ];
    let emp = RecordBatch::try_new(schema, columns).unwrap();
    let dim = Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, false)]));
    let dim = RecordBatch::try_new(dim, vec![Arc::new(Int64Array::from(vec![1, 2]))]).unwrap();
    vec![
        ("pub", "emp", MemorySource { batch: emp, masked: vec![4] }),
        ("pub", "dim", MemorySource { batch: dim, masked: vec![] }),
        ("pub", "edge", MemorySource { batch: edge(), masked: vec![] }),
    ]
}

/// The gateway without the catalog.
pub(crate) struct Bench {
    pub(crate) pool: Pool,
    engine: LazyEngine,
    pub(crate) memory_bytes: usize,
    pub(crate) patience: Duration,
    pub(crate) rows_max: usize,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            pool: Pool::new(2, 4).unwrap(),
            engine: LazyEngine::new(4),
            memory_bytes: 64 << 20,
            patience: Duration::from_secs(20),
            rows_max: 1000,
        }
    }

    fn until(&self) -> Instant {
        Instant::now() + self.patience
    }

    pub(crate) async fn planned(&self, sql: &str) -> Result<(Planned, Arc<QueryLocal>), Error> {
        let slot = self.pool.slot(&"acme".parse().unwrap(), self.until()).await?;
        let sql = sql.to_owned();
        let gated = self.pool.think(&slot, self.until(), move || gate::check(&sql)).await?;
        let (Asked::Rows(query) | Asked::Plan(query)) = gated.asked else { panic!("not a query") };
        let local = Arc::new(QueryLocal::new([0; 32]));
        let (engine, memory_bytes, rows_max) = (self.engine.clone(), self.memory_bytes, self.rows_max);
        let (query_local, handle) = (local.clone(), self.pool.handle());
        let planned = self
            .pool
            .think(&slot, self.until(), move || {
                let tables: HashMap<_, _> = sources()
                    .into_iter()
                    .map(|(ns, name, source)| {
                        let key = TableKey(format!("{ns}.{name}").into());
                        let table = GovernedTable::new(key, Arc::new(source), query_local.clone(), 4);
                        (vec![ns.to_owned(), name.to_owned()], Arc::new(table))
                    })
                    .collect();
                let input = PlanInput {
                    query: *query,
                    tables: &tables,
                    local: &query_local,
                    now: Micros(1_700_000_000_000_000),
                    rows_max,
                    memory_bytes,
                    explains: true,
                };
                handle.block_on(plan(engine.get()?, input))
            })
            .await?;
        Ok((planned, local))
    }

    pub(crate) async fn rows(&self, sql: &str) -> Result<Rows, Error> {
        let (planned, _) = self.planned(sql).await?;
        let slot = self.pool.slot(&"acme".parse().unwrap(), self.until()).await?;
        self.pool.run(slot, self.until(), planned.verified, Caps { rows_max: self.rows_max, bytes_max: 32 << 20 }).await
    }
}
