//! Creating a table: at once, staged (prepared and answered, nothing stored), or by the commit that publishes a
//! staged one. The location is checked before anything is written (R1).

use bytes::Bytes;
use polder_policy::{Permit, actions};
use polder_store::{NewTable, Site, WarehouseRow};
use polder_types::{
    Error, Location, Namespace, QualifiedName, RelationId, Result, Subject, TableIdent, WarehouseName,
    rest::CreateTableRequest,
};
use uuid::Uuid;

use super::{
    RETRIES_MAX, TableCommit, pause,
    prepare::NewFile,
    publish::{Plan, Published, publish},
};
use crate::{
    OpCtx, columns,
    ids::fresh_uuid,
    metadata::{self, TableDoc, Update},
    places, properties, resolve,
    tables::LoadedTable,
};

/// A table that will be made, its file not yet written.
pub(super) struct Birth {
    pub(super) permit: Permit<actions::CreateTable>,
    pub(super) new: NewTable,
    pub(super) file: NewFile,
}

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
    let parent = resolve::namespace(ctx, &row, namespace).await?;
    // A staged create is answered without a transaction that would check the policy again (R18).
    let ctx = &ctx.newest().await?;
    // SECURITY: nothing below may run without it.
    let permit = resolve::permit(ctx, &row, actions::CreateTable, &parent.namespace)?;
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
    let staged = request.stage_create == Some(true);
    let make = {
        let (location, now) = (location.clone(), ctx.now());
        move |request: CreateTableRequest| {
            let doc = metadata::create((&request).into(), table_uuid, &location, now)?;
            places::check_document(&doc, &location)?;
            Ok(doc)
        }
    };
    let doc = ctx.catalog().heavy().run(bytes_of(&request), move || make(request)).await?;
    if staged {
        let site = Site { warehouse: &row, location: &location, now: ctx.now() };
        ctx.catalog().store().check_free_location(&permit, policy_editor(ctx).as_ref(), &ident.name, site).await?;
        make_directories(ctx, root, &location).await?;
        ctx.count("stage_create", Subject::Table, ident.to_string(), None);
        return Ok(LoadedTable {
            metadata_location: None,
            metadata: Bytes::from(doc.to_bytes()),
            etag: None,
            config: ctx.catalog().client_config(&location),
            table_uuid,
        });
    }
    let work = create_now(ctx.clone(), warehouse.clone(), ident, doc);
    ctx.catalog().run_to_end(ctx.deadline(), work).await
}

/// How many bytes its large parts have.
fn bytes_of(request: &CreateTableRequest) -> usize {
    let raws = [Some(&request.schema), request.partition_spec.as_ref(), request.write_order.as_ref()];
    raws.into_iter().flatten().map(|raw| raw.get().len()).sum()
}

/// Decides on creating a table in a namespace.
pub(super) async fn permit_create(
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
        let birth = prepare_new(&ctx, &warehouse, &ident, doc.clone()).await?;
        if let Published::Committed(tables) = publish(&ctx, vec![Plan::Make(birth)]).await?
            && let Some(table) = tables.into_iter().next()
        {
            return Ok(table);
        }
    }
    Err(Error::unavailable("policy_changing", "the policy keeps changing; nothing was done"))
}

/// Makes ready what a staged create has prepared: the commit's updates applied to nothing.
pub(super) async fn prepare_staged(ctx: &OpCtx, warehouse: &WarehouseRow, commit: &TableCommit) -> Result<Birth> {
    metadata::check(None, &commit.requirements)?;
    let (updates, now) = (with_identity(&commit.updates, warehouse)?, ctx.now());
    let doc = ctx.catalog().heavy().run(commit.bytes, move || metadata::apply(None, &updates, now)).await?;
    prepare_new(ctx, warehouse, &commit.ident, doc).await
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

/// Decides on a new table and checks its name and its place.
async fn prepare_new(ctx: &OpCtx, warehouse: &WarehouseRow, ident: &TableIdent, doc: TableDoc) -> Result<Birth> {
    let permit = permit_create(ctx, warehouse, &ident.namespace).await?; // SECURITY: nothing below may run without it
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
    // Whoever edits policies has looked: the table is not hidden from those restricted in its namespace.
    let released_by = policy_editor(ctx);
    // The transaction decides; this keeps the directories of other tables clean.
    let site = Site { warehouse, location: &location, now: ctx.now() };
    ctx.catalog().store().check_free_location(&permit, released_by.as_ref(), &ident.name, site).await?;
    make_directories(ctx, root, &location).await?;
    let new = NewTable {
        name: ident.name.clone(),
        location,
        metadata_location: file.place.to_string(),
        table_uuid,
        bindings,
        released_by,
        registered: false,
    };
    Ok(Birth { permit, new, file })
}

/// The caller's permit to edit policies, if it has one; to lack it is no denial.
pub(crate) fn policy_editor(ctx: &OpCtx) -> Option<Permit<actions::ManagePolicies>> {
    polder_policy::authorize(ctx.snapshot(), ctx.principal(), actions::ManagePolicies, &ctx.tenant_ref()).ok()
}

async fn refuse_taken(ctx: &OpCtx, warehouse: &WarehouseRow, ident: &TableIdent) -> Result<()> {
    resolve::refuse_taken(ctx, warehouse, Subject::Table, ident).await
}

/// Makes what DuckDB expects to find.
async fn make_directories(ctx: &OpCtx, root: &Location, location: &Location) -> Result<()> {
    for directory in [places::METADATA_DIRECTORY, places::DATA_DIRECTORY] {
        ctx.catalog().files().make_directory(root, &location.join(directory)?).await?;
    }
    Ok(())
}
