//! Who is asking: access tokens of the built-in issuer, API keys as Bearer or Basic. The only maker of principals in
//! the server. Refuses everything else with one and the same answer (R31).

mod credential;
mod session;
pub(crate) mod tokens;

use std::sync::Arc;

use http::{HeaderMap, header};
use moka::sync::Cache;
use polder_policy::PolicySnapshot;
use polder_store::{Actor, AuditDetail, AuditObject, AuditRecord, CountedEvent, Decision, Glance, Named, Store};
use polder_types::{Error, KeyId, Micros, Principal, Result, Scopes, Subject, TenantId};

pub(crate) use credential::{Credential, key_of};

use crate::clock::Arrival;
use session::Session;
use tokens::TokenIssuer;

/// Most credentials remembered.
const SESSIONS_MAX: u64 = 100_000;
/// A credential that was not used for so long is checked from the start again.
const SESSION_IDLE: std::time::Duration = std::time::Duration::from_secs(3_600);
/// The action of authentication in the audit trail.
const AUTHENTICATE: &str = "authenticate";

/// An authenticated caller, with the policy that holds now.
pub(crate) struct Authenticated {
    /// Who.
    pub(crate) principal: Principal,
    /// The policy that decides on the request.
    pub(crate) snapshot: Arc<PolicySnapshot>,
    /// Rows that the request names, as of the same moment.
    pub(crate) glance: Glance,
}

/// What a verified credential stands for, before the policy is asked whether it still holds.
pub(crate) struct Identity {
    /// The tenant that the key belongs to.
    pub(crate) tenant: TenantId,
    /// The key.
    pub(crate) key: KeyId,
    /// What a token was cut to; `None` for a key itself.
    pub(crate) scopes: Option<Scopes>,
    /// When a token ends; `None` for a key itself, whose end the policy knows.
    pub(crate) expires_at: Option<Micros>,
    /// The principal that a token names.
    pub(crate) subject: Option<polder_types::PrincipalId>,
}

/// Checks credentials, remembers the good ones.
pub(crate) struct Authenticator {
    store: Store,
    tokens: TokenIssuer,
    sessions: Cache<blake3::Hash, Arc<Session>>,
}

impl Authenticator {
    /// Over an open store, whose signing key it uses.
    ///
    /// # Errors
    /// `Internal` if the signing key cannot be used.
    pub(crate) fn new(store: Store) -> Result<Self> {
        let tokens = TokenIssuer::new(store.signing_key())?;
        let sessions = Cache::builder().max_capacity(SESSIONS_MAX).time_to_idle(SESSION_IDLE).build();
        Ok(Self { store, tokens, sessions })
    }

    /// The built-in issuer.
    pub(crate) fn tokens(&self) -> &TokenIssuer {
        &self.tokens
    }

    /// Authenticates a request by its one `Authorization` header.
    ///
    /// # Errors
    /// `Unauthenticated`, always the same; `Unavailable` if the store is.
    pub(crate) async fn authenticate(
        &self,
        headers: &HeaderMap,
        operation: &'static str,
        named: &Named,
        arrival: &Arrival,
    ) -> Result<Authenticated> {
        match self.try_authenticate(headers, named, arrival).await? {
            Ok(authenticated) => Ok(authenticated),
            Err(reason) => {
                self.count_denial(operation, reason, arrival);
                Err(Error::unauthenticated())
            }
        }
    }

    /// The inner result says why a caller is refused; the caller itself never learns it.
    async fn try_authenticate(
        &self,
        headers: &HeaderMap,
        named: &Named,
        arrival: &Arrival,
    ) -> Result<Result<Authenticated, &'static str>> {
        let mut values = headers.get_all(header::AUTHORIZATION).into_iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Ok(Err("no_credential")) };
        let fingerprint = blake3::hash(value.as_bytes());
        let session = match self.sessions.get(&fingerprint) {
            Some(session) => session,
            None => {
                let Some(credential) = Credential::parse(value) else { return Ok(Err("malformed")) };
                let Some(identity) = self.identify(&credential).await? else { return Ok(Err("unknown")) };
                self.sessions.get_with(fingerprint, || Arc::new(Session::new(identity)))
            }
        };
        // SECURITY: the policy as of now, whatever node changed it: the credential and every decision stand on it.
        let policy = self.store.glance(session.tenant(), named).await?;
        let Some((snapshot, glance)) = policy else { return Ok(Err("unknown")) };
        let Some(principal) = session.principal(&snapshot, arrival.now) else {
            self.sessions.invalidate(&fingerprint);
            return Ok(Err("ended"));
        };
        self.record_use(&session, &principal, &snapshot, arrival).await;
        Ok(Ok(Authenticated { principal, snapshot, glance }))
    }

    /// Checks a credential; `None` if it is not good.
    ///
    /// # Errors
    /// The store's own.
    pub(crate) async fn identify(&self, credential: &Credential) -> Result<Option<Identity>> {
        match credential {
            Credential::Token(token) => Ok(self.tokens.verify(token)),
            Credential::Key { id, secret } => {
                let tenant = self.store.verify_key(id, secret).await?;
                Ok(tenant.map(|tenant| Identity {
                    tenant,
                    key: id.clone(),
                    scopes: None,
                    expires_at: None,
                    subject: None,
                }))
            }
        }
    }

    /// Counts the use; the first one of a credential, and one every five minutes after, is a record of its own.
    async fn record_use(&self, session: &Session, principal: &Principal, snapshot: &PolicySnapshot, at: &Arrival) {
        let actor = Actor { id: principal.id, name: principal.name.clone() };
        if session.record_is_due(at.now) {
            let record = AuditRecord {
                tenant: Some(principal.tenant.clone()),
                at: at.now,
                request: at.request_id,
                actor: Some(actor.clone()),
                action: AUTHENTICATE,
                object: AuditObject {
                    subject: Subject::ApiKey,
                    id: Some(principal.key.to_string()),
                    name: principal.key.to_string(),
                    version: None,
                },
                decision: Decision::Allow,
                reason: None,
                policy_version: Some(snapshot.version()),
                detail: session.expires_at().map_or(AuditDetail::None, |expires_at| AuditDetail::Token {
                    key: principal.key.clone(),
                    expires_at,
                }),
            };
            match self.store.record_strict(record).await {
                Ok(()) => return,
                // The class of authentications is `Counted`: a database that cannot write stops no reader.
                Err(error) => tracing::warn!(code = error.code(), "the use of a credential is counted, not recorded"),
            }
        }
        self.store.count(CountedEvent {
            tenant: Some(principal.tenant.clone()),
            at: at.now,
            request: at.request_id,
            actor: Some(actor),
            action: AUTHENTICATE,
            subject: Subject::ApiKey,
            object: principal.key.to_string(),
            decision: Decision::Allow,
            reason: None,
            policy_version: snapshot.version(),
        });
    }

    /// Counts a refusal. Nothing that the caller sent is in it.
    pub(crate) fn count_denial(&self, operation: &'static str, reason: &'static str, arrival: &Arrival) {
        self.store.count(CountedEvent {
            tenant: None,
            at: arrival.now,
            request: arrival.request_id,
            actor: None,
            action: AUTHENTICATE,
            subject: Subject::Request,
            object: operation.to_owned(),
            decision: Decision::Deny,
            reason: Some(reason),
            policy_version: 0,
        });
    }
}
