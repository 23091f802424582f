//! Tables whose scans are planned: resolve, authorize. The planning itself is `query`'s, which reads Iceberg.

use std::sync::Arc;

use polder_policy::{Permit, actions};
use polder_store::TableRow;
use polder_types::{Result, TableIdent, WarehouseName};

use crate::{OpCtx, TableObjects, metadata::TableDoc, places, resolve};

/// A table that its holder reads whole.
#[derive(Clone, Debug)]
pub struct ScanTable {
    /// Proof of the decision. SECURITY: nobody under a row filter, mask or hidden column has one.
    pub permit: Permit<actions::PlanTable>,
    /// The table as the catalog knows it; its `location` bounds every file that is read or told.
    pub row: Arc<TableRow>,
    /// Its current metadata.
    pub doc: Arc<TableDoc>,
    /// Its files, if they are in an object store.
    pub objects: Option<TableObjects>,
}

/// Resolves and authorizes a table for planning: at every call, whatever a plan or task of it says that was made before.
///
/// # Errors
/// As [`crate::tables::load`]; `Invalid` if the table's directory is a symbolic link.
pub async fn open(ctx: &OpCtx, warehouse: &WarehouseName, ident: &TableIdent) -> Result<ScanTable> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = resolve::table(ctx, &warehouse, ident).await?;
    let ctx = &ctx.newest().await?;
    // SECURITY: nothing below may run without it.
    let permit = resolve::permit(ctx, &warehouse, actions::PlanTable, &row.table)?;
    let stored = ctx.catalog().metadata().current(&permit, &row).await?;
    // SECURITY: as for a query, the real place of the table's directory bounds what is read.
    let root = places::check_table_location(&row.warehouse, &row.location)?;
    ctx.catalog().files().check_place(root, &row.location).await?;
    let objects = ctx.catalog().files().objects(&row.location)?;
    Ok(ScanTable { permit, row, doc: Arc::clone(stored.doc()), objects })
}
