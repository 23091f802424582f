//! The ungoverned engine: the same DataFusion over the same Parquet files, read as anybody would who has no policy to
//! keep: row groups dealt over partitions, those that cannot match left out, nothing masked, filtered or rebuilt.

use std::{collections::HashSet, fmt, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, UInt64Array},
    datatypes::SchemaRef,
    json::ArrayWriter,
};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Column, ScalarValue, ToDFSchema, pruning::PruningStatistics},
    error::{DataFusionError, Result as EngineResult},
    execution::TaskContext,
    logical_expr::{Expr, TableProviderFilterPushDown, TableType, utils::conjunction},
    physical_expr::EquivalenceProperties,
    physical_optimizer::pruning::PruningPredicate,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
        execution_plan::{Boundedness, EmissionType},
        stream::RecordBatchStreamAdapter,
    },
    prelude::{SessionConfig, SessionContext},
};
use futures::{StreamExt, TryStreamExt};
use iceberg::{TableIdent, io::FileIO, table::StaticTable};
use parquet::{
    arrow::{
        ParquetRecordBatchStreamBuilder, ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, statistics::StatisticsConverter},
    },
    file::metadata::{ParquetMetaData, RowGroupMetaData},
};

use crate::Result;

/// As many as the gateway's own default.
const PARTITIONS: usize = 4;

/// DataFusion with its usual settings.
pub(crate) struct Engine {
    context: SessionContext,
}

impl Engine {
    /// Registers tables given as `name=metadata location`.
    pub(crate) async fn open(tables: &[&str]) -> Result<Self> {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(PARTITIONS));
        for table in tables {
            let (name, location) = table.split_once('=').ok_or("a table is `name=location`")?;
            context.register_table(name, Arc::new(PlainTable::open(location).await?))?;
        }
        Ok(Self { context })
    }

    /// Runs a statement; its rows as JSON.
    pub(crate) async fn json(&self, sql: &str) -> Result<Vec<u8>> {
        let batches = self.context.sql(sql).await?.collect().await?;
        let mut writer = ArrayWriter::new(Vec::new());
        writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
        writer.finish()?;
        Ok(writer.into_inner())
    }

    /// Plans a statement to its physical plan.
    pub(crate) async fn plan(&self, sql: &str) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self.context.sql(sql).await?.create_physical_plan().await?)
    }
}

/// A file with its footer, which is read once, as the gateway's table cache keeps what it knows.
#[derive(Clone, Debug)]
struct DataFile {
    path: String,
    metadata: ArrowReaderMetadata,
}

#[derive(Debug)]
struct PlainTable {
    schema: SchemaRef,
    files: Vec<DataFile>,
}

impl PlainTable {
    async fn open(location: &str) -> Result<Self> {
        let ident = TableIdent::from_strs(["bench", "table"])?;
        let table = StaticTable::from_metadata_file(location, ident, FileIO::new_with_fs()).await?;
        let tasks: Vec<_> = table.scan().build()?.plan_files().await?.try_collect().await?;
        let mut files = Vec::new();
        for task in tasks {
            if !task.deletes.is_empty() {
                return Err("the reference reads no delete files".into());
            }
            let path = task.data_file_path.strip_prefix("file://").unwrap_or(&task.data_file_path).to_owned();
            let metadata = ArrowReaderMetadata::load(&std::fs::File::open(&path)?, Default::default())?;
            files.push(DataFile { path, metadata });
        }
        let schema = files.first().ok_or("the table is empty")?.metadata.schema().clone();
        Ok(Self { schema, files })
    }
}

#[async_trait]
impl TableProvider for PlainTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let pruning = match conjunction(filters.iter().cloned()) {
            None => None,
            Some(filter) => {
                let schema = self.schema.as_ref().clone().to_dfschema()?;
                let filter = state.create_physical_expr(filter, &schema)?;
                PruningPredicate::try_new(filter, self.schema.clone()).ok()
            }
        };
        let mut partitions = vec![Vec::new(); PARTITIONS];
        let mut next = 0;
        for file in &self.files {
            let kept = match &pruning {
                None => vec![true; file.metadata.metadata().num_row_groups()],
                Some(pruning) => pruning.prune(&Footer { file, schema: &self.schema })?,
            };
            for (group, _) in kept.into_iter().enumerate().filter(|(_, kept)| *kept) {
                if let Some(partition) = partitions.get_mut(next % PARTITIONS) {
                    partition.push((file.clone(), group));
                }
                next += 1;
            }
        }
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let shown = Arc::new(self.schema.project(&columns)?);
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(shown),
            Partitioning::UnknownPartitioning(PARTITIONS),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Ok(Arc::new(PlainScan { columns, partitions, properties }))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}

/// The statistics of a file's row groups.
struct Footer<'a> {
    file: &'a DataFile,
    schema: &'a SchemaRef,
}

impl Footer<'_> {
    fn converted(
        &self,
        column: &Column,
        read: impl FnOnce(StatisticsConverter<'_>, &[RowGroupMetaData]) -> parquet::errors::Result<ArrayRef>,
    ) -> Option<ArrayRef> {
        let metadata: &ParquetMetaData = self.file.metadata.metadata();
        let schema = metadata.file_metadata().schema_descr();
        let converter = StatisticsConverter::try_new(column.name(), self.schema, schema).ok()?;
        read(converter, metadata.row_groups()).ok()
    }
}

impl PruningStatistics for Footer<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.converted(column, |converter, groups| converter.row_group_mins(groups))
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.converted(column, |converter, groups| converter.row_group_maxes(groups))
    }

    fn num_containers(&self) -> usize {
        self.file.metadata.metadata().num_row_groups()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        self.converted(column, |converter, groups| Ok(Arc::new(converter.row_group_null_counts(groups)?)))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let groups = self.file.metadata.metadata().row_groups();
        let rows: UInt64Array = groups.iter().map(|group| u64::try_from(group.num_rows()).ok()).collect();
        Some(Arc::new(rows))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// Reads row groups.
#[derive(Debug)]
struct PlainScan {
    columns: Vec<usize>,
    partitions: Vec<Vec<(DataFile, usize)>>,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for PlainScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainScan")
    }
}

impl ExecutionPlan for PlainScan {
    fn name(&self) -> &'static str {
        "PlainScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> EngineResult<SendableRecordBatchStream> {
        let (columns, schema) = (self.columns.clone(), self.schema());
        let parts = self.partitions.get(partition).cloned().unwrap_or_default();
        let batches = futures::stream::iter(parts)
            .then(move |(file, group)| {
                let columns = columns.clone();
                async move { read(file, group, &columns).await }
            })
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

async fn read(
    file: DataFile,
    group: usize,
    columns: &[usize],
) -> EngineResult<impl futures::Stream<Item = EngineResult<arrow::array::RecordBatch>> + use<>> {
    let open = tokio::fs::File::open(&file.path).await?;
    let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(open, file.metadata);
    let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
    let stream = builder.with_projection(mask).with_row_groups(vec![group]).with_batch_size(8192).build();
    let mut order: Vec<usize> = columns.to_vec();
    order.sort_unstable();
    // The reader keeps the file's order; the plan has its own.
    let places: Vec<usize> =
        columns.iter().filter_map(|column| order.iter().position(|sorted| sorted == column)).collect();
    let external = |error| DataFusionError::External(Box::new(error));
    Ok(stream.map_err(external)?.map(move |batch| {
        let batch: arrow::array::RecordBatch = batch.map_err(external)?;
        batch.project(&places).map_err(DataFusionError::from)
    }))
}
