//! `AssumeRole` of AWS STS, and of the stores that have it (SeaweedFS, MinIO, Ceph): one request a credential, bounded in
//! number and time. Refuses a credential that lives longer than was asked for, and a policy that was packed too large.

use std::time::Duration;

use object_store::HeaderValue;
use polder_types::{Error, Micros, Result};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::{LIFE_MAX_SECONDS, life_seconds};
use crate::{
    aws::{self, Client, Keys, Payload},
    storage::{AssumeRole, S3Profile},
};

/// STS gives nothing shorter.
pub(crate) const STS_LIFE_MIN_SECONDS: i64 = 900;
/// Most requests to STS at a time; others wait.
const CONCURRENT_MAX: usize = 16;
/// How long one may wait for its turn and its answer.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// How far the clock of STS may be ahead of ours.
pub(super) const CLOCK_SKEW_SECONDS: i64 = 300;
/// A packed policy may fill so much of what STS allows, in percent.
const PACKED_PERCENT_MAX: u32 = 100;

/// A client of one STS, for one role.
pub(crate) struct Sts {
    client: Client,
    endpoint: String,
    region: String,
    own: Keys,
    role: AssumeRole,
    turns: Semaphore,
}

/// The keys of a session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) keys: Keys,
    pub(crate) expires_at: Micros,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumeRoleResponse {
    assume_role_result: AssumeRoleResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumeRoleResult {
    credentials: Credentials,
    #[serde(default)]
    packed_policy_size: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
}

impl Sts {
    /// Makes the client of a profile's role.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub(crate) fn new(profile: &S3Profile, role: &AssumeRole) -> Result<Self> {
        let endpoint = role.endpoint.clone().or_else(|| profile.endpoint.clone());
        Ok(Self {
            client: Client::new()?,
            endpoint: endpoint.unwrap_or_else(|| regional(&profile.region)),
            region: profile.region.clone(),
            own: profile.keys(),
            role: role.clone(),
            turns: Semaphore::new(CONCURRENT_MAX),
        })
    }

    /// How long its sessions live.
    pub(crate) fn life_seconds(&self) -> i64 {
        life_seconds(self.role.duration_seconds).max(STS_LIFE_MIN_SECONDS)
    }

    /// The second part of ARNs, as the role has it: `aws`, `aws-cn`, `aws-us-gov`.
    pub(crate) fn partition(&self) -> &str {
        self.role.role_arn.split(':').nth(1).unwrap_or("aws")
    }

    /// Makes a session of the role, narrowed by a policy, with the server's own keys.
    ///
    /// # Errors
    /// `Unavailable` if STS does not give one, in time, as it was asked for.
    pub(crate) async fn assume(&self, name: &str, policy: &str, now: Micros) -> Result<Session> {
        let session = self.assume_with(&self.own, name, policy).await.map_err(|failure| unavailable(failure.why()))?;
        let expires_at = session.expires_at;
        let latest = now.plus_seconds(self.life_seconds() + CLOCK_SKEW_SECONDS);
        // SECURITY: what is recorded and told as the end of a credential is its end.
        if expires_at <= now || expires_at > latest.min(now.plus_seconds(LIFE_MAX_SECONDS + CLOCK_SKEW_SECONDS)) {
            return Err(unavailable("STS: a session of another life than was asked for".to_owned()));
        }
        Ok(session)
    }

    /// True if a session's own keys make no further session, which could live longer than it.
    ///
    /// # Errors
    /// `Unavailable` if STS says neither yes nor no.
    pub(crate) async fn refuses(&self, keys: &Keys, name: &str, policy: &str) -> Result<bool> {
        match self.assume_with(keys, name, policy).await {
            Ok(_) => Ok(false),
            Err(Failure::Refused(_)) => Ok(true),
            Err(Failure::Failed(why)) => Err(unavailable(why)),
        }
    }

    async fn assume_with(&self, keys: &Keys, name: &str, policy: &str) -> Result<Session, Failure> {
        let asked = async {
            let _turn = self.turns.acquire().await.map_err(|_| Failure::Failed("STS: closed".to_owned()))?;
            self.ask(keys, name, policy).await
        };
        match tokio::time::timeout(WAIT_MAX, asked).await {
            Ok(session) => session,
            Err(_) => Err(Failure::Failed("STS: no answer in time".to_owned())),
        }
    }

    async fn ask(&self, keys: &Keys, name: &str, policy: &str) -> Result<Session, Failure> {
        let duration = self.life_seconds().to_string();
        let mut form = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", &self.role.role_arn),
            ("RoleSessionName", name),
            ("DurationSeconds", &duration),
            ("Policy", policy),
        ];
        form.extend(self.role.external_id.as_deref().map(|id| ("ExternalId", id)));
        let unsendable = |_| Failure::Failed("STS: a request that cannot be sent".to_owned());
        let body = serde_urlencoded::to_string(form).map_err(|_| Failure::Failed("STS: a form".to_owned()))?;
        let mut request = aws::request("POST", &format!("{}/", self.endpoint), body).map_err(unsendable)?;
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert("content-type", form);
        aws::sign(&mut request, keys, "sts", &self.region, Payload::Own);
        let answer = self.client.send(request).await.map_err(|why| Failure::Failed(format!("STS: {why}")))?;
        match answer.status {
            200 => session(&answer.body),
            401 | 403 => Err(Failure::Refused(told(answer.status, &answer.body))),
            status => Err(Failure::Failed(told(status, &answer.body))),
        }
    }
}

/// Why there is no session; for the log only.
#[derive(Debug)]
enum Failure {
    /// STS does not want to.
    Refused(String),
    /// It is not known what STS wants.
    Failed(String),
}

impl Failure {
    fn why(self) -> String {
        match self {
            Self::Refused(why) | Self::Failed(why) => why,
        }
    }
}

fn session(body: &[u8]) -> Result<Session, Failure> {
    let unread = || Failure::Failed("STS: an answer that is not understood".to_owned());
    let text = std::str::from_utf8(body).map_err(|_| unread())?;
    // The error would repeat what it read: keys.
    let AssumeRoleResponse { assume_role_result: AssumeRoleResult { credentials, packed_policy_size } } =
        quick_xml::de::from_str(text).map_err(|_| unread())?;
    if packed_policy_size.is_some_and(|percent| percent > PACKED_PERCENT_MAX) {
        return Err(Failure::Failed("STS: the policy was packed too large".to_owned()));
    }
    let Credentials { access_key_id, secret_access_key, session_token, expiration } = credentials;
    // SECURITY: keys without a session token are somebody's static ones (R11).
    if access_key_id.is_empty() || secret_access_key.is_empty() || session_token.is_empty() {
        return Err(unread());
    }
    let expires_at = chrono::DateTime::parse_from_rfc3339(&expiration).map_err(|_| unread())?;
    Ok(Session {
        keys: Keys {
            access_key_id,
            secret_access_key: polder_types::Secret::new(secret_access_key),
            session_token: Some(polder_types::Secret::new(session_token)),
        },
        expires_at: Micros(expires_at.timestamp_micros()),
    })
}

/// What STS said: its status and its code, which is one word; its message may hold anything.
fn told(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(code, _)| code);
    let plain = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    format!("STS: HTTP {status} {}", if plain { code } else { "" })
}

fn unavailable(cause: String) -> Error {
    Error::unavailable("vending_unavailable", "credentials cannot be made now; try again").with_source(cause)
}

/// The endpoint of AWS in a region.
fn regional(region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://sts.{region}.{domain}")
}

#[cfg(test)]
pub(super) mod tests;
