//! Loads the TPC-H tables as any Iceberg client would: REST catalog, data files, one append commit a table.

use std::{collections::HashMap, sync::Arc};

use arrow::array::RecordBatch;
use iceberg::{
    Catalog, CatalogBuilder, NamespaceIdent, TableCreation, TableIdent,
    arrow::schema_to_arrow_schema,
    io::LocalFsStorageFactory,
    spec::{DataFile, DataFileFormat},
    table::Table,
    transaction::{ApplyTransactionAction, Transaction},
    writer::{
        IcebergWriter, IcebergWriterBuilder,
        base_writer::data_file_writer::DataFileWriterBuilder,
        file_writer::{
            ParquetWriterBuilder,
            location_generator::{DefaultFileNameGenerator, DefaultLocationGenerator},
            rolling_writer::RollingFileWriterBuilder,
        },
    },
};
use iceberg_catalog_rest::{RestCatalog, RestCatalogBuilder};
use parquet::{basic::Compression, file::properties::WriterProperties};
use polder_types::{Error, Result, Secret};

use super::tpch::TpchTable;

/// A client of the catalog, authenticated by client credentials.
pub(super) struct Loader {
    catalog: RestCatalog,
    namespace: NamespaceIdent,
    scale: f64,
}

fn client_error(error: iceberg::Error) -> Error {
    Error::internal(error)
}

impl Loader {
    /// Connects to `iceberg_uri` (without `/v1`) as the holder of `credential` (`id:secret`).
    pub(super) async fn connect(
        iceberg_uri: &str,
        warehouse: &str,
        namespace: &str,
        credential: &Secret,
        scale: f64,
    ) -> Result<Self> {
        let properties = HashMap::from([
            ("uri".to_owned(), iceberg_uri.to_owned()),
            ("warehouse".to_owned(), warehouse.to_owned()),
            ("credential".to_owned(), credential.expose().to_owned()),
            ("scope".to_owned(), "catalog".to_owned()),
        ]);
        let catalog = RestCatalogBuilder::default()
            .with_storage_factory(Arc::new(LocalFsStorageFactory))
            .load("demo", properties)
            .await
            .map_err(client_error)?;
        Ok(Self { catalog, namespace: NamespaceIdent::new(namespace.to_owned()), scale })
    }

    /// Creates the namespace if it is not there.
    pub(super) async fn ensure_namespace(&self) -> Result<()> {
        if self.catalog.namespace_exists(&self.namespace).await.map_err(client_error)? {
            return Ok(());
        }
        self.catalog.create_namespace(&self.namespace, HashMap::new()).await.map_err(client_error)?;
        Ok(())
    }

    /// Creates and fills one table unless it already has rows. Returns the number of rows written.
    pub(super) async fn ensure_table(&self, tpch: &TpchTable) -> Result<usize> {
        let ident = TableIdent::new(self.namespace.clone(), tpch.name.to_owned());
        let table = if self.catalog.table_exists(&ident).await.map_err(client_error)? {
            self.catalog.load_table(&ident).await.map_err(client_error)?
        } else {
            let creation = TableCreation::builder().name(tpch.name.to_owned()).schema(tpch.iceberg_schema()?).build();
            self.catalog.create_table(&self.namespace, creation).await.map_err(client_error)?
        };
        if table.metadata().current_snapshot().is_some() {
            return Ok(0);
        }
        let mut batches = Vec::new();
        tpch.for_each_batch(self.scale, &mut |batch| {
            batches.push(batch);
            Ok(())
        })?;
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let files = write(&table, batches).await.map_err(client_error)?;
        let transaction = Transaction::new(&table);
        let append = transaction.fast_append().add_data_files(files);
        let transaction = append.apply(transaction).map_err(client_error)?;
        transaction.commit(&self.catalog).await.map_err(client_error)?;
        Ok(rows)
    }
}

/// Writes the batches as Parquet data files below the table's location.
async fn write(table: &Table, batches: Vec<RecordBatch>) -> iceberg::Result<Vec<DataFile>> {
    let schema = table.metadata().current_schema().clone();
    let arrow_schema = Arc::new(schema_to_arrow_schema(&schema)?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let rolling = RollingFileWriterBuilder::new_with_default_file_size(
        ParquetWriterBuilder::new(properties, schema),
        table.file_io().clone(),
        DefaultLocationGenerator::new(table.metadata())?,
        DefaultFileNameGenerator::new(
            "part".to_owned(),
            Some(table.metadata().uuid().to_string()),
            DataFileFormat::Parquet,
        ),
    );
    let mut writer = DataFileWriterBuilder::new(rolling).build(None).await?;
    for batch in batches {
        // Same columns, now with the field ids that the catalog assigned.
        writer.write(RecordBatch::try_new(arrow_schema.clone(), batch.columns().to_vec())?).await?;
    }
    writer.close().await
}
