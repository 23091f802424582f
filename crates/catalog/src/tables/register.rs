//! Tables whose files are there already: registering them, and giving them up as they are.
//!
//! Registering must not launder: what a restriction or a denial hides in a table stays hidden whatever name its files are
//! registered under. So nothing inside another table's directory is read, the place of a dropped table opens only to the
//! name that it had (or to a policy editor), its restrictions come back with the files, and whoever registers a document is
//! told it only if it may load what carries that name (R35).

use std::sync::Arc;

use polder_policy::{NamespaceRef, Permit, TableRef, actions};
use polder_store::{CommitOutcome, NewTable, PointerSwap, Registrar, Replaced, Site, TableRow, WarehouseRow, is_stale};
use polder_types::{
    Error, ErrorKind, Location, Namespace, QualifiedName, RelationId, Result, Subject, TableIdent, WarehouseName,
    rest::RegisterTableRequest,
};
use uuid::Uuid;

use super::LoadedTable;
use crate::{
    OpCtx, SnapshotsMode,
    cache::StoredDoc,
    catalog::state_unknown,
    columns,
    commit::{RETRIES_MAX, edits_policies, pause, policy_editor},
    places, properties, resolve,
};

/// What is to be registered.
struct Wanted {
    warehouse: WarehouseName,
    ident: TableIdent,
    file: Location,
    overwrite: bool,
}

/// Registers a table by its metadata file, which is kept as it is; with `overwrite`, in place of the table of that name
///
///
/// # Errors
/// `AlreadyExists` for a name that is taken, unless it is overwritten; `NotFound` for the namespace; `Forbidden` for whoever
/// may not create there, or not load what has the name; `Invalid` for a file or place that is refused; `Conflict` while
/// files at the place are still being deleted, or if others were faster.
pub async fn register(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    namespace: &Namespace,
    request: &RegisterTableRequest,
) -> Result<LoadedTable> {
    let wanted = Wanted {
        warehouse: warehouse.clone(),
        ident: TableIdent::new(namespace.clone(), request.name.as_str())?,
        file: Location::parse(&request.metadata_location)?,
        overwrite: request.overwrite == Some(true),
    };
    let mut ctx = ctx.clone();
    for attempt in 0..=RETRIES_MAX {
        if attempt > 0 {
            pause(attempt).await;
            ctx = ctx.refresh().await?;
        }
        match Registration::begin(&ctx, &wanted).await?.run().await {
            Err(error) if is_stale(&error) => {}
            Ok(None) => {}
            Ok(Some(table)) => return Ok(table),
            Err(error) => return Err(error),
        }
    }
    Err(Error::conflict("commit_conflict", "others changed the table or its policies at the same time; retry"))
}

/// One attempt.
struct Registration<'a> {
    ctx: &'a OpCtx,
    wanted: &'a Wanted,
    warehouse: Arc<WarehouseRow>,
    permit: Permit<actions::RegisterTable>,
    name: QualifiedName,
    standing: Option<Arc<TableRow>>,
}

impl<'a> Registration<'a> {
    /// Resolves and authorizes.
    async fn begin(ctx: &'a OpCtx, wanted: &'a Wanted) -> Result<Self> {
        let warehouse = resolve::warehouse(ctx, &wanted.warehouse).await?;
        let parent = resolve::namespace(ctx, &warehouse, &wanted.ident.namespace).await?;
        // SECURITY: nothing below may run without it.
        let permit = resolve::permit(ctx, &warehouse, actions::RegisterTable, &parent.namespace)?;
        let name = QualifiedName { warehouse: warehouse.warehouse.name.clone(), ident: wanted.ident.clone() };
        let standing = resolve::table_if_any(ctx, &warehouse, &wanted.ident).await?;
        if standing.is_some() && !wanted.overwrite {
            return Err(Error::already_exists(Subject::Table, &wanted.ident.to_string()));
        }
        Ok(Self { ctx, wanted, warehouse, permit, name, standing })
    }

    /// `None` if others were faster.
    async fn run(self) -> Result<Option<LoadedTable>> {
        let Some(standing) = self.standing.clone() else {
            may_load(self.ctx, &self.warehouse, self.permit.resource(), &self.wanted.ident)?;
            let stored = self.document().await?;
            return self.make(&stored, None).await.map(Some);
        };
        // SECURITY: who is restricted on the table overwrites nothing, and is told nothing.
        let commit = resolve::permit(self.ctx, &self.warehouse, actions::CommitTable, &standing.table)?;
        resolve::permit(self.ctx, &self.warehouse, actions::LoadTable, &standing.table)?;
        let stored = self.document().await?;
        if stored.doc().table_uuid() == Some(standing.table_uuid) && stored.doc().location()? == standing.location {
            return self.swap(&stored, &standing, commit).await;
        }
        let permit = resolve::permit(self.ctx, &self.warehouse, actions::DropTable, &standing.table)?;
        may_load(self.ctx, &self.warehouse, self.permit.resource(), &self.wanted.ident)?;
        let replaced = Replaced { permit, expected_metadata_location: standing.metadata_location.clone() };
        self.make(&stored, Some(replaced)).await.map(Some)
    }

    /// Reads and checks the document.
    async fn document(&self) -> Result<Arc<StoredDoc>> {
        let (ctx, file) = (self.ctx, &self.wanted.file);
        // SECURITY: whoever has keys for the table could write any other file anew, after it was checked (R4, R12).
        if !places::is_document(file) {
            return Err(Error::invalid(
                "invalid_metadata_location",
                "the name of a table's metadata file ends in `.metadata.json`: any other file is open to everybody who \
                 writes the table; copy it to such a name and register that one",
            )
            .about(Subject::Table));
        }
        let root = places::root_of(&self.warehouse, file).filter(|root| *root != file).ok_or_else(|| {
            Error::invalid("location_not_allowed", "the metadata location is not below a root of the warehouse")
                .about(Subject::Table)
        })?;
        let editor = policy_editor(ctx);
        let replaces = self.standing.as_ref().map(|row| (row.table.id, &row.location));
        let registrar = Registrar { permit: &self.permit, name: &self.name, editor: editor.as_ref(), replaces };
        let site = Site { warehouse: &self.warehouse, location: file, now: ctx.now() };
        let known = ctx.catalog().store().check_registrable(registrar, site).await?;
        let stored = ctx.catalog().metadata().named(&self.permit, root, file).await?;
        let (warehouse, checked, file) = (Arc::clone(&self.warehouse), Arc::clone(&stored), file.clone());
        ctx.catalog().heavy().run(stored.len(), move || check(&warehouse, &checked, &file)).await?;
        // SECURITY: what the catalog wrote itself names who set it; whatever else is there is what somebody says (R36).
        if !known && editor.is_none() {
            properties::check_owner(stored.doc().properties(), ctx.principal())?;
        }
        Ok(stored)
    }

    /// Makes the table, in place of another one if that is said.
    async fn make(&self, stored: &Arc<StoredDoc>, replaced: Option<Replaced>) -> Result<LoadedTable> {
        let (ctx, doc) = (self.ctx, stored.doc());
        let restrictions = columns::restrictions_on_name(ctx.snapshot(), &self.name);
        let new = NewTable {
            name: self.wanted.ident.name.clone(),
            location: doc.location()?,
            metadata_location: self.wanted.file.to_string(),
            table_uuid: doc.table_uuid().ok_or_else(no_uuid)?,
            bindings: columns::new_bindings(restrictions, RelationId(Uuid::nil()), &[doc.as_ref()]),
            released_by: policy_editor(ctx),
            registered: true,
        };
        let row = ctx.catalog().store().register_table(&self.permit, new, replaced, &ctx.stamp()).await?;
        self.answer(&row, stored).await
    }

    /// Moves the pointer of a table to another of its own documents: one compare-and-swap.
    async fn swap(
        &self,
        stored: &Arc<StoredDoc>,
        row: &Arc<TableRow>,
        permit: Permit<actions::CommitTable>,
    ) -> Result<Option<LoadedTable>> {
        let (ctx, next, to) = (self.ctx, stored.doc(), self.wanted.file.to_string());
        let base = ctx.catalog().metadata().current(&permit, row).await?;
        if !edits_policies(ctx, &row.table) {
            columns::check_kept(ctx.snapshot(), &row.table, base.doc(), next)?;
        }
        let restrictions = ctx.snapshot().restrictions_on(row.table.id, &self.name);
        let swap = PointerSwap {
            bindings: columns::new_bindings(restrictions, row.table.id, &[base.doc().as_ref(), next.as_ref()]),
            expected_metadata_location: row.metadata_location.clone(),
            // The current one may be registered again: the pointer stands still then, and nothing else moves it.
            new_metadata_location: (to != row.metadata_location).then_some(to),
            permit,
            fallen: Vec::new(),
            registers: true,
        };
        match ctx.catalog().store().commit_tables(vec![swap], Vec::new(), &ctx.stamp()).await {
            CommitOutcome::Committed(rows) => match rows.first() {
                Some(now) => {
                    if now.metadata_location == row.metadata_location {
                        // The store has a record of what moved only.
                        ctx.count_allowed::<actions::CommitTable>(&row.table);
                    }
                    self.answer(now, stored).await.map(Some)
                }
                None => Err(state_unknown(Error::internal("a commit returned too few rows"))),
            },
            CommitOutcome::Lost(_) | CommitOutcome::StalePolicy => Ok(None),
            CommitOutcome::RolledBack(error) => Err(error),
            CommitOutcome::Unknown(error) => Err(state_unknown(error)),
        }
    }

    async fn answer(&self, row: &TableRow, stored: &Arc<StoredDoc>) -> Result<LoadedTable> {
        let (warehouse, metadata) = (row.warehouse.warehouse.id, self.ctx.catalog().metadata());
        metadata.remember(warehouse, &row.metadata_location, Arc::clone(stored)).await;
        LoadedTable::new(self.ctx, row, stored, SnapshotsMode::All)
    }
}

/// Decides whether the caller may load whatever will carry a name.
// SECURITY: `create` alone lets nobody read what others have left (R35). Taken as one that is not released: who is
// restricted in the namespace is told nothing of new tables there.
fn may_load(ctx: &OpCtx, warehouse: &WarehouseRow, namespace: &NamespaceRef, ident: &TableIdent) -> Result<()> {
    let table = TableRef {
        namespace: namespace.clone(),
        id: RelationId(Uuid::nil()),
        name: ident.name.as_str().into(),
        quarantined: true,
    };
    match resolve::permit(ctx, warehouse, actions::LoadTable, &table) {
        Ok(_) => Ok(()),
        // The table does not exist, for nobody: what is refused is to make it.
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::forbidden(
            Subject::Namespace,
            format!("not allowed: register_table in namespace `{}` without the right to load it", namespace.name),
        )),
        Err(error) => Err(error),
    }
}

/// Checks everything that a document names but its owner (R4, R9, R10, R12).
fn check(warehouse: &WarehouseRow, stored: &StoredDoc, file: &Location) -> Result<()> {
    let doc = stored.doc();
    let location = doc.location()?;
    places::check_table_location(warehouse, &location)?;
    if !file.is_within(&location) || file == &location {
        return Err(Error::invalid("location_not_allowed", "the metadata file is not below its table's own location")
            .about(Subject::Table));
    }
    places::check_document(doc, &location)?;
    properties::check(doc.properties())?;
    doc.table_uuid().map(|_| ()).ok_or_else(no_uuid)
}

fn no_uuid() -> Error {
    Error::invalid("invalid_metadata", "the table has no `table-uuid`; write to it with a newer client first")
        .about(Subject::Table)
}

/// Drops a table and returns its last document; its files stay, and no commit lands after that.
///
/// # Errors
/// `NotFound`; `Forbidden` for whoever may not drop it, or not load it.
pub async fn unregister(ctx: &OpCtx, warehouse: &WarehouseName, ident: &TableIdent) -> Result<LoadedTable> {
    ctx.retrying(|ctx| async move {
        let warehouse = resolve::warehouse(&ctx, warehouse).await?;
        let row = resolve::table(&ctx, &warehouse, ident).await?;
        let permit = resolve::permit(&ctx, &warehouse, actions::DropTable, &row.table)?;
        // SECURITY: the answer is the whole document.
        let load = resolve::permit(&ctx, &warehouse, actions::LoadTable, &row.table)?;
        let stored = ctx.catalog().metadata().current(&load, &row).await?;
        ctx.catalog().store().unregister_table(&permit, &row.metadata_location, &ctx.stamp()).await?;
        LoadedTable::new(&ctx, &row, &stored, SnapshotsMode::All)
    })
    .await
}
