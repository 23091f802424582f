//! One bucket of an object store: create-only writes that are compared when their outcome is not known (F19), bounded
//! reads (R32). Holds the server's keys inside the client and shows them to nobody.

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use object_store::{
    BackoffConfig, ClientOptions, Error as StoreError, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode,
    RetryConfig,
    aws::{AmazonS3Builder, S3ConditionalPut},
    client::HttpError,
    path::Path,
};
use polder_types::{Error, Location, Result};
use tokio::sync::OnceCell;

use crate::{ids::fresh_uuid, storage::S3Profile};

/// How long one request may take, its body included.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// How long it may take to reach the store.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// How often a request is sent again after an answer that asks for it.
const RETRIES_MAX: usize = 3;
/// No request is sent again after this time.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// Pauses between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// The bytes of the two probes; they differ.
const PROBES: [&[u8]; 2] = [b"first", b"second"];

/// Makes the client of one bucket.
///
/// # Errors
/// `Invalid` for what the client refuses.
pub(crate) fn s3(profile: &S3Profile, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
    let options = ClientOptions::new().with_timeout(REQUEST_MAX).with_connect_timeout(CONNECT_MAX);
    let backoff = BackoffConfig { init_backoff: PAUSES.0, max_backoff: PAUSES.1, base: 2.0 };
    let mut builder = AmazonS3Builder::new()
        .with_client_options(options)
        .with_bucket_name(bucket)
        .with_region(&profile.region)
        .with_access_key_id(&profile.access_key_id)
        .with_secret_access_key(profile.secret_access_key.expose())
        .with_virtual_hosted_style_request(!profile.path_style)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(RetryConfig { backoff, max_retries: RETRIES_MAX, retry_timeout: RETRY_MAX });
    if let Some(endpoint) = &profile.endpoint {
        // The configuration has decided whether plain HTTP is allowed there.
        builder = builder.with_endpoint(host_of(endpoint, bucket, profile.path_style)).with_allow_http(true);
    }
    let store = builder
        .build()
        .map_err(|error| Error::invalid("storage", format!("bucket `{bucket}` cannot be set up")).with_source(error))?;
    Ok(Arc::new(store))
}

/// The endpoint as the client wants it: with the bucket in the host name unless it is in the path.
fn host_of(endpoint: &str, bucket: &str, path_style: bool) -> String {
    match endpoint.split_once("://") {
        Some((scheme, host)) if !path_style => format!("{scheme}://{bucket}.{host}"),
        _ => endpoint.to_owned(),
    }
}

/// A bucket; cheap to clone.
#[derive(Clone)]
pub(crate) struct Bucket(Arc<Inner>);

struct Inner {
    name: String,
    store: Arc<dyn ObjectStore>,
    /// Whether the store honours create-only writes; found out before the first write.
    create_only: OnceCell<bool>,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bucket({})", self.0.name)
    }
}

impl Bucket {
    pub(crate) fn new(name: &str, store: Arc<dyn ObjectStore>) -> Self {
        Self(Arc::new(Inner { name: name.to_owned(), store, create_only: OnceCell::new() }))
    }

    /// Finds out whether the store can be written below `directory`, and how.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be written now.
    pub(crate) async fn check(&self, directory: &Location) -> Result<()> {
        let honoured = self.probe_now(directory).await?;
        // Known already from another directory: the same store, the same answer.
        drop(self.0.create_only.set(honoured));
        Ok(())
    }

    /// Whether the store honours create-only writes; found out once.
    async fn probe(&self, directory: &Location) -> Result<bool> {
        self.0.create_only.get_or_try_init(|| self.probe_now(directory)).await.copied()
    }

    async fn probe_now(&self, directory: &Location) -> Result<bool> {
        let key = key(&directory.join(&format!(".polder-probe-{}", fresh_uuid().simple()))?)?;
        let create = |bytes: &'static [u8]| self.0.store.put_opts(&key, bytes.into(), PutMode::Create.into());
        let [first, second] = PROBES;
        let created = create(first).await.is_ok();
        if !created {
            // A store that does not know the condition at all takes this; one that is down fails here too.
            self.0.store.put(&key, first.into()).await.map_err(unwritable)?;
        }
        let honoured = match create(second).await {
            Err(StoreError::AlreadyExists { .. }) => true,
            Err(error) if created => return Err(unwritable(error)),
            Ok(_) | Err(_) => false,
        };
        if let Err(error) = self.0.store.delete(&key).await {
            tracing::warn!(bucket = self.0.name, error = cause(&error), "the probe of a bucket stays behind");
        }
        if !honoured {
            tracing::warn!(
                bucket = self.0.name,
                "the store does not honour create-only writes; fresh names alone keep metadata files apart"
            );
        }
        Ok(honoured)
    }

    /// Writes an object of a fresh name. Whenever it is not known what became of the write, the object is read and
    /// compared: equal is written (F19).
    ///
    /// # Errors
    /// `Unavailable`: the object is not there, or holds other bytes.
    pub(crate) async fn put_new(&self, place: &Location, bytes: Bytes) -> Result<()> {
        let key = key(place)?;
        let directory = place.parent().ok_or_else(|| Error::internal("an object without a directory"))?;
        let mode = if self.probe(&directory).await? { PutMode::Create } else { PutMode::Overwrite };
        let Err(error) = self.0.store.put_opts(&key, bytes.clone().into(), mode.into()).await else { return Ok(()) };
        match self.read(&key, bytes.len() as u64).await {
            Ok(present) if present == bytes => Ok(()),
            _ => Err(unwritable(error)),
        }
    }

    /// Removes an object; one that is gone already is no error.
    ///
    /// # Errors
    /// `Unavailable` if it stays.
    pub(crate) async fn delete(&self, place: &Location) -> Result<()> {
        match self.0.store.delete(&key(place)?).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(unwritable(error)),
        }
    }

    /// Reads a whole object of at most `bytes_max`.
    ///
    /// # Errors
    /// `Internal` if it is gone or too large; `Unavailable` if it cannot be read now.
    pub(crate) async fn read_all(&self, place: &Location, bytes_max: u64) -> Result<Bytes> {
        self.read(&key(place)?, bytes_max).await
    }

    async fn read(&self, key: &Path, bytes_max: u64) -> Result<Bytes> {
        let answer = self.0.store.get(key).await.map_err(unreadable)?;
        // SECURITY: what the store says is checked before memory is taken, and what it sends again (R32).
        let stated = answer.meta.size;
        if stated > bytes_max {
            return Err(too_large());
        }
        let mut bytes = BytesMut::with_capacity(usize::try_from(stated).unwrap_or_default());
        let mut parts = answer.into_stream();
        while let Some(part) = parts.try_next().await.map_err(unreadable)? {
            if bytes.len().saturating_add(part.len()) as u64 > bytes_max {
                return Err(too_large());
            }
            bytes.extend_from_slice(&part);
        }
        if bytes.len() as u64 != stated {
            return Err(Error::unavailable("storage_unavailable", "a file came in part only"));
        }
        Ok(bytes.freeze())
    }
}

/// The objects of one table, for reading: the gateway's only way to a bucket.
#[derive(Clone, Debug)]
pub struct TableObjects {
    bucket: Bucket,
    root: Location,
}

impl TableObjects {
    pub(crate) fn new(bucket: Bucket, root: Location) -> Self {
        Self { bucket, root }
    }

    /// Reads a whole object of at most `bytes_max`; `below` are the names below the table's location.
    ///
    /// # Errors
    /// `Internal` if it is gone or too large; `Unavailable` if it cannot be read now.
    pub async fn read_all(&self, below: &[String], bytes_max: u64) -> Result<Bytes> {
        self.bucket.read(&self.key(below)?, bytes_max).await
    }

    /// Opens an object by reading its last bytes, at most `tail_bytes`.
    ///
    /// # Errors
    /// As [`TableObjects::read_all`].
    pub async fn open(&self, below: &[String], tail_bytes: u64) -> Result<OpenObject> {
        let key = self.key(below)?;
        let options = GetOptions { range: Some(GetRange::Suffix(tail_bytes)), ..GetOptions::default() };
        let answer = self.bucket.0.store.get_opts(&key, options).await.map_err(unreadable)?;
        let (len, range) = (answer.meta.size, answer.range.clone());
        if range.end != len || range.end.saturating_sub(range.start) > tail_bytes {
            return Err(Error::internal("the store answered another range than was asked for"));
        }
        let tail = answer.bytes().await.map_err(unreadable)?;
        if tail.len() as u64 != range.end - range.start {
            return Err(Error::unavailable("storage_unavailable", "a file came in part only"));
        }
        Ok(OpenObject { bucket: self.bucket.clone(), key, len, tail_start: range.start, tail })
    }

    /// Reads a whole object of at most `bytes_max`, if it is there.
    ///
    /// # Errors
    /// As [`TableObjects::read_all`].
    pub(crate) async fn read_if_any(&self, below: &[String], bytes_max: u64) -> Result<Option<Bytes>> {
        let key = self.key(below)?;
        match self.bucket.0.store.head(&key).await {
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(unreadable(error)),
            Ok(_) => self.bucket.read(&key, bytes_max).await.map(Some),
        }
    }

    /// Removes an object; one that is gone already is no error.
    ///
    /// # Errors
    /// `Unavailable` if it stays.
    pub(crate) async fn delete(&self, below: &[String]) -> Result<()> {
        match self.bucket.0.store.delete(&self.key(below)?).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(unwritable(error)),
        }
    }

    /// True if no object lies below the location; the listing ends at the first one.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be known.
    pub(crate) async fn is_empty(&self) -> Result<bool> {
        let prefix = parse(&self.root.segments().join("/"))?;
        let mut listed = self.bucket.0.store.list(Some(&prefix));
        // The client lists by whole segments: a sibling whose name begins alike is not below (R7).
        Ok(listed.try_next().await.map_err(unreadable)?.is_none())
    }

    // SECURITY: made of the table's own location and plain names, so no key leads out of it (A-004, R10).
    fn key(&self, below: &[String]) -> Result<Path> {
        let plain = |name: &String| !name.is_empty() && !name.contains('/');
        if below.is_empty() || !below.iter().all(plain) {
            return Err(Error::internal("an object's name is not plain"));
        }
        let names: Vec<&str> = self.root.segments().iter().chain(below).map(String::as_str).collect();
        parse(&names.join("/"))
    }
}

/// An object that is there, with its end in memory.
#[derive(Clone, Debug)]
pub struct OpenObject {
    bucket: Bucket,
    key: Path,
    len: u64,
    tail_start: u64,
    tail: Bytes,
}

impl OpenObject {
    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True if it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads ranges, each within the object; neighbours in one request.
    ///
    /// # Errors
    /// As [`TableObjects::read_all`].
    pub async fn ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if let Some(known) = ranges.iter().map(|range| self.in_tail(range)).collect::<Option<Vec<_>>>() {
            return Ok(known);
        }
        let read = self.bucket.0.store.get_ranges(&self.key, ranges).await.map_err(unreadable)?;
        let whole = read.iter().zip(ranges).all(|(bytes, range)| bytes.len() as u64 == range.end - range.start);
        if read.len() != ranges.len() || !whole {
            return Err(Error::unavailable("storage_unavailable", "a file came in part only"));
        }
        Ok(read)
    }

    fn in_tail(&self, range: &Range<u64>) -> Option<Bytes> {
        let start = usize::try_from(range.start.checked_sub(self.tail_start)?).ok()?;
        let end = usize::try_from(range.end.checked_sub(self.tail_start)?).ok()?;
        (start <= end && end <= self.tail.len()).then(|| self.tail.slice(start..end))
    }
}

/// The key of a location, as it is written there: nothing in it is encoded or decoded.
fn key(place: &Location) -> Result<Path> {
    parse(&place.segments().join("/"))
}

fn parse(key: &str) -> Result<Path> {
    // The error would repeat the key.
    Path::parse(key).map_err(|_| Error::internal("the name of an object is not one of a key"))
}

/// What may be said of a store's error, in the log too: its kind, and the status or the kind of failure of HTTP.
// SECURITY: the error itself holds keys, in which partition values stand, URLs, and whatever the store said: it repeats
// keys and the id of our access key. None of that may be logged.
fn cause(error: &StoreError) -> String {
    let kind = match error {
        StoreError::NotFound { .. } => "not found",
        StoreError::AlreadyExists { .. } => "already exists",
        StoreError::Precondition { .. } => "precondition failed",
        StoreError::NotModified { .. } => "not modified",
        StoreError::PermissionDenied { .. } => "permission denied",
        StoreError::Unauthenticated { .. } => "unauthenticated",
        StoreError::NotSupported { .. } | StoreError::NotImplemented { .. } => "not supported",
        StoreError::InvalidPath { .. } => "invalid key",
        StoreError::JoinError { .. } => "a task died",
        _ => "failed",
    };
    let chain = std::iter::successors(std::error::Error::source(error), |error| error.source());
    match chain.into_iter().find_map(http) {
        Some(more) => format!("object store: {kind}, {more}"),
        None => format!("object store: {kind}"),
    }
}

/// The status of an answer, or why there was none. `object_store` shows the status in the text of a private type only.
fn http(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<HttpError>() {
        return Some(format!("HTTP {:?}", error.kind()));
    }
    let text = error.to_string();
    let status = text.strip_prefix("Server returned non-2xx status code: ")?.get(..3)?;
    status.bytes().all(|byte| byte.is_ascii_digit()).then(|| format!("HTTP {status}"))
}

fn unreadable(error: StoreError) -> Error {
    match error {
        StoreError::NotFound { .. } => Error::internal(cause(&error)),
        error => {
            Error::unavailable("storage_unavailable", "a file cannot be read now; try again").with_source(cause(&error))
        }
    }
}

fn too_large() -> Error {
    Error::internal("a file is larger than any that we read")
}

fn unwritable(error: StoreError) -> Error {
    Error::unavailable("storage_unavailable", "the warehouse's storage cannot be written now; nothing was changed")
        .with_source(cause(&error))
}

#[cfg(test)]
mod tests;
