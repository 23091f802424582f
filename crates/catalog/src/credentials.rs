//! Access to a table's files for its clients, as they ask for it with `X-Iceberg-Access-Delegation`: keys for this table,
//! or signatures. Resolve, authorize, mint. The header is a hint: what is not set up here is no error, and never the
//! server's own keys (R11).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use polder_policy::{Action, Permit, TableRef, actions};
use polder_store::{DelegationOf, Hold, NamespaceRow, TableRow, WarehouseRow};
use polder_types::{Error, Location, Micros, RelationId, Result, Secret, TableIdent, WarehouseName};
use uuid::Uuid;

use crate::{
    OpCtx,
    metadata::TableDoc,
    places, resolve,
    tables::LoadedTable,
    vend::{Grant, Session, VENDED, Vending, Wanted},
};

/// The reason on record where a staged table's place could become another's before it is published.
const UNHELD: &str = "place_not_held";

/// What a client can work with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delegation {
    /// Keys.
    pub vended_credentials: bool,
    /// Signatures.
    pub remote_signing: bool,
}

impl Delegation {
    /// Reads the values of the header: lists of words, of which unknown ones mean nothing here.
    pub fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut wanted = Self::default();
        for word in values.flat_map(|value| value.split(',')).map(str::trim) {
            wanted.vended_credentials |= word.eq_ignore_ascii_case("vended-credentials");
            wanted.remote_signing |= word.eq_ignore_ascii_case("remote-signing");
        }
        wanted
    }

    /// True if nothing is asked for.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// Access to a table's files that a client is given.
#[derive(Clone, Debug)]
pub enum TableAccess {
    /// Keys: they go into one answer, and nowhere else.
    Credentials(Vec<StorageCredential>),
    /// The client may ask for signatures.
    Signing,
}

/// Keys for everything below one prefix (`StorageCredential` of the specification).
#[derive(Clone, Debug)]
pub struct StorageCredential {
    /// `s3://bucket/a/b/`, ending with a slash.
    pub prefix: String,
    /// How the store is reached.
    pub settings: Arc<BTreeMap<String, String>>,
    /// The keys, by the names that clients give them.
    pub secrets: Vec<(&'static str, Secret)>,
    /// When they end.
    pub expires_at: Micros,
}

impl StorageCredential {
    fn new(ctx: &OpCtx, place: &Location, session: &Session) -> Self {
        let keys = &session.keys;
        let mut secrets = vec![
            ("s3.access-key-id", Secret::new(keys.access_key_id.clone())),
            ("s3.secret-access-key", keys.secret_access_key.clone()),
        ];
        secrets.extend(keys.session_token.clone().map(|token| ("s3.session-token", token)));
        Self {
            prefix: format!("{place}/"),
            settings: ctx.catalog().client_config(place),
            secrets,
            expires_at: session.expires_at,
        }
    }
}

/// Keys for a table (`loadCredentials`); none where nobody makes any.
///
/// # Errors
/// `NotFound` if it does not exist or the caller may not know; `Forbidden` if it is restricted for the caller, or may not
/// be read; `Unavailable` if there are none now.
pub async fn load_credentials(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    ident: &TableIdent,
) -> Result<Vec<StorageCredential>> {
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = resolve::table(ctx, &warehouse, ident).await?;
    let ctx = &ctx.newest().await?;
    let credentials = vend_for(ctx, &warehouse, &row).await?;
    if credentials.is_empty() {
        // Asked for by name, and there are none here. A load that only hints at them is on record as a load.
        refused(ctx, &row.table, row.table.id.0, "unsupported_vending");
    }
    Ok(credentials)
}

/// Puts on record that no keys went out, though the caller might have had some.
fn refused(ctx: &OpCtx, table: &TableRef, table_id: Uuid, reason: &'static str) {
    ctx.count_delegation(actions::VendCredentials::NAME, table, DelegationOf { table_id, mode: VENDED }, Some(reason));
}

/// What a client of a table gets of what it can work with; `None`: nothing but what everybody gets. `table_uuid` is of
/// the document that the client is told in the same answer.
///
/// # Errors
/// As [`load_credentials`]; `Unavailable` if another table has the name since the document was read: an answer is of one
/// table.
pub async fn delegate(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    ident: &TableIdent,
    table_uuid: Uuid,
    wanted: Delegation,
) -> Result<Option<TableAccess>> {
    if wanted.is_none() {
        return Ok(None);
    }
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let row = resolve::table(ctx, &warehouse, ident).await?;
    let ctx = &ctx.newest().await?;
    if row.table_uuid != table_uuid {
        // SECURITY: to whom what is there now does not exist, nothing is there (R22).
        resolve::permit(ctx, &warehouse, actions::LoadTable, &row.table)?;
        let replaced = Error::unavailable("table_replaced", "another table has taken this name; ask again");
        refused(ctx, &row.table, row.table.id.0, replaced.code());
        return Err(replaced.with_retry_after(Duration::from_secs(1)));
    }
    if wanted.vended_credentials {
        match vend_for(ctx, &warehouse, &row).await {
            Ok(credentials) if credentials.is_empty() => {}
            Ok(credentials) => return Ok(Some(TableAccess::Credentials(credentials))),
            // A place that no policy can name, or a store whose keys are not narrow: the client has asked for what there
            // is, and there is nothing.
            Err(error) if error.kind() == polder_types::ErrorKind::Unsupported => {}
            Err(error) => return Err(error),
        }
    }
    let signs = wanted.remote_signing && ctx.catalog().files().storage().signing(&row.location).is_some();
    Ok(signs.then_some(TableAccess::Signing))
}

/// As [`delegate`], for a staged table: keys for the place that was prepared for it, to whoever could write the table if
/// it were there. It has no id, so that grants on it are those on its namespace and name. Nothing comes to the place but this
/// table until the keys have ended.
///
/// # Errors
/// `Unavailable` if there are none now; `Invalid` and `Conflict` if the place was taken meanwhile.
pub async fn delegate_staged(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    ident: &TableIdent,
    staged: &LoadedTable,
    wanted: Delegation,
) -> Result<Option<TableAccess>> {
    if !wanted.vended_credentials || staged.metadata_location.is_some() {
        return Ok(None);
    }
    let warehouse = resolve::warehouse(ctx, warehouse).await?;
    let namespace = resolve::namespace(ctx, &warehouse, &ident.namespace).await?;
    let ctx = &ctx.newest().await?;
    let editor = polder_policy::authorize(ctx.snapshot(), ctx.principal(), actions::ManagePolicies, &ctx.tenant_ref());
    // SECURITY: as its publication would make it: hidden from those whom a restriction in its namespace holds for (R35).
    let table = TableRef {
        namespace: namespace.namespace.clone(),
        id: RelationId(Uuid::nil()),
        name: ident.name.as_str().into(),
        quarantined: editor.is_err(),
    };
    let place = TableDoc::parse(&staged.metadata)?.location()?;
    let decided = decide(ctx, &warehouse, &table, staged.table_uuid)?;
    let Some(vending) = ctx.catalog().files().storage().vending(&place) else {
        return Ok(None); // a hint where nobody makes keys is no refusal of any
    };
    let (name, table_uuid, until) = (ident.name.clone(), staged.table_uuid, vending.latest_end(ctx.now()));
    let hold = Hold { name, location: place.clone(), table_uuid, until };
    match hold_place(ctx, &warehouse, &namespace, hold).await {
        Ok(true) => {}
        Ok(false) => {
            refused(ctx, &table, table_uuid, UNHELD);
            return Ok(None);
        }
        Err(error) => {
            refused(ctx, &table, table_uuid, error.code());
            return Err(error);
        }
    }
    let credential = mint(ctx, &warehouse, decided, (&table, table_uuid), &place, vending).await?;
    Ok(Some(TableAccess::Credentials(vec![credential])))
}

/// Checks the place of a staged table once more, where the keys are made, and holds it; false if it is others' ground.
///
/// # Errors
/// Those of creating a table there.
// SECURITY: below a root, and in no other table's directory. The store alone knows whose ground the place is, and holds it
// before there is a key: what others put there while the key lives would be open to it, and their namespace is no bar to
// it (R1).
async fn hold_place(ctx: &OpCtx, warehouse: &WarehouseRow, namespace: &NamespaceRow, hold: Hold) -> Result<bool> {
    places::check_table_location(warehouse, &hold.location)?;
    let create = resolve::permit(ctx, warehouse, actions::CreateTable, &namespace.namespace)?;
    let editor = polder_policy::authorize(ctx.snapshot(), ctx.principal(), actions::ManagePolicies, &ctx.tenant_ref());
    ctx.catalog().store().hold_location(&create, editor.as_ref().ok(), hold, &ctx.stamp()).await
}

async fn vend_for(ctx: &OpCtx, warehouse: &WarehouseRow, row: &TableRow) -> Result<Vec<StorageCredential>> {
    vend(ctx, warehouse, &row.table, row.table.id.0, &row.location).await
}

/// Decides, and mints what was decided; nothing where nobody makes keys.
async fn vend(
    ctx: &OpCtx,
    warehouse: &WarehouseRow,
    table: &TableRef,
    table_id: Uuid,
    place: &Location,
) -> Result<Vec<StorageCredential>> {
    let decided = decide(ctx, warehouse, table, table_id)?; // SECURITY: nothing below may run without it
    let Some(vending) = ctx.catalog().files().storage().vending(place) else {
        return Ok(Vec::new()); // no keys, so no record of any
    };
    Ok(vec![mint(ctx, warehouse, decided, (table, table_id), place, vending).await?])
}

/// What a principal may do with a table's files, as keys.
struct Decided {
    read: Permit<actions::VendCredentials>,
    write: Option<Permit<actions::VendWriteCredentials>>,
}

fn decide(ctx: &OpCtx, warehouse: &WarehouseRow, table: &TableRef, table_id: Uuid) -> Result<Decided> {
    let of = DelegationOf { table_id, mode: VENDED };
    let read = ctx
        .authorize_delegation(actions::VendCredentials, table, of)
        .map_err(|error| resolve::hidden(ctx, warehouse, error))?;
    // To lack it is no denial: a reader gets a reader's keys.
    let write = polder_policy::authorize(ctx.snapshot(), ctx.principal(), actions::VendWriteCredentials, table).ok();
    Ok(Decided { read, write })
}

async fn mint(
    ctx: &OpCtx,
    warehouse: &WarehouseRow,
    decided: Decided,
    (table, table_id): (&TableRef, Uuid),
    place: &Location,
    vending: &Vending,
) -> Result<StorageCredential> {
    let root = permitted_root(ctx, warehouse, table, place, DelegationOf { table_id, mode: VENDED })?;
    let grant = match &decided.write {
        None => Grant::Read(&decided.read),
        Some(write) => Grant::ReadWrite(&decided.read, write),
    };
    let session = vending.keys(ctx, &Wanted { grant, table_id, place, root }).await?;
    Ok(StorageCredential::new(ctx, place, &session))
}

/// The root that a table's location lies below, by the warehouse as it is now: what the administrator has taken away
/// from it since the table was made is no place for keys or signatures (R8).
///
/// # Errors
/// `Forbidden`, and a record of it.
pub(crate) fn permitted_root<'a>(
    ctx: &OpCtx,
    warehouse: &'a WarehouseRow,
    table: &TableRef,
    place: &Location,
    of: DelegationOf,
) -> Result<&'a Location> {
    places::check_table_location(warehouse, place).map_err(|_| {
        let action = if of.mode == VENDED { actions::VendCredentials::NAME } else { actions::SignRead::NAME };
        ctx.count_delegation(action, table, of, Some("location_not_allowed"));
        Error::forbidden(polder_types::Subject::Table, "the table's location is no longer allowed in its warehouse")
    })
}

#[cfg(test)]
mod tests;
