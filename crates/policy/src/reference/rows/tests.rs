use super::*;

fn text(value: &str) -> Scalar {
    Scalar::Value(Literal::Text(value.into()))
}

fn shown(action: MaskAction, value: Scalar, ty: Primitive) -> Scalar {
    let hash = |action: MaskAction, _: &Scalar| text(action.as_str());
    mask_value(&BoundMask::Action(action), 1, ty, &Row::from([(1, value)]), &hash)
}

/// S-033: the nine actions of Iceberg's read restrictions, on the cases that tell them apart.
#[test]
fn the_nine_actions_do_as_specified() {
    use MaskAction as A;
    for (action, value, expected) in [
        (A::MaskAlphanum, "prashant010696@gmail.com", "xxxxxxxxnnnnnn@xxxxx.xxx"),
        (A::MaskAlphanum, "(1) a-b, ü٣ _", "(n)xx-x,xxxxx"),
        (A::ShowFirst4, "1234", "1234"),
        (A::ShowFirst4, "12345-a", "1234n-x"),
        (A::ShowLast4, "é1234", "x1234"),
        (A::ShowLast4, "123", "123"),
        (A::ShowLast4, "666-66-6666", "nnn-nn-6666"),
        (A::MaskToFixedValue, "secret", "XXXXXXXX"),
        (A::Sha256Global, "a", "sha-256-global"),
        (A::Sha256QueryLocal, "a", "sha-256-query-local"),
    ] {
        assert_eq!(shown(action, text(value), Primitive::String), text(expected), "{action:?}");
    }
    assert_eq!(shown(A::ReplaceWithNull, text("a"), Primitive::String), Scalar::Null);
    for action in A::ALL {
        let expected = if action == A::MaskToFixedValue { text("XXXXXXXX") } else { Scalar::Null };
        assert_eq!(shown(action, Scalar::Null, Primitive::String), expected, "{action:?} of null");
    }
}

/// S-033: cutting to year and month is the floor in UTC, before the epoch too, and cannot overflow.
#[test]
fn truncation_is_the_floor() {
    let date = |text: &str| crate::schema::parse_date(text).unwrap();
    for (day, month, year) in [
        ("2024-02-29", "2024-02-01", "2024-01-01"),
        ("1969-12-31", "1969-12-01", "1969-01-01"),
        ("1970-01-01", "1970-01-01", "1970-01-01"),
        ("2000-12-31", "2000-12-01", "2000-01-01"),
        ("1900-03-01", "1900-03-01", "1900-01-01"),
        ("0001-01-01", "0001-01-01", "0001-01-01"),
    ] {
        let cut = |action| shown(action, Scalar::Value(Literal::Date(date(day))), Primitive::Date);
        assert_eq!(cut(MaskAction::TruncateToMonth), Scalar::Value(Literal::Date(date(month))), "{day}");
        assert_eq!(cut(MaskAction::TruncateToYear), Scalar::Value(Literal::Date(date(year))), "{day}");
    }
    let instant = |text: &str| crate::schema::parse_timestamp(text).unwrap();
    let ty = Primitive::Timestamp { zoned: true };
    let cut = |value| shown(MaskAction::TruncateToYear, Scalar::Value(Literal::Timestamp(value)), ty);
    assert_eq!(cut(-1), Scalar::Value(Literal::Timestamp(instant("1969-01-01T00:00"))));
    assert_eq!(cut(i64::MIN), Scalar::Value(Literal::Timestamp(i64::MIN)));
    let ns = Scalar::Value(Literal::TimestampNs(instant("2020-05-06T07:08") * 1_000));
    let expected = Scalar::Value(Literal::TimestampNs(instant("2020-05-01T00:00") * 1_000));
    assert_eq!(shown(MaskAction::TruncateToMonth, ns, Primitive::TimestampNs { zoned: false }), expected);
}

/// S-034: null makes a comparison unknown, and unknown is neither true nor false, negated or not.
#[test]
fn predicates_are_three_valued() {
    let compare =
        |value: &str| BoundPredicate::Compare { column: 1, op: Comparison::Eq, literal: Literal::Text(value.into()) };
    let not = |p| BoundPredicate::Not(Box::new(p));
    let us = Row::from([(1, text("us"))]);
    for null in [Row::new(), Row::from([(1, Scalar::Null)])] {
        assert_eq!(eval(&compare("us"), &null), None);
        assert_eq!(eval(&not(compare("us")), &null), None);
        assert_eq!(eval(&BoundPredicate::In { column: 1, literals: vec![Literal::Text("us".into())] }, &null), None);
        assert_eq!(eval(&BoundPredicate::StartsWith { column: 1, prefix: String::new() }, &null), None);
        assert_eq!(eval(&BoundPredicate::Or(vec![compare("us"), BoundPredicate::True]), &null), Some(true));
        assert_eq!(eval(&BoundPredicate::And(vec![compare("us"), BoundPredicate::False]), &null), Some(false));
        assert_eq!(eval(&BoundPredicate::And(vec![compare("us"), BoundPredicate::True]), &null), None);
        assert_eq!(eval(&BoundPredicate::IsNull(1), &null), Some(true));
    }
    assert_eq!(eval(&compare("us"), &us), Some(true));
    assert_eq!(eval(&compare("us' OR '1'='1"), &us), Some(false));
    assert_eq!(eval(&not(compare("eu")), &us), Some(true));
    assert_eq!(eval(&BoundPredicate::StartsWith { column: 1, prefix: "u".into() }, &us), Some(true));
}
