//! API keys (S-020): 256 random bits behind a visible prefix and a checksum, stored as a keyed hash, compared in
//! constant time, shown once. The text is `polder_<key id>_<base64url of 32 bytes>_<CRC-32 of all before, hex>`.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use polder_policy::{Permit, actions};
use polder_types::{Error, KeyId, Micros, PrincipalId, Result, Scopes, Secret, Subject, TenantId};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    AuditDetail, AuditObject, Page, PageRequest, Stamp, Store,
    audit::Trail,
    cache::Change,
    db::{Query, Row, sql},
    fresh, principals, tenants,
    tx::Tx,
};

/// What every secret begins with.
const PREFIX: &str = "polder_";
/// Characters of the key id in a secret.
const ID_CHARS: usize = 20;
/// Characters of 32 bytes in base64url without padding.
const BODY_CHARS: usize = 43;

/// A key, without its secret.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    pub principal: PrincipalId,
    /// That principal's name.
    pub principal_name: String,
    /// What the secret begins with, to recognise it.
    pub prefix: String,
    /// What it may do at all.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Micros,
    /// When it ends.
    pub expires_at: Option<Micros>,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
    /// When it was last used, to the next flush of counts.
    pub last_used_at: Option<Micros>,
    /// Grows with every change of the row.
    pub version: i64,
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The principal's name.
    pub principal: String,
    /// What it may do at all.
    pub scopes: Scopes,
    /// When it ends.
    pub expires_at: Option<Micros>,
}

/// A new key with its secret, which nobody can read again.
#[derive(Clone, Debug)]
pub struct IssuedKey {
    /// The key.
    pub key: KeyRow,
    /// The secret text.
    pub secret: Secret,
}

/// What checking a secret needs.
#[derive(Debug)]
pub(crate) struct StoredKey {
    tenant: TenantId,
    hash: Vec<u8>,
    revoked: bool,
}

impl Store {
    /// Makes a key.
    ///
    /// # Errors
    /// `NotFound` for the principal, `Invalid` if it would end before it begins or could do nothing.
    pub async fn create_key(
        &self,
        permit: &Permit<actions::ManageKeys>,
        new: NewKey,
        stamp: &Stamp,
    ) -> Result<IssuedKey> {
        if new.scopes.is_empty() || new.expires_at.is_some_and(|end| end <= stamp.now) {
            let message = "a key needs a scope, and an end in the future if it has one";
            return Err(Error::invalid("invalid_key", message).about(Subject::ApiKey));
        }
        let (trail, fresh) = (Trail::of(permit, stamp), FreshKey::new(&self.keys().pepper)?);
        let secret = fresh.secret.clone();
        let key = self.write("create_key", move |tx| {
            Box::pin(async move {
                tenants::check_and_bump(tx, &trail).await?;
                let principal = principals::select(tx, &trail.tenant, &new.principal).await?;
                let owner = (principal.id, principal.name);
                insert(tx, &trail, fresh, owner, new.scopes, new.expires_at).await
            })
        });
        Ok(IssuedKey { key: key.await?, secret })
    }

    /// Revokes a key, and with it every token made from it.
    ///
    /// # Errors
    /// `NotFound`, also if it was revoked before (R23).
    pub async fn revoke_key(&self, permit: &Permit<actions::ManageKeys>, id: &KeyId, stamp: &Stamp) -> Result<()> {
        let (trail, id) = (Trail::of(permit, stamp), id.clone());
        self.write("revoke_key", move |tx| Box::pin(async move { revoke(tx, &trail, id).await })).await
    }

    /// Lists keys by id, revoked ones too, never their secrets.
    ///
    /// # Errors
    /// `Invalid` for a page token of another list.
    pub async fn list_keys(&self, permit: &Permit<actions::ListAccess>, page: &PageRequest) -> Result<Page<KeyRow>> {
        let cursor = self.cursor(permit, "keys", page)?;
        let query = sql("SELECT k.id, k.principal_id, p.name, k.prefix, k.scopes, k.created_at, k.expires_at, \
                k.revoked_at, k.last_used_at, k.version \
             FROM api_keys k JOIN principals p ON p.tenant_id = k.tenant_id AND p.id = k.principal_id \
             WHERE k.tenant_id = $1 AND k.id > $2 ORDER BY k.id LIMIT $3");
        let query = query.bind(permit.tenant()).bind(cursor.after.clone().unwrap_or_default()).bind(cursor.limit);
        let rows = self.read().await?.rows(query).await?;
        let rows = rows.iter().map(key_row).collect::<Result<Vec<_>>>()?;
        self.page(&cursor, rows, |row| row.id.to_string())
    }

    /// Checks a secret; answers the key's tenant. Expiry and the principal's state are for
    /// `PolicySnapshot::authenticate`. `None` for every reason alike.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn verify_key(&self, id: &KeyId, secret: &Secret) -> Result<Option<TenantId>> {
        // The checksum spares the database every mistyped or guessed text.
        if !is_well_formed(id, secret.expose()) {
            return Ok(None);
        }
        let Some(stored) = self.stored_key(id).await? else {
            return Ok(None);
        };
        let hash = blake3::keyed_hash(&self.keys().pepper, secret.expose().as_bytes());
        // SECURITY: constant time; a hash of another length never equals.
        let equal: bool = hash.as_bytes().as_slice().ct_eq(&stored.hash).into();
        if !equal || stored.revoked {
            return Ok(None);
        }
        self.counted().key_used(&stored.tenant, id);
        Ok(Some(stored.tenant.clone()))
    }

    async fn stored_key(&self, id: &KeyId) -> Result<Option<Arc<StoredKey>>> {
        if let Some(stored) = self.caches().keys.get(id) {
            return Ok(Some(stored));
        }
        let seen = self.caches().seen(id);
        // The tenant is what this look-up finds out: the one statement that does not begin with it.
        let query = sql("SELECT tenant_id, hash, revoked_at IS NOT NULL FROM api_keys WHERE id = $1");
        let Some(row) = self.read().await?.row(query.bind(id)).await? else {
            return Ok(None);
        };
        let stored = Arc::new(StoredKey { tenant: row.parse(0)?, hash: row.get(1)?, revoked: row.get(2)? });
        self.caches().fill(&self.caches().keys, seen, id.clone(), stored.clone());
        Ok(Some(stored))
    }
}

/// A key that is not stored yet.
#[derive(Clone)]
pub(crate) struct FreshKey {
    id: KeyId,
    pub(crate) secret: Secret,
    prefix: String,
    hash: Vec<u8>,
}

impl FreshKey {
    pub(crate) fn new(pepper: &[u8; 32]) -> Result<Self> {
        let id = fresh::key_id()?;
        let body = Zeroizing::new(fresh::bytes::<32>()?);
        let prefix = format!("{PREFIX}{}", id_chars(&id));
        let mut text = Zeroizing::new(format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(body.as_ref())));
        let checksum = crc32fast::hash(text.as_bytes());
        text.push_str(&format!("_{checksum:08x}"));
        let hash = blake3::keyed_hash(pepper, text.as_bytes()).as_bytes().to_vec();
        Ok(Self { id, secret: Secret::new(std::mem::take(&mut text)), prefix, hash })
    }
}

fn id_chars(id: &KeyId) -> &str {
    id.as_str().strip_prefix("pk_").unwrap_or_default()
}

/// Checks form, id and checksum of a secret.
fn is_well_formed(id: &KeyId, secret: &str) -> bool {
    let checked = || {
        let (head, checksum) = secret.rsplit_once('_')?;
        let body = head.strip_prefix(PREFIX)?.strip_prefix(id_chars(id))?.strip_prefix('_')?;
        let shaped = id_chars(id).len() == ID_CHARS && body.len() == BODY_CHARS && checksum.len() == 8;
        Some(shaped && u32::from_str_radix(checksum, 16).ok()? == crc32fast::hash(head.as_bytes()))
    };
    checked().unwrap_or(false)
}

fn key_row(row: &Row) -> Result<KeyRow> {
    let micros = |column| Ok::<_, Error>(row.get::<Option<i64>>(column)?.map(Micros));
    Ok(KeyRow {
        id: row.parse(0)?,
        principal: PrincipalId(row.uuid(1)?),
        principal_name: row.text(2)?,
        prefix: row.text(3)?,
        scopes: row.parse(4)?,
        created_at: row.micros(5)?,
        expires_at: micros(6)?,
        revoked_at: micros(7)?,
        last_used_at: micros(8)?,
        version: row.int(9)?,
    })
}

/// Writes a key and its record, which knows the id and never the secret.
pub(crate) async fn insert(
    tx: &mut Tx,
    trail: &Trail,
    fresh: FreshKey,
    (principal, principal_name): (PrincipalId, String),
    scopes: Scopes,
    expires_at: Option<Micros>,
) -> Result<KeyRow> {
    let query = sql("INSERT INTO api_keys (id, tenant_id, principal_id, hash, prefix, scopes, version, created_at, \
             expires_at) VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8)");
    let query = query
        .bind(&fresh.id)
        .bind(&trail.tenant)
        .bind(principal)
        .bind(fresh.hash)
        .bind(fresh.prefix.as_str())
        .bind(scopes.to_string())
        .bind(trail.stamp.now)
        .bind(expires_at);
    tx.execute(query).await?;
    let detail = AuditDetail::Key { principal, scopes: scopes.to_string(), expires_at };
    trail
        .note(tx, "create_key", AuditObject::new(Subject::ApiKey, &fresh.id, principal_name.as_str(), 1), detail)
        .await?;
    Ok(KeyRow {
        id: fresh.id,
        principal,
        principal_name,
        prefix: fresh.prefix,
        scopes,
        created_at: trail.stamp.now,
        expires_at,
        revoked_at: None,
        last_used_at: None,
        version: 1,
    })
}

async fn revoke(tx: &mut Tx, trail: &Trail, id: KeyId) -> Result<()> {
    tenants::check_and_bump(tx, trail).await?;
    let query = sql("UPDATE api_keys SET revoked_at = $1, version = version + 1 \
         WHERE tenant_id = $2 AND id = $3 AND revoked_at IS NULL \
         RETURNING version, (SELECT name FROM principals p WHERE p.tenant_id = $2 AND p.id = principal_id)");
    let row = tx.row(query.bind(trail.stamp.now).bind(&trail.tenant).bind(&id)).await?;
    let row = row.ok_or_else(|| Error::not_found(Subject::ApiKey, id.as_str()))?;
    let object = AuditObject::new(Subject::ApiKey, &id, row.text(1)?, row.int(0)?);
    tx.changed(Change::Key(id));
    trail.note(tx, "revoke_key", object, AuditDetail::None).await
}

/// Deletes the keys of a principal that goes away.
pub(crate) async fn delete_of_principal(tx: &mut Tx, trail: &Trail, principal: PrincipalId) -> Result<()> {
    let query: Query = sql("DELETE FROM api_keys WHERE tenant_id = $1 AND principal_id = $2 RETURNING id, version, \
         (SELECT name FROM principals p WHERE p.tenant_id = $1 AND p.id = $2)");
    for row in tx.rows(query.bind(&trail.tenant).bind(principal)).await? {
        let id: KeyId = row.parse(0)?;
        let object = AuditObject::new(Subject::ApiKey, &id, row.text(2)?, row.int(1)? + 1);
        let detail = AuditDetail::With { subject: Subject::Principal.noun(), id: principal.to_string() };
        tx.changed(Change::Key(id));
        trail.note(tx, "delete_key", object, detail).await?;
    }
    Ok(())
}
