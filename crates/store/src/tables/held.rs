//! Places that keys open though no table lies there: of staged tables, and of purged ones. Nobody else puts anything there
//! until the keys have ended, so that no key ever opens what came to its place later (R1).

use polder_policy::{NamespaceRef, Permit, actions};
use polder_types::{Error, Location, Micros, NamespaceId, PrincipalId, Result, Subject, TableIdent, TenantId};
use uuid::Uuid;

use super::{change, retired};
use crate::{
    AuditDetail, AuditObject, Stamp, Store,
    audit::Trail,
    db::{Session, sql},
    homes::{self, Ground},
    jobs, locations, tenants,
    tx::{Lock, Tx},
};

/// Places around a location that one statement looks at; a deeper location takes more than one.
const LEVELS: usize = 16;

/// A place that is to be held for a table that is staged there.
#[derive(Clone, Debug)]
pub struct Hold {
    /// What the table will be called.
    pub name: String,
    /// The place.
    pub location: Location,
    /// The `table-uuid` that the catalog has chosen.
    pub table_uuid: Uuid,
    /// When the last key for it ends.
    pub until: Micros,
}

/// Whose table of which name a place is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder<'a> {
    pub(crate) principal: PrincipalId,
    pub(crate) namespace: NamespaceId,
    pub(crate) name: &'a str,
}

impl Store {
    /// Holds a place for a table that is staged there, before keys for it are made. False, and nothing is held, for a place
    /// that is neither below a home of the namespace nor the one that the catalog has chosen, unless a policy editor asks.
    ///
    /// # Errors
    /// `stale_policy` ([`crate::is_stale`]); `Invalid` and `Conflict` where the table could not be made.
    pub async fn hold_location(
        &self,
        permit: &Permit<actions::CreateTable>,
        released_by: Option<&Permit<actions::ManagePolicies>>,
        hold: Hold,
        stamp: &Stamp,
    ) -> Result<bool> {
        let (trail, namespace) = (Trail::of(permit, stamp), permit.resource().clone());
        let editor = released_by
            .is_some_and(|editor| editor.tenant() == permit.tenant() && editor.version() == permit.version());
        self.write("hold_location", move |tx| {
            Box::pin(async move { take(tx, &trail, &namespace, editor, &hold).await })
        })
        .await
    }
}

async fn take(tx: &mut Tx, trail: &Trail, namespace: &NamespaceRef, editor: bool, hold: &Hold) -> Result<bool> {
    tx.alone(Lock::Warehouse(namespace.warehouse.id)).await?;
    tenants::check_version(tx, trail).await?;
    let (tenant, now, place) = (&trail.tenant, trail.stamp.now, &hold.location);
    let warehouse = tx.warehouse(&namespace.warehouse).await?;
    if !warehouse.contains(place) {
        return Err(Error::invalid("location_outside", "the location lies outside the warehouse").about(Subject::Table));
    }
    // SECURITY: what would be refused to the table is refused to its keys, in one transaction with the hold.
    change::refuse_overlap(tx, tenant, warehouse.warehouse.id, place, None).await?;
    jobs::refuse_waiting(tx, tenant, place, false).await?;
    let holder = Holder { principal: trail.caller.principal.id, namespace: namespace.id(), name: &hold.name };
    refuse(tx, tenant, place, now, Some(holder)).await?;
    if !editor {
        retired::refuse(tx, tenant, place).await?;
        let ground = homes::ground(tx, namespace, &warehouse, place).await?;
        if ground != Ground::Own && *place != warehouse.root.join(&hold.table_uuid.to_string())? {
            return Ok(false);
        }
    }
    forget_ended(tx, tenant, now).await?;
    write(tx, tenant, &place.to_string(), Some(holder), hold.until).await?;
    let ident = TableIdent::new(namespace.name.clone(), hold.name.as_str())?;
    let (id, name) = (Some(hold.table_uuid.to_string()), ident.to_string());
    let object = AuditObject { subject: Subject::Table, id, name, version: None };
    let detail = AuditDetail::Held { location: place.to_string(), until: hold.until };
    trail.note(tx, "hold_location", object, detail).await?;
    Ok(true)
}

/// Refuses a place at, around or below one that is held, for anything but the very table that it is held for: true if it is.
// SECURITY: policy editors too. They decide what is hidden, but keys that are out know of no decision.
pub(crate) async fn refuse(
    session: &mut Session,
    tenant: &TenantId,
    place: &Location,
    now: Micros,
    asks: Option<Holder<'_>>,
) -> Result<bool> {
    let (mut own, exact, (from, to)) = (false, place.to_string(), locations::below(place));
    for some in locations::ancestors(place).chunks(LEVELS) {
        let mut query = sql("SELECT location, principal_id, namespace_id, relation_name FROM held_locations \
                WHERE tenant_id = $1 AND location >= $2 AND location < $3 AND expires_at > $4 \
             UNION ALL SELECT location, principal_id, namespace_id, relation_name FROM held_locations \
                WHERE tenant_id = $1 AND expires_at > $4 \
                AND location IN ($5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) LIMIT 2");
        query = query.bind(tenant).bind(from.as_str()).bind(to.as_str()).bind(now);
        for level in 0..LEVELS {
            query = query.bind(some.get(level).or(some.last()).map_or("", String::as_str));
        }
        for row in session.rows(query).await? {
            let name: Option<String> = row.get(3)?;
            let (principal, namespace) = (row.get::<Option<Uuid>>(1)?, row.get::<Option<Uuid>>(2)?);
            let holder = match (principal, namespace, name.as_deref()) {
                (Some(principal), Some(namespace), Some(name)) => {
                    Some(Holder { principal: PrincipalId(principal), namespace: NamespaceId(namespace), name })
                }
                _ => None,
            };
            if asks.is_none() || holder != asks || row.text(0)? != exact {
                return Err(held());
            }
            own = true;
        }
    }
    Ok(own)
}

/// Holds a place for nobody: keys for what lay there go on.
pub(crate) async fn close(tx: &mut Tx, tenant: &TenantId, place: &str, now: Micros, until: Micros) -> Result<()> {
    forget_ended(tx, tenant, now).await?;
    write(tx, tenant, place, None, until).await
}

/// Lets a place go, where the table lies by now that it was held for.
pub(crate) async fn let_go(tx: &mut Tx, tenant: &TenantId, place: &Location) -> Result<()> {
    let query = sql("DELETE FROM held_locations WHERE tenant_id = $1 AND location = $2");
    tx.execute(query.bind(tenant).bind(place.to_string())).await.map(drop)
}

async fn write(tx: &mut Tx, tenant: &TenantId, place: &str, holder: Option<Holder<'_>>, until: Micros) -> Result<()> {
    // The same client that stages the table again: the later end counts.
    let query = sql("INSERT INTO held_locations \
             (tenant_id, location, principal_id, namespace_id, relation_name, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, location) DO UPDATE SET \
             principal_id = excluded.principal_id, namespace_id = excluded.namespace_id, \
             relation_name = excluded.relation_name, \
             expires_at = CASE WHEN held_locations.expires_at > excluded.expires_at \
                THEN held_locations.expires_at ELSE excluded.expires_at END");
    let query = query
        .bind(tenant)
        .bind(place)
        .bind(holder.map(|holder| holder.principal))
        .bind(holder.map(|holder| holder.namespace))
        .bind(holder.map(|holder| holder.name))
        .bind(until);
    tx.execute(query).await.map(drop)
}

async fn forget_ended(tx: &mut Tx, tenant: &TenantId, now: Micros) -> Result<()> {
    let query = sql("DELETE FROM held_locations WHERE tenant_id = $1 AND expires_at <= $2");
    tx.execute(query.bind(tenant).bind(now)).await.map(drop)
}

fn held() -> Error {
    Error::invalid(
        "location_held",
        "keys for the location are still in use: a table is being made there, or was purged; choose another one, or try \
         again in an hour",
    )
    .about(Subject::Table)
}
