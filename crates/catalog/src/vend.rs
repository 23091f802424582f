//! Keys for the files of one table: decided before, recorded, then minted, narrow and short-lived. Refuses to mint where
//! no provider is set up, where the store has not proved that its keys are narrow, and whatever a policy could misread.
//! Never the server's own keys (R11).

mod live;
mod proof;
mod scope;
mod session_policy;
mod sts;

use std::{future::Future, sync::Arc, time::Duration};

use polder_policy::{Action, Permit, TableRef, actions};
use polder_store::{AuditDetail, AuditObject, AuditRecord, Decision, DelegationOf, HandedOut};
use polder_types::{Caller, Error, Location, Micros, Result, Subject};
use tokio::sync::OnceCell;
use uuid::Uuid;

pub use scope::Access;
pub(crate) use sts::Session;

use crate::{OpCtx, aws::Keys, outcome::Pending, s3_url::S3Address, storage::S3Profile};
use live::{Holder, Live, Origin};
use proof::Verdict;
use scope::Scope;
use sts::Sts;

/// Delegation by keys, in the specification's words.
pub(crate) const VENDED: &str = "vended-credentials";
/// Delegation by signatures.
pub(crate) const SIGNED: &str = "remote-signing";

/// How long a credential lives unless the operator says otherwise.
pub const LIFE_DEFAULT_SECONDS: i64 = 900;
/// The shortest life.
pub(crate) const LIFE_MIN_SECONDS: i64 = 60;
/// The longest life: as long nobody can take a credential back.
pub(crate) const LIFE_MAX_SECONDS: i64 = 3_600;

/// No key and no signature opens a place for longer, clocks that differ included.
pub(crate) const ACCESS_SECONDS_MAX: i64 = LIFE_MAX_SECONDS + sts::CLOCK_SKEW_SECONDS;

/// The life of a credential, in seconds: what is wanted, within bounds.
#[must_use]
pub(crate) fn life_seconds(wanted: i64) -> i64 {
    wanted.clamp(LIFE_MIN_SECONDS, LIFE_MAX_SECONDS)
}

/// Who mints keys: one variant a kind of provider. A further one needs its own way from a [`Scope`] to keys, and its own
/// proof; who may have them, the record before them and their life in memory stay as they are.
pub(crate) enum Provider {
    /// `AssumeRole` of AWS STS, and of the stores that have it.
    Sts(Sts),
}

impl Provider {
    /// Mints keys for a scope; `holder` is a name for the provider's own logs.
    async fn mint(&self, scope: &Scope, holder: &str, now: Micros) -> Result<Session> {
        match self {
            Self::Sts(sts) => sts.assume(holder, &session_policy::of(scope, sts.partition())?, now).await,
        }
    }

    /// How long its keys live.
    fn life_seconds(&self) -> i64 {
        match self {
            Self::Sts(sts) => sts.life_seconds(),
        }
    }
}

/// The keys of one bucket.
pub(crate) struct Vending {
    provider: Arc<Provider>,
    bucket: String,
    /// The server's own keys: the proof puts and removes its objects with them.
    own: Keys,
    address: S3Address,
    live: Live,
    /// What the proof said; asked for once, again after a proof that could not be carried out.
    verdict: OnceCell<Verdict>,
}

/// A decision that opens a table's files. SECURITY: only permits make one, so nothing is minted without a decision.
pub(crate) enum Grant<'a> {
    /// Keys to read.
    Read(&'a Permit<actions::VendCredentials>),
    /// Keys to read and write.
    ReadWrite(&'a Permit<actions::VendCredentials>, &'a Permit<actions::VendWriteCredentials>),
    /// A signature of a read.
    SignRead(&'a Permit<actions::SignRead>),
    /// A signature of a write.
    SignWrite(&'a Permit<actions::SignWrite>),
}

impl Grant<'_> {
    /// What the permits allow: the privilege, never a header.
    fn access(&self) -> Access {
        match self {
            Self::Read(_) | Self::SignRead(_) => Access::Read,
            Self::ReadWrite(..) | Self::SignWrite(_) => Access::ReadWrite,
        }
    }

    fn delegation(&self) -> &'static str {
        match self {
            Self::Read(_) | Self::ReadWrite(..) => VENDED,
            Self::SignRead(_) | Self::SignWrite(_) => SIGNED,
        }
    }

    fn table(&self) -> &TableRef {
        match self {
            Self::Read(permit) | Self::ReadWrite(permit, _) => permit.resource(),
            Self::SignRead(permit) => permit.resource(),
            Self::SignWrite(permit) => permit.resource(),
        }
    }

    fn policy_version(&self) -> i64 {
        match self {
            Self::Read(permit) => permit.version(),
            // Of one snapshot: the older one, if they ever were not.
            Self::ReadWrite(permit, write) => permit.version().min(write.version()),
            Self::SignRead(permit) => permit.version(),
            Self::SignWrite(permit) => permit.version(),
        }
    }
}

/// Keys that are wanted for a table, by somebody who may have them.
pub(crate) struct Wanted<'a> {
    pub(crate) grant: Grant<'a>,
    /// The table's id; of a staged one the uuid that it will have.
    pub(crate) table_id: Uuid,
    /// The catalog's own location of the table, never one out of its metadata (R9).
    pub(crate) place: &'a Location,
    /// The root of the warehouse that holds it.
    pub(crate) root: &'a Location,
}

fn policy_changed() -> Error {
    Error::unavailable("policy_changing", "the policy changed while keys were made; ask again")
        .with_retry_after(Duration::from_secs(1))
}

/// What a session is called in the provider's own logs: `polder-` and the principal's id, and of who acted for it the end,
/// which is random; at most 64 characters.
fn session_name(caller: &Caller) -> String {
    let principal = caller.principal.id.0.simple();
    match &caller.actor {
        None => format!("polder-{principal}"),
        Some(actor) => format!("polder-{principal}-{:020x}", actor.id.0.as_u128() & ((1 << 80) - 1)),
    }
}

impl Vending {
    pub(crate) fn new(provider: Arc<Provider>, profile: &S3Profile, bucket: &str, address: &S3Address) -> Self {
        let (bucket, own, address) = (bucket.to_owned(), profile.keys(), address.clone());
        Self { provider, bucket, own, address, live: Live::new(), verdict: OnceCell::new() }
    }

    /// The provider of a profile, if it has one.
    ///
    /// # Errors
    /// `Invalid` for what its client refuses.
    pub(crate) fn provider(profile: &S3Profile) -> Result<Option<Arc<Provider>>> {
        profile.vending.as_ref().map(|role| Sts::new(profile, role).map(Provider::Sts).map(Arc::new)).transpose()
    }

    /// When the last key ends that a request of this time may make.
    pub(crate) fn latest_end(&self, now: Micros) -> Micros {
        now.plus_seconds(self.provider.life_seconds() + sts::CLOCK_SKEW_SECONDS)
    }

    /// Keys for a table; whoever gets none leaves a record that says why.
    ///
    /// # Errors
    /// `Unsupported` for a location that no policy can name, and where keys did not prove to be narrow; `Unavailable`
    /// if there is no record, no proof or no provider in time, or the policy changed meanwhile: nothing was handed out then.
    pub(crate) async fn keys(&self, ctx: &OpCtx, wanted: &Wanted<'_>) -> Result<Arc<Session>> {
        let found = self.decided(ctx, wanted).await;
        if let Err(error) = &found {
            let table = wanted.grant.table();
            ctx.count_delegation(actions::VendCredentials::NAME, table, of(wanted), Some(error.code()));
        }
        found
    }

    async fn decided(&self, ctx: &OpCtx, wanted: &Wanted<'_>) -> Result<Arc<Session>> {
        let scope = Scope::of(wanted.place, wanted.grant.access())?;
        // SECURITY: before the first key leaves (R13, A-086).
        self.require_proof(wanted.root, ctx.now()).await?;
        let holder = Holder {
            tenant: ctx.tenant().clone(),
            caller: ctx.principal().caller(),
            table_id: wanted.table_id,
            scope: scope.clone(),
            delegation: wanted.grant.delegation(),
            policy_version: wanted.grant.policy_version(),
        };
        let (found, origin) = self.live.find_or(holder, ctx.now(), self.mint(ctx, wanted, &scope)).await?;
        // SECURITY: making a key takes its time; under a policy that changed meanwhile it is handed to nobody (R18).
        if origin != Origin::Live && ctx.newest().await?.snapshot().version() != wanted.grant.policy_version() {
            return Err(policy_changed());
        }
        if origin != Origin::Made {
            let (ttl, access) = (self.provider.life_seconds(), wanted.grant.access().as_str());
            let again = HandedOut { of: of(wanted), access, ttl, path_prefix: scope.url() };
            ctx.count_handed_out(wanted.grant.table(), again);
        }
        Ok(found.session)
    }

    /// The durable record, then the keys, then what became of it.
    async fn mint(&self, ctx: &OpCtx, wanted: &Wanted<'_>, scope: &Scope) -> Result<Session> {
        let outcome = Pending::new(ctx, "mint_credentials", wanted.grant.table(), of(wanted));
        let minted = async {
            // SECURITY: a key that nobody knows of must not exist; if the record fails there is none.
            ctx.catalog().store().record_strict(self.record(ctx, wanted, scope)).await?;
            self.provider.mint(scope, &session_name(&ctx.principal().caller()), ctx.now()).await
        };
        outcome.end(minted.await)
    }

    fn record(&self, ctx: &OpCtx, wanted: &Wanted<'_>, scope: &Scope) -> AuditRecord {
        AuditRecord {
            tenant: Some(ctx.tenant().clone()),
            at: ctx.now(),
            request: ctx.request_id(),
            caller: Some(ctx.principal().caller()),
            action: actions::VendCredentials::NAME,
            object: AuditObject {
                subject: Subject::Table,
                id: Some(wanted.table_id.to_string()),
                name: wanted.grant.table().ident().to_string(),
                version: None,
            },
            decision: Decision::Allow,
            reason: None,
            policy_version: Some(wanted.grant.policy_version()),
            detail: AuditDetail::Vended {
                table_id: wanted.table_id,
                delegation_mode: wanted.grant.delegation(),
                access: wanted.grant.access().as_str(),
                ttl: self.provider.life_seconds(),
                path_prefix: scope.url(),
            },
        }
    }

    /// Finds out, once, whether keys are narrow; nothing is vended where they are not.
    ///
    /// # Errors
    /// `Unavailable` if that cannot be found out now; `Unsupported` if they are not.
    pub(crate) async fn require_proof(&self, root: &Location, now: Micros) -> Result<()> {
        let prove = || self.logged(proof::prove(self, root, now));
        match self.verdict.get_or_try_init(prove).await? {
            Verdict::Narrow => Ok(()),
            Verdict::Wide(_) => Err(Error::unsupported(
                "vending_refused",
                "credentials are not handed out here: the store did not prove that they are narrow",
            )),
        }
    }

    async fn logged(&self, proof: impl Future<Output = Result<Verdict>>) -> Result<Verdict> {
        let (bucket, verdict) = (self.bucket.as_str(), proof.await);
        match &verdict {
            Ok(Verdict::Narrow) => tracing::info!(bucket, "vended credentials work, and open their table only"),
            Ok(Verdict::Wide(what)) => {
                tracing::error!(bucket, what, "vended credentials are not narrow: none is handed out");
            }
            Err(error) => {
                let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(bucket, cause, "whether vended credentials are narrow is not known yet");
            }
        }
        verdict
    }
}

fn of(wanted: &Wanted<'_>) -> DelegationOf {
    DelegationOf { table_id: wanted.table_id, mode: wanted.grant.delegation() }
}

#[cfg(test)]
pub(crate) mod tests;
