//! Raw JSON pieces: limits, splitting and joining. Refuses deep JSON, repeated keys and over-large input
//! before anything is decoded.

use std::{borrow::Cow, collections::HashSet, fmt, sync::Arc};

use indexmap::IndexMap;
use polder_types::{Error, Result};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// Most bytes of a metadata document.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most levels of arrays and objects; below the 128 at which `serde_json` gives up.
pub const JSON_DEPTH_MAX: usize = 120;
/// Most levels of a part of a request: lower, since the document around it adds levels of its own.
pub(super) const PART_DEPTH_MAX: usize = JSON_DEPTH_MAX - 8;
/// Most entries of one list of the document (snapshots, log entries, …).
const LIST_ENTRIES_MAX: usize = 500_000;

/// A piece of JSON as it was written; cheap to clone.
pub type Raw = Arc<RawValue>;

/// Checks that a text is one JSON value of at most `depth_max` levels and without repeated keys.
///
/// # Errors
/// `Invalid` otherwise.
// SECURITY: every JSON text from outside passes here first; decoding below may recurse and trusts unique keys.
pub(super) fn check_json(text: &[u8], depth_max: usize) -> Result<()> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(too_large());
    }
    let mut json = serde_json::Deserializer::from_slice(text);
    let walked = Walk { room: depth_max }.deserialize(&mut json).and_then(|()| json.end());
    walked.map_err(|error| Error::invalid("invalid_json", format!("the JSON is not valid: {error}")))
}

/// Walks a value without keeping it.
struct Walk {
    room: usize,
}

impl Walk {
    fn below<E: serde::de::Error>(&self) -> Result<Self, E> {
        let room = self.room.checked_sub(1).ok_or_else(|| E::custom("it is nested too deeply"))?;
        Ok(Self { room })
    }
}

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self.below()?)?.is_some() {}
        self.below().map(drop)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key_seed(Key)? {
            if !keys.insert(key) {
                return Err(A::Error::custom("a key appears twice in one object"));
            }
            map.next_value_seed(self.below()?)?;
        }
        self.below().map(drop)
    }
}

/// An object's key, borrowed where it holds no escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }
    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// A list of raw entries, bounded so that `[0,0,0,…]` cannot grow far beyond its text.
pub(super) struct RawList(pub(super) Vec<Raw>);

impl<'de> Deserialize<'de> for RawList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = RawList;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawList, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = seq.next_element::<Box<RawValue>>()? {
                    if entries.len() == LIST_ENTRIES_MAX {
                        return Err(A::Error::custom("the list has too many entries"));
                    }
                    entries.push(Raw::from(entry));
                }
                Ok(RawList(entries))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// An object as an ordered map of raw members.
pub(super) type RawObject = IndexMap<String, Raw>;

/// Decodes a piece that [`check_json`] has passed.
///
/// # Errors
/// `Invalid`, saying which member is missing, if one is; Rust's own words go to the log only.
pub(super) fn decode<'a, T: Deserialize<'a>>(raw: &'a RawValue, what: &str) -> Result<T> {
    serde_json::from_str(raw.get()).map_err(|error| {
        let text = error.to_string();
        let missing = text.strip_prefix("missing field ").and_then(|rest| rest.split(" at ").next());
        let why = missing.map_or_else(|| "it has not the right shape".to_owned(), |name| format!("{name} is missing"));
        invalid(format!("{what} is not valid: {why}")).with_source(error)
    })
}

/// Encodes a value as a raw piece.
///
/// # Errors
/// `Internal` if it cannot be encoded (a map whose keys are not text).
pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Raw> {
    serde_json::value::to_raw_value(value).map(Raw::from).map_err(Error::internal)
}

/// Returns the object with one member set, everything else byte for byte as it was.
///
/// # Errors
/// `Invalid` if `raw` is not an object.
pub(super) fn with_member<T: Serialize + ?Sized>(raw: &RawValue, name: &str, value: &T) -> Result<Raw> {
    let mut object: RawObject = decode(raw, "the object")?;
    object.insert(name.to_owned(), encode(value)?);
    encode(&object)
}

/// True for a literal `null`.
pub(super) fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

/// An error for what would take more than [`DOCUMENT_BYTES_MAX`] bytes.
pub(super) fn too_large() -> Error {
    Error::invalid("metadata_too_large", "the table's metadata is larger than 64 MiB")
        .about(polder_types::Subject::Table)
}

/// An error about the document or about a piece of it.
pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Error {
    Error::invalid("invalid_metadata", message).about(polder_types::Subject::Table)
}
