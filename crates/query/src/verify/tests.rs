//! The last gate lets nothing through that is not on its list.

use std::fmt;

use datafusion::{
    arrow::datatypes::Schema,
    error::Result,
    execution::SendableRecordBatchStream,
    physical_plan::{DisplayAs, DisplayFormatType, PlanProperties},
};

use super::*;
use crate::bench::Bench;

/// A node that nobody knows; it may pass for another.
#[derive(Debug)]
struct Foreign {
    inner: Arc<dyn ExecutionPlan>,
    leaf: bool,
    delegates: bool,
}

impl DisplayAs for Foreign {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Foreign")
    }
}

impl ExecutionPlan for Foreign {
    fn name(&self) -> &'static str {
        "EmptyExec"
    }

    fn downcast_delegate(&self) -> Option<&dyn ExecutionPlan> {
        self.delegates.then_some(self.inner.as_ref())
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        if self.leaf { Vec::new() } else { vec![&self.inner] }
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.inner.execute(partition, context)
    }
}

fn query() -> Arc<QueryLocal> {
    Arc::new(QueryLocal::new([0; 32]))
}

fn refused(plan: Arc<dyn ExecutionPlan>) -> bool {
    verify(plan, Arc::new(TaskContext::default()), &query()).is_err()
}

/// S-003, S-037: unknown and delegating nodes are refused, as leaves and in between.
#[test]
fn foreign_nodes_are_refused() {
    let empty: Arc<dyn ExecutionPlan> = Arc::new(EmptyExec::new(Arc::new(Schema::empty())));
    assert!(!refused(empty.clone()));
    for (leaf, delegates) in [(false, false), (true, false), (false, true), (true, true)] {
        let foreign: Arc<dyn ExecutionPlan> = Arc::new(Foreign { inner: empty.clone(), leaf, delegates });
        assert!(refused(foreign.clone()), "leaf {leaf}, delegates {delegates}");
        assert!(refused(Arc::new(CoalescePartitionsExec::new(foreign))));
    }
}

/// S-003: a scan of one query cannot run in another one.
#[tokio::test]
async fn a_barrier_of_another_query_is_refused() {
    let (planned, local) = Bench::new().planned("SELECT * FROM pub.emp WHERE id > 1").await.unwrap();
    let plan = planned.verified.plan().clone();
    let task = planned.verified.task().clone();
    assert!(verify(plan.clone(), task.clone(), &local).is_ok());
    assert!(verify(plan, task, &query()).is_err());
}

/// S-003: the statements of every kind that the gate lets through verify.
#[tokio::test]
async fn plans_of_every_kind_verify() {
    let bench = Bench::new();
    for sql in [
        "SELECT * FROM pub.emp e JOIN pub.dim d ON e.id = d.k",
        "SELECT * FROM pub.emp e LEFT JOIN pub.dim d ON e.id < d.k",
        "SELECT * FROM pub.emp, pub.dim",
        "SELECT region, count(*) FROM pub.emp GROUP BY CUBE (region, name)",
        "SELECT rank() OVER (ORDER BY id), sum(id) OVER (PARTITION BY region) FROM pub.emp",
        "SELECT id FROM pub.emp UNION SELECT k FROM pub.dim",
        "SELECT id FROM pub.emp INTERSECT SELECT k FROM pub.dim",
        "SELECT id FROM pub.emp EXCEPT ALL SELECT k FROM pub.dim",
        "SELECT (SELECT max(k) FROM pub.dim), id FROM pub.emp ORDER BY id LIMIT 2 OFFSET 1",
        "SELECT id FROM pub.emp WHERE id NOT IN (SELECT k FROM pub.dim)",
        "SELECT id FROM pub.emp e WHERE EXISTS (SELECT 1 FROM pub.dim d WHERE d.k = e.id)",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
        "SELECT unnest(range(3)), x FROM (VALUES (1), (2)) v(x)",
        "SELECT * FROM unnest([1, 2]) u(x)",
        "SELECT 1 WHERE false",
        "SELECT DISTINCT ON (region) region, id FROM pub.emp ORDER BY region, id",
        "SELECT array_agg(name ORDER BY id), count(DISTINCT region) FILTER (WHERE id > 1) FROM pub.emp",
    ] {
        assert!(bench.planned(sql).await.is_ok(), "{sql}: {:?}", bench.planned(sql).await.err());
    }
}
