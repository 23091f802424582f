//! An S3 store for tests, one for the whole test process, and settings of servers that use it.

use std::{path::PathBuf, sync::OnceLock};

use polder_server::config::{AssumeRole, S3Profile, StorageSettings};
use polder_types::{Location, Secret};

use crate::{
    S3Client,
    weed::{ACCESS_KEY_ID, ROLE, SECRET_ACCESS_KEY, Weed},
};

/// The running store. Buckets are made by the first object in them.
#[derive(Debug)]
pub struct S3(Weed);

impl S3 {
    /// The store of this test process.
    ///
    /// # Panics
    /// If its program is missing or does not start.
    #[allow(clippy::disallowed_methods, reason = "a test's own environment")]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<S3> = OnceLock::new();
        SHARED.get_or_init(|| {
            let program = std::env::var_os("WEED_BIN").map(PathBuf::from);
            Self(Weed::start(&program.expect("`cargo xtask test` names `weed` in WEED_BIN, or skips `s3::`")))
        })
    }

    /// Where it answers.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.0.endpoint()
    }

    /// Settings of a server that keeps managed warehouses in one bucket and lets tenants bring their own elsewhere.
    ///
    /// # Panics
    /// If a place is no location.
    #[must_use]
    pub fn settings(&self, endpoint: &str, managed: &str, tenants: &[(&str, &str)]) -> StorageSettings {
        let place = |text: &str| Location::parse(text).expect("a location");
        let base = place(managed);
        let mut profile = S3Profile {
            endpoint: Some(endpoint.to_owned()),
            region: "us-east-1".to_owned(),
            path_style: true,
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key: Secret::new(SECRET_ACCESS_KEY.to_owned()),
            buckets: vec![base.authority().to_owned()],
            tenants: Default::default(),
            vending: None,
            remote_signing: false,
        };
        for (tenant, text) in tenants {
            let place = place(text);
            if !profile.buckets.iter().any(|bucket| bucket == place.authority()) {
                profile.buckets.push(place.authority().to_owned());
            }
            profile.tenants.entry(tenant.parse().expect("a tenant")).or_default().push(place);
        }
        StorageSettings { managed_base: Some(base), s3: vec![profile] }
    }

    /// The same, with keys for single tables from its STS, and signatures.
    ///
    /// # Panics
    /// As [`S3::settings`].
    #[must_use]
    pub fn vending_settings(&self, endpoint: &str, managed: &str, tenants: &[(&str, &str)]) -> StorageSettings {
        let mut settings = self.settings(endpoint, managed, tenants);
        for profile in &mut settings.s3 {
            let (role_arn, external_id) = (ROLE.to_owned(), None);
            profile.vending = Some(AssumeRole { endpoint: None, role_arn, external_id, duration_seconds: 900 });
            profile.remote_signing = true;
        }
        settings
    }

    /// A client with the server's own keys.
    #[must_use]
    pub fn client(&self) -> S3Client {
        S3Client::new(self.endpoint(), ACCESS_KEY_ID, SECRET_ACCESS_KEY, None)
    }

    /// What no answer, log or audit record may hold.
    #[must_use]
    pub fn secrets() -> [&'static str; 2] {
        [ACCESS_KEY_ID, SECRET_ACCESS_KEY]
    }
}
