//! Days and years of the proleptic Gregorian calendar, for any number that a file may hold: no overflow, no panic.
//!
//! Source: the civil calendar algorithms of Howard Hinnant, with eras of 400 years counted from March.

/// Seconds of a day.
pub(super) const DAY_SECONDS: i128 = 86_400;
const ERA_DAYS: i128 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i128 = 719_468;

/// Days from 1970-01-01 to a date.
pub(super) fn days(year: i128, month: i128, day: i128) -> i128 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS
}

/// The date (year, month, day) that lies so many days after 1970-01-01.
pub(super) fn date(days: i128) -> (i128, i128, i128) {
    let shifted = days + EPOCH_DAYS;
    let (era, of_era) = (shifted.div_euclid(ERA_DAYS), shifted.rem_euclid(ERA_DAYS));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (year + era * 400 + i128::from(month <= 2), month, of_year - (153 * march + 2) / 5 + 1)
}

/// Days from 1970-01-01 to the first of a month that is counted from 1970-01.
pub(super) fn month_start(months: i128) -> i128 {
    days(1970 + months.div_euclid(12), months.rem_euclid(12) + 1, 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_dates() {
        let known = [(0, (1970, 1, 1)), (-1, (1969, 12, 31)), (11_016, (2000, 2, 29)), (19_782, (2024, 2, 29))];
        for (count, (year, month, day)) in known {
            assert_eq!((days(year, month, day), date(count)), (count, (year, month, day)));
        }
        assert_eq!((month_start(0), month_start(1), month_start(-1)), (0, 31, -31));
    }

    proptest! {
        #[test]
        fn there_and_back(count in any::<i64>()) {
            let (year, month, day) = date(i128::from(count));
            prop_assert!((1..=12).contains(&month) && (1..=31).contains(&day));
            prop_assert_eq!(days(year, month, day), i128::from(count));
        }
    }
}
