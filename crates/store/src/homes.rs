//! Homes of namespaces: the ground where their tables lie. Each has the directory of its own id below the warehouse's root,
//! and the one that its property `location` names. A place is of the namespace whose home is the innermost around it.
//! Refuses what one namespace would put on the ground of another, and homes that take ground from others.

use polder_policy::NamespaceRef;
use polder_types::{Error, Location, NamespaceId, Result, Subject};
use uuid::Uuid;

use crate::{
    WarehouseRow,
    db::{Session, sql},
    locations,
    namespaces::path_bytes,
};

/// Places around a location that one statement looks at; a deeper location takes more than one.
const LEVELS: usize = 16;
/// More bytes than the ids of all levels have: compares whole paths.
const WHOLE: i64 = 1 << 20;

/// Whose ground a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// The namespace's own: it lies below a home of it.
    Own,
    /// Nobody's, or right at a home of the namespace.
    Open,
}

/// A home that overlaps a place.
struct Home {
    namespace: NamespaceId,
    place: Location,
}

/// Says whose ground a place is, for a table of a namespace.
///
/// # Errors
/// `Invalid` if it is another namespace's, or if another one has its home there or below.
// SECURITY: a table in another namespace's home would have that one's files in its keys, those that come later and those
// that were left behind (R1, R10).
pub(crate) async fn ground(
    session: &mut Session,
    namespace: &NamespaceRef,
    warehouse: &WarehouseRow,
    place: &Location,
) -> Result<Ground> {
    let own = default_home(warehouse, namespace.id())?;
    // How deep the innermost home around the place lies: of this namespace, and of any other.
    let mut inner = place.is_within(&own).then(|| depth(&own));
    let mut foreign = None;
    for home in overlapping(session, namespace, warehouse, place, WHOLE).await? {
        let there = Some(depth(&home.place));
        if home.namespace == namespace.id() {
            inner = inner.max(there);
        } else if place.is_within(&home.place) {
            foreign = foreign.max(there);
        } else {
            return Err(of_another());
        }
    }
    match (inner, foreign) {
        (inner, Some(foreign)) if inner.is_none_or(|inner| inner <= foreign) => Err(of_another()),
        (Some(inner), _) if inner < depth(place) => Ok(Ground::Own),
        _ => Ok(Ground::Open),
    }
}

/// Refuses a home that takes ground from others: at a root, where every namespace has its own; at, around or below the home
/// of another one, unless the inner one of the two is a namespace inside the outer one; over tables of others.
pub(crate) async fn refuse_claim(
    session: &mut Session,
    namespace: &NamespaceRef,
    warehouse: &WarehouseRow,
    home: &Location,
) -> Result<()> {
    if warehouse.root.is_within(home) || !warehouse.contains(home) {
        return Err(Error::invalid(
            "location_not_allowed",
            "the location of a namespace is a directory below a root of the warehouse, and not the root itself",
        )
        .about(Subject::Namespace));
    }
    let path = path_bytes(&namespace.chain);
    let length = i64::try_from(path.len()).map_err(Error::internal)?;
    for other in overlapping(session, namespace, warehouse, home, length).await? {
        let encloses = namespace.chain.contains(&other.namespace) && home.is_within(&other.place);
        if other.namespace != namespace.id() && (!encloses || *home == other.place) {
            return Err(taken());
        }
    }
    if holds_foreign(session, namespace, home, (path, length)).await? { Err(taken()) } else { Ok(()) }
}

/// The directory that no other namespace's can be, whatever it is called.
fn default_home(warehouse: &WarehouseRow, id: NamespaceId) -> Result<Location> {
    warehouse.root.join(&id.0.to_string())
}

fn depth(place: &Location) -> usize {
    place.segments().len()
}

/// The namespace whose own directory a place would be in, if its first name below the root is an id at all.
fn named_by_id(warehouse: &WarehouseRow, place: &Location) -> Option<Uuid> {
    let name = place.is_within(&warehouse.root).then(|| place.segments().get(depth(&warehouse.root)))??;
    // Ids have other spellings, which name other directories.
    name.parse().ok().filter(|id: &Uuid| id.to_string() == *name)
}

/// Homes at and around a place, of whomever; and one below it of somebody else, if there is one. Somebody else is who differs
/// in the first `length` bytes of the path.
async fn overlapping(
    session: &mut Session,
    namespace: &NamespaceRef,
    warehouse: &WarehouseRow,
    place: &Location,
    length: i64,
) -> Result<Vec<Home>> {
    let (mut found, (from, to)) = (Vec::new(), locations::below(place));
    for some in locations::ancestors(place).chunks(LEVELS) {
        let mut query = sql("SELECT id, location FROM (SELECT id, location FROM namespaces \
                WHERE tenant_id = $1 AND warehouse_id = $2 AND location >= $3 AND location < $4 \
                    AND substr(path, 1, CAST($5 AS INTEGER)) <> $6 LIMIT 1) AS below \
             UNION ALL SELECT id, location FROM namespaces WHERE tenant_id = $1 AND warehouse_id = $2 \
                AND location IN ($8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23) \
             UNION ALL SELECT id, NULL FROM namespaces WHERE tenant_id = $1 AND warehouse_id = $2 AND id = $7");
        query = query.bind(&namespace.warehouse.tenant.id).bind(namespace.warehouse.id);
        query = query.bind(from.as_str()).bind(to.as_str()).bind(length).bind(path_bytes(&namespace.chain));
        query = query.bind(named_by_id(warehouse, place));
        for level in 0..LEVELS {
            query = query.bind(some.get(level).or(some.last()).map_or("", String::as_str));
        }
        for row in session.rows(query).await? {
            let namespace = NamespaceId(row.uuid(0)?);
            let place = match row.get::<Option<String>>(1)? {
                Some(text) => Location::parse(&text)?,
                None => default_home(warehouse, namespace)?,
            };
            // One from before, at the root, is nobody's home: all others lie in it.
            if !warehouse.root.is_within(&place) {
                found.push(Home { namespace, place });
            }
        }
    }
    Ok(found)
}

/// True if a table or view of another namespace lies at or around a home, or below it one of a namespace that is not inside.
async fn holds_foreign(
    session: &mut Session,
    namespace: &NamespaceRef,
    home: &Location,
    (path, length): (Vec<u8>, i64),
) -> Result<bool> {
    let (from, to) = locations::below(home);
    for some in locations::ancestors(home).chunks(LEVELS) {
        let mut query = sql("SELECT 1 FROM relations r \
                JOIN namespaces n ON n.tenant_id = r.tenant_id AND n.id = r.namespace_id \
                WHERE r.tenant_id = $1 AND r.warehouse_id = $2 AND r.location >= $3 AND r.location < $4 \
                    AND substr(n.path, 1, CAST($5 AS INTEGER)) <> $6 \
             UNION ALL SELECT 1 FROM relations WHERE tenant_id = $1 AND warehouse_id = $2 AND namespace_id <> $7 \
                AND location IN ($8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23) LIMIT 1");
        query = query.bind(&namespace.warehouse.tenant.id).bind(namespace.warehouse.id);
        query = query.bind(from.as_str()).bind(to.as_str()).bind(length).bind(path.clone()).bind(namespace.id());
        for level in 0..LEVELS {
            query = query.bind(some.get(level).or(some.last()).map_or("", String::as_str));
        }
        if session.row(query).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn of_another() -> Error {
    Error::invalid(
        "location_of_another_namespace",
        "the location is at, in or around the place of another namespace; choose one below the `location` of this \
         namespace, or none",
    )
    .about(Subject::Table)
}

fn taken() -> Error {
    Error::invalid(
        "namespace_location_taken",
        "the location is at, in or around the place of another namespace, or tables of one lie there; choose another one",
    )
    .about(Subject::Namespace)
}
