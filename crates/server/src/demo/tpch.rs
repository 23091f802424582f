//! The eight TPC-H tables: schemas as Iceberg wants them, rows from the generator through `arrow::csv`.

use std::{fmt::Display, sync::Arc};

use arrow::{
    array::RecordBatch,
    csv::ReaderBuilder,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use iceberg::spec::{NestedField, PrimitiveType, Schema as IcebergSchema, Type};
use polder_types::{Error, Result};
use tpchgen::{
    csv::{CustomerCsv, LineItemCsv, NationCsv, OrderCsv, PartCsv, PartSuppCsv, RegionCsv, SupplierCsv},
    generators::{
        CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
        RegionGenerator, SupplierGenerator,
    },
};

/// Rows turned into one Arrow batch at a time.
const BATCH_ROWS: usize = 64 * 1024;

/// One table: its name and its columns as `name:type`, types being `long`, `int`, `decimal`, `date`, `string`.
pub(super) struct TpchTable {
    pub(super) name: &'static str,
    columns: &'static str,
}

/// All eight, small ones first.
pub(super) const TABLES: [TpchTable; 8] = [
    TpchTable { name: "region", columns: "r_regionkey:long r_name:string r_comment:string" },
    TpchTable { name: "nation", columns: "n_nationkey:long n_name:string n_regionkey:long n_comment:string" },
    TpchTable {
        name: "supplier",
        columns: "s_suppkey:long s_name:string s_address:string s_nationkey:long s_phone:string s_acctbal:decimal \
                  s_comment:string",
    },
    TpchTable {
        name: "part",
        columns: "p_partkey:long p_name:string p_mfgr:string p_brand:string p_type:string p_size:int \
                  p_container:string p_retailprice:decimal p_comment:string",
    },
    TpchTable {
        name: "partsupp",
        columns: "ps_partkey:long ps_suppkey:long ps_availqty:int ps_supplycost:decimal ps_comment:string",
    },
    TpchTable {
        name: "customer",
        columns: "c_custkey:long c_name:string c_address:string c_nationkey:long c_phone:string c_acctbal:decimal \
                  c_mktsegment:string c_comment:string",
    },
    TpchTable {
        name: "orders",
        columns: "o_orderkey:long o_custkey:long o_orderstatus:string o_totalprice:decimal o_orderdate:date \
                  o_orderpriority:string o_clerk:string o_shippriority:int o_comment:string",
    },
    TpchTable {
        name: "lineitem",
        columns: "l_orderkey:long l_partkey:long l_suppkey:long l_linenumber:int l_quantity:decimal \
                  l_extendedprice:decimal l_discount:decimal l_tax:decimal l_returnflag:string l_linestatus:string \
                  l_shipdate:date l_commitdate:date l_receiptdate:date l_shipinstruct:string l_shipmode:string \
                  l_comment:string",
    },
];

impl TpchTable {
    fn columns(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.columns.split_ascii_whitespace().filter_map(|column| column.split_once(':'))
    }

    /// The schema to create the table with; the catalog assigns the ids afresh.
    pub(super) fn iceberg_schema(&self) -> Result<IcebergSchema> {
        let fields = (1..).zip(self.columns()).map(|(id, (name, ty))| {
            let ty = match ty {
                "long" => PrimitiveType::Long,
                "int" => PrimitiveType::Int,
                "decimal" => PrimitiveType::Decimal { precision: 15, scale: 2 },
                "date" => PrimitiveType::Date,
                _ => PrimitiveType::String,
            };
            Arc::new(NestedField::optional(id, name, Type::Primitive(ty)))
        });
        IcebergSchema::builder().with_fields(fields).build().map_err(Error::internal)
    }

    fn arrow_schema(&self) -> SchemaRef {
        let fields: Vec<Field> = self
            .columns()
            .map(|(name, ty)| {
                let ty = match ty {
                    "long" => DataType::Int64,
                    "int" => DataType::Int32,
                    "decimal" => DataType::Decimal128(15, 2),
                    "date" => DataType::Date32,
                    _ => DataType::Utf8,
                };
                Field::new(name, ty, true)
            })
            .collect();
        Arc::new(Schema::new(fields))
    }

    /// Generates the rows at a scale factor and hands them over batch by batch.
    pub(super) fn for_each_batch(&self, scale: f64, sink: &mut dyn FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        let mut csv = CsvBatches::new(self.arrow_schema(), sink);
        match self.name {
            "region" => csv.rows(RegionGenerator::new(scale, 1, 1).iter().map(RegionCsv::new))?,
            "nation" => csv.rows(NationGenerator::new(scale, 1, 1).iter().map(NationCsv::new))?,
            "supplier" => csv.rows(SupplierGenerator::new(scale, 1, 1).iter().map(SupplierCsv::new))?,
            "part" => csv.rows(PartGenerator::new(scale, 1, 1).iter().map(PartCsv::new))?,
            "partsupp" => csv.rows(PartSuppGenerator::new(scale, 1, 1).iter().map(PartSuppCsv::new))?,
            "customer" => csv.rows(CustomerGenerator::new(scale, 1, 1).iter().map(CustomerCsv::new))?,
            "orders" => csv.rows(OrderGenerator::new(scale, 1, 1).iter().map(OrderCsv::new))?,
            _ => csv.rows(LineItemGenerator::new(scale, 1, 1).iter().map(LineItemCsv::new))?,
        }
        csv.flush()
    }
}

/// Collects CSV lines and turns them into batches.
struct CsvBatches<'a> {
    schema: SchemaRef,
    text: String,
    rows: usize,
    sink: &'a mut dyn FnMut(RecordBatch) -> Result<()>,
}

impl<'a> CsvBatches<'a> {
    fn new(schema: SchemaRef, sink: &'a mut dyn FnMut(RecordBatch) -> Result<()>) -> Self {
        Self { schema, text: String::new(), rows: 0, sink }
    }

    fn rows<T: Display>(&mut self, lines: impl Iterator<Item = T>) -> Result<()> {
        use std::fmt::Write as _;
        for line in lines {
            writeln!(self.text, "{line}").map_err(Error::internal)?;
            self.rows += 1;
            if self.rows == BATCH_ROWS {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let reader = ReaderBuilder::new(self.schema.clone())
            .with_batch_size(BATCH_ROWS)
            .build(self.text.as_bytes())
            .map_err(Error::internal)?;
        for batch in reader {
            (self.sink)(batch.map_err(Error::internal)?)?;
        }
        self.text.clear();
        self.rows = 0;
        Ok(())
    }
}
