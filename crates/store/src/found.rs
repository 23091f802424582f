//! Founding a tenant: the tenant, its role `admin` with every privilege, its first administrator and that one's key.

use std::collections::BTreeMap;

use polder_policy::{Effect, Permit, Privilege, Securable, actions};
use polder_types::{Caller, Error, PrincipalId, PrincipalKind, Result, Scope, Scopes, Subject, TenantId};

use crate::{
    AuditDetail, AuditObject, GrantRow, GrantTarget, IssuedKey, Stamp, Store,
    audit::Trail,
    db::sql,
    fresh, grants,
    keys::{self, FreshKey},
    principals::{self, PrincipalRow},
    roles, tenants,
    tx::{Lock, Tx},
};

/// The role of a tenant's first administrator.
const ADMIN_ROLE: &str = "admin";

/// A new tenant with its first administrator.
#[derive(Debug)]
pub struct Founded {
    /// The tenant.
    pub tenant: TenantId,
    /// Its first administrator.
    pub admin: PrincipalId,
    /// The administrator's key, shown this once.
    pub key: IssuedKey,
}

impl Store {
    /// Makes the operator's tenant with its first administrator, if the database has no tenant yet; else `None`.
    ///
    /// # Errors
    /// `Invalid` for a bad name.
    pub async fn bootstrap(&self, tenant: &TenantId, admin: &str, stamp: &Stamp) -> Result<Option<Founded>> {
        let charter = Charter::new(tenant, admin, true, stamp)?;
        // Nobody is there yet: the first administrator makes itself.
        let caller = Caller::plain(charter.admin.id, charter.admin.name.as_str());
        let fresh = FreshKey::new(&self.keys().pepper)?;
        self.write("bootstrap", move |tx| {
            Box::pin(async move {
                // SECURITY: without a permit only while there is nobody who could hold one; of two nodes that ask at
                // once, the second waits here and sees the first's tenant.
                tx.alone(Lock::Installation).await?;
                if tx.row(sql("SELECT 1 FROM tenants LIMIT 1")).await?.is_some() {
                    return Ok(None);
                }
                found(tx, charter, caller, fresh).await.map(Some)
            })
        })
        .await
    }

    /// Makes a tenant with its first administrator.
    ///
    /// # Errors
    /// `AlreadyExists`, `Invalid` for a bad name.
    pub async fn create_tenant(
        &self,
        permit: &Permit<actions::ManageTenants>,
        id: &TenantId,
        admin: &str,
        stamp: &Stamp,
    ) -> Result<Founded> {
        let (trail, charter) = (Trail::of(permit, stamp), Charter::new(id, admin, false, stamp)?);
        let fresh = FreshKey::new(&self.keys().pepper)?;
        self.write("create_tenant", move |tx| {
            Box::pin(async move {
                tenants::check_version(tx, &trail).await?;
                let founded = found(tx, charter, trail.caller.clone(), fresh).await?;
                // The operator's own trail says that the tenant was made; the tenant's says by whom.
                let object = AuditObject::new(Subject::Tenant, &founded.tenant, founded.tenant.as_str(), 1);
                trail.note(tx, "create_tenant", object, AuditDetail::None).await?;
                Ok(founded)
            })
        })
        .await
    }
}

#[derive(Clone)]
struct Charter {
    tenant: TenantId,
    operator: bool,
    admin: PrincipalRow,
    stamp: Stamp,
}

impl Charter {
    fn new(tenant: &TenantId, admin: &str, operator: bool, stamp: &Stamp) -> Result<Self> {
        polder_types::check_name(admin).map_err(|error| error.about(Subject::Principal))?;
        let admin = PrincipalRow {
            id: PrincipalId(fresh::uuid(stamp.now)?),
            name: admin.to_owned(),
            kind: PrincipalKind::User,
            enabled: true,
            attributes: BTreeMap::new(),
            roles: vec![ADMIN_ROLE.to_owned()],
            version: 1,
            created_at: stamp.now,
        };
        Ok(Self { tenant: tenant.clone(), operator, admin, stamp: *stamp })
    }

    /// Creating tenants is the operator's alone.
    fn privileges(&self) -> impl Iterator<Item = Privilege> + use<> {
        let operator = self.operator;
        Privilege::ALL.into_iter().filter(move |privilege| operator || *privilege != Privilege::ManageTenants)
    }

    fn scopes(&self) -> Scopes {
        let wanted = |scope: &Scope| self.operator || *scope != Scope::AdminTenants;
        Scopes::all().iter().filter(wanted).fold(Scopes::NONE, Scopes::with)
    }
}

async fn found(tx: &mut Tx, charter: Charter, caller: Caller, fresh: FreshKey) -> Result<Founded> {
    let trail = Trail { tenant: charter.tenant.clone(), caller, stamp: charter.stamp, policy_version: 1 };
    let query = sql("INSERT INTO tenants (id, version, operator, quarantine, created_at) \
         VALUES ($1, 1, $2, TRUE, $3) ON CONFLICT DO NOTHING");
    if tx.execute(query.bind(&charter.tenant).bind(charter.operator).bind(charter.stamp.now)).await? == 0 {
        return Err(Error::already_exists(Subject::Tenant, charter.tenant.as_str()));
    }
    let object = AuditObject::new(Subject::Tenant, &charter.tenant, charter.tenant.as_str(), 1);
    trail.note(tx, "create_tenant", object, AuditDetail::None).await?;
    principals::insert(tx, &trail, &charter.admin).await?;
    principals::note(tx, &trail, "create_principal", &charter.admin).await?;
    let role = roles::create(tx, &trail, ADMIN_ROLE.to_owned()).await?;
    roles::assign(tx, &trail, &role, charter.admin.id).await?;
    for privilege in charter.privileges() {
        let grant = GrantRow {
            id: fresh::uuid(charter.stamp.now)?,
            role: role.id,
            role_name: role.name.clone(),
            effect: Effect::Allow,
            privilege,
            on: Securable::Tenant,
            warehouse: None,
            namespace: None,
            table: None,
            created_at: charter.stamp.now,
        };
        grants::insert(tx, &trail, &grant, &GrantTarget::Tenant).await?;
    }
    let (secret, scopes) = (fresh.secret.clone(), charter.scopes());
    let owner = (charter.admin.id, charter.admin.name.clone());
    let key = keys::insert(tx, &trail, fresh, owner, scopes, None).await?;
    Ok(Founded { tenant: charter.tenant, admin: charter.admin.id, key: IssuedKey { key, secret } })
}
