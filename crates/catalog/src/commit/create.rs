//! Creating a table: at once, staged (prepared and answered, nothing stored), or by the commit that publishes a
//! staged one. The location is checked before anything is written (R1).

use std::sync::Arc;

use bytes::Bytes;
use polder_policy::{Permit, actions};
use polder_store::{NewTable, TableRow, WarehouseRow, is_stale};
use polder_types::{
    Error, ErrorKind, Location, Namespace, QualifiedName, RelationId, Result, Subject, TableIdent, WarehouseName,
    rest::CreateTableRequest,
};
use uuid::Uuid;

use super::{
    RETRIES_MAX, TableCommit, pause,
    prepare::NewFile,
    publish::{Published, remove_all, write_all},
};
use crate::{
    OpCtx, SnapshotsMode,
    catalog::state_unknown,
    columns,
    faults::Step,
    ids::fresh_uuid,
    metadata::{self, TableDoc, Update},
    places, properties, resolve,
    tables::LoadedTable,
};

/// Creates a table, or prepares one if the request says `stage-create`.
///
/// # Errors
/// `AlreadyExists`; `NotFound` for the namespace; `Invalid` for a schema, property or location that is refused.
pub async fn create(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    namespace: &Namespace,
    mut request: CreateTableRequest,
) -> Result<LoadedTable> {
    let row = resolve::warehouse(ctx, warehouse).await?;
    let permit = permit(ctx, &row, namespace).await?; // SECURITY: nothing below may run without it
    let ident = TableIdent::new(namespace.clone(), request.name.clone())?;
    if let Some(wanted) = &mut request.properties {
        properties::govern(wanted, ctx.principal())?;
    }
    refuse_taken(ctx, &row, &ident).await?;
    let table_uuid = fresh_uuid();
    let location = match &request.location {
        Some(text) => Location::parse(text)?,
        None => row.root.join(&table_uuid.to_string())?,
    };
    let root = places::check_table_location(&row, &location)?;
    let doc = metadata::create((&request).into(), table_uuid, &location, ctx.now())?;
    places::check_document(&doc, &location)?;
    if request.stage_create == Some(true) {
        ctx.catalog().store().check_free_location(&permit, &location).await?;
        make_directories(ctx, root, &location).await?;
        return Ok(LoadedTable {
            metadata_location: None,
            metadata: Bytes::from(doc.to_bytes()),
            etag: None,
            config: ctx.catalog().client_config(),
            table_uuid,
        });
    }
    let work = create_now(ctx.clone(), warehouse.clone(), ident, doc);
    ctx.catalog().run_to_end(ctx.deadline(), work).await
}

/// Decides on creating a table in a namespace.
pub(super) async fn permit(
    ctx: &OpCtx,
    warehouse: &WarehouseRow,
    namespace: &Namespace,
) -> Result<Permit<actions::CreateTable>> {
    let row = resolve::namespace(ctx, warehouse, namespace).await?;
    resolve::permit(ctx, warehouse, actions::CreateTable, &row.namespace)
}

async fn create_now(mut ctx: OpCtx, name: WarehouseName, ident: TableIdent, doc: TableDoc) -> Result<LoadedTable> {
    for attempt in 0..=RETRIES_MAX {
        if attempt > 0 {
            pause(attempt).await;
            ctx = ctx.refresh().await?;
        }
        let warehouse = resolve::warehouse(&ctx, &name).await?;
        if let Published::Committed(tables) = publish_new(&ctx, &warehouse, &ident, doc.clone()).await?
            && let Some(table) = tables.into_iter().next()
        {
            return Ok(table);
        }
    }
    Err(Error::unavailable("policy_changing", "the policy keeps changing; nothing was done"))
}

/// Publishes what a staged create has prepared: the commit's updates applied to nothing.
pub(super) async fn publish_staged(ctx: &OpCtx, warehouse: &WarehouseRow, commit: &TableCommit) -> Result<Published> {
    metadata::check(None, &commit.requirements)?;
    let doc = metadata::apply(None, &with_identity(&commit.updates, warehouse)?, ctx.now())?;
    publish_new(ctx, warehouse, &commit.ident, doc).await
}

/// Adds what a client may leave out: a UUID, and a location below the root.
fn with_identity(updates: &[Update], warehouse: &WarehouseRow) -> Result<Vec<Update>> {
    let assigned = updates.iter().find_map(|update| match update {
        Update::AssignUuid(uuid) => Some(uuid.clone()),
        _ => None,
    });
    let placed = updates.iter().any(|update| matches!(update, Update::SetLocation(_)));
    let mut whole = Vec::with_capacity(updates.len() + 2);
    let uuid = match &assigned {
        Some(text) => {
            text.parse::<Uuid>().map_err(|_| Error::invalid("invalid_metadata", "the table's uuid is not valid"))?
        }
        None => fresh_uuid(),
    };
    if assigned.is_none() {
        whole.push(Update::AssignUuid(uuid.to_string()));
    }
    if !placed {
        whole.push(Update::SetLocation(warehouse.root.join(&uuid.to_string())?.to_string()));
    }
    whole.extend_from_slice(updates);
    Ok(whole)
}

/// Writes the first metadata file of a table and its row.
async fn publish_new(ctx: &OpCtx, warehouse: &WarehouseRow, ident: &TableIdent, doc: TableDoc) -> Result<Published> {
    let permit = permit(ctx, warehouse, &ident.namespace).await?; // SECURITY: nothing below may run without it
    refuse_taken(ctx, warehouse, ident).await?;
    let location = doc.location()?;
    // SECURITY: before anything is written there (R1, R10).
    let root = places::check_table_location(warehouse, &location)?;
    places::check_document(&doc, &location)?;
    let table_uuid = doc.table_uuid().ok_or_else(|| Error::invalid("invalid_metadata", "the table has no uuid"))?;
    let name = QualifiedName { warehouse: warehouse.warehouse.name.clone(), ident: ident.clone() };
    let restrictions = columns::restrictions_on_name(ctx.snapshot(), &name);
    let bindings = columns::new_bindings(restrictions, RelationId(Uuid::nil()), &[&doc]);
    let file = NewFile::new(root, &location, 0, doc)?;
    // The transaction decides; this keeps the directories of other tables clean.
    ctx.catalog().store().check_free_location(&permit, &location).await?;
    make_directories(ctx, root, &location).await?;
    write_all(ctx, &[&file]).await?;
    let new = NewTable {
        name: ident.name.clone(),
        location,
        metadata_location: file.place.to_string(),
        table_uuid,
        bindings,
        // Whoever edits policies has looked: the table is not hidden from those restricted in its namespace.
        released_by: polder_policy::authorize(
            ctx.snapshot(),
            ctx.principal(),
            actions::ManagePolicies,
            &ctx.tenant_ref(),
        )
        .ok(),
    };
    finish(ctx, &file, transact(ctx, &permit, new).await).await
}

async fn transact(ctx: &OpCtx, permit: &Permit<actions::CreateTable>, new: NewTable) -> Result<Arc<TableRow>> {
    let catalog = ctx.catalog();
    catalog.faults().check(Step::BeforeTransaction).map_err(|planned| {
        Error::unavailable("database_unavailable", "the database is not available").with_source(planned)
    })?;
    let created = catalog.store().create_table(permit, new, &ctx.stamp()).await;
    catalog.faults().check(Step::AfterTransaction).map_err(|planned| state_unknown(Error::internal(planned)))?;
    created
}

async fn finish(ctx: &OpCtx, file: &NewFile, created: Result<Arc<TableRow>>) -> Result<Published> {
    let row = match created {
        Ok(row) => row,
        Err(error) if error.kind() == ErrorKind::CommitStateUnknown => return Err(error), // the file stays (F4)
        Err(error) => {
            remove_all(ctx, &[file]).await;
            return if is_stale(&error) { Ok(Published::StalePolicy) } else { Err(error) };
        }
    };
    let warehouse = row.warehouse.warehouse.id;
    ctx.catalog().metadata().remember(warehouse, &row.metadata_location, Arc::clone(&file.stored)).await;
    let table = LoadedTable::new(ctx, &row, &file.stored, SnapshotsMode::All)?;
    Ok(Published::Committed(vec![table]))
}

async fn refuse_taken(ctx: &OpCtx, warehouse: &WarehouseRow, ident: &TableIdent) -> Result<()> {
    match resolve::table_if_any(ctx, warehouse, ident).await? {
        None => Ok(()),
        Some(_) => Err(Error::already_exists(Subject::Table, &ident.to_string())),
    }
}

/// Makes what DuckDB expects to find.
async fn make_directories(ctx: &OpCtx, root: &Location, location: &Location) -> Result<()> {
    for directory in [places::METADATA_DIRECTORY, places::DATA_DIRECTORY] {
        ctx.catalog().files().make_directory(root, &location.join(directory)?).await?;
    }
    Ok(())
}
