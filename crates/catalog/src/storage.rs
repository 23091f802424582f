//! Object stores as the operator has set them up: which bucket is reached how, with which of the server's own keys,
//! and which tenant may bring warehouses where. Refuses every bucket that no profile names, and every place that is
//! not allowed to the tenant.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use object_store::ObjectStore;
use polder_types::{Error, Location, Result, Secret, TenantId};

use crate::bucket::{self, Bucket};

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
            for name in &profile.buckets {
                let store = bucket::s3(&profile, name)?;
                inner.reach(name, store, client_config(&profile))?;
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

    fn find(&self, place: &Location) -> Option<&Reached> {
        (place.scheme() == "s3").then(|| self.0.buckets.get(place.authority())).flatten()
    }
}

impl Inner {
    fn reach(&mut self, name: &str, store: Arc<dyn ObjectStore>, config: BTreeMap<String, String>) -> Result<()> {
        let reached = Reached { bucket: Bucket::new(name, store), client_config: Arc::new(config) };
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
    config.extend(profile.endpoint.clone().map(|endpoint| ("s3.endpoint".to_owned(), endpoint)));
    config
}

fn refused(message: String) -> Error {
    Error::invalid("storage", message)
}

#[cfg(test)]
mod tests;
