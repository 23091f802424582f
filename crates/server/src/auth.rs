//! Who is asking: API keys as Bearer or Basic, access tokens of the built-in issuer, users' tokens of the configured one,
//! and debug headers in development. The only maker of principals in the server; makes none up. Refuses everything else
//! with one and the same answer (R31).

mod credential;
mod debug;
mod jwt;
mod session;
pub(crate) mod tokens;
pub(crate) mod unsigned;
mod users;

use std::sync::Arc;

use http::{HeaderMap, header};
use moka::sync::Cache;
use polder_policy::{ImpersonationDenial, PolicySnapshot};
use polder_store::{AuditDetail, AuditObject, AuditRecord, CountedEvent, Decision, Glance, Named, Store};
use polder_types::{CredentialId, Error, Micros, Principal, Result, Scopes, Secret, Subject, TenantId, Who};

pub(crate) use credential::{Credential, key_of};

use crate::{
    clock::Arrival,
    config::Auth,
    metrics::{AuthOutcome, Metrics},
};
use session::Session;
use tokens::TokenIssuer;
use users::UserTokens;

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
    /// The tenant that the credential is for.
    pub(crate) tenant: TenantId,
    /// What it is.
    pub(crate) credential: CredentialId,
    /// What a token of a key was cut to; `None` for the credential itself.
    pub(crate) scopes: Option<Scopes>,
    /// When a token ends; `None` for a key itself, whose end the policy knows.
    pub(crate) expires_at: Option<Micros>,
    /// The principal that a token names.
    pub(crate) subject: Option<polder_types::PrincipalId>,
}

/// What a request names, if anybody asks.
pub(crate) type Names<'a> = &'a (dyn Fn() -> Named + Sync);

/// Checks credentials, remembers the good ones.
pub(crate) struct Authenticator {
    store: Store,
    metrics: Arc<Metrics>,
    /// `None` if the built-in issuer is off.
    tokens: Option<TokenIssuer>,
    users: Option<UserTokens>,
    debug: bool,
    debug_any_host: bool,
    sessions: Cache<blake3::Hash, Arc<Session>>,
}

impl Authenticator {
    /// Over an open store, whose signing key it uses.
    ///
    /// # Errors
    /// `Invalid` for a configured key that cannot be used, `Internal` if the signing key cannot be.
    pub(crate) fn new(store: Store, config: &Auth, metrics: Arc<Metrics>) -> Result<Self> {
        let tokens = match config.builtin_issuer {
            true => Some(TokenIssuer::new(store.signing_key(), config)?),
            false => None,
        };
        let users = UserTokens::new(config)?;
        let sessions = Cache::builder().max_capacity(SESSIONS_MAX).time_to_idle(SESSION_IDLE).build();
        let (debug, debug_any_host) = (config.debug, config.debug_any_address);
        Ok(Self { store, metrics, tokens, users, debug, debug_any_host, sessions })
    }

    /// The built-in issuer, if it is on.
    pub(crate) fn tokens(&self) -> Option<&TokenIssuer> {
        self.tokens.as_ref()
    }

    /// Authenticates a request by its one `Authorization` header.
    ///
    /// # Errors
    /// `Unauthenticated`, always the same; `Unavailable` if the store is.
    pub(crate) async fn authenticate(
        &self,
        headers: &HeaderMap,
        operation: &'static str,
        named: Names<'_>,
        arrival: &Arrival,
    ) -> Result<Authenticated> {
        match self.try_authenticate(headers, named, arrival).await? {
            Ok(authenticated) => {
                self.metrics.authenticated(AuthOutcome::Allowed);
                Ok(authenticated)
            }
            Err(outcome) => {
                self.count_denial(operation, outcome, outcome.as_str(), arrival);
                Err(Error::unauthenticated())
            }
        }
    }

    /// The inner result says why a caller is refused; the caller itself never learns it.
    async fn try_authenticate(
        &self,
        headers: &HeaderMap,
        named: Names<'_>,
        arrival: &Arrival,
    ) -> Result<Result<Authenticated, AuthOutcome>> {
        let mut values = headers.get_all(header::AUTHORIZATION).into_iter();
        let value = match (values.next(), values.next()) {
            (Some(value), None) => value,
            (None, _) if self.debug => return self.by_headers(headers, named, arrival).await,
            _ => return Ok(Err(AuthOutcome::NoCredential)),
        };
        let fingerprint = blake3::hash(value.as_bytes());
        let session = match self.sessions.get(&fingerprint) {
            Some(session) => session,
            None => {
                let Some(credential) = Credential::parse(value) else { return Ok(Err(AuthOutcome::Malformed)) };
                let identity = self.identify(&credential, arrival.now).await?;
                let Some(identity) = identity else { return Ok(Err(AuthOutcome::Unknown)) };
                self.sessions.get_with(fingerprint, || Arc::new(Session::new(identity)))
            }
        };
        let admitted = self.admit(&session, named, arrival).await?;
        if admitted.is_err() {
            self.sessions.invalidate(&fingerprint);
        }
        Ok(admitted)
    }

    /// A request without a credential, in debug mode. Its session is one for each tenant and workspace.
    async fn by_headers(
        &self,
        headers: &HeaderMap,
        named: Names<'_>,
        arrival: &Arrival,
    ) -> Result<Result<Authenticated, AuthOutcome>> {
        let Some(identity) = debug::identify(headers, self.debug_any_host) else {
            return Ok(Err(AuthOutcome::NoCredential));
        };
        let workspace = identity.credential.assertion().and_then(|assertion| assertion.workspace.as_ref());
        // No `Authorization` header holds a zero byte: these are none of its fingerprints.
        let text = [identity.tenant.as_str(), "\0", workspace.map_or("", |name| name.as_str())].concat();
        let fingerprint = blake3::hash(text.as_bytes());
        let session = self.sessions.get_with(fingerprint, || Arc::new(Session::new(identity)));
        self.admit(&session, named, arrival).await
    }

    /// Asks the policy of now whether a credential still stands for somebody.
    async fn admit(
        &self,
        session: &Session,
        named: Names<'_>,
        arrival: &Arrival,
    ) -> Result<Result<Authenticated, AuthOutcome>> {
        // SECURITY: the policy as of now, whatever node changed it: the credential and every decision stand on it.
        let policy = self.store.glance(session.tenant(), named).await?;
        let Some((snapshot, glance)) = policy else { return Ok(Err(AuthOutcome::Unknown)) };
        let Some(principal) = session.principal(&snapshot, arrival.now) else {
            return Ok(Err(AuthOutcome::Ended));
        };
        self.record_use(session, &principal, &snapshot, arrival).await;
        Ok(Ok(Authenticated { principal, snapshot, glance }))
    }

    /// Checks a credential; `None` if it is not good.
    ///
    /// # Errors
    /// The store's own.
    pub(crate) async fn identify(&self, credential: &Credential, now: Micros) -> Result<Option<Identity>> {
        match credential {
            Credential::Token(token) => Ok(self.token(token, now)),
            Credential::Key { id, secret } => {
                let tenant = self.store.verify_key(id, secret).await?;
                Ok(tenant.map(|tenant| Identity {
                    tenant,
                    credential: CredentialId::Key(id.clone()),
                    scopes: None,
                    expires_at: None,
                    subject: None,
                }))
            }
        }
    }

    /// A token of ours by its header, else of the configured issuer: each is tried by one verifier only.
    fn token(&self, token: &Secret, now: Micros) -> Option<Identity> {
        match &self.tokens {
            Some(issuer) if issuer.is_ours(token) => issuer.verify(token),
            _ => self.users.as_ref()?.identify(token, now),
        }
    }

    /// Counts the use; the first one of a credential, and one every five minutes after, is a record of its own.
    async fn record_use(&self, session: &Session, principal: &Principal, snapshot: &PolicySnapshot, at: &Arrival) {
        let caller = principal.caller();
        let (subject, object) = principal.credential.object();
        if session.record_is_due(at.now) {
            let record = AuditRecord {
                tenant: Some(principal.tenant.clone()),
                at: at.now,
                request: at.request_id,
                caller: Some(caller.clone()),
                action: AUTHENTICATE,
                object: AuditObject {
                    subject,
                    id: principal.credential.key().map(ToString::to_string),
                    name: object.clone(),
                    version: None,
                },
                decision: Decision::Allow,
                reason: None,
                policy_version: Some(snapshot.version()),
                detail: detail(session, principal),
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
            caller: Some(caller),
            action: AUTHENTICATE,
            subject,
            object,
            decision: Decision::Allow,
            reason: None,
            policy_version: snapshot.version(),
        });
    }

    /// Counts that somebody may not act for another, in the trail of its tenant. Of the other only a name that is there is
    /// on record, nothing that the caller sent.
    pub(crate) fn count_impersonation(
        &self,
        operation: &'static str,
        actor: &Principal,
        denial: &ImpersonationDenial,
        policy_version: i64,
        arrival: &Arrival,
    ) {
        let object = match denial {
            ImpersonationDenial::Refused(subject) => subject.name.to_string(),
            ImpersonationDenial::Unknown => "unknown".to_owned(),
        };
        self.count_token_refused(operation, actor, object, denial.as_str(), policy_version, arrival);
    }

    /// Counts that somebody who is known gets no token, in the trail of its tenant.
    pub(crate) fn count_refusal(
        &self,
        operation: &'static str,
        caller: &Principal,
        reason: &'static str,
        policy_version: i64,
        arrival: &Arrival,
    ) {
        self.count_token_refused(operation, caller, caller.name.to_string(), reason, policy_version, arrival);
    }

    fn count_token_refused(
        &self,
        operation: &'static str,
        caller: &Principal,
        object: String,
        reason: &'static str,
        policy_version: i64,
        arrival: &Arrival,
    ) {
        self.metrics.authenticated(AuthOutcome::TokenRefused);
        self.store.count(CountedEvent {
            tenant: Some(caller.tenant.clone()),
            at: arrival.now,
            request: arrival.request_id,
            caller: Some(caller.caller()),
            action: operation,
            subject: Subject::Principal,
            object,
            decision: Decision::Deny,
            reason: Some(reason),
            policy_version,
        });
    }

    /// Counts a refusal. Nothing that the caller sent is in it.
    pub(crate) fn count_denial(
        &self,
        operation: &'static str,
        outcome: AuthOutcome,
        reason: &'static str,
        arrival: &Arrival,
    ) {
        self.metrics.authenticated(outcome);
        self.store.count(CountedEvent {
            tenant: None,
            at: arrival.now,
            request: arrival.request_id,
            caller: None,
            action: AUTHENTICATE,
            subject: Subject::Request,
            object: operation.to_owned(),
            decision: Decision::Deny,
            reason: Some(reason),
            policy_version: 0,
        });
    }
}

/// What the record of a use says of the credential: never the credential itself.
fn detail(session: &Session, principal: &Principal) -> AuditDetail {
    match (&principal.credential, session.expires_at()) {
        (CredentialId::Key(key), Some(expires_at)) => AuditDetail::Token { key: key.clone(), expires_at },
        (CredentialId::Impersonated(of), Some(expires_at)) => AuditDetail::Token { key: of.key.clone(), expires_at },
        (CredentialId::Key(_) | CredentialId::Impersonated(_), None) => AuditDetail::None,
        (CredentialId::Asserted(assertion), expires_at) => match &assertion.who {
            Who::Subject(subject) => {
                AuditDetail::UserToken { subject: subject.clone(), display: assertion.display.clone(), expires_at }
            }
            Who::Debug => AuditDetail::None,
        },
    }
}
