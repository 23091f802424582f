//! Small tables in memory behind the same barrier: what the gateway tells about itself.

use std::sync::Arc;

use datafusion::arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::{StreamExt, stream::BoxStream};
use polder_types::Error;

use crate::{
    error::{Phase, internal},
    govern::{Prepared, Source},
    scan::{PushedPredicate, QueryLocal},
};

/// A table whose rows were made for this caller.
#[derive(Debug)]
pub(crate) struct MemorySource(RecordBatch);

impl MemorySource {
    pub(crate) fn new(batch: RecordBatch) -> Self {
        Self(batch)
    }
}

struct MemoryScan(RecordBatch);

impl Source for MemorySource {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn masked(&self, _column: usize) -> bool {
        false
    }

    fn prepare(
        &self,
        projection: Option<&Vec<usize>>,
        _pushed: &[PushedPredicate],
        _partitions: usize,
    ) -> Result<Arc<dyn Prepared>, Error> {
        let batch = match projection {
            Some(columns) => {
                self.0.project(columns).map_err(|_| internal(Phase::Plan, "a column that is not there"))?
            }
            None => self.0.clone(),
        };
        Ok(Arc::new(MemoryScan(batch)))
    }
}

impl Prepared for MemoryScan {
    fn execute(&self, partition: usize, _query: Arc<QueryLocal>) -> BoxStream<'static, Result<RecordBatch, Error>> {
        // All of it is in the first partition.
        let batches = if partition == 0 { vec![Ok(self.0.clone())] } else { Vec::new() };
        futures::stream::iter(batches).boxed()
    }
}
