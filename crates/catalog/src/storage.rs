//! Object stores as the operator has set them up: which bucket is reached how, with which of the server's own keys,
//! and which tenant may bring warehouses where. Refuses every bucket that no profile names, and every place that is
//! not allowed to the tenant.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use polder_types::{Error, Location, Micros, Result, Secret, TenantId};

use crate::{
    aws::Keys,
    bucket::{self, Bucket},
    s3_url::S3Address,
    sign::Signing,
    vend::{Provider, Vending},
};

/// An S3 store, with the server's own static keys.
#[derive(Clone, Debug)]
pub struct S3Profile {
    /// Where it answers, `https://host[:port]`; `None`: the region's own endpoint at AWS.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: String,
    /// True if the bucket is part of the path, not of the host name.
    pub path_style: bool,
    /// The server's key. Without one nothing is reached: there is no fall-back to the host's own identity (R11).
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Secret,
    /// The buckets that are reached with it.
    pub buckets: Vec<String>,
    /// Where tenants may bring warehouses of their own; nobody else, and nowhere else.
    pub tenants: BTreeMap<TenantId, Vec<Location>>,
    /// How keys for single tables are made; `None`: clients get none (R11).
    pub vending: Option<AssumeRole>,
    /// True if requests of clients are signed: with keys for the table where there is `vending`, else with the server's.
    pub remote_signing: bool,
}

impl S3Profile {
    /// The server's own keys.
    pub(crate) fn keys(&self) -> Keys {
        let (access_key_id, secret_access_key) = (self.access_key_id.clone(), self.secret_access_key.clone());
        Keys { access_key_id, secret_access_key, session_token: None }
    }
}

/// A role that keys for single tables are sessions of (`AssumeRole`).
#[derive(Clone, Debug)]
pub struct AssumeRole {
    /// Where STS answers, `https://host[:port]`; `None`: at the store's own endpoint, or the region's at AWS.
    pub endpoint: Option<String>,
    /// The role. What it may do bounds what every session may do.
    pub role_arn: String,
    /// What the role's owner wants to hear.
    pub external_id: Option<String>,
    /// How long a session lives; bounded, and never below what STS gives.
    pub duration_seconds: i64,
}

/// Every object store of this server; cheap to clone.
#[derive(Clone, Default)]
pub struct Storage(Arc<Inner>);

#[derive(Default)]
struct Inner {
    buckets: HashMap<String, Reached>,
    tenants: BTreeMap<TenantId, Vec<Location>>,
    no_config: Arc<BTreeMap<String, String>>,
}

struct Reached {
    bucket: Bucket,
    vending: Option<Vending>,
    signing: Option<Signing>,
    /// What a client needs to know to reach it with keys of its own.
    client_config: Arc<BTreeMap<String, String>>,
}

impl Storage {
    /// Makes the stores; nothing is sent yet.
    ///
    /// # Errors
    /// `Invalid` for a bucket of two profiles, a tenant's place that is in none of the profile's buckets or overlaps
    /// another tenant's, and for what the client refuses.
    pub fn new(profiles: Vec<S3Profile>) -> Result<Self> {
        let mut inner = Inner::default();
        for profile in profiles {
            let provider = Vending::provider(&profile)?;
            for name in &profile.buckets {
                inner.reach(name, Reached::new(&profile, name, provider.clone())?)?;
            }
            for (tenant, places) in profile.tenants {
                for place in places {
                    if place.scheme() != "s3" || !profile.buckets.iter().any(|name| name == place.authority()) {
                        return Err(refused(format!("`{place}` of tenant `{tenant}` is in no bucket of its profile")));
                    }
                    inner.allow(&tenant, place)?;
                }
            }
        }
        Ok(Self(Arc::new(inner)))
    }

    /// True if a profile names the location's bucket.
    #[must_use]
    pub fn reaches(&self, place: &Location) -> bool {
        self.find(place).is_some()
    }

    /// True if a tenant may bring a warehouse there.
    // SECURITY: the server's keys open every bucket of their profile, so a tenant that could name a bucket would use
    // them as its own. Only the operator's list opens a place, and it names the tenant.
    #[must_use]
    pub fn allows(&self, tenant: &TenantId, place: &Location) -> bool {
        self.0.tenants.get(tenant).is_some_and(|allowed| allowed.iter().any(|root| place.is_within(root)))
    }

    /// The places that tenants were allowed.
    pub fn allowed(&self) -> impl Iterator<Item = &Location> {
        self.0.tenants.values().flatten()
    }

    /// The bucket of a location.
    ///
    /// # Errors
    /// `Unsupported` if no profile names it.
    pub(crate) fn bucket(&self, place: &Location) -> Result<&Bucket> {
        self.find(place).map(|reached| &reached.bucket).ok_or_else(|| {
            Error::unsupported("unsupported_storage", "this server is not set up for the store of this location")
        })
    }

    /// The settings that a client needs for files there: never a key (R11).
    pub(crate) fn client_config(&self, place: &Location) -> Arc<BTreeMap<String, String>> {
        self.find(place).map_or_else(|| Arc::clone(&self.0.no_config), |reached| Arc::clone(&reached.client_config))
    }

    /// Who makes keys for tables there, if anybody does.
    pub(crate) fn vending(&self, place: &Location) -> Option<&Vending> {
        self.find(place)?.vending.as_ref()
    }

    /// Who signs requests to tables there, if anybody does.
    pub(crate) fn signing(&self, place: &Location) -> Option<&Signing> {
        self.find(place)?.signing.as_ref()
    }

    /// True if clients are given any access to tables there.
    pub(crate) fn delegates(&self, place: &Location) -> bool {
        self.vending(place).is_some() || self.signing(place).is_some()
    }

    /// Finds out whether the keys that would be made are narrow, in every bucket that warehouses may be in: below the
    /// managed base, and where tenants may bring their own. What cannot be found out now is asked again before the
    /// first key.
    pub(crate) async fn prove_vending(&self, managed_base: Option<&Location>, now: Micros) {
        let mut proved: BTreeSet<&str> = BTreeSet::new();
        for place in managed_base.into_iter().chain(self.allowed()) {
            if let Some(vending) = self.vending(place)
                && proved.insert(place.authority())
            {
                // What came of it is in the log.
                drop(vending.require_proof(place, now).await);
            }
        }
    }

    fn find(&self, place: &Location) -> Option<&Reached> {
        (place.scheme() == "s3").then(|| self.0.buckets.get(place.authority())).flatten()
    }
}

impl Reached {
    fn new(profile: &S3Profile, name: &str, provider: Option<Arc<Provider>>) -> Result<Self> {
        let bucket = Bucket::new(name, bucket::s3(profile, name)?);
        let address = S3Address::new(profile, name);
        let signs_with_own_keys = provider.is_none().then(|| profile.keys());
        Ok(Self {
            vending: provider.map(|provider| Vending::new(provider, profile, name, &address)),
            signing: profile.remote_signing.then(|| Signing::new(address, signs_with_own_keys)),
            client_config: Arc::new(client_config(profile)),
            bucket,
        })
    }
}

impl Inner {
    fn reach(&mut self, name: &str, reached: Reached) -> Result<()> {
        match self.buckets.insert(name.to_owned(), reached) {
            None => Ok(()),
            Some(_) => Err(refused(format!("bucket `{name}` is named twice"))),
        }
    }

    fn allow(&mut self, tenant: &TenantId, place: Location) -> Result<()> {
        let others = self.tenants.iter().filter(|(other, _)| *other != tenant).flat_map(|(_, places)| places);
        if others.into_iter().any(|other| other.overlaps(&place)) {
            return Err(refused(format!("`{place}` of tenant `{tenant}` overlaps a place of another tenant")));
        }
        self.tenants.entry(tenant.clone()).or_default().push(place);
        Ok(())
    }
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.buckets.keys()).finish()
    }
}

fn client_config(profile: &S3Profile) -> BTreeMap<String, String> {
    let mut config = BTreeMap::from([
        ("client.region".to_owned(), profile.region.clone()),
        ("s3.path-style-access".to_owned(), profile.path_style.to_string()),
    ]);
    // With a slash at its end: ClickHouse cuts the endpoint off a location, and joins what is left to the bucket.
    config.extend(profile.endpoint.as_ref().map(|endpoint| ("s3.endpoint".to_owned(), format!("{endpoint}/"))));
    config
}

fn refused(message: String) -> Error {
    Error::invalid("storage", message)
}

#[cfg(test)]
mod tests;
