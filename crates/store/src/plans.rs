//! Plans of scans that travel with their clients: sealed, so that any node goes on with one after any restart, and nobody
//! can make or change one.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use polder_policy::{Permit, actions::PlanTable};
use polder_types::Result;

use crate::Store;

/// Most bytes of a sealed plan.
const TOKEN_BYTES_MAX: usize = 1024 * 1024;

/// What a sealed text is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanToken {
    /// The id of a plan.
    Plan,
    /// A part of a plan.
    Task,
}

impl PlanToken {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Plan => b"plan",
            Self::Task => b"task",
        }
    }
}

impl Store {
    /// Seals a plan for the holder of the permit, and for this table alone.
    ///
    /// # Errors
    /// `Internal`.
    pub fn seal_plan(&self, permit: &Permit<PlanTable>, kind: PlanToken, plain: &[u8]) -> Result<String> {
        Ok(URL_SAFE_NO_PAD.encode(self.keys().plans.seal(&context(permit, kind), plain)?))
    }

    /// Opens what was sealed for the holder of the permit; `None` for anything else: of another tenant, caller or table,
    /// of another kind, changed, or made up.
    #[must_use]
    pub fn open_plan(&self, permit: &Permit<PlanTable>, kind: PlanToken, token: &str) -> Option<Vec<u8>> {
        let sealed = URL_SAFE_NO_PAD.decode(token).ok().filter(|_| token.len() <= TOKEN_BYTES_MAX)?;
        self.keys().plans.open(&context(permit, kind), &sealed).map(|plain| plain.to_vec())
    }
}

/// SECURITY: what a token is good for is authenticated with it.
fn context(permit: &Permit<PlanTable>, kind: PlanToken) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    let (caller, table) = (permit.caller().to_bytes(), permit.resource().id.0);
    let parts: [&[u8]; 4] = [kind.label(), permit.tenant().as_str().as_bytes(), &caller, table.as_bytes()];
    for part in parts {
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().as_bytes().to_vec()
}
