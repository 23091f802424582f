//! The little that policies need to know of a table's schema.

use crate::Literal;

/// A primitive type, as far as literals and masks tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Primitive {
    /// `boolean`
    Boolean,
    /// `int`
    Int,
    /// `long`
    Long,
    /// `float`
    Float,
    /// `double`
    Double,
    /// `decimal(p, s)`
    Decimal {
        /// Digits.
        precision: u8,
        /// Digits after the point.
        scale: i8,
    },
    /// `date`: days since 1970-01-01
    Date,
    /// `time`: microseconds since midnight
    Time,
    /// `timestamp` and `timestamptz`: microseconds since the epoch
    Timestamp {
        /// True for `timestamptz`.
        zoned: bool,
    },
    /// `timestamp_ns` and `timestamptz_ns`: nanoseconds since the epoch
    TimestampNs {
        /// True for `timestamptz_ns`.
        zoned: bool,
    },
    /// `string`
    String,
    /// `uuid`
    Uuid,
    /// `fixed(n)`
    Fixed(u64),
    /// `binary`
    Binary,
    /// Anything else: it can be hidden or nulled, never compared.
    Other,
}

/// The type of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// A primitive.
    Primitive(Primitive),
    /// A struct.
    Struct(Vec<Field>),
    /// A list; its element is a field of its own.
    List(Box<Field>),
    /// A map; key and value are fields of their own.
    Map(Box<Field>, Box<Field>),
}

/// A field with its Iceberg id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The field id.
    pub id: i32,
    /// Its name; `element`, `key`, `value` inside lists and maps.
    pub name: String,
    /// True if it cannot be null.
    pub required: bool,
    /// Its type.
    pub ty: FieldType,
}

impl Primitive {
    /// What `mask-to-fixed-value` shows: zero, the epoch, and `XXXXXXXX` for text. `None` for `binary` (no bytes),
    /// `fixed(n)` (n zero bytes) and types without one (`Other`).
    ///
    /// Source: Iceberg REST, `read-restrictions`; its early drafts had 999999999 and 9999-12-31.
    #[must_use]
    pub fn fixed_value(self) -> Option<Literal> {
        Some(match self {
            Self::Boolean => Literal::Bool(false),
            Self::Int | Self::Long => Literal::Long(0),
            Self::Float | Self::Double => Literal::Double(0.0),
            Self::Decimal { scale, .. } => Literal::Decimal { unscaled: 0, scale },
            Self::Date => Literal::Date(0),
            Self::Time => Literal::Time(0),
            Self::Timestamp { .. } => Literal::Timestamp(0),
            Self::TimestampNs { .. } => Literal::TimestampNs(0),
            Self::String => Literal::Text("XXXXXXXX".to_owned()),
            Self::Uuid => Literal::Uuid(uuid::Uuid::nil()),
            Self::Fixed(_) | Self::Binary | Self::Other => return None,
        })
    }
}

impl Field {
    /// True if `mask-to-fixed-value` is defined for it: lists and maps become empty, structs are filled field by
    /// field (an optional field of a type without a fixed value becomes null).
    #[must_use]
    pub fn has_fixed_value(&self) -> bool {
        match &self.ty {
            FieldType::Primitive(primitive) => *primitive != Primitive::Other,
            FieldType::List(_) | FieldType::Map(..) => true,
            FieldType::Struct(fields) => fields.iter().all(|field| !field.required || field.has_fixed_value()),
        }
    }

    /// The fields directly inside.
    pub fn children(&self) -> impl Iterator<Item = &Self> {
        let (many, one, two): (&[Self], Option<&Self>, Option<&Self>) = match &self.ty {
            FieldType::Primitive(_) => (&[], None, None),
            FieldType::Struct(fields) => (fields, None, None),
            FieldType::List(element) => (&[], Some(element), None),
            FieldType::Map(key, value) => (&[], Some(key), Some(value)),
        };
        many.iter().chain(one).chain(two)
    }
}

/// A table's schema.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Schema {
    /// The top-level fields.
    pub fields: Vec<Field>,
}

impl Schema {
    /// The field at a path of names.
    #[must_use]
    pub fn field_at(&self, path: &[String]) -> Option<&Field> {
        let (first, rest) = path.split_first()?;
        let mut field = self.fields.iter().find(|f| &f.name == first)?;
        for name in rest {
            field = field.children().find(|f| &f.name == name)?;
        }
        Some(field)
    }

    /// The field with an id and those around it, outermost first; empty if there is none.
    #[must_use]
    pub fn path_to(&self, id: i32) -> Vec<&Field> {
        fn find<'a>(field: &'a Field, id: i32, path: &mut Vec<&'a Field>) -> bool {
            path.push(field);
            let found = field.id == id || field.children().any(|child| find(child, id, path));
            if !found {
                path.pop();
            }
            found
        }
        let mut path = Vec::new();
        self.fields.iter().any(|field| find(field, id, &mut path));
        path
    }

    /// The field with an id if each row has one value of it: not inside a list or map.
    pub(crate) fn row_field(&self, id: i32) -> Option<&Field> {
        let path = self.path_to(id);
        let (last, around) = path.split_last()?;
        around.iter().all(|field| matches!(field.ty, FieldType::Struct(_))).then_some(*last)
    }

    /// The field with an id, at any depth.
    #[must_use]
    pub fn field(&self, id: i32) -> Option<&Field> {
        fn find(field: &Field, id: i32) -> Option<&Field> {
            if field.id == id { Some(field) } else { field.children().find_map(|child| find(child, id)) }
        }
        self.fields.iter().find_map(|field| find(field, id))
    }
}

/// Days since 1970-01-01 of `YYYY-MM-DD` (proleptic Gregorian).
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if year.len() != 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    days_from_civil(digits(year)?, digits(month)?, digits(day)?)
}

/// Microseconds since midnight of `HH:MM[:SS[.ffffff]]`.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next().unwrap_or("00"));
    let (second, fraction) = second.split_once('.').unwrap_or((second, ""));
    if hour.len() != 2 || minute.len() != 2 || second.len() != 2 || fraction.len() > 6 {
        return None;
    }
    let micros = if fraction.is_empty() { 0 } else { digits(&format!("{fraction:0<6}"))? };
    let (hour, minute, second) = (digits(hour)?, digits(minute)?, digits(second)?);
    (hour < 24 && minute < 60 && second < 60).then(|| ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

/// Microseconds since the epoch of `YYYY-MM-DDTHH:MM[:SS[.ffffff]]`, with nothing, `Z` or `+00:00` behind.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let plain = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")).unwrap_or(text);
    let (date, time) = plain.split_once('T')?;
    i64::from(parse_date(date)?).checked_mul(86_400_000_000)?.checked_add(parse_time(time)?)
}

fn digits(text: &str) -> Option<i64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Howard Hinnant's `days_from_civil`, with the day checked against its month.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted - era * 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(era * 146_097 + day_of_era - 719_468).ok()
}

#[cfg(test)]
mod tests;
