//! `[limits]`: bounds of the whole process.

use std::time::Duration;

use super::read::Reader;

/// Bounds of the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most connections at a time; further ones wait to be accepted.
    pub connections_max: usize,
    /// How long the body of a request may take to arrive (a large one longer, by its stated length).
    pub body_max: Duration,
    /// How long a shutdown waits for requests and commits.
    pub shutdown_max: Duration,
    /// Bound of the metadata cache, in bytes.
    pub metadata_cache_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            body_max: Duration::from_secs(10),
            shutdown_max: Duration::from_secs(30),
            metadata_cache_bytes_max: polder_catalog::METADATA_CACHE_BYTES_DEFAULT,
        }
    }
}

impl Limits {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let defaults = Self::default();
        Self {
            connections_max: reader
                .number("limits.connections_max", 1..=1_000_000)
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(defaults.connections_max),
            body_max: reader
                .number("limits.body_seconds_max", 1..=3_600)
                .map_or(defaults.body_max, Duration::from_secs),
            shutdown_max: reader
                .number("limits.shutdown_seconds_max", 1..=3_600)
                .map_or(defaults.shutdown_max, Duration::from_secs),
            metadata_cache_bytes_max: reader
                .number("limits.metadata_cache_mb_max", 1..=1_048_576)
                .map_or(defaults.metadata_cache_bytes_max, |mb| mb.saturating_mul(1024 * 1024)),
        }
    }
}
