//! The posture contract: what a deployment may do follows from where it runs and who can reach it, and from nothing
//! else. Has no default and no other way in than [`Posture::of`].

use std::str::FromStr;

/// Where a deployment runs (`environment`, `POLDER_ENVIRONMENT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// A developer's machine.
    Dev,
    /// Before production, with real secrets.
    Staging,
    /// Production.
    Prod,
}

impl FromStr for Environment {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "dev" => Ok(Self::Dev),
            "staging" => Ok(Self::Staging),
            "prod" => Ok(Self::Prod),
            _ => Err(()),
        }
    }
}

/// How careful a deployment has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posture {
    /// Development, not reachable by the public.
    Dev,
    /// A real deployment inside a network.
    Private,
    /// Reachable by anybody, whatever the environment is called.
    Public,
}

impl Posture {
    /// The posture of an environment that the public can reach, or cannot.
    #[must_use]
    pub const fn of(environment: Environment, public: bool) -> Self {
        match (environment, public) {
            (_, true) => Self::Public,
            (Environment::Dev, false) => Self::Dev,
            (Environment::Staging | Environment::Prod, false) => Self::Private,
        }
    }

    /// True if the debug mode may be switched on.
    #[must_use]
    pub const fn allows_debug(self) -> bool {
        matches!(self, Self::Dev)
    }

    /// True if a tenant may name a directory of the host as the root of a warehouse.
    #[must_use]
    pub const fn lets_tenants_bring_directories(self) -> bool {
        matches!(self, Self::Dev)
    }

    /// True if `/metrics` is open on the public listener; elsewhere the path does not exist there.
    #[must_use]
    pub const fn opens_metrics(self) -> bool {
        matches!(self, Self::Dev | Self::Private)
    }

    /// True if the issuer and the audience of tokens must be configured.
    #[must_use]
    pub const fn requires_issuer_and_audience(self) -> bool {
        matches!(self, Self::Private | Self::Public)
    }

    /// True if an address that others can reach needs TLS, here or at a proxy in front.
    #[must_use]
    pub const fn requires_tls(self) -> bool {
        matches!(self, Self::Private | Self::Public)
    }
}

#[cfg(test)]
mod tests;
