//! The document: an ordered map of raw members, the known lists split into entries. Refuses what could not be read.

use std::{collections::HashSet, sync::Arc};

use indexmap::IndexMap;
use polder_types::{Error, Location, Result};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    super::{
        entries::Property,
        locations::{LOCATION_PROPERTIES, LocationUse},
        raw::{JSON_DEPTH_MAX, Raw, RawList, RawObject, check_json, decode, encode, is_null},
        schema::Schema,
    },
    VIEW_BYTES_MAX, invalid, too_large,
    version::{LogEntry, Version, about_a_view},
};

/// The only format version of views.
pub(super) const FORMAT_VERSION: i64 = 1;

/// A view's metadata, with every member it was written with. Immutable; cheap to clone.
#[derive(Clone, Debug)]
pub struct ViewDoc {
    pub(super) members: IndexMap<String, Member>,
}

/// A top-level member.
#[derive(Clone, Debug)]
pub(super) enum Member {
    /// A scalar, or a member that is not known.
    Raw(Raw),
    Schemas(Vec<Arc<Schema>>),
    Versions(Vec<Arc<Version>>),
    Log(Vec<Arc<LogEntry>>),
    Properties(IndexMap<String, Property>),
}

impl ViewDoc {
    /// Parses and validates a document of at most [`VIEW_BYTES_MAX`] bytes and [`JSON_DEPTH_MAX`] levels.
    ///
    /// # Errors
    /// `Invalid` for JSON beyond the limits or with repeated keys, and for what no reader of the view could use: missing
    /// members, an unknown format version, a current version that is not there (Iceberg view specification).
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > VIEW_BYTES_MAX {
            return Err(too_large());
        }
        check_json(bytes, JSON_DEPTH_MAX).map_err(about_a_view)?;
        let text = std::str::from_utf8(bytes).map_err(|_| invalid("the metadata is not UTF-8"))?;
        let object: RawObject = serde_json::from_str(text)
            .map_err(|error| invalid("the metadata is not a JSON object").with_source(error))?;
        let members = object.into_iter().map(|(name, raw)| Ok((name.clone(), Member::decode(&name, raw)?)));
        let doc = Self { members: members.collect::<Result<_>>()? };
        doc.validate()?;
        Ok(doc)
    }

    /// Serialises the document: raw members are copied, so that what was read is what is written.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(&self.members).map_err(Error::internal)
    }

    /// The view's UUID.
    #[must_use]
    pub fn view_uuid(&self) -> Option<Uuid> {
        self.text("view-uuid").and_then(|text| text.parse().ok())
    }

    /// The view's location as it was written.
    #[must_use]
    pub fn location_text(&self) -> String {
        self.text("location").unwrap_or_default()
    }

    /// The view's location.
    ///
    /// # Errors
    /// `Invalid` if another catalog wrote one that [`Location::parse`] refuses.
    pub fn location(&self) -> Result<Location> {
        Location::parse(&self.location_text())
    }

    /// The id of the current version.
    #[must_use]
    pub fn current_version_id(&self) -> Option<i32> {
        self.long("current-version-id").and_then(|id| i32::try_from(id).ok())
    }

    /// One property.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        match self.members.get("properties") {
            Some(Member::Properties(properties)) => properties.get(name)?.text.as_deref(),
            _ => None,
        }
    }

    /// The properties, in the order they were written.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        let properties = match self.members.get("properties") {
            Some(Member::Properties(properties)) => Some(properties),
            _ => None,
        };
        let texts = properties.into_iter().flatten();
        texts.filter_map(|(name, property)| Some((name.as_str(), property.text.as_deref()?)))
    }

    /// Lists every location that the document names: the view's own, and the properties that redirect writers.
    #[must_use]
    pub fn locations(&self) -> Vec<LocationUse<'_>> {
        let own = LocationUse { member: "location", text: self.location_text().into() };
        let named = LOCATION_PROPERTIES.into_iter();
        let named = named.filter_map(|member| Some(LocationUse { member, text: self.property(member)?.into() }));
        std::iter::once(own).chain(named).collect()
    }

    pub(super) fn schemas(&self) -> &[Arc<Schema>] {
        match self.members.get("schemas") {
            Some(Member::Schemas(schemas)) => schemas,
            _ => &[],
        }
    }

    pub(super) fn versions(&self) -> &[Arc<Version>] {
        match self.members.get("versions") {
            Some(Member::Versions(versions)) => versions,
            _ => &[],
        }
    }

    pub(super) fn version(&self, version_id: i32) -> Option<&Arc<Version>> {
        self.versions().iter().find(|version| version.version_id == version_id)
    }

    pub(super) fn current_version(&self) -> Option<&Arc<Version>> {
        self.version(self.current_version_id()?)
    }

    /// Sets a scalar.
    pub(super) fn set<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<()> {
        self.members.insert(name.to_owned(), Member::Raw(encode(value)?));
        Ok(())
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        decode(self.raw(name)?, name).ok()
    }

    pub(super) fn long(&self, name: &str) -> Option<i64> {
        self.raw(name)?.get().parse().ok()
    }

    /// A scalar as it was written; `None` for `null`.
    fn raw(&self, name: &str) -> Option<&RawValue> {
        match self.members.get(name) {
            Some(Member::Raw(raw)) if !is_null(raw) => Some(raw),
            _ => None,
        }
    }

    /// What every document must hold; the same check after parsing and after updates.
    ///
    /// # Errors
    /// `Invalid`, naming the member.
    pub(super) fn validate(&self) -> Result<()> {
        match self.long("format-version") {
            Some(FORMAT_VERSION) => {}
            Some(other) => return Err(invalid(format!("view format version {other} is not supported"))),
            None => return Err(missing("format-version")),
        }
        self.view_uuid().ok_or_else(|| missing("view-uuid"))?;
        if self.location_text().is_empty() {
            return Err(missing("location"));
        }
        for name in ["versions", "version-log", "schemas"] {
            if matches!(self.members.get(name), None | Some(Member::Raw(_))) {
                return Err(missing(name));
            }
        }
        distinct("schemas", self.schemas().iter().map(|schema| schema.view.schema_id))?;
        distinct("versions", self.versions().iter().map(|version| version.version_id))?;
        let current = self.current_version_id().ok_or_else(|| missing("current-version-id"))?;
        let Some(version) = self.version(current) else {
            return Err(invalid(format!("the metadata is not valid: current version {current} does not exist")));
        };
        if !self.schemas().iter().any(|schema| schema.view.schema_id == version.schema_id) {
            let id = version.schema_id;
            return Err(invalid(format!("the metadata is not valid: current schema {id} does not exist")));
        }
        Ok(())
    }
}

fn missing(name: &str) -> Error {
    invalid(format!("the metadata is not valid: `{name}` is missing or has not the right shape"))
}

fn distinct(member: &str, ids: impl IntoIterator<Item = i32>) -> Result<()> {
    let mut seen = HashSet::new();
    match ids.into_iter().find(|id| !seen.insert(*id)) {
        None => Ok(()),
        Some(id) => Err(invalid(format!("the metadata is not valid: id {id} appears twice in `{member}`"))),
    }
}

impl Member {
    fn decode(name: &str, raw: Raw) -> Result<Self> {
        match name {
            _ if is_null(&raw) => Ok(Self::Raw(raw)),
            "schemas" => list(&raw, name, Schema::decode).map(Self::Schemas),
            "versions" => list(&raw, name, Version::decode).map(Self::Versions),
            "version-log" => list(&raw, name, LogEntry::decode).map(Self::Log),
            "properties" => {
                let properties: RawObject = decode(&raw, "`properties`").map_err(about_a_view)?;
                Ok(Self::Properties(properties.into_iter().map(|(name, raw)| (name, Property::new(raw))).collect()))
            }
            _ => Ok(Self::Raw(raw)),
        }
    }
}

fn list<T>(raw: &RawValue, name: &str, entry: impl Fn(Raw) -> Result<T>) -> Result<Vec<Arc<T>>> {
    let RawList(entries) = decode(raw, &format!("`{name}`")).map_err(about_a_view)?;
    entries.into_iter().map(|raw| entry(raw).map(Arc::new).map_err(about_a_view)).collect()
}

impl Serialize for Member {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Raw(raw) => raw.serialize(serializer),
            Self::Schemas(list) => serializer.collect_seq(list.iter().map(|schema| &schema.raw)),
            Self::Versions(list) => serializer.collect_seq(list.iter().map(|version| &version.raw)),
            Self::Log(list) => serializer.collect_seq(list.iter().map(|entry| &entry.raw)),
            Self::Properties(map) => serializer.collect_map(map.iter().map(|(name, property)| (name, &property.raw))),
        }
    }
}
