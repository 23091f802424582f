//! Where dropped tables lay. A drop leaves the files, and with them everything that policies hid in them: whoever made
//! a table over them could read or overwrite them unseen. The place outlives the warehouse's row, too.

use polder_policy::TableRef;
use polder_types::{Error, Location, Result, Subject, TenantId};

use crate::{
    audit::Trail,
    db::{Session, sql},
    locations,
    tx::Tx,
};

/// Places around a location that one statement looks at; a deeper location takes more than one.
const LEVELS: usize = 16;

/// Remembers the place of a table that is dropped.
pub(crate) async fn retire(tx: &mut Tx, trail: &Trail, table: &TableRef, location: &str) -> Result<()> {
    let query = sql("INSERT INTO retired_locations (tenant_id, location, relation_id, retired_at) \
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING");
    tx.execute(query.bind(&trail.tenant).bind(location).bind(table.id).bind(trail.stamp.now)).await.map(drop)
}

/// Refuses a location at, around or below that of a dropped table.
// SECURITY: the files of a dropped table are still those of its readers and its policies (R10, R35).
pub(crate) async fn refuse(session: &mut Session, tenant: &TenantId, location: &Location) -> Result<()> {
    let around = locations::ancestors(location);
    for some in around.chunks(LEVELS) {
        let (from, to) = locations::below(location);
        let mut query =
            sql("SELECT 1 FROM retired_locations WHERE tenant_id = $1 AND (location >= $2 AND location < $3 \
                OR location IN ($4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)) LIMIT 1");
        query = query.bind(tenant).bind(from).bind(to);
        for level in 0..LEVELS {
            query = query.bind(some.get(level).or(some.last()).map_or("", String::as_str));
        }
        if session.row(query).await?.is_some() {
            return Err(Error::invalid(
                "location_retired",
                "the location holds the files of a dropped table; choose another one, or let a policy editor create it",
            )
            .about(Subject::Table));
        }
    }
    Ok(())
}
