//! `[limits]`: bounds of the whole process.

use std::time::Duration;

use super::read::Reader;

/// Bounds of the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most connections at a time; further ones wait to be accepted.
    pub connections_max: usize,
    /// Most connections of one address; further ones are closed. Behind a proxy, which is one address, it does not apply.
    pub connections_per_address_max: usize,
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
            connections_per_address_max: 512,
            body_max: Duration::from_secs(10),
            shutdown_max: Duration::from_secs(30),
            metadata_cache_bytes_max: polder_catalog::METADATA_CACHE_BYTES_DEFAULT,
        }
    }
}

impl Limits {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let defaults = Self::default();
        let mut connections = |name, default| {
            reader.number(name, 1..=1_000_000).and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
        };
        Self {
            connections_max: connections("limits.connections_max", defaults.connections_max),
            connections_per_address_max: connections(
                "limits.connections_per_address_max",
                defaults.connections_per_address_max,
            ),
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
