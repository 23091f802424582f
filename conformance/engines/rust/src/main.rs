//! iceberg-rust as an engine of the conformance suite: SQL through `iceberg-datafusion`, and the library's own API where its SQL
//! ends. Told of the catalog by `conformance/engines/iceberg_rust.py`:
//!
//! ```text
//! polder-iceberg-rust NAMESPACE run
//! polder-iceberg-rust NAMESPACE share ROW BEFORE…
//! ```
//!
//! Tells each step in one line, as `conformance/engines/lake.py` does.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::prelude::SessionContext;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{DataFile, DataFileFormat, PrimitiveType, Type};
use iceberg::table::Table;
use iceberg::transaction::{AddColumn, ApplyTransactionAction, Transaction};
use iceberg::writer::base_writer::data_file_writer::DataFileWriterBuilder;
use iceberg::writer::file_writer::ParquetWriterBuilder;
use iceberg::writer::file_writer::location_generator::{DefaultFileNameGenerator, DefaultLocationGenerator};
use iceberg::writer::file_writer::rolling_writer::RollingFileWriterBuilder;
use iceberg::writer::{IcebergWriter, IcebergWriterBuilder};
use iceberg::{Catalog, CatalogBuilder, NamespaceIdent, TableIdent};
use iceberg_catalog_rest::{RestCatalog, RestCatalogBuilder};
use iceberg_datafusion::{IcebergCatalogProvider, IcebergStaticTableProvider};
use iceberg_storage_opendal::OpenDalStorageFactory;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// The properties of the catalog, a JSON object.
const PROPERTIES: &str = "POLDER_PROPERTIES";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut steps = Steps { failed: false };
    match run(&arguments, &mut steps).await {
        Ok(()) if steps.failed => ExitCode::from(1),
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &[String], steps: &mut Steps) -> Result {
    let [namespace, what, rows @ ..] = arguments else { return Err("NAMESPACE run | share ROW BEFORE…".into()) };
    let lake = Lake::connect(namespace).await?;
    if what == "run" {
        every_step(&lake, steps).await;
        return Ok(());
    }
    let rows: Vec<i64> = rows.iter().map(|row| row.parse()).collect::<std::result::Result<_, _>>()?;
    let [row, before @ ..] = rows.as_slice() else { return Err("share wants its row".into()) };
    steps.run("shared table", lake.share(*row, before)).await;
    Ok(())
}

/// The steps of an engine. One that fails does not keep the next from running.
struct Steps {
    failed: bool,
}

impl Steps {
    async fn run(&mut self, name: &str, act: impl Future<Output = Result>) {
        let started = Instant::now();
        let error = act.await.err().map(|error| error.to_string());
        let seconds = started.elapsed().as_secs_f64();
        println!("@step {}", serde_json::json!({ "step": name, "error": error, "seconds": seconds }));
        self.failed |= error.is_some();
    }
}

async fn every_step(lake: &Lake, steps: &mut Steps) {
    steps.run("create", lake.create()).await;
    steps.run("insert", lake.insert()).await;
    steps.run("filter and project", lake.filter()).await;
    steps.run("append through the API", lake.append()).await;
    steps.run("evolve", lake.evolve()).await;
    steps.run("properties", lake.properties()).await;
    steps.run("time travel", lake.time_travel()).await;
    steps.run("metadata tables", lake.metadata_tables()).await;
    steps.run("create and drop by SQL", lake.create_and_drop()).await;
    steps.run("rename and drop", lake.rename_and_drop()).await;
}

/// A catalog, and the namespace to work in.
struct Lake {
    catalog: Arc<RestCatalog>,
    namespace: NamespaceIdent,
}

impl Lake {
    async fn connect(namespace: &str) -> Result<Self> {
        let properties: HashMap<String, String> = serde_json::from_str(&std::env::var(PROPERTIES)?)?;
        let storage = OpenDalStorageFactory::S3 { customized_credential_load: None };
        let catalog =
            RestCatalogBuilder::default().with_storage_factory(Arc::new(storage)).load("polder", properties).await?;
        Ok(Self { catalog: Arc::new(catalog), namespace: NamespaceIdent::new(namespace.to_owned()) })
    }

    fn name(&self, table: &str) -> TableIdent {
        TableIdent::new(self.namespace.clone(), table.to_owned())
    }

    async fn load(&self, table: &str) -> Result<Table> {
        Ok(self.catalog.load_table(&self.name(table)).await?)
    }

    /// Runs one statement in a session of its own, since a session keeps the tables that it saw first. `{}` is the namespace.
    async fn sql(&self, statement: &str) -> Result<Vec<String>> {
        let session = SessionContext::new();
        let provider = IcebergCatalogProvider::try_new(self.catalog.clone()).await?;
        session.register_catalog("lake", Arc::new(provider));
        let statement = statement.replace("{}", &format!("lake.{}", self.namespace.to_url_string()));
        lines(&session.sql(&statement).await?.collect().await?)
    }

    async fn create(&self) -> Result {
        self.catalog.create_namespace(&self.namespace, HashMap::new()).await?;
        self.sql("CREATE TABLE {}.t (id BIGINT, name VARCHAR)").await?;
        same(self.sql("SELECT count(*) FROM {}.t").await?, &["0"])
    }

    async fn insert(&self) -> Result {
        same(self.sql("INSERT INTO {}.t VALUES (1, 'a'), (2, 'b'), (3, 'c')").await?, &["3"])?;
        same(self.sql("SELECT * FROM {}.t ORDER BY id").await?, &["1 a", "2 b", "3 c"])
    }

    async fn filter(&self) -> Result {
        same(self.sql("SELECT name FROM {}.t WHERE id > 2").await?, &["c"])
    }

    async fn append(&self) -> Result {
        let table = self.load("t").await?;
        let columns: [ArrayRef; 2] =
            [Arc::new(Int64Array::from(vec![4, 5])), Arc::new(StringArray::from(vec!["d", "e"]))];
        let files = write(&table, columns.to_vec()).await?;
        let transaction = Transaction::new(&table);
        let transaction = transaction.fast_append().add_data_files(files).apply(transaction)?;
        transaction.commit(self.catalog.as_ref()).await?;
        same(self.sql("SELECT count(*), sum(id) FROM {}.t").await?, &["5 15"])
    }

    async fn evolve(&self) -> Result {
        let table = self.load("t").await?;
        let transaction = Transaction::new(&table);
        let city = AddColumn::optional("city", Type::Primitive(PrimitiveType::String));
        let transaction = transaction.update_schema().add_column(city).apply(transaction)?;
        transaction.commit(self.catalog.as_ref()).await?;
        self.sql("INSERT INTO {}.t VALUES (6, 'f', 'Ghent')").await?;
        same(self.sql("SELECT id, city FROM {}.t WHERE id > 4 ORDER BY id").await?, &["5 ", "6 Ghent"])
    }

    async fn properties(&self) -> Result {
        let table = self.load("t").await?;
        let transaction = Transaction::new(&table);
        let properties = transaction.update_table_properties().set("owner.team".to_owned(), "sales".to_owned());
        properties.apply(transaction)?.commit(self.catalog.as_ref()).await?;
        let found = self.load("t").await?.metadata().properties().get("owner.team").cloned();
        same(found.into_iter().collect(), &["sales"])
    }

    async fn time_travel(&self) -> Result {
        let table = self.load("t").await?;
        let first = table.metadata().snapshots().min_by_key(|s| s.sequence_number()).ok_or("there is no snapshot")?;
        let first = first.snapshot_id();
        let then = IcebergStaticTableProvider::try_new_from_table_snapshot(table, first).await?;
        let session = SessionContext::new();
        session.register_table("then", Arc::new(then))?;
        let found = session.sql("SELECT count(*) FROM then").await?.collect().await?;
        same(lines(&found)?, &["3"])
    }

    async fn metadata_tables(&self) -> Result {
        // All columns, whichever are asked for: `MetadataTableScan` takes no projection.
        let found = self.sql(r#"SELECT * FROM {}."t$snapshots""#).await?;
        let appends = found.iter().filter(|snapshot| snapshot.contains(" append ")).count();
        same(vec![format!("{appends} of {}", found.len())], &["3 of 3"])
    }

    async fn create_and_drop(&self) -> Result {
        self.sql("CREATE TABLE {}.gone (id BIGINT)").await?;
        self.sql("DROP TABLE {}.gone").await?;
        let left = self.catalog.list_tables(&self.namespace).await?;
        same(left.iter().map(|table| table.name().to_owned()).collect(), &["t"])
    }

    async fn rename_and_drop(&self) -> Result {
        self.catalog.rename_table(&self.name("t"), &self.name("moved")).await?;
        same(self.sql("SELECT count(*) FROM {}.moved").await?, &["6"])?;
        self.catalog.drop_table(&self.name("moved")).await?;
        if self.catalog.table_exists(&self.name("moved")).await? {
            return Err("the table is still there".into());
        }
        Ok(self.catalog.drop_namespace(&self.namespace).await?)
    }

    /// Reads the table of all engines, appends a row, reads again.
    async fn share(&self, row: i64, before: &[i64]) -> Result {
        let ids = |rows: &[i64]| rows.iter().map(i64::to_string).collect::<Vec<_>>();
        same(self.sql("SELECT id FROM {}.shared ORDER BY id").await?, &ids(before))?;
        self.sql(&format!("INSERT INTO {{}}.shared VALUES ({row}, 'iceberg-rust')")).await?;
        same(self.sql("SELECT id FROM {}.shared ORDER BY id").await?, &ids(&[before, &[row]].concat()))
    }
}

/// Writes one data file with the library's own writer.
async fn write(table: &Table, columns: Vec<ArrayRef>) -> Result<Vec<DataFile>> {
    let schema = table.metadata().current_schema().clone();
    let batch = RecordBatch::try_new(Arc::new(schema_to_arrow_schema(&schema)?), columns)?;
    let rolling = RollingFileWriterBuilder::new_with_default_file_size(
        ParquetWriterBuilder::new(WriterProperties::default(), schema),
        table.file_io().clone(),
        DefaultLocationGenerator::new(table.metadata())?,
        DefaultFileNameGenerator::new("api".to_owned(), None, DataFileFormat::Parquet),
    );
    let mut writer = DataFileWriterBuilder::new(rolling).build(None).await?;
    writer.write(batch).await?;
    Ok(writer.close().await?)
}

/// Returns each row as its values with a space between them; NULL is nothing.
fn lines(batches: &[RecordBatch]) -> Result<Vec<String>> {
    let options = FormatOptions::default();
    let mut found = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
        found.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" ")),
        );
    }
    Ok(found)
}

/// Fails with both if they differ.
fn same<T: AsRef<str>>(found: Vec<String>, wanted: &[T]) -> Result {
    if found.iter().map(String::as_str).eq(wanted.iter().map(AsRef::as_ref)) {
        return Ok(());
    }
    let wanted: Vec<&str> = wanted.iter().map(AsRef::as_ref).collect();
    Err(format!("{found:?} is not {wanted:?}").into())
}
