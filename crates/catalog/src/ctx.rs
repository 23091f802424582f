//! The context of one operation: who asks, when, under which policy, until when. Owned and `Send`, so that a commit
//! can move to its own task.

use std::{future::Future, sync::Arc};

use polder_policy::{
    Action, AuditClass, Denial, DenialReason, ListPermit, NamespaceRef, Permit, PolicySnapshot, Resource, TableRef,
    TenantRef, WarehouseRef, actions,
};
use polder_store::{
    CountedDetail, CountedEvent, Decision, DelegationOf, Glance, HandedOut, IdempotencyKey, Stamp, WarehouseRow,
    is_stale,
};
use polder_types::{Error, Micros, Principal, RequestId, Result, Scope, Subject, TenantId};
use tokio::time::Instant;

use crate::catalog::Catalog;

/// How often an operation starts again because the policy changed under it.
const STALE_RETRIES_MAX: usize = 4;

/// The context of one operation; cheap to clone.
#[derive(Clone, Debug)]
pub struct OpCtx(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    catalog: Catalog,
    principal: Principal,
    snapshot: Arc<PolicySnapshot>,
    glance: Arc<Glance>,
    request_id: RequestId,
    now: Micros,
    deadline: Instant,
    keyed: Option<IdempotencyKey>,
}

impl OpCtx {
    /// Makes the context; the door calls it once a request, with the principal it authenticated.
    #[must_use]
    pub fn new(
        catalog: Catalog,
        principal: Principal,
        snapshot: Arc<PolicySnapshot>,
        request_id: RequestId,
        now: Micros,
        deadline: Instant,
    ) -> Self {
        Self::begun(catalog, principal, (snapshot, Glance::default()), request_id, now, deadline)
    }

    /// As [`OpCtx::new`], with the rows that were read beside the policy.
    #[must_use]
    pub fn begun(
        catalog: Catalog,
        principal: Principal,
        (snapshot, glance): (Arc<PolicySnapshot>, Glance),
        request_id: RequestId,
        now: Micros,
        deadline: Instant,
    ) -> Self {
        let glance = Arc::new(glance);
        Self(Arc::new(Inner { catalog, principal, snapshot, glance, request_id, now, deadline, keyed: None }))
    }

    /// This context for a request that came with an `Idempotency-Key`: its effect is written with its outcome.
    #[must_use]
    pub fn keyed(&self, key: IdempotencyKey) -> Self {
        let glance = Arc::clone(&self.0.glance);
        self.with(self.principal().clone(), (Arc::clone(self.snapshot()), glance), Some(key))
    }

    fn with(
        &self,
        principal: Principal,
        (snapshot, glance): (Arc<PolicySnapshot>, Arc<Glance>),
        keyed: Option<IdempotencyKey>,
    ) -> Self {
        let Inner { catalog, request_id, now, deadline, .. } = self.0.as_ref();
        let (catalog, request_id, now, deadline) = (catalog.clone(), *request_id, *now, *deadline);
        Self(Arc::new(Inner { catalog, principal, snapshot, glance, request_id, now, deadline, keyed }))
    }

    /// Who asks.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// The tenant of the credential.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.0.principal.tenant
    }

    /// The tenant, as a resource.
    #[must_use]
    pub fn tenant_ref(&self) -> TenantRef {
        TenantRef { id: self.tenant().clone() }
    }

    /// The request, for logs, answers and audit records.
    #[must_use]
    pub fn request_id(&self) -> RequestId {
        self.0.request_id
    }

    /// When the request arrived.
    #[must_use]
    pub fn now(&self) -> Micros {
        self.0.now
    }

    /// When the caller stops waiting.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// The policy that decides.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<PolicySnapshot> {
        &self.0.snapshot
    }

    /// Rows that were read beside the policy.
    pub(crate) fn glance(&self) -> &Glance {
        &self.0.glance
    }

    /// The catalog.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// What the store writes beside every change.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp { request: self.0.request_id, now: self.0.now, keyed: self.0.keyed }
    }

    /// Decides, and counts what is to be counted.
    ///
    /// # Errors
    /// `NotFound` where the caller may not know the object, `Forbidden` where it may.
    pub fn authorize<A: Action>(&self, action: A, resource: &A::Resource) -> Result<Permit<A>> {
        let decision = polder_policy::authorize(self.snapshot(), self.principal(), action, resource);
        self.counted::<A, _>(resource, decision)
    }

    /// Decides on listing the children of a namespace, and counts it.
    ///
    /// # Errors
    /// As [`OpCtx::authorize`].
    pub fn authorize_list<A: Action<Resource = NamespaceRef>>(
        &self,
        action: A,
        resource: &NamespaceRef,
    ) -> Result<ListPermit<A>> {
        let decision = polder_policy::authorize_list(self.snapshot(), self.principal(), action, resource);
        self.counted::<A, _>(resource, decision)
    }

    /// Decides on listing the namespaces at the root of a warehouse, and counts it.
    ///
    /// # Errors
    /// As [`OpCtx::authorize`].
    pub fn authorize_root_list<A: Action<Resource = WarehouseRef>>(
        &self,
        action: A,
        resource: &WarehouseRef,
    ) -> Result<ListPermit<A>> {
        let decision = polder_policy::authorize_root_list(self.snapshot(), self.principal(), action, resource);
        self.counted::<A, _>(resource, decision)
    }

    /// Records the decision if nothing else does: mutations and strict actions write their own records.
    fn counted<A: Action, T>(&self, resource: &A::Resource, decision: Result<T, Denial>) -> Result<T> {
        let reason = decision.as_ref().err().map(|denial| denial.reason);
        if reason.is_some() || A::AUDIT == AuditClass::Counted {
            self.count(A::NAME, <A::Resource as Resource>::SUBJECT, resource.display(), reason);
        }
        decision.map_err(|denial| polder_policy::denied(&denial))
    }

    /// Counts an action that was allowed and changed nothing, so that the store has no record of it.
    pub(crate) fn count_allowed<A: Action>(&self, resource: &A::Resource) {
        self.count(A::NAME, <A::Resource as Resource>::SUBJECT, resource.display(), None);
    }

    pub(crate) fn count(&self, action: &'static str, subject: Subject, object: String, reason: Option<DenialReason>) {
        self.catalog().store().count(self.event(action, subject, object, reason.map(DenialReason::as_str)));
    }

    fn event(
        &self,
        action: &'static str,
        subject: Subject,
        object: String,
        reason: Option<&'static str>,
    ) -> CountedEvent {
        CountedEvent {
            tenant: Some(self.tenant().clone()),
            at: self.now(),
            request: self.request_id(),
            caller: Some(self.principal().caller()),
            action,
            subject,
            object,
            decision: if reason.is_some() { Decision::Deny } else { Decision::Allow },
            reason,
            policy_version: self.snapshot().version(),
        }
    }

    /// Decides on access to a table's files; a denial says in its record which table and which access.
    ///
    /// # Errors
    /// As [`OpCtx::authorize`].
    pub(crate) fn authorize_delegation<A: Action<Resource = TableRef>>(
        &self,
        action: A,
        table: &TableRef,
        of: DelegationOf,
    ) -> Result<Permit<A>> {
        let decision = polder_policy::authorize(self.snapshot(), self.principal(), action, table);
        if let Err(denial) = &decision {
            self.count_delegation(A::NAME, table, of, Some(denial.reason.as_str()));
        }
        decision.map_err(|denial| polder_policy::denied(&denial))
    }

    /// Counts what became of access to a table's files; with a reason it was refused.
    pub(crate) fn count_delegation(
        &self,
        action: &'static str,
        table: &TableRef,
        of: DelegationOf,
        reason: Option<&'static str>,
    ) {
        let event = self.event(action, Subject::Table, table.ident().to_string(), reason);
        self.catalog().store().count_with(event, CountedDetail::Delegation(of));
    }

    /// Counts keys of a table that were made before and go out again.
    pub(crate) fn count_handed_out(&self, table: &TableRef, keys: HandedOut) {
        let event = self.event(actions::VendCredentials::NAME, Subject::Table, table.ident().to_string(), None);
        self.catalog().store().count_with(event, CountedDetail::HandedOut(keys));
    }

    /// Refuses a credential that does not reach a door at all, before anything is looked up for it: it could tell
    /// from the answers what exists (R22).
    ///
    /// # Errors
    /// `Forbidden`.
    pub(crate) fn require_scope(
        &self,
        scope: Scope,
        action: &'static str,
        subject: Subject,
        object: &str,
    ) -> Result<()> {
        if self.principal().scopes.allows(scope) {
            return Ok(());
        }
        self.count(action, subject, object.to_owned(), Some(DenialReason::Scope));
        let object = object.to_owned();
        Err(polder_policy::denied(&Denial { reason: DenialReason::Scope, action, subject, object }))
    }

    /// Takes the newest policy and authenticates the caller again: roles, attributes and the key itself may
    /// have changed.
    ///
    /// # Errors
    /// `Unauthenticated` if the credential is not valid any more; the store's own.
    pub async fn refresh(&self) -> Result<Self> {
        let snapshot = self.catalog().store().policy_snapshot(self.tenant()).await?;
        let snapshot = snapshot.ok_or_else(Error::unauthenticated)?;
        let Principal { credential, scopes, .. } = self.principal();
        let principal = snapshot.admit(credential, Some(*scopes), self.now()).ok_or_else(Error::unauthenticated)?;
        // What was read at the start is read again.
        Ok(self.with(principal, (snapshot, Arc::default()), self.0.keyed))
    }

    /// The warehouse that is meant where none is named: the credential's own, else the tenant's default or only one.
    ///
    /// # Errors
    /// The store's own.
    pub async fn default_warehouse(&self) -> Result<Option<Arc<WarehouseRow>>> {
        let store = self.catalog().store();
        match self.principal().workspace() {
            Some(workspace) => store.resolve_warehouse(self.tenant(), workspace).await,
            None => store.default_warehouse(self.tenant()).await,
        }
    }

    /// This context, or a fresh one if the policy changed since it was made. Asked for after a row was resolved, it
    /// holds a policy at least as new as the row; mutations are checked by their transaction instead.
    ///
    /// # Errors
    /// As [`OpCtx::refresh`].
    pub(crate) async fn newest(&self) -> Result<Self> {
        let newest = self.catalog().store().newest_snapshot(self.tenant()).await?;
        match newest {
            Some(newest) if newest.version() == self.snapshot().version() => Ok(self.clone()),
            _ => self.refresh().await,
        }
    }

    /// Runs an operation, again from its start if the policy changed between its decision and its transaction.
    ///
    /// # Errors
    /// The operation's own; `Unavailable` if the policy keeps changing.
    pub(crate) async fn retrying<T, F: Future<Output = Result<T>>>(&self, attempt: impl Fn(Self) -> F) -> Result<T> {
        let mut ctx = self.clone();
        for _ in 0..STALE_RETRIES_MAX {
            match attempt(ctx.clone()).await {
                Err(error) if is_stale(&error) => ctx = ctx.refresh().await?,
                outcome => return outcome,
            }
        }
        Err(Error::unavailable("policy_changing", "the policy keeps changing; nothing was done"))
    }
}
