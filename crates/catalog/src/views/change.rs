//! Making, registering and replacing views, each run to its end on its own task: decide → document → every location →
//! the new file, create-only → one transaction → answer by what really happened. Only a sure failure removes a file
//! that was written, and never one that was registered (F4).

use std::sync::Arc;

use polder_policy::{Permit, actions};
use polder_store::{NewView, Site, ViewOutcome, ViewRow, ViewSwap, WarehouseRow};
use polder_types::{
    Error, ErrorKind, Location, Namespace, QualifiedName, Result, Subject, TableIdent, WarehouseName,
    rest::{CommitViewRequest, CreateViewRequest, RegisterViewRequest, WireTableIdent},
};
use uuid::Uuid;

use super::{
    LoadedView,
    stored::{NewFile, StoredView},
};
use crate::{
    OpCtx,
    catalog::state_unknown,
    commit::{RETRIES_MAX, pause},
    faults::Step,
    ids::fresh_uuid,
    metadata::view::{self, VIEW_BYTES_MAX, ViewDoc, ViewRequirement, ViewUpdate},
    places, properties, resolve,
};

/// The changes of one view.
#[derive(Clone, Debug)]
pub struct ViewCommit {
    /// The view.
    pub ident: TableIdent,
    /// What must hold.
    pub requirements: Vec<ViewRequirement>,
    /// What to change, in order.
    pub updates: Vec<ViewUpdate>,
    /// How many bytes all that was written in.
    bytes: usize,
}

impl ViewCommit {
    /// Reads the body of `replaceView`; the path names the view, and so may the body (Java leaves it out).
    ///
    /// # Errors
    /// `Invalid` if the two names differ, or for a requirement that is not known; `Unsupported` for an update that is
    /// not known.
    pub fn parse(ident: TableIdent, request: CommitViewRequest) -> Result<Self> {
        // SECURITY: the view that is authorized is the one in the path (R15).
        if let Some(named) = request.identifier.map(WireTableIdent::parse).transpose()?
            && named != ident
        {
            return Err(Error::invalid("identifier_mismatch", "the path and the body name different views")
                .about(Subject::View));
        }
        let requirements = request.requirements.unwrap_or_default();
        Ok(Self {
            bytes: requirements.iter().chain(&request.updates).map(|raw| raw.get().len()).sum(),
            ident,
            requirements: ViewRequirement::parse_all(&requirements)?,
            updates: ViewUpdate::parse_all(&request.updates)?,
        })
    }
}

/// What became of one attempt that did not fail.
enum Published {
    Committed(LoadedView),
    /// Nothing happened: somebody else was faster.
    Lost,
    /// Nothing happened: the policy changed.
    StalePolicy,
}

/// Creates a view.
///
/// # Errors
/// `AlreadyExists` if a table or view has the name; `NotFound` for the namespace; `Invalid` for a schema, version,
/// property or location that is refused.
pub async fn create(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    namespace: &Namespace,
    mut request: CreateViewRequest,
) -> Result<LoadedView> {
    let row = resolve::warehouse(ctx, warehouse).await?;
    // SECURITY: decided before anything is worked on, and again in every attempt.
    permit_create(ctx, &row, namespace).await?;
    let ident = TableIdent::new(namespace.clone(), request.name.clone()).map_err(|error| error.about(Subject::View))?;
    if let Some(wanted) = &mut request.properties {
        properties::govern_view(wanted, ctx.principal())?;
    }
    resolve::refuse_taken(ctx, &row, Subject::View, &ident).await?;
    let view_uuid = fresh_uuid();
    let location = match &request.location {
        Some(text) => text.clone(),
        None => row.root.join(&view_uuid.to_string())?.to_string(),
    };
    let (bytes, now) = (request.schema.get().len() + request.view_version.get().len(), ctx.now());
    let doc = ctx.catalog().heavy().run(bytes, move || view::create(&request, view_uuid, &location, now)).await?;
    let work = create_now(ctx.clone(), warehouse.clone(), ident, doc);
    ctx.catalog().run_to_end(ctx.deadline(), work).await
}

async fn permit_create(
    ctx: &OpCtx,
    warehouse: &WarehouseRow,
    namespace: &Namespace,
) -> Result<Permit<actions::CreateView>> {
    let row = resolve::namespace(ctx, warehouse, namespace).await?;
    resolve::permit(ctx, warehouse, actions::CreateView, &row.namespace)
}

async fn create_now(mut ctx: OpCtx, name: WarehouseName, ident: TableIdent, doc: ViewDoc) -> Result<LoadedView> {
    for attempt in 0..=RETRIES_MAX {
        if attempt > 0 {
            pause(attempt).await;
            ctx = ctx.refresh().await?;
        }
        let warehouse = resolve::warehouse(&ctx, &name).await?;
        let permit = permit_create(&ctx, &warehouse, &ident.namespace).await?; // SECURITY: nothing below without it
        resolve::refuse_taken(&ctx, &warehouse, Subject::View, &ident).await?;
        properties::check_view_identity(doc.properties(), ctx.principal())?;
        // SECURITY: every location before anything is written (R1, R4, R10).
        let file = NewFile::new(&warehouse, 0, doc.clone())?;
        let released_by = policy_editor(&ctx);
        let store = ctx.catalog().store();
        // The transaction decides; this keeps the directories of others clean.
        let site = Site { warehouse: &warehouse, location: &file.location, now: ctx.now() };
        store.check_free_view_location(&permit, released_by.as_ref(), site).await?;
        let new = new_view(&ident, &file.stored.doc, file.location.clone(), &file.metadata_location, released_by)?;
        let stamp = ctx.stamp();
        let transaction = async { store.create_view(&permit, new, &stamp).await };
        if let Published::Committed(view) = publish(&ctx, &file, transaction).await? {
            return Ok(view);
        }
    }
    Err(policy_changing())
}

fn policy_changing() -> Error {
    Error::unavailable("policy_changing", "the policy keeps changing; nothing was done")
}

fn new_view(
    ident: &TableIdent,
    doc: &ViewDoc,
    location: Location,
    metadata_location: &str,
    released_by: Option<Permit<actions::ManagePolicies>>,
) -> Result<NewView> {
    let view_uuid: Uuid = doc.view_uuid().ok_or_else(|| Error::internal("a view without a uuid"))?;
    let (name, metadata_location) = (ident.name.clone(), metadata_location.to_owned());
    Ok(NewView { name, location, metadata_location, view_uuid, released_by })
}

/// The caller's permit to edit policies, if it has one; to lack it is no denial.
fn policy_editor(ctx: &OpCtx) -> Option<Permit<actions::ManagePolicies>> {
    polder_policy::authorize(ctx.snapshot(), ctx.principal(), actions::ManagePolicies, &ctx.tenant_ref()).ok()
}

/// Registers a view of a document that lies below a root of the warehouse already; UUID and location stay.
///
/// # Errors
/// As [`create`]; `Invalid` if there is no view's metadata at the place, or it names what the caller could not set.
pub async fn register(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    namespace: &Namespace,
    request: RegisterViewRequest,
) -> Result<LoadedView> {
    let row = resolve::warehouse(ctx, warehouse).await?;
    permit_register(ctx, &row, namespace).await?; // SECURITY: decided before a file is looked for
    let ident = TableIdent::new(namespace.clone(), request.name).map_err(|error| error.about(Subject::View))?;
    let file = Location::parse(&request.metadata_location).map_err(|error| error.about(Subject::View))?;
    let work = register_now(ctx.clone(), warehouse.clone(), ident, file);
    ctx.catalog().run_to_end(ctx.deadline(), work).await
}

async fn permit_register(
    ctx: &OpCtx,
    warehouse: &WarehouseRow,
    namespace: &Namespace,
) -> Result<Permit<actions::RegisterView>> {
    let row = resolve::namespace(ctx, warehouse, namespace).await?;
    resolve::permit(ctx, warehouse, actions::RegisterView, &row.namespace)
}

async fn register_now(mut ctx: OpCtx, name: WarehouseName, ident: TableIdent, file: Location) -> Result<LoadedView> {
    for attempt in 0..=RETRIES_MAX {
        if attempt > 0 {
            pause(attempt).await;
            ctx = ctx.refresh().await?;
        }
        let warehouse = resolve::warehouse(&ctx, &name).await?;
        let permit = permit_register(&ctx, &warehouse, &ident.namespace).await?; // SECURITY: nothing below without it
        resolve::refuse_taken(&ctx, &warehouse, Subject::View, &ident).await?;
        let released_by = policy_editor(&ctx);
        let (stored, location) = registered(&ctx, (&permit, released_by.as_ref()), &warehouse, &ident, &file).await?;
        let new = new_view(&ident, &stored.doc, location, &file.to_string(), released_by)?;
        match ctx.catalog().store().register_view(&permit, new, &ctx.stamp()).await {
            ViewOutcome::Committed(row) => return Ok(committed(&ctx, &row, &stored).await),
            ViewOutcome::Lost | ViewOutcome::StalePolicy => {}
            ViewOutcome::RolledBack(error) => return Err(error),
            ViewOutcome::Unknown(error) => return Err(state_unknown(error)),
        }
    }
    Err(policy_changing())
}

/// Reads and checks a document to be registered.
async fn registered(
    ctx: &OpCtx,
    (permit, released_by): (&Permit<actions::RegisterView>, Option<&Permit<actions::ManagePolicies>>),
    warehouse: &WarehouseRow,
    ident: &TableIdent,
    file: &Location,
) -> Result<(Arc<StoredView>, Location)> {
    let refused = |why: &'static str| Error::invalid("invalid_metadata_location", why).about(Subject::View);
    let root = places::check_table_location(warehouse, file).map_err(|error| error.about(Subject::View))?;
    // SECURITY: any other name is one that keys for a table may have written, and may write anew (R4, R12).
    if !places::is_document(file) || file.segments().last().is_some_and(|name| name.ends_with(".gz.metadata.json")) {
        return Err(refused("the name of a view's metadata file ends in `.metadata.json`, and it is not compressed"));
    }
    let store = ctx.catalog().store();
    // SECURITY: before the file is read: no answer tells what lies in the directory of another table or view, or of a
    // dropped one (R10, R22, R35).
    let name = QualifiedName { warehouse: warehouse.warehouse.name.clone(), ident: ident.clone() };
    let site = Site { warehouse, location: file, now: ctx.now() };
    store.check_registrable_view(permit, &name, released_by, site).await?;
    let bytes =
        ctx.catalog().files().read(root, file, VIEW_BYTES_MAX as u64).await.map_err(|error| match error.kind() {
            ErrorKind::Unavailable => error,
            _ => refused("there is no metadata of a view at this location").with_source(error),
        })?;
    let text = bytes.clone();
    let doc = ctx.catalog().heavy().run(bytes.len(), move || ViewDoc::parse(&text)).await?;
    // SECURITY: every location in it, and every property, as if the caller had written them (R4, R10, R12, R36).
    let (_, location) = places::check_view_document(warehouse, &doc)?;
    if !file.is_within(&location) {
        return Err(refused("the metadata file does not lie below the location that it names"));
    }
    properties::check_written(doc.properties(), ctx.principal())?;
    store.check_registrable_view(permit, &name, released_by, Site { location: &location, ..site }).await?;
    Ok((StoredView::new(bytes, doc), location))
}

/// Commits to a view, and returns it as it is then.
///
/// # Errors
/// `Conflict` if a requirement does not hold or others were faster; `Invalid`, `Forbidden`, `NotFound`; `Unavailable` if
/// nothing happened; `CommitStateUnknown` if nobody knows; `Deadline` if it goes on.
pub async fn replace(ctx: &OpCtx, warehouse: &WarehouseName, mut commit: ViewCommit) -> Result<LoadedView> {
    let row = resolve::warehouse(ctx, warehouse).await?;
    let view = resolve::view(ctx, &row, &commit.ident).await?;
    // SECURITY: decided before it may queue for a lock, and again under it.
    resolve::permit(ctx, &row, actions::ReplaceView, &view.view)?;
    for update in &mut commit.updates {
        if let ViewUpdate::SetProperties(set) = update {
            properties::govern_view(set, ctx.principal())?;
        }
    }
    let work = replace_now(ctx.clone(), warehouse.clone(), view, Arc::new(commit));
    ctx.catalog().run_to_end(ctx.deadline(), work).await
}

async fn replace_now(
    mut ctx: OpCtx,
    name: WarehouseName,
    view: Arc<ViewRow>,
    commit: Arc<ViewCommit>,
) -> Result<LoadedView> {
    let _turn = ctx.catalog().locks().turn(view.view.relation.id).await?;
    for attempt in 0..=RETRIES_MAX {
        if attempt > 0 {
            pause(attempt).await;
        }
        let warehouse = resolve::warehouse(&ctx, &name).await?;
        let row = resolve::view(&ctx, &warehouse, &commit.ident).await?;
        // SECURITY: the request may have waited long; what is told of a document is told under a policy at least as new
        // as the row that names it (R18).
        ctx = ctx.newest().await?;
        match replace_once(&ctx, &warehouse, &row, &commit).await? {
            Published::Committed(view) => return Ok(view),
            Published::Lost => {}
            Published::StalePolicy => ctx = ctx.refresh().await?,
        }
    }
    Err(Error::new(
        ErrorKind::Conflict,
        Subject::View,
        "commit_conflict",
        "others committed to the view at the same time; read it and retry",
    ))
}

async fn replace_once(
    ctx: &OpCtx,
    warehouse: &WarehouseRow,
    row: &Arc<ViewRow>,
    commit: &Arc<ViewCommit>,
) -> Result<Published> {
    let permit = resolve::permit(ctx, warehouse, actions::ReplaceView, &row.view)?; // SECURITY: nothing below without it
    let base = ctx.catalog().views().current(&permit, row).await?;
    let change = {
        let (ctx, row, base, commit) = (ctx.clone(), Arc::clone(row), Arc::clone(&base), Arc::clone(commit));
        move || change(&ctx, &row, &base, &commit)
    };
    let next = ctx.catalog().heavy().run(base.bytes.len().saturating_add(commit.bytes), change).await?;
    let Some(file) = next else {
        return unchanged(ctx, &permit, row, &base).await;
    };
    let released_by = policy_editor(ctx);
    let store = ctx.catalog().store();
    if file.location != row.location {
        // SECURITY: before a file is written there (R1).
        let site = Site { warehouse, location: &file.location, now: ctx.now() };
        store.check_free_view_move(&permit, released_by.as_ref(), site).await?;
    }
    let swap = ViewSwap {
        expected_metadata_location: row.metadata_location.clone(),
        new_metadata_location: file.metadata_location.clone(),
        expected_location: row.location.clone(),
        new_location: file.location.clone(),
        permit,
        released_by,
    };
    let stamp = ctx.stamp();
    let transaction = async { store.replace_view(swap, &stamp).await };
    publish(ctx, &file, transaction).await
}

/// What is done with the document itself; `None` if nothing changes and nothing must be remembered.
fn change(ctx: &OpCtx, row: &ViewRow, base: &StoredView, commit: &ViewCommit) -> Result<Option<NewFile>> {
    view::check(&base.doc, &commit.requirements)?;
    let next = view::apply(Some(&base.doc), &commit.updates, ctx.now())?;
    if next.to_bytes()? == base.doc.to_bytes()? && ctx.stamp().keyed.is_none() {
        return Ok(None);
    }
    properties::check_view_identity(next.properties(), ctx.principal())?;
    NewFile::new(&row.warehouse, next_version(&row.metadata_location), next).map(Some)
}

/// The number after the one that the current file's name begins with; for people, nothing depends on it.
fn next_version(metadata_location: &str) -> u64 {
    let file = metadata_location.rsplit('/').next().unwrap_or_default();
    let digits = file.split('-').next().unwrap_or_default();
    digits.parse::<u64>().map_or(0, |version| version.saturating_add(1))
}

/// The answer of a commit that changes nothing, and needs no transaction.
async fn unchanged(
    ctx: &OpCtx,
    permit: &Permit<actions::ReplaceView>,
    row: &ViewRow,
    base: &StoredView,
) -> Result<Published> {
    // SECURITY: what the transaction would refuse is refused here: the answer is the whole document (R18).
    if ctx.newest().await?.snapshot().version() != permit.version() {
        return Ok(Published::StalePolicy);
    }
    ctx.count_allowed::<actions::ReplaceView>(permit.resource());
    Ok(Published::Committed(LoadedView::new(ctx, row, base)))
}

/// Writes the file, runs the transaction, and says what really happened.
async fn publish(ctx: &OpCtx, file: &NewFile, transaction: impl Future<Output = ViewOutcome>) -> Result<Published> {
    let (files, faults) = (ctx.catalog().files(), ctx.catalog().faults());
    if let Err(error) = files.put_new(&file.root, &file.place, file.stored.bytes.clone()).await {
        remove(ctx, file).await;
        return Err(error);
    }
    let outcome = match faults.check(Step::BeforeTransaction) {
        Ok(()) => transaction.await,
        Err(planned) => ViewOutcome::RolledBack(
            Error::unavailable("database_unavailable", "the database is not available").with_source(planned),
        ),
    };
    let outcome = match faults.check(Step::AfterTransaction) {
        Ok(()) => outcome,
        Err(planned) => ViewOutcome::Unknown(Error::internal(planned)),
    };
    match outcome {
        ViewOutcome::Committed(row) => Ok(Published::Committed(committed(ctx, &row, &file.stored).await)),
        ViewOutcome::Lost => {
            remove(ctx, file).await;
            Ok(Published::Lost)
        }
        ViewOutcome::StalePolicy => {
            remove(ctx, file).await;
            Ok(Published::StalePolicy)
        }
        ViewOutcome::RolledBack(error) => {
            remove(ctx, file).await;
            Err(error)
        }
        // SECURITY: the file stays; the transaction may have landed, or land later (F4, F18).
        ViewOutcome::Unknown(error) => Err(state_unknown(error).about(Subject::View)),
    }
}

async fn committed(ctx: &OpCtx, row: &ViewRow, stored: &Arc<StoredView>) -> LoadedView {
    ctx.catalog().views().remember(row, Arc::clone(stored)).await;
    LoadedView::new(ctx, row, stored)
}

/// Removes a file that nothing names. One that stays is a small leak, never a wrong answer.
async fn remove(ctx: &OpCtx, file: &NewFile) {
    if let Err(error) = ctx.catalog().files().delete(&file.root, &file.place).await {
        tracing::warn!(error = ?error, "a metadata file of a failed change of a view stays behind");
    }
}
