//! Values in JSON, as the REST specification writes them: those of a filter are read, those of files are written.
//!
//! Refuses what is not of the column's type, and what the type cannot hold exactly.

use iceberg::spec::{PrimitiveLiteral, PrimitiveType};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{
    calendar::{DAY_SECONDS, date, days},
    value::Value,
};

/// Most digits of a decimal.
const DIGITS_MAX: usize = 60;

/// Reads a value of a column; `None` if it is not one.
pub(super) fn read(json: &Json, ty: &PrimitiveType) -> Option<Value> {
    use PrimitiveType as T;
    let text = json.as_str();
    let whole = || json.as_i64().map(|number| Value::Number(i128::from(number)));
    Some(match ty {
        T::Boolean => Value::Bool(json.as_bool()?),
        T::Int | T::Long => whole()?,
        T::Float | T::Double => Value::Real(json.as_f64().filter(|real| real.is_finite())?),
        T::Decimal { scale, .. } => match text {
            Some(text) => Value::Number(decimal(text, *scale)?),
            None => Value::Number(decimal(&json.as_i64()?.to_string(), *scale)?),
        },
        T::Date => text.map_or_else(whole, |text| Some(Value::Number(day(text)?)))?,
        T::Time => text.map_or_else(whole, |text| Some(Value::Number(clock(text, 6)?)))?,
        T::Timestamp => text.map_or_else(whole, |text| Some(Value::Number(instant(text, 6, false)?)))?,
        T::Timestamptz => text.map_or_else(whole, |text| Some(Value::Number(instant(text, 6, true)?)))?,
        T::TimestampNs => text.map_or_else(whole, |text| Some(Value::Number(instant(text, 9, false)?)))?,
        T::TimestamptzNs => text.map_or_else(whole, |text| Some(Value::Number(instant(text, 9, true)?)))?,
        T::String => Value::Text(text?.to_owned()),
        T::Uuid => Value::Bytes(text?.parse::<Uuid>().ok().filter(|_| json_len(json) == 36)?.as_bytes().to_vec()),
        T::Fixed(length) => Value::Bytes(bytes(text?).filter(|bytes| bytes.len() as u64 == *length)?),
        T::Binary => Value::Bytes(bytes(text?)?),
    })
}

fn json_len(json: &Json) -> usize {
    json.as_str().map_or(0, str::len)
}

/// An unscaled value: `123.4500`, `-2`, `2E+20`.
fn decimal(text: &str, scale: u32) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || all.len() > DIGITS_MAX || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut unscaled = all.parse::<i128>().ok()?;
    let mut shift =
        i32::try_from(scale).ok()?.checked_add(exponent)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    while shift != 0 && unscaled != 0 {
        if shift > 0 {
            unscaled = unscaled.checked_mul(10)?;
            shift -= 1;
        } else if unscaled % 10 == 0 {
            unscaled /= 10;
            shift += 1;
        } else {
            return None; // more digits than the column has
        }
    }
    Some(if negative { -unscaled } else { unscaled })
}

fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i128> {
    let fine = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| fine)
}

fn day(text: &str) -> Option<i128> {
    let mut parts = text.split('-');
    let (year, month, of_month) = (parts.next()?, parts.next()?, parts.next()?);
    let (year, month, of_month) = (number(year, 4..=4)?, number(month, 2..=2)?, number(of_month, 2..=2)?);
    let count = days(year, month, of_month);
    (parts.next().is_none() && (1..=12).contains(&month) && date(count) == (year, month, of_month)).then_some(count)
}

/// A time of day in units of so many decimal places of a second.
fn clock(text: &str, places: usize) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.split(':');
    let (hour, minute) = (number(parts.next()?, 2..=2)?, number(parts.next()?, 2..=2)?);
    let second = parts.next().map_or(Some(0), |second| number(second, 2..=2))?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let given = number(fraction, 1..=9)?;
    let nanos = given * 10_i128.pow(u32::try_from(9 - fraction.len()).ok()?);
    let step = 10_i128.pow(u32::try_from(9 - places).ok()?);
    let unit = 10_i128.pow(u32::try_from(places).ok()?);
    (nanos % step == 0).then_some(((hour * 60 + minute) * 60 + second) * unit + nanos / step)
}

fn instant(text: &str, places: usize, zoned: bool) -> Option<i128> {
    let unit = 10_i128.pow(u32::try_from(places).ok()?);
    let (on, at) = text.split_once('T')?;
    let (at, offset) = match at.find(['+', '-', 'Z']) {
        Some(place) if zoned => at.split_at(place),
        None if !zoned => (at, "Z"),
        _ => return None,
    };
    let offset = match offset.split_at(1) {
        ("Z", "") => 0,
        ("+", ahead) => clock(ahead, places)?,
        ("-", behind) => -clock(behind, places)?,
        _ => return None,
    };
    Some(day(on)? * DAY_SECONDS * unit + clock(at, places)? - offset)
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pair = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u8::from_str_radix(pair, 16).ok()
    };
    digits.len().is_multiple_of(2).then(|| digits.chunks_exact(2).map(pair).collect())?
}

/// Bytes as the specification writes them: upper-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Writes a stored value of a type; `None` if it is not one.
pub(super) fn written(literal: &PrimitiveLiteral, ty: &PrimitiveType) -> Option<Json> {
    use PrimitiveType as T;
    Some(match (Value::of(literal, ty)?, ty) {
        (Value::Bool(value), _) => Json::Bool(value),
        (Value::Number(value), T::Int | T::Long) => Json::from(i64::try_from(value).ok()?),
        (Value::Number(value), T::Decimal { scale, .. }) => Json::String(plain(value, *scale as usize)),
        (Value::Number(value), T::Date) => Json::String(day_text(value)),
        (Value::Number(value), T::Time) => Json::String(clock_text(value, 6)),
        (Value::Number(value), T::Timestamp) => Json::String(instant_text(value, 6)),
        (Value::Number(value), T::Timestamptz) => Json::String(instant_text(value, 6) + "+00:00"),
        (Value::Number(value), T::TimestampNs) => Json::String(instant_text(value, 9)),
        (Value::Number(value), T::TimestamptzNs) => Json::String(instant_text(value, 9) + "+00:00"),
        (Value::Number(_), _) => return None,
        // JSON has no word for them; Java writes and reads these.
        (Value::Real(value), _) if value.is_nan() => Json::from("NaN"),
        (Value::Real(value), _) if value.is_infinite() => {
            Json::from(if value > 0.0 { "Infinity" } else { "-Infinity" })
        }
        (Value::Real(value), T::Float) => (value as f32).to_string().parse().ok()?,
        (Value::Real(value), _) => Json::from(value),
        (Value::Text(value), _) => Json::String(value),
        (Value::Bytes(value), T::Uuid) => Json::String(Uuid::from_slice(&value).ok()?.to_string()),
        (Value::Bytes(value), _) => Json::String(hex(&value)),
    })
}

fn plain(unscaled: i128, scale: usize) -> String {
    let (sign, digits) = (if unscaled < 0 { "-" } else { "" }, unscaled.unsigned_abs().to_string());
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

fn day_text(count: i128) -> String {
    let (year, month, day) = date(count);
    // ISO 8601 wants a sign before a year of another length.
    let year = if (0..=9_999).contains(&year) { format!("{year:04}") } else { format!("{year:+05}") };
    format!("{year}-{month:02}-{day:02}")
}

fn clock_text(value: i128, places: usize) -> String {
    let unit = 10_i128.pow(u32::try_from(places).unwrap_or(0));
    let (seconds, fraction) = (value.div_euclid(unit), value.rem_euclid(unit));
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02}.{fraction:0places$}")
}

fn instant_text(value: i128, places: usize) -> String {
    let day = DAY_SECONDS * 10_i128.pow(u32::try_from(places).unwrap_or(0));
    format!("{}T{}", day_text(value.div_euclid(day)), clock_text(value.rem_euclid(day), places))
}

#[cfg(test)]
mod tests;
