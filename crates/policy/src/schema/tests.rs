use proptest::prelude::*;

use super::*;
use crate::fixture::emp_schema;

/// Dates, times and instants in the single-value JSON forms of the Iceberg specification.
#[test]
fn dates_and_times_parse() {
    assert_eq!(parse_date("1970-01-01"), Some(0));
    assert_eq!(parse_date("2017-11-16"), Some(17_486));
    assert_eq!(parse_date("1969-12-31"), Some(-1));
    assert_eq!(parse_date("2000-02-29"), Some(11_016));
    assert_eq!(parse_date("9999-12-31"), Some(2_932_896));
    assert_eq!(parse_time("22:31:08.123456"), Some(81_068_123_456));
    assert_eq!(parse_time("22:31"), Some(81_060_000_000));
    assert_eq!(parse_timestamp("2017-11-16T22:31:08.123456"), Some(1_510_871_468_123_456));
    assert_eq!(parse_timestamp("2017-11-16T22:31:08.1+00:00"), Some(1_510_871_468_100_000));
    assert_eq!(parse_timestamp("1969-12-31T23:59:59.999999Z"), Some(-1));
}

/// What is no date or time is refused, never rounded to one.
#[test]
fn wrong_dates_and_times_are_refused() {
    for text in [
        "",
        "1900-02-29",
        "2001-02-29",
        "2024-13-01",
        "2024-00-10",
        "2024-04-31",
        "24-1-1",
        "2024-1-01",
        "+024-01-01",
        "2024-01-01 ",
        "2024-01-0x",
        "-2024-01-01",
    ] {
        assert_eq!(parse_date(text), None, "{text}");
    }
    for text in ["", "24:00", "12:60", "12:00:60", "1:00", "12:00:00.1234567", "12:00:00.-1", "12", "12:00:00Z"] {
        assert_eq!(parse_time(text), None, "{text}");
    }
    for text in ["2024-01-01", "2024-01-01 10:00", "2024-01-01T10:00+02:00", "2024-01-01T10:00ZZ", "T"] {
        assert_eq!(parse_timestamp(text), None, "{text}");
    }
}

/// Fields are found at every depth, and only those outside of lists and maps have one value a row.
#[test]
fn fields_are_found_with_their_way() {
    let schema = emp_schema();
    let names = |id| schema.path_to(id).iter().map(|f| f.name.as_str()).collect::<Vec<_>>();
    assert_eq!(names(8), ["info", "phone"]);
    assert_eq!(names(14), ["scores", "key"]);
    assert_eq!(names(1), ["id"]);
    assert!(names(99).is_empty());
    assert!(schema.row_field(8).is_some() && schema.row_field(7).is_some());
    assert!(schema.row_field(11).is_none() && schema.row_field(15).is_none() && schema.row_field(99).is_none());
    assert_eq!(schema.field_at(&["info".into(), "city".into()]).unwrap().id, 9);
    assert!(schema.field_at(&[]).is_none() && schema.field_at(&["info".into(), "nope".into()]).is_none());
}

/// S-033: a fixed value is one of its type, and a struct has one if each of its required fields has.
#[test]
fn fixed_values_fit_their_types() {
    use Primitive::{Boolean, Date, Decimal, Double, Float, Int, Long, String, Time, Timestamp, TimestampNs, Uuid};
    let types = [
        Boolean,
        Int,
        Long,
        Float,
        Double,
        Decimal { precision: 1, scale: 0 },
        Date,
        Time,
        String,
        Uuid,
        Timestamp { zoned: true },
        TimestampNs { zoned: false },
    ];
    for ty in types {
        assert!(ty.fixed_value().unwrap().fits(ty), "{ty:?}");
    }
    let holds = |required| {
        let inner = crate::fixture::field(2, "x", required, Primitive::Other);
        Field { id: 1, name: "s".into(), required: true, ty: FieldType::Struct(vec![inner]) }.has_fixed_value()
    };
    assert!(holds(false) && !holds(true));
}

proptest! {
    /// Every day of four centuries has its own number, and text of any kind does no harm.
    #[test]
    fn days_count_up(year in 1600_i64..2400, month in 1_i64..=12, day in 1_i64..=28, text in ".*") {
        let days = |day| parse_date(&format!("{year:04}-{month:02}-{day:02}")).unwrap();
        prop_assert_eq!(days(day), days(1) + i32::try_from(day).unwrap() - 1);
        let _ = (parse_date(&text), parse_time(&text), parse_timestamp(&text));
    }
}
