//! Requests that came with an `Idempotency-Key`: found again, refused for good, answered once more. Whoever asks again
//! is authenticated and authorized again; what is answered is rendered again from what the catalog holds (R29, F8).

use std::sync::Arc;

use polder_policy::{Action, DenialReason, Permit, TableRef, actions};
pub use polder_store::{IdempotencyKey, KEY_LIFETIME_SECONDS, Outcome, Refusal, is_answered};
use polder_store::{TableRow, WarehouseRow};
use polder_types::{Error, ErrorKind, Location, RelationId, Result, Subject, TableIdent, WarehouseName};

use crate::{OpCtx, SnapshotsMode, catalog::state_unknown, places, resolve, tables::LoadedTable};

/// What became of an earlier request of this caller with this key.
///
/// # Errors
/// `Unprocessable` if that was another request.
pub async fn earlier(ctx: &OpCtx, key: &IdempotencyKey) -> Result<Option<Outcome>> {
    let found = ctx.catalog().store().outcome_of(ctx.tenant(), ctx.principal().id, key, ctx.now()).await?;
    if found.is_some() {
        ctx.count("answer_again", Subject::Request, key.route.to_owned(), None);
    }
    Ok(found)
}

/// Keeps a refusal before it is told. False if the request took effect meanwhile, or was refused otherwise.
///
/// # Errors
/// `Unavailable`: the refusal must not be told.
pub async fn keep_refusal(ctx: &OpCtx, key: &IdempotencyKey, refusal: Outcome) -> Result<bool> {
    ctx.catalog().store().keep_refusal(ctx.tenant(), ctx.principal().id, key, refusal, ctx.now()).await
}

/// What is told of a request that was refused: what was told then, as long as the policy is the one of then; under any
/// other no more than the kind of refusal.
///
/// # Errors
/// `NotFound` if the caller may not know the warehouse any more; those of finding out which policy holds.
// SECURITY: the text may hold what the table held (the snapshot that a branch is at, the id of a schema). Every change of
// who may know what is another version, a move of the table to another namespace too; so under the same version whatever
// was decided for this caller and this request is decided still, by each operation's own action, and under another one
// nothing of the text is repeated (R29). The refusal itself stands (F8).
pub async fn refused_again(ctx: &OpCtx, warehouse: &WarehouseName, refusal: Refusal) -> Result<Error> {
    let ctx = &ctx.newest().await?;
    authorize_in(ctx, warehouse).await?;
    let Refusal { kind, subject, message, policy_version } = refusal;
    let message = match policy_version == Some(ctx.snapshot().version()) {
        true => message,
        false => "the request was refused before, and rights or policies have changed since; send it with a fresh \
                  `Idempotency-Key` to hear why"
            .to_owned(),
    };
    Ok(Error::new(kind, subject, "refused_before", message))
}

/// Refuses whoever may not know the warehouse any more. Enough for an answer that says nothing but that the caller's
/// own request was done.
///
/// # Errors
/// `NotFound`.
pub async fn authorize_in(ctx: &OpCtx, warehouse: &WarehouseName) -> Result<()> {
    let row = resolve::warehouse(ctx, warehouse).await?;
    ctx.authorize(actions::GetConfig, &row.warehouse).map(drop)
}

/// What a client hears of a commit that landed where it may not, or cannot, be told more: Java's deletes its manifests
/// on 400, 401, 403 and 404, and the table names them.
#[must_use]
pub fn landed(why_not_told: Error) -> Error {
    state_unknown(why_not_told)
}

/// The answer of an `updateTable` that was done: the document that it wrote. The commit *did* land: no error of this
/// may be told but through [`landed`].
///
/// # Errors
/// `NotFound` if the table is gone; `NotFound` or `Forbidden` if the caller may not commit to it any more.
pub async fn committed_again(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    relation: RelationId,
    metadata_location: String,
) -> Result<LoadedTable> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = table_of(ctx, &warehouse, relation).await?;
    let ctx = &ctx.newest().await?;
    // SECURITY: decided again, where the table stands now: a restriction that came meanwhile holds (R29, A-077).
    let permit = resolve::permit(ctx, &warehouse, actions::CommitTable, &row.table)?;
    document(ctx, &permit, &row, metadata_location).await
}

/// The answer of a request that made a table: the document that it wrote, which says what the caller asked for.
///
/// # Errors
/// `NotFound` if the table is gone, or the caller may not know it any more; `Forbidden` if the caller may not create
/// tables there, or the table is restricted for it by now.
pub async fn created_again(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    relation: RelationId,
    metadata_location: String,
) -> Result<LoadedTable> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = table_of(ctx, &warehouse, relation).await?;
    let ctx = &ctx.newest().await?;
    // A 404 about the place where the table stands by now would name that place.
    let unnamed = |error: Error| match error.kind() {
        ErrorKind::NotFound => gone(ctx, &warehouse, relation),
        _ => error,
    };
    let permit = ctx.authorize(actions::CreateTable, &row.table.namespace).map_err(unnamed)?;
    let load = polder_policy::authorize(ctx.snapshot(), ctx.principal(), actions::LoadTable, &row.table);
    // Whoever may only create was answered the first time, and is answered again. SECURITY: nobody else without
    // `LoadTable`: not whom a restriction holds for, not to whom the table does not exist by now (R22, R29, A-077).
    if load.is_err_and(|denial| denial.reason != DenialReason::Privilege) {
        ctx.authorize(actions::LoadTable, &row.table).map_err(unnamed)?; // refuses, and puts it on record
    }
    document(ctx, &permit, &row, metadata_location).await
}

/// The answer of an `unregisterTable` that was done: the document that the table had then.
///
/// # Errors
/// `NotFound` if its file is gone, or the caller may not load what has the name any more.
pub async fn unregistered_again(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    ident: &TableIdent,
    relation: RelationId,
    metadata_location: String,
) -> Result<LoadedTable> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let parent = resolve::namespace(ctx, &warehouse, &ident.namespace).await?;
    let ctx = &ctx.newest().await?;
    let absent = |_| gone(ctx, &warehouse, relation);
    // SECURITY: the table is no more; decided as for one that would carry the name now and was not released (R29).
    let table = TableRef {
        namespace: parent.namespace.clone(),
        id: relation,
        name: ident.name.as_str().into(),
        quarantined: true,
    };
    let permit = ctx.authorize(actions::LoadTable, &table).map_err(absent)?;
    let file = Location::parse(&metadata_location)?;
    let root = places::root_of(&warehouse, &file).ok_or_else(|| gone(ctx, &warehouse, relation))?;
    let stored = ctx.catalog().metadata().named(&permit, root, &file).await.map_err(absent)?;
    Ok(LoadedTable {
        metadata_location: Some(metadata_location),
        metadata: stored.body(SnapshotsMode::All)?,
        etag: None,
        config: Arc::default(),
        table_uuid: stored.doc().table_uuid().ok_or_else(|| gone(ctx, &warehouse, relation))?,
    })
}

/// Finds a table wherever it stands now.
async fn table_of(ctx: &OpCtx, warehouse: &WarehouseRow, relation: RelationId) -> Result<Arc<TableRow>> {
    let row = ctx.catalog().store().resolve_relation(&warehouse.warehouse, relation).await?;
    row.ok_or_else(|| gone(ctx, warehouse, relation))
}

fn gone(ctx: &OpCtx, warehouse: &WarehouseRow, relation: RelationId) -> Error {
    resolve::hidden(ctx, warehouse, Error::not_found(Subject::Table, &relation.to_string()))
}

async fn document<A: Action>(
    ctx: &OpCtx,
    permit: &Permit<A>,
    row: &TableRow,
    metadata_location: String,
) -> Result<LoadedTable> {
    let then = TableRow { metadata_location, ..row.clone() };
    let stored = ctx.catalog().metadata().current(permit, &then).await?;
    LoadedTable::new(ctx, &then, &stored, SnapshotsMode::All)
}
