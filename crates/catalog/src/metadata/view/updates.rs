//! The updates of a view's commit, with the rules of Java's `ViewMetadata`: equal schemas and versions are used again,
//! a lost dialect is refused unless allowed, old versions expire. An unknown update is refused by name.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use indexmap::IndexMap;
use polder_types::{Error, Location, Micros, Result, Subject};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    super::{
        entries::Property,
        raw::{PART_DEPTH_MAX, Raw, RawObject, check_json, decode, encode, with_member},
        schema::Schema,
    },
    ViewDoc,
    doc::{FORMAT_VERSION, Member},
    invalid,
    version::{LogEntry, Version, about_a_view},
};

/// Most updates of one commit.
const UPDATES_MAX: usize = 1_000;
/// Most columns of a schema that is added, those at every depth counted.
const COLUMNS_MAX: usize = 10_000;
/// Stands for what the same commit added last.
const LAST_ADDED: i32 = -1;
/// How many versions a view keeps.
const HISTORY_SIZE: &str = "version.history.num-entries";
const HISTORY_SIZE_DEFAULT: usize = 10;
/// Whether a version may lack a dialect that the one before has.
const DROP_DIALECT: &str = "replace.drop-dialect.allowed";

/// A change of a view (Iceberg REST, `ViewUpdate`).
#[derive(Clone, Debug)]
pub enum ViewUpdate {
    /// Gives a new view its UUID.
    AssignUuid(String),
    /// Moves to a newer format version.
    UpgradeFormatVersion(i64),
    /// Adds a schema, or names the equal one that exists.
    AddSchema(Raw),
    /// Moves the view.
    SetLocation(String),
    /// Sets properties.
    SetProperties(IndexMap<String, String>),
    /// Removes properties.
    RemoveProperties(Vec<String>),
    /// Adds a version, or names the equal one that exists.
    AddViewVersion(Raw),
    /// Makes a version current.
    SetCurrentViewVersion(i32),
}

impl ViewUpdate {
    /// Reads all updates of a commit, in order; members that are not known are ignored.
    ///
    /// # Errors
    /// `Unsupported` with the code `unsupported_update` for an unknown action, which it names; `Invalid` for a missing
    /// member, JSON beyond the limits, or more than 1 000.
    pub fn parse_all(raws: &[Box<RawValue>]) -> Result<Vec<Self>> {
        if raws.len() > UPDATES_MAX {
            return Err(invalid("the commit has too many updates"));
        }
        raws.iter().map(|raw| Self::parse(raw).map_err(about_a_view)).collect()
    }

    fn parse(raw: &RawValue) -> Result<Self> {
        check_json(raw.get().as_bytes(), PART_DEPTH_MAX)?;
        let object: RawObject = decode(raw, "the update")?;
        let action: String = take(&object, "action", "the update")?;
        let what = format!("the update `{action}`");
        Ok(match action.as_str() {
            "assign-uuid" => Self::AssignUuid(take(&object, "uuid", &what)?),
            "upgrade-format-version" => Self::UpgradeFormatVersion(take(&object, "format-version", &what)?),
            "add-schema" => Self::AddSchema(member(&object, "schema", &what)?),
            "set-location" => Self::SetLocation(take(&object, "location", &what)?),
            "set-properties" => Self::SetProperties(take(&object, "updates", &what)?),
            "remove-properties" => Self::RemoveProperties(take(&object, "removals", &what)?),
            "add-view-version" => Self::AddViewVersion(member(&object, "view-version", &what)?),
            "set-current-view-version" => Self::SetCurrentViewVersion(take(&object, "view-version-id", &what)?),
            other => {
                let message = format!("the update `{other}` is not supported for views");
                return Err(Error::unsupported("unsupported_update", message));
            }
        })
    }
}

fn member(object: &RawObject, name: &str, what: &str) -> Result<Raw> {
    object.get(name).cloned().ok_or_else(|| invalid(format!("{what} is not valid: `{name}` is missing")))
}

fn take<T: for<'a> Deserialize<'a>>(object: &RawObject, name: &str, what: &str) -> Result<T> {
    decode(member(object, name, what)?.as_ref(), &format!("`{name}` of {what}"))
}

/// Applies updates in order and returns the next document; `base` is `None` for a view being created.
///
/// Whether locations may be used and who may commit is not decided here.
///
/// # Errors
/// `Invalid` for everything that cannot be applied.
pub fn apply(base: Option<&ViewDoc>, updates: &[ViewUpdate], now: Micros) -> Result<ViewDoc> {
    let mut draft = Draft::of(base, now)?;
    updates.iter().try_for_each(|update| draft.apply(update)).map_err(about_a_view)?;
    draft.finish().map_err(about_a_view)
}

/// The next document in the making.
struct Draft {
    doc: ViewDoc,
    now: Micros,
    /// The dialects of the version that was current before.
    dialects_before: Option<BTreeSet<String>>,
    last_added_schema: Option<i32>,
    last_added_version: Option<i32>,
    added: HashSet<i32>,
    step: Option<Step>,
}

/// A step of the history.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Step {
    timestamp_ms: i64,
    version_id: i32,
}

impl Draft {
    fn of(base: Option<&ViewDoc>, now: Micros) -> Result<Self> {
        let mut draft = Self {
            doc: base.cloned().unwrap_or(ViewDoc { members: IndexMap::new() }),
            now,
            dialects_before: base
                .and_then(ViewDoc::current_version)
                .map(|version| version.dialects().into_iter().map(str::to_owned).collect()),
            last_added_schema: None,
            last_added_version: None,
            added: HashSet::new(),
            step: None,
        };
        if base.is_none() {
            draft.doc.set("format-version", &FORMAT_VERSION)?;
            draft.doc.members.insert("schemas".to_owned(), Member::Schemas(Vec::new()));
            draft.doc.members.insert("versions".to_owned(), Member::Versions(Vec::new()));
            draft.doc.members.insert("version-log".to_owned(), Member::Log(Vec::new()));
            draft.doc.members.insert("properties".to_owned(), Member::Properties(IndexMap::new()));
        }
        Ok(draft)
    }

    fn apply(&mut self, update: &ViewUpdate) -> Result<()> {
        match update {
            ViewUpdate::AssignUuid(uuid) => self.assign_uuid(uuid),
            ViewUpdate::UpgradeFormatVersion(FORMAT_VERSION) => Ok(()),
            ViewUpdate::UpgradeFormatVersion(version) => Err(invalid(format!(
                "view format version {version} is not supported, the only one is {FORMAT_VERSION}"
            ))),
            ViewUpdate::AddSchema(raw) => self.add_schema(raw.clone()),
            ViewUpdate::SetLocation(location) => {
                Location::parse(location)?;
                self.doc.set("location", location.strip_suffix('/').unwrap_or(location))
            }
            ViewUpdate::SetProperties(updates) => {
                let properties = self.properties_mut()?;
                for (name, text) in updates {
                    properties.insert(name.clone(), Property { raw: encode(text)?, text: Some(text.clone()) });
                }
                Ok(())
            }
            ViewUpdate::RemoveProperties(names) => {
                let names: HashSet<&str> = names.iter().map(String::as_str).collect();
                self.properties_mut()?.retain(|name, _| !names.contains(name.as_str()));
                Ok(())
            }
            ViewUpdate::AddViewVersion(raw) => self.add_version(raw),
            ViewUpdate::SetCurrentViewVersion(id) => self.set_current_version(*id),
        }
    }

    /// Only a view without a UUID, or with this one, takes it.
    // SECURITY: a changed UUID would make one view pass for another (`assert-view-uuid`).
    fn assign_uuid(&mut self, uuid: &str) -> Result<()> {
        let uuid: Uuid = uuid.parse().map_err(|_| invalid("the view's uuid is not valid"))?;
        match self.doc.view_uuid() {
            None => self.doc.set("view-uuid", &uuid),
            Some(existing) if existing == uuid => Ok(()),
            Some(_) => Err(Error::invalid("uuid_reassigned", "a view's uuid cannot be reassigned")),
        }
    }

    /// Adds a schema under the next id, or names the equal one that exists (Java's `reuseOrCreateNewSchemaId`).
    fn add_schema(&mut self, raw: Raw) -> Result<()> {
        let added = Schema::decode(raw)?;
        if added.fields_count() > COLUMNS_MAX {
            return Err(invalid(format!("the schema has more than {COLUMNS_MAX} columns, nested ones included")));
        }
        let Some(Member::Schemas(schemas)) = self.doc.members.get_mut("schemas") else {
            return Err(invalid("`schemas` is not a list"));
        };
        if let Some(equal) = schemas.iter().find(|schema| schema.fingerprint == added.fingerprint) {
            self.last_added_schema = Some(equal.view.schema_id);
            return Ok(());
        }
        let id = next_id(schemas.iter().map(|schema| schema.view.schema_id), 0)?;
        schemas.push(Arc::new(Schema::decode(with_member(&added.raw, "schema-id", &id)?)?));
        self.last_added_schema = Some(id);
        Ok(())
    }

    /// Adds a version under its own or the next id, or names the equal one that exists (Java's
    /// `reuseOrCreateNewViewVersionId`). Java only lets -1 mean a version that the same commit added; here it also means
    /// the equal one, so that a commit that is tried again on a newer base still says the same.
    fn add_version(&mut self, raw: &RawValue) -> Result<()> {
        let mut added = Version::decode(encode(raw)?)?;
        added.check_new()?;
        if added.schema_id == LAST_ADDED {
            let schema = self.last_added_schema;
            let schema = schema.ok_or_else(|| invalid("Cannot set last added schema: no schema has been added"))?;
            added = Version::decode(with_member(&added.raw, "schema-id", &schema)?)?;
        }
        if !self.doc.schemas().iter().any(|schema| schema.view.schema_id == added.schema_id) {
            return Err(invalid(format!("Cannot add version with unknown schema: {}", added.schema_id)));
        }
        let Some(Member::Versions(versions)) = self.doc.members.get_mut("versions") else {
            return Err(invalid("`versions` is not a list"));
        };
        if let Some(equal) = versions.iter().find(|version| version.fingerprint == added.fingerprint) {
            self.last_added_version = Some(equal.version_id);
            return Ok(());
        }
        let id = next_id(versions.iter().map(|version| version.version_id), added.version_id)?;
        if id != added.version_id {
            added = Version::decode(with_member(&added.raw, "version-id", &id)?)?;
        }
        versions.push(Arc::new(added));
        self.added.insert(id);
        self.last_added_version = Some(id);
        Ok(())
    }

    fn set_current_version(&mut self, id: i32) -> Result<()> {
        let id = match (id, self.last_added_version) {
            (LAST_ADDED, Some(added)) => added,
            (LAST_ADDED, None) => {
                return Err(invalid("Cannot set last version id: no current version id has been set"));
            }
            (id, _) => id,
        };
        if self.doc.current_version_id() == Some(id) {
            return Ok(());
        }
        let Some(version) = self.doc.version(id) else {
            return Err(invalid(format!("Cannot set current version to unknown version: {id}")));
        };
        // A version that was there before becomes current now, not when it was made.
        let timestamp_ms = if self.added.contains(&id) { version.timestamp_ms } else { self.now.millis() };
        self.step = Some(Step { timestamp_ms, version_id: id });
        self.doc.set("current-version-id", &id)
    }

    fn properties_mut(&mut self) -> Result<&mut IndexMap<String, Property>> {
        let member = self.doc.members.entry("properties".to_owned());
        let member = member.or_insert_with(|| Member::Properties(IndexMap::new()));
        if matches!(member, Member::Raw(_)) {
            *member = Member::Properties(IndexMap::new());
        }
        match member {
            Member::Properties(properties) => Ok(properties),
            _ => Err(invalid("`properties` is not an object")),
        }
    }

    fn finish(mut self) -> Result<ViewDoc> {
        if self.doc.versions().is_empty() {
            return Err(invalid("Invalid view: no versions were added"));
        }
        if let Some(step) = self.step.take() {
            let entry = LogEntry::decode(encode(&step)?)?;
            self.log_mut()?.push(Arc::new(entry));
        }
        self.check_dialects()?;
        self.expire()?;
        self.doc.validate()?;
        Ok(self.doc)
    }

    /// Refuses the loss of a dialect: an engine that reads the view in it would find nothing any more.
    fn check_dialects(&self) -> Result<()> {
        let (Some(before), Some(current)) = (&self.dialects_before, self.doc.current_version()) else {
            return Ok(());
        };
        let allowed = self.doc.property(DROP_DIALECT).is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
        let now = current.dialects();
        if allowed || before.iter().all(|dialect| now.contains(dialect.as_str())) {
            return Ok(());
        }
        Err(Error::invalid(
            "view_dialect_lost",
            format!(
                "Cannot replace view due to loss of view dialects ({DROP_DIALECT}=false): previous dialects: {before:?}, \
                 new dialects: {now:?}"
            ),
        ))
    }

    /// Forgets the oldest versions beyond the number that the view keeps, but none that this commit added and never the
    /// current one; the history begins after the last step to a forgotten one.
    fn expire(&mut self) -> Result<()> {
        let current = self.doc.current_version_id();
        let needed: HashSet<i32> = self.added.iter().copied().chain(current).collect();
        let kept_max = self.history_size()?.max(needed.len());
        if self.doc.versions().len() <= kept_max {
            return Ok(());
        }
        let mut ids: Vec<i32> = self.doc.versions().iter().map(|version| version.version_id).collect();
        // The current one first, then the newest, which have the highest ids.
        ids.sort_unstable_by_key(|id| (Some(*id) != current, std::cmp::Reverse(*id)));
        let kept: HashSet<i32> = ids.into_iter().take(kept_max).collect();
        if let Some(Member::Versions(versions)) = self.doc.members.get_mut("versions") {
            versions.retain(|version| kept.contains(&version.version_id));
        }
        let log = self.log_mut()?;
        let unknown = log.iter().rposition(|entry| !kept.contains(&entry.version_id));
        log.drain(..unknown.map_or(0, |place| place + 1));
        Ok(())
    }

    fn history_size(&self) -> Result<usize> {
        let Some(text) = self.doc.property(HISTORY_SIZE) else {
            return Ok(HISTORY_SIZE_DEFAULT);
        };
        let size: i32 =
            text.trim().parse().map_err(|_| invalid(format!("`{HISTORY_SIZE}` is not a number: {text}")))?;
        usize::try_from(size)
            .ok()
            .filter(|size| *size > 0)
            .ok_or_else(|| invalid(format!("{HISTORY_SIZE} must be positive but was {size}")))
    }

    fn log_mut(&mut self) -> Result<&mut Vec<Arc<LogEntry>>> {
        match self.doc.members.get_mut("version-log") {
            Some(Member::Log(log)) => Ok(log),
            _ => Err(Error::internal("a view without a version log").about(Subject::View)),
        }
    }
}

/// The id after the highest, at least `first`.
fn next_id(ids: impl Iterator<Item = i32>, first: i32) -> Result<i32> {
    let next = ids.max().map_or(Some(first), |highest| highest.checked_add(1));
    next.map(|id| id.max(first)).ok_or_else(|| invalid("the view has no ids left"))
}
