//! The metadata log: which files held the table before.

use std::{collections::HashSet, sync::Arc};

use polder_types::Result;
use serde::Serialize;

use super::{MetadataLogEntry, TableDoc, raw::encode};

/// How many earlier files are named unless `write.metadata.previous-versions-max` says otherwise.
const PREVIOUS_VERSIONS_DEFAULT: usize = 100;

/// Most files that one commit leaves to be deleted; a log that was longer when it was registered leaves some behind.
const FALLEN_MAX: usize = 10_000;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct WireEntry<'a> {
    timestamp_ms: i64,
    metadata_file: &'a str,
}

impl TableDoc {
    /// Returns the document with its predecessor named last in `metadata-log`, trimmed to
    /// `write.metadata.previous-versions-max` entries (at least one; 100 if the property is absent or no number).
    ///
    /// # Errors
    /// `Internal` only.
    pub fn with_log_entry(mut self, previous_location: &str, previous_last_updated_ms: i64) -> Result<Self> {
        let max = self.property("write.metadata.previous-versions-max").and_then(|text| text.trim().parse().ok());
        let max = max.unwrap_or(PREVIOUS_VERSIONS_DEFAULT).max(1);
        let wire = WireEntry { timestamp_ms: previous_last_updated_ms, metadata_file: previous_location };
        let raw = encode(&wire)?;
        let log = self.list_mut::<MetadataLogEntry>()?;
        log.push(Arc::new(MetadataLogEntry {
            metadata_file: previous_location.to_owned(),
            timestamp_ms: previous_last_updated_ms,
            raw,
        }));
        log.drain(..log.len().saturating_sub(max));
        Ok(self)
    }

    /// The files that the log of the document before names and this one does no more, if this one wants such deleted
    /// (`write.metadata.delete-after-commit.enabled`, false if absent).
    #[must_use]
    pub fn fallen_from_log(&self, before: &Self) -> Vec<String> {
        let wanted = self.property("write.metadata.delete-after-commit.enabled");
        if !wanted.is_some_and(|text| text.trim().eq_ignore_ascii_case("true")) {
            return Vec::new();
        }
        let kept: HashSet<&str> = self.metadata_log().iter().map(|entry| entry.metadata_file.as_str()).collect();
        let fallen = before.metadata_log().iter().map(|entry| entry.metadata_file.as_str());
        fallen.filter(|file| !kept.contains(file)).take(FALLEN_MAX).map(str::to_owned).collect()
    }
}
