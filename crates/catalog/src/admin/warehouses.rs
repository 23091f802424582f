//! Warehouses: managed ones below the server's base, or such with a root of their own: in the local file system, or
//! where the operator allows the tenant to use a bucket.

use std::sync::Arc;

use polder_policy::actions;
use polder_store::{NewWarehouse, Page, PageRequest, WarehouseRow};
use polder_types::{Error, Location, Result, Subject, WarehouseName};

use crate::OpCtx;

/// Most further locations of one warehouse: each is looked at for every table, and compared with all of every tenant.
const ALLOWED_LOCATIONS_MAX: usize = 64;

/// A warehouse as an administrator asks for it.
#[derive(Clone, Debug)]
pub struct WarehouseRequest {
    /// Its immutable name.
    pub name: WarehouseName,
    /// Its root; `None`: managed, `<base>/tenant={t}/workspace={w}/`.
    pub root: Option<String>,
    /// Further locations that its tables may live in.
    pub allowed_locations: Vec<String>,
    /// Make it the tenant's default.
    pub default: bool,
}

/// Makes a warehouse, and its directory or the proof that its bucket can be written.
///
/// # Errors
/// `Unavailable` if a bucket cannot be written now: nothing was made;
/// `AlreadyExists`; `Invalid` if a root is refused or overlaps another warehouse's, of whatever tenant;
/// `Unsupported` for a store that this build does not write.
pub async fn create(ctx: &OpCtx, request: &WarehouseRequest) -> Result<Arc<WarehouseRow>> {
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageWarehouses, &ctx.tenant_ref())?;
        if request.allowed_locations.len() > ALLOWED_LOCATIONS_MAX {
            return Err(Error::invalid(
                "too_many_locations",
                format!("a warehouse has at most {ALLOWED_LOCATIONS_MAX} allowed locations"),
            )
            .about(Subject::Warehouse));
        }
        let mut allowed_locations = Vec::with_capacity(request.allowed_locations.len());
        for text in &request.allowed_locations {
            allowed_locations.push(brought(&ctx, text).await?);
        }
        let root = root(&ctx, request).await?;
        let new = NewWarehouse { name: request.name.clone(), root, allowed_locations, default: request.default };
        let roots: Vec<Location> = [&new.root].into_iter().chain(&new.allowed_locations).cloned().collect();
        for root in &roots {
            // Before the row: a bucket that cannot be written becomes no warehouse.
            ctx.catalog().files().check_bucket(root).await?;
        }
        let row = ctx.catalog().store().create_warehouse(&permit, new, &ctx.stamp()).await?;
        for root in &roots {
            // After the row, so that only a root that was found disjoint from all others is made. If the disk
            // fails now, the first table to be created fails too and says so.
            ctx.catalog().files().make_root(root).await?;
        }
        Ok(row)
    })
    .await
}

async fn root(ctx: &OpCtx, request: &WarehouseRequest) -> Result<Location> {
    match (&request.root, ctx.catalog().managed_base()) {
        (Some(text), _) => brought(ctx, text).await,
        (None, Some(base)) => base.join(&format!("tenant={}/workspace={}", ctx.tenant(), request.name)),
        (None, None) => {
            Err(Error::invalid("missing_root", "this server has no base for managed warehouses; name a root")
                .about(Subject::Warehouse))
        }
    }
}

/// Checks a location that a tenant brings: of one name only, allowed to it, away from the managed base.
// SECURITY: roots are told apart by their text, so a directory must have one name only: `/proc/self/root/…` or a
// symbolic link would lead one tenant into another's warehouse. In the managed base the places of all tenants lie,
// those of warehouses to come too, and an answer from there would tell which tenants exist.
async fn brought(ctx: &OpCtx, text: &str) -> Result<Location> {
    let refused = |why: &'static str| Err(Error::invalid("location_not_allowed", why).about(Subject::Warehouse));
    let location = writable(text)?;
    let files = ctx.catalog().files();
    // SECURITY: one answer for a bucket that is not ours, another tenant's, the operator's own and a misspelt one, and
    // for a directory where the host's files are nobody's to name.
    let allowed = match location.scheme() {
        "s3" => files.storage().allows(ctx.tenant(), &location),
        _ => ctx.catalog().tenants_bring_directories(),
    };
    if !allowed {
        return refused("the operator has not allowed this tenant to use the location");
    }
    if files.real(&location).await? != location {
        return refused("the location leads through a symbolic link; name its real path");
    }
    if let Some(base) = ctx.catalog().managed_base()
        && (location.overlaps(base) || location.overlaps(&files.real(base).await?))
    {
        return refused("the location lies in the server's own directory for managed warehouses, or around it");
    }
    Ok(location)
}

/// Parses a root that this build can write, and that is not a whole file system or bucket (R10).
fn writable(text: &str) -> Result<Location> {
    let location = Location::parse(text)?;
    if !matches!(location.scheme(), "file" | "s3") {
        return Err(Error::unsupported(
            "unsupported_scheme",
            format!("warehouses at `{}:` are not supported yet; use `s3:` or `file:`", location.scheme()),
        )
        .about(Subject::Warehouse));
    }
    if location.segments().is_empty() {
        return Err(Error::invalid("location_not_allowed", "a whole file system or bucket cannot be a warehouse")
            .about(Subject::Warehouse));
    }
    Ok(location)
}

/// Deletes an empty warehouse; its directory stays.
///
/// # Errors
/// `NotEmpty`; `NotFound`; `Forbidden`.
pub async fn delete(ctx: &OpCtx, name: &WarehouseName) -> Result<()> {
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageWarehouses, &ctx.tenant_ref())?;
        ctx.catalog().store().delete_warehouse(&permit, name, &ctx.stamp()).await
    })
    .await
}

/// Shows a warehouse.
///
/// # Errors
/// `NotFound`; `Forbidden`.
pub async fn show(ctx: &OpCtx, name: &WarehouseName) -> Result<Arc<WarehouseRow>> {
    let permit = ctx.authorize(actions::ListWarehouses, &ctx.tenant_ref())?;
    ctx.catalog().store().show_warehouse(&permit, name).await
}

/// Lists the warehouses of the tenant.
///
/// # Errors
/// `Forbidden`.
pub async fn list(ctx: &OpCtx, page: &PageRequest) -> Result<Page<WarehouseRow>> {
    let permit = ctx.authorize(actions::ListWarehouses, &ctx.tenant_ref())?;
    ctx.catalog().store().list_warehouses(&permit, page).await
}
