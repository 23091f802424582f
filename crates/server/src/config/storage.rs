//! Where warehouses are kept: the managed base, and the S3 stores with the server's own keys, which are named by
//! reference only. Refuses plain HTTP to other hosts unless it is asked for.

use std::{collections::BTreeMap, net::IpAddr};

use polder_catalog::{AssumeRole, LIFE_DEFAULT_SECONDS, S3Profile, Storage};
use polder_types::{Location, Secret, TenantId};
use serde::Deserialize;

use super::{PREFIX, Reader};

/// How long sessions of STS may be asked to live here; AWS gives none below 900.
const STS_SECONDS: std::ops::RangeInclusive<i64> = 900..=3_600;

/// Where warehouses are kept.
#[derive(Clone, Debug, Default)]
pub struct StorageSettings {
    /// Managed warehouses live below it; `None`: below the data directory.
    pub managed_base: Option<Location>,
    /// The S3 stores.
    pub s3: Vec<S3Profile>,
}

/// One `[[storage.s3]]` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    endpoint: Option<String>,
    region: String,
    #[serde(default)]
    path_style: bool,
    #[serde(default)]
    allow_http: bool,
    access_key_id: String,
    secret_access_key_file: Option<String>,
    secret_access_key_env: Option<String>,
    buckets: Vec<String>,
    #[serde(default)]
    tenants: BTreeMap<String, Vec<String>>,
    vending: Option<WrittenVending>,
    #[serde(default)]
    remote_signing: bool,
}

/// How keys for tables are made. An unknown provider stops the start (R28).
#[derive(Deserialize)]
#[serde(tag = "provider", rename_all = "kebab-case", deny_unknown_fields)]
enum WrittenVending {
    /// A role that is assumed through STS.
    Sts {
        role_arn: String,
        endpoint: Option<String>,
        external_id: Option<String>,
        #[serde(default = "default_life")]
        duration_seconds: i64,
    },
}

fn default_life() -> i64 {
    LIFE_DEFAULT_SECONDS
}

impl StorageSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let managed_base = reader.text("managed_base").and_then(|text| match Location::parse(&text) {
            Ok(base) => Some(base),
            Err(error) => {
                reader.error(format!("`managed_base`: {}", error.message()));
                None
            }
        });
        let mut s3 = Vec::new();
        for (index, table) in reader.tables("storage.s3").into_iter().enumerate() {
            let place = format!("storage.s3[{index}]");
            match table.try_into::<Written>() {
                Ok(written) => s3.extend(written.profile(&place, reader)),
                Err(error) => reader.error(format!("`{place}`: {}", error.message().trim())),
            }
        }
        let settings = Self { managed_base, s3 };
        settings.check(&mut |text| reader.error(text));
        settings
    }

    /// The stores, checked together.
    ///
    /// # Errors
    /// `Invalid` as [`Storage::new`].
    pub(crate) fn storage(&self) -> polder_types::Result<Storage> {
        Storage::new(self.s3.clone())
    }

    fn check(&self, error: &mut dyn FnMut(&str)) {
        let storage = match self.storage() {
            Ok(storage) => storage,
            Err(refused) => return error(&format!("`storage.s3`: {}", refused.message())),
        };
        let Some(base) = &self.managed_base else { return };
        match base.scheme() {
            "file" if !base.segments().is_empty() => {}
            "s3" if storage.reaches(base) => {}
            _ => error("`managed_base` is a directory, or in a bucket of `storage.s3`"),
        }
        // SECURITY: below the base lie the warehouses of every tenant.
        if storage.allowed().any(|place| place.overlaps(base)) {
            error("`managed_base` overlaps a place that `storage.s3` gives to a tenant");
        }
    }
}

impl Written {
    fn profile(self, place: &str, reader: &mut Reader<'_>) -> Option<S3Profile> {
        let before = reader.errors();
        let endpoint = self.endpoint.as_deref().map(|text| text.trim_end_matches('/').to_owned());
        if let Some(why) = endpoint.as_deref().and_then(|endpoint| unusable(endpoint, self.allow_http)) {
            reader.error(format!("`{place}.endpoint` {why}"));
        }
        if self.region.trim().is_empty() || self.access_key_id.trim().is_empty() {
            reader.error(format!("`{place}` needs `region` and `access_key_id`"));
        }
        if self.buckets.is_empty() || !self.buckets.iter().all(|name| is_bucket(name)) {
            reader.error(format!("`{place}.buckets` is a list of names of 3 to 63 of `a-z`, `0-9`, `.` and `-`"));
        }
        let secret = self.secret(place, reader);
        let vending = self.vending.as_ref().and_then(|vending| role(vending, place, self.allow_http, reader));
        let mut tenants: BTreeMap<TenantId, Vec<Location>> = BTreeMap::new();
        for (tenant, places) in &self.tenants {
            let (Ok(id), Ok(places)) =
                (tenant.parse(), places.iter().map(|text| Location::parse(text)).collect::<Result<Vec<_>, _>>())
            else {
                reader.error(format!("`{place}.tenants.{tenant}` is a tenant with a list of locations"));
                continue;
            };
            tenants.insert(id, places);
        }
        (reader.errors() == before).then_some(S3Profile {
            endpoint,
            region: self.region,
            path_style: self.path_style,
            access_key_id: self.access_key_id,
            secret_access_key: secret?,
            buckets: self.buckets,
            tenants,
            vending,
            remote_signing: self.remote_signing,
        })
    }

    /// The secret by reference, never itself.
    fn secret(&self, place: &str, reader: &mut Reader<'_>) -> Option<Secret> {
        let text = match (&self.secret_access_key_file, &self.secret_access_key_env) {
            (Some(path), None) => std::fs::read_to_string(path).ok(),
            (None, Some(name)) if !name.starts_with(PREFIX) => reader.variable(name),
            _ => {
                reader.error(format!(
                    "`{place}` needs `secret_access_key_file`, or `secret_access_key_env` with the name of a variable \
                     that does not begin with {PREFIX}"
                ));
                return None;
            }
        };
        let text = text.map(|text| text.trim_end().to_owned()).filter(|text| !text.is_empty());
        if text.is_none() {
            reader.error(format!("the secret of `{place}` is empty or cannot be read"));
        }
        text.map(Secret::new)
    }
}

fn role(vending: &WrittenVending, place: &str, allow_http: bool, reader: &mut Reader<'_>) -> Option<AssumeRole> {
    let WrittenVending::Sts { role_arn, endpoint, external_id, duration_seconds } = vending;
    let endpoint = endpoint.as_deref().map(|text| text.trim_end_matches('/').to_owned());
    if let Some(why) = endpoint.as_deref().and_then(|endpoint| unusable(endpoint, allow_http)) {
        reader.error(format!("`{place}.vending.endpoint` {why}"));
        return None;
    }
    if !is_role(role_arn) {
        reader.error(format!("`{place}.vending.role_arn` is `arn:PARTITION:iam::ACCOUNT:role/NAME`"));
        return None;
    }
    if !STS_SECONDS.contains(duration_seconds) {
        let (min, max) = (STS_SECONDS.start(), STS_SECONDS.end());
        reader.error(format!(
            "`{place}.vending.duration_seconds` is between {min}, which is the least of STS, and {max}"
        ));
        return None;
    }
    let (role_arn, external_id) = (role_arn.clone(), external_id.clone());
    Some(AssumeRole { endpoint, role_arn, external_id, duration_seconds: *duration_seconds })
}

/// An ARN of a role; its partition goes into policies.
fn is_role(arn: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let partition =
        arn.strip_prefix("arn:").and_then(|rest| rest.split_once(":iam:")).map_or("", |(partition, _)| partition);
    !partition.is_empty()
        && partition.chars().all(plain)
        && arn.contains(":role/")
        && arn.len() <= 2_048
        && arn.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Why an endpoint cannot be used.
// SECURITY: what the keys sign, and the data itself, cross a network in the clear with plain HTTP.
fn unusable(endpoint: &str, allow_http: bool) -> Option<&'static str> {
    const SHAPE: &str = "is `https://host`, with a port if need be and nothing more";
    let Ok(uri) = endpoint.parse::<http::Uri>() else { return Some(SHAPE) };
    let plain = matches!(uri.path(), "" | "/") && uri.query().is_none() && !endpoint.contains(['@', '#', '?']);
    let Some(host) = uri.host().filter(|host| !host.is_empty() && plain) else { return Some(SHAPE) };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => None,
        Some("http") if loopback || allow_http => None,
        Some("http") => Some("is plain HTTP to another host; use `https://`, or say `allow_http = true`"),
        _ => Some(SHAPE),
    }
}

fn is_bucket(name: &str) -> bool {
    let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '-');
    (3..=63).contains(&name.len()) && name.chars().all(plain) && !name.starts_with(['.', '-']) && !name.contains("..")
}

#[cfg(test)]
mod tests;
