use iceberg::spec::Datum;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const TYPES: [PrimitiveType; 14] = [
    PrimitiveType::Boolean,
    PrimitiveType::Int,
    PrimitiveType::Long,
    PrimitiveType::Double,
    PrimitiveType::Decimal { precision: 38, scale: 4 },
    PrimitiveType::Date,
    PrimitiveType::Time,
    PrimitiveType::Timestamp,
    PrimitiveType::Timestamptz,
    PrimitiveType::TimestampNs,
    PrimitiveType::TimestamptzNs,
    PrimitiveType::String,
    PrimitiveType::Uuid,
    PrimitiveType::Binary,
];

fn literal(ty: &PrimitiveType, number: i64, text: &str) -> PrimitiveLiteral {
    use PrimitiveType as T;
    match ty {
        T::Boolean => PrimitiveLiteral::Boolean(number > 0),
        T::Int => PrimitiveLiteral::Int(number as i32),
        T::Date => PrimitiveLiteral::Int((number % 1_000_000) as i32),
        T::Time => PrimitiveLiteral::Long(number.rem_euclid(86_400_000_000)),
        T::Long => PrimitiveLiteral::Long(number),
        // Years of four digits.
        T::Timestamp | T::Timestamptz => PrimitiveLiteral::Long(number % 60_000_000_000_000_000),
        T::TimestampNs | T::TimestamptzNs => PrimitiveLiteral::Long(number),
        T::Double => PrimitiveLiteral::Double((number as f64 / 8.0).into()),
        T::Decimal { .. } => PrimitiveLiteral::Int128(i128::from(number)),
        T::String => PrimitiveLiteral::String(text.to_owned()),
        T::Uuid => PrimitiveLiteral::UInt128(number as u128),
        _ => PrimitiveLiteral::Binary(text.as_bytes().to_vec()),
    }
}

proptest! {
    /// What is written is what is read again.
    #[test]
    fn there_and_back(number in any::<i64>(), small in -3000..3000_i64, text in ".{0,9}", ty in 0..TYPES.len()) {
        let ty = &TYPES[ty];
        for number in [number, small] {
            let literal = literal(ty, number, &text);
            let json = written(&literal, ty).unwrap();
            if json.as_str().is_some_and(|text| text.starts_with('+') || text.starts_with('-')) && *ty == PrimitiveType::Date {
                continue; // a year of another length: written for who can read it
            }
            prop_assert_eq!(read(&json, ty), Value::of(&literal, ty), "{} {}", ty, json);
        }
    }

    /// No text makes it panic.
    #[test]
    fn any_text(text in r"[-+0-9TZ:.eE]{0,40}|\PC{0,20}", ty in 0..TYPES.len()) {
        let _ = read(&json!(text), &TYPES[ty]);
    }
}

/// The examples of the specification, and what clients send beside them.
#[test]
fn as_the_specification_writes_them() {
    use PrimitiveType as T;
    let decimal = T::Decimal { precision: 9, scale: 4 };
    for (ty, json, value) in [
        (&decimal, json!("123.4500"), Value::Number(1_234_500)),
        (&decimal, json!("2"), Value::Number(20_000)),
        (&decimal, json!("2E+3"), Value::Number(20_000_000)),
        (&decimal, json!(-7), Value::Number(-70_000)),
        (&T::Date, json!("2007-12-03"), Value::Number(13_850)),
        (&T::Date, json!(13_850), Value::Number(13_850)),
        (&T::Time, json!("22:31:08.123456"), Value::Number(81_068_123_456)),
        (&T::Timestamp, json!("2007-12-03T10:15:30.123456"), Value::Number(1_196_676_930_123_456)),
        (&T::Timestamp, json!("2007-12-03T10:15"), Value::Number(1_196_676_900_000_000)),
        (&T::Timestamptz, json!("2007-12-03T10:15:30.123456+00:00"), Value::Number(1_196_676_930_123_456)),
        (&T::Timestamptz, json!("2007-12-03T11:15:30.123456+01:00"), Value::Number(1_196_676_930_123_456)),
        (&T::TimestampNs, json!("2007-12-03T10:15:30.123456789"), Value::Number(1_196_676_930_123_456_789)),
        (&T::Fixed(3), json!("78797A"), Value::Bytes(b"xyz".to_vec())),
        (&T::Float, json!(3), Value::Real(3.0)),
    ] {
        assert_eq!(read(&json, ty), Some(value), "{ty} {json}");
    }
}

/// Each type takes its own values only.
#[test]
fn others_are_refused() {
    use PrimitiveType as T;
    let decimal = T::Decimal { precision: 9, scale: 2 };
    for (ty, json) in [
        (&T::Int, json!("1")),
        (&T::Int, json!(1.5)),
        (&T::Long, json!(18_446_744_073_709_551_615_u64)),
        (&T::Boolean, json!("true")),
        (&T::String, json!(1)),
        (&T::String, json!(null)),
        (&decimal, json!("1.234")),
        (&decimal, json!("1e999999999")),
        (&decimal, json!("1e99999999999")),
        (&decimal, json!("--1")),
        (&decimal, json!(".")),
        (&decimal, json!(1.5)),
        (&T::Date, json!("2023-02-29")),
        (&T::Date, json!("2023-13-01")),
        (&T::Date, json!("2023-1-1")),
        (&T::Time, json!("24:00:00")),
        (&T::Time, json!("01:02:03.1234567")),
        (&T::Timestamp, json!("2007-12-03T10:15:30+00:00")),
        (&T::Timestamptz, json!("2007-12-03T10:15:30")),
        (&T::Timestamp, json!("2007-12-03")),
        (&T::Uuid, json!("eb26bdb1a1d84aa6990eda940875492c")),
        (&T::Fixed(3), json!("7879")),
        (&T::Binary, json!("7")),
        (&T::Binary, json!("+7")),
        (&T::Double, json!("NaN")),
    ] {
        assert_eq!(read(&json, ty), None, "{ty} {json}");
    }
}

#[test]
fn what_json_has_no_word_for() {
    let written = |real: f64| written(Datum::double(real).literal(), &PrimitiveType::Double).unwrap();
    assert_eq!(
        [written(f64::NAN), written(f64::INFINITY), written(1.5)],
        [json!("NaN"), json!("Infinity"), json!(1.5)]
    );
}
