//! Where dropped tables lay. A drop leaves the files, and with them everything that policies hid in them: whoever made
//! a table over them could read or overwrite them unseen. The place outlives the warehouse's row, too; it remembers which
//! restrictions were bound to the table, so that whoever registers the files again takes them over.

use polder_policy::{ColumnPath, TableRef};
use polder_types::{Error, Location, PolicyId, QualifiedName, RelationId, Result, Subject, TenantId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    audit::Trail,
    db::{self, Session, sql},
    locations,
    tenants::bump,
    tx::Tx,
};

/// Places around a location that one statement looks at; a deeper location takes more than one.
const LEVELS: usize = 16;

/// What restricted a table when it was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Earlier {
    /// Policies bound to it, with the field ids at the columns that they read.
    policies: Vec<(PolicyId, Option<(ColumnPath, i32)>)>,
    /// Denies bound to it.
    denies: Vec<Uuid>,
    /// It was hidden from restricted principals.
    pub(crate) quarantined: bool,
}

impl Earlier {
    /// What restricts a table now.
    pub(crate) async fn of(tx: &mut Tx, tenant: &TenantId, table: &TableRef) -> Result<Self> {
        let query = sql("SELECT r.policy_id, f.path, f.field_id FROM policy_relations r LEFT JOIN policy_fields f \
                ON f.tenant_id = r.tenant_id AND f.policy_id = r.policy_id AND f.relation_id = r.relation_id \
             WHERE r.tenant_id = $1 AND r.relation_id = $2");
        let mut policies = Vec::new();
        for row in tx.rows(query.bind(tenant).bind(table.id)).await? {
            let path: Option<String> = row.get(1)?;
            let path = path.map(|text| serde_json::from_str(&text).map_err(Error::internal)).transpose()?;
            let field: Option<i64> = row.get(2)?;
            let field = field.map(|field| i32::try_from(field).map_err(Error::internal)).transpose()?;
            policies.push((PolicyId(row.uuid(0)?), path.zip(field)));
        }
        let query = sql(
            "SELECT grant_id FROM grant_bindings WHERE tenant_id = $1 AND on_kind = 'table' AND on_id = $2 \
             UNION SELECT id FROM grants WHERE tenant_id = $1 AND on_kind = 'table' AND on_id = $2 AND effect = 'deny'",
        );
        let denies = tx.rows(query.bind(tenant).bind(table.id)).await?;
        let denies = denies.iter().map(|row| row.uuid(0)).collect::<Result<_>>()?;
        Ok(Self { policies, denies, quarantined: table.quarantined })
    }

    /// Binds what is left of it to the table that now has the files. The number of new bindings.
    pub(crate) async fn bind(&self, tx: &mut Tx, tenant: &TenantId, id: RelationId) -> Result<u64> {
        let mut bound = 0;
        for (policy, field) in &self.policies {
            let query = sql("INSERT INTO policy_relations (tenant_id, policy_id, relation_id) \
                 SELECT tenant_id, id, $2 FROM policies WHERE tenant_id = $1 AND id = $3 ON CONFLICT DO NOTHING");
            bound += tx.execute(query.bind(tenant).bind(id).bind(*policy)).await?;
            let Some((path, field)) = field else { continue };
            let query = sql("INSERT INTO policy_fields (tenant_id, policy_id, relation_id, path, field_id) \
                 SELECT tenant_id, policy_id, relation_id, $4, $5 FROM policy_relations \
                 WHERE tenant_id = $1 AND policy_id = $2 AND relation_id = $3 ON CONFLICT DO NOTHING");
            let query = query.bind(tenant).bind(*policy).bind(id).bind(db::json(path)?).bind(*field);
            bound += tx.execute(query).await?;
        }
        for deny in &self.denies {
            let query = sql("INSERT INTO grant_bindings (tenant_id, grant_id, on_kind, on_id) \
                 SELECT tenant_id, id, 'table', $2 FROM grants WHERE tenant_id = $1 AND id = $3 AND effect = 'deny' \
                 ON CONFLICT DO NOTHING");
            bound += tx.execute(query.bind(tenant).bind(id).bind(*deny)).await?;
        }
        if bound > 0 {
            bump(tx, tenant).await?;
        }
        Ok(bound)
    }

    /// True if everything that is left of it stands on the name itself, so that a decision about the name knows it.
    async fn stands_on(&self, session: &mut Session, tenant: &TenantId, name: &QualifiedName) -> Result<bool> {
        let named = (name.ident.namespace.key(), name.ident.name.as_str());
        for (policy, _) in &self.policies {
            let query = sql("SELECT 1 FROM policies WHERE tenant_id = $1 AND id = $2 \
                 AND NOT (warehouse = $3 AND namespace_key = $4 AND table_name = $5)");
            let query = query.bind(tenant).bind(*policy).bind(&name.warehouse).bind(named.0.as_str()).bind(named.1);
            if session.row(query).await?.is_some() {
                return Ok(false);
            }
        }
        for deny in &self.denies {
            let query =
                sql("SELECT 1 FROM grants WHERE tenant_id = $1 AND id = $2 AND (on_warehouse IS DISTINCT FROM $3 \
                 OR on_namespace IS DISTINCT FROM $4 OR on_table IS DISTINCT FROM $5)");
            let query = query.bind(tenant).bind(*deny).bind(&name.warehouse).bind(named.0.as_str()).bind(named.1);
            if session.row(query).await?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The place of a dropped table.
struct Place {
    location: String,
    /// What it was called: warehouse, namespace, table; `None` if several lay there, or if it is not known.
    name: Option<(String, String, String)>,
    earlier: Option<Earlier>,
}

/// Remembers the place of a table or view that is dropped. What restricted it is asked for where its files may come back:
/// without, only a policy editor opens the place again.
pub(crate) async fn retire(
    tx: &mut Tx,
    trail: &Trail,
    table: &TableRef,
    location: &str,
    restrictions: Option<&Earlier>,
) -> Result<()> {
    // SECURITY: where another one lay before, the files are of both: a policy editor's to open.
    let query = sql("INSERT INTO retired_locations \
             (tenant_id, location, relation_id, retired_at, warehouse, namespace_key, table_name, restrictions) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant_id, location) DO UPDATE SET \
             warehouse = NULL, namespace_key = NULL, table_name = NULL, restrictions = NULL");
    let query = query.bind(&trail.tenant).bind(location).bind(table.id).bind(trail.stamp.now);
    let (warehouse, key) = (&table.namespace.warehouse.name, table.namespace.name.key());
    let known = restrictions.map(|earlier| Ok::<_, Error>((table.name.as_ref(), db::json(earlier)?))).transpose()?;
    let query = match known {
        Some((name, earlier)) => query.bind(warehouse).bind(key).bind(name).bind(earlier),
        None => query.bind(None::<&str>).bind(None::<&str>).bind(None::<&str>).bind(None::<&str>),
    };
    tx.execute(query).await.map(drop)
}

/// Refuses a location at, around or below that of a dropped table.
// SECURITY: the files of a dropped table are still those of its readers and its policies (R10, R35).
pub(crate) async fn refuse(session: &mut Session, tenant: &TenantId, location: &Location) -> Result<()> {
    if overlapping(session, tenant, location).await?.is_empty() { Ok(()) } else { Err(taken()) }
}

/// Refuses a file that may not be registered under a name, before a byte of it is read. True if it lies at the place of a
/// dropped table that opens to the name.
pub(crate) async fn refuse_file(
    session: &mut Session,
    tenant: &TenantId,
    name: &QualifiedName,
    file: &Location,
    editor: bool,
) -> Result<bool> {
    let mut known = false;
    for place in overlapping(session, tenant, file).await? {
        if !editor && !place.opens_to(session, tenant, name).await? {
            return Err(taken());
        }
        known |= file.is_within(&Location::parse(&place.location)?);
    }
    Ok(known)
}

/// Takes the place of a dropped table for one that is registered there, with what restricted that one.
///
/// # Errors
/// `Invalid` unless a policy editor asks, or the table lay right there, was called so, and nothing was bound to it that
/// does not stand on the name: who may register, load and drop under a name then gets no more than it had.
// SECURITY: restrictions go with the files, whatever name they come back under (R35).
pub(crate) async fn reopen(
    tx: &mut Tx,
    tenant: &TenantId,
    name: &QualifiedName,
    location: &Location,
    editor: bool,
) -> Result<Option<Earlier>> {
    let (places, text) = (overlapping(tx, tenant, location).await?, location.to_string());
    let exact = places.iter().find(|place| place.location == text);
    if !editor {
        match (exact, places.len()) {
            (None, 0) => return Ok(None),
            (Some(place), 1) if place.opens_to(tx, tenant, name).await? => {}
            _ => return Err(taken()),
        }
    }
    let Some(place) = exact else { return Ok(None) };
    let query = sql("DELETE FROM retired_locations WHERE tenant_id = $1 AND location = $2");
    tx.execute(query.bind(tenant).bind(text)).await?;
    Ok(place.earlier.clone())
}

impl Place {
    /// True if whoever may make a table of this name may have the files back.
    async fn opens_to(&self, session: &mut Session, tenant: &TenantId, name: &QualifiedName) -> Result<bool> {
        let asked = (name.warehouse.to_string(), name.ident.namespace.key(), name.ident.name.clone());
        match (&self.name, &self.earlier) {
            (Some(own), Some(earlier)) if *own == asked => earlier.stands_on(session, tenant, name).await,
            _ => Ok(false),
        }
    }
}

/// The places at, around and below a location.
async fn overlapping(session: &mut Session, tenant: &TenantId, location: &Location) -> Result<Vec<Place>> {
    let (mut found, (from, to)): (Vec<Place>, _) = (Vec::new(), locations::below(location));
    for some in locations::ancestors(location).chunks(LEVELS) {
        let mut query =
            sql("SELECT location, warehouse, namespace_key, table_name, restrictions FROM retired_locations \
             WHERE tenant_id = $1 AND location >= $2 AND location < $3 \
             UNION SELECT location, warehouse, namespace_key, table_name, restrictions FROM retired_locations \
             WHERE tenant_id = $1 \
                AND location IN ($4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) LIMIT 32");
        query = query.bind(tenant).bind(from.as_str()).bind(to.as_str());
        for level in 0..LEVELS {
            query = query.bind(some.get(level).or(some.last()).map_or("", String::as_str));
        }
        for row in session.rows(query).await? {
            let name = (row.get(1)?, row.get(2)?, row.get(3)?);
            let name = match name {
                (Some(warehouse), Some(namespace), Some(table)) => Some((warehouse, namespace, table)),
                _ => None,
            };
            let earlier: Option<String> = row.get(4)?;
            let earlier = earlier.map(|text| serde_json::from_str(&text).map_err(Error::internal)).transpose()?;
            let place = Place { location: row.text(0)?, name, earlier };
            if !found.iter().any(|known| known.location == place.location) {
                found.push(place);
            }
        }
    }
    Ok(found)
}

fn taken() -> Error {
    Error::invalid(
        "location_retired",
        "the location holds the files of a dropped table; choose another one, or let a policy editor make the table",
    )
    .about(Subject::Table)
}
