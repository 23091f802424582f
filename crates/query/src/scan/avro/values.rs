//! The records of a container, walked over before the library makes values of them.
//!
//! Everything is counted at what it will take there, also what takes no byte of the file (`null`, an empty record), and
//! how many items an array has before any of them. A value that ends early is refused: the library would make something
//! up for it.

use apache_avro::Schema;

use super::{Cursor, Kept};

/// What a value takes, without what it points at.
pub(super) const VALUE_BYTES: usize = 64;
/// What a record's field, or a map's entry, takes beside its value and its name.
const FIELD_BYTES: usize = 48;
/// Most memory of one record's values.
const RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most memory of all records that are kept as values.
const VALUES_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Most memory that all records would take as values, if less of each is kept. A full manifest of a table with a hundred
/// measured columns is near it.
const ENTRIES_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// A walk over the records of a container.
pub(super) struct Values<'a> {
    schema: &'a Schema,
    /// Memory that all records may still take.
    left: usize,
}

impl<'a> Values<'a> {
    pub(super) fn new(schema: &'a Schema, kept: Kept) -> Self {
        let left = match kept {
            Kept::Values => VALUES_BYTES_MAX,
            Kept::Entries => ENTRIES_BYTES_MAX,
        };
        Self { schema, left }
    }

    /// Walks over a block; false if it does not hold just these records, or more than may be.
    pub(super) fn take(&mut self, records: usize, data: &[u8]) -> bool {
        let mut input = Cursor(data);
        for _ in 0..records {
            let max = self.left.min(RECORD_BYTES_MAX);
            let mut record = Walk { input, left: max };
            if !matches!(self.schema, Schema::Record(_)) || record.value(self.schema).is_none() {
                return false;
            }
            self.left -= max - record.left;
            input = record.input;
        }
        input.0.is_empty()
    }
}

struct Walk<'a> {
    input: Cursor<'a>,
    left: usize,
}

impl Walk<'_> {
    fn spend(&mut self, bytes: usize) -> Option<()> {
        self.left = self.left.checked_sub(bytes)?;
        Some(())
    }

    /// Goes over one value. As deep as the schema, which holds no references.
    fn value(&mut self, schema: &Schema) -> Option<()> {
        self.spend(VALUE_BYTES)?;
        match schema {
            Schema::Null => Some(()),
            Schema::Boolean => self.fixed(1),
            Schema::Int
            | Schema::Long
            | Schema::Date
            | Schema::TimeMillis
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => self.input.long().map(drop),
            Schema::Float => self.fixed(4),
            Schema::Double => self.fixed(8),
            // As the library reads it: with its length, whatever the type beneath.
            Schema::Bytes | Schema::String | Schema::Uuid => self.sized(),
            Schema::Fixed(fixed) => self.fixed(fixed.size),
            Schema::Decimal(decimal) => self.value(&decimal.inner),
            Schema::Array(array) => self.items(|walk| walk.value(&array.items), VALUE_BYTES),
            Schema::Map(map) => {
                let entry = VALUE_BYTES + FIELD_BYTES;
                self.items(|walk| walk.sized().and_then(|()| walk.value(&map.types)), entry)
            }
            Schema::Union(union) => {
                let variant = self.input.length()?;
                self.value(union.variants().get(variant)?)
            }
            Schema::Record(record) => record.fields.iter().try_for_each(|field| {
                self.spend(FIELD_BYTES.checked_add(field.name.len())?)?;
                self.value(&field.schema)
            }),
            // The plain form has none of these.
            Schema::Enum(_) | Schema::BigDecimal | Schema::Duration | Schema::Ref { .. } => None,
        }
    }

    fn fixed(&mut self, length: usize) -> Option<()> {
        self.spend(length)?;
        self.input.bytes(length).map(drop)
    }

    fn sized(&mut self) -> Option<()> {
        let length = self.input.length()?;
        self.fixed(length)
    }

    /// The items of an array or map, block by block. Memory for a block is taken for all that it says to have.
    fn items(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>, each: usize) -> Option<()> {
        loop {
            let count = self.input.items()?;
            if count == 0 {
                return Some(());
            }
            self.spend(count.checked_mul(each)?)?;
            (0..count).try_for_each(|_| item(self))?;
        }
    }
}
