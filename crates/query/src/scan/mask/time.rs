//! Truncation of dates and timestamps to the start of their year or month, UTC, proleptic Gregorian.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, PrimitiveArray},
    datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType},
};

const MICROS_A_DAY: i64 = 86_400_000_000;
const NANOS_A_DAY: i64 = MICROS_A_DAY * 1_000;

/// What to truncate to.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Year,
    Month,
}

/// True for the types that can be truncated.
pub(super) fn applies(ty: &DataType) -> bool {
    matches!(ty, DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, _))
}

/// Truncates; what the type cannot hold becomes the smallest value that it can. `None` for another type.
pub(super) fn truncated(array: &ArrayRef, unit: Unit) -> Option<ArrayRef> {
    Some(match array.data_type() {
        DataType::Date32 => {
            let days: PrimitiveArray<Date32Type> = array
                .as_primitive::<Date32Type>()
                .unary(|day| i32::try_from(start(i64::from(day), unit)).unwrap_or(i32::MIN));
            Arc::new(days)
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let instants: PrimitiveArray<TimestampMicrosecondType> =
                array.as_primitive::<TimestampMicrosecondType>().unary(|micros| instant(micros, MICROS_A_DAY, unit));
            Arc::new(instants.with_timezone_opt(zone.clone()))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            let instants: PrimitiveArray<TimestampNanosecondType> =
                array.as_primitive::<TimestampNanosecondType>().unary(|nanos| instant(nanos, NANOS_A_DAY, unit));
            Arc::new(instants.with_timezone_opt(zone.clone()))
        }
        _ => return None,
    })
}

fn instant(units: i64, a_day: i64, unit: Unit) -> i64 {
    start(units.div_euclid(a_day), unit).checked_mul(a_day).unwrap_or(i64::MIN)
}

/// The first day of the day's year or month; both in days since 1970-01-01.
///
/// Years are counted from March, so that the leap day comes last: of the days before a month in such a year,
/// `(153 m + 2) / 5` are exact (Euclidean affine functions; Neri and Schneider, 2022).
fn start(day: i64, unit: Unit) -> i64 {
    const CYCLE_DAYS: i64 = 146_097;
    const CYCLE_YEARS: i64 = 400;
    let since = day + 719_468; // 0000-03-01
    let (cycle, day_of_cycle) = (since.div_euclid(CYCLE_DAYS), since.rem_euclid(CYCLE_DAYS));
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month = (5 * day_of_year + 2) / 153; // 0 = March
    match unit {
        Unit::Month => day - (day_of_year - (153 * month + 2) / 5),
        Unit::Year if month >= 10 => day - (day_of_year - 306), // January and February close the year of March
        Unit::Year => {
            let leap = |year: i64| year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
            let year = cycle * CYCLE_YEARS + year_of_cycle;
            day - day_of_year - 59 - i64::from(leap(year))
        }
    }
}
