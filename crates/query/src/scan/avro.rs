//! Avro containers that a table's writer made, made anew for the library that parses them.
//!
//! SECURITY: the library (`apache-avro`, under `iceberg`) trusts a container: it inflates without bound, takes memory for
//! as many items as a block says that it has, follows the file's own schema however that is made, and ends at the first
//! empty block. So a container is read here first. What comes out holds the same schema in its plainest form (`schema`),
//! the same user metadata and the same records, each of them counted (`values`), in blocks that are not compressed: a
//! few kilobytes of hostile file cannot become gigabytes.
//!
//! Refuses what no manifest has: recursive types, enumerations, other codecs than the four that writers use.

mod schema;
mod values;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{self, Read},
};

use apache_avro::{Schema, util::max_allocation_bytes};
use polder_types::Error;

use super::error::unreadable;
use values::Values;

/// Most bytes that a container inflates to.
pub(super) const INFLATED_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most bytes of a container's own header: schemas and specs as JSON.
const HEADER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most bytes of the Avro schema.
const SCHEMA_BYTES_MAX: usize = 1024 * 1024;
/// Most bytes of a partition spec, which is checked field by field against all others.
const SPEC_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of all full names of a table's schema: a field's includes those of all that it lies in.
const NAMES_BYTES_MAX: usize = 64 * 1024 * 1024;

const MAGIC: &[u8] = b"Obj\x01";
const MARKER_BYTES: usize = 16;

/// What the library keeps of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// All records at once, as values: a list of manifests.
    Values,
    /// One record at a time, of which less stays: a manifest.
    Entries,
}

/// A container that the library may read.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) bytes: Vec<u8>,
    /// How many bytes its records take.
    pub(super) inflated: u64,
    pub(super) records: usize,
}

/// Reads a container and makes it anew.
///
/// # Errors
/// The opaque error for whatever is not as it should be, or larger than the limits.
pub(super) fn opened(container: &[u8], kept: Kept) -> Result<Opened, Error> {
    // The library's own limit of one allocation. It may have been set before, to no more than its default.
    max_allocation_bytes(usize::try_from(INFLATED_BYTES_MAX).unwrap_or(usize::MAX));
    let mut input = Cursor(container);
    let header = Header::read(&mut input).ok_or_else(|| unreadable("an avro header cannot be read"))?;
    let schema = header.schema().ok_or_else(|| unreadable("an avro schema is none that we read"))?;
    let parsed = Schema::parse(&schema).map_err(unreadable)?;
    let mut opened = Opened { bytes: header.written(&schema), inflated: 0, records: 0 };
    let mut values = Values::new(&parsed, kept);
    while !input.0.is_empty() {
        let block = input.block(&header.marker).ok_or_else(|| unreadable("an avro block cannot be read"))?;
        let left = INFLATED_BYTES_MAX.saturating_sub(opened.inflated);
        let data = inflated(&header.codec, block.data, left).map_err(unreadable)?;
        if !values.take(block.records, &data) {
            return Err(unreadable("an avro block holds more than we read, or something else than it says"));
        }
        opened.inflated = opened.inflated.saturating_add(data.len() as u64);
        opened.records = opened.records.saturating_add(block.records);
        // The library would end here, and files that follow would be gone from the table.
        if block.records > 0 {
            write_long(&mut opened.bytes, block.records);
            write_bytes(&mut opened.bytes, &data);
            opened.bytes.extend_from_slice(&header.marker);
        }
    }
    Ok(opened)
}

/// What is not read yet.
struct Cursor<'a>(&'a [u8]);

struct Block<'a> {
    records: usize,
    data: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number as Avro writes it. Not longer than need be: the library lets the bits of a longer one fall.
    fn long(&mut self) -> Option<i64> {
        let mut bits = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.bytes(1)? else { return None };
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return None;
            }
            bits |= part << shift;
            if byte & 0x80 == 0 {
                let negative = 0_i64.wrapping_sub(i64::try_from(bits & 1).ok()?);
                return Some(i64::try_from(bits >> 1).ok()? ^ negative);
            }
        }
        None
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.long()?).ok()
    }

    /// Bytes with their length before them.
    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.bytes(length)
    }

    /// How many items the next block of an array or map has; 0 at its end.
    fn items(&mut self) -> Option<usize> {
        let count = self.long()?;
        if count < 0 {
            self.length()?; // how many bytes; for who would leap over them
        }
        usize::try_from(count.checked_abs()?).ok()
    }

    fn block(&mut self, marker: &[u8]) -> Option<Block<'a>> {
        let records = self.length()?;
        let data = self.sized()?;
        (self.bytes(MARKER_BYTES)? == marker).then_some(Block { records, data })
    }
}

/// The head of a container.
struct Header {
    schema: serde_json::Value,
    codec: Vec<u8>,
    /// What is not Avro's own.
    user: BTreeMap<String, Vec<u8>>,
    marker: Vec<u8>,
}

impl Header {
    fn read(input: &mut Cursor<'_>) -> Option<Self> {
        if input.bytes(MAGIC.len())? != MAGIC {
            return None;
        }
        let (mut entries, mut left) = (BTreeMap::new(), HEADER_BYTES_MAX);
        loop {
            let count = input.items()?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                let (key, value) = (input.sized()?, input.sized()?);
                // One more, so that no count of empty entries goes on for long.
                left = left.checked_sub(key.len() + value.len() + 1)?;
                entries.insert(String::from_utf8(key.to_vec()).ok()?, value.to_vec());
            }
        }
        let schema = entries.remove("avro.schema").filter(|text| text.len() <= SCHEMA_BYTES_MAX)?;
        let codec = entries.remove("avro.codec").unwrap_or_default();
        entries.retain(|key, _| !key.starts_with("avro."));
        let marker = input.bytes(MARKER_BYTES)?.to_vec();
        let header = Self { schema: serde_json::from_slice(&schema).ok()?, codec, user: entries, marker };
        header.is_bounded().then_some(header)
    }

    /// True if what the library makes of the user metadata stays small.
    fn is_bounded(&self) -> bool {
        let spec = self.user.get("partition-spec").is_none_or(|spec| spec.len() <= SPEC_BYTES_MAX);
        let names = self.user.get("schema").is_none_or(|text| {
            let names = serde_json::from_slice(text).ok().and_then(|schema| schema::names_bytes(&schema));
            names.is_some_and(|bytes| bytes <= NAMES_BYTES_MAX)
        });
        spec && names
    }

    fn schema(&self) -> Option<serde_json::Value> {
        schema::plain(&self.schema)
    }

    fn written(&self, schema: &serde_json::Value) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        write_long(&mut out, self.user.len() + 1);
        write_bytes(&mut out, b"avro.schema");
        write_bytes(&mut out, schema.to_string().as_bytes());
        for (key, value) in &self.user {
            write_bytes(&mut out, key.as_bytes());
            write_bytes(&mut out, value);
        }
        write_long(&mut out, 0);
        out.extend_from_slice(&self.marker);
        out
    }
}

fn write_long(out: &mut Vec<u8>, value: usize) {
    let mut bits = (value as u64) << 1;
    while bits > 0x7f {
        out.push((bits & 0x7f) as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_long(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// A block's bytes as they were before they were compressed, at most `max`.
fn inflated<'a>(codec: &[u8], data: &'a [u8], max: u64) -> io::Result<Cow<'a, [u8]>> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    match codec {
        b"" | b"null" if data.len() as u64 <= max => Ok(Cow::Borrowed(data)),
        b"deflate" => bounded(flate2::read::DeflateDecoder::new(data), max),
        b"zstandard" => bounded(zstd::stream::read::Decoder::new(data)?, max),
        b"snappy" => {
            let (body, sum) = data.split_last_chunk::<4>().ok_or_else(wrong)?;
            // What it says that it inflates to is what its decoder takes memory for.
            if snap::raw::decompress_len(body).map_err(io::Error::other)? as u64 > max {
                return Err(wrong());
            }
            let whole = snap::raw::Decoder::new().decompress_vec(body).map_err(io::Error::other)?;
            if crc32fast::hash(&whole).to_be_bytes() == *sum { Ok(Cow::Owned(whole)) } else { Err(wrong()) }
        }
        _ => Err(wrong()),
    }
}

fn bounded<'a>(reader: impl Read, max: u64) -> io::Result<Cow<'a, [u8]>> {
    let mut whole = Vec::new();
    reader.take(max.saturating_add(1)).read_to_end(&mut whole)?;
    if whole.len() as u64 > max { Err(io::ErrorKind::InvalidData.into()) } else { Ok(Cow::Owned(whole)) }
}

#[cfg(test)]
mod tests;
