//! Every place in a document that names a location, so that a commit can check them all (R4, R10).

use std::borrow::Cow;

use super::TableDoc;

/// Properties whose values are locations.
pub(super) const LOCATION_PROPERTIES: [&str; 4] =
    ["write.data.path", "write.metadata.path", "write.folder-storage.path", "write.object-storage.path"];

/// A location that the document names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationUse<'a> {
    /// The member or property that names it, for messages.
    pub member: &'static str,
    /// The text, not yet parsed.
    pub text: Cow<'a, str>,
}

impl TableDoc {
    /// Lists every location that the document names: the table's own, manifest lists, inline manifests,
    /// earlier metadata files, statistics, and the properties that redirect writers.
    #[must_use]
    pub fn locations(&self) -> Vec<LocationUse<'_>> {
        let own = self.text("location").unwrap_or_default();
        let mut found = vec![LocationUse { member: "location", text: Cow::Owned(own) }];
        found.extend(self.snapshots().iter().flat_map(|snapshot| {
            let list = snapshot.manifest_list.iter().map(|list| named("manifest-list", list));
            list.chain(snapshot.manifests.iter().map(|manifest| named("manifests", manifest)))
        }));
        found.extend(self.metadata_log().iter().map(|entry| named("metadata-log", &entry.metadata_file)));
        found.extend(self.statistics().iter().map(|file| named("statistics", &file.statistics_path)));
        let files = self.partition_statistics().iter();
        found.extend(files.map(|file| named("partition-statistics", &file.statistics_path)));
        let properties = LOCATION_PROPERTIES.into_iter();
        found.extend(properties.filter_map(|name| Some(named(name, self.property(name)?))));
        found
    }
}

fn named<'a>(member: &'static str, text: &'a str) -> LocationUse<'a> {
    LocationUse { member, text: Cow::Borrowed(text) }
}
